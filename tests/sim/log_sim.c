/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ingest_log in the whole engine, on a disk that fails, run after run: a source that never sends
 * anything twice, the log, something behind it, a sink. Snapshots are taken at epochs: of the log
 * slices what they serialize, of the sink how many rows it had. A run ends with the power; the next
 * one goes on from a snapshot, mostly the last. What the sink sees must then be, row by row, what
 * it saw before, as far as that went, and only then what is new; and never a row that event time
 * has passed.
 */

#include "tests/sim/log_sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "core/env.h"
#include "core/registry.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/snapshots.h"

#define SLICES_MAX 3u
#define ROWS_MAX 100000u
#define RUNS_MAX 6u
#define BYTES_MAX 64u
#define WORD_MAX 20000u
#define END_STEPS UINT64_C(30000000)

enum { KEY, NONCE, TIME, WORD, FIELDS };

/* What a snapshot has of each log slice, and how many of its rows the sink had. */
struct snapshot {
	uint64_t epoch; /* 0: of the very beginning */
	uint64_t count[SLICES_MAX];
	char bytes[SLICES_MAX][BYTES_MAX];
	uint32_t size[SLICES_MAX];
};

static struct {
	/* Drawn once for all runs of a seed. */
	uint32_t slices;
	bool is_eager, is_fused, is_merged, has_pass, idles, is_heavy;
	uint64_t commit_us, epoch_us, rows;
	uint32_t batch_rows;
	uint32_t one_in[DISK_FAULT_COUNT];

	/* Over all runs. */
	uint64_t nonce;
	uint64_t *seen[SLICES_MAX]; /* [row]: its nonce */
	uint64_t seen_count[SLICES_MAX];
	struct snapshot last, before;

	/* Of this run. */
	bool is_last;
	uint64_t first_nonce;
	uint64_t next[SLICES_MAX]; /* the row that the sink sees next */
	uint64_t noted[SLICES_MAX];
	uint64_t wanted; /* epoch of the snapshot under way; 0: none */
	bool is_wrong;
	struct snapshot from;
} sim;

static void
wrong(const char *what, uint64_t slice, uint64_t row)
{
	fprintf(stderr, "log: %s (slice %" PRIu64 ", row %" PRIu64 ")\n", what, slice, row);
	sim.is_wrong = true;
}

/* ---- the source: each row once ---- */

struct log_source {
	uint64_t rows;
};

static int
source_configure(struct lm_setup *setup, void *config)
{
	static const struct lm_field fields[FIELDS] = {
		[KEY] = { "key", LM_U64, 0 },
		[NONCE] = { "nonce", LM_U64, 0 },
		[TIME] = { "time", LM_TIME, 0 },
		[WORD] = { "word", LM_STRING, 0 },
	};
	struct lm_field drawn[FIELDS];

	(void)config;
	memcpy(drawn, fields, sizeof(drawn));
	drawn[WORD].bytes_max = sim.is_heavy ? 3 * WORD_MAX : 0;
	return lm_setup_output(setup, 0, drawn, FIELDS);
}

static uint32_t
word_of(uint64_t nonce, char *word)
{
	uint32_t length = (uint32_t)(nonce * 7919 % (sim.is_heavy ? WORD_MAX : 40));

	memset(word, 'a' + (int)(nonce % 26), length);
	return length;
}

static enum lm_poll
source_poll(struct lm_op *op)
{
	struct log_source *source = lm_op_context(op);
	uint32_t want = (uint32_t)(lm_op_random(op) % (lm_op_output_schema(op, 0)->capacity + 1));
	struct lm_batch *out;
	uint32_t first, count = 0;
	static char word[WORD_MAX];

	if (source->rows >= sim.rows) {
		return sim.is_last ? LM_POLL_END : LM_POLL_IDLE;
	}
	if (want == 0 || lm_op_random(op) % 3 == 0) {
		if (sim.idles && lm_op_random(op) % 4 == 0) {
			lm_op_idle(op);
		}
		return LM_POLL_IDLE;
	}
	out = lm_op_reserve(op, 0, want, &first);
	for (; count < want; count++) {
		uint64_t nonce = sim.nonce + 1;

		if (!lm_batch_put_string(out, WORD, first + count, word, word_of(nonce, word))) {
			break;
		}
		sim.nonce = nonce;
		lm_batch_u64(out, KEY)[first + count] = lm_op_slice(op);
		lm_batch_u64(out, NONCE)[first + count] = nonce;
		lm_batch_i64(out, TIME)[first + count] = env_now_ns();
	}
	lm_op_emit(op, 0, count);
	source->rows += count;
	if (count > 0 && lm_op_random(op) % 2 == 0) {
		lm_op_watermark(op, env_now_ns() - 1);
	}
	return LM_POLL_BUSY;
}

