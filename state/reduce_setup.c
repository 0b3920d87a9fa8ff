/* SPDX-License-Identifier: BSD-3-Clause */
/* Reducers from an operator's parameters: which columns, what is wrong with them. */

#include "state/lm_reduce.h"

#include <stdio.h>

#include "core/text.h"

#define REDUCE_TEXT(suffix, text) text,
static const char *const reduce_param[LM_REDUCTION_COUNT] = { LM_REDUCTIONS(REDUCE_TEXT) };
#undef REDUCE_TEXT

static int
reduce_no_column(struct lm_setup *setup, const char *param, uint32_t item, const char *column)
{
	const struct lm_schema *schema = lm_setup_input(setup, 0);
	const char *names[LM_FIELDS_MAX];
	char hint[240];

	for (uint32_t i = 0; i < schema->field_count; i++) {
		names[i] = schema->field[i].name;
	}
	text_hint(column, "columns", names, schema->field_count, hint, sizeof(hint));
	return lm_setup_error(setup, param, item, LM_NONE, hint, "the input has no column \"%s\"",
	                      column);
}

/* `name` NULL: as the column is called. */
static int
reduce_configure_one(struct lm_reduce *reduce, struct lm_setup *setup, enum lm_reduction reduction,
                     uint32_t item, const char *name, const char *column)
{
	const struct lm_schema *schema = lm_setup_input(setup, 0);
	const char *param = reduce_param[reduction], *refusal;
	uint32_t field = column == NULL ? LM_NONE : lm_schema_find(schema, column);

	if (column != NULL && field == LM_NONE) {
		return reduce_no_column(setup, param, item, column);
	}
	if (name == NULL || name[0] == '\0') {
		name = column;
	}
	if (!text_is_name(name, false)) {
		return lm_setup_error(setup, param, item, LM_NONE,
		                      "a name is up to 31 letters, digits and _, no digit first",
		                      "\"%s\" cannot be the name of a column", name);
	}
	refusal = lm_reduce_add(reduce, schema, reduction, field, name);
	if (refusal != NULL && column != NULL) {
		return lm_setup_error(setup, param, item, LM_NONE, NULL, "%s of \"%s\" (%s): %s",
		                      param, column, lm_type_text(schema->field[field].type),
		                      refusal);
	}
	return refusal == NULL ? 0
	                       : lm_setup_error(setup, param, item, LM_NONE, NULL, "%s", refusal);
}

int
lm_reduce_configure(struct lm_reduce *reduce, struct lm_setup *setup)
{
	int result = 0;

	*reduce = (struct lm_reduce){ .time_field = LM_NONE };
	if (lm_setup_has(setup, "count")) {
		result |= reduce_configure_one(reduce, setup, LM_REDUCE_COUNT, LM_NONE,
		                               lm_setup_text(setup, "count"), NULL);
	}
	for (uint32_t r = LM_REDUCE_SUM; r < LM_REDUCTION_COUNT; r++) {
		uint32_t items = lm_setup_count(setup, reduce_param[r]);

		for (uint32_t i = 0; i < items; i++) {
			result |=
			    reduce_configure_one(reduce, setup, (enum lm_reduction)r, i,
			                         lm_setup_item_name(setup, reduce_param[r], i),
			                         lm_setup_item(setup, reduce_param[r], i));
		}
	}
	if (result == 0 && reduce->count == 0) {
		result = lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                        "say what to compute, for example count: rows",
		                        "it has no aggregate");
	}
	return result;
}
