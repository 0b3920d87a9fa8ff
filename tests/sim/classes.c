/* SPDX-License-Identifier: BSD-3-Clause */
/* Operator classes of the simulator's scenarios. */

#include "tests/sim/classes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "tests/sim/sim.h"

enum { KEY, NUMBER, TIME };
#define BUCKETS 32
#define KEYS_MAX 4096

static struct {
	char name[32];
	struct sim_lines lines;
} buckets[BUCKETS];

/* What one slice of sim_collect kept: its own, since slices may run at the same time. */
struct store {
	struct store *next;
	char name[32];
	struct sim_lines lines;
	uint64_t disorder;
	bool affinity;
	bool seen[KEYS_MAX];
};
static struct store *stores;

void
sim_lines_add(struct sim_lines *lines, const char *text)
{
	if (lines->count == lines->capacity) {
		lines->capacity = lines->capacity == 0 ? 256 : lines->capacity * 2;
		lines->line = realloc(lines->line, lines->capacity * sizeof(*lines->line));
	}
	lines->line[lines->count++] = strdup(text);
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
sim_lines_sort(struct sim_lines *lines)
{
	if (lines->count > 1) {
		qsort(lines->line, lines->count, sizeof(*lines->line), compare_lines);
	}
}

void
sim_lines_clear(struct sim_lines *lines)
{
	for (uint32_t i = 0; i < lines->count; i++) {
		free(lines->line[i]);
	}
	free(lines->line);
	memset(lines, 0, sizeof(*lines));
}

bool
sim_lines_equal(const struct sim_lines *a, const struct sim_lines *b, const char *what)
{
	uint32_t count = a->count < b->count ? a->count : b->count;

	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(a->line[i], b->line[i]) != 0) {
			fprintf(stderr, "%s: line %u: expected %s, got %s\n", what, i + 1,
			        a->line[i], b->line[i]);
			return false;
		}
	}
	if (a->count != b->count) {
		fprintf(stderr, "%s: expected %u lines, got %u\n", what, a->count, b->count);
		return false;
	}
	return true;
}

bool
sim_lines_within(const struct sim_lines *part, const struct sim_lines *all, const char *what)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < part->count; i++, at++) {
		while (at < all->count && strcmp(all->line[at], part->line[i]) < 0) {
			at++;
		}
		if (at == all->count || strcmp(all->line[at], part->line[i]) != 0) {
			fprintf(stderr, "%s: got %s, too often or not at all expected\n", what,
			        part->line[i]);
			return false;
		}
	}
	return true;
}

void
sim_collect_clear(void)
{
	for (uint32_t i = 0; i < BUCKETS; i++) {
		sim_lines_clear(&buckets[i].lines);
		buckets[i].name[0] = '\0';
	}
	while (stores != NULL) {
		struct store *store = stores;

		stores = store->next;
		sim_lines_clear(&store->lines);
		free(store);
	}
}

static struct sim_lines *
bucket_of(const char *name)
{
	for (uint32_t i = 0; i < BUCKETS; i++) {
		if (buckets[i].name[0] == '\0') {
			snprintf(buckets[i].name, sizeof(buckets[i].name), "%s", name);
		}
		if (strcmp(buckets[i].name, name) == 0) {
			return &buckets[i].lines;
		}
	}
	abort();
}

struct sim_lines *
sim_collected(const char *name)
{
	struct sim_lines *lines = bucket_of(name);

	for (struct store *store = stores; store != NULL; store = store->next) {
		if (strcmp(store->name, name) == 0) {
			for (uint32_t i = 0; i < store->lines.count; i++) {
				sim_lines_add(lines, store->lines.line[i]);
			}
			sim_lines_clear(&store->lines);
		}
	}
	sim_lines_sort(lines);
	return lines;
}

/* Keys that two slices saw where only one may. */
static uint64_t
shared_keys(const struct store *a, const struct store *b)
{
	uint64_t shared = 0;

	if (a->affinity && strcmp(a->name, b->name) == 0) {
		for (uint32_t key = 0; key < KEYS_MAX; key++) {
			shared += a->seen[key] && b->seen[key] ? 1 : 0;
		}
	}
	return shared;
}

