/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated machine behind core/env.h: one thread, virtual time, a seed, a scheduler. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/canary.h"
#include "core/engine.h"
#include "core/env.h"
#include "core/pages.h"
#include "tests/draw.h"
#include "tests/sim/control.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/pages_sim.h"
#include "tests/sim/sim.h"

#define THREADS_MAX 4u
#define ACTORS_MAX (LM_WORKERS_MAX + THREADS_MAX)
/* Threads have lcores behind those of workers. */
#define THREAD_LCORE 100000u
/* Where steps take time: one that does nothing; resting for a moment; draining, at most. */
#define STEP_NS 300
#define PAUSE_NS 5000
#define DRAIN_NS INT64_C(5000000000)
/* Steps in which the last pages must have moved, and what passes between two: they are paced. */
#define PAGES_STEPS 300000u
#define PAGES_STEP_NS 500000u

enum canary canary_planted;

struct actor {
	env_step_fn *step;
	void *arg;
	uint32_t lcore;
	bool runs;
	bool is_joined; /* a thread: its place may go to another */
	int64_t awake_at_ns;
	const uint32_t *parked; /* until this is woken; NULL: it is not parked */
	uint64_t slowness;      /* it has one turn in so many */
};

static struct {
	uint64_t random;
	uint64_t trace;
	uint64_t steps;
	int64_t now_ns;
	size_t memory;
	struct actor actor[ACTORS_MAX];
	uint32_t actor_count;
	struct actor *current;
	struct sim_rests rests;
	uint64_t allocations_left, launches_left;
	uint64_t writes_fail;     /* one in so many; 0: none */
	uint64_t stop_after;      /* steps */
	struct sim_leave leave;   /* of the next run */
	uint32_t buggified;       /* a bit for each place of this run */
	struct lm_engine *engine; /* while it runs */
	bool is_preempted;
	bool is_joining;  /* the control thread waits for another */
	bool lcores_rest; /* only threads make steps */
	bool is_timed;    /* steps take time */
	int64_t spent_ns; /* by the step under way */
} sim = { .allocations_left = UINT64_MAX, .launches_left = UINT64_MAX };

void
sim_reset(uint64_t seed)
{
	size_t memory = sim.memory;

	memset(&sim, 0, sizeof(sim));
	sim.memory = memory;
	sim.random = seed * 0x9e3779b97f4a7c15u + 1;
	sim.now_ns = 1;
	sim.stop_after = UINT64_MAX;
	sim_fail_after(UINT64_MAX, UINT64_MAX);
	sim_set_nodes(1);
	for (uint32_t place = 0; place < BUGGIFY_COUNT; place++) {
		sim.buggified |= sim_below(4) == 0 ? 1u << place : 0;
	}
}

int
buggify(enum buggify place)
{
	return !sim.is_timed && (sim.buggified >> place & 1) != 0 && sim_below(4) == 0;
}

void
sim_stop_after(uint64_t steps)
{
	sim.stop_after = sim.steps + steps;
}

void
sim_fail_after(uint64_t allocations, uint64_t launches)
{
	sim.allocations_left = allocations;
	sim.launches_left = launches;
}

void
sim_fail_writes(uint64_t one_in)
{
	sim.writes_fail = one_in;
}

void
sim_advance(int64_t ns)
{
	sim.now_ns += ns;
}

struct sim_rests
sim_rests(void)
{
	return sim.rests;
}

/* Whether nothing is left to count down from; UINT64_MAX never ends. */
static bool
is_used_up(uint64_t *left)
{
	if (*left == 0) {
		return true;
	}
	*left -= *left == UINT64_MAX ? 0 : 1;
	return false;
}

uint64_t
sim_random(void)
{
	return draw(&sim.random);
}

uint64_t
sim_below(uint64_t bound)
{
	return bound == 0 ? 0 : sim_random() % bound;
}

uint64_t
sim_trace(void)
{
	return sim.trace;
}

void
sim_note(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;

	for (size_t i = 0; i < size; i++) {
		sim.trace = (sim.trace ^ byte[i]) * 1099511628211u;
	}
}

