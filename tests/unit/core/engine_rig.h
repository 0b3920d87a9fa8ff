/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENGINE_RIG_H
#define ENGINE_RIG_H

/*
 * A small engine on one thread, to be stepped by hand: its workers take their turns when the test
 * says so, and time moves when the test says so. Whatever reaches a slice that logs stands in a
 * text.
 *
 *     rig_begin(&rig);
 *     rig_add(&rig, "in", "rig_source", 1);
 *     rig_add(&rig, "out", "rig_sink", 1);
 *     rig_link(&rig, "in", "out");
 *     rig_place(&rig, "out", 0, 1);
 *     rig_build(&rig, 2);
 *     rig_feed(&rig, "in", 0)->until = 5;
 *     rig_step(&rig, 0);
 *     rig_step(&rig, 1);
 *     assert_string_equal(rig_log(), "out 0-4; ");
 *     rig_end(&rig);
 */

#include "core/engine.h"
#include "tests/sim/sim.h"

/* Rows of all rig classes: number, key, time. The time of a row is its number. */
enum { RIG_NUMBER, RIG_KEY, RIG_TIME, RIG_FIELDS };

/*
 * The classes.
 *   rig_source   emits what its feed says
 *   rig_pass     forwards the batch it gets
 *   rig_copy     emits copies of the rows it gets
 *   rig_halves   forwards the first half of a batch as a selection, emits copies of the rest: two
 * pieces rig_odd      forwards the rows with odd numbers as a selection, drops the others rig_burst
 * parameter copies: so many rows out of one; asks for room and stops without rig_sink     absorbs
 * rows and logs them, event time, epochs and the end rig_select   the same, in place of a selection
 *   rig_tap      forwards, logs like a sink
 *   rig_merge    the same with two inputs, left and right
 */

/* What a slice of rig_source does at its next polls; the test changes it between steps. */
struct rig_feed {
	uint64_t next, until; /* rows to emit */
	uint64_t keys;        /* key = number % keys */
	uint32_t per_poll;    /* rows a poll, at most; 0: as many as a batch takes */
	int64_t watermark;    /* to tell behind the rows; INT64_MIN: none */
	bool follow;          /* event time follows the rows */
	bool idle;            /* says once that it is idle */
	bool end;             /* ends when all rows are out */
};

struct rig_place {
	const char *name;
	uint32_t slice, worker;
};

struct rig {
	struct lm_topology *topology;
	struct lm_settings *settings; /* seed 1, no epochs, batches of 8 rows, spinning workers */
	struct rig_place place[64];   /* what is not placed is on worker 0 */
	uint32_t place_count;
	struct lm_placement placement;
	struct lm_errors errors;
	struct lm_graph *graph;
	struct lm_engine *engine;
	size_t memory; /* taken before it began */
};

void rig_begin(struct rig *rig);
void rig_add(struct rig *rig, const char *name, const char *type, uint32_t slices);
void rig_param(struct rig *rig, const char *name, const char *param, const char *value);
void rig_wire(struct rig *rig, const struct lm_wire *wire);
void rig_link(struct rig *rig, const char *from, const char *to);
void rig_place(struct rig *rig, const char *name, uint32_t slice, uint32_t worker);
/* Checks, builds and starts it; the test fails with what is wrong. */
void rig_build(struct rig *rig, uint32_t workers);
/* Only checks and places it: for what is built otherwise. */
void rig_check(struct rig *rig, uint32_t workers);
/* Everything is given back and freed, and no memory is left. */
void rig_end(struct rig *rig);

struct lm_op *rig_slice(const struct rig *rig, const char *name, uint32_t slice);
struct edge *rig_edge(const struct rig *rig, const char *from, uint32_t from_slice, const char *to,
                      uint32_t to_slice);
struct rig_feed *rig_feed(const struct rig *rig, const char *name, uint32_t slice);
/* Rows that a sink has absorbed. */
uint64_t rig_rows(const struct rig *rig, const char *name, uint32_t slice);

void rig_step(struct rig *rig, uint32_t worker);
/* Every worker in turn, `rounds` times, a microsecond each round. */
void rig_rounds(struct rig *rig, uint32_t rounds);
/* Rounds until all slices have ended; the test fails after `rounds_max`. */
void rig_run(struct rig *rig, uint32_t rounds_max);
/* What the audit finds, or "" when all adds up. */
const char *rig_audit(struct rig *rig);

/* "NAME FIRST-LAST; ", "NAME w TIME; ", "NAME epoch N; ", "NAME end; " in the order it came. */
const char *rig_log(void);
void rig_log_clear(void);
void rig_log_add(const struct lm_op *op, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* No rows in the log, only what comes between. */
void rig_log_rows(bool wanted);

void rig_classes_register(void);
/* Runs `run` in a child; true if it ended by an assert. */
bool rig_aborts(void (*run)(void *arg), void *arg);
/* Of `count` counts that should be equal: Pearson's statistic over `count - 1`, near 1 if by
 * chance. */
double rig_chi_square(const uint64_t *count, uint32_t counts);

#endif