uint64_t
sim_disorder(void)
{
	uint64_t disorder = 0;

	for (const struct store *store = stores; store != NULL; store = store->next) {
		disorder += store->disorder;
		for (const struct store *other = store->next; other != NULL; other = other->next) {
			disorder += shared_keys(store, other);
		}
	}
	return disorder;
}

uint64_t
sim_source_key(uint64_t number, uint64_t keys)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u;

	return (x ^ (x >> 29)) % keys;
}

int64_t
sim_source_time(uint64_t number)
{
	return 1000000000000 + (int64_t)number * 1000000;
}

/* Chance is the slice's own: slices may run at the same time. */
static uint64_t
below(struct lm_op *op, uint64_t bound)
{
	return lm_op_random(op) % bound;
}

/* sim_source. */

struct source_config {
	uint64_t rows, keys;
	bool idles;
};

struct source {
	uint64_t next;
};

static const struct lm_field source_fields[] = {
	{ "key", LM_U64, 0 },
	{ "number", LM_U64, 0 },
	{ "time", LM_TIME, 0 },
};

static int
source_configure(struct lm_setup *setup, void *context)
{
	struct source_config *config = context;

	config->rows = lm_setup_u64(setup, "rows");
	config->keys = lm_setup_u64(setup, "keys");
	config->idles = lm_setup_bool(setup, "idles");
	return lm_setup_output(setup, 0, source_fields, 3);
}

static enum lm_poll
source_poll(struct lm_op *op)
{
	const struct source_config *config = lm_op_config(op);
	struct source *source = lm_op_context(op);
	uint32_t want = (uint32_t)below(op, lm_op_output_schema(op, 0)->capacity + 1);
	uint32_t first, count = 0;
	uint64_t number = 0;
	struct lm_batch *out;

	if (source->next * lm_op_slices(op) + lm_op_slice(op) >= config->rows) {
		return LM_POLL_END;
	}
	if (want == 0) {
		if (config->idles && below(op, 8) == 0) {
			lm_op_idle(op);
		}
		return LM_POLL_IDLE;
	}
	out = lm_op_reserve(op, 0, want, &first);
	for (; count < want; count++) {
		number = source->next * lm_op_slices(op) + lm_op_slice(op);
		if (number >= config->rows) {
			break;
		}
		source->next++;
		lm_batch_u64(out, KEY)[first + count] = sim_source_key(number, config->keys);
		lm_batch_u64(out, NUMBER)[first + count] = number;
		lm_batch_i64(out, TIME)[first + count] = sim_source_time(number);
	}
	lm_op_emit(op, 0, count);
	if (count > 0 && below(op, 2) == 0) {
		/* Rows of a slice come in order of time: nothing at or before the last one follows.
		 */
		lm_op_watermark(op, lm_batch_i64(out, TIME)[first + count - 1]);
	}
	return LM_POLL_BUSY;
}

/* sim_pass. */

static void
pass_copied(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	uint32_t count = rows == NULL ? in->count : rows->count, first;
	struct lm_batch *out = lm_op_reserve(op, 0, count, &first);

	for (uint32_t field = 0; field < in->schema->field_count; field++) {
		uint32_t width = lm_type_width(in->schema->field[field].type);

		for (uint32_t i = 0; i < count; i++) {
			uint32_t row = rows == NULL ? i : rows->row[i];

			memcpy((char *)lm_batch_column(out, field) + (size_t)(first + i) * width,
			       (char *)lm_batch_column(in, field) + (size_t)row * width, width);
		}
	}
	lm_op_emit(op, 0, count);
}

