/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CSV_H
#define CSV_H

/*
 * Rows of CSV as in RFC 4180: cells between separators, lines ended by LF or CRLF, cells in double
 * quotes may hold all of these, a quote in them is written twice. Laxer than the RFC in one thing:
 * a quote inside a cell that does not begin with one is an ordinary character. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_CELLS_MAX 256u

enum csv_result {
	CSV_ROW,  /* a row, `consumed` bytes long with its line end */
	CSV_MORE, /* the bytes end within a row */
	CSV_BAD /* a row, but its quotes are wrong; `consumed` is up to the end of its first line */
};

struct csv_row {
	size_t consumed;
	uint32_t lines;      /* line ends in it, those inside quotes included */
	uint32_t cell_count; /* of the row; only the first CSV_CELLS_MAX are kept */
	struct {
		const char *text;
		uint32_t length;
	} cell[CSV_CELLS_MAX];
};

/*
 * Takes the first row of the bytes apart. Cells point into `bytes`; quoted ones are unescaped in
 * place, so a row can be taken apart only once. With `final` the bytes are the last of the file and
 * a row needs no line end. `size` is at least 1.
 */
enum csv_result csv_take(char *bytes, size_t size, bool final, char separator, struct csv_row *row);

#endif
