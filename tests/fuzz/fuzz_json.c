/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json_take on arbitrary bytes: it stays within the line, and so do its cells. What it takes for an
 * object has a brace at either end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "operators/json_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *line, size_t size, const struct csv_row *row)
{
	if (row->cell_count != 3 || memchr(line, '{', size) == NULL ||
	    memchr(line, '}', size) == NULL) {
		abort();
	}
	for (uint32_t i = 0; i < row->cell_count; i++) {
		const char *text = row->cell[i].text;

		if (text < line || text + row->cell[i].length > line + size) {
			abort();
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char names[][8] = { "a", "b", "long" };
	static struct csv_row row;
	char *line = malloc(size + (size == 0));

	if (line == NULL) {
		return 0;
	}
	if (size > 0) {
		memcpy(line, data, size);
	}
	if (json_take(line, size, names[0], sizeof(names[0]), 3, &row)) {
		check(line, size, &row);
	}
	free(line);
	return 0;
}
