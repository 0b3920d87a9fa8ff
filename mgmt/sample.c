/* SPDX-License-Identifier: BSD-3-Clause */
/* One reading of a running engine's numbers, as plain data. */
#include "mgmt/sample.h"

#include "mgmt/text_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const size_t sample_entry[SAMPLE_PARTS] = {
	[SAMPLE_HEAD] = sizeof(struct sample_head),
	[SAMPLE_OPERATORS] = sizeof(struct sample_operator),
	[SAMPLE_SLICES] = sizeof(struct sample_slice),
	[SAMPLE_WORKERS] = sizeof(struct sample_worker),
	[SAMPLE_DROPS] = sizeof(struct sample_drop),
	[SAMPLE_WIRES] = sizeof(struct sample_wire),
	[SAMPLE_COUNTERS] = sizeof(struct sample_counter),
};

static const uint32_t sample_count_max[SAMPLE_PARTS] = {
	[SAMPLE_HEAD] = 1,
	[SAMPLE_OPERATORS] = LM_OPERATORS_MAX,
	[SAMPLE_SLICES] = LM_OPERATORS_MAX * LM_SLICES_MAX,
	[SAMPLE_WORKERS] = LM_WORKERS_MAX,
	[SAMPLE_DROPS] = LM_OPERATORS_MAX * (LM_DROPS_MAX + 1),
	[SAMPLE_WIRES] = LM_WIRES_MAX,
	[SAMPLE_COUNTERS] = SAMPLE_COUNTERS_MAX,
};

/* Parts follow each other without gaps, so every entry must keep the next part aligned. */
static_assert(sizeof(struct sample_head) % 8 == 0, "a multiple of 8 bytes");
static_assert(sizeof(struct sample_operator) % 8 == 0, "a multiple of 8 bytes");
static_assert(sizeof(struct sample_slice) % 8 == 0, "a multiple of 8 bytes");
static_assert(sizeof(struct sample_worker) % 8 == 0, "a multiple of 8 bytes");
static_assert(sizeof(struct sample_drop) % 8 == 0, "a multiple of 8 bytes");
static_assert(sizeof(struct sample_wire) % 8 == 0, "a multiple of 8 bytes");
static_assert(sizeof(struct sample_counter) % 8 == 0, "a multiple of 8 bytes");

size_t
sample_entry_size(enum sample_part part)
{
	return sample_entry[part];
}

size_t
sample_offset(const struct sample_shape *shape, enum sample_part part)
{
	size_t offset = 0;

	for (uint32_t i = 0; i < part; i++) {
		offset += sample_entry[i] * shape->count[i];
	}
	return offset;
}

bool
sample_shape_valid(const struct sample_shape *shape)
{
	for (uint32_t i = 0; i < SAMPLE_PARTS; i++) {
		if (shape->count[i] > sample_count_max[i]) {
			return false;
		}
	}
	return shape->count[SAMPLE_HEAD] == 1;
}

int
sample_alloc(struct sample *sample, const struct sample_shape *shape)
{
	char *block;

	memset(sample, 0, sizeof(*sample));
	if (!sample_shape_valid(shape)) {
		return -E2BIG;
	}
	sample->size = sample_offset(shape, SAMPLE_PARTS);
	block = calloc(1, sample->size);
	if (block == NULL) {
		return -ENOMEM;
	}
	sample->shape = *shape;
	sample->block = block;
	sample->head = (void *)(block + sample_offset(shape, SAMPLE_HEAD));
	sample->op = (void *)(block + sample_offset(shape, SAMPLE_OPERATORS));
	sample->slice = (void *)(block + sample_offset(shape, SAMPLE_SLICES));
	sample->worker = (void *)(block + sample_offset(shape, SAMPLE_WORKERS));
	sample->drop = (void *)(block + sample_offset(shape, SAMPLE_DROPS));
	sample->wire = (void *)(block + sample_offset(shape, SAMPLE_WIRES));
	sample->counter = (void *)(block + sample_offset(shape, SAMPLE_COUNTERS));
	return 0;
}

