/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SINK_COLUMNS_H
#define SINK_COLUMNS_H

/* What sinks of text write: the parameter `columns`, all columns of the input without it. */

#include "core/lm_op.h"

#define SINK_COLUMNS_PARAM                                                                         \
	{                                                                                          \
		.name = "columns", .type = LM_PARAM_COLUMNS,                                       \
		.summary = "what is written; all if absent"                                        \
	}

struct sink_columns {
	uint32_t field[LM_FIELDS_MAX];
	uint32_t count;
};

/* configure: 0, or -1 after reporting why not. */
int sink_columns_configure(struct lm_setup *setup, struct sink_columns *columns);

#endif
