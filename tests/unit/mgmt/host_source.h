/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HOST_SOURCE_H
#define HOST_SOURCE_H

/* Where the recorded hosts are: tests/data/hosts/<name> in the source tree that LODEMILL_SOURCE
 * names. */

#include <stdio.h>
#include <stdlib.h>

static inline const char *
host_source(const char *name, char path[512])
{
	const char *root = getenv("LODEMILL_SOURCE");

	snprintf(path, 512, "%s/tests/data/hosts/%s", root != NULL ? root : ".", name);
	return path;
}

#endif
