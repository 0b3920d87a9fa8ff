/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots go from one space to another, by pointer. The arenas of a slot stay where they are, with
 * their marks; what changes is which part of which space has them, and that stands in the tables of
 * the parts, by slot: nothing of the arenas themselves is looked at, of which there may be many
 * thousands, none of them in a cache.
 *
 * Who gives strikes the slots off its list, who takes puts them on its own. What the tables of the
 * giver have of them stays there, and is the taker's: it copies that into its own when a part is
 * looked at for the first time, or behind the rows, a part at a time (space_settle). So rows wait
 * for the lists, and for the parts that they need: not for a thousand windows.
 */

#include "state/space.h"

#include <errno.h>
#include <string.h>

#include "core/canary.h"

/* ---- memory ---- */

static int
make_dues(struct lm_op *op, struct state_space *space, uint32_t bundles)
{
	size_t stride = sizeof(struct space_due) + space->part_count * sizeof(struct arena_part *);
	char *sources;

	assert(space->due_count == 0);
	if (bundles <= space->due_max) {
		return 0;
	}
	state_memory_free(space->due);
	space->due = state_memory_alloc(op, bundles * stride);
	space->due_max = space->due == NULL ? 0 : bundles;
	sources = (char *)(space->due + space->due_max);
	for (uint32_t i = 0; i < space->due_max; i++) {
		space->due[i].source = (struct arena_part **)(void *)sources;
		memset(sources, 0, space->part_count * sizeof(struct arena_part *));
		sources += space->part_count * sizeof(struct arena_part *);
	}
	return space->due == NULL ? -ENOMEM : 0;
}

static int
make_log(struct lm_op *op, struct state_space *space, uint32_t slots_max)
{
	uint32_t entries;

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

int
space_prepare(struct lm_op *op, uint32_t slots_max, uint32_t bundles)
{
	struct state_space *space = op_state(op)->space;
	int result = space == NULL ? 0 : make_dues(op, space, bundles);

	if (result != 0 || space == NULL || space->log_max == 0) {
		return result;
	}
	return make_log(op, space, slots_max);
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

/* The arenas of a slot are nobody's any more. */
static void
slot_leave(const struct state_space *space, uint32_t slot)
{
	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		if (part->by_slot) {
			arena_chunk_leave(arena_at(part, slot)->chunk);
		}
	}
}

void
space_close(struct lm_op *op)
{
	struct state_space *space = op_state(op)->space;

	assert(space->due_count == 0);
	for (uint32_t i = 0; i < space->slot_count; i++) {
		slot_leave(space, space->slot[i]);
	}
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		if (!part->by_slot) {
			arena_chunk_leave(arena_at(part, 0)->chunk);
		}
		part->arena_count = 0;
	}
	space->slot_count = 0;
	state_memory_free(space->due);
	state_memory_free(space->log_own);
	if (space->log_longer != space->log_own) {
		state_memory_free(space->log_longer);
	}
}

void
space_drop(struct state_bundle *bundle)
{
	for (uint32_t i = 0; i < bundle->slot_count; i++) {
		slot_leave(bundle->from, bundle->slot[i]);
	}
	bundle->from = NULL;
}

static void
part_moved(struct arena_part *part)
{
	if (part->ops != NULL && part->ops->moved != NULL) {
		part->ops->moved(part);
	}
}

/* ---- giving ---- */

/* Strikes the slots that are to leave off the list; returns them. */
static struct arena_slots
slots_leave(struct state_space *space, const uint16_t *slice_of, uint32_t to)
{
	struct arena_slots slots = { 0 };
	uint32_t kept = 0, gone = 0;
	uint16_t *given;

	if (space->slot_count == 0) {
		return slots;
	}
	/* All that one change gives away is behind each other, or before what it began with. */
	if (space->given_next + space->slot_count >= SPACE_GIVEN(space->slot_max)) {
		space->given_next = 0;
	}
	given = space->given + space->given_next;
	for (uint32_t i = 0; i < space->slot_count; i++) {
		uint16_t slot = space->slot[i];
		bool leaves = slice_of[slot] == to;

		space->slot[kept] = slot;
		given[gone] = slot;
		space->has_slot[slot] = !leaves;
		kept += !leaves;
		gone += leaves;
	}
	space->slot_count = kept;
	space->given_next += gone;
	slots.slot = given;
	slots.count = gone;
	return slots;
}

