/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots go from one space to another, by pointer. The arenas of a slot stay where they are, with
 * their marks; what changes is which part of which space has them. A bundle is the arenas of some
 * slots, those of one part behind each other, linked through the arenas themselves.
 */

#include "state/space.h"

#include <errno.h>
#include <string.h>

#include "core/canary.h"

/* Arenas that are fetched ahead of the one in hand; half as far their memory is. */
#define MOVE_AHEAD 16u

/* ---- memory ---- */

int
space_prepare(struct lm_op *op, uint32_t slots_max)
{
	struct state_space *space = op_state(op)->space;
	uint32_t entries;

	if (space == NULL || space->log_max == 0) {
		return 0;
	}
	/* Taken since the last change: the one before is in nobody's hand any more. */
	if (space->log == space->log_longer) {
		state_memory_free(space->log_own);
		space->log_own = space->log_longer;
		space->log_longer = NULL;
		space->log_longer_max = 0;
	}
	entries = space_log_entries(space, (uint64_t)slots_max * space->slot_size);
	if (entries <= space->log_max || entries <= space->log_longer_max) {
		return 0;
	}
	state_memory_free(space->log_longer);
	space->log_longer = state_memory_alloc(op, (size_t)entries * ARENA_ENTRY);
	space->log_longer_max = space->log_longer == NULL ? 0 : entries;
	if (space->log_longer == NULL) {
		return -ENOMEM;
	}
	space_log_touch(space->log_longer, entries);
	return 0;
}

bool
space_moves(struct lm_op *op)
{
	const struct state_space *space = op_state(op)->space;

	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		if (!part->by_slot && !part->is_value) {
			return false;
		}
	}
	return true;
}

/* What is left in the space, or in a bundle, is there no more. */
static void
arenas_leave(struct arena *arena)
{
	while (arena != NULL) {
		struct arena *next = arena->next;

		arena_chunk_leave(arena->chunk);
		arena = next;
	}
}

void
space_close(struct lm_op *op)
{
	struct state_space *space = op_state(op)->space;

	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			arena_chunk_leave(part->arena[i]->chunk);
		}
		part->arena_count = 0;
	}
	state_memory_free(space->log_own);
	if (space->log_longer != space->log_own) {
		state_memory_free(space->log_longer);
	}
}

void
space_drop(struct state_bundle *bundle)
{
	arenas_leave(bundle->first);
	bundle->first = NULL;
}

static void
part_moved(struct arena_part *part)
{
	if (part->ops != NULL && part->ops->moved != NULL) {
		part->ops->moved(part);
	}
}

/* ---- giving ---- */

/* The next arenas of a part, and what their part's functions read of them. */
static void
move_fetch(const struct arena_part *part, uint32_t at)
{
	if (at + MOVE_AHEAD < part->arena_count) {
		const char *arena = (const char *)part->arena[at + MOVE_AHEAD];

		__builtin_prefetch(arena, 1);
		__builtin_prefetch(arena + 64, 1);
	}
	if (at + MOVE_AHEAD / 2 < part->arena_count) {
		__builtin_prefetch(part->arena[at + MOVE_AHEAD / 2]->memory);
	}
}

/* The arena is its part's no more; what *whole said goes with it. */
static void
arena_go(struct arena_part *part, struct arena *arena)
{
	arena->part_index = part->index;
	arena->label = part->label;
	arena->settled = 0;
	if (arena->whole != NULL) {
		arena->settled = *arena->whole;
		*arena->whole = 0;
		part->whole_count -= arena->settled != 0 && arena->settled == part->whole_epoch;
	}
	if (part->ops != NULL && part->ops->gone != NULL) {
		part->ops->gone(part, arena);
	}
	arena->part = NULL;
	arena->whole = NULL;
	arena->next = NULL;
}

/* With `all` whatever slot they are of. */
static void
part_give(struct arena_part *part, struct state_bundle *into, bool all)
{
	uint32_t kept = 0, gone;
	struct arena *first = NULL;

	for (uint32_t i = 0; i < part->arena_count; i++) {
		struct arena *arena = part->arena[i];

		move_fetch(part, i);
		if (!all && into->move.slice_of[arena->slot] != into->move.to) {
			part->arena[kept++] = arena;
			continue;
		}
		arena_go(part, arena);
		*into->end = arena;
		into->end = &arena->next;
		first = first == NULL ? arena : first;
		first->last = arena;
	}
	gone = part->arena_count - kept;
	part->arena_count = kept;
	into->arena_count += gone;
	into->size += gone * part->size;
	part_moved(part);
}

