/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_H
#define SIM_H

/*
 * The simulator: the whole engine in one thread, from a seed. It stands behind core/env.h (and
 * net/port.h): workers are steps that a seeded scheduler picks at random, time is virtual and moves
 * only when it says so, slices take their turns in any order. The same seed gives the same run,
 * step by step.
 */

#include "core/lm_engine.h"

/* Starts anew: time 0, no workers, everything that is random follows from `seed`. */
void sim_reset(uint64_t seed);
/* 64 random bits of the run; a number below `bound`. */
uint64_t sim_random(void);
uint64_t sim_below(uint64_t bound);
/*
 * Steps the engine until all its slices have ended or `steps_max` steps were made; then joins it.
 * True if it ended.
 */
bool sim_run(struct lm_engine *engine, uint64_t steps_max);
/*
 * What goes along with every run: called before its workers start, at every step, and when it has
 * ended; false from the last: the run is no good.
 */
struct sim_watch {
	void (*begin)(struct lm_engine *engine);
	void (*step)(struct lm_engine *engine);
	bool (*end)(struct lm_engine *engine);
};
void sim_watch(const struct sim_watch *watch);
/*
 * How runs are left from here on: `stop` is called before the workers are joined, while they can
 * still go on, and when so many slices have ended, if others have not; 0: however many have.
 */
struct sim_leave {
	void (*stop)(void *arg); /* NULL: nothing is called */
	void *arg;
	uint32_t ended_slices;
};
void sim_leave(const struct sim_leave *leave);
/*
 * Runs the engine with time that passes while workers work: a step takes as long as sim_spend says,
 * and a little more; meanwhile others go on beside it, each in its own time. What a step does is
 * seen by others when it begins, so steps should be short. `tick` is called every `tick_ns`, until
 * `until_ns` or it returns false; then the sources are asked to end. True if all slices have ended
 * in time.
 */
struct sim_timed {
	int64_t until_ns, tick_ns;
	bool (*tick)(struct lm_engine *engine, void *arg);
	void *arg;
};
bool sim_run_timed(struct lm_engine *engine, const struct sim_timed *timed);
/* The step of a worker that calls this takes so much longer. */
void sim_spend(int64_t ns);
/* Workers and threads that have ended are forgotten: the next engine has its own. */
void sim_forget_workers(void);
/* The next run is asked to stop after so many steps. */
void sim_stop_after(uint64_t steps);
/* Puts `slices` slices on one to four workers, anywhere. The caller frees worker_of. */
void sim_place(uint32_t slices, struct lm_placement *placement);
/* A digest of the steps made: equal for equal seeds, or the run depends on something else. */
uint64_t sim_trace(void);
/* Takes what a run brought out into the digest, too. */
void sim_note(const void *bytes, size_t size);
/* Steps made since sim_reset; bytes allocated and not freed. */
uint64_t sim_steps(void);
size_t sim_memory(void);
/*
 * How a seed ends: says what is in `errors`, and frees them. Whether it is still good: it was, and
 * no more memory is in use than `before`.
 */
bool sim_conclude(uint64_t seed, bool good, size_t before, struct lm_errors *errors);
/* Moves time on, for tests that step workers by hand. */
void sim_advance(int64_t ns);
/* Whether a worker sleeps until the word is woken. */
bool sim_is_parked(const uint32_t *word);
/* How often workers have rested since sim_reset, by the way they did. */
struct sim_rests {
	uint64_t pauses, yields, sleeps, slept_ns;
};
struct sim_rests sim_rests(void);
/* The machine fails: env_alloc after `allocations` more calls, env_worker_launch after `launches`.
 */
void sim_fail_after(uint64_t allocations, uint64_t launches);
/* One write in so many finds the disk full; 0: none does. */
void sim_fail_writes(uint64_t one_in);

/* The frames that port 0 hands out, spread over its queues. 0, or -errno. */
int sim_port_load(const char *path);
uint64_t sim_port_frames(void);
/* One of them: its bytes; its length and the time of its capture through the pointers. */
const uint8_t *sim_port_frame(uint64_t index, uint32_t *length, int64_t *time_ns);

#endif
