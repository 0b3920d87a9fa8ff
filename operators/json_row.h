/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef JSON_ROW_H
#define JSON_ROW_H

/*
 * An object of JSON (RFC 8259) on a line, taken apart into the cells of a row, by name. A cell is
 * the text of a value: a string's characters, a number as it stands, true, false; of an object or
 * an array all of its text; null and what is absent are empty. Names that nobody asks for are
 * skipped; of a name that comes twice the last counts. Pure.
 */

#include "operators/csv.h"

/* Objects and arrays in one another, at most. */
#define JSON_DEPTH_MAX 64u

/*
 * Cell i is of the i-th of `count` names, which are texts `stride` bytes apart. Cells point into
 * `line`; strings are unescaped in place, so a line can be taken apart only once. False: it is not
 * one object and nothing more. `consumed` and `lines` of the row are left alone.
 */
bool json_take(char *line, size_t length, const char *names, size_t stride, uint32_t count,
               struct csv_row *row);

#endif
