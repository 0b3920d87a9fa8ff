/* SPDX-License-Identifier: BSD-3-Clause */
/* See class_versions.h. */

#include "tests/sim/class_versions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "core/lm_serial.h"
#include "core/registry.h"
#include "state/lm_convert.h"

#define ITEMS 3u
/* Columns of what sim_tally sends; version 2 has the last one. */
enum { KEY, COUNT, VERSION, MARK };

struct versions_seen versions_seen;
static uint32_t fails;
static enum versions_form form;

struct versions_config {
	uint32_t key; /* the column */
};

static uint64_t
mark_of(uint64_t number)
{
	return number * 0x9e3779b97f4a7c15u ^ 0x5bf0;
}

/* A number in a value, an item or a message, as a version has it. */
static void
put_number(uint32_t version, void *to, uint64_t number)
{
	uint64_t *word = to;

	word[0] = number;
	if (version == 2) {
		word[1] = mark_of(number);
	}
}

/* Zeroes are a number, too: of what is new. */
static uint64_t
get_number(uint32_t version, const void *from)
{
	const uint64_t *word = from;

	if (version == 2 && word[1] != (word[0] == 0 ? 0 : mark_of(word[0])) &&
	    word[1] != mark_of(word[0])) {
		versions_seen.damage++;
	}
	return word[0];
}

/* ---- sim_tally and sim_follow ---- */

struct tally {
	uint32_t version;               /* of its state */
	uint32_t tag;                   /* that rows get */
	struct lm_map *counts, *firsts; /* the second is the same in both versions */
	struct lm_lists *last;          /* numbers of the key */
	void *value[LM_BATCH_ROWS], *first[LM_BATCH_ROWS];
	struct lm_list *list[LM_BATCH_ROWS];
};

static int
tally_open_version(struct lm_op *op, uint32_t version)
{
	const struct versions_config *config = lm_op_config(op);
	struct tally *t = lm_op_context(op);
	struct lm_map_shape shape = { .key_size = 8,
		                      .value_size = 8 * version,
		                      .keys_max = VERSIONS_KEYS,
		                      .fields = &config->key,
		                      .field_count = 1 };
	struct lm_list_shape last = { .keys = shape,
		                      .item_size = 8 * version,
		                      .items_max = VERSIONS_KEYS * ITEMS,
		                      .length_max = ITEMS,
		                      .when_full = LM_LIST_DROP_OLDEST };

	t->version = t->tag = version;
	t->counts = lm_map_open(op, &shape);
	shape.value_size = 8;
	t->firsts = lm_map_open(op, &shape);
	t->last = lm_list_open(op, &last);
	if (t->counts == NULL || t->firsts == NULL || t->last == NULL) {
		return -ENOMEM;
	}
	if (version == 2) {
		lm_map_unchanged_since(op, t->firsts, 1);
	}
	return 0;
}

static int
tally_open_1(struct lm_op *op)
{
	return tally_open_version(op, 1);
}

static int
tally_open_2(struct lm_op *op)
{
	return tally_open_version(op, 2);
}

/* Its state is that of version 1. */
static int
tally_open_anew(struct lm_op *op)
{
	int result = tally_open_version(op, 1);

	((struct tally *)lm_op_context(op))->tag = 2;
	return result;
}

/* The count of the row's key, with it; 0: it was refused. */
static uint64_t
tally_row(struct tally *t, uint32_t i)
{
	uint64_t count, item[2] = { 0, 0 };
	const void *newest = NULL;

	if (t->value[i] == NULL || t->list[i] == NULL) {
		return 0;
	}
	count = get_number(t->version, t->value[i]) + 1;
	for (const void *at = lm_list_first(t->last, t->list[i]); at != NULL;
	     at = lm_list_next(t->last, t->list[i], at)) {
		newest = at;
	}
	versions_seen.disorder +=
	    (newest == NULL ? 0 : get_number(t->version, newest)) != count - 1;
	versions_seen.disorder += t->first[i] == NULL || *(uint64_t *)t->first[i] > count;
	if (*(uint64_t *)t->first[i] == 0) {
		versions_seen.disorder += count != 1;
		*(uint64_t *)t->first[i] = 1;
	}
	put_number(t->version, t->value[i], count);
	put_number(t->version, item, count);
	(void)lm_list_append(t->last, t->list[i], item);
	return count;
}

