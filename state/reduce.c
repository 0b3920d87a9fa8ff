/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reducers over columns. A column is first loaded into words: integers extended to 64 bits,
 * fractions as doubles; for min, max, first and last then into keys whose unsigned order is that of
 * the values, turned round for the smallest, so that all of these keep a maximum and zero means
 * "nothing yet".
 */

#include "state/lm_reduce.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "state/exact_sum.h"
#include "state/lm_order.h"

struct reduce_mean {
	exact_limb sum;
	uint64_t count;
};

struct reduce_exact_mean {
	struct exact_sum sum;
	uint64_t count;
};

struct reduce_pick {
	uint64_t time; /* as keys */
	uint64_t value;
};

static bool
reduce_is_number(enum lm_type type)
{
	return type <= LM_BOOL;
}

/*
 * Setting up.
 */

static uint32_t
reduce_state_size(const struct lm_reducer *reducer)
{
	bool is_real = lm_order_is_real(reducer->type);

	switch (reducer->reduction) {
	case LM_REDUCE_SUM:
		return is_real ? sizeof(struct exact_sum) : sizeof(uint64_t);
	case LM_REDUCE_MEAN:
		return is_real ? sizeof(struct reduce_exact_mean) : sizeof(struct reduce_mean);
	case LM_REDUCE_FIRST:
	case LM_REDUCE_LAST:
		return sizeof(struct reduce_pick);
	default:
		return sizeof(uint64_t);
	}
}

static enum lm_type
reduce_out_type(const struct lm_reducer *reducer)
{
	switch (reducer->reduction) {
	case LM_REDUCE_COUNT:
		return LM_U64;
	case LM_REDUCE_SUM:
		return lm_order_is_real(reducer->type)     ? LM_F64
		       : lm_order_is_signed(reducer->type) ? LM_I64
		                                           : LM_U64;
	case LM_REDUCE_MEAN:
		return LM_F64;
	default:
		return reducer->type;
	}
}

static const char *
reduce_refusal(enum lm_reduction reduction, enum lm_type type, const struct lm_schema *schema)
{
	uint32_t width = lm_type_width(type);

	switch (reduction) {
	case LM_REDUCE_COUNT:
		return NULL;
	case LM_REDUCE_SUM:
	case LM_REDUCE_MEAN:
		return reduce_is_number(type) ? NULL : "it takes a column of numbers";
	case LM_REDUCE_FIRST:
	case LM_REDUCE_LAST:
		if (schema->time_field == LM_NONE) {
			return "it goes by event time, and the input has no column of type time";
		}
		break;
	default:
		break;
	}
	return width == 0 || width > 8 ? "it takes a column of values of up to 8 bytes" : NULL;
}

const char *
lm_reduce_add(struct lm_reduce *reduce, const struct lm_schema *schema, enum lm_reduction reduction,
              uint32_t field, const char *name)
{
	struct lm_reducer *reducer = &reduce->reducer[reduce->count];
	enum lm_type type = field == LM_NONE ? LM_U64 : schema->field[field].type;
	const char *refusal = reduce_refusal(reduction, type, schema);

	assert(field == LM_NONE ? reduction == LM_REDUCE_COUNT : field < schema->field_count);
	if (refusal != NULL) {
		return refusal;
	}
	if (reduce->count == LM_REDUCERS_MAX) {
		return "it is one aggregate too many: an operator has up to 24";
	}
	if (strlen(name) >= LM_NAME_MAX) {
		return "the name of its column is too long: up to 31 characters";
	}
	for (uint32_t i = 0; i < reduce->count; i++) {
		if (strcmp(reduce->reducer[i].out.name, name) == 0) {
			return "another aggregate has a column of that name: name one of them, as "
			       "in {NAME: COLUMN}";
		}
	}
	reducer->reduction = reduction;
	reducer->field = field;
	reducer->type = type;
	reducer->offset = reduce->size;
	reducer->out = (struct lm_field){ .type = reduce_out_type(reducer) };
	memcpy(reducer->out.name, name, strlen(name) + 1);
	reduce->time_field = schema->time_field;
	reduce->size += reduce_state_size(reducer);
	reduce->count++;
	return NULL;
}

uint32_t
lm_reduce_fields(const struct lm_reduce *reduce, struct lm_field *fields)
{
	for (uint32_t i = 0; i < reduce->count; i++) {
		fields[i] = reduce->reducer[i].out;
	}
	return reduce->count;
}

/*
 * Results.
 */

static void
reduce_store(struct lm_batch *out, uint32_t field, uint32_t row, enum lm_type type, uint64_t word)
{
	double real;

	switch (lm_type_width(type)) {
	case 1:
		lm_batch_u8(out, field)[row] = (uint8_t)word;
		break;
	case 2:
		lm_batch_u16(out, field)[row] = (uint16_t)word;
		break;
	case 4:
		if (type == LM_F32) {
			memcpy(&real, &word, sizeof(real));
			lm_batch_f32(out, field)[row] = (float)real;
		} else {
			lm_batch_u32(out, field)[row] = (uint32_t)word;
		}
		break;
	default:
		lm_batch_u64(out, field)[row] = word;
		break;
	}
}

