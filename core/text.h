/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEXT_H
#define TEXT_H

/* Reading what people type: numbers with units, durations, sizes, rates, near misses. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each returns 0, -EINVAL (not of the form) or -ERANGE; surrounding blanks are not allowed. */
int text_u64(const char *text, uint64_t *value); /* 42, 1_000, 0xff, 64Ki, 2M, 1.5k */
int text_f64(const char *text, double *value);
int text_bool(const char *text, bool *value);         /* true, false */
int text_duration(const char *text, uint64_t *value); /* 20us, 1.5s, 5m, 1h30m; ns */
int text_size(const char *text, uint64_t *value);     /* 100, 64KiB, 2MB; bytes */

/* Edits between two texts (insert, delete, replace, swap), for "did you mean". */
uint32_t text_distance(const char *a, const char *b);
/* The candidate nearest to `text`, or NULL if none is near enough to be meant. */
const char *text_nearest(const char *text, const char *const *candidates, uint32_t count);
/*
 * What to do about a `text` that is none of the candidates, as a sentence in `hint`: did you mean
 * this one, else what there is (`what`: "columns"). Returns `hint`.
 */
const char *text_hint(const char *text, const char *what, const char *const *candidates,
                      uint32_t count, char *hint, size_t size);

/* A name: letters, digits, _ and, if `dashes`, -; no digit or dash first; at most 31 characters. */
bool text_is_name(const char *text, bool dashes);
/* Whether a list such as "sums,talkers" has the name. */
bool text_in_list(const char *list, const char *name);
/* Characters in the first `size` bytes of a UTF-8 text. */
uint32_t text_characters(const char *text, size_t size);

#endif
