/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots of a running engine: the phases of an epoch, what happens when one is lost. */

#include "state/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "core/engine.h"
#include "core/graph.h"
#include "core/xxh.h"
#include "state/snapshot_run.h"

#define TIMEOUT_NS UINT64_C(10000000000)
#define FULL_AFTER 16u
/* Between two looks at slices that have yet to flip; and while there is nothing to do. */
#define LOOK_NS 20000u
#define IDLE_NS 500000u
/* Waiting after failures in a row doubles up to this. */
#define RETRY_MAX_NS INT64_C(60000000000)
/* The last epoch of a job is tried so often. */
#define FINAL_TRIES 5u
#define FINAL_RETRY_NS INT64_C(200000000)

int
snapshots_fail(struct snapshots *s, int result, const char *what)
{
	if (s->failed == 0) {
		s->failed = result;
		snprintf(s->why, sizeof(s->why), "%s", what);
	}
	return result;
}

/* ---- open, close ---- */

int
snapshots_open(const struct snapshot_options *options, struct snapshots **snapshots,
               char why[SNAPSHOT_WHY])
{
	struct store_options store = { .job = options->job,
		                       .keep = options->keep,
		                       .codec = options->codec,
		                       .level = options->level,
		                       .prunes_later = true };
	struct snapshots *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);
	char store_text[MANIFEST_WHY] = "";
	int result;

	*snapshots = NULL;
	if (s == NULL) {
		snprintf(why, SNAPSHOT_WHY, "no memory for snapshots");
		return -ENOMEM;
	}
	memset(s, 0, sizeof(*s));
	s->options = *options;
	s->options.timeout_ns = options->timeout_ns == 0 ? TIMEOUT_NS : options->timeout_ns;
	s->options.full_after = options->full_after == 0 ? FULL_AFTER : options->full_after;
	s->txn_end = &s->txn;
	pthread_mutex_init(&s->lock, NULL);
	snprintf(s->folder, sizeof(s->folder), "%s", options->folder);
	result = store_open(options->folder, &store, &s->store, store_text);
	if (result != 0) {
		snprintf(why, SNAPSHOT_WHY, "%s", store_text);
	}
	result = result == 0 ? restore_pick(s, why) : result;
	if (result == 0 && options->has_index &&
	    index_open(s->folder, &s->index, store_text) != 0) {
		env_log(4, "no catalogue of snapshots is kept: %s", store_text);
	}
	if (result != 0) {
		snapshots_close(s);
		return result;
	}
	*snapshots = s;
	return 0;
}

void
snapshots_close(struct snapshots *s)
{
	if (s == NULL) {
		return;
	}
	sinks_free(s);
	verify_close(s->verify);
	if (s->index != NULL) {
		index_close(s->index);
	}
	store_close(s->store);
	store_list_free(&s->aside);
	pthread_mutex_destroy(&s->lock);
	free(s->slice);
	free(s->note);
	free(s);
}

bool
snapshots_resumes(const struct snapshots *s, uint64_t *epoch, int64_t *wall_ns)
{
	*epoch = s->good_epoch;
	*wall_ns = s->good_wall_ns;
	return s->good_epoch != 0;
}

bool
snapshots_had_ended(const struct snapshots *s)
{
	return s->had_ended;
}

void
snapshots_origin(const struct snapshots *s, struct engine_origin *origin)
{
	if (s->store == NULL) {
		*origin = (struct engine_origin){ .secret = s->secret, .epoch = s->good_epoch };
		return;
	}
	*origin = (struct engine_origin){ .secret = s->secret,
		                          .incarnation = store_incarnation(s->store),
		                          .epoch = store_epoch_next(s->store) - 1 };
}

/* What a person would call the same topology: operators, classes, slices. */
static uint64_t
digest_topology(const struct lm_graph *graph)
{
	XXH64_state_t state;

	XXH64_reset(&state, 1);
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		const struct graph_operator *op = &graph->op[i];

		XXH64_update(&state, op->name, strlen(op->name) + 1);
		XXH64_update(&state, op->class->name, strlen(op->class->name) + 1);
		XXH64_update(&state, &op->slices, sizeof(op->slices));
		XXH64_update(&state, &op->slots, sizeof(op->slots));
	}
	return XXH64_digest(&state);
}