/* Parts of the space are behind with what is entered there. */
static struct space_due *
next_due(struct state_space *space, const struct arena_slots *slots)
{
	struct space_due *due = &space->due[space->due_count++];

	assert(space->due_count <= space->due_max);
	due->slots = *slots;
	space->unsettled = space->part;
	return due;
}

/* What the part is behind with now is seen to now, or later. */
static void
part_owe(struct arena_part *part)
{
	part->is_behind = true;
	if (!part->can_wait) {
		arena_part_settle(part);
	}
}

static void
part_give(struct arena_part *part, uint32_t slots)
{
	part->arena_count -= slots;
	part->given = part->label;
	part->given_chunks = part->chunk_count;
	part_owe(part);
	part_moved(part);
}

void
space_give(struct lm_op *op, const uint16_t *slice_of, uint32_t to, struct state_bundle *into)
{
	struct state_space *space = op_state(op)->space;
	struct arena_slots slots;
	struct space_due *due;

	assert(into->from == NULL);
	/* Nobody copies what leaves. */
	assert(__atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) == space->snapshot);
	slots = slots_leave(space, slice_of, to);
	into->move.slice_of = slice_of;
	into->move.to = to;
	into->from = space;
	into->slot = slots.slot;
	into->slot_count = slots.count;
	into->epoch = space->epoch;
	into->size = slots.count * space->slot_size;
	due = next_due(space, &slots);
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		due->source[part->index] = NULL;
		if (part->by_slot) {
			part_give(part, slots.count);
			into->arena_count += slots.count;
		}
	}
	space->size -= into->size;
	space->moved = space->epoch;
}

/* ---- who gets what ---- */

static bool
has_label(const struct arena_part *part, const struct arena_label *label)
{
	return part->label.is_set && part->label.of == label->of;
}

/* One that is alone may have labels, too. */
static bool
goes_by_label(const struct arena_part *same, const struct arena_part *given)
{
	return same->family != NULL || same->label.is_set || given->given.is_set;
}

/*
 * The part of a family that has the label, or else one that has none yet, best the one in the same
 * place; NULL: neither.
 */
static struct arena_part *
family_find(struct state_space *space, struct arena_part *same, const struct arena_label *label)
{
	struct arena_part *unused = !same->label.is_set && same->source == NULL ? same : NULL;

	if (has_label(same, label) && same->source == NULL) {
		return same;
	}
	for (struct arena_part *part = same->family; part != NULL; part = part->next) {
		if (part->family != same->family || part->source != NULL) {
			continue;
		}
		if (has_label(part, label)) {
			return part;
		}
		unused = unused == NULL && !part->label.is_set ? part : unused;
	}
	if (unused != NULL) {
		arena_label(space, unused, label);
	}
	return unused;
}

/* Any part of a family that gets nothing of this bundle; there is one for each that gave some. */
static struct arena_part *
family_left(struct arena_part *same)
{
	struct arena_part *part = same->source == NULL ? same : same->family;

	while (part->family != same->family || part->source != NULL) {
		part = part->next;
	}
	return part;
}

/*
 * For each part of a space where arenas come from, `from` the first of them, one of this space is
 * chosen to have them: its own likeness, or, in a family, first those of the same label, and for
 * the others whatever is left. Of those in use that find no place the keys are lost.
 */
static void
space_choose(struct state_space *space, struct arena_part *from)
{
	struct arena_part *same, *given;

	for (same = space->part; same != NULL; same = same->next) {
		same->source = NULL;
		same->loses = false;
	}
	for (same = space->part, given = from; same != NULL;
	     same = same->next, given = given->next) {
		struct arena_part *to = same->by_slot ? same : NULL;

		if (to != NULL && goes_by_label(same, given)) {
			to = given->given.is_set ? family_find(space, same, &given->given) : NULL;
		}
		same->has_place = to != NULL;
		if (to != NULL) {
			to->source = given;
		}
	}
	for (same = space->part, given = from; same != NULL;
	     same = same->next, given = given->next) {
		if (same->by_slot && !same->has_place) {
			struct arena_part *to = family_left(same);

			to->source = given;
			to->loses = given->given.is_set;
		}
	}
}

