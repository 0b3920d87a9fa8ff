/* SPDX-License-Identifier: BSD-3-Clause */
/* The values of a generator's columns from row numbers: counter-based random, Zipf, narrowing.
 * Pure. */
#include "operators/generator_values.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static uint64_t
generator_mix(uint64_t x)
{
	/* The finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood 2014). */
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t
generator_key(uint64_t seed, uint32_t field)
{
	return generator_mix(generator_mix(seed) + (field + 1) * UINT64_C(0xd1b54a32d192ed03));
}

/* The integral of x^-s, its inverse, and x^-s itself. */
static double
generator_integral(double s, double x)
{
	double log_x = log(x), t = (1.0 - s) * log_x;

	/* (e^t - 1) / t goes to 1 with t, so s near 1 needs no case of its own. */
	return log_x * (fabs(t) > 1e-8 ? expm1(t) / t : 1.0 + t / 2.0);
}

static double
generator_inverse(double s, double y)
{
	double t = y * (1.0 - s);

	t = t < -1.0 ? -1.0 : t;
	return exp(y * (fabs(t) > 1e-8 ? log1p(t) / t : 1.0 - t / 2.0));
}

static double
generator_weight(double s, double x)
{
	return exp(-s * log(x));
}

void
generator_zipf_init(struct generator_zipf *zipf, uint64_t n, double s)
{
	zipf->n = (double)n;
	zipf->s = s;
	zipf->low = generator_integral(s, 1.5) - 1.0;
	zipf->high = generator_integral(s, zipf->n + 0.5);
	zipf->accept =
	    2.0 - generator_inverse(s, generator_integral(s, 2.5) - generator_weight(s, 2.0));
}

uint32_t
generator_bytes_max(const struct generator_field *field)
{
	uint32_t digits = GENERATOR_DIGITS_MAX;

	if (field->kind == GENERATOR_CONSTANT) {
		digits = field->text_length;
	} else if (field->kind != GENERATOR_SEQUENCE) {
		digits = 1;
		for (uint64_t rest = field->range - 1; rest >= 10; rest /= 10) {
			digits++;
		}
	}
	return digits * LM_BATCH_ROWS + 1;
}

/* What rates are multiplied by: row i of a pace is due once floor(i * scale / rate) has passed. */
#define GENERATOR_SCALE ((uint64_t)GENERATOR_NS_PER_S * GENERATOR_RATE_SCALE)

/* Rows of a pace that are due before so long has passed. */
static uint64_t
generator_rows_before(uint64_t rate, uint64_t ns)
{
	unsigned __int128 scaled = (unsigned __int128)ns * rate;

	return (uint64_t)((scaled + GENERATOR_SCALE - 1) / GENERATOR_SCALE);
}

void
generator_pace_add(struct generator_paces *paces, uint64_t at_ns, uint64_t rate)
{
	uint64_t rows = 0;

	assert(paces->count < GENERATOR_PACES_MAX);
	if (paces->count > 0) {
		const struct generator_pace *last = &paces->pace[paces->count - 1];

		assert(at_ns > last->at_ns);
		rows = last->rows + generator_rows_before(last->rate, at_ns - last->at_ns);
	}
	paces->pace[paces->count++] = (struct generator_pace){ at_ns, rate, rows };
}

int64_t
generator_due_ns(const struct generator_paces *paces, uint64_t made)
{
	const struct generator_pace *pace = &paces->pace[paces->count - 1];

	while (pace->rows > made) {
		pace--;
	}
	if (pace->rate == 0) {
		return 0;
	}
	return (int64_t)(pace->at_ns + (uint64_t)((unsigned __int128)(made - pace->rows) *
	                                          GENERATOR_SCALE / pace->rate));
}

uint64_t
generator_rows_until(const struct generator_paces *paces, uint64_t elapsed_ns)
{
	const struct generator_pace *pace = &paces->pace[paces->count - 1];

	while (pace->at_ns > elapsed_ns) {
		pace--;
	}
	return pace->rows + generator_rows_before(pace->rate, elapsed_ns - pace->at_ns + 1);
}

static uint64_t
generator_random(uint64_t key, uint64_t row)
{
	return generator_mix(key + row * UINT64_C(0x9e3779b97f4a7c15));
}

static void
generator_fill_sequence(uint64_t *value, const struct generator_rows *rows, uint64_t base,
                        uint64_t step)
{
	uint64_t start = base + rows->first * step, by = rows->stride * step;

	for (uint32_t i = 0; i < rows->count; i++) {
		value[i] = start + i * by;
	}
}

static void
generator_fill_uniform(uint64_t *value, const struct generator_rows *rows, uint64_t key,
                       uint64_t base, uint64_t range)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		value[i] = generator_random(key, rows->first + i * rows->stride);
	}
	if (range == 0) {
		return;
	}
	for (uint32_t i = 0; i < rows->count; i++) {
		value[i] = base + (uint64_t)((unsigned __int128)value[i] * range >> 64);
	}
}