void
sample_free(struct sample *sample)
{
	free(sample->block);
	free(sample->hist);
	free(sample->spare);
	memset(sample, 0, sizeof(*sample));
}

void
sample_swap(struct sample *a, struct sample *b)
{
	struct sample kept = *a;

	*a = *b;
	*b = kept;
}

int
sample_copy(struct sample *to, const struct sample *from)
{
	if (memcmp(&to->shape, &from->shape, sizeof(to->shape)) != 0) {
		struct sample fresh;
		int error = sample_alloc(&fresh, &from->shape);

		if (error != 0) {
			return error;
		}
		sample_free(to);
		*to = fresh;
	}
	memcpy(to->block, from->block, from->size);
	return 0;
}

bool
sample_compares(const struct sample *a, const struct sample *b)
{
	return a->head->generation == b->head->generation && a->size == b->size;
}

static void
sample_text(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	memset(to + length, 0, size - length);
	text_clean(to);
}

static void
sample_name(char *to, const char *from)
{
	sample_text(to, SAMPLE_NAME, from);
}

static uint32_t
sample_drop_names(const struct lm_op_class *class)
{
	uint32_t count = 0;

	while (class->drops != NULL && count < LM_DROPS_MAX && class->drops[count] != NULL) {
		count++;
	}
	return count;
}

static struct sample_shape
sample_shape_of(const struct lm_engine *engine, const struct sample_about *about)
{
	struct sample_shape shape = { .count = { [SAMPLE_HEAD] = 1 } };

	shape.count[SAMPLE_OPERATORS] = lm_engine_operator_count(engine);
	shape.count[SAMPLE_SLICES] = lm_engine_slice_count(engine);
	shape.count[SAMPLE_WORKERS] = lm_engine_worker_count(engine);
	for (uint32_t op = 0; op < shape.count[SAMPLE_OPERATORS]; op++) {
		const struct lm_op_class *class = lm_engine_operator_class(engine, op);

		shape.count[SAMPLE_DROPS] += sample_drop_names(class) + 1;
	}
	shape.count[SAMPLE_WIRES] = about->wires == NULL ? 0 : about->wire_count;
	shape.count[SAMPLE_COUNTERS] = about->counters_max;
	return shape;
}

static struct sample_drop *
sample_init_drops(struct sample_drop *drop, uint32_t op, const struct lm_op_class *class)
{
	uint32_t named = sample_drop_names(class);

	for (uint32_t reason = 0; reason < named; reason++, drop++) {
		sample_name(drop->name, class->drops[reason]);
		drop->op = op;
		drop->reason = reason;
	}
	sample_name(drop->name, "other");
	drop->op = op;
	drop->reason = SAMPLE_DROP_OTHER;
	return drop + 1;
}

static void
sample_init_operators(struct sample *sample, const struct lm_engine *engine)
{
	struct sample_drop *drop = sample->drop;

	for (uint32_t op = 0; op < sample->shape.count[SAMPLE_OPERATORS]; op++) {
		const struct lm_op_class *class = lm_engine_operator_class(engine, op);
		struct sample_operator *to = &sample->op[op];

		sample_name(to->name, lm_engine_operator_name(engine, op));
		sample_name(to->type, class->name);
		to->is_source = class->inputs == NULL;
		to->is_sink = (class->flags & LM_OP_SINK) != 0;
		to->first_drop = (uint32_t)(drop - sample->drop);
		drop = sample_init_drops(drop, op, class);
	}
	assert(drop == sample->drop + sample->shape.count[SAMPLE_DROPS]);
}

static void
sample_init_workers(struct sample *sample, const struct lm_engine *engine,
                    const struct lm_placement *placement)
{
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_WORKERS]; i++) {
		struct sample_worker *to = &sample->worker[i];

		to->lcore = lm_engine_worker_lcore(engine, i);
		to->numa_node = -1;
		if (placement != NULL && i < placement->worker_count) {
			to->numa_node = (int32_t)placement->worker[i].numa_node;
		}
	}
}