static const char *const ports[] = { "rows", NULL };

static const struct lm_op_class source_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "log_sim_source",
	.version = "1",
	.summary = "rows that come once",
	.outputs = ports,
	.rows = LM_ROWS_SOURCE,
	.context_size = sizeof(struct log_source),
	.configure = source_configure,
	.poll = source_poll,
};

/* ---- the sink: row by row ---- */

struct log_sink {
	int64_t watermark;
	uint64_t rows; /* one to fill up the struct of one that has seen none */
};

static int
sink_open(struct lm_op *op)
{
	((struct log_sink *)lm_op_context(op))->watermark = INT64_MIN;
	return 0;
}

/* Eager rows that were not safe may be others the next time. */
static bool
may_differ(uint64_t slice, uint64_t row, uint64_t nonce)
{
	return sim.is_eager && nonce >= sim.first_nonce && row >= sim.last.count[slice];
}

static void
see(uint64_t slice, uint64_t nonce)
{
	uint64_t row = sim.next[slice]++;

	if (row < sim.seen_count[slice] && sim.seen[slice][row] != nonce) {
		if (!may_differ(slice, row, nonce)) {
			wrong("not the row that stood here before", slice, row);
			return;
		}
		sim.seen_count[slice] = row;
	}
	if (row == sim.seen_count[slice]) {
		if (row == ROWS_MAX) {
			abort();
		}
		if (nonce < sim.first_nonce && !sim.is_wrong && row > 0 &&
		    sim.seen[slice][row - 1] >= nonce) {
			wrong("an old row behind a later one", slice, row);
		}
		sim.seen[slice][row] = nonce;
		sim.seen_count[slice]++;
	}
}

static void
sink_process(struct lm_op *op, const struct lm_batch *in)
{
	struct log_sink *sink = lm_op_context(op);
	static char word[WORD_MAX];

	for (uint32_t i = 0; i < in->count && !sim.is_wrong; i++) {
		uint64_t slice = lm_batch_u64(in, KEY)[i], nonce = lm_batch_u64(in, NONCE)[i];
		const uint32_t *offsets = lm_batch_offsets(in, WORD);
		uint32_t length = word_of(nonce, word);

		if (length != offsets[i + 1] - offsets[i] ||
		    memcmp(word, lm_batch_bytes(in, WORD) + offsets[i], length) != 0) {
			wrong("another word than was sent", slice, sim.next[slice]);
		}
		if (lm_batch_i64(in, TIME)[i] <= sink->watermark && !(sim.idles && sim.is_merged)) {
			wrong("event time has passed it", slice, sim.next[slice]);
		}
		see(slice, nonce);
	}
	sink->rows += in->count;
	lm_op_absorb(op, in->count);
}

static void
sink_watermark(struct lm_op *op, int64_t time_ns)
{
	((struct log_sink *)lm_op_context(op))->watermark = time_ns;
}

/* Its part of a snapshot: with one slice for all, or one for each. */
static void
sink_epoch(struct lm_op *op, uint64_t epoch)
{
	/* Later ones may have come before the snapshot is taken. */
	for (uint32_t slice = 0; epoch == sim.wanted && slice < sim.slices; slice++) {
		if (sim.is_merged || slice == lm_op_slice(op)) {
			sim.noted[slice] = sim.next[slice];
		}
	}
}

static const struct lm_op_class sink_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_SINK,
	.name = "log_sim_sink",
	.version = "1",
	.summary = "compares rows with those of before",
	.inputs = ports,
	.rows = LM_ROWS_ABSORB,
	.context_size = sizeof(struct log_sink),
	.open = sink_open,
	.process = sink_process,
	.watermark = sink_watermark,
	.epoch = sink_epoch,
};

/* ---- snapshots ---- */

static bool
is_log(const struct lm_op *slice)
{
	return strcmp(slice->class->name, "ingest_log") == 0;
}

static void
watch_begin(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct lm_op *slice = engine->slice[i];

		if (state_arm(slice) != 0) {
			abort();
		}
		if (is_log(slice) && sim.from.epoch > 0 &&
		    state_deserialize(slice, sim.from.bytes[slice->index],
		                      sim.from.size[slice->index],
		                      slice->class->state_version) != 0) {
			wrong("a position that is refused", slice->index, sim.next[slice->index]);
		}
	}
	sim.wanted = 0;
	disk_faults(sim.is_last ? (const uint32_t[DISK_FAULT_COUNT]){ 0 } : sim.one_in);
	if (!sim.is_last && sim_below(2) == 0) {
		disk_fail_at(1 + sim_below(200), DISK_CRASH);
	}
}