static void
generator_fill_real(double *value, const struct generator_rows *rows,
                    const struct generator_field *field)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		uint64_t bits = generator_random(field->key, rows->first + i * rows->stride);

		value[i] = field->real_low + (double)(bits >> 11) * 0x1p-53 * field->real_range;
	}
}

/*
 * Rejection-inversion (W. Hörmann, G. Derflinger: Rejection-inversion to generate variates from
 * monotone discrete distributions, ACM TOMACS 6(3), 1996): a sample from the continuous x^-s,
 * rounded to a rank, is taken unless it lies in the sliver where the hat is above the bar of that
 * rank.
 */
static uint64_t
generator_zipf(const struct generator_zipf *zipf, uint64_t key, uint64_t row)
{
	for (;;) {
		double share = (double)(generator_random(key, row) >> 11) * 0x1p-53;
		double y = zipf->high + share * (zipf->low - zipf->high);
		double x = generator_inverse(zipf->s, y);
		double rank = floor(x + 0.5);

		rank = rank < 1.0 ? 1.0 : rank > zipf->n ? zipf->n : rank;
		if (rank - x <= zipf->accept || y >= generator_integral(zipf->s, rank + 0.5) -
		                                         generator_weight(zipf->s, rank)) {
			return (uint64_t)rank - 1;
		}
		/* The next number of the same row: another key, so no other row uses it. */
		key = generator_mix(key + 1);
	}
}

static void
generator_fill_cycle(uint64_t *value, const struct generator_rows *rows, uint64_t range)
{
	uint64_t at = rows->first % range, by = rows->stride % range;

	for (uint32_t i = 0; i < rows->count; i++) {
		value[i] = at;
		/* at + by may pass 2^64. */
		at = at >= range - by ? at - (range - by) : at + by;
	}
}

static void
generator_fill_intended(int64_t *value, const struct generator_rows *rows)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		value[i] = rows->wall_ns + generator_due_ns(rows->paces, rows->made + i);
	}
}

/* The values of a field as 64 bits each. */
static void
generator_fill(const struct generator_field *field, const struct generator_rows *rows,
               uint64_t *value)
{
	switch (field->kind) {
	case GENERATOR_SEQUENCE:
		generator_fill_sequence(value, rows, field->base, field->step);
		break;
	case GENERATOR_UNIFORM:
		generator_fill_uniform(value, rows, field->key, field->base, field->range);
		break;
	case GENERATOR_CYCLE:
		generator_fill_cycle(value, rows, field->range);
		break;
	case GENERATOR_ZIPF:
		for (uint32_t i = 0; i < rows->count; i++) {
			value[i] = generator_zipf(&field->zipf, field->key,
			                          rows->first + i * rows->stride);
		}
		break;
	case GENERATOR_INTENDED:
		generator_fill_intended((int64_t *)value, rows);
		break;
	case GENERATOR_REAL:
	case GENERATOR_CONSTANT:
		break;
	}
}