static inline uint64_t
reduce_real_of_key(uint64_t key)
{
	return key ^ ((uint64_t)((int64_t)~key >> 63) | LM_ORDER_SIGN);
}

/* A key back into its value; of fractions, 0 is "no number". */
static void
reduce_store_key(struct lm_batch *out, uint32_t field, uint32_t row, enum lm_type type,
                 uint64_t key, bool turned)
{
	double none = NAN;
	bool is_none = key == 0;

	key ^= turned ? UINT64_MAX : 0;
	if (!lm_order_is_real(type)) {
		key ^= lm_order_is_signed(type) ? LM_ORDER_SIGN : 0;
	} else if (is_none) {
		memcpy(&key, &none, sizeof(key));
	} else {
		key = reduce_real_of_key(key);
	}
	reduce_store(out, field, row, type, key);
}

static void
reduce_store_mean(struct lm_batch *out, uint32_t field, uint32_t row, double sum, uint64_t count)
{
	lm_batch_f64(out, field)[row] = sum / (double)count;
}

/* The result of one reducer for one group. */
static void
reduce_result(const struct lm_reducer *reducer, const void *state, struct lm_batch *out,
              uint32_t field, uint32_t row)
{
	const struct reduce_exact_mean *exact = state;
	const struct reduce_mean *mean = state;
	const struct reduce_pick *pick = state;
	const uint64_t *word = state;

	switch (reducer->reduction) {
	case LM_REDUCE_SUM:
		if (lm_order_is_real(reducer->type)) {
			lm_batch_f64(out, field)[row] = exact_sum_value(state);
		} else {
			lm_batch_u64(out, field)[row] = *word;
		}
		break;
	case LM_REDUCE_MEAN:
		if (lm_order_is_real(reducer->type)) {
			reduce_store_mean(out, field, row, exact_sum_value(&exact->sum),
			                  exact->count);
		} else {
			reduce_store_mean(out, field, row, (double)mean->sum, mean->count);
		}
		break;
	case LM_REDUCE_MIN:
	case LM_REDUCE_MAX:
		reduce_store_key(out, field, row, reducer->type, *word,
		                 reducer->reduction == LM_REDUCE_MIN);
		break;
	case LM_REDUCE_FIRST:
	case LM_REDUCE_LAST:
		reduce_store_key(out, field, row, reducer->type, pick->value,
		                 reducer->reduction == LM_REDUCE_FIRST);
		break;
	default:
		lm_batch_u64(out, field)[row] = *word;
		break;
	}
}

void
lm_reduce_write(const struct lm_reduce *reduce, const struct lm_map_entry *entries, uint32_t count,
                struct lm_batch *out, uint32_t out_field, uint32_t first)
{
	for (uint32_t r = 0; r < reduce->count; r++) {
		const struct lm_reducer *reducer = &reduce->reducer[r];

		for (uint32_t i = 0; i < count; i++) {
			reduce_result(reducer, (const char *)entries[i].value + reducer->offset,
			              out, out_field + r, first + i);
		}
	}
}

/*
 * Adding rows.
 */

/* One reducer over some rows: into value[i] each, or all into `one`. */
struct reduce_run {
	const struct lm_reducer *reducer;
	const uint64_t *word;
	const uint64_t *time; /* first and last */
	uint32_t count;
	void *const *value;
	void *one;
	struct lm_batch *out; /* running results, or NULL */
	uint32_t out_field, first;
};

/*
 * Does `step` to the state of every row. A lone state is worked on in registers. The running
 * results are those right after the step.
 */
#define REDUCE_EACH(type, step)                                                                    \
	do {                                                                                       \
		uint32_t offset = run->reducer->offset;                                            \
                                                                                                   \
		if (run->value == NULL) {                                                          \
			type local = *(type *)(void *)((char *)run->one + offset);                 \
			type *state = &local;                                                      \
                                                                                                   \
			for (uint32_t i = 0; i < run->count; i++) {                                \
				step;                                                              \
			}                                                                          \
			*(type *)(void *)((char *)run->one + offset) = local;                      \
		} else if (run->out == NULL) {                                                     \
			for (uint32_t i = 0; i < run->count; i++) {                                \
				type *state = (type *)(void *)((char *)run->value[i] + offset);    \
                                                                                                   \
				step;                                                              \
			}                                                                          \
		} else {                                                                           \
			for (uint32_t i = 0; i < run->count; i++) {                                \
				type *state = (type *)(void *)((char *)run->value[i] + offset);    \
                                                                                                   \
				step;                                                              \
				reduce_result(run->reducer, state, run->out, run->out_field,       \
				              run->first + i);                                     \
			}                                                                          \
		}                                                                                  \
	} while (0)

