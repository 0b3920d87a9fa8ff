/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGIN_H
#define PLUGIN_H

/*
 * Shared objects with operator classes and groupings. A plugin is known by what is in its file, not
 * by where the file stands: it is loaded from a copy that nobody else can write to, so a file that
 * is built anew is another plugin, beside the one that runs, and writing over a file harms nobody.
 * The same content loaded twice is one plugin, counted; it is unloaded when the last holder has
 * released it. One that cannot be unloaded is retired: its code stays, nobody uses it.
 *
 * Code of a plugin is trusted as the engine is: it runs in the same address space. Its tables are
 * read with bounds. Control threads only.
 */

#include "core/graph.h"
#include "core/lm_engine.h"
#include "core/topology.h"

struct plugin;

/* Loads what stands at `path`; NULL after reporting why not, at `place`. */
struct plugin *plugin_load(const char *path, struct lm_place place, struct lm_errors *errors);
/* The same as the topology declares it: where a certain content is wanted nothing else is loaded,
 * be it from its copy or from where it stands. */
struct plugin *plugin_load_declared(const struct topology_plugin *declared,
                                    struct lm_errors *errors);
/* Whether what stands there now is loaded, and what tells it from other content; 0: it cannot be
 * read. */
bool plugin_is_loaded(const char *path, uint64_t *content);
/* Nothing may use its classes any more when it is the last; NULL is fine. */
void plugin_release(struct plugin *plugin);

/* Whether the next release unloads it. */
bool plugin_is_last(const struct plugin *plugin);

/* NULL: it has none of that name, or of that number. */
const struct lm_op_class *plugin_class(const struct plugin *plugin, const char *name);
const struct lm_op_class *plugin_class_at(const struct plugin *plugin, uint32_t index);
const struct lm_grouping_function *plugin_grouping_at(const struct plugin *plugin, uint32_t index);
/* Whether the address is in its code or data. */
bool plugin_has(const struct plugin *plugin, const void *address);
/* The copy that it is loaded from, for other processes too, as long as this one has it. */
#define PLUGIN_COPY_PATH 48u
void plugin_copy_path(const struct plugin *plugin, char path[PLUGIN_COPY_PATH]);
/* The path that it was first loaded from. */
const char *plugin_path(const struct plugin *plugin);

/* What tells its content from any other; that of a file, false: it cannot be read. */
void plugin_digest(const struct plugin *plugin, char digest[PLUGIN_DIGEST]);
bool plugin_digest_at(const char *path, char digest[PLUGIN_DIGEST]);
/* All that was in its file, to be freed; NULL: no memory. */
char *plugin_content(const struct plugin *plugin, size_t *size);

/* Plugins that are loaded, and those whose code stays though nobody uses it. */
struct plugin_counts {
	uint32_t loaded, retired;
};
struct plugin_counts plugin_count(void);

#endif