int
snapshots_attach(struct snapshots *s, struct lm_engine *engine, char why[SNAPSHOT_WHY])
{
	int64_t from_ns = env_now_ns();
	int result = 0;

	s->engine = engine;
	s->generation = engine->generation;
	s->secret = engine->shared->secret;
	s->topology = digest_topology(engine->graph);
	s->slice_count = engine->slice_count;
	s->slice = calloc(engine->slice_count + 1, sizeof(*s->slice));
	for (uint32_t i = 0; s->slice != NULL && result == 0 && i < s->slice_count; i++) {
		s->slice[i].slice = engine->slice[i];
		s->slice[i].phase = SLICE_FREE;
		result = state_arm(engine->slice[i]);
	}
	if (s->slice == NULL || result != 0) {
		snprintf(why, SNAPSHOT_WHY, "no memory for snapshots: give EAL more (-m)");
		return -ENOMEM;
	}
	result = restore_engine(s, why);
	s->restored.took_ns = env_now_ns() - from_ns;
	return result;
}

void
snapshots_restored(const struct snapshots *s, struct snapshot_restored *restored)
{
	*restored = s->restored;
}

/* ---- changes of the graph ---- */

void
snapshots_hold(struct snapshots *s)
{
	__atomic_store_n(&s->hold, HOLD_ASKED, __ATOMIC_RELEASE);
}

bool
snapshots_is_held(const struct snapshots *s)
{
	return __atomic_load_n(&s->hold, __ATOMIC_ACQUIRE) == HOLD_HELD;
}

/*
 * Whether a snapshot that was asked for is not to come; one that has begun comes. What a sink has
 * not committed yet names its slice, and needs its code: until it is, they come as ever.
 */
static bool
stands_back(struct snapshots *s)
{
	uint32_t hold = __atomic_load_n(&s->hold, __ATOMIC_ACQUIRE);

	if (hold == HOLD_ASKED && s->txn == NULL &&
	    (s->phase == PHASE_IDLE ||
	     __atomic_exchange_n(&s->engine->snapshot_wanted, false, __ATOMIC_ACQ_REL))) {
		s->phase = PHASE_IDLE;
		/* Unless it is not asked for any more. */
		if (__atomic_compare_exchange_n(&s->hold, &hold, HOLD_HELD, false, __ATOMIC_ACQ_REL,
		                                __ATOMIC_ACQUIRE)) {
			hold = HOLD_HELD;
		}
	}
	return hold == HOLD_HELD;
}

/* The other thread stands back: all of it belongs to this one. */
int
snapshots_resume(struct snapshots *s)
{
	struct lm_engine *engine = s->engine;

	if (s->generation != engine->generation) {
		struct snap_slice *slice = calloc(engine->slice_count + 1, sizeof(*slice));

		if (slice == NULL) {
			return -ENOMEM;
		}
		for (uint32_t i = 0; i < engine->slice_count; i++) {
			slice[i].slice = engine->slice[i];
			slice[i].phase = SLICE_FREE;
		}
		free(s->slice);
		s->slice = slice;
		s->slice_count = engine->slice_count;
		s->current = 0;
		s->generation = engine->generation;
		s->topology = digest_topology(engine->graph);
		snapshots_start_anew(s);
	}
	__atomic_store_n(&s->hold, HOLD_NONE, __ATOMIC_RELEASE);
	return 0;
}

/* ---- what others see ---- */

uint64_t
snapshots_durable(const struct snapshots *s)
{
	return __atomic_load_n(&s->durable, __ATOMIC_ACQUIRE);
}

void
snapshots_status(struct snapshots *s, struct snapshot_status *status)
{
	pthread_mutex_lock(&s->lock);
	*status = s->status;
	pthread_mutex_unlock(&s->lock);
}

static void
refresh_index(struct snapshots *s)
{
	struct store_list list;

	if (s->index == NULL || store_list_read(s->folder, &list) != 0) {
		return;
	}
	if (index_refresh(s->index, &list) != 0) {
		env_log(4, "the catalogue of snapshots is not kept any more: %s",
		        index_why(s->index));
		index_close(s->index);
		s->index = NULL;
	}
	store_list_free(&list);
}

static void
tell_durable(struct snapshots *s)
{
	bool healed;

	pthread_mutex_lock(&s->lock);
	healed = s->status.failures >= SNAPSHOT_DEGRADED;
	s->status.epoch = s->epoch;
	s->status.wall_ns = env_wall_ns();
	s->status.bytes = s->copied_bytes;
	s->status.bytes_all += s->copied_bytes;
	s->status.copy_ns = env_now_ns() - s->began_ns;
	s->status.durable++;
	s->status.failures = 0;
	s->status.wait_ns = 0;
	s->status.uncommitted = sinks_count(s);
	pthread_mutex_unlock(&s->lock);
	__atomic_store_n(&s->durable, s->epoch, __ATOMIC_RELEASE);
	if (healed) {
		env_log(5, "snapshots work again: epoch %" PRIu64 " is durable", s->epoch);
	}
}

