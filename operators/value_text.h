/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VALUE_TEXT_H
#define VALUE_TEXT_H

/*
 * From text to a value of a column, shared by the operators that read files and parameters. Pure:
 * the text need not end with a zero, nothing outside [text, text + length) is read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lm_batch.h"

/*
 * Writes the value of a fixed-width type (not a frame) to `value`, which is as wide as the type.
 * False when the text is not one or does not fit. Whole numbers are decimal or 0x…; times are ISO
 * 8601 (UTC, or with an offset) or whole numbers of `unit_ns` since 1970; bools true, false, 1, 0.
 */
bool value_parse(enum lm_type type, uint64_t unit_ns, const char *text, size_t length, void *value);

bool value_parse_u64(const char *text, size_t length, uint64_t *value);
bool value_parse_i64(const char *text, size_t length, int64_t *value);
bool value_parse_f64(const char *text, size_t length, double *value);
bool value_parse_time(const char *text, size_t length, uint64_t unit_ns, int64_t *time_ns);
/* 5ms, 1.5s, 2h; a number alone is ns. */
bool value_parse_duration(const char *text, size_t length, uint64_t *ns);

/* Whether a whole number can be stored in a column of this type. */
bool value_fits(enum lm_type type, bool negative, uint64_t magnitude);

/* How a person declares a column of text: "u64", "time ms" (numbers in ms), "f64 = 0" (for empty
 * cells). */
struct value_spec {
	enum lm_type type;
	uint64_t unit_ns; /* of times written as numbers */
	bool has_fallback;
	union {
		struct lm_ip6 ip6; /* the widest */
		uint64_t whole;
	} fallback;
};

/* NULL, or what is wrong; *at is then where. No frames. */
const char *value_spec_read(const char **at, struct value_spec *spec);
/* As value_parse, but an empty text has the declared value. */
bool value_spec_parse(const struct value_spec *spec, const char *text, size_t length, void *value);

/*
 * The next blank-separated word from *at on, its length, NULL when there is none; *at moves past
 * it.
 */
const char *value_word(const char **at, size_t *length);
bool value_word_is(const char *word, size_t length, const char *text);

#endif
