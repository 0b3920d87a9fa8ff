/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes of bench/snap_job.h, on the worker: keys come, batches and flips are timed. */

#include "bench/snap_classes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/registry.h"
#include "core/slice.h"
#include "core/state_ops.h"
#include "operators/generator_values.h"
#include "state/arena.h"

/* Odd: no two keys become one. */
#define KEY_FACTOR 0x9e3779b97f4a7c15u

struct snap_source snap_source;
struct snap_probe snap_probe;

/* ---- keys ---- */

bool
snap_source_open(const struct snap_shape *shape, uint32_t draws)
{
	uint64_t keys = shape->keys;
	struct generator_field field = {
		.kind = GENERATOR_ZIPF, .type = LM_U64, .key = generator_key(7, 0), .range = keys
	};
	const struct lm_field column = { "key", LM_U64, 0 };
	struct generator_rows rows = { .stride = 1, .count = LM_BATCH_ROWS };
	static uint64_t scratch[LM_BATCH_ROWS];
	struct lm_schema schema;
	struct lm_batch *batch;

	snap_source = (struct snap_source){ .keys = keys, .windows = shape->windows };
	if (shape->is_uniform) {
		return true;
	}
	generator_zipf_init(&field.zipf, keys, 1.0);
	lm_schema_init(&schema, &column, 1, LM_BATCH_ROWS);
	batch = aligned_alloc(64, (schema.size + 63) / 64 * 64);
	snap_source.draw = malloc(draws * sizeof(*snap_source.draw));
	if (batch == NULL || snap_source.draw == NULL) {
		free(batch);
		return false;
	}
	batch->schema = &schema;
	for (; rows.first < draws; rows.first += LM_BATCH_ROWS) {
		generator_write(&field, &rows, scratch, batch, 0, 0);
		for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
			snap_source.draw[rows.first + i] = (uint32_t)lm_batch_u64(batch, 0)[i];
		}
	}
	snap_source.draws = draws;
	free(batch);
	return true;
}

void
snap_source_close(void)
{
	free(snap_source.draw);
	snap_source = (struct snap_source){ 0 };
}

static int
keys_configure(struct lm_setup *setup, void *config)
{
	static const struct lm_field field[] = { { "key", LM_U64, 0 }, { "time", LM_TIME, 0 } };

	(void)config;
	return lm_setup_output(setup, 0, field, snap_source.windows == 0 ? 1 : 2);
}

static uint64_t
mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void
write_keys(uint64_t *key, uint32_t count, enum snap_feed feed)
{
	struct snap_source *s = &snap_source;

	if (feed == SNAP_FILL) {
		for (uint32_t i = 0; i < count; i++) {
			key[i] = (s->filled + i) * KEY_FACTOR;
		}
		s->filled += count;
	} else if (feed == SNAP_SOME || s->draws == 0) {
		for (uint32_t i = 0; i < count; i++) {
			unsigned __int128 wide = (unsigned __int128)mix(++s->random) * s->keys;

			key[i] = (uint64_t)(wide >> 64) * KEY_FACTOR;
		}
	} else {
		for (uint32_t i = 0; i < count; i++) {
			key[i] = s->draw[(s->at + i) % s->draws] * KEY_FACTOR;
		}
		s->at = (s->at + count) % s->draws;
	}
}

/* Time stands still: no window is ever complete. */
static void
write_times(int64_t *time_ns, uint32_t count, uint64_t at)
{
	for (uint32_t i = 0; i < count; i++) {
		time_ns[i] = (int64_t)((at + i) % snap_source.windows * SNAP_WINDOW_NS);
	}
}

static enum lm_poll
keys_poll(struct lm_op *op)
{
	struct snap_source *s = &snap_source;
	enum snap_feed feed = __atomic_load_n(&s->feed, __ATOMIC_ACQUIRE);
	uint64_t left = feed == SNAP_FILL   ? s->keys - s->filled
	                : feed == SNAP_SOME ? s->some
	                                    : UINT64_MAX;
	uint32_t count = lm_op_output_schema(op, 0)->capacity, first;
	struct lm_batch *out;

	if (feed == SNAP_PAUSE || left == 0) {
		__atomic_store_n(&s->is_done, feed != SNAP_PAUSE, __ATOMIC_RELEASE);
		return LM_POLL_IDLE;
	}
	count = left < count ? (uint32_t)left : count;
	out = lm_op_reserve(op, 0, count, &first);
	write_keys(lm_batch_u64(out, 0) + first, count, feed);
	if (s->windows > 0) {
		write_times(lm_batch_i64(out, 1) + first, count, s->sent);
	}
	lm_op_emit(op, 0, count);
	s->some -= feed == SNAP_SOME ? count : 0;
	__atomic_store_n(&s->sent, s->sent + count, __ATOMIC_RELEASE);
	return LM_POLL_BUSY;
}