static void
part_empty(struct arena_part *part, const struct arena_slots *slots, uint64_t *lost)
{
	for (uint32_t i = 0; part->loses && i < slots->count; i++) {
		*lost += part->ops->empty(part, slots->slot[i]);
	}
}

/* So that it is found quickly which arena something is in. */
static void
part_know_chunks(struct arena_part *part, const struct arena_part *from)
{
	for (uint32_t k = 0; k < from->given_chunks; k++) {
		uint32_t i = 0;

		while (i < part->chunk_count && part->chunk[i] != from->chunk[k]) {
			i++;
		}
		if (i == part->chunk_count && i < ARENA_PART_CHUNKS) {
			part->chunk[part->chunk_count++] = from->chunk[k];
		}
	}
}

/* ---- settling ---- */

static void
part_settle_gone(struct arena_part *part, const struct arena_slots *slots)
{
	for (uint32_t i = 0; part->whole_count > 0 && i < slots->count; i++) {
		part->whole_count -= part->whole[slots->slot[i]] == part->whole_epoch;
	}
	if (part->ops != NULL && part->ops->gave != NULL) {
		part->ops->gave(part, slots);
	}
}

static void
part_settle_whole(struct arena_part *part, const struct arena_part *from,
                  const struct arena_slots *slots)
{
	uint32_t epoch = part->space->epoch, fresh = 0;

	for (uint32_t i = 0; i < slots->count; i++) {
		uint32_t slot = slots->slot[i];

		part->whole[slot] = from->whole[slot];
		fresh += part->whole[slot] == epoch;
	}
	if (fresh > 0 && part->whole_epoch != epoch) {
		part->whole_epoch = epoch;
		part->whole_count = 0;
	}
	part->whole_count += part->whole_epoch == epoch ? fresh : 0;
}

static void
part_settle_come(struct arena_part *part, struct arena_part *from, const struct arena_slots *slots)
{
	int64_t apart = (int64_t)(from->base - part->base);
	uint32_t missing = 0;

	for (uint32_t i = 0; i < slots->count; i++) {
		uint32_t slot = slots->slot[i];
		int64_t at = from->at[slot];

		missing += at == from->nowhere || part->at[slot] != part->nowhere;
		from->at[slot] = from->nowhere;
		part->at[slot] = at + apart;
	}
	assert(missing == 0);
	part_know_chunks(part, from);
	if (part->whole != NULL) {
		part_settle_whole(part, from, slots);
	}
	if (part->ops != NULL && part->ops->took != NULL) {
		part->ops->took(part, from, slots);
	}
}

void
arena_part_settle(struct arena_part *part)
{
	const struct state_space *space = part->space;

	part->is_behind = false;
	for (; part->dues_done < space->due_count; part->dues_done++) {
		const struct space_due *due = &space->due[part->dues_done];
		struct arena_part *from = due->source[part->index];

		if (from == NULL) {
			part_settle_gone(part, &due->slots);
		} else {
			part_settle_come(part, from, &due->slots);
		}
	}
}

bool
space_settle(struct lm_op *op)
{
	struct state_space *space = op_state(op)->space;

	while (space->unsettled != NULL && !space->unsettled->is_behind) {
		space->unsettled = space->unsettled->next;
	}
	if (space->unsettled != NULL) {
		arena_part_settle(space->unsettled);
		return false;
	}
	for (struct arena_part *part = space->part; space->due_count > 0 && part != NULL;
	     part = part->next) {
		part->dues_done = 0;
	}
	space->due_count = 0;
	return true;
}

/* ---- taking ---- */

static void
part_take(struct arena_part *part, const struct arena_slots *slots, uint64_t *lost)
{
	assert(part->size == part->source->size);
	assert(part->arena_count + slots->count <= part->arena_max);
	part->arena_count += slots->count;
	part_owe(part);
	if (part->loses) {
		arena_part_settle(part);
		part_empty(part, slots, lost);
	}
	part_moved(part);
}

