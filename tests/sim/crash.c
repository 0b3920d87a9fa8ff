/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole job on a disk that fails: it runs, takes snapshots, commits rows, crashes at any step or
 * in any call of the disk, loses what was not synced, and goes on, until it is done. What its sinks
 * have committed in the end is what a run without any of that commits, row by row; and what was
 * committed once stays as it was. Faults come first; then the machine is sound, and the job has to
 * come to its end. In half of the seeds operators get other numbers of slices as it runs, and other
 * code. In a third of those each start has other numbers, too; the others go over to another
 * topology and back, the power goes before, in and behind changes, and each start goes on with what
 * ran, by the note in the snapshot, which must be of what ran when that was taken.
 */

#include "tests/sim/crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "core/env.h"
#include "core/graph.h"
#include "state/snapshot.h"
#include "tests/sim/classes.h"
#include "tests/sim/control.h"
#include "tests/sim/crash_draw.h"
#include "tests/sim/crash_topology.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/snapshots.h"
#include "tests/sim/topologies.h"

#define DRAWS_MAX 200u
#define CRASHES_MAX 8u
#define STEPS_MAX UINT64_C(4000000)
#define COMMITTED_MAX 2048u
#define RAN_MAX 4096u
#define OPERATORS_MAX 20u

/* A committed file, as it was seen first. */
struct committed {
	char path[160];
	int64_t size;
	uint64_t digest;
};

/* From an epoch on: a topology, and how many slices each of its operators has. */
struct ran {
	uint64_t epoch;
	bool is_wider;
	uint16_t slices[OPERATORS_MAX];
};

struct crash {
	struct topo topo;
	char folder[40]; /* of the snapshots */
	struct snapshot_options options;
	struct committed committed[COMMITTED_MAX];
	uint32_t committed_count;
	uint64_t sound_steps; /* that it takes when nothing goes wrong */
	bool rescales;        /* while it runs, and whenever it is started */
	bool keeps;           /* it goes over to another topology; a start goes on with what ran */
	/* keeps: what ran from which epoch on. */
	struct ran ran[RAN_MAX];
	uint32_t ran_count;
	bool has_ended; /* when it ran last */
	/* This incarnation's. */
	struct lm_engine *engine;
	struct snapshots *snapshots;
	struct lm_topology *runs;  /* what it begins with */
	struct lm_topology *plain; /* the first of all; keeps: to go back to */
	struct snapshot_note note; /* keeps: of what it goes on from */
	bool is_faulty;            /* whatever it says, the disk may be the reason */
	bool is_done;
	bool is_wrong;
};

static bool
wrong(struct crash *crash, const char *what)
{
	fprintf(stderr, "%s\n", what);
	crash->is_wrong = true;
	return false;
}

/* ---- what is run ---- */

static void
draw_options(struct crash *crash)
{
	crash->options = (struct snapshot_options){
		.folder = crash->folder,
		.job = 7,
		.keep = 1 + (uint32_t)sim_below(3),
		.codec = sim_below(2) == 0 ? BLOCK_ZEROES : (enum block_codec)sim_below(2),
		.pace = sim_below(2) == 0 ? 0 : UINT64_C(1000000) << sim_below(12),
		.timeout_ns = sim_below(4) == 0 ? 1 + sim_below(3000000) : 0,
		.full_after = 1 + (uint32_t)sim_below(4),
		.verify = sim_below(2) == 0 ? 0 : 1 + sim_below(UINT64_C(1) << 32),
		.has_thread = true,
	};
}

/* ---- what runs ---- */

/* As mgmt/resume.c goes on: with the snapshot's note, if it has one. */
static struct lm_topology *
load_what_ran(struct crash *crash)
{
	char why[SNAPSHOT_WHY];

	if (snapshots_read_note(crash->folder, crash->options.job, &crash->note, why) != 0) {
		wrong(crash, why);
	}
	return crash->note.bytes == NULL ? crash_load(&crash->topo, false)
	                                 : crash_load_note(&crash->topo, &crash->note);
}

/* This does, from the epoch on. */
static void
note_ran(struct crash *crash, uint64_t epoch, bool is_wider, const struct lm_graph *graph)
{
	struct ran *ran;

	while (crash->ran_count > 0 && crash->ran[crash->ran_count - 1].epoch >= epoch) {
		crash->ran_count--;
	}
	if (crash->ran_count == RAN_MAX || graph->operator_count > OPERATORS_MAX) {
		abort();
	}
	ran = &crash->ran[crash->ran_count++];
	*ran = (struct ran){ .epoch = epoch, .is_wider = is_wider };
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		ran->slices[i] = (uint16_t)graph->op[i].slices;
	}
}

