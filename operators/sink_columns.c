/* SPDX-License-Identifier: BSD-3-Clause */
/* The columns that sinks of text write. */
#include "operators/sink_columns.h"

int
sink_columns_configure(struct lm_setup *setup, struct sink_columns *columns)
{
	const struct lm_schema *schema = lm_setup_input(setup, 0);

	columns->count = lm_setup_count(setup, "columns");
	if (columns->count > LM_FIELDS_MAX) {
		return lm_setup_error(setup, "columns", LM_FIELDS_MAX, LM_NONE, NULL,
		                      "more than %u columns", LM_FIELDS_MAX);
	}
	for (uint32_t i = 0; i < columns->count; i++) {
		columns->field[i] = lm_setup_item_column(setup, "columns", i);
	}
	if (columns->count > 0) {
		return 0;
	}
	while (columns->count < schema->field_count) {
		columns->field[columns->count] = columns->count;
		columns->count++;
	}
	return 0;
}
