/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying: the state of each slice into a part, what else it remembers into a record. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "state/snapshot_run.h"

/* Bytes that one step copies. */
#define STEP_BYTES (256u << 10)
/* A delta is worth it while all of them together are less than this share of the full one. */
#define DELTA_SHARE 2u

int
snapshots_name(const char *kind, const struct lm_op *slice, char name[MANIFEST_RECORD_MAX])
{
	int length =
	    snprintf(name, MANIFEST_RECORD_MAX, "%s%s/%u", kind, slice->name, slice->index);

	return length < (int)MANIFEST_RECORD_MAX ? 0 : -ENAMETOOLONG;
}

static struct part_id
part_of(const struct lm_op *slice)
{
	return (struct part_id){ .op = slice->op, .slice = slice->index };
}

/* ---- the record of a slice ---- */

static uint32_t
shape_size(const struct state_space *space)
{
	return space == NULL ? 0 : space->part_count * (uint32_t)sizeof(struct snapshot_shape);
}

uint64_t
snapshots_owned(const struct state_space *space)
{
	uint64_t owned = 0;

	for (const struct arena_part *part = space == NULL ? NULL : space->part; part != NULL;
	     part = part->next) {
		/* All of them have the same. */
		for (uint32_t i = 0; part->by_slot && i < part->arena_count; i++) {
			owned += snapshot_owned(arena_nth(part, i)->slot);
		}
		if (part->by_slot) {
			break;
		}
	}
	return owned;
}

static void
put_shape(const struct state_space *space, char *at)
{
	for (const struct arena_part *part = space == NULL ? NULL : space->part; part != NULL;
	     part = part->next) {
		struct arena_label label = arena_label_at_cut(part, space->snapshot);
		struct snapshot_shape shape = {
			.arena_size = part->size,
			.arena_count = part->arena_count,
			.flags = (part->by_slot ? SNAPSHOT_BY_SLOT : 0) |
			         (label.is_set ? SNAPSHOT_LABELLED : 0),
			.label = label.of,
		};

		memcpy(at, &shape, sizeof(shape));
		at += sizeof(shape);
	}
}

static char *
put_text(char *at, const struct op_text *text)
{
	if (text->size > 0) {
		memcpy(at, text->bytes, text->size);
	}
	return at + text->size;
}

static int
record_slice(struct snapshots *s, const struct lm_op *slice, bool has_ended)
{
	const struct op_state *state = &slice->state;
	struct snapshot_slice head = { .format = SNAPSHOT_FORMAT,
		                       .op = slice->op,
		                       .slice = slice->index,
		                       .slices = slice->slices,
		                       .slots = 1u << state->slot_bits,
		                       .state_version = slice->class->state_version };
	char name[MANIFEST_RECORD_MAX], *bytes, *at;
	size_t size = sizeof(head);
	int result = snapshots_name(SNAPSHOT_RECORD_SLICE, slice, name);

	if (has_ended) {
		head.flags = SNAPSHOT_ENDED;
	} else {
		head.flags = state->space == NULL ? 0 : SNAPSHOT_HAS_PART;
		head.engine_size = state->engine_text.size;
		head.class_size = state->class_text.size;
		head.shape_size = shape_size(state->space);
		head.owned = snapshots_owned(state->space);
		size += head.engine_size + head.class_size + head.shape_size;
	}
	bytes = malloc(size);
	if (bytes == NULL || result != 0) {
		free(bytes);
		return snapshots_fail(s, result != 0 ? result : -ENOMEM, slice->name);
	}
	memcpy(bytes, &head, sizeof(head));
	at = bytes + sizeof(head);
	if (!has_ended) {
		at = put_text(at, &state->engine_text);
		at = put_text(at, &state->class_text);
		put_shape(state->space, at);
	}
	result = store_record(s->store, name, bytes, size);
	free(bytes);
	return result == 0 ? 0 : snapshots_fail(s, result, store_why(s->store));
}

/* ---- the part of a slice ---- */

static int
begin_part(struct snapshots *s, struct snap_slice *slice)
{
	int result;

	if (slice->part != NULL) {
		return 0;
	}
	result = part_begin(s->store, part_of(slice->slice),
	                    slice->copy.base == 0 ? PART_FULL : PART_DELTA, &slice->part);
	return result == 0 ? 0 : snapshots_fail(s, result, store_why(s->store));
}