static bool
is_what_ran(const struct crash *crash, const struct ran *ran, const struct lm_graph *graph)
{
	bool good = ran->is_wider == crash_is_wider(crash->runs);

	for (uint32_t i = 0; good && i < graph->operator_count; i++) {
		good = ran->slices[i] == graph->op[i].slices;
	}
	return good;
}

/* What it goes on with by the note is what ran when the epoch was taken. The epoch of a job that
 * has ended is of what ran last, whatever its number. */
static void
check_note(struct crash *crash, const struct lm_graph *graph)
{
	uint32_t at = crash->ran_count;
	bool good;

	if (crash->note.epoch == 0) {
		return;
	}
	good = at > 0 && crash->has_ended && is_what_ran(crash, &crash->ran[at - 1], graph);
	while (at > 0 && crash->ran[at - 1].epoch > crash->note.epoch) {
		at--;
	}
	good = good || (at > 0 && is_what_ran(crash, &crash->ran[at - 1], graph));
	if (!good || crash->note.bytes == NULL) {
		wrong(crash, "the note of an epoch is not of what ran");
	}
}

static void
load_incarnation(struct crash *crash)
{
	crash->note = (struct snapshot_note){ 0 };
	crash->plain = crash_load(&crash->topo, false);
	crash->runs = crash->keeps ? load_what_ran(crash) : crash_load(&crash->topo, false);
	crash->options.note = crash->keeps ? &crash->note : NULL;
}

static void
unload_incarnation(struct crash *crash)
{
	free(crash->note.bytes);
	lm_topology_free(crash->runs);
	lm_topology_free(crash->plain);
	crash->runs = crash->plain = NULL;
}

/* ---- what was committed ---- */

static bool
is_committed_name(const char *path)
{
	return strstr(path, ".pending") == NULL;
}

static uint64_t
digest_of_file(const char *path, int64_t size)
{
	const uint8_t *bytes = disk_bytes(path);
	uint64_t digest = 1469598103934665603u;

	for (int64_t i = 0; i < size; i++) {
		digest = (digest ^ bytes[i]) * 1099511628211u;
	}
	return digest;
}

static void
note_committed(void *arg, const char *path)
{
	struct crash *crash = arg;
	struct committed *entry = &crash->committed[crash->committed_count];

	for (uint32_t i = 0; i < crash->committed_count; i++) {
		if (strcmp(crash->committed[i].path, path) == 0) {
			return;
		}
	}
	if (!is_committed_name(path)) {
		return;
	}
	if (crash->committed_count == COMMITTED_MAX) {
		abort();
	}
	snprintf(entry->path, sizeof(entry->path), "%s", path);
	entry->size = disk_size(path);
	entry->digest = digest_of_file(path, entry->size);
	crash->committed_count++;
}

/* Nobody may see another content, or none, where something was committed. */
static void
check_committed(struct crash *crash, const char *out)
{
	for (uint32_t i = 0; i < crash->committed_count; i++) {
		const struct committed *entry = &crash->committed[i];

		if (disk_size(entry->path) != entry->size ||
		    digest_of_file(entry->path, entry->size) != entry->digest) {
			fprintf(stderr, "%s: ", entry->path);
			wrong(crash, "it was committed, and is another one now");
		}
	}
	disk_walk(out, note_committed, crash);
}

/* All lines of a sink's committed files but the names in front of CSV. */
struct gather {
	struct sim_lines *lines;
	const char *sink;
};

static void
gather_file(void *arg, const char *path)
{
	struct gather *gather = arg;
	const char *name = strrchr(path, '/') + 1;
	const char *at = (const char *)disk_bytes(path);
	const char *end = at + disk_size(path);
	bool is_first = strcmp(gather->sink, "sums") != 0;

	if (!is_committed_name(path) || strncmp(name, gather->sink, strlen(gather->sink)) != 0) {
		return;
	}
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		char line[400];

		if (stop == NULL) {
			sim_lines_add(gather->lines, "a line without an end");
			return;
		}
		snprintf(line, sizeof(line), "%.*s", (int)(stop - at), at);
		if (!is_first) {
			sim_lines_add(gather->lines, line);
		}
		is_first = false;
		at = stop + 1;
	}
}