static void
sample_init_slices(struct sample *sample, const struct lm_engine *engine)
{
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_SLICES]; i++) {
		const char *version = lm_engine_slice_class(engine, i)->version;

		sample_text(sample->slice[i].version, SAMPLE_VERSION,
		            version == NULL ? "" : version);
		sample->slice[i].op = lm_engine_slice_operator(engine, i);
		sample->slice[i].worker = lm_engine_slice_worker(engine, i);
		sample->op[sample->slice[i].op].slices++;
		for (uint32_t gauge = 0; gauge < SAMPLE_GAUGES; gauge++) {
			const char *name = lm_engine_slice_gauge(engine, i, gauge);

			if (name != NULL) {
				sample_name(sample->op[sample->slice[i].op].gauge_name[gauge],
				            name);
			}
		}
	}
}

static uint32_t
sample_sinks(const struct sample *sample)
{
	uint32_t sinks = 0;

	for (uint32_t op = 0; op < sample->shape.count[SAMPLE_OPERATORS]; op++) {
		sinks += sample->op[op].is_sink;
	}
	return sinks;
}

int
sample_init(struct sample *sample, const struct lm_engine *engine, const struct sample_about *about)
{
	struct sample_shape shape = sample_shape_of(engine, about);
	int error = sample_alloc(sample, &shape);

	if (error != 0) {
		return error;
	}
	sample->head->start_ns = about->start_ns;
	sample->head->now_ns = about->start_ns;
	sample->head->generation = about->generation;
	sample->head->batch_rows = about->batch_rows == 0 ? LM_BATCH_ROWS : about->batch_rows;
	sample_init_operators(sample, engine);
	sample_init_workers(sample, engine, about->placement);
	sample_init_slices(sample, engine);
	if (shape.count[SAMPLE_WIRES] != 0) {
		memcpy(sample->wire, about->wires,
		       shape.count[SAMPLE_WIRES] * sizeof(*sample->wire));
	}
	sample->hist = calloc(sample_sinks(sample) + 1, sizeof(*sample->hist));
	sample->spare = calloc(1, sizeof(*sample->spare));
	if (sample->hist == NULL || sample->spare == NULL) {
		sample_free(sample);
		return -ENOMEM;
	}
	return 0;
}

static uint64_t
sample_sum(const uint64_t *values, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		sum += values[i];
	}
	return sum;
}

static bool
sample_is_reason(const struct sample_drop *drop, const struct lm_op_class *class)
{
	return drop->reason < sample_drop_names(class) &&
	       strncmp(drop->name, class->drops[drop->reason], SAMPLE_NAME - 1) == 0;
}

/* `class`: of other code, that is tried; what it has other reasons for is under "other". Else NULL.
 */
static void
sample_read_drops(struct sample *sample, uint32_t op, const struct lm_op_class *class,
                  const struct lm_slice_stats *stats, uint64_t dropped)
{
	struct sample_drop *drop = &sample->drop[sample->op[op].first_drop];
	uint64_t named = 0;

	for (; drop->reason != SAMPLE_DROP_OTHER; drop++) {
		if (class != NULL && !sample_is_reason(drop, class)) {
			continue;
		}
		drop->rows += stats->drops[drop->reason];
		named += stats->drops[drop->reason];
	}
	drop->rows += dropped - named;
}

static void
sample_read_slice(struct sample *sample, const struct lm_engine *engine, uint32_t index)
{
	struct sample_slice *to = &sample->slice[index];
	const struct lm_op_class *class = lm_engine_slice_class(engine, index);
	const struct lm_op_class *is = lm_engine_operator_class(engine, to->op);
	struct lm_slice_stats stats;
	struct lm_slice_load load;

	lm_engine_slice_stats(engine, index, &stats);
	lm_engine_slice_load(engine, index, &load);
	to->bytes_in = load.bytes_in;
	to->bytes_out = load.bytes_out;
	to->state_bytes = load.state_bytes;
	to->waiting = load.waiting;
	to->room = load.room;
	to->worker = lm_engine_slice_worker(engine, index);
	to->rows_in = stats.rows_in;
	to->batches_in = stats.batches_in;
	to->rows_out = sample_sum(stats.rows_out, LM_PORTS_MAX);
	to->batches_out = sample_sum(stats.batches_out, LM_PORTS_MAX);
	to->rows_absorbed = stats.rows_absorbed;
	to->rows_unwired = sample_sum(stats.rows_unwired, LM_PORTS_MAX);
	to->rows_dropped = sample_sum(stats.drops, LM_DROPS_MAX);
	to->errors = stats.errors;
	to->busy_ns = stats.busy_ns;
	to->turns_blocked = stats.turns_blocked;
	to->epoch = stats.epoch;
	to->watermark_ns = stats.watermark_ns;
	memcpy(to->gauges, stats.gauges, sizeof(to->gauges));
	sample_read_drops(sample, to->op, class != is ? class : NULL, &stats, to->rows_dropped);
}