static int
put(struct snapshots *s, struct snap_slice *slice, enum snapshot_kind kind, uint32_t slot,
    uint64_t place, const void *bytes, size_t size)
{
	int result = begin_part(s, slice);

	if (result != 0) {
		return result;
	}
	s->copied_bytes += size;
	result = part_put(slice->part, (uint8_t)kind, slot, place, bytes, size);
	return result == 0 ? 0 : snapshots_fail(s, result, store_why(s->store));
}

static int
put_granules(struct snapshots *s, struct snap_slice *slice, const struct arena_logged *logged)
{
	const uint32_t room = sizeof(s->granules) / sizeof(s->granules[0]);
	uint32_t filled = 0;
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < logged->count; i++) {
		struct snapshot_granule *granule = &s->granules[filled++];
		const struct arena_place *place = &logged->place[i];

		granule->part = place->arena->part->index;
		granule->slot = place->arena->slot;
		granule->offset = place->offset;
		memcpy(granule->bytes, logged->bytes + (size_t)i * ARENA_GRANULE, ARENA_GRANULE);
		if (filled == room || i + 1 == logged->count) {
			result = put(s, slice, SNAPSHOT_GRANULES, 0, 0, s->granules,
			             filled * sizeof(s->granules[0]));
			filled = 0;
		}
	}
	return result;
}

/* Some of the log into the part, as much as a block holds. */
static int
drain_log(struct snapshots *s, struct snap_slice *slice, uint32_t *drained)
{
	const uint32_t most = sizeof(s->granules) / sizeof(s->granules[0]);
	struct arena_logged logged;
	int result;

	if (!arena_copy_log(&slice->copy, &logged)) {
		return snapshots_fail(s, -ENOBUFS,
		                      "state changed faster than it could be copied, and the log "
		                      "of what it was is full");
	}
	logged.count = logged.count < most ? logged.count : most;
	*drained = logged.count;
	result = put_granules(s, slice, &logged);
	if (result == 0 && *drained > 0) {
		arena_copy_drain(&slice->copy, *drained);
	}
	return result;
}

/* The last of a slice: the log, and the part is whole, or it is what it was. */
static int
finish_part(struct snapshots *s, struct snap_slice *slice)
{
	uint32_t drained = 1;
	struct part *part;
	int result = 0;

	while (result == 0 && drained > 0) {
		result = drain_log(s, slice, &drained);
	}
	if (result == 0 && slice->part == NULL && slice->copy.base != 0) {
		result = store_keep(s->store, part_of(slice->slice));
		return result == 0 ? 0 : snapshots_fail(s, result, store_why(s->store));
	}
	result = result == 0 ? begin_part(s, slice) : result;
	if (result != 0) {
		return result;
	}
	part = slice->part;
	slice->part = NULL;
	result = part_finish(part);
	return result == 0 ? 0 : snapshots_fail(s, result, store_why(s->store));
}

/* ---- step by step ---- */

/* The slice has flipped: 0, or -errno. */
static int
begin_slice(struct snapshots *s, struct snap_slice *slice)
{
	struct op_state *state = &slice->slice->state;
	int result = sinks_take(s, slice->slice, s->epoch, &state->txn);

	if (result != 0) {
		return result; /* it still waits: the transaction is taken when the epoch is drained
		                */
	}
	if (__atomic_load_n(&state->refused, __ATOMIC_ACQUIRE) == s->epoch) {
		result = snapshots_fail(s, -EOVERFLOW, "a slice could not take part");
	}
	result = result == 0 ? record_slice(s, slice->slice, false) : result;
	slice->phase = SLICE_COPIED;
	if (state->space != NULL && arena_copy_begin(&slice->copy, state->space)) {
		slice->phase = SLICE_COPYING;
	}
	return result;
}

static int
end_slice(struct snapshots *s, struct snap_slice *slice)
{
	const struct op_state *state = &slice->slice->state;
	int result = 0;

	slice->phase = SLICE_FREE;
	if (!slice->has_last_txn && !slice->slice->had_ended) {
		result = sinks_take(s, slice->slice, state->last_txn_number, &state->last_txn);
		slice->has_last_txn = result == 0;
	}
	return result == 0 ? record_slice(s, slice->slice, true) : result;
}