static void
pass_process(struct lm_op *op, const struct lm_batch *in)
{
	struct lm_select odd, even;

	switch (below(op, 3)) {
	case 0:
		lm_op_forward(op, in);
		break;
	case 1:
		pass_copied(op, in, NULL);
		break;
	default:
		/* In two pieces, the second copied: rows within a piece keep their order. */
		lm_select_begin(&odd, in);
		lm_select_begin(&even, in);
		for (uint32_t i = 0; i < in->count; i++) {
			lm_select_add(i < in->count / 2 ? &odd : &even, i);
		}
		if (odd.count > 0) {
			lm_op_forward_select(op, &odd);
		}
		if (even.count > 0) {
			pass_copied(op, in, &even);
		}
		break;
	}
}

static void
pass_process_select(struct lm_op *op, const struct lm_select *in)
{
	if (below(op, 2) == 0) {
		lm_op_forward_select(op, in);
	} else {
		pass_copied(op, in->batch, in);
	}
}

/* sim_burst. */

struct burst_config {
	uint64_t copies;
};

struct burst {
	uint32_t row;
	uint64_t copy;
};

static int
burst_configure(struct lm_setup *setup, void *context)
{
	struct burst_config *config = context;

	config->copies = lm_setup_u64(setup, "copies");
	return lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static bool
burst_put(struct lm_op *op, const struct lm_batch *in, uint32_t row)
{
	uint32_t first;
	struct lm_batch *out;

	if (lm_op_room(op, 0) == 0) {
		return false;
	}
	out = lm_op_reserve(op, 0, 1, &first);
	for (uint32_t field = 0; field < in->schema->field_count; field++) {
		uint32_t width = lm_type_width(in->schema->field[field].type);

		memcpy((char *)lm_batch_column(out, field) + (size_t)first * width,
		       (char *)lm_batch_column(in, field) + (size_t)row * width, width);
	}
	lm_op_emit(op, 0, 1);
	return true;
}

static void
burst_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct burst_config *config = lm_op_config(op);
	struct burst *burst = lm_op_context(op);

	for (; burst->row < in->count; burst->row++) {
		for (; burst->copy < config->copies; burst->copy++) {
			if (!burst_put(op, in, burst->row)) {
				lm_op_again(op);
				return;
			}
		}
		burst->copy = 0;
	}
	burst->row = 0;
	lm_op_absorb(op, in->count);
}

/* sim_collect. */

struct collect_config {
	char name[32];
	bool order;
	bool affinity;
	bool late;
};

struct collect {
	struct store *store;
	uint64_t next[KEYS_MAX];
	uint64_t epoch;
	int64_t watermark;
	bool has_watermark;
};

static int
collect_configure(struct lm_setup *setup, void *context)
{
	struct collect_config *config = context;

	snprintf(config->name, sizeof(config->name), "%s", lm_setup_text(setup, "name"));
	config->order = lm_setup_bool(setup, "order");
	config->affinity = lm_setup_bool(setup, "affinity");
	config->late = lm_setup_bool(setup, "late");
	return 0;
}

static int
collect_open(struct lm_op *op)
{
	const struct collect_config *config = lm_op_config(op);
	struct collect *collect = lm_op_context(op);
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		return -ENOMEM;
	}
	snprintf(store->name, sizeof(store->name), "%s", config->name);
	store->affinity = config->affinity;
	store->next = stores;
	stores = store;
	collect->store = store;
	return 0;
}

static void
collect_check(struct lm_op *op, const struct lm_batch *in, uint32_t row)
{
	const struct collect_config *config = lm_op_config(op);
	struct collect *collect = lm_op_context(op);

	if (config->order) {
		uint64_t key = lm_batch_u64(in, KEY)[row], number = lm_batch_u64(in, NUMBER)[row];

		collect->store->disorder += number + 1 < collect->next[key % KEYS_MAX] ? 1 : 0;
		collect->next[key % KEYS_MAX] = number + 1;
	}
	if (config->affinity) {
		collect->store->seen[lm_batch_u64(in, KEY)[row] % KEYS_MAX] = true;
	}
	if (collect->has_watermark && lm_batch_time(in) != NULL && !config->late) {
		collect->store->disorder += lm_batch_time(in)[row] <= collect->watermark ? 1 : 0;
	}
}