static void
sample_clear_sums(struct sample *sample)
{
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		struct sample_operator *op = &sample->op[i];

		op->rows_in = op->batches_in = op->rows_out = op->batches_out = 0;
		op->rows_absorbed = op->rows_unwired = op->rows_dropped = 0;
		op->errors = op->busy_ns = 0;
		memset(op->gauges, 0, sizeof(op->gauges));
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_DROPS]; i++) {
		sample->drop[i].rows = 0;
	}
}

static void
sample_add_slice(struct sample *sample, const struct sample_slice *slice)
{
	struct sample_operator *op = &sample->op[slice->op];

	op->rows_in += slice->rows_in;
	op->batches_in += slice->batches_in;
	op->rows_out += slice->rows_out;
	op->batches_out += slice->batches_out;
	op->rows_absorbed += slice->rows_absorbed;
	op->rows_unwired += slice->rows_unwired;
	op->rows_dropped += slice->rows_dropped;
	op->errors += slice->errors;
	op->busy_ns += slice->busy_ns;
	for (uint32_t gauge = 0; gauge < SAMPLE_GAUGES; gauge++) {
		op->gauges[gauge] += slice->gauges[gauge];
	}
}

static void
sample_read_worker(struct sample_worker *to, const struct lm_engine *engine, uint32_t index)
{
	struct lm_worker_stats stats;

	lm_engine_worker_stats(engine, index, &stats);
	to->turns = stats.turns;
	to->turns_busy = stats.turns_busy;
	to->busy_ns = stats.busy_ns;
	to->idle_ns = stats.idle_ns;
	to->longest_turn_ns = stats.longest_turn_ns;
	to->sleeps = stats.sleeps;
}

/* What `now` counts beyond `before`. The largest value is known to its bucket only. */
static void
sample_hist_since(struct lm_hist *to, const struct lm_hist *now, const struct lm_hist *before)
{
	memset(to, 0, sizeof(*to));
	to->max = now->max;
	for (uint32_t i = 0; i < LM_HIST_BUCKETS; i++) {
		to->bucket[i] = now->bucket[i] - before->bucket[i];
		to->count += to->bucket[i];
	}
	to->sum = now->sum - before->sum;
	to->max = to->count == 0 ? 0 : lm_hist_quantile(to, 1);
}

static void
sample_read_latency(struct sample *sample, const struct lm_engine *engine, uint32_t op,
                    const struct sample *before, uint32_t index)
{
	struct lm_hist *hist = &sample->hist[index];
	struct lm_hist_summary *latency = &sample->head->latency;
	struct lm_hist_summary *recent = &sample->head->recent;

	if (op != LM_NONE) {
		latency = &sample->op[op].latency;
		recent = &sample->op[op].recent;
	}
	memset(hist, 0, sizeof(*hist));
	lm_engine_latency(engine, op, hist);
	lm_hist_summarize(hist, latency);
	*recent = *latency;
	if (before != NULL && before->hist != NULL) {
		sample_hist_since(sample->spare, hist, &before->hist[index]);
		lm_hist_summarize(sample->spare, recent);
	}
}

