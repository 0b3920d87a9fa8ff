/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two operators in four versions, -DUPDATING=1 and so on, for test_many_updates.py. update_count
 * counts and sums by key, update_follow does the same with what the first one sends and compares.
 * Each row says which update's code made it and which took it: the test writes the number of the
 * update into the file, so that every update is other code.
 *
 *     version          1  2  3  4
 *     form of state    a  b  c  d       two of them of one size: nobody may take one for another
 *     wire in between  A  A  B  B       B has another column, and the others in another order
 */
#include <errno.h>
#include <string.h>

#include "core/lm_op.h"
#include "state/lm_convert.h"
#include "state/lm_map.h"

#define KEYS 16384u
#define DAMAGED UINT64_MAX /* no row has this number */

static const volatile struct {
	char magic[24];
	uint64_t number;
} update = { "update whose code it is:", 0 };

struct number {
	uint64_t rows, sum;
};

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* ---- the forms of a value ---- */

static const uint32_t value_words[] = { 0, 2, 3, 3, 4 };

static void
put(uint32_t version, void *to, const struct number *number)
{
	uint64_t *word = to, mark = mix(number->rows + version) ^ number->sum;
	const uint64_t form[5][4] = { { 0 },
		                      { number->rows, number->sum },
		                      { ~number->sum, number->rows, mark },
		                      { mark, number->rows, ~number->sum },
		                      { number->sum, mark, number->rows, mark } };

	memcpy(word, form[version], value_words[version] * sizeof(*word));
}

/* Zeroes are of a key that is new. */
static struct number
get(uint32_t version, const void *from)
{
	static const struct {
		uint32_t rows, sum, mark;
		uint64_t flip;
	} at[] = { { 0 },
		   { 0, 1, 4, 0 },
		   { 1, 0, 2, ~UINT64_C(0) },
		   { 1, 2, 0, ~UINT64_C(0) },
		   { 2, 0, 1, 0 } };
	uint64_t word[4] = { 0 };
	struct number number;

	memcpy(word, from, value_words[version] * sizeof(*word));
	if ((word[0] | word[1] | word[2] | word[3]) == 0) {
		return (struct number){ 0, 0 };
	}
	number =
	    (struct number){ word[at[version].rows], word[at[version].sum] ^ at[version].flip };
	if (version > 1 && word[at[version].mark] != (mix(number.rows + version) ^ number.sum)) {
		number.rows = DAMAGED - 1;
	}
	return number;
}

/* ---- columns ---- */

/* What comes to update_count. */
enum { IN_KEY, IN_AT, IN_VIA };
/* What goes from the one to the other. */
#if UPDATING <= 2
enum { KEY, ROWS, SUM, MADE, AT, VIA, WIRE };
static const struct lm_field wire[WIRE] = {
	{ "key", LM_U64, 0 },  { "rows", LM_U64, 0 }, { "sum", LM_U64, 0 },
	{ "made", LM_U64, 0 }, { "at", LM_U64, 0 },   { "via", LM_U64, 0 },
};
#else
enum { KEY, VIA, MARK, SUM, AT, MADE, ROWS, WIRE };
static const struct lm_field wire[WIRE] = {
	{ "key", LM_U64, 0 },     { "via", LM_U64, 0 }, { "mark", LM_U64, 0 },
	{ "flipped", LM_U64, 0 }, { "at", LM_U64, 0 },  { "made", LM_U64, 0 },
	{ "counted", LM_U64, 0 },
};
#endif
/* What comes out of update_follow, of all versions. */
enum { OUT_KEY, OUT_AT, OUT_VIA, OUT_ROWS, OUT_SUM, OUT_MADE, OUT_TAKEN, OUT };
static const struct lm_field out[OUT] = {
	{ "key", LM_U64, 0 }, { "at", LM_U64, 0 },   { "via", LM_U64, 0 },   { "rows", LM_U64, 0 },
	{ "sum", LM_U64, 0 }, { "made", LM_U64, 0 }, { "taken", LM_U64, 0 },
};

/* ---- what both do ---- */

struct context {
	struct lm_map *numbers;
	void *value[LM_BATCH_ROWS];
};

static int
configure(struct lm_setup *setup, void *config, uint32_t columns, const struct lm_field *fields,
          uint32_t count)
{
	*(uint32_t *)config = lm_setup_column(setup, "by");
	lm_setup_keys(setup, KEYS);
	if (lm_setup_input(setup, 0)->field_count != columns) {
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE, NULL,
		                      "these columns are of another version");
	}
	return lm_setup_output(setup, 0, fields, count);
}

static int
open(struct lm_op *op)
{
	struct context *c = lm_op_context(op);

	c->numbers =
	    lm_map_open(op, &(struct lm_map_shape){ .key_size = 8,
	                                            .value_size = 8 * value_words[UPDATING],
	                                            .keys_max = KEYS,
	                                            .fields = lm_op_config(op),
	                                            .field_count = 1 });
	return c->numbers == NULL ? -ENOMEM : 0;
}

static void
find(struct lm_op *op, const struct lm_batch *in)
{
	const uint32_t *key = lm_op_config(op);
	struct context *c = lm_op_context(op);

	lm_map_upsert(c->numbers,
	              &(struct lm_map_rows){ .hash = lm_op_hash(op, in, NULL, key, 1),
	                                     .keys = lm_batch_column(in, *key),
	                                     .count = in->count },
	              c->value, NULL);
}

