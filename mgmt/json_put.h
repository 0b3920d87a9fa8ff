/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef JSON_PUT_H
#define JSON_PUT_H

/*
 * Putting values into JSON objects (jansson) that are meant for programs: numbers that JSON can
 * hold, texts that are UTF-8. Each function returns 0, or -1 when memory ran out; the results can
 * be added up.
 */

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "core/lm_stats.h"

/* Larger than 2^63 - 1: that. */
int json_put_u64(json_t *object, const char *key, uint64_t value);
/* Not a number or infinite: null. */
int json_put_real(json_t *object, const char *key, double value);
/* What is not UTF-8 is replaced by "?"; NULL: null. */
int json_put_text(json_t *object, const char *key, const char *text);
/* {"p50": …, "p90": …, "p99": …, "p99_9": …, "p99_99": …, "max": …, "count": …} */
int json_put_latency(json_t *object, const char *key, const struct lm_hist_summary *latency);
json_t *json_put_new_text(const char *text);

/* Writes the value as one line and lets go of it; -ENOMEM if it is NULL or `failed` is not 0, or
 * -EIO. */
int json_put_line(FILE *out, json_t *value, int failed);

#endif
