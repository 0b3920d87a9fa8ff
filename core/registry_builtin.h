/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REGISTRY_BUILTIN_H
#define REGISTRY_BUILTIN_H

/*
 * The one line that makes a class built-in:
 *
 *     REGISTER_CLASS(dedup_class)
 *
 * registers it before main. Link the object whole: a static library loses one that nothing refers
 * to.
 */

#include <stdio.h>
#include <stdlib.h>

#include "core/registry.h"

#define REGISTER_CLASS(symbol)                                                                     \
	__attribute__((constructor)) static void register_##symbol(void)                           \
	{                                                                                          \
		const char *why;                                                                   \
                                                                                                   \
		if (registry_add(&(symbol), &why) != 0) {                                          \
			fprintf(stderr, "cannot register %s: %s\n", #symbol, why);                 \
			abort();                                                                   \
		}                                                                                  \
	}

#endif