/* The row is counted; what its key has come to. */
static struct number
count(void *value, uint64_t key, uint64_t at)
{
	struct number number = { DAMAGED, 0 };

	if (value != NULL) {
		number = get(UPDATING, value);
		number.rows++;
		number.sum += mix(key << 40 ^ at);
		put(UPDATING, value, &number);
	}
	return number;
}

/* ---- update_count ---- */

static int
count_configure(struct lm_setup *setup, void *config)
{
	return configure(setup, config, IN_VIA + 1, wire, WIRE);
}

static void
count_process(struct lm_op *op, const struct lm_batch *in)
{
	struct context *c = lm_op_context(op);
	uint64_t *column[WIRE];
	struct lm_batch *to;
	uint32_t first;

	find(op, in);
	to = lm_op_reserve(op, 0, in->count, &first);
	for (uint32_t i = 0; i < WIRE; i++) {
		column[i] = lm_batch_u64(to, i) + first;
	}
	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t key = lm_batch_u64(in, IN_KEY)[i], at = lm_batch_u64(in, IN_AT)[i];
		struct number number = count(c->value[i], key, at);

		column[KEY][i] = key;
		column[AT][i] = at;
		column[VIA][i] = lm_batch_u64(in, IN_VIA)[i];
		column[MADE][i] = update.number;
		column[ROWS][i] = number.rows;
#if UPDATING <= 2
		column[SUM][i] = number.sum;
#else
		column[SUM][i] = ~number.sum;
		column[MARK][i] = mix(number.rows);
#endif
	}
	lm_op_emit(op, 0, in->count);
}

/* ---- update_follow ---- */

static int
follow_configure(struct lm_setup *setup, void *config)
{
	return configure(setup, config, WIRE, out, OUT);
}

/* What the first one said it came to; DAMAGED: it cannot have said that. */
static struct number
theirs(const struct lm_batch *in, uint32_t i)
{
	struct number number = { lm_batch_u64(in, ROWS)[i], lm_batch_u64(in, SUM)[i] };

#if UPDATING > 2
	number.sum = ~number.sum;
	if (lm_batch_u64(in, MARK)[i] != mix(number.rows)) {
		number.rows = DAMAGED;
	}
#endif
	return number;
}

static void
follow_process(struct lm_op *op, const struct lm_batch *in)
{
	struct context *c = lm_op_context(op);
	uint64_t *column[OUT];
	struct lm_batch *to;
	uint32_t first;

	find(op, in);
	to = lm_op_reserve(op, 0, in->count, &first);
	for (uint32_t i = 0; i < OUT; i++) {
		column[i] = lm_batch_u64(to, i) + first;
	}
	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t key = lm_batch_u64(in, KEY)[i], at = lm_batch_u64(in, AT)[i];
		struct number mine = count(c->value[i], key, at), its = theirs(in, i);

		column[OUT_KEY][i] = key;
		column[OUT_AT][i] = at;
		column[OUT_VIA][i] = lm_batch_u64(in, VIA)[i];
		column[OUT_ROWS][i] =
		    mine.rows == its.rows && mine.sum == its.sum ? mine.rows : DAMAGED;
		column[OUT_SUM][i] = mine.sum;
		column[OUT_MADE][i] = lm_batch_u64(in, MADE)[i];
		column[OUT_TAKEN][i] = update.number;
	}
	lm_op_emit(op, 0, in->count);
}

/* ---- conversion ---- */

#if UPDATING > 1
static bool
converts(uint32_t from)
{
	return from >= 1 && from < UPDATING;
}

static int
one_to_this(void *arg, const struct lm_map_entry *from, void *to)
{
	struct number number = get(*(uint32_t *)arg, from->value);

	put(UPDATING, to, &number);
	return 0;
}

static int
one_to_that(void *arg, const struct lm_map_entry *from, void *to)
{
	struct number number = get(UPDATING, from->value);

	put(*(uint32_t *)arg, to, &number);
	return 0;
}

static int
convert(struct lm_op *op, struct lm_conversion *from)
{
	struct context *c = lm_op_context(op);

	return from->slot == LM_NONE
	           ? 0
	           : lm_conversion_values(from, lm_conversion_map(from, 0), c->numbers, one_to_this,
	                                  &from->version);
}

static int
convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct context *c = lm_op_context(op);

	return to->slot == LM_NONE ? 0
	                           : lm_conversion_values(to, c->numbers, lm_conversion_map(to, 0),
	                                                  one_to_that, &to->version);
}
#define CONVERTS .converts = converts, .convert = convert, .convert_back = convert_back,
#else
#define CONVERTS
#endif

/* ---- tables ---- */

static const struct lm_param params[] = {
	{ "by", LM_PARAM_COLUMN, true, NULL, 0, 0, NULL, "the key, u64" }, { 0 }
};
static const char *const inputs[] = { "in", NULL };
static const char *const outputs[] = { "out", NULL };
#define BOTH                                                                                       \
	CONVERTS.abi_version = LM_ABI_VERSION, .flags = LM_OP_KEYED | LM_OP_RESCALES,              \
	.version = "1.0", .state_version = UPDATING, .summary = "counts and sums by key",          \
	.params = params, .inputs = inputs, .outputs = outputs, .rows = LM_ROWS_PASS,              \
	.config_size = sizeof(uint32_t), .context_size = sizeof(struct context), .open = open
static const struct lm_op_class classes[] = {
	{ BOTH, .name = "update_count", .configure = count_configure, .process = count_process },
	{ BOTH, .name = "update_follow", .configure = follow_configure, .process = follow_process },
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index < 2 ? &classes[index] : NULL;
}