/* Behind what others wait for: large files go slowly. */
static void
tidy_folder(struct snapshots *s)
{
	store_prune_old(s->store);
	refresh_index(s);
}

/* What a person can do about it. */
static const char *
advice(int result)
{
	switch (result) {
	case -ENOSPC:
	case -EDQUOT:
		return "free some space on its disk";
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return "give this user the right to write there";
	case -ENOENT:
	case -ENODEV:
	case -EIO:
		return "look at the disk (dmesg, smartctl) and bring its folder back";
	case -ENOBUFS:
		return "a faster disk, or a larger or no pace, lets copying keep up";
	case -ETIMEDOUT:
		return "look in lodemill top for the operator that holds the stream up";
	default:
		return "the message says what is in the way";
	}
}

static bool
is_stopping(const struct snapshots *s)
{
	return __atomic_load_n(&s->stopping, __ATOMIC_ACQUIRE);
}

static int64_t
retry_after_ns(const struct snapshots *s, uint32_t failures)
{
	int64_t wait_ns = (int64_t)s->engine->graph->settings.epoch_ns;

	if (s->is_final || is_stopping(s)) {
		return FINAL_RETRY_NS;
	}
	if (failures < SNAPSHOT_DEGRADED) {
		return 0;
	}
	for (uint32_t i = SNAPSHOT_DEGRADED; i < failures && wait_ns < RETRY_MAX_NS; i++) {
		wait_ns *= 2;
	}
	return wait_ns < RETRY_MAX_NS ? wait_ns : RETRY_MAX_NS;
}

static void
tell_lost(struct snapshots *s)
{
	uint32_t failures;
	int64_t wait_ns;

	pthread_mutex_lock(&s->lock);
	failures = ++s->status.failures;
	wait_ns = retry_after_ns(s, failures);
	s->status.lost++;
	s->status.wait_ns = (uint64_t)wait_ns;
	s->status.uncommitted = sinks_count(s);
	snprintf(s->status.why, sizeof(s->status.why), "%s", s->why);
	pthread_mutex_unlock(&s->lock);
	s->retry_ns = env_now_ns() + wait_ns;
	if (failures == SNAPSHOT_DEGRADED) {
		env_log(
		    3,
		    "DEGRADED: %u snapshots in a row are lost, the last for: %s; the stream goes "
		    "on, but what came after epoch %" PRIu64
		    " would not survive a crash, and sinks that commit hold it back; %s",
		    failures, s->why, s->durable, advice(s->failed));
	} else if (failures < SNAPSHOT_DEGRADED) {
		env_log(4, "the snapshot of epoch %" PRIu64 " is lost: %s; %s", s->epoch, s->why,
		        advice(s->failed));
	}
	if (s->index != NULL) {
		(void)index_note(s->index, s->epoch, INDEX_ABANDONED, s->why);
	}
}

/* ---- an epoch ---- */

static int
begin_epoch(struct snapshots *s, uint64_t epoch)
{
	int result;

	s->epoch = epoch;
	s->failed = 0;
	s->copied_bytes = 0;
	s->hurries = false;
	s->began_ns = env_now_ns();
	s->deadline_ns = s->began_ns + (int64_t)s->options.timeout_ns;
	result = store_begin(s->store, epoch);
	return result == 0 ? 0 : snapshots_fail(s, result, store_why(s->store));
}

static int
commit_epoch(struct snapshots *s)
{
	struct snapshot_job job = { .format = SNAPSHOT_FORMAT, .secret = s->secret };
	int result = sinks_secure(s);

	result = result == 0 ? sinks_record(s) : result;
	if (result != 0) {
		return result;
	}
	result = store_record(s->store, SNAPSHOT_RECORD_JOB, &job, sizeof(job));
	if (result == 0 && s->note != NULL) {
		result = store_record(s->store, SNAPSHOT_RECORD_NOTE, s->note, s->note_size);
	}
	if (result == 0 && s->is_final) {
		result = store_record(s->store, SNAPSHOT_RECORD_END, NULL, 0);
	}
	result = result == 0 ? store_commit(s->store, s->topology) : result;
	return result == 0 ? 0 : snapshots_fail(s, result, store_why(s->store));
}

