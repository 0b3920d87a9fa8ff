/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UNITS_H
#define UNITS_H

/*
 * Numbers as people read them. Each function returns a small text by value, so that several fit in
 * one call:
 *
 *     printf("%s rows in %s\n", units_count(1.23e7).text, units_ns(14200).text);
 *
 * gives "12.3M rows in 14.2 µs". Texts are UTF-8. Not a number, infinite and negative values are
 * "-".
 */

#include <stdint.h>

struct units_text {
	char text[32];
};

struct units_text units_count(double value);      /* 999, 1.2k, 12.3M, 123M, 1.2G */
struct units_text units_exact(uint64_t value);    /* 1,234,567 */
struct units_text units_bytes(double bytes);      /* 512 B, 1.2 KiB, 12.3 GiB */
struct units_text units_ns(uint64_t ns);          /* 850 ns, 14.2 µs, 1.2 ms, 3.4 s */
struct units_text units_duration(double seconds); /* 3.4 s, 2m 05s, 1h 02m 03s, 3d 04h 05m */
struct units_text units_percent(double share);    /* 12.3 %, 100 % */

#endif