/* Looks whether a slice that waits has come to the marker. */
static int
look(struct snapshots *s, struct snap_slice *slice, bool *moved)
{
	const struct lm_op *op = slice->slice;
	bool ended = op->had_ended || __atomic_load_n(&op->ended, __ATOMIC_ACQUIRE);

	PREEMPT();
	*moved = true;
	if (!op->had_ended && __atomic_load_n(&op->state.flipped, __ATOMIC_ACQUIRE) == s->epoch) {
		return begin_slice(s, slice);
	}
	/* Also of one that has ended since: its end is behind the marker. */
	if (!op->had_ended && __atomic_load_n(&op->state.refused, __ATOMIC_ACQUIRE) == s->epoch) {
		slice->phase = SLICE_FREE;
		return snapshots_fail(s, -EBUSY, "a slice still had the snapshot before in hand");
	}
	if (ended) {
		return end_slice(s, slice);
	}
	*moved = false;
	return 0;
}

/* Where the next piece goes: into the part, if it has begun and has room for a chunk. */
static void *
place_of_piece(struct snapshots *s, struct snap_slice *slice, uint32_t *room)
{
	void *place = slice->part == NULL ? NULL : part_place(slice->part, room);

	if (place != NULL && *room >= ARENA_CHUNK) {
		return place;
	}
	/* What lies across two of the part's buffers is copied twice: as little as may be. */
	*room = slice->part == NULL || place == NULL ? BLOCK_RAW_MAX : ARENA_CHUNK;
	return s->piece;
}

/*
 * The next piece, and where to take it from. Zeroes are left out as the arena is read, so nothing
 * is copied first; who reads twice, as other codecs do, must not see it change. False: that was
 * all.
 */
static bool
next_piece(struct snapshots *s, struct snap_slice *slice, uint32_t most, struct arena_piece *piece)
{
	uint32_t room = BLOCK_RAW_MAX;
	void *place;

	if (s->options.codec == BLOCK_ZEROES) {
		return arena_copy_find(&slice->copy, piece, room < most ? room : most);
	}
	place = place_of_piece(s, slice, &room);
	if (!arena_copy_next(&slice->copy, piece, place, room < most ? room : most)) {
		return false;
	}
	piece->bytes = place;
	return true;
}

/* Some chunks of one slice. In the simulator few at a time: their owner writes in between. */
static int
copy_some(struct snapshots *s, struct snap_slice *slice)
{
	uint32_t most =
	    CANARY_BUILD ? (1 + (uint32_t)(env_random() % 8)) * ARENA_CHUNK : STEP_BYTES;
	struct arena_piece piece;

	for (uint32_t copied = 0; copied < most; copied += piece.size) {
		uint32_t drained;
		int result = 0;

		/* First the log, if it fills up: what else there is to copy does not go away. */
		while (result == 0 &&
		       (arena_copy_log_fills(&slice->copy) || BUGGIFY(BUGGIFY_LOG_DRAINED))) {
			result = drain_log(s, slice, &drained);
		}
		if (result != 0) {
			return result;
		}
		if (!next_piece(s, slice, most, &piece)) {
			slice->phase = SLICE_COPIED;
			return finish_part(s, slice);
		}
		result =
		    put(s, slice, SNAPSHOT_BYTES, piece.arena->slot,
		        SNAPSHOT_PLACE(piece.part->index, piece.offset), piece.bytes, piece.size);
		if (result != 0) {
			return result;
		}
	}
	return 0;
}

int
snapshots_copy(struct snapshots *s)
{
	bool moved = false, waits = false;

	for (uint32_t i = 0; i < s->slice_count; i++) {
		uint32_t at = (s->current + i) % s->slice_count;
		struct snap_slice *slice = &s->slice[at];
		int result = 0;

		if (slice->phase == SLICE_WAITS) {
			result = look(s, slice, &moved);
			waits |= !moved;
		} else if (slice->phase == SLICE_COPYING) {
			s->current = at;
			result = copy_some(s, slice);
			moved = true;
		}
		if (result != 0) {
			return result;
		}
		if (moved) {
			return COPY_MORE;
		}
	}
	return waits ? COPY_WAIT : COPY_ALL;
}