/* What is kept begins with the snapshot before the last. */
static void
trim(struct lm_op *slice, const struct snapshot *oldest)
{
	char why[400];
	int result;

	if (oldest->epoch == 0 || sim_below(3) != 0) {
		return;
	}
	result = slice->class->trim(slice, oldest->bytes[slice->index], oldest->size[slice->index],
	                            why, sizeof(why));
	if (result != 0 && result != -EIO && result != -ENOSPC) {
		wrong(why, slice->index, 0);
	}
}

static void
take_snapshot(struct lm_engine *engine)
{
	struct snapshot taken = { .epoch = sim.wanted };

	memcpy(taken.count, sim.noted, sizeof(taken.count));
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct lm_op *slice = engine->slice[i];

		if (slice->state.flipped != sim.wanted) {
			wrong("it was not asked for its snapshot", i, 0);
			return;
		}
		if (is_log(slice)) {
			taken.size[slice->index] = slice->state.class_text.size;
			memcpy(taken.bytes[slice->index], slice->state.class_text.bytes,
			       slice->state.class_text.size);
		}
		state_finish(slice);
	}
	/* Numbers of epochs begin anew with each run. */
	sim.before = sim.last;
	sim.last = taken;
	sim.wanted = 0;
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (is_log(engine->slice[i])) {
			trim(engine->slice[i], &sim.before);
		}
	}
}

static void
watch_step(struct lm_engine *engine)
{
	if (sim.wanted != 0 && engine_epoch_done(engine) >= sim.wanted && !disk_is_down() &&
	    engine->shared->ended_slices == 0) {
		take_snapshot(engine);
	}
	if (sim.wanted == 0 && engine_epoch_done(engine) == engine->epoch && sim_below(4) == 0) {
		sim.wanted = engine->epoch + 1;
		engine->shared->snapshot_epoch = sim.wanted;
	}
}

static bool
watch_end(struct lm_engine *engine)
{
	(void)engine;
	return true;
}

/* ---- runs ---- */

static void
param(struct lm_topology *topology, const char *name, const char *format, uint64_t value)
{
	char text[64];

	snprintf(text, sizeof(text), format, value);
	lm_topology_param(topology, "log", name, text);
}

static void
add(struct lm_topology *topology, const char *name, const char *type, uint32_t slices)
{
	lm_topology_operator(topology, name, type);
	lm_topology_slices(topology, name, slices);
}

static struct lm_topology *
make_topology(void)
{
	struct lm_topology *topology = lm_topology_create("log");
	struct lm_settings *settings = lm_topology_settings(topology);
	const char *behind = sim.has_pass ? "pass" : "log";
	struct lm_wire wire = { .from = "in", .to = "log" };

	settings->epoch_ns = sim.epoch_us * 1000;
	settings->batch_rows = sim.batch_rows;
	settings->fuse = sim.is_fused;
	settings->seed = 1 + sim_below(1000);
	settings->credit = 2u << sim_below(4);
	add(topology, "in", "log_sim_source", sim.slices);
	add(topology, "log", "ingest_log", sim.slices);
	lm_topology_param(topology, "log", "folder", "disk:log");
	lm_topology_param(topology, "log", "eager", sim.is_eager ? "true" : "false");
	param(topology, "commit", "%" PRIu64 "us", sim.commit_us);
	param(topology, "segment", "%" PRIu64 "MiB", 4);
	param(topology, "buffer", "%" PRIu64 "MiB", 4);
	lm_topology_wire(topology, &wire);
	if (sim.has_pass) {
		add(topology, "pass", "filter", sim.slices);
		lm_topology_param(topology, "pass", "where", "nonce > 0");
		wire = (struct lm_wire){ .from = "log", .to = "pass" };
		lm_topology_wire(topology, &wire);
	}
	add(topology, "out", "log_sim_sink", sim.is_merged ? 1 : sim.slices);
	wire = (struct lm_wire){ .from = behind, .to = "out" };
	wire.grouping = sim.is_merged ? LM_GROUP_GLOBAL : LM_GROUP_FORWARD;
	lm_topology_wire(topology, &wire);
	return topology;
}

static void
begin_run(bool is_last)
{
	sim.is_last = is_last;
	sim.first_nonce = sim.nonce + 1;
	/* Mostly from the last snapshot; eager rows behind it may have changed. */
	sim.from = sim_below(4) == 0 ? sim.before : sim.last;
	if (sim.is_eager || sim.from.epoch == 0) {
		sim.from = sim.last;
	}
	memcpy(sim.next, sim.from.count, sizeof(sim.next));
	sim.last = sim.from;
	sim.before = sim.from;
}

