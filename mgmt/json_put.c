/* SPDX-License-Identifier: BSD-3-Clause */
/* Putting values into JSON objects: only what JSON can hold. */
#include "mgmt/json_put.h"

#include "mgmt/text_table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Digits of a number that is not whole: more would be noise. */
#define JSON_PUT_DIGITS 9

int
json_put_u64(json_t *object, const char *key, uint64_t value)
{
	json_int_t bounded = value > INT64_MAX ? INT64_MAX : (json_int_t)value;

	return json_object_set_new(object, key, json_integer(bounded));
}

int
json_put_real(json_t *object, const char *key, double value)
{
	return json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

json_t *
json_put_new_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value != NULL) {
		return value;
	}
	copy = strdup(text);
	if (copy == NULL) {
		return NULL;
	}
	text_clean(copy);
	value = json_string(copy);
	free(copy);
	return value;
}

int
json_put_text(json_t *object, const char *key, const char *text)
{
	return json_object_set_new(object, key,
	                           text == NULL ? json_null() : json_put_new_text(text));
}

int
json_put_latency(json_t *object, const char *key, const struct lm_hist_summary *latency)
{
	json_t *value = json_object();
	int failed = 0;

	failed += json_put_u64(value, "p50", latency->p50);
	failed += json_put_u64(value, "p90", latency->p90);
	failed += json_put_u64(value, "p99", latency->p99);
	failed += json_put_u64(value, "p99_9", latency->p99_9);
	failed += json_put_u64(value, "p99_99", latency->p99_99);
	failed += json_put_u64(value, "max", latency->max);
	failed += json_put_u64(value, "count", latency->count);
	return failed + json_object_set_new(object, key, value);
}

int
json_put_line(FILE *out, json_t *value, int failed)
{
	const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(JSON_PUT_DIGITS);
	int error = 0;

	if (value == NULL || failed != 0) {
		json_decref(value);
		return -ENOMEM;
	}
	if (json_dumpf(value, out, flags) != 0 || fputc('\n', out) == EOF) {
		error = -EIO;
	}
	json_decref(value);
	return error;
}