void
sim_place(uint32_t slices, struct lm_placement *placement)
{
	memset(placement, 0, sizeof(*placement));
	placement->worker_count = 1 + (uint32_t)sim_below(4);
	sim_set_nodes(1 + (unsigned int)sim_below(2));
	for (uint32_t i = 0; i < placement->worker_count; i++) {
		placement->worker[i].lcore = i;
		placement->worker[i].shares_cpu = sim_below(2) == 0;
		placement->worker[i].numa_node = (uint32_t)sim_below(sim_nodes());
	}
	placement->worker_of = calloc(slices + 1, sizeof(*placement->worker_of));
	for (uint32_t i = 0; i < slices; i++) {
		placement->worker_of[i] = (uint16_t)sim_below(placement->worker_count);
	}
}

uint64_t
sim_steps(void)
{
	return sim.steps;
}

size_t
sim_memory(void)
{
	return sim.memory;
}

bool
sim_conclude(uint64_t seed, bool good, size_t before, struct lm_errors *errors)
{
	for (uint32_t i = 0; i < errors->count; i++) {
		fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, errors->error[i].message);
	}
	lm_errors_free(errors);
	if (good && sim_memory() != before) {
		fprintf(stderr, "seed %" PRIu64 ": %zu bytes were not freed\n", seed,
		        sim_memory() - before);
		good = false;
	}
	return good;
}

int64_t
env_now_ns(void)
{
	return sim.now_ns + sim.spent_ns;
}

int64_t
env_wall_ns(void)
{
	return 1600000000000000000 + env_now_ns();
}

void
sim_spend(int64_t ns)
{
	sim.spent_ns += sim.is_timed && sim.current != NULL ? ns : 0;
}

uint64_t
env_random(void)
{
	return sim_random();
}

/* The size stands in front, so that what is not freed can be told. */
void *
env_alloc(size_t size, size_t align, int numa_node)
{
	bool has_pages = sim_nodes() > 1;
	size_t whole;
	char *base;

	align = has_pages && align < SIM_PAGE ? SIM_PAGE : align;
	whole = (size + align + align - 1) / align * align;
	base = is_used_up(&sim.allocations_left) ? NULL : aligned_alloc(align, whole);
	if (base == NULL) {
		return NULL;
	}
	if (has_pages) {
		pages_sim_add(base, whole, base + align, numa_node);
	}
	memset(base, 0, whole);
	memcpy(base + align - sizeof(size_t), &size, sizeof(size));
	memcpy(base + align - 2 * sizeof(size_t), &align, sizeof(align));
	sim.memory += size;
	return base + align;
}

void
env_free(void *memory)
{
	size_t size, align;

	if (memory == NULL) {
		return;
	}
	pages_sim_remove(memory);
	memcpy(&size, (char *)memory - sizeof(size_t), sizeof(size));
	memcpy(&align, (char *)memory - 2 * sizeof(size_t), sizeof(align));
	sim.memory -= size;
	free((char *)memory - align);
}

int
env_worker_launch(uint32_t lcore, env_step_fn *step, void *arg)
{
	struct actor *actor;

	if (is_used_up(&sim.launches_left)) {
		return -EAGAIN;
	}
	assert(sim.actor_count < ACTORS_MAX);
	actor = &sim.actor[sim.actor_count++];
	actor->step = step;
	actor->arg = arg;
	actor->lcore = lcore;
	actor->runs = true;
	actor->is_joined = false;
	actor->slowness = 1 + (sim_below(4) == 0 ? sim_below(40) : 0);
	return 0;
}

/* Steps the worker alone until it is through: its quit mail has been sent. */
void
env_worker_join(uint32_t lcore)
{
	bool launched = false;

	for (uint32_t i = 0; i < sim.actor_count; i++) {
		struct actor *actor = &sim.actor[i];

		launched |= actor->lcore == lcore;
		while (actor->runs && actor->lcore == lcore) {
			actor->runs = actor->step(actor->arg);
		}
	}
	if (!launched) {
		fprintf(stderr, "sim: joined lcore %u, which was never launched\n", lcore);
		abort();
	}
}

/* A thread is one more worker. */
struct env_thread {
	uint32_t lcore;
};