static void
slots_come(struct state_space *space, const struct arena_slots *slots)
{
	assert(space->slot_count + slots->count <= space->slot_max);
	for (uint32_t i = 0; i < slots->count; i++) {
		space->slot[space->slot_count++] = slots->slot[i];
		space->has_slot[slots->slot[i]] = 1;
	}
}

/* With what comes, as of `epoch`, and the log that it needs. */
static void
space_go_on(struct state_space *space, uint32_t epoch)
{
	space->epoch = epoch > space->epoch ? epoch : space->epoch;
	space->moved = space->epoch;
	if (space->log_longer != NULL && space->log != space->log_longer) {
		space_set_log(space, space->log_longer, space->log_longer_max);
	}
}

void
space_take(struct lm_op *op, struct state_bundle *bundle)
{
	struct state_space *space = op_state(op)->space;
	struct arena_slots slots = { .slot = bundle->slot, .count = bundle->slot_count };
	struct space_due *due;

	assert(__atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) == space->snapshot);
	space_go_on(space, bundle->epoch);
	slots_come(space, &slots);
	space_choose(space, bundle->from->part);
	due = next_due(space, &slots);
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		due->source[part->index] = part->source;
		if (part->by_slot) {
			part_take(part, &slots, &bundle->move.lost);
		}
	}
	space->size += bundle->size;
	bundle->from = NULL;
}

/* ---- behind a restore ---- */

/* The arenas of a slot, [part] in `was`, come to the parts that were chosen for them. */
static void
slot_sort(struct state_space *space, uint16_t slot, struct arena **was, uint64_t *lost)
{
	struct arena_slots one = { .slot = &slot, .count = 1 };
	struct arena_part *part;

	for (part = space->part; part != NULL; part = part->next) {
		if (part->by_slot) {
			was[part->index] = arena_at(part, slot);
			part->ops->gave(part, &one);
		}
	}
	for (part = space->part; part != NULL; part = part->next) {
		if (part->by_slot) {
			struct arena *arena = was[part->source->index];

			arena->part = part;
			part->at[slot] = (int64_t)((uintptr_t)arena - part->base);
			part->ops->found(part, slot);
			part_empty(part, &one, lost);
		}
	}
}

void
space_sort(struct lm_op *op, const uint16_t *leaves, const struct arena_label *label,
           struct arena **was, uint64_t *lost)
{
	struct state_space *space = op_state(op)->space;

	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		part->given = label[part->index];
		part->given_chunks = part->chunk_count;
	}
	space_choose(space, space->part);
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		if (part->by_slot) {
			part_know_chunks(part, part->source);
		}
	}
	for (uint32_t i = 0; i < space->slot_count; i++) {
		if (leaves[space->slot[i]] == 1) {
			slot_sort(space, space->slot[i], was, lost);
		}
	}
	space->moved = space->epoch;
}

/* ---- other code in its place ---- */

static uint32_t
family_of(const struct arena_part *part)
{
	return part->family == NULL ? UINT32_MAX : part->family->index;
}

bool
space_parts_alike(const struct arena_part *was, const struct arena_part *part)
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

	while (old != NULL && part != NULL && space_parts_alike(old, part)) {
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
		struct arena *arena = arena_nth(part, i);

		arena_touch(space, part, arena, arena->memory, arena->size);
		memcpy(arena->memory, arena_nth(was, i)->memory, arena->size);
	}
}

/* A map of one slot, which it has of itself: that goes the other way, and is freed with `was`. */
static void
map_take_over(struct arena_part *part, struct arena_part *was)
{
	uint16_t none = 0;
	struct arena_slots one = { .slot = &none, .count = 1 };
	uintptr_t own = (uintptr_t)arena_at(part, 0), theirs = (uintptr_t)arena_at(was, 0);

	part->ops->gave(part, &one);
	was->ops->gave(was, &one);
	part->at[0] = (int64_t)(theirs - part->base);
	was->at[0] = (int64_t)(own - was->base);
	part->ops->found(part, 0);
	was->ops->found(was, 0);
	part->whole[0] = was->whole[0] = 0;
	part->whole_count = was->whole_count = 0;
	part_know_chunks(part, was);
}