void
space_give(struct lm_op *op, const uint16_t *slice_of, uint32_t to, struct state_bundle *into)
{
	struct state_space *space = op_state(op)->space;

	assert(into->first == NULL);
	/* Nobody copies what leaves. */
	assert(__atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) == space->snapshot);
	into->move.slice_of = slice_of;
	into->move.to = to;
	into->end = &into->first;
	into->epoch = space->epoch;
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		if (part->by_slot) {
			part_give(part, into, false);
		}
	}
	space->size -= into->size;
	space->moved = space->epoch;
}

/* ---- taking ---- */

/* The part of a family that has the label, or else one that has none yet; NULL: neither. */
static struct arena_part *
family_find(struct state_space *space, struct arena_part *family, const struct arena_label *label)
{
	struct arena_part *unused = NULL;

	for (struct arena_part *part = family; part != NULL; part = part->next) {
		if (part->family != family || part->has_got) {
			continue;
		}
		if (part->label.is_set && part->label.of == label->of) {
			return part;
		}
		unused = unused == NULL && !part->label.is_set ? part : unused;
	}
	if (unused != NULL) {
		arena_label(space, unused, label);
	}
	return unused;
}

/* Any part of a family that got no arenas of this bundle; there is one for each that gave some. */
static struct arena_part *
family_left(struct arena_part *family)
{
	struct arena_part *part = family;

	while (part->family != family || part->has_got) {
		part = part->next;
	}
	return part;
}

static void
arena_come(struct state_space *space, struct arena_part *part, struct arena *arena)
{
	assert(part->arena_count < part->arena_max);
	assert(arena->size == part->size);
	arena->part = part;
	part->arena[part->arena_count++] = arena;
	part->ops->came(part, arena);
	if (arena->whole == NULL) {
		return;
	}
	*arena->whole = arena->settled;
	if (arena->settled == space->epoch && part->whole_epoch != space->epoch) {
		part->whole_epoch = space->epoch;
		part->whole_count = 0;
	}
	part->whole_count += arena->settled == part->whole_epoch && arena->settled != 0;
}

/* So that it is found quickly which arena something is in. */
static void
part_know_chunk(struct arena_part *part, struct arena_chunk *chunk)
{
	uint32_t i = 0;

	while (i < part->chunk_count && part->chunk[i] != chunk) {
		i++;
	}
	if (i == part->chunk_count && i < ARENA_PART_CHUNKS) {
		part->chunk[part->chunk_count++] = chunk;
	}
}

/*
 * The first arenas of a list, those that were of one part, come to a part. With `lost` what is in
 * them goes, and is counted.
 */
static void
part_take(struct state_space *space, struct arena_part *part, struct arena *first, uint64_t *lost)
{
	struct arena_chunk *chunk = NULL;
	struct arena *end = first->last->next;

	part->has_got = true;
	for (struct arena *arena = first, *next; arena != end; arena = next) {
		next = arena->next;

		if (next != NULL) {
			__builtin_prefetch((const char *)next + 64, 1);
			__builtin_prefetch(next->memory);
			__builtin_prefetch(next->next, 1);
		}
		if (arena->chunk != chunk) {
			chunk = arena->chunk;
			part_know_chunk(part, chunk);
		}
		arena_come(space, part, arena);
		if (lost != NULL) {
			*lost += part->ops->empty(part, arena);
		}
	}
	part_moved(part);
}

/*
 * Those whose place is known come to it: parts of their own, and of a family what is in use. The
 * others, which are empty, are left, for whatever places are left.
 */
static struct arena *
bundle_take_known(struct state_space *space, struct state_bundle *bundle)
{
	struct arena *left = NULL, **left_end = &left, *next;
	struct arena_part *part = space->part;

	for (struct arena *first = bundle->first; first != NULL; first = next) {
		struct arena_part *to;

		next = first->last->next;
		while (part->index != first->part_index) {
			part = part->next;
		}
		to = part;
		if (part->family != NULL) {
			to = first->label.is_set ? family_find(space, part->family, &first->label)
			                         : NULL;
		}
		if (to != NULL) {
			part_take(space, to, first, NULL);
			continue;
		}
		*left_end = first;
		left_end = &first->last->next;
	}
	*left_end = NULL;
	return left;
}

