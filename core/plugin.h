/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGIN_H
#define PLUGIN_H

/*
 * Shared objects with operator classes and groupings. One that is loaded twice is one, counted; it
 * is unloaded when the last holder has released it. Code of a plugin is trusted as the engine is:
 * it runs in the same address space. Its tables are read with bounds. Control threads only.
 */

#include "core/lm_engine.h"

struct plugin;

/* Loads what stands at `path`; NULL after reporting why not, at `place`. */
struct plugin *plugin_load(const char *path, struct lm_place place, struct lm_errors *errors);
/* Whether what stands there now is loaded. */
bool plugin_is_loaded(const char *path);
/* Nothing may use its classes any more when it is the last; NULL is fine. */
void plugin_release(struct plugin *plugin);

#endif