/* Finds what the rows need; `keys` is the column. */
static void
tally_find(struct lm_op *op, struct tally *t, const struct lm_batch *in)
{
	const struct versions_config *config = lm_op_config(op);
	struct lm_map_rows rows = { .hash = lm_op_hash(op, in, NULL, &config->key, 1),
		                    .keys = lm_batch_column(in, config->key),
		                    .count = in->count };

	(void)lm_map_upsert(t->counts, &rows, t->value, NULL);
	(void)lm_map_upsert(t->firsts, &rows, t->first, NULL);
	(void)lm_list_upsert(t->last, &rows, t->list, NULL);
}

static void
tally_emit(struct lm_op *op, const struct tally *t, const uint64_t *key, const uint64_t *count,
           uint32_t rows)
{
	uint32_t first, out = 0;
	struct lm_batch *to = lm_op_reserve(op, 0, rows, &first);

	for (uint32_t i = 0; i < rows; i++) {
		uint32_t row = first + out;

		if (count[i] == 0) {
			continue;
		}
		lm_batch_u64(to, KEY)[row] = key[i];
		lm_batch_u64(to, COUNT)[row] = count[i];
		lm_batch_u64(to, VERSION)[row] = t->tag;
		if (lm_op_output_schema(op, 0)->field_count > MARK) {
			lm_batch_u64(to, MARK)[row] = mark_of(count[i]);
		}
		out++;
	}
	versions_seen.refused += rows - out;
	lm_op_drop(op, 0, rows - out);
	lm_op_emit(op, 0, out);
}

static void
tally_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct versions_config *config = lm_op_config(op);
	struct tally *t = lm_op_context(op);
	uint64_t count[LM_BATCH_ROWS];

	tally_find(op, t, in);
	for (uint32_t i = 0; i < in->count; i++) {
		count[i] = tally_row(t, i);
	}
	tally_emit(op, t, lm_batch_u64(in, config->key), count, in->count);
}

/* What came must be of the version that the columns say, and of the count that is here. */
static void
follow_process(struct lm_op *op, const struct lm_batch *in)
{
	bool is_marked = lm_op_input_schema(op, 0)->field_count > MARK;
	struct tally *t = lm_op_context(op);
	uint64_t count[LM_BATCH_ROWS];

	tally_find(op, t, in);
	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t theirs = lm_batch_u64(in, COUNT)[i];

		count[i] = tally_row(t, i);
		versions_seen.disorder += count[i] != theirs;
		versions_seen.disorder += lm_batch_u64(in, VERSION)[i] != t->tag;
		versions_seen.damage += is_marked != (form == VERSIONS_MARKED && t->tag == 2);
		versions_seen.damage += is_marked && lm_batch_u64(in, MARK)[i] != mark_of(theirs);
	}
	tally_emit(op, t, lm_batch_u64(in, KEY), count, in->count);
}

static int
value_up(void *arg, const struct lm_map_entry *from, void *to)
{
	(void)arg;
	put_number(2, to, get_number(1, from->value));
	return 0;
}

static int
value_down(void *arg, const struct lm_map_entry *from, void *to)
{
	(void)arg;
	put_number(1, to, get_number(2, from->value));
	return 0;
}

static int
item_up(void *arg, const void *from, void *to)
{
	(void)arg;
	put_number(2, to, get_number(1, from));
	return 0;
}

static int
item_down(void *arg, const void *from, void *to)
{
	(void)arg;
	put_number(1, to, get_number(2, from));
	return 0;
}

