/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FILE_SOURCE_H
#define FILE_SOURCE_H

/*
 * What file_source was told: read by operators/file_source_setup.c, followed by
 * operators/file_source.c.
 */

#include "core/lm_op.h"
#include "operators/csv.h"
#include "operators/value_text.h"

enum { FORMAT_LINES, FORMAT_CSV };
enum { BAD_DROP, BAD_STOP };

/* A column of the file: which field it fills and how. */
struct file_column {
	uint32_t field; /* LM_NONE: skipped */
	bool skipped;   /* as declared */
	struct value_spec spec;
	char name[LM_NAME_MAX];
};

struct file_config {
	char *path;
	uint32_t format;
	uint32_t on_bad;
	bool header;
	char separator;
	uint64_t repeat; /* 0: for ever */
	uint64_t lag_ns;
	uint32_t line_max;
	uint32_t column_count; /* as declared, skipped ones included */
	struct file_column column[CSV_CELLS_MAX];
};

int file_configure(struct lm_setup *setup, void *config);
void file_unconfigure(void *config);

#endif
