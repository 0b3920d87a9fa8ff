/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGIN_LINT_H
#define PLUGIN_LINT_H

/*
 * What can be said of a shared object before its code is in the process: whether it can be loaded
 * at all, and whether it can be unloaded again. Pure: looks at bytes, reads none past them,
 * whatever they say. What the loader finds by itself (symbols that nobody has) is left to it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a shared object, at most. */
#define PLUGIN_SIZE_MAX (1u << 30)

struct plugin_lint {
	char why[160];    /* it must not be loaded: the rest of a sentence that begins with it */
	const char *hint; /* and what to do */
	const char *why_stay; /* it cannot be unloaded: likewise; NULL: it can */
};

/* False: it must not be loaded; why and hint say why. */
bool plugin_lint(const void *bytes, size_t size, struct plugin_lint *lint);

#endif