#define GENERATOR_NARROW(name, ctype)                                                              \
	static void generator_narrow_##name(ctype *to, const uint64_t *value, uint32_t count)      \
	{                                                                                          \
		for (uint32_t i = 0; i < count; i++) {                                             \
			to[i] = (ctype)value[i];                                                   \
		}                                                                                  \
	}
GENERATOR_NARROW(u8, uint8_t)
GENERATOR_NARROW(u16, uint16_t)
GENERATOR_NARROW(u32, uint32_t)
GENERATOR_NARROW(f32, float)
GENERATOR_NARROW(f64, double)
#undef GENERATOR_NARROW

static void
generator_write_constant(const struct generator_field *field, void *column, uint32_t first,
                         uint32_t count)
{
	uint32_t width = lm_type_width(field->type);

	for (uint32_t i = 0; i < count; i++) {
		memcpy((char *)column + (size_t)(first + i) * width, &field->constant, width);
	}
}

static void
generator_write_real(const struct generator_field *field, const struct generator_rows *rows,
                     double *scratch, void *column, uint32_t first)
{
	if (field->type == LM_F64) {
		generator_fill_real((double *)column + first, rows, field);
		return;
	}
	generator_fill_real(scratch, rows, field);
	for (uint32_t i = 0; i < rows->count; i++) {
		((float *)column)[first + i] = (float)scratch[i];
	}
}

static void
generator_write_fixed(const struct generator_field *field, const struct generator_rows *rows,
                      uint64_t *scratch, void *column, uint32_t first)
{
	if (field->kind == GENERATOR_CONSTANT) {
		generator_write_constant(field, column, first, rows->count);
		return;
	}
	if (field->kind == GENERATOR_REAL) {
		generator_write_real(field, rows, (double *)scratch, column, first);
		return;
	}
	if (lm_type_width(field->type) == 8 && field->type != LM_F64) {
		generator_fill(field, rows, (uint64_t *)column + first);
		return;
	}
	generator_fill(field, rows, scratch);
	if (field->type == LM_F64) {
		generator_narrow_f64((double *)column + first, scratch, rows->count);
	} else if (field->type == LM_F32) {
		generator_narrow_f32((float *)column + first, scratch, rows->count);
	} else if (lm_type_width(field->type) == 4) {
		generator_narrow_u32((uint32_t *)column + first, scratch, rows->count);
	} else if (lm_type_width(field->type) == 2) {
		generator_narrow_u16((uint16_t *)column + first, scratch, rows->count);
	} else {
		generator_narrow_u8((uint8_t *)column + first, scratch, rows->count);
	}
}

static uint32_t
generator_digits(uint64_t value, char *text)
{
	char reversed[GENERATOR_DIGITS_MAX];
	uint32_t count = 0;

	do {
		reversed[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	for (uint32_t i = 0; i < count; i++) {
		text[i] = reversed[count - 1 - i];
	}
	return count;
}

/* The byte area holds a full batch of the longest texts, so every one fits. */
static void
generator_write_text(const struct generator_field *field, const uint64_t *value,
                     struct lm_batch *out, uint32_t index, uint32_t first, uint32_t count)
{
	char text[GENERATOR_DIGITS_MAX];

	for (uint32_t i = 0; i < count; i++) {
		const char *bytes = field->kind == GENERATOR_CONSTANT ? field->text : text;
		uint32_t length = field->kind == GENERATOR_CONSTANT
		                      ? field->text_length
		                      : generator_digits(value[i], text);

		lm_batch_put_string(out, index, first + i, bytes, length);
	}
}

void
generator_write(const struct generator_field *field, const struct generator_rows *rows,
                uint64_t *scratch, struct lm_batch *out, uint32_t index, uint32_t first)
{
	if (lm_type_width(field->type) != 0) {
		generator_write_fixed(field, rows, scratch, lm_batch_column(out, index), first);
		return;
	}
	generator_fill(field, rows, scratch);
	generator_write_text(field, scratch, out, index, first, rows->count);
}
