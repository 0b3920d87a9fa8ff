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

static int say(char why[SNAPSHOT_WHY], int result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int
say(char why[SNAPSHOT_WHY], int result, const char *format, ...)
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
	const struct manifest_record *record;
	struct snapshot_job job;
	int result = store_pick(s->store, STORE_LENGTHS, &pick);

	if (result != 0) {
		return say(why, result, "%s", store_why(s->store));
	}
	s->good = pick.good;
	s->good_epoch = 0;
	if (pick.good == NULL && pick.newest != NULL) {
		return say(why, -EBADMSG,
		           "all snapshots in %s are damaged (the newest, epoch %" PRIu64
		           ": %s): nothing is removed; see lodemill state verify %s, or name "
		           "another folder to start anew",
		           s->folder, pick.newest->epoch, pick.newest->why, s->folder);
	}
	if (pick.good == NULL) {
		return 0;
	}
	s->skipped = pick.newest->epoch != pick.good->epoch ? pick.newest->epoch : 0;
	s->good_epoch = pick.good->epoch;
	s->good_wall_ns = pick.good->manifest->wall_ns;
	record = manifest_record(pick.good->manifest, SNAPSHOT_RECORD_JOB);
	if (record == NULL || record->size != sizeof(job)) {
		return say(why, -EINVAL, "epoch %" PRIu64 " in %s does not say what job it is of",
		           s->good_epoch, s->folder);
	}
	memcpy(&job, record->bytes, sizeof(job));
	if (job.format != SNAPSHOT_FORMAT) {
		return say(why, -EINVAL,
		           "epoch %" PRIu64 " in %s was written by another version of lodemill "
		           "(format %u): run that one",
		           s->good_epoch, s->folder, job.format);
	}
	s->secret = job.secret;
	s->had_ended = manifest_record(pick.good->manifest, SNAPSHOT_RECORD_END) != NULL;
	return 0;
}