int
env_thread_start(struct env_thread **thread, const char *name, env_step_fn *step, void *arg)
{
	struct env_thread *t = malloc(sizeof(*t));

	(void)name;
	*thread = NULL;
	if (t == NULL) {
		return -ENOMEM;
	}
	t->lcore = THREAD_LCORE + sim.actor_count;
	if (env_worker_launch(t->lcore, step, arg) != 0) {
		free(t);
		return -EAGAIN;
	}
	*thread = t;
	return 0;
}

void
env_pause(void)
{
	sim.rests.pauses++;
	sim_spend(PAUSE_NS);
}

void
env_yield(void)
{
	sim.rests.yields++;
	sim_spend(PAUSE_NS);
}

void
env_sleep_ns(uint64_t ns)
{
	sim.rests.sleeps++;
	sim.rests.slept_ns += ns;
	if (sim.current != NULL) {
		sim.current->awake_at_ns = env_now_ns() + (int64_t)ns;
	} else {
		sim.now_ns += (int64_t)ns;
	}
}

/* Only being woken ends it, so that one who should have been woken and was not is missed. */
void
env_park(uint32_t *word, uint32_t value, uint64_t ns)
{
	(void)ns;
	sim.rests.sleeps++;
	if (sim.current != NULL && *word == value) {
		sim.current->parked = word;
	}
}

bool
sim_is_parked(const uint32_t *word)
{
	for (uint32_t i = 0; i < sim.actor_count; i++) {
		if (sim.actor[i].parked == word) {
			return true;
		}
	}
	return false;
}

void
env_wake(uint32_t *word)
{
	for (uint32_t i = 0; i < sim.actor_count; i++) {
		if (sim.actor[i].parked == word) {
			sim.actor[i].parked = NULL;
		}
	}
}

/*
 * A worker that is awake, at random, the slow ones less often; if all sleep, time moves to the
 * first that wakes by itself. NULL: time passes, that is all.
 */
static struct actor *
pick_actor(void)
{
	uint32_t awake[ACTORS_MAX], count = 0;
	int64_t first_ns = INT64_MAX;
	struct actor *picked;

	for (uint32_t i = 0; i < sim.actor_count; i++) {
		if (!sim.actor[i].runs || sim.actor[i].parked != NULL ||
		    (sim.lcores_rest && sim.actor[i].lcore < THREAD_LCORE)) {
			continue;
		}
		if (sim.actor[i].awake_at_ns <= sim.now_ns) {
			awake[count++] = i;
		} else if (sim.actor[i].awake_at_ns < first_ns) {
			first_ns = sim.actor[i].awake_at_ns;
		}
	}
	if (count == 0) {
		sim.now_ns = first_ns == INT64_MAX ? sim.now_ns : first_ns;
		return NULL;
	}
	picked = &sim.actor[awake[sim_below(count)]];
	return sim_below(picked->slowness) == 0 ? picked : NULL;
}

static const struct sim_watch *sim_watched;

void
sim_watch(const struct sim_watch *watch)
{
	sim_watched = watch;
}

void
sim_forget_workers(void)
{
	for (uint32_t i = 0; i < sim.actor_count; i++) {
		assert(!sim.actor[i].runs);
	}
	memset(sim.actor, 0, sizeof(sim.actor));
	sim.actor_count = 0;
}

static void
step_actor(struct actor *actor)
{
	struct actor *before = sim.current;

	sim.current = actor;
	actor->runs = actor->step(actor->arg);
	sim.current = before;
	sim.trace =
	    (sim.trace ^ (uint64_t)(actor - sim.actor) ^ (uint64_t)sim.now_ns) * 1099511628211u;
}

/*
 * The worker or thread whose step this is stands still while others go on, once in a while for
 * long. Those that take its place are not themselves interrupted.
 */
void
sim_preempt(unsigned int one_in)
{
	if (sim.current == NULL || sim.is_preempted || sim.is_timed || sim_below(one_in) != 0) {
		return;
	}
	sim.is_preempted = true;
	for (uint64_t left = 1 + sim_below(sim_below(4) == 0 ? 400 : 20); left > 0; left--) {
		struct actor *actor = pick_actor();

		if (actor != NULL && actor != sim.current) {
			step_actor(actor);
		}
		sim.now_ns += (int64_t)(50 + sim_below(2000));
		if (!sim.is_joining) {
			control_act(sim.engine);
		}
	}
	sim.is_preempted = false;
}

