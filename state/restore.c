/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going on from an epoch: bytes into arenas (restore_parts.c), positions into sources, and the
 * sinks commit what was durable. An epoch is read once, checked as it is read; when it turns out to
 * be damaged, everything starts anew with the one before it.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "state/snapshot_run.h"

int
restore_say(char why[SNAPSHOT_WHY], int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, SNAPSHOT_WHY, format, args);
	va_end(args);
	return result;
}

/* ---- which epoch ---- */

int
restore_pick(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	struct store_pick pick;
	int result = store_pick(s->store, STORE_LENGTHS, &pick);

	if (result != 0) {
		return restore_say(why, result, "%s", store_why(s->store));
	}
	s->good = pick.good;
	s->good_epoch = 0;
	if (pick.good == NULL && pick.newest != NULL) {
		return restore_say(
		    why, -EBADMSG,
		    "all snapshots in %s are damaged (the newest, epoch %" PRIu64
		    ": %s): nothing is removed; see lodemill state verify %s, or name "
		    "another folder to start anew",
		    s->folder, pick.newest->epoch, pick.newest->why, s->folder);
	}
	if (pick.good == NULL) {
		return 0;
	}
	s->skipped = pick.newest->epoch != pick.good->epoch ? pick.newest->epoch : 0;
	return restore_choose(s, pick.good, why);
}

int
restore_choose(struct snapshots *s, const struct store_epoch *epoch, char why[SNAPSHOT_WHY])
{
	const struct manifest_record *record =
	    manifest_record(epoch->manifest, SNAPSHOT_RECORD_JOB);
	struct snapshot_job job;

	s->good = epoch;
	s->good_epoch = epoch->epoch;
	s->good_wall_ns = epoch->manifest->wall_ns;
	if (record == NULL || record->size != sizeof(job)) {
		return restore_say(why, -EINVAL,
		                   "epoch %" PRIu64 " in %s does not say what job it is of",
		                   s->good_epoch, s->folder);
	}
	memcpy(&job, record->bytes, sizeof(job));
	if (job.format != SNAPSHOT_FORMAT) {
		return restore_say(why, -EINVAL,
		                   "epoch %" PRIu64
		                   " in %s was written by another version of lodemill "
		                   "(format %u): run that one",
		                   s->good_epoch, s->folder, job.format);
	}
	s->secret = job.secret;
	s->had_ended = manifest_record(epoch->manifest, SNAPSHOT_RECORD_END) != NULL;
	return snapshots_check_note(s, why);
}

/* Whether what is newer and damaged may be passed over: not if somebody has seen what was in it. */
static int
check_skipped(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	const struct lm_graph *graph = s->engine->graph;

	for (uint32_t i = 0; s->skipped != 0 && i < graph->operator_count; i++) {
		if ((graph->op[i].traits & LM_TRAIT_COMMITS) != 0) {
			return restore_say(
			    why, -EBADMSG,
			    "epoch %" PRIu64 " in %s is damaged, and the sink %s may have "
			    "committed what belongs to it: going on from epoch %" PRIu64
			    " would write it twice. Nothing is changed. See lodemill state "
			    "verify; to accept that, move MANIFEST.%" PRIu64 ".* elsewhere",
			    s->skipped, s->folder, graph->op[i].name, s->good_epoch, s->skipped);
		}
	}
	if (s->skipped != 0) {
		env_log(4,
		        "epoch %" PRIu64 " in %s is damaged and left as it is: going on from epoch "
		        "%" PRIu64,
		        s->skipped, s->folder, s->good_epoch);
	}
	return 0;
}

/* ---- a slice ---- */

/* As if nothing had been restored. */
static void
wipe(struct lm_op *slice)
{
	struct state_space *space = slice->state.space;

	for (struct arena_part *part = space == NULL ? NULL : space->part; part != NULL;
	     part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			struct arena *arena = part->arena[i];

			memset(arena->memory, 0, arena->size);
			memset(arena->mark, 0, arena_marks_size(arena->size));
		}
	}
}

/* ---- the engine ---- */