static bool
from_1(uint32_t version)
{
	return version == 1;
}

static int
tally_convert(struct lm_op *op, struct lm_conversion *from)
{
	struct tally *t = lm_op_context(op);
	int result;

	if (from->slot == LM_NONE) {
		return 0;
	}
	result = lm_conversion_values(from, lm_conversion_map(from, 0), t->counts, value_up, NULL);
	versions_seen.damage += result < 0; /* it has keys already */
	if (from->slot == fails) {
		snprintf(from->why, sizeof(from->why), "this slot is not to be");
		return -EINVAL;
	}
	return result != 0
	           ? result
	           : lm_conversion_items(from, lm_conversion_list(from, 0), t->last, item_up, NULL);
}

static int
tally_convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct tally *t = lm_op_context(op);
	int result;

	if (to->slot == LM_NONE) {
		return 0;
	}
	result = lm_conversion_values(to, t->counts, lm_conversion_map(to, 0), value_down, NULL);
	versions_seen.damage += result < 0;
	return result != 0
	           ? result
	           : lm_conversion_items(to, t->last, lm_conversion_list(to, 0), item_down, NULL);
}

/* ---- sim_total ---- */

struct total {
	struct lm_value *value;
	struct lm_map *map; /* not by what rows are routed by */
	uint64_t rows, ticks;
	uint32_t version;
};

static int
total_open_version(struct lm_op *op, uint32_t version)
{
	struct total *t = lm_op_context(op);

	t->version = version;
	t->value = lm_value_open(op, 64 * version);
	t->map = lm_map_open(
	    op, &(struct lm_map_shape){
		    .key_size = 8, .value_size = 8 * version, .keys_max = 8, .keep_hash = true });
	if (version == 1) {
		lm_op_timer_start(op, 0, 1000);
	}
	return t->value == NULL || t->map == NULL ? -ENOMEM : 0;
}

static int
total_open_1(struct lm_op *op)
{
	return total_open_version(op, 1);
}

static int
total_open_2(struct lm_op *op)
{
	return total_open_version(op, 2);
}

static void
total_process(struct lm_op *op, const struct lm_batch *in)
{
	struct total *t = lm_op_context(op);
	uint64_t key = 5, hash = 5;
	void *data = lm_value_data(t->value), *counted = lm_map_put(t->map, hash, &key, 8, NULL);

	lm_value_touch(t->value, data, 16);
	put_number(t->version, data, get_number(t->version, data) + in->count);
	sim_preempt(8);
	put_number(t->version, counted, get_number(t->version, counted) + in->count);
	t->rows += in->count;
	lm_op_forward(op, in);
}

static void
total_timer(struct lm_op *op, uint32_t timer)
{
	struct total *t = lm_op_context(op);

	(void)timer;
	t->ticks++;
}

/* What is counted in three ways agrees, but in the midst of counting. */
static int
total_check(struct lm_op *op, char *why, size_t size)
{
	const struct total *t = lm_op_context(op);
	uint64_t key = 5, hash = 5, in_value, in_map;
	const void *counted = lm_map_get(t->map, hash, &key, 8);

	in_value = get_number(t->version, lm_value_data(t->value));
	in_map = counted == NULL ? 0 : get_number(t->version, counted);
	if (in_value != t->rows || in_map != t->rows) {
		snprintf(why, size, "%" PRIu64 ", %" PRIu64 " and %" PRIu64 " rows", t->rows,
		         in_value, in_map);
		return -EINVAL;
	}
	return 0;
}

static void
total_end(struct lm_op *op)
{
	const struct total *t = lm_op_context(op);
	uint64_t key = 5, hash = 5;
	const void *counted = lm_map_get(t->map, hash, &key, 8);

	versions_seen.in_value = get_number(t->version, lm_value_data(t->value));
	versions_seen.in_map = counted == NULL ? 0 : get_number(t->version, counted);
	versions_seen.in_text = t->rows;
	versions_seen.ticks = t->ticks;
}

