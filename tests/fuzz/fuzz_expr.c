/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes expressions: any text is parsed against a schema of every type. What parses is computed on
 * a small batch, for all rows and for some, and the ways to ask must agree.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/lm_expr.h"
#include "core/lm_op.h"

#define ROWS 40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lm_schema schema;
static struct lm_batch *batch;

static void
check(bool fine)
{
	if (!fine) {
		abort();
	}
}

/* Short names, and both a small and a large value of everything. */
static void
start(void)
{
	static const char *const words[] = { "", "a", "abc", "www.example.com" };
	struct lm_field field[LM_TYPE_COUNT + 1];
	uint64_t random = 1;

	memset(field, 0, sizeof(field));
	for (uint32_t i = 0; i < LM_TYPE_COUNT; i++) {
		const char *name = lm_type_text((enum lm_type)i);

		memcpy(field[i].name, name, strlen(name) + 1);
		field[i].name[0] =
		    (char)(name[0] - 'a' + 'A'); /* i64 is a function: I64 is the column */
		field[i].type = (enum lm_type)i;
	}
	field[LM_TYPE_COUNT] = field[LM_U64];
	memcpy(field[LM_TYPE_COUNT].name, "v", 2);
	check(lm_schema_init(&schema, field, LM_TYPE_COUNT + 1, ROWS) == 0);
	batch = aligned_alloc(64, schema.size);
	check(batch != NULL);
	memset(batch, 0, schema.size);
	batch->schema = &schema;
	batch->count = ROWS;
	for (uint32_t i = 0; i < schema.field_count; i++) {
		uint32_t width = lm_type_width(schema.field[i].type);

		for (uint32_t row = 0; row < ROWS; row++) {
			const char *word = words[row % 4];

			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			for (uint32_t j = 0; j < width && row % 3 != 0; j++) {
				uint8_t byte =
				    row % 3 == 1 ? 0xff : (uint8_t)(random >> (8 * (j % 8)));

				((uint8_t *)lm_batch_column(batch, i))[row * width + j] = byte;
			}
			check(width != 0 ||
			      lm_batch_put_string(batch, i, row, word, (uint32_t)strlen(word)));
		}
	}
}

/* Values of all rows and of some; a bool also as selections. */
static void
evaluate(const struct lm_expr *expr)
{
	static char all[LM_BATCH_ROWS * 16], some[LM_BATCH_ROWS * 16];
	static struct lm_select rows, keep;
	struct lm_expr_scratch *scratch = lm_expr_scratch_create(expr);
	uint32_t width = lm_type_width(lm_expr_type(expr));
	uint32_t kept = 0;

	check(scratch != NULL);
	check(width != 0 || lm_expr_field(expr) != LM_NONE);
	lm_select_begin(&rows, batch);
	for (uint32_t row = 1; row < ROWS; row += 2 + row % 3) {
		lm_select_add(&rows, row);
	}
	if (width != 0) {
		lm_expr_eval(expr, scratch, batch, NULL, all);
		lm_expr_eval(expr, scratch, batch, &rows, some);
		for (uint32_t i = 0; i < rows.count; i++) {
			/* A NaN may be any NaN. */
			check(lm_expr_type(expr) == LM_F64 ||
			      memcmp(some + i * width, all + rows.row[i] * width, width) == 0);
		}
	}
	if (lm_expr_type(expr) == LM_BOOL) {
		lm_expr_select(expr, scratch, batch, NULL, &keep);
		for (uint32_t row = 0; row < ROWS; row++) {
			check(all[row] == 0 || (kept < keep.count && keep.row[kept] == row));
			kept += all[row] != 0;
		}
		check(kept == keep.count);
		lm_expr_select(expr, scratch, batch, &rows, &keep);
		kept = 0;
		for (uint32_t i = 0; i < rows.count; i++) {
			check(some[i] == 0 || (kept < keep.count && keep.row[kept] == rows.row[i]));
			kept += some[i] != 0;
		}
		check(kept == keep.count);
	}
	lm_expr_scratch_free(scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lm_expr_error error;
	struct lm_expr *expr;
	char *text;

	if (batch == NULL) {
		start();
	}
	text = malloc(size + 1);
	check(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	expr = lm_expr_parse(text, &schema, &error);
	if (expr != NULL) {
		free(text); /* the text need not outlive the call */
		text = NULL;
		evaluate(expr);
	} else {
		check(error.message[0] != '\0');
		check(memchr(error.message, '\0', sizeof(error.message)) != NULL);
		check(memchr(error.hint, '\0', sizeof(error.hint)) != NULL);
		check(error.column <= size);
	}
	lm_expr_free(expr);
	free(text);
	return 0;
}