/* ---- times ---- */

static const struct lm_op_class *counted;

static void
note_crossing(struct snap_seen *seen, const struct lm_op *op, int64_t start_ns)
{
	__atomic_store_n(&seen->before_ns, seen->last_end_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&seen->first_ns, start_ns, __ATOMIC_RELAXED);
	seen->epoch = op->stats.epoch;
	seen->worker = op->worker;
	__atomic_store_n(&seen->crossings, seen->crossings + 1, __ATOMIC_RELEASE);
}

void
snap_note_batch(const struct lm_op *op, int64_t start_ns, int64_t end_ns)
{
	struct snap_seen *seen = &snap_probe.seen[op->index];

	if (snap_probe.seen == NULL) {
		return;
	}
	if (seen->epoch != op->stats.epoch || seen->worker != op->worker) {
		note_crossing(seen, op, start_ns);
	} else if (start_ns - seen->last_end_ns >
	           __atomic_load_n(&seen->longest_gap_ns, __ATOMIC_RELAXED)) {
		__atomic_store_n(&seen->longest_gap_ns, start_ns - seen->last_end_ns,
		                 __ATOMIC_RELAXED);
	}
	lm_hist_record(&seen->batch_ns, (uint64_t)(end_ns - start_ns), 1);
	__atomic_store_n(&seen->last_end_ns, end_ns, __ATOMIC_RELEASE);
}

/* The engine's aggregate, and how long each batch took. */
static void
timed_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct state_space *space = op_state(op)->space;
	bool copying =
	    space != NULL && __atomic_load_n(&space->finished, __ATOMIC_RELAXED) != space->snapshot;
	struct snap_interval *interval = &snap_probe.interval[snap_probe.intervals];
	int64_t start_ns = env_now_ns(), end_ns;
	uint64_t bucket;

	counted->process(op, in);
	end_ns = env_now_ns();
	snap_note_batch(op, start_ns, end_ns);
	if (!__atomic_load_n(&snap_probe.is_on, __ATOMIC_ACQUIRE)) {
		return;
	}
	lm_hist_record(copying ? &interval->copying : &interval->idle,
	               (uint64_t)(end_ns - start_ns), 1);
	bucket = (uint64_t)(end_ns - snap_probe.start_ns) / (SNAP_BUCKET_MS * 1000000u);
	if (bucket < SNAP_BUCKETS_MAX) {
		snap_probe.bucket[bucket].rows += in->count;
		lm_hist_record(&snap_probe.bucket[bucket].batch_ns, (uint64_t)(end_ns - start_ns),
		               1);
	}
}

/* The linker puts this in the way of state_flip (bench/meson.build). */
bool __real_state_flip(struct lm_op *op, uint64_t epoch);
bool __wrap_state_flip(struct lm_op *op, uint64_t epoch);

bool
__wrap_state_flip(struct lm_op *op, uint64_t epoch)
{
	int64_t start_ns = env_now_ns();
	bool good = __real_state_flip(op, epoch);
	uint64_t took_ns = (uint64_t)(env_now_ns() - start_ns);

	if (op_state(op)->space == NULL || !__atomic_load_n(&snap_probe.is_on, __ATOMIC_ACQUIRE)) {
		return good;
	}
	if (snap_probe.intervals + 1 < SNAP_INTERVALS_MAX) {
		snap_probe.interval[++snap_probe.intervals].flip_ns = took_ns;
	}
	return good;
}

/* ---- classes ---- */

static const char *const port_out[] = { "out", NULL };
static const struct lm_op_class keys_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "bench_keys",
	.version = "1.0",
	.summary = "keys, as many and as fast as they are asked for",
	.outputs = port_out,
	.rows = LM_ROWS_SOURCE,
	.configure = keys_configure,
	.poll = keys_poll,
};
static struct lm_op_class count_class;

void
snap_register_classes(void)
{
	const char *why = "there is no class aggregate";

	counted = registry_find("aggregate");
	if (counted != NULL) {
		count_class = *counted;
		count_class.name = "bench_count";
		count_class.process = timed_process;
		count_class.process_select = NULL;
	}
	if (counted == NULL || registry_add(&keys_class, &why) != 0 ||
	    registry_add(&count_class, &why) != 0 || registry_add(&snap_tally[0], &why) != 0) {
		fprintf(stderr, "bench: %s\n", why);
		abort();
	}
}