static void
part_take_over(struct state_space *space, struct arena_part *part, struct arena_part *was,
               const struct arena_slots *slots)
{
	was->given = was->label;
	was->given_chunks = was->chunk_count;
	if (!part->by_slot) {
		map_take_over(part, was);
	} else {
		was->arena_count = 0;
		part->arena_count += slots->count;
		part_owe(part);
		part_moved(part);
	}
	if (was->label.is_set) {
		arena_label(space, part, &was->label);
	}
}

void
space_take_over(struct lm_op *op, struct lm_op *was)
{
	struct state_space *space = op_state(op)->space, *old = op_state(was)->space;
	struct arena_slots slots = { .slot = old->slot, .count = old->slot_count };
	struct arena_part *from = old->part;
	struct space_due *due;

	assert(__atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) == space->snapshot);
	assert(__atomic_load_n(&old->finished, __ATOMIC_ACQUIRE) == old->snapshot);
	space_go_on(space, old->epoch);
	slots_come(space, &slots);
	old->slot_count = 0;
	space->size += slots.count * space->slot_size;
	due = next_due(space, &slots);
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		due->source[part->index] = from;
		if (part->is_value) {
			value_take_over(space, part, from);
		} else {
			part_take_over(space, part, from, &slots);
		}
		from = from->next;
	}
}

/* ---- code of another version in its place ---- */

/* Two parts, in spaces that both have the slots, exchange what they have of them. */
static void
parts_exchange(struct arena_part *part, struct arena_part *was, const struct arena_slots *slots)
{
	part->ops->gave(part, slots);
	was->ops->gave(was, slots);
	for (uint32_t i = 0; i < slots->count; i++) {
		uint32_t slot = slots->slot[i];
		uintptr_t own = (uintptr_t)arena_at(part, slot);
		uintptr_t theirs = (uintptr_t)arena_at(was, slot);

		part->at[slot] = (int64_t)(theirs - part->base);
		was->at[slot] = (int64_t)(own - was->base);
		part->ops->found(part, slot);
		was->ops->found(was, slot);
		if (part->whole != NULL) {
			part->whole[slot] = was->whole[slot] = 0;
		}
	}
	/* Nothing was counted as whole yet in a space that begins. */
	part->whole_count = was->whole_count = 0;
	part->whole_epoch = was->whole_epoch = 0;
}

/* Chunks of which nothing is left in a part may go. */
static void
parts_exchange_chunks(struct arena_part *part, struct arena_part *was, bool all)
{
	struct arena_part own = *part;

	own.given_chunks = part->chunk_count;
	was->given_chunks = was->chunk_count;
	if (all) {
		part->chunk_count = 0;
		part_know_chunks(part, was);
		was->chunk_count = 0;
	} else {
		part_know_chunks(part, was);
	}
	part_know_chunks(was, &own);
}

void
space_part_take_over(struct state_space *space, struct arena_part *part, struct state_space *old,
                     struct arena_part *was)
{
	uint16_t none = 0;
	struct arena_slots slots = { .slot = &none, .count = 1 };

	if (part->is_value) {
		value_take_over(space, part, was);
		return;
	}
	if (part->by_slot) {
		slots = (struct arena_slots){ .slot = old->slot, .count = old->slot_count };
	}
	parts_exchange(part, was, &slots);
	parts_exchange_chunks(part, was, true);
	if (was->label.is_set) {
		arena_label(space, part, &was->label);
	}
}

void
space_part_take_slots(struct state_space *space, struct arena_part *part, struct arena_part *was,
                      const uint16_t *mine)
{
	uint32_t taken = 0;

	for (uint32_t slot = 0; slot < part->arena_max; slot++) {
		uint16_t one = (uint16_t)slot;

		if (mine[slot] != 0) {
			parts_exchange(part, was,
			               &(struct arena_slots){ .slot = &one, .count = 1 });
			taken++;
		}
	}
	parts_exchange_chunks(part, was, taken == part->arena_count);
	if (taken > 0 && was->label.is_set) {
		arena_label(space, part, &was->label);
	}
}

void
space_follow(struct state_space *space, struct state_space *old)
{
	assert(__atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) == space->snapshot);
	assert(__atomic_load_n(&old->finished, __ATOMIC_ACQUIRE) == old->snapshot);
	assert(old->due_count == 0);
	space_go_on(space, old->epoch);
}