static const char *const sinks[] = { "each", "sums", "top", "runs" };
#define SINKS (sizeof(sinks) / sizeof(sinks[0]))

static void
gather_all(const char *out, struct sim_lines lines[SINKS])
{
	for (uint32_t i = 0; i < SINKS; i++) {
		struct gather gather = { .lines = &lines[i], .sink = sinks[i] };

		disk_walk(out, gather_file, &gather);
		sim_lines_sort(&lines[i]);
	}
}

/* ---- one incarnation ---- */

enum fate {
	FATE_LIVES,
	FATE_CRASHES_AT_STEP,
	FATE_CRASHES_IN_CALL,
	FATE_FAULTS,
	FATE_DAMAGE,
	FATE_NO_MEMORY,
	FATE_IS_STOPPED,        /* snapshots end while slices go on, and may come to their end */
	FATE_CRASHES_IN_CHANGE, /* or behind one; of jobs that keep what ran */
};

static void
plan_faults(struct crash *crash, enum fate fate)
{
	uint32_t one_in[DISK_FAULT_COUNT] = { 0 };
	uint32_t often = 5 + (uint32_t)sim_below(sim_below(2) == 0 ? 40 : 2000);

	crash->is_faulty = fate != FATE_LIVES;
	if (fate == FATE_CRASHES_IN_CALL) {
		disk_fail_at(1 + sim_below(sim_below(2) == 0 ? 60 : 1500), DISK_CRASH);
	}
	if (fate == FATE_FAULTS || (fate == FATE_CRASHES_AT_STEP && sim_below(2) == 0)) {
		one_in[DISK_EIO] = sim_below(2) == 0 ? often : 0;
		one_in[DISK_ENOSPC] = sim_below(2) == 0 ? often : 0;
		one_in[DISK_SYNC_LOST] = sim_below(2) == 0 ? often : 0;
		one_in[DISK_SHORT] = sim_below(2) == 0 ? often : 0;
		one_in[DISK_SLOW] = sim_below(4) == 0 ? often : 0;
	}
	disk_faults(one_in);
	if (fate == FATE_NO_MEMORY) {
		sim_fail_after(sim_below(2000), UINT64_MAX);
	}
}

static void
hold(void *running)
{
	snapshots_hold(((struct crash *)running)->snapshots);
}

static bool
is_held(void *running)
{
	return snapshots_is_held(((struct crash *)running)->snapshots);
}

static bool
resume(void *running, const struct lm_topology *runs, const struct lm_graph *graph)
{
	struct crash *crash = running;

	if (!crash_note(crash->snapshots, runs, graph)) {
		return false;
	}
	if (crash->keeps) {
		note_ran(crash, crash->engine->epoch + 1, crash_is_wider(runs), graph);
	}
	return snapshots_resume(crash->snapshots) == 0;
}

static const struct topo *running_topo;

static struct lm_topology *
load_wider(const struct lm_topology *topology, const struct lm_graph *graph)
{
	(void)topology;
	(void)graph;
	return crash_load(running_topo, true);
}

/* What may be changed while it runs. */
static void
let_change(struct crash *crash, enum fate fate)
{
	struct control_changes changes = { .may_rescale = topo_may_rescale_keyed,
		                           .may_renew = topo_may_renew,
		                           .topology = crash->plain,
		                           .hold = hold,
		                           .is_held = is_held,
		                           .resume = resume,
		                           .holder = crash };

	if (crash->keeps) {
		running_topo = &crash->topo;
		changes.other = load_wider;
		/* Mostly snapshots come to their end in between. */
		changes.every = sim_below(4) == 0 ? 1 + sim_below(60) : 100 + sim_below(500);
		if (fate == FATE_CRASHES_IN_CHANGE) {
			changes.power_part = (enum control_part)sim_below(CONTROL_PARTS);
			changes.power_left = 1 + sim_below(sim_below(2) == 0 ? 20 : 200);
			changes.power_from = sim_below(4);
		}
		if (crash_is_wider(crash->runs)) {
			changes.begins_with = crash->runs;
			crash->runs = NULL; /* it is freed when it goes, or the run is over */
		}
	}
	control_let_change(&changes);
}

/* Stops the snapshots, as the control thread does when a job is not to go on. */
struct stopper {
	struct crash *crash;
	struct snapshots *snapshots;
};