/* Whether what is newer and damaged may be passed over: not if somebody has seen what was in it. */
static int
check_skipped(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	const struct lm_graph *graph = s->engine->graph;

	for (uint32_t i = 0; s->skipped != 0 && i < graph->operator_count; i++) {
		if ((graph->op[i].traits & LM_TRAIT_COMMITS) != 0) {
			return say(why, -EBADMSG,
			           "epoch %" PRIu64 " in %s is damaged, and the sink %s may have "
			           "committed what belongs to it: going on from epoch %" PRIu64
			           " would write it twice. Nothing is changed. See lodemill state "
			           "verify; to accept that, move MANIFEST.%" PRIu64 ".* elsewhere",
			           s->skipped, s->folder, graph->op[i].name, s->good_epoch,
			           s->skipped);
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

/* The record of a slice, taken apart; NULL: it has none. */
struct slice_record {
	struct snapshot_slice head;
	const uint8_t *engine, *class, *shape;
};

static int
read_record(struct snapshots *s, const struct lm_op *slice, struct slice_record *record,
            bool *found, char why[SNAPSHOT_WHY])
{
	const struct manifest_record *entry;
	char name[MANIFEST_RECORD_MAX];
	struct snapshot_slice *head = &record->head;
	int result = snapshots_name(SNAPSHOT_RECORD_SLICE, slice, name);

	if (result != 0) {
		return say(why, result, "the name %s is too long for snapshots", slice->name);
	}
	entry = manifest_record(s->good->manifest, name);
	*found = entry != NULL;
	if (entry == NULL) {
		return 0;
	}
	if (entry->size < sizeof(*head)) {
		return say(why, -EINVAL, "the record %s is too short", name);
	}
	memcpy(head, entry->bytes, sizeof(*head));
	record->engine = entry->bytes + sizeof(*head);
	record->class = record->engine + head->engine_size;
	record->shape = record->class + head->class_size;
	if (head->format != SNAPSHOT_FORMAT ||
	    entry->size !=
	        sizeof(*head) + (uint64_t)head->engine_size + head->class_size + head->shape_size) {
		return say(why, -EINVAL, "the record %s makes no sense", name);
	}
	return 0;
}

static bool
shape_is_equal(const struct state_space *space, const struct slice_record *record)
{
	const uint8_t *at = record->shape;

	if (space == NULL ||
	    record->head.shape_size != space->part_count * sizeof(struct snapshot_shape)) {
		return space == NULL && record->head.shape_size == 0;
	}
	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		struct snapshot_shape shape;

		memcpy(&shape, at, sizeof(shape));
		at += sizeof(shape);
		if (shape.arena_count != part->arena_count ||
		    (part->arena_count > 0 && shape.arena_size != part->arena[0]->size)) {
			return false;
		}
	}
	return true;
}

static int
check_record(struct snapshots *s, const struct lm_op *slice, const struct slice_record *record,
             char why[SNAPSHOT_WHY])
{
	const struct snapshot_slice *head = &record->head;

	if (head->slices != slice->slices || head->slots != 1u << slice->state.slot_bits) {
		return say(why, -EINVAL,
		           "%s had %u slices of %u slots when epoch %" PRIu64
		           " was taken, and now has %u of %u: run it as it was, or name another "
		           "folder to start anew",
		           slice->name, head->slices, head->slots, s->good_epoch, slice->slices,
		           1u << slice->state.slot_bits);
	}
	if ((head->flags & SNAPSHOT_ENDED) == 0 && !shape_is_equal(slice->state.space, record)) {
		return say(why, -EINVAL,
		           "%s keeps its state in another shape than when epoch %" PRIu64
		           " was taken (its keys, bounds or windows were changed): run it as it "
		           "was, or name another folder to start anew",
		           slice->name, s->good_epoch);
	}
	if (head->state_version > slice->class->state_version) {
		return say(why, -EINVAL,
		           "%s: the snapshot is of a newer version of class %s (state version "
		           "%u) than this one (%u)",
		           slice->name, slice->class->name, head->state_version,
		           slice->class->state_version);
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
		if (part[i].result == -EINVAL) {
			return say(why, -EINVAL,
			           "%s: epoch %" PRIu64 " holds state for a place that is not",
			           part[i].slice->name, s->good_epoch);
		}
		if (part[i].result != 0) {
			return say(why, part[i].result, "%s: %s", part[i].slice->name, part[i].why);
		}
	}
	return 0;
}

/* Everything but the bytes in arenas. */
static int
resume_slice(struct snapshots *s, struct snap_slice *entry, const struct slice_record *record,
             char why[SNAPSHOT_WHY])
{
	struct lm_op *slice = entry->slice;
	struct state_space *space = slice->state.space;
	const struct snapshot_slice *head = &record->head;

	if ((head->flags & SNAPSHOT_ENDED) != 0) {
		slice->had_ended = true;
		slice->ending = slice->is_source;
		return 0;
	}
	if (slice_state_read(slice, record->engine, head->engine_size) != 0) {
		return say(why, -EINVAL,
		           "%s has other inputs than when epoch %" PRIu64
		           " was taken: run it as it was, or name another folder to start anew",
		           slice->name, s->good_epoch);
	}
	if (space != NULL && !space_restored(space, (uint32_t)s->good_epoch)) {
		return say(why, -EINVAL, "%s: its maps do not fit what epoch %" PRIu64 " holds",
		           slice->name, s->good_epoch);
	}
	/* A part goes by its operator's number: where that is another one now, it starts anew. */
	entry->base = head->op == slice->op ? (uint32_t)s->good_epoch : 0;
	if (space != NULL) {
		space->base_next = entry->base;
	}
	if (state_deserialize(slice, record->class, head->class_size, head->state_version) != 0) {
		return say(why, -EINVAL,
		           "%s: class %s cannot read what it wrote into epoch %" PRIu64,
		           slice->name, slice->class->name, s->good_epoch);
	}
	s->restored.slices++;
	return 0;
}

/* ---- the engine ---- */

/* Whether every slice of the epoch is one of the engine: what nobody takes would be lost. */
static int
check_all_taken(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	const struct manifest *manifest = s->good->manifest;
	size_t prefix = strlen(SNAPSHOT_RECORD_SLICE);

	for (uint32_t i = 0; i < manifest->record_count; i++) {
		const char *record = manifest->record[i].name;
		bool found = strncmp(record, SNAPSHOT_RECORD_SLICE, prefix) != 0;

		for (uint32_t k = 0; !found && k < s->slice_count; k++) {
			char name[MANIFEST_RECORD_MAX];

			found =
			    snapshots_name(SNAPSHOT_RECORD_SLICE, s->slice[k].slice, name) == 0 &&
			    strcmp(name, record) == 0;
		}
		if (!found) {
			return say(
			    why, -ENOENT,
			    "epoch %" PRIu64 " holds the state of %s, which the topology does "
			    "not have (any more): run it as it was, or name another folder to "
			    "start anew",
			    s->good_epoch, record + prefix);
		}
	}
	return 0;
}

/* Checks what the epoch has of each slice; those with a part come behind each other in `part`. */
static int
check_records(struct snapshots *s, struct restore_part *part, uint32_t *count,
              char why[SNAPSHOT_WHY])
{
	int result = check_all_taken(s, why);

	*count = 0;
	for (uint32_t i = 0; result == 0 && i < s->slice_count; i++) {
		struct lm_op *slice = s->slice[i].slice;
		struct slice_record record;
		bool found;

		result = read_record(s, slice, &record, &found, why);
		if (result == 0 && found) {
			result = check_record(s, slice, &record, why);
		}
		if (result == 0 && found && (record.head.flags & SNAPSHOT_HAS_PART) != 0) {
			part[(*count)++] =
			    (struct restore_part){ .slice = slice,
				                   .id = { .op = record.head.op,
				                           .slice = record.head.slice } };
		}
	}
	return result;
}

/* All slices from one epoch. -EBADMSG: it is damaged, and nothing was restored. */
static int
restore_epoch(struct snapshots *s, char why[SNAPSHOT_WHY])
{
	struct restore_part *part = calloc(s->slice_count + 1, sizeof(*part));
	struct slice_record record;
	uint32_t count;
	bool found;
	int result;

	memset(&s->restored, 0, sizeof(s->restored));
	if (part == NULL) {
		return say(why, -ENOMEM, "no memory to go on from epoch %" PRIu64, s->good_epoch);
	}
	result = check_records(s, part, &count, why);
	if (result == 0) {
		result = read_parts(s, part, count, why);
	}
	free(part);
	if (store_is_damage(result)) {
		for (uint32_t i = 0; i < s->slice_count; i++) {
			wipe(s->slice[i].slice);
		}
		return -EBADMSG;
	}
	for (uint32_t i = 0; result == 0 && i < s->slice_count; i++) {
		result = read_record(s, s->slice[i].slice, &record, &found, why);
		if (result == 0 && found) {
			result = resume_slice(s, &s->slice[i], &record, why);
		} else {
			s->restored.fresh++;
		}
	}
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
				say(why, result, "%s", damage);
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