static void
total_write(struct lm_writer *writer, uint32_t version, const struct total *t)
{
	uint64_t words[2] = { 0, 0 };

	put_number(version, words, t->rows);
	for (uint32_t i = 0; i < version; i++) {
		lm_write_u64(writer, words[i]);
	}
	lm_write_u64(writer, t->ticks);
}

static void
total_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct total *t = lm_op_context(op);

	total_write(writer, t->version, t);
}

static void
total_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct total *t = lm_op_context(op);
	uint64_t words[2] = { 0, 0 };

	for (uint32_t i = 0; i < version; i++) {
		words[i] = lm_read_u64(reader);
	}
	t->rows = get_number(version, words);
	t->ticks = lm_read_u64(reader);
}

static void
total_values(uint32_t version, const struct lm_value *from, struct lm_value *to)
{
	lm_value_touch(to, lm_value_data(to), 16);
	put_number(version, lm_value_data(to), get_number(3 - version, lm_value_data(from)));
}

static int
total_convert(struct lm_op *op, struct lm_conversion *from)
{
	struct total *t = lm_op_context(op);

	if (from->slot != LM_NONE) {
		return -EINVAL;
	}
	total_values(2, lm_conversion_value(from, 0), t->value);
	return lm_conversion_values(from, lm_conversion_map(from, 0), t->map, value_up, NULL);
}

static int
total_convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct total *t = lm_op_context(op);

	total_write(to->writer, 1, t);
	total_values(1, t->value, lm_conversion_value(to, 0));
	return lm_conversion_values(to, t->map, lm_conversion_map(to, 0), value_down, NULL);
}

/* ---- sim_switches ---- */

static void
switches_process(struct lm_op *op, const struct lm_batch *in)
{
	struct versions_seen *seen = &versions_seen;

	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t key = lm_batch_u64(in, KEY)[i];
		uint32_t version = (uint32_t)lm_batch_u64(in, VERSION)[i];

		seen->disorder += lm_batch_u64(in, COUNT)[i] != seen->count[key] + 1;
		seen->count[key] = lm_batch_u64(in, COUNT)[i];
		seen->switches[key] += seen->version[key] != 0 && seen->version[key] != version;
		seen->version[key] = version;
	}
	lm_op_absorb(op, in->count);
}

/* ---- tables ---- */

static const struct lm_field fields[] = { { "key", LM_U64, 0 },
	                                  { "count", LM_U64, 0 },
	                                  { "version", LM_U64, 0 },
	                                  { "mark", LM_U64, 0 } };

static int
configure_1(struct lm_setup *setup, void *context)
{
	((struct versions_config *)context)->key = lm_setup_column(setup, "by");
	lm_setup_keys(setup, VERSIONS_KEYS * 64);
	return lm_setup_output(setup, 0, fields, MARK);
}

/* Only what goes from the one to the other has the mark. */
static int
configure_2(struct lm_setup *setup, void *context)
{
	((struct versions_config *)context)->key = lm_setup_column(setup, "by");
	lm_setup_keys(setup, VERSIONS_KEYS * 64);
	return lm_setup_output(setup, 0, fields, MARK + 1);
}

static const struct lm_param params[] = {
	{ "by", LM_PARAM_COLUMN, true, NULL, 0, 0, NULL, "the key" }, { 0 }
};
static const char *const in[] = { "in", NULL };
static const char *const out[] = { "out", NULL };
static const char *const drops[] = { "refused", NULL };

#define KEYED                                                                                      \
	.abi_version = LM_ABI_VERSION, .flags = LM_OP_KEYED | LM_OP_RESCALES, .summary = "counts", \
	.params = params, .inputs = in, .outputs = out, .drops = drops, .rows = LM_ROWS_PASS,      \
	.config_size = sizeof(struct versions_config), .context_size = sizeof(struct tally)
