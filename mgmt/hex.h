/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HEX_H
#define HEX_H

/* Bytes for people: as hexadecimal digits, as a dump with text beside it, as text where it is one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Two digits a byte in memory of its own; NULL: no memory. */
char *hex_digits(const void *bytes, size_t size);
/*
 * Sixteen bytes a line behind `indent`: where they stand, counted from `offset`, digits, text. A
 * line of the same bytes as the one before is left out, and "*" stands for all of them.
 */
void hex_dump(FILE *out, const char *indent, uint64_t offset, const void *bytes, size_t size);
/* Whether all of it is UTF-8 that a terminal shows as it is; line ends and tabs are fine. */
bool hex_is_text(const void *bytes, size_t size);
/* A text in quotes; its line ends, tabs, quotes and backslashes as \n, \t, \" and \\. */
void hex_quote(FILE *out, const void *bytes, size_t size);

#endif