/* Whether everything is committed, too. */
static bool
commit_sinks(struct snapshots *s)
{
	if (sinks_commit(s) == 0) {
		return true;
	}
	env_log(4, "what is durable is not seen yet: %s; it is tried again with the next epoch",
	        s->why);
	return false;
}

static void
end_epoch(struct snapshots *s, bool is_durable)
{
	snapshots_release(s, is_durable);
	s->phase = is_durable ? PHASE_IDLE : PHASE_DRAIN;
	if (is_durable) {
		(void)commit_sinks(s);
		tell_durable(s);
		tidy_folder(s);
		snapshots_trim(s);
		if (s->verify != NULL) {
			verify_begin(s->verify, s->epoch);
		}
	}
}

/*
 * A log that fills up knows no pace, to the end of its epoch: keys are touched for the first time
 * as long as their slots are not copied, and that costs the stream more than a copier in a hurry.
 */
static bool
is_in_a_hurry(struct snapshots *s)
{
	const struct snap_slice *slice = &s->slice[s->current];

	s->hurries |= slice->phase == SLICE_COPYING && arena_copy_log_fills(&slice->copy);
	return s->hurries;
}

/* Whether copying is ahead of its pace. */
static bool
is_ahead(struct snapshots *s)
{
	double seconds = (double)(env_now_ns() - s->began_ns) / 1e9;

	return s->options.pace != 0 &&
	       (double)s->copied_bytes > seconds * (double)s->options.pace + ENV_DISK_BYTES &&
	       !is_in_a_hurry(s);
}

static void
step_copy(struct snapshots *s)
{
	int result;

	if (is_ahead(s)) {
		env_sleep_ns(LOOK_NS);
		return;
	}
	result = s->failed != 0 ? s->failed : snapshots_copy(s);
	if (result == COPY_ALL) {
		end_epoch(s, commit_epoch(s) == 0);
	} else if (result < 0) {
		end_epoch(s, false);
	} else if (result == COPY_WAIT && is_stopping(s)) {
		snapshots_fail(s, -ECANCELED, "the job is stopped");
		end_epoch(s, false);
	} else if (env_now_ns() > s->deadline_ns || BUGGIFY(BUGGIFY_COPY_LATE)) {
		snapshots_fail(s, -ETIMEDOUT,
		               result == COPY_WAIT ? "its marker did not arrive everywhere in time"
		                                   : "copying it took too long");
		end_epoch(s, false);
	} else if (result == COPY_WAIT) {
		env_sleep_ns(LOOK_NS);
	}
}

/* ---- the last epoch ---- */

/* All slices have ended: what sinks still hold is committed. */
static void
step_final(struct snapshots *s)
{
	bool has_failed = false;

	s->is_final = true;
	for (uint32_t i = 0; i < s->slice_count; i++) {
		struct snap_slice *slice = &s->slice[i];
		const struct op_state *state = &slice->slice->state;

		assert(state->finished == state->flipped);
		if (!slice->has_last_txn && !slice->slice->had_ended) {
			has_failed |= sinks_take(s, slice->slice, state->last_txn_number,
			                         &state->last_txn) != 0;
			slice->has_last_txn = !has_failed;
		}
	}
	s->is_over = ++s->stop_tries >= FINAL_TRIES;
	if (has_failed || begin_epoch(s, store_epoch_next(s->store)) != 0 || commit_epoch(s) != 0) {
		s->phase = PHASE_ABANDON;
		return;
	}
	s->is_complete = commit_sinks(s);
	s->is_over |= s->is_complete;
	tell_durable(s);
	tidy_folder(s);
	s->phase = PHASE_IDLE;
	s->retry_ns = env_now_ns() + FINAL_RETRY_NS;
}

/* ---- steps ---- */

static void
step_idle(struct snapshots *s)
{
	/* Asked first: what had ended before the stop is seen to have ended. */
	bool stops = is_stopping(s);
	struct verified verified;

	if (stands_back(s)) {
		/* Whoever held it has gone: no more are made. */
		s->is_over |= is_stopping(s);
		env_sleep_ns(LOOK_NS);
		return;
	}
	PREEMPT();
	if (s->engine != NULL && engine_has_ended(s->engine)) {
		if (env_now_ns() >= s->retry_ns || s->stop_tries == 0) {
			step_final(s);
		} else {
			env_sleep_ns(IDLE_NS);
		}
		return;
	}
	if (stops) {
		s->is_over = true;
	} else if (env_now_ns() >= s->retry_ns) {
		engine_want_snapshot(s->engine);
		s->phase = PHASE_ASKED;
	} else if (s->verify == NULL || !verify_step(s->verify)) {
		env_sleep_ns(IDLE_NS);
	}
	if (s->verify != NULL && verify_take(s->verify, &verified) && verified.is_damaged) {
		env_log(3,
		        "the snapshot of epoch %" PRIu64 " is damaged on disk: %s; the next one is "
		        "full; look at the disk (dmesg, smartctl)",
		        verified.epoch, verified.why);
		snapshots_start_anew(s);
	}
}