static void
stop(void *arg)
{
	struct stopper *stopper = arg;
	struct snapshot_status status;
	bool is_committed = snapshots_stop(stopper->snapshots);

	snapshots_status(stopper->snapshots, &status);
	if (!is_committed && status.uncommitted == 0) {
		wrong(stopper->crash, "stopped, and nothing is left to commit, but it says so");
	}
}

/* It goes on later, unless it came to its end meanwhile. */
static bool
run_until_stopped(struct crash *crash, struct snapshots *snapshots, struct lm_engine *engine)
{
	struct stopper stopper = { .crash = crash, .snapshots = snapshots };
	struct sim_leave leave = { .stop = stop, .arg = &stopper };
	uint64_t steps = STEPS_MAX;

	if (sim_below(4) != 0 && engine->slice_count > 1) {
		/* Often all but a few: the last may end while snapshots do. */
		uint32_t few = 1 + (uint32_t)sim_below(sim_below(2) == 0 ? 3 : UINT32_MAX);

		leave.ended_slices =
		    engine->slice_count - 1 - (few - 1) % (engine->slice_count - 1);
	} else {
		steps = sim_below(crash->sound_steps);
	}
	sim_leave(&leave);
	(void)sim_run(engine, sim_steps() + steps);
	sim_leave(&(struct sim_leave){ .stop = NULL });
	return false;
}

/* The engine stands; it runs until its fate, or its end. True: everything is committed. */
static bool
run_engine(struct crash *crash, struct snapshots *snapshots, struct lm_engine *engine,
           enum fate fate)
{
	struct lm_errors errors = { 0 };
	bool has_steps =
	    fate == FATE_CRASHES_AT_STEP || fate == FATE_DAMAGE || fate == FATE_NO_MEMORY;
	/* Some time or other, or while it surely runs. */
	uint64_t most = crash->rescales && crash->sound_steps > 0 ? crash->sound_steps : 30000;
	uint64_t began = sim_steps(), steps = has_steps ? sim_below(most) : STEPS_MAX;
	bool ended, is_committed;

	if (snapshots_start(snapshots) != 0) {
		return wrong(crash, "no thread");
	}
	if (fate == FATE_IS_STOPPED) {
		return run_until_stopped(crash, snapshots, engine);
	}
	if (crash->rescales) {
		let_change(crash, fate);
	}
	ended = sim_run(engine, sim_steps() + steps);
	if (!ended) {
		if (fate == FATE_LIVES || (fate == FATE_FAULTS && !disk_is_down())) {
			wrong(crash, "it does not come to its end");
		}
		disk_power_off();
	}
	crash->has_ended = ended;
	crash->sound_steps = crash->sound_steps == 0 ? sim_steps() - began : crash->sound_steps;
	is_committed = snapshots_stop(snapshots);
	if (ended && !lm_engine_audit(engine, &errors)) {
		wrong(crash, errors.error[0].message);
	}
	if (ended && !is_committed && fate == FATE_LIVES) {
		struct snapshot_status status;

		snapshots_status(snapshots, &status);
		wrong(crash, status.why);
	}
	lm_errors_free(&errors);
	return ended && is_committed;
}

static void
start_failed(struct crash *crash, const char *why)
{
	if (!crash->is_faulty) {
		wrong(crash, why);
	}
}

/* Opens, builds, goes on, runs. */
static void
run_graph(struct crash *crash, struct lm_graph *graph, const struct lm_placement *placement,
          enum fate fate)
{
	struct lm_errors errors = { 0 };
	struct engine_origin origin;
	struct snapshots *snapshots = NULL;
	struct lm_engine *engine = NULL;
	char why[SNAPSHOT_WHY] = "";

	if (snapshots_open(&crash->options, &snapshots, why) != 0) {
		start_failed(crash, why);
		return;
	}
	snapshots_origin(snapshots, &origin);
	engine = engine_create(graph, placement, &origin, &errors);
	if (engine == NULL) {
		start_failed(crash, errors.count > 0 ? errors.error[0].message : "no memory");
	} else if (snapshots_attach(snapshots, engine, why) != 0) {
		start_failed(crash, why);
	} else if (snapshots_had_ended(snapshots)) {
		crash->is_done = true;
	} else if (crash->keeps && !crash_note(snapshots, crash->runs, graph)) {
		start_failed(crash, "no memory");
	} else {
		crash->engine = engine;
		crash->snapshots = snapshots;
		note_ran(crash, crash->note.epoch + 1, crash_is_wider(crash->runs), graph);
		crash->is_done = run_engine(crash, snapshots, engine, fate);
	}
	sim_fail_after(UINT64_MAX, UINT64_MAX);
	lm_errors_free(&errors);
	snapshots_close(snapshots);
	lm_engine_free(engine);
	sim_forget_workers();
}