#define TOTAL                                                                                      \
	.abi_version = LM_ABI_VERSION, .flags = LM_OP_GLOBAL, .name = "sim_total",                 \
	.summary = "counts all", .inputs = in, .outputs = out, .rows = LM_ROWS_PASS,               \
	.context_size = sizeof(struct total), .process = total_process, .timer = total_timer,      \
	.end = total_end, .check = total_check, .serialize = total_serialize,                      \
	.deserialize = total_deserialize
#define SECOND .version = "2.0", .state_version = 2, .converts = from_1

static const struct lm_op_class classes[2][3] = {
	/* as VERSIONS_MARKED has them */
	{ { KEYED, .name = "sim_tally", .version = "1.0", .state_version = 1,
	    .configure = configure_1, .open = tally_open_1, .process = tally_process },
	  { KEYED, .name = "sim_follow", .version = "1.0", .state_version = 1,
	    .configure = configure_1, .open = tally_open_1, .process = follow_process },
	  { TOTAL, .version = "1.0", .state_version = 1, .open = total_open_1 } },
	{ { KEYED, SECOND, .name = "sim_tally", .configure = configure_2, .open = tally_open_2,
	    .process = tally_process, .convert = tally_convert,
	    .convert_back = tally_convert_back },
	  { KEYED, SECOND, .name = "sim_follow", .configure = configure_1, .open = tally_open_2,
	    .process = follow_process, .convert = tally_convert,
	    .convert_back = tally_convert_back },
	  { TOTAL, SECOND, .open = total_open_2, .convert = total_convert,
	    .convert_back = total_convert_back } },
};
/* Version 2 of the two that count, with the columns of version 1. */
static const struct lm_op_class alike[2][2] = {
	{ { KEYED, SECOND, .name = "sim_tally", .configure = configure_1, .open = tally_open_2,
	    .process = tally_process, .convert = tally_convert,
	    .convert_back = tally_convert_back },
	  { KEYED, SECOND, .name = "sim_follow", .configure = configure_1, .open = tally_open_2,
	    .process = follow_process, .convert = tally_convert,
	    .convert_back = tally_convert_back } },
	{ { KEYED, .name = "sim_tally", .version = "1.1", .state_version = 1,
	    .configure = configure_1, .open = tally_open_anew, .process = tally_process },
	  { KEYED, .name = "sim_follow", .version = "1.1", .state_version = 1,
	    .configure = configure_1, .open = tally_open_anew, .process = follow_process } },
};
static const struct lm_op_class switches_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_GLOBAL | LM_OP_SINK,
	.name = "sim_switches",
	.version = "1.0",
	.summary = "watches versions",
	.inputs = in,
	.rows = LM_ROWS_ABSORB,
	.process = switches_process,
};

static void
add(const struct lm_op_class *class)
{
	const char *why = "";

	if (registry_add(class, &why) != 0) {
		fprintf(stderr, "%s: %s\n", class->name, why);
		abort();
	}
}

static const struct lm_op_class *
class_of(uint32_t version, uint32_t i)
{
	if (form == VERSIONS_MARKED || version == 1) {
		return &classes[version - 1][i];
	}
	return i < 2 ? &alike[form == VERSIONS_ANEW][i] : &classes[0][i];
}

void
versions_put_in(uint32_t version)
{
	for (uint32_t i = 0; i < 3; i++) {
		const struct lm_op_class *was = registry_find(class_of(version, i)->name);

		if (was != NULL) {
			registry_remove(was);
		}
		add(class_of(version, i));
	}
}

void
versions_begin(uint32_t slot, enum versions_form of)
{
	memset(&versions_seen, 0, sizeof(versions_seen));
	fails = slot;
	form = of;
	if (registry_find(switches_class.name) == NULL) {
		add(&switches_class);
	}
	versions_put_in(1);
}