static void
step_asked(struct snapshots *s)
{
	/* Asked first, for the same reason; an epoch that begins later has not been passed by all.
	 */
	bool stops = is_stopping(s);
	bool has_ended = engine_has_ended(s->engine);
	uint64_t epoch;

	if (stands_back(s)) {
		return;
	}
	PREEMPT();
	epoch = __atomic_load_n(&s->engine->shared->snapshot_epoch, __ATOMIC_ACQUIRE);
	if (epoch > s->epoch) {
		for (uint32_t i = 0; i < s->slice_count; i++) {
			s->slice[i].phase = SLICE_WAITS;
		}
		s->phase = PHASE_COPY;
		(void)begin_epoch(s, epoch);
	} else if (has_ended) {
		s->phase = PHASE_IDLE;
	} else if (stops) {
		s->is_over = true;
	} else if (s->verify == NULL || !verify_step(s->verify)) {
		env_sleep_ns(IDLE_NS);
	}
}

static void
step_drain(struct snapshots *s)
{
	bool stops = is_stopping(s); /* asked first, for the same reason */

	if (!snapshots_drain(s)) {
		s->phase = PHASE_ABANDON;
	} else if (stops) {
		s->is_over = true;
	} else {
		env_sleep_ns(LOOK_NS);
	}
}

static void
step_abandon(struct snapshots *s)
{
	if (s->retry_ns > env_now_ns()) {
		env_sleep_ns(IDLE_NS);
		return;
	}
	/* Until the store knows that the epoch never was, sinks may not move. */
	if (!store_is_open(s->store) || store_abandon(s->store) == 0) {
		tell_lost(s);
		s->phase = PHASE_IDLE;
	} else {
		snprintf(s->why, sizeof(s->why), "%s", store_why(s->store));
		tell_lost(s);
		s->stop_tries += is_stopping(s) ? 1 : 0;
		s->is_over |= s->stop_tries >= FINAL_TRIES;
	}
}

bool
snapshots_step(void *arg)
{
	struct snapshots *s = arg;

	switch (s->phase) {
	case PHASE_IDLE:
		step_idle(s);
		break;
	case PHASE_ASKED:
		step_asked(s);
		break;
	case PHASE_COPY:
		step_copy(s);
		break;
	case PHASE_DRAIN:
		step_drain(s);
		break;
	case PHASE_ABANDON:
		step_abandon(s);
		break;
	}
	return !s->is_over;
}

int
snapshots_start(struct snapshots *s)
{
	if (s->options.verify != 0) {
		s->verify = verify_open(s->store, s->options.verify);
	}
	s->epoch = store_epoch_next(s->store) - 1;
	if (!s->options.has_thread) {
		return 0;
	}
	return env_thread_start(&s->thread, "lm-snapshots", snapshots_step, s);
}

/* The job ends in the middle of a change: nobody would ever have them go on. */
static void
give_up_hold(struct snapshots *s)
{
	uint32_t hold = HOLD_ASKED;

	if (!__atomic_compare_exchange_n(&s->hold, &hold, HOLD_NONE, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_ACQUIRE)) {
		while (hold == HOLD_HELD && snapshots_resume(s) != 0) {
			env_sleep_ns(IDLE_NS);
		}
	}
}

bool
snapshots_stop(struct snapshots *s)
{
	/* One that ends from here on is not waited for: it goes on from the last epoch. */
	bool had_ended = engine_has_ended(s->engine);

	give_up_hold(s);
	__atomic_store_n(&s->stopping, true, __ATOMIC_RELEASE);
	env_thread_join(s->thread);
	s->thread = NULL;
	if (CANARY(CANARY_LATE_END)) {
		had_ended = engine_has_ended(s->engine);
	}
	pthread_mutex_lock(&s->lock);
	s->status.uncommitted = sinks_count(s);
	pthread_mutex_unlock(&s->lock);
	return s->txn == NULL && (s->is_complete || !had_ended);
}