static void
run_once(struct crash *crash, enum fate fate)
{
	struct lm_errors errors = { 0 };
	struct lm_placement placement = { 0 };
	struct lm_graph *graph;

	load_incarnation(crash);
	graph = lm_graph_check(crash->runs, &errors);
	if (graph == NULL) {
		wrong(crash, errors.count > 0 ? errors.error[0].message : "no graph");
	} else {
		check_note(crash, graph);
		sim_place(graph->slice_count, &placement);
		plan_faults(crash, fate);
		run_graph(crash, graph, &placement, fate);
	}
	free(placement.worker_of);
	lm_graph_free(graph);
	unload_incarnation(crash);
	lm_errors_free(&errors);
}

/* ---- a seed ---- */

static bool
is_affordable(struct crash *crash)
{
	struct lm_errors errors = { 0 };
	struct lm_placement placement = { 0 };
	struct lm_topology *topology = crash_load(&crash->topo, true);
	struct lm_graph *graph = lm_graph_check(topology, &errors);
	bool good = false;

	if (graph == NULL) {
		wrong(crash, errors.count > 0 ? errors.error[0].message : "no graph");
	} else {
		sim_place(graph->slice_count, &placement);
		good = topo_is_affordable(graph, &placement);
	}
	free(placement.worker_of);
	lm_graph_free(graph);
	lm_topology_free(topology);
	lm_errors_free(&errors);
	return good;
}

/* A job of its own: its snapshots and its rows go to folders of their own. */
static const char *
begin_job(struct crash *crash, const char *name)
{
	static char out[40];
	char *set = crash->topo.set[crash->topo.set_count - 1];

	disk_reset();
	crash->committed_count = crash->ran_count = 0;
	crash->is_done = crash->has_ended = false;
	snprintf(out, sizeof(out), "disk:d/out-%s", name);
	snprintf(crash->folder, sizeof(crash->folder), "disk:d/state-%s", name);
	snprintf(set, TOPO_TEXT_MAX, "out=%s", out);
	if (env_dir_make(out, 0700) != 0 || env_dir_sync("disk:d") != 0) {
		abort();
	}
	return out;
}

static bool
compare(struct sim_lines want[SINKS], struct sim_lines got[SINKS])
{
	bool good = true;

	for (uint32_t i = 0; i < SINKS; i++) {
		good = sim_lines_equal(&want[i], &got[i], sinks[i]) && good;
		for (uint32_t k = 0; k < got[i].count; k++) {
			sim_note(got[i].line[k], strlen(got[i].line[k]));
		}
	}
	return good;
}

/* A bit of a file at rest that is another one, for one incarnation. */
struct damage {
	char path[160];
	uint64_t chosen, seen;
	int64_t size;
	uint64_t at;
	uint8_t bit;
};

static void
choose_file(void *arg, const char *path)
{
	struct damage *damage = arg;

	if (disk_size(path) > 0 && damage->seen++ == damage->chosen) {
		snprintf(damage->path, sizeof(damage->path), "%s", path);
	}
}

static void
flip(struct damage *damage)
{
	if (damage->path[0] != '\0' && disk_size(damage->path) == damage->size) {
		disk_bytes(damage->path)[damage->at] ^= damage->bit;
		disk_settle(damage->path);
	}
}

static void
damage_begin(const struct crash *crash, struct damage *damage)
{
	*damage = (struct damage){ .chosen = UINT64_MAX };
	disk_walk(crash->folder, choose_file, damage);
	damage->chosen = sim_below(damage->seen);
	damage->seen = 0;
	disk_walk(crash->folder, choose_file, damage);
	if (damage->path[0] != '\0') {
		damage->size = disk_size(damage->path);
		damage->at = sim_below((uint64_t)damage->size);
		damage->bit = (uint8_t)(1u << sim_below(8));
		flip(damage);
	}
}

/* It is found out, or is in nobody's way; in both cases nothing goes that would be missed when the
 * disk is sound again. */
