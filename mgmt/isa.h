/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ISA_H
#define ISA_H

/*
 * The instruction set the engine was compiled for, against that of the CPU. DPDK's build flags
 * lower it silently if one lets them, so it is shown by --version and checked by doctor. Pure.
 */

enum isa_level { ISA_UNKNOWN, ISA_V1, ISA_V2, ISA_V3, ISA_V4 };

/* "x86-64-v4 (AVX-512)" */
const char *isa_compiled(void);
enum isa_level isa_compiled_level(void);
/* From the line "flags" of /proc/cpuinfo. */
enum isa_level isa_level_of(const char *flags);
/* "x86-64-v3"; "unknown" */
const char *isa_name(enum isa_level level);

#endif
