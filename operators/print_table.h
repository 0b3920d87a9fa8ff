/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PRINT_TABLE_H
#define PRINT_TABLE_H

/*
 * A table of text for people: cells from values, lines from cells. What the values hold cannot move
 * the cursor or change a colour. Pure. Private to operators/print.c.
 */

#include "operators/row_text.h"

#define PRINT_CELL_MAX 60u

/* How numbers are written. */
enum print_unit {
	PRINT_PLAIN,
	PRINT_BYTES, /* 1.5 MiB */
	PRINT_RATE   /* 1.5M/s */
};

struct print_cell {
	uint8_t length; /* bytes */
	uint8_t width;  /* characters */
	char text[PRINT_CELL_MAX];
};

struct print_column {
	char name[LM_NAME_MAX];
	uint32_t field;
	enum print_unit unit;
	bool right; /* numbers stand to the right */
};

struct print_table {
	const char *title;
	const char *time; /* behind the title; may be empty */
	const struct print_column *column;
	uint32_t column_count;
	const struct print_cell *cell; /* [row * column_count + column] */
	uint32_t rows;
	uint64_t more;  /* rows that are not shown */
	uint32_t width; /* of the terminal: lines are cut; 0: no bound */
};

/* The text, cut, with what is not a printable character replaced. */
void print_cell_text(struct print_cell *cell, const char *text, size_t length);
void print_cell_value(struct print_cell *cell, const struct lm_batch *batch, uint32_t field,
                      uint32_t row, enum print_unit unit);
/* Writes all lines; returns how many. */
uint32_t print_table_put(struct row_writer *writer, const struct print_table *table);

#endif