static void
run_damaged(struct crash *crash)
{
	struct damage damage;

	damage_begin(crash, &damage);
	run_once(crash, FATE_DAMAGE);
	flip(&damage);
}

/* Other slices, if the machine has the memory for them. */
static void
rescale(struct crash *crash)
{
	struct topo before = crash->topo;

	crash_draw_again(&crash->topo, "slices", 1, 5, "");
	crash_draw_again(&crash->topo, "somes", 1, 5, "");
	crash_draw_again(&crash->topo, "outs", 1, 5, "");
	if (!is_affordable(crash)) {
		crash->topo = before;
	}
}

/* While it is to crash. One that was stopped is so again, mostly: seldom it ends just then. */
static enum fate
draw_fate(const struct crash *crash, enum fate before)
{
	if (!crash->rescales && before == FATE_IS_STOPPED && sim_below(8) != 0) {
		return FATE_IS_STOPPED;
	}
	if (crash->rescales && sim_below(4) >= (crash->keeps ? 1 : 2)) {
		return crash->keeps && sim_below(3) != 0 ? FATE_CRASHES_IN_CHANGE
		                                         : FATE_CRASHES_AT_STEP;
	}
	return 1 + (enum fate)sim_below(FATE_CRASHES_IN_CHANGE - 1);
}

static void
crash_until_done(struct crash *crash, const char *out)
{
	uint64_t crashes = sim_below(CRASHES_MAX + 1);
	enum fate fate = FATE_LIVES;

	for (uint64_t i = 0; !crash->is_wrong && !crash->is_done; i++) {
		fate = i < crashes ? draw_fate(crash, fate) : FATE_LIVES;
		if (crash->rescales && !crash->keeps) {
			rescale(crash);
		}
		if (fate == FATE_DAMAGE) {
			run_damaged(crash);
		} else {
			run_once(crash, fate);
		}
		disk_faults((const uint32_t[DISK_FAULT_COUNT]){ 0 });
		disk_crash();
		check_committed(crash, out);
		if (fate == FATE_LIVES && !crash->is_done && !crash->is_wrong) {
			wrong(crash, "on a sound machine it is not done");
		}
	}
}

static bool
crash_run(struct crash *crash)
{
	struct sim_lines want[SINKS] = { 0 }, got[SINKS] = { 0 };
	uint32_t draws = 0;
	const char *out;

	do {
		crash_draw(&crash->topo);
		topo_set(&crash->topo, "out", "disk:");
	} while (!is_affordable(crash) && !crash->is_wrong && ++draws < DRAWS_MAX);
	draw_options(crash);
	crash->rescales = sim_below(2) == 0;
	crash->keeps = crash->rescales && sim_below(3) != 0;
	if (crash->rescales) {
		/* There is to be something to go on from. */
		crash_draw_again(&crash->topo, "epoch", 1, 30, "us");
		crash_draw_again(&crash->topo, "a_rate", 1, 100000, "");
		crash_draw_again(&crash->topo, "b_rate", 1, 100000, "");
		crash->options.pace = 0;
		crash->options.timeout_ns = 0;
	}
	if (crash->keeps) {
		crash_draw_long(&crash->topo);
	}
	out = begin_job(crash, "sound");
	run_once(crash, FATE_LIVES);
	gather_all(out, want);
	if (!crash->is_wrong && crash->is_done) {
		out = begin_job(crash, "faulty");
		crash_until_done(crash, out);
		gather_all(out, got);
		if (!crash->is_wrong && !compare(want, got)) {
			crash->is_wrong = true;
		}
	}
	for (uint32_t i = 0; i < SINKS; i++) {
		sim_lines_clear(&want[i]);
		sim_lines_clear(&got[i]);
	}
	return !crash->is_wrong && crash->is_done;
}

bool
sim_crash_run(uint64_t seed)
{
	struct crash *crash = calloc(1, sizeof(*crash));
	size_t before;
	bool good;

	if (crash == NULL) {
		abort();
	}
	sim_watch(NULL);
	sim_reset(seed);
	before = sim_memory();
	good = crash_run(crash);
	disk_reset();
	good = topo_equal(before, sim_memory(), "bytes of memory in use") && good;
	for (uint32_t i = 0; !good && i < crash->topo.set_count; i++) {
		fprintf(stderr, " %s", crash->topo.set[i]);
	}
	sim_snapshots_watch();
	free(crash);
	return good;
}