static bool
run_engine(struct lm_graph *graph, struct lm_errors *errors)
{
	struct lm_placement placement;
	struct lm_engine *engine;
	bool ended, good = true;

	sim_place(graph->slice_count, &placement);
	engine = lm_engine_create(graph, &placement, errors);
	if (engine != NULL) {
		uint64_t steps = sim.is_last ? END_STEPS : sim_steps() + sim_below(20000);

		ended = sim_run(engine, steps);
		if (sim.is_last) {
			good = ended && lm_engine_audit(engine, errors);
		}
	}
	if (good && sim.is_last && engine == NULL) {
		good = false;
	}
	/* The power goes, if it has not gone yet, in the middle of whatever is on its way. */
	if (!disk_is_down()) {
		disk_fail_at(1, DISK_CRASH);
	}
	lm_engine_free(engine);
	free(placement.worker_of);
	disk_faults((const uint32_t[DISK_FAULT_COUNT]){ 0 });
	disk_crash();
	return good && !sim.is_wrong;
}

static bool
run_once(bool is_last, struct lm_errors *errors)
{
	struct lm_topology *topology;
	struct lm_graph *graph;
	bool good = false;

	begin_run(is_last);
	topology = make_topology();
	graph = lm_graph_check(topology, errors);
	if (graph != NULL) {
		good = run_engine(graph, errors);
	}
	lm_graph_free(graph);
	lm_topology_free(topology);
	return good && errors->count == 0;
}

/* All that was ever seen has come again behind the last snapshot. */
static bool
check_last(void)
{
	for (uint32_t slice = 0; slice < sim.slices; slice++) {
		if (sim.next[slice] < sim.seen_count[slice] && !sim.is_eager) {
			wrong("rows that were seen have not come again", slice, sim.next[slice]);
		}
	}
	return !sim.is_wrong;
}

static void
draw(void)
{
	memset(&sim, 0, sizeof(sim));
	sim.slices = 1 + (uint32_t)sim_below(SLICES_MAX);
	sim.is_eager = sim_below(3) == 0;
	sim.is_fused = sim_below(3) > 0;
	sim.is_merged = sim_below(2) == 0;
	sim.has_pass = sim_below(2) == 0;
	sim.idles = sim_below(3) == 0;
	sim.is_heavy = sim_below(6) == 0;
	sim.commit_us = sim_below(2) == 0 ? 2000 : sim_below(500);
	sim.epoch_us = 1 + sim_below(3000);
	sim.batch_rows = 1 + (uint32_t)sim_below(sim_below(2) == 0 ? 16 : 1024);
	sim.rows = sim_below(sim.is_heavy ? 700 : 5000);
	if (sim_below(2) == 0) {
		sim.one_in[DISK_EIO] = sim_below(2) == 0 ? 0 : 20 + (uint32_t)sim_below(50);
		sim.one_in[DISK_ENOSPC] = sim_below(2) == 0 ? 0 : 20 + (uint32_t)sim_below(50);
		sim.one_in[DISK_SYNC_LOST] = sim_below(2) == 0 ? 0 : 20 + (uint32_t)sim_below(50);
		sim.one_in[DISK_SHORT] = sim_below(2) == 0 ? 0 : 5;
		sim.one_in[DISK_SLOW] = sim_below(2) == 0 ? 0 : 100;
	}
	for (uint32_t slice = 0; slice < SLICES_MAX; slice++) {
		sim.seen[slice] = calloc(ROWS_MAX, sizeof(uint64_t));
		if (sim.seen[slice] == NULL) {
			abort();
		}
	}
}

static void
register_once(void)
{
	const char *why;

	if (registry_find(source_class.name) == NULL &&
	    (registry_add(&source_class, &why) != 0 || registry_add(&sink_class, &why) != 0)) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
}

bool
sim_log_run(uint64_t seed)
{
	static const struct sim_watch watch = { watch_begin, watch_step, watch_end };
	struct lm_errors errors = { 0 };
	size_t before;
	uint64_t runs;
	bool good = true;

	register_once();
	/* What fails is told each time. */
	setenv("SIM_QUIET", "1", 0);
	sim_reset(seed);
	disk_reset();
	before = sim_memory();
	draw();
	sim_watch(&watch);
	runs = 1 + sim_below(RUNS_MAX);
	for (uint64_t run = 0; good && run < runs; run++) {
		good = run_once(run + 1 == runs, &errors);
	}
	sim_snapshots_watch();
	good = good && check_last();
	sim_note(sim.seen_count, sizeof(sim.seen_count));
	for (uint32_t slice = 0; slice < SLICES_MAX; slice++) {
		free(sim.seen[slice]);
	}
	for (uint32_t i = 0; i < errors.count; i++) {
		fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, errors.error[i].message);
	}
	lm_errors_free(&errors);
	disk_reset();
	return good && sim_memory() == before;
}
