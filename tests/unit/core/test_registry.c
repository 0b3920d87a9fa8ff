/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of core/registry.c: well-formed tables are found by name, others are refused with a reason.
 */
#include "core/registry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry_builtin.h"

static enum lm_poll
poll(struct lm_op *op)
{
	(void)op;
	return LM_POLL_END;
}

static void
process(struct lm_op *op, const struct lm_batch *in)
{
	(void)op;
	(void)in;
}

static int
configure(struct lm_setup *setup, void *config)
{
	(void)setup;
	(void)config;
	return 0;
}

static const char *const in[] = { "in", NULL };
static const char *const out[] = { "out", NULL };

static const struct lm_op_class source = {
	.abi_version = LM_ABI_VERSION,
	.name = "a_source",
	.rows = LM_ROWS_SOURCE,
	.outputs = out,
	.configure = configure,
	.poll = poll,
};
static const struct lm_op_class filter = {
	.abi_version = LM_ABI_VERSION,
	.name = "b_filter",
	.rows = LM_ROWS_PASS,
	.inputs = in,
	.outputs = out,
	.process = process,
};
static const struct lm_op_class builtin = {
	.abi_version = LM_ABI_VERSION,
	.name = "built_in",
	.rows = LM_ROWS_ABSORB,
	.inputs = in,
	.process = process,
};
REGISTER_CLASS(builtin)

static void
test_order(void **state)
{
	struct lm_op_class first = filter;
	const char *why = NULL;

	(void)state;
	first.name = "a";
	assert_ptr_equal(registry_at(0), &builtin);
	assert_int_equal(registry_add(&filter, &why), 0);
	assert_int_equal(registry_add(&source, &why), 0);
	assert_int_equal(registry_add(&first, &why), 0);
	assert_ptr_equal(registry_at(0), &first);
	assert_ptr_equal(registry_at(1), &source);
	assert_ptr_equal(registry_at(2), &filter);
	assert_ptr_equal(registry_at(3), &builtin);
	assert_null(registry_at(4));
	assert_ptr_equal(registry_find("b_filter"), &filter);
	assert_null(registry_find("filter"));
	assert_string_equal(registry_nearest("b_fliter"), "b_filter");
	assert_null(registry_nearest("something"));
	assert_int_equal(registry_add(&filter, &why), -EEXIST);
	assert_string_equal(why, "there is already an operator type \"b_filter\"");
	registry_remove(&first);
	registry_remove(&first);
	assert_null(registry_find("a"));
	assert_ptr_equal(registry_find("b_filter"), &filter);
	registry_remove(&filter);
	registry_remove(&source);
	assert_ptr_equal(registry_at(0), &builtin);
}

static void
refused(const struct lm_op_class *class, const char *expected)
{
	const char *why = NULL;
	int rc = registry_add(class, &why);

	if (rc != -EINVAL || strcmp(why, expected) != 0) {
		fail_msg("%d, \"%s\" instead of \"%s\"", rc, why, expected);
	}
}

#define REFUSED(base, change, expected)                                                            \
	do {                                                                                       \
		struct lm_op_class class = base;                                                   \
		change;                                                                            \
		refused(&class, expected);                                                         \
	} while (0)

/* A table of the first minor ends before what later ones added: nothing behind it is read. */
static void
test_older_minor(void **state)
{
	struct lm_op_class old = filter, room;
	const struct lm_op_class *found;
	const char *why;

	(void)state;
	old.abi_version = LM_ABI_MAJOR << 16;
	old.name = "older";
	memset(&old.serialize, 0xa5, sizeof(old) - offsetof(struct lm_op_class, serialize));
	assert_int_equal(registry_check(&old, &why), 0);
	found = registry_at_length(&old, &room);
	assert_ptr_equal(found, &room);
	assert_string_equal(found->name, "older");
	assert_true(found->process == filter.process);
	assert_true(found->serialize == NULL);
	assert_true(found->deserialize == NULL);
	assert_int_equal(found->state_version, 0);
	assert_ptr_equal(registry_at_length(&filter, &room), &filter);
}