static void
collect_process(struct lm_op *op, const struct lm_batch *in)
{
	struct collect *collect = lm_op_context(op);
	char text[512], value[128];

	for (uint32_t row = 0; row < in->count; row++) {
		text[0] = '\0';
		for (uint32_t field = 0; field < in->schema->field_count; field++) {
			lm_batch_format(in, field, row, value, sizeof(value));
			if (field > 0) {
				strcat(text, ",");
			}
			strcat(text, value);
		}
		collect_check(op, in, row);
		sim_lines_add(&collect->store->lines, text);
		sim_note(text, strlen(text));
	}
	lm_op_absorb(op, in->count);
}

static void
collect_watermark(struct lm_op *op, int64_t time_ns)
{
	struct collect *collect = lm_op_context(op);

	collect->store->disorder += collect->has_watermark && time_ns <= collect->watermark ? 1 : 0;
	collect->watermark = time_ns;
	collect->has_watermark = true;
}

static void
collect_epoch(struct lm_op *op, uint64_t epoch)
{
	struct collect *collect = lm_op_context(op);

	collect->store->disorder += epoch <= collect->epoch ? 1 : 0;
	collect->epoch = epoch;
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };

static const struct lm_param source_params[] = {
	{ "rows", LM_PARAM_U64, true, NULL, 0, 0, NULL, "rows of all slices" },
	{ "keys", LM_PARAM_U64, false, "10", 1, KEYS_MAX, NULL, "different keys" },
	{ "idles", LM_PARAM_BOOL, false, "false", 0, 0, NULL, "says that it is idle at times" },
	{ 0 },
};
static const struct lm_op_class source_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "sim_source",
	.version = "1.0",
	.summary = "numbered rows",
	.params = source_params,
	.outputs = port_out,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(struct source_config),
	.context_size = sizeof(struct source),
	.configure = source_configure,
	.poll = source_poll,
};

static const struct lm_op_class pass_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "sim_pass",
	.version = "1.0",
	.flags = LM_OP_RESCALES,
	.summary = "passes rows on by every way there is",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_PASS,
	.process = pass_process,
	.process_select = pass_process_select,
};

static const struct lm_param burst_params[] = {
	{ "copies", LM_PARAM_U64, false, "3", 0, 0, NULL, "rows out of one row in" },
	{ 0 },
};
static const struct lm_op_class burst_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "sim_burst",
	.flags = LM_OP_AMPLIFIES | LM_OP_RESCALES,
	.version = "1.0",
	.summary = "many rows out of one",
	.params = burst_params,
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_SPLIT,
	.config_size = sizeof(struct burst_config),
	.context_size = sizeof(struct burst),
	.configure = burst_configure,
	.process = burst_process,
};

static const struct lm_param collect_params[] = {
	{ "name", LM_PARAM_TEXT, false, "out", 0, 0, NULL, "where to keep the rows" },
	{ "order", LM_PARAM_BOOL, false, "false", 0, 0, NULL, "numbers must grow within a key" },
	{ "affinity", LM_PARAM_BOOL, false, "false", 0, 0, NULL, "a key must meet one slice only" },
	{ "late", LM_PARAM_BOOL, false, "false", 0, 0, NULL, "rows may be older than event time" },
	{ 0 },
};
static const struct lm_op_class collect_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "sim_collect",
	.version = "1.0",
	.flags = LM_OP_SINK,
	.summary = "keeps rows as text",
	.params = collect_params,
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct collect_config),
	.context_size = sizeof(struct collect),
	.configure = collect_configure,
	.open = collect_open,
	.process = collect_process,
	.watermark = collect_watermark,
	.epoch = collect_epoch,
};

void
sim_classes_register(void)
{
	static const struct lm_op_class *const classes[] = { &source_class, &pass_class,
		                                             &burst_class, &collect_class };
	const char *why = "";

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (registry_add(classes[i], &why) != 0) {
			fprintf(stderr, "%s: %s\n", classes[i]->name, why);
			abort();
		}
	}
}