void
sample_read(struct sample *sample, const struct lm_engine *engine, const struct sample *before,
            int64_t now_ns, const struct sample_counter *counters, uint32_t counter_count)
{
	uint32_t room = sample->shape.count[SAMPLE_COUNTERS];
	uint32_t hist = 0;

	sample_clear_sums(sample);
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_SLICES]; i++) {
		sample_read_slice(sample, engine, i);
		sample_add_slice(sample, &sample->slice[i]);
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_WORKERS]; i++) {
		sample_read_worker(&sample->worker[i], engine, i);
	}
	sample_read_latency(sample, engine, LM_NONE, before, hist++);
	for (uint32_t op = 0; op < sample->shape.count[SAMPLE_OPERATORS]; op++) {
		if (sample->op[op].is_sink) {
			sample_read_latency(sample, engine, op, before, hist++);
		}
	}
	sample->head->now_ns = now_ns;
	sample->head->counter_count = counter_count < room ? counter_count : room;
	for (uint32_t i = 0; i < sample->head->counter_count; i++) {
		sample_name(sample->counter[i].name, counters[i].name);
		sample->counter[i].value = counters[i].value;
	}
}

static bool
sample_name_ends(const char *name)
{
	return memchr(name, '\0', SAMPLE_NAME) != NULL;
}

static bool
sample_operators_valid(const struct sample *sample)
{
	uint32_t operators = sample->shape.count[SAMPLE_OPERATORS];

	for (uint32_t i = 0; i < operators; i++) {
		const struct sample_operator *op = &sample->op[i];

		if (!sample_name_ends(op->name) || !sample_name_ends(op->type)) {
			return false;
		}
		for (uint32_t gauge = 0; gauge < SAMPLE_GAUGES; gauge++) {
			if (!sample_name_ends(op->gauge_name[gauge])) {
				return false;
			}
		}
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_DROPS]; i++) {
		const struct sample_drop *drop = &sample->drop[i];
		uint32_t of = drop->op;

		if (of >= operators || !sample_name_ends(drop->name)) {
			return false;
		}
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_WIRES]; i++) {
		if (sample->wire[i].from >= operators || sample->wire[i].to >= operators) {
			return false;
		}
	}
	return true;
}

static bool
sample_head_valid(const struct sample *sample)
{
	const struct sample_head *head = sample->head;

	return head->start_ns >= 0 && head->now_ns >= head->start_ns && head->batch_rows != 0 &&
	       head->counter_count <= sample->shape.count[SAMPLE_COUNTERS];
}

bool
sample_valid(const struct sample *sample)
{
	if (!sample_head_valid(sample) || !sample_operators_valid(sample)) {
		return false;
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_SLICES]; i++) {
		uint32_t of = sample->slice[i].op;
		uint32_t on = sample->slice[i].worker;

		if (of >= sample->shape.count[SAMPLE_OPERATORS] ||
		    on >= sample->shape.count[SAMPLE_WORKERS]) {
			return false;
		}
	}
	for (uint32_t i = 0; i < sample->head->counter_count; i++) {
		if (!sample_name_ends(sample->counter[i].name)) {
			return false;
		}
	}
	return true;
}

uint64_t
sample_rows(const struct sample *sample)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		if (sample->op[i].is_source) {
			rows += sample->op[i].rows_out;
		}
	}
	return rows;
}

double
sample_seconds(const struct sample *sample)
{
	return (double)(sample->head->now_ns - sample->head->start_ns) / 1e9;
}

double
sample_fill(const struct sample *sample, uint32_t op)
{
	const struct sample_operator *of = &sample->op[op];
	uint64_t rows = of->is_source ? of->rows_out : of->rows_in;
	uint64_t batches = of->is_source ? of->batches_out : of->batches_in;
	double full = (double)batches * sample->head->batch_rows;

	return full > (double)rows ? (double)rows / full : batches > 0;
}

bool
sample_counter_is_loss(const char *name)
{
	static const char *const losses[] = { "imissed", "ierrors", "rx_nombuf", "oerrors",
		                              "tx_dropped" };
	const char *dot = strrchr(name, '.');
	const char *last = dot == NULL ? name : dot + 1;

	for (uint32_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		if (strcmp(last, losses[i]) == 0) {
			return true;
		}
	}
	return false;
}