static void
step_one(void)
{
	struct actor *actor = pick_actor();

	if (actor != NULL) {
		step_actor(actor);
	}
	sim.now_ns += (int64_t)(50 + sim_below(2000));
}

/* Others go on meanwhile; when the run is left, also until who waits hears of it. */
static void
step_until_over(uint32_t lcore)
{
	struct actor *thread = NULL;
	uint64_t late;

	for (uint32_t i = 0; i < sim.actor_count; i++) {
		thread = sim.actor[i].lcore == lcore ? &sim.actor[i] : thread;
	}
	assert(thread != NULL);
	sim.is_joining = true;
	while (thread->runs) {
		step_one();
	}
	late = sim.leave.stop == NULL ? 0 : sim_below(2000);
	for (; late > 0; late--) {
		step_one();
	}
	sim.is_joining = false;
	thread->is_joined = true;
}

void
env_thread_join(struct env_thread *thread)
{
	if (thread == NULL) {
		return;
	}
	step_until_over(thread->lcore);
	free(thread);
	while (sim.actor_count > 0 && sim.actor[sim.actor_count - 1].is_joined) {
		sim.actor_count--;
	}
}

/* The next who is awake: time moves to then. NULL: nobody before `until_ns`, and it is that. */
static struct actor *
pick_first(int64_t until_ns)
{
	struct actor *first = NULL;

	for (uint32_t i = 0; i < sim.actor_count; i++) {
		struct actor *actor = &sim.actor[i];

		if (actor->runs && actor->parked == NULL &&
		    (first == NULL || actor->awake_at_ns < first->awake_at_ns)) {
			first = actor;
		}
	}
	if (first == NULL || first->awake_at_ns >= until_ns) {
		sim.now_ns = sim.now_ns > until_ns ? sim.now_ns : until_ns;
		return NULL;
	}
	sim.now_ns = sim.now_ns > first->awake_at_ns ? sim.now_ns : first->awake_at_ns;
	return first;
}

/* A step, and the time that it took. */
static void
step_timed(struct actor *actor)
{
	int64_t done_ns;

	sim.spent_ns = 0;
	step_actor(actor);
	done_ns = env_now_ns() + STEP_NS + (int64_t)sim_below(STEP_NS);
	sim.spent_ns = 0;
	sim.steps++;
	if (actor->awake_at_ns < done_ns) {
		actor->awake_at_ns = done_ns;
	}
}

bool
sim_run_timed(struct lm_engine *engine, const struct sim_timed *timed)
{
	int64_t end_ns = timed->until_ns + DRAIN_NS;
	bool is_stopped = false;

	engine->shared->shuffle = true;
	engine->shared->shuffle_seed = sim_random();
	sim.engine = engine;
	sim.is_timed = true;
	lm_engine_start(engine);
	for (int64_t at_ns = 0; !engine_has_ended(engine) && at_ns < end_ns;
	     at_ns += timed->tick_ns) {
		struct actor *actor;

		while ((actor = pick_first(at_ns)) != NULL) {
			step_timed(actor);
		}
		engine_tick(engine);
		if (!is_stopped && (at_ns >= timed->until_ns || !timed->tick(engine, timed->arg))) {
			is_stopped = true;
			lm_engine_stop(engine);
		}
	}
	sim.is_timed = false;
	lm_engine_join(engine);
	return engine_has_ended(engine);
}

void
sim_leave(const struct sim_leave *leave)
{
	sim.leave = *leave;
}

static bool
is_left(const struct lm_engine *engine)
{
	return sim.leave.stop != NULL && sim.leave.ended_slices != 0 &&
	       __atomic_load_n(&engine->shared->ended_slices, __ATOMIC_ACQUIRE) >=
	           sim.leave.ended_slices;
}

/* All has ended; lcores and threads are still there. Pages of state come to where they should be.
 */