static inline double
reduce_real(uint64_t word)
{
	double real;

	memcpy(&real, &word, sizeof(real));
	return real;
}

static inline void
reduce_pick(struct reduce_pick *state, uint64_t time, uint64_t value)
{
	if (time > state->time || (time == state->time && value > state->value)) {
		state->time = time;
		state->value = value;
	}
}

static void
reduce_run_count(const struct reduce_run *run)
{
	REDUCE_EACH(uint64_t, ++*state);
}

static void
reduce_run_sum(const struct reduce_run *run)
{
	const uint64_t *word = run->word;

	if (lm_order_is_real(run->reducer->type)) {
		REDUCE_EACH(struct exact_sum, exact_sum_add(state, reduce_real(word[i])));
	} else {
		REDUCE_EACH(uint64_t, *state += word[i]);
	}
}

static void
reduce_run_mean(const struct reduce_run *run)
{
	const uint64_t *word = run->word;

	if (lm_order_is_real(run->reducer->type)) {
		REDUCE_EACH(struct reduce_exact_mean, {
			exact_sum_add(&state->sum, reduce_real(word[i]));
			state->count++;
		});
	} else if (lm_order_is_signed(run->reducer->type)) {
		REDUCE_EACH(struct reduce_mean, {
			state->sum += (int64_t)word[i];
			state->count++;
		});
	} else {
		REDUCE_EACH(struct reduce_mean, {
			state->sum += word[i];
			state->count++;
		});
	}
}

static void
reduce_run_most(const struct reduce_run *run)
{
	const uint64_t *word = run->word;

	REDUCE_EACH(uint64_t, *state = *state > word[i] ? *state : word[i]);
}

static void
reduce_run_pick(const struct reduce_run *run)
{
	const uint64_t *word = run->word, *time = run->time;

	REDUCE_EACH(struct reduce_pick, reduce_pick(state, time[i], word[i]));
}

static void
reduce_run(const struct lm_reduce *reduce, struct reduce_run run, const struct lm_batch *in,
           const uint16_t *rows)
{
	const struct lm_reducer *reducer = run.reducer;
	bool turned = reducer->reduction == LM_REDUCE_MIN || reducer->reduction == LM_REDUCE_FIRST;
	uint64_t word[LM_BATCH_ROWS], time[LM_BATCH_ROWS];

	run.word = word;
	run.time = time;
	if (reducer->reduction != LM_REDUCE_COUNT) {
		lm_order_words(word, in, reducer->field, rows, run.count);
	}
	switch (reducer->reduction) {
	case LM_REDUCE_COUNT:
		reduce_run_count(&run);
		break;
	case LM_REDUCE_SUM:
		reduce_run_sum(&run);
		break;
	case LM_REDUCE_MEAN:
		reduce_run_mean(&run);
		break;
	case LM_REDUCE_MIN:
	case LM_REDUCE_MAX:
		lm_order_keys(word, reducer->type, run.count, turned, true);
		reduce_run_most(&run);
		break;
	default:
		lm_order_words(time, in, reduce->time_field, rows, run.count);
		lm_order_keys(time, LM_TIME, run.count, turned, false);
		lm_order_keys(word, reducer->type, run.count, turned, false);
		reduce_run_pick(&run);
		break;
	}
}

void
lm_reduce_rows(const struct lm_reduce *reduce, const struct lm_batch *in, const uint16_t *rows,
               uint32_t count, void *const *value)
{
	assert(count <= LM_BATCH_ROWS);
	for (uint32_t r = 0; r < reduce->count; r++) {
		struct reduce_run run = { .reducer = &reduce->reducer[r],
			                  .count = count,
			                  .value = value };

		reduce_run(reduce, run, in, rows);
	}
}

void
lm_reduce_one(const struct lm_reduce *reduce, const struct lm_batch *in, const uint16_t *rows,
              uint32_t count, void *value)
{
	assert(count <= LM_BATCH_ROWS);
	for (uint32_t r = 0; r < reduce->count; r++) {
		struct reduce_run run = { .reducer = &reduce->reducer[r],
			                  .count = count,
			                  .one = value };

		reduce_run(reduce, run, in, rows);
	}
}

void
lm_reduce_running(const struct lm_reduce *reduce, const struct lm_batch *in, const uint16_t *rows,
                  uint32_t count, void *const *value, struct lm_batch *out, uint32_t out_field,
                  uint32_t first)
{
	assert(count <= LM_BATCH_ROWS);
	for (uint32_t r = 0; r < reduce->count; r++) {
		struct reduce_run run = { .reducer = &reduce->reducer[r],
			                  .count = count,
			                  .value = value,
			                  .out = out,
			                  .out_field = out_field + r,
			                  .first = first };

		reduce_run(reduce, run, in, rows);
	}
}