/* What a slice builds on next: nothing, if its chain is too long to be read back quickly. */
static uint32_t
next_base(const struct snapshots *s, const struct snap_slice *slice)
{
	struct part_chain chain;

	if (slice->base == 0 || BUGGIFY(BUGGIFY_CHAIN_LONG) ||
	    !store_chain(s->store, part_of(slice->slice), &chain) ||
	    chain.files >= s->options.full_after ||
	    chain.delta_bytes > chain.base_bytes / DELTA_SHARE + ENV_DISK_BYTES) {
		return 0;
	}
	return slice->base;
}

static void
release(struct snapshots *s, struct snap_slice *slice, bool is_durable)
{
	if (slice->part != NULL) {
		part_abort(slice->part);
		slice->part = NULL;
	}
	if (slice->phase == SLICE_WAITS || slice->phase == SLICE_FREE) {
		slice->phase = SLICE_FREE;
		return;
	}
	if (slice->slice->state.space != NULL && slice->copy.epoch == s->epoch) {
		slice->base = is_durable ? slice->copy.epoch : slice->base;
		arena_copy_end(&slice->copy, next_base(s, slice));
		slice->copy.epoch = 0;
	}
	slice->phase = SLICE_FREE;
	state_finish(slice->slice);
}

void
snapshots_release(struct snapshots *s, bool is_durable)
{
	for (uint32_t i = 0; i < s->slice_count; i++) {
		release(s, &s->slice[i], is_durable);
	}
}

void
snapshots_start_anew(struct snapshots *s)
{
	for (uint32_t i = 0; i < s->slice_count; i++) {
		struct state_space *space = s->slice[i].slice->state.space;

		s->slice[i].base = 0;
		if (space != NULL) {
			__atomic_store_n(&space->base_next, 0, __ATOMIC_RELAXED);
		}
	}
}

bool
snapshots_drain(struct snapshots *s)
{
	/* Asked first: a slice that flips later than this has not passed. */
	bool waits = !engine_has_ended(s->engine) && engine_epoch_done(s->engine) < s->epoch;

	PREEMPT();
	for (uint32_t i = 0; i < s->slice_count; i++) {
		struct snap_slice *slice = &s->slice[i];
		struct op_state *state = &slice->slice->state;

		/* What has flipped but was not looked at: its transaction is kept, all else goes.
		 */
		if (__atomic_load_n(&state->flipped, __ATOMIC_ACQUIRE) == s->epoch &&
		    state->finished != s->epoch) {
			if (sinks_take(s, slice->slice, s->epoch, &state->txn) != 0) {
				waits = true;
				continue;
			}
			slice->phase = SLICE_COPIED;
			if (state->space != NULL) {
				(void)arena_copy_begin(&slice->copy, state->space);
			}
			release(s, slice, false);
		}
	}
	return waits;
}

/* What the slice's class serialized in an epoch; NULL: nothing. */
static const uint8_t *
serialized_in(const struct store_epoch *epoch, const struct lm_op *slice, uint32_t *size)
{
	const struct manifest_record *record;
	char name[MANIFEST_RECORD_MAX];
	struct snapshot_slice head;

	if (snapshots_name(SNAPSHOT_RECORD_SLICE, slice, name) != 0) {
		return NULL;
	}
	record = manifest_record(epoch->manifest, name);
	if (record == NULL || record->size < sizeof(head)) {
		return NULL;
	}
	memcpy(&head, record->bytes, sizeof(head));
	if (record->size < sizeof(head) + (uint64_t)head.engine_size + head.class_size) {
		return NULL;
	}
	*size = head.class_size;
	return head.class_size == 0 ? NULL : record->bytes + sizeof(head) + head.engine_size;
}

void
snapshots_trim(struct snapshots *s)
{
	uint32_t count = 0;
	const struct store_epoch *epoch = store_epochs(s->store, &count);

	for (uint32_t i = 0; i < s->slice_count; i++) {
		struct lm_op *slice = s->slice[i].slice;
		char why[SNAPSHOT_WHY] = "";
		const uint8_t *bytes;
		uint32_t size;

		/* The oldest comes last; one that cannot be read may need everything. */
		if (slice->class->trim == NULL || count == 0 || epoch[count - 1].manifest == NULL) {
			continue;
		}
		bytes = serialized_in(&epoch[count - 1], slice, &size);
		if (bytes != NULL &&
		    slice->class->trim(slice, bytes, size, why, sizeof(why)) != 0) {
			env_log(4, "%s: its log stays as long as it is: %s", slice->name, why);
		}
	}
}