static void
test_refused(void **state)
{
	static const char *const nine[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", NULL };
	static const char *const twice[] = { "a", "a", NULL };
	static const char *const odd[] = { "a b", NULL };
	static const char *const empty[] = { "", NULL };
	static const char *many[LM_DROPS_MAX + 2];

	(void)state;
	for (uint32_t i = 0; i <= LM_DROPS_MAX; i++) {
		many[i] = "late";
	}
	refused(NULL, "there is no class table");
	REFUSED(filter, class.abi_version = (LM_ABI_MAJOR + 1) << 16,
	        "it is of ABI 2.0, this engine has 1.4");
	REFUSED(filter, class.abi_version = LM_ABI_VERSION + 1,
	        "it is of ABI 1.5, this engine has 1.4");
	REFUSED(filter, class.name = NULL, "\"\" is not a name [a-z][a-z0-9_]*");
	REFUSED(filter, class.name = "Filter", "\"Filter\" is not a name [a-z][a-z0-9_]*");
	REFUSED(filter, class.name = "1st", "\"1st\" is not a name [a-z][a-z0-9_]*");
	REFUSED(filter, class.inputs = nine, "more than 8 inputs, or no NULL ends them");
	REFUSED(filter, class.outputs = twice, "output \"a\" is there twice");
	REFUSED(filter, class.outputs = odd, "output 0: \"a b\" is not a name [a-z][a-z0-9_]*");
	REFUSED(filter, class.drops = empty, "drop reason 0 is empty or too long");
	REFUSED(filter, class.drops = many, "more than 32 drop reasons, or no NULL ends them");
	REFUSED(filter, class.process = NULL, "with inputs it needs process, not poll");
	REFUSED(filter, class.poll = poll, "with inputs it needs process, not poll");
	REFUSED(filter, class.rows = LM_ROWS_SOURCE,
	        "with inputs, rows must be LM_ROWS_PASS, ABSORB or SPLIT");
	REFUSED(filter, class.outputs = NULL,
	        "LM_ROWS_PASS needs an output; a sink is "
	        "LM_ROWS_ABSORB");
	REFUSED(filter, class.flags = LM_OP_DELAYS, "LM_OP_DELAYS needs hold, to tell what waits");
	REFUSED(filter, class.context_size = 1u << 30,
	        "config_size or context_size is above 64 MiB");
	REFUSED(source, class.poll = NULL,
	        "without inputs it is a source: it needs poll, not process");
	REFUSED(source, class.process = process,
	        "without inputs it is a source: it needs poll, not process");
	REFUSED(source, class.rows = LM_ROWS_PASS,
	        "without inputs it is a source: rows must be LM_ROWS_SOURCE");
	REFUSED(source, class.configure = NULL,
	        "a source needs an output, and configure to declare it");
	assert_null(registry_find("b_filter"));
}

static void
param_refused(const struct lm_op_class *base, struct lm_param param, const char *expected)
{
	struct lm_param params[] = { param, { .name = NULL } };
	struct lm_op_class class = *base;

	class.params = params;
	refused(&class, expected);
}

static void
test_params(void **state)
{
	static const char *const choices[] = { NULL };
	static struct lm_param many[66];
	struct lm_param twice[] = { { .name = "p" }, { .name = "p" }, { .name = NULL } };
	struct lm_op_class class = filter;

	(void)state;
	param_refused(&filter, (struct lm_param){ .name = "P" },
	              "parameter \"P\" is not a name [a-z][a-z0-9_]*");
	param_refused(&filter, (struct lm_param){ .name = "slices" },
	              "parameter \"slices\" has a reserved name");
	param_refused(&filter, (struct lm_param){ .name = "p", .type = (enum lm_param_type)77 },
	              "parameter \"p\" is of no known type");
	param_refused(&filter, (struct lm_param){ .name = "p", .required = true, .fallback = "1" },
	              "parameter \"p\" is required and has a fallback");
	param_refused(&filter,
	              (struct lm_param){ .name = "p", .type = LM_PARAM_MAP, .fallback = "1" },
	              "parameter \"p\": a map has no fallback");
	param_refused(&filter, (struct lm_param){ .name = "p", .min = 2, .max = 1 },
	              "parameter \"p\": min is above max");
	param_refused(&filter, (struct lm_param){ .name = "p", .type = LM_PARAM_CHOICE },
	              "parameter \"p\" needs 1 to 64 choices, ended by NULL");
	param_refused(&filter,
	              (struct lm_param){ .name = "p", .type = LM_PARAM_CHOICE, .choices = choices },
	              "parameter \"p\" needs 1 to 64 choices, ended by NULL");
	param_refused(&source, (struct lm_param){ .name = "p", .type = LM_PARAM_COLUMN },
	              "parameter \"p\" is about an input, which a source lacks");
	class.params = twice;
	refused(&class, "parameter \"p\" is there twice");
	for (uint32_t i = 0; i < 66; i++) {
		static char names[66][8];

		snprintf(names[i], sizeof(names[i]), "p%u", i);
		many[i].name = names[i];
	}
	class.params = many;
	refused(&class, "more than 64 parameters, or no NULL name ends them");
}

static void
custom(const struct lm_batch *batch, const struct lm_select *rows, uint32_t destinations,
       uint16_t *destination)
{
	(void)batch;
	(void)rows;
	(void)destinations;
	(void)destination;
}

static void
test_groupings(void **state)
{
	static const struct lm_grouping_function good = { "by_length", custom };
	static const struct lm_grouping_function bad_name = { "By", custom };
	static const struct lm_grouping_function no_function = { "by_width", NULL };
	const char *why = NULL;

	(void)state;
	assert_null(registry_find_grouping("by_length"));
	assert_int_equal(registry_add_grouping(&good, &why), 0);
	assert_int_equal(registry_add_grouping(&good, &why), -EEXIST);
	assert_string_equal(why, "there is already a grouping \"by_length\"");
	assert_int_equal(registry_add_grouping(&bad_name, &why), -EINVAL);
	assert_int_equal(registry_add_grouping(NULL, &why), -EINVAL);
	assert_int_equal(registry_add_grouping(&no_function, &why), -EINVAL);
	assert_string_equal(why, "grouping \"by_width\" has no function");
	assert_ptr_equal(registry_find_grouping("by_length"), custom);
	assert_string_equal(registry_nearest_grouping("by_lenght"), "by_length");
	registry_remove_grouping(&good);
	registry_remove_grouping(&good);
	assert_null(registry_find_grouping("by_length"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),     cmocka_unit_test(test_older_minor),
		cmocka_unit_test(test_refused),   cmocka_unit_test(test_params),
		cmocka_unit_test(test_groupings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
