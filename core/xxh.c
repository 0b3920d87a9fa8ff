/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of xxhash. */

#define XXH_IMPLEMENTATION
#include "core/xxh.h"
