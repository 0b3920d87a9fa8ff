/* SPDX-License-Identifier: BSD-3-Clause */
/* The instruction set the engine was compiled for, against that of the CPU. */
#include "mgmt/isa.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* What the x86-64 psABI asks of a level, beyond the one before it, as /proc/cpuinfo calls it. */
static const char *const isa_v2[] = {
	"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3", NULL
};
static const char *const isa_v3[] = { "avx", "avx2", "bmi1",  "bmi2",  "f16c",
	                              "fma", "abm",  "movbe", "xsave", NULL };
static const char *const isa_v4[] = { "avx512f",  "avx512bw", "avx512cd",
	                              "avx512dq", "avx512vl", NULL };

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) &&                      \
    defined(__AVX512DQ__) && defined(__AVX512VL__)
#define ISA_COMPILED ISA_V4
#define ISA_TEXT "x86-64-v4 (AVX-512)"
#elif defined(__AVX2__) && defined(__BMI2__) && defined(__FMA__) && defined(__F16C__) &&           \
    defined(__LZCNT__) && defined(__MOVBE__)
#define ISA_COMPILED ISA_V3
#define ISA_TEXT "x86-64-v3 (AVX2)"
#elif defined(__SSE4_2__) && defined(__POPCNT__)
#define ISA_COMPILED ISA_V2
#define ISA_TEXT "x86-64-v2 (SSE4.2)"
#elif defined(__x86_64__)
#define ISA_COMPILED ISA_V1
#define ISA_TEXT "x86-64-v1 (SSE2)"
#else
#define ISA_COMPILED ISA_UNKNOWN
#define ISA_TEXT "not x86-64"
#endif

const char *
isa_compiled(void)
{
	return ISA_TEXT;
}

enum isa_level
isa_compiled_level(void)
{
	return ISA_COMPILED;
}

static bool
isa_has(const char *flags, const char *flag)
{
	size_t length = strlen(flag);

	for (const char *at = strstr(flags, flag); at != NULL; at = strstr(at + 1, flag)) {
		bool begins = at == flags || at[-1] == ' ' || at[-1] == '\t';

		if (begins && (at[length] == ' ' || at[length] == '\0')) {
			return true;
		}
	}
	return false;
}

static bool
isa_has_all(const char *flags, const char *const *names)
{
	while (*names != NULL && isa_has(flags, *names)) {
		names++;
	}
	return *names == NULL;
}

enum isa_level
isa_level_of(const char *flags)
{
	if (!isa_has(flags, "lm")) {
		return ISA_UNKNOWN;
	}
	if (!isa_has_all(flags, isa_v2)) {
		return ISA_V1;
	}
	if (!isa_has_all(flags, isa_v3)) {
		return ISA_V2;
	}
	return isa_has_all(flags, isa_v4) ? ISA_V4 : ISA_V3;
}

const char *
isa_name(enum isa_level level)
{
	static const char *const names[] = { "unknown", "x86-64-v1", "x86-64-v2", "x86-64-v3",
		                             "x86-64-v4" };

	return names[level];
}