static bool
settle_pages(struct lm_engine *engine)
{
	/* What is tried again comes through then, however seldom it is tried by now. */
	pages_sim_ease();
	sim.lcores_rest = true;
	for (uint32_t i = 0; i < PAGES_STEPS && !pages_are_through(engine) &&
	                     engine->kept_count == 0 && !disk_is_down();
	     i++) {
		struct actor *actor = pick_actor();

		if (actor != NULL) {
			step_actor(actor);
		}
		sim.now_ns += (int64_t)sim_below(PAGES_STEP_NS);
		pages_tick(engine);
	}
	sim.lcores_rest = false;
	/* Some slots wait for a conversion that will not be: nothing moves until then. */
	return engine->pages == NULL || engine->kept_count > 0 || disk_is_down() ||
	       pages_sim_check(engine);
}

bool
sim_run(struct lm_engine *engine, uint64_t steps_max)
{
	bool ended = false;

	engine->shared->shuffle = true;
	engine->shared->shuffle_seed = sim_random();
	sim.engine = engine;
	control_begin(engine);
	if (sim_watched != NULL) {
		sim_watched->begin(engine);
	}
	lm_engine_start(engine);
	while (sim.steps < steps_max) {
		struct actor *actor = pick_actor();

		if (actor != NULL) {
			bool counts = !control_is_paused(engine);

			step_actor(actor);
			sim.steps += counts ? 1 : 0;
			if (counts && sim.steps == sim.stop_after) {
				control_stop(engine);
			}
			control_check(engine);
		}
		sim.now_ns += (int64_t)(50 + sim_below(2000));
		if (sim_watched != NULL) {
			sim_watched->step(engine);
		}
		control_act(engine);
		if (engine_has_ended(engine)) {
			ended = true;
			break;
		}
		if (disk_is_down() || is_left(engine)) {
			break;
		}
	}
	ended = ended && settle_pages(engine);
	if (sim.leave.stop != NULL) {
		sim.leave.stop(sim.leave.arg);
	}
	lm_engine_join(engine);
	ended = control_end(engine) && ended;
	return (sim_watched == NULL || sim_watched->end(engine)) && ended;
}

int
env_file_open(const char *path, int flags, int mode)
{
	int file = disk_is_path(path) ? disk_open(path, flags) : open(path, flags, mode);

	return file < 0 && !disk_is_path(path) ? -errno : file;
}

ssize_t
env_file_read(int file, void *bytes, size_t size)
{
	ssize_t result;

	if (disk_is_file(file)) {
		return disk_read(file, bytes, size);
	}
	/* Short reads are normal: any length may come back. */
	result = read(file, bytes, size > 1 ? 1 + sim_below(size) : size);

	return result < 0 ? -errno : result;
}

int
env_file_seek(int file, uint64_t offset)
{
	return lseek(file, (off_t)offset, SEEK_SET) < 0 ? -errno : 0;
}

ssize_t
env_file_write(int file, const void *bytes, size_t size)
{
	ssize_t result;

	if (disk_is_file(file)) {
		return disk_write(file, bytes, size);
	}
	if (sim.writes_fail != 0 && sim_below(sim.writes_fail) == 0) {
		return -ENOSPC;
	}
	result = write(file, bytes, size > 1 ? 1 + sim_below(size) : size);
	return result < 0 ? -errno : result;
}

int
env_file_sync(int file)
{
	if (disk_is_file(file)) {
		return disk_sync(file);
	}
	return fdatasync(file) < 0 ? -errno : 0;
}

int
env_file_close(int file)
{
	if (disk_is_file(file)) {
		return disk_close(file);
	}
	return close(file) < 0 ? -errno : 0;
}

int
env_file_rename(const char *from, const char *to)
{
	if (disk_is_path(from)) {
		return disk_rename(from, to);
	}
	return rename(from, to) < 0 ? -errno : 0;
}

void
env_log_of(const char *module, int level, const char *format, ...)
{
	va_list args;

	(void)module;
	if (level > 4 || getenv("SIM_QUIET") != NULL) {
		return;
	}
	va_start(args, format);
	fprintf(stderr, "sim: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
}