static void
bundle_take_left(struct state_space *space, struct arena *left, uint64_t *lost)
{
	struct arena_part *part = space->part;
	struct arena *next;

	for (struct arena *first = left; first != NULL; first = next) {
		next = first->last->next;
		while (part->index != first->part_index) {
			part = part->next;
		}
		part_take(space, family_left(part->family), first,
		          first->label.is_set ? lost : NULL);
	}
}

void
space_take(struct lm_op *op, struct state_bundle *bundle)
{
	struct state_space *space = op_state(op)->space;
	struct arena *left;

	assert(__atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) == space->snapshot);
	space->epoch = bundle->epoch > space->epoch ? bundle->epoch : space->epoch;
	space->moved = space->epoch;
	if (space->log_longer != NULL && space->log != space->log_longer) {
		space_set_log(space, space->log_longer, space->log_longer_max);
	}
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		part->has_got = false;
	}
	left = bundle_take_known(space, bundle);
	bundle_take_left(space, left, &bundle->move.lost);
	space->size += bundle->size;
	bundle->first = NULL;
}

void
space_sort(struct lm_op *op, const uint16_t *leaves, const struct arena_label *label,
           uint64_t *lost)
{
	struct state_bundle bundle = { 0 };

	space_give(op, leaves, 1, &bundle);
	for (struct arena *first = bundle.first; first != NULL; first = first->last->next) {
		first->label = label[first->part_index];
	}
	space_take(op, &bundle);
	*lost += bundle.move.lost;
}

/* ---- other code in its place ---- */

static uint32_t
family_of(const struct arena_part *part)
{
	return part->family == NULL ? UINT32_MAX : part->family->index;
}

static bool
parts_alike(const struct arena_part *was, const struct arena_part *part)
{
	return was->size == part->size && was->by_slot == part->by_slot &&
	       was->is_value == part->is_value && was->arena_max == part->arena_max &&
	       was->ops == part->ops && family_of(was) == family_of(part) &&
	       (part->ops == NULL || part->ops->alike == NULL || part->ops->alike(was, part));
}

bool
space_alike(struct lm_op *was, struct lm_op *op)
{
	const struct arena_part *old = op_state(was)->space->part;
	const struct arena_part *part = op_state(op)->space->part;

	while (old != NULL && part != NULL && parts_alike(old, part)) {
		old = old->next;
		part = part->next;
	}
	return old == NULL && part == NULL;
}

/* Whoever opened it has its address: the bytes come to where it stands. */
static void
value_take_over(struct state_space *space, struct arena_part *part, const struct arena_part *was)
{
	for (uint32_t i = 0; i < part->arena_count; i++) {
		struct arena *arena = part->arena[i];

		arena_touch(space, arena, arena->memory, arena->size);
		memcpy(arena->memory, was->arena[i]->memory, arena->size);
	}
}

/* All arenas of a part leave its space. */
static void
part_leave(struct state_space *space, struct arena_part *part, struct state_bundle *bundle)
{
	memset(bundle, 0, sizeof(*bundle));
	bundle->end = &bundle->first;
	part_give(part, bundle, true);
	space->size -= bundle->size;
}

static void
part_come(struct state_space *space, struct arena_part *part, struct state_bundle *bundle)
{
	if (bundle->first != NULL) {
		part_take(space, part, bundle->first, NULL);
		space->size += bundle->size;
	}
}

/* Those that the part has of itself go the other way, and are freed with the slice that was. */
static void
part_take_over(struct state_space *space, struct arena_part *part, struct state_space *old,
               struct arena_part *was)
{
	struct arena_label label = was->label;
	struct state_bundle theirs, own;

	part_leave(old, was, &theirs);
	part_leave(space, part, &own);
	part_come(space, part, &theirs);
	part_come(old, was, &own);
	if (label.is_set) {
		arena_label(space, part, &label);
	}
}

void
space_take_over(struct lm_op *op, struct lm_op *was)
{
	struct state_space *space = op_state(op)->space, *old = op_state(was)->space;
	struct arena_part *from = old->part;

	assert(__atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) == space->snapshot);
	assert(__atomic_load_n(&old->finished, __ATOMIC_ACQUIRE) == old->snapshot);
	space->epoch = old->epoch > space->epoch ? old->epoch : space->epoch;
	space->moved = space->epoch;
	if (space->log_longer != NULL && space->log != space->log_longer) {
		space_set_log(space, space->log_longer, space->log_longer_max);
	}
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		if (part->is_value) {
			value_take_over(space, part, from);
		} else {
			part_take_over(space, part, old, from);
		}
		from = from->next;
	}
}
