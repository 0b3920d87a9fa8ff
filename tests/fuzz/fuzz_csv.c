/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * csv_take on arbitrary bytes. Beyond staying within bounds it must get on (every row takes at
 * least a byte), keep cells inside the row, and answer the same for the whole file as for pieces of
 * it: with more bytes behind, a complete row stays what it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "operators/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_row(const char *bytes, const struct csv_row *row, size_t size)
{
	uint32_t kept = row->cell_count < CSV_CELLS_MAX ? row->cell_count : CSV_CELLS_MAX;
	const char *from = bytes;

	if (row->consumed == 0 || row->consumed > size || row->cell_count == 0 ||
	    row->lines > row->consumed) {
		abort();
	}
	for (uint32_t i = 0; i < kept; i++) {
		const char *text = row->cell[i].text;

		if (text < from || text + row->cell[i].length > bytes + row->consumed) {
			abort();
		}
		from = text + row->cell[i].length;
	}
}

/* Of the bytes up to the end of the row alone: the same row. */
static void
check_again(const char *original, const struct csv_row *row, char separator)
{
	static struct csv_row again;
	char *copy = malloc(row->consumed);

	if (copy == NULL) {
		return;
	}
	memcpy(copy, original, row->consumed);
	if (csv_take(copy, row->consumed, true, separator, &again) != CSV_ROW ||
	    again.consumed != row->consumed || again.cell_count != row->cell_count ||
	    again.lines != row->lines) {
		abort();
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct csv_row row;
	char separator, *bytes, *original;
	bool final;
	size_t at = 0;

	if (size < 2) {
		return 0;
	}
	separator = ",;\t|"[data[0] & 3];
	final = (data[0] & 4) != 0;
	size--;
	bytes = malloc(size);
	original = malloc(size);
	if (bytes == NULL || original == NULL) {
		abort();
	}
	memcpy(bytes, data + 1, size);
	memcpy(original, data + 1, size);
	while (at < size) {
		enum csv_result result = csv_take(bytes + at, size - at, final, separator, &row);

		if (result == CSV_MORE) {
			if (final) {
				abort();
			}
			break;
		}
		if (result == CSV_ROW) {
			check_row(bytes + at, &row, size - at);
			check_again(original + at, &row, separator);
		} else if (row.consumed == 0 || row.consumed > size - at) {
			abort();
		}
		at += row.consumed;
	}
	free(bytes);
	free(original);
	return 0;
}