/* Whether every slice of the epoch is of one of the operators: what nobody takes would be lost. */
static int
check_all_taken(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	const struct manifest *manifest = s->good->manifest;
	const struct lm_graph *graph = s->engine->graph;
	size_t prefix = strlen(SNAPSHOT_RECORD_SLICE);

	for (uint32_t i = 0; i < manifest->record_count; i++) {
		const char *record = manifest->record[i].name;
		bool found = strncmp(record, SNAPSHOT_RECORD_SLICE, prefix) != 0;
		const char *slash = strrchr(record, '/');

		for (uint32_t k = 0; !found && k < graph->operator_count; k++) {
			size_t length = strlen(graph->op[k].name);

			found = record + prefix + length == slash &&
			        strncmp(record + prefix, graph->op[k].name, length) == 0;
		}
		if (!found) {
			return restore_say(
			    why, -ENOENT,
			    "epoch %" PRIu64 " holds the state of %s, which the topology does "
			    "not have (any more): run it as it was, or name another folder to "
			    "start anew",
			    s->good_epoch, record + prefix);
		}
	}
	return 0;
}

/* The bytes of all parts into their arenas. */
static int
read_parts(struct snapshots *s, struct restore_part *part, uint32_t count, char why[SNAPSHOT_WHY])
{
	restore_parts(s, part, count);
	for (uint32_t i = 0; i < count; i++) {
		s->restored.bytes += part[i].bytes;
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *name = part[i].slice[0]->name;

		if (part[i].result == -EINVAL) {
			return restore_say(why, -EINVAL,
			                   "%s: epoch %" PRIu64
			                   " holds state for a place that is not",
			                   name, s->good_epoch);
		}
		if (part[i].result != 0) {
			return restore_say(why, part[i].result, "%s: %s", name, part[i].why);
		}
	}
	return 0;
}

/* All slices from one epoch. -EBADMSG: it is damaged, and nothing was restored. */
static int
restore_found(struct snapshots *s, struct restore_op *ops, char why[SNAPSHOT_WHY])
{
	uint32_t most = s->good->manifest->record_count, count;
	struct restore_part *part = calloc(most + 1, sizeof(*part));
	int result;

	if (part == NULL) {
		return restore_say(why, -ENOMEM, "no memory to go on from epoch %" PRIu64,
		                   s->good_epoch);
	}
	count = restore_ops_parts(s, ops, part);
	result = read_parts(s, part, count, why);
	if (store_is_damage(result)) {
		for (uint32_t i = 0; i < s->slice_count; i++) {
			wipe(s->slice[i].slice);
		}
		result = -EBADMSG;
	}
	if (result == 0) {
		result = restore_ops_resume(s, ops, why);
	}
	for (uint32_t i = 0; i < count; i++) {
		restore_part_free(&part[i]);
	}
	free(part);
	return result;
}

int
restore_epoch(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	struct restore_op *ops = calloc(s->engine->graph->operator_count + 1, sizeof(*ops));
	int result;

	memset(&s->restored, 0, sizeof(s->restored));
	if (ops == NULL) {
		return restore_say(why, -ENOMEM, "no memory to go on from epoch %" PRIu64,
		                   s->good_epoch);
	}
	result = s->wanted == NULL ? check_all_taken(s, why) : 0;
	result = result == 0 ? restore_ops_find(s, ops, why) : result;
	result = result == 0 ? restore_found(s, ops, why) : result;
	restore_ops_free(s, ops);
	free(ops);
	return result;
}

int
restore_engine(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	int result = check_skipped(s, why);

	for (uint32_t i = 0; s->had_ended && i < s->slice_count; i++) {
		s->slice[i].slice->had_ended = true;
	}
	while (result == 0 && s->good != NULL && !s->had_ended) {
		char damage[SNAPSHOT_WHY];

		result = restore_epoch(s, damage);
		if (result != -EBADMSG) {
			if (result != 0) {
				restore_say(why, result, "%s", damage);
			}
			break;
		}
		/* Found while it was read: as if the first look had found it. */
		store_mark_damaged(s->store, s->good_epoch, damage);
		result = restore_pick(s, why);
		result = result == 0 ? check_skipped(s, why) : result;
	}
	s->restored.skipped_epochs = s->skipped != 0 ? 1 : 0;
	if (result == 0) {
		result = sinks_recover(s, s->good == NULL ? NULL : s->good->manifest, why);
	}
	s->good = NULL;
	return result;
}
