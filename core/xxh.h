/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef XXH_H
#define XXH_H

/*
 * XXH3 and XXH64 (Y. Collet) for digests of files and blocks. The library's functions are compiled
 * here, in core/xxh.c, for the CPU that all is built for: those of Debian 12 use SSE2 alone and
 * have less than half the rate. Once, for they take a compiler longer than all the rest of a file;
 * only core/hash.c and operators have them inline.
 */

#define XXH_NAMESPACE lodemill_
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#endif
