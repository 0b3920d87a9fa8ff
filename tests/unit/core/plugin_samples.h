/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGIN_SAMPLES_H
#define PLUGIN_SAMPLES_H

/* Where the shared objects of plugin_sample.c are, for tests that load them. Behind cmocka.h. */

#include <stdio.h>
#include <stdlib.h>

/* The path of one, until the next call; the test is skipped where they are not built. */
static inline const char *
sample(const char *name)
{
	static char path[600];
	const char *folder = getenv("LODEMILL_TEST_PLUGINS");

	if (folder == NULL) {
		skip();
	}
	snprintf(path, sizeof(path), "%.500s/plugin_%s.so", folder, name);
	return path;
}

#endif
