/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/isa.c: levels from the flags of /proc/cpuinfo. */
#include "mgmt/isa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define V2 "lm cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
#define V3 V2 " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
#define V4 V3 " avx512f avx512bw avx512cd avx512dq avx512vl"

static void
test_levels(void **state)
{
	(void)state;
	assert_int_equal(isa_level_of(""), ISA_UNKNOWN);
	assert_int_equal(isa_level_of("fpu lm sse2"), ISA_V1);
	assert_int_equal(isa_level_of(V2), ISA_V2);
	assert_int_equal(isa_level_of(V3), ISA_V3);
	assert_int_equal(isa_level_of(V4), ISA_V4);
	/* A flag whose name only begins like the one that is missing. */
	assert_int_equal(isa_level_of(V2 " avx2 bmi1 bmi2 f16c fma abm movbe xsave avx_vnni"),
	                 ISA_V2);
}

static void
test_compiled(void **state)
{
	(void)state;
	assert_memory_equal(isa_compiled(), isa_name(isa_compiled_level()),
	                    strlen(isa_name(isa_compiled_level())));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_compiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
