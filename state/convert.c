/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One version's state becomes another's, slot by slot: which parts go by pointer, which slots wait,
 * and calling the class for one of them. See state/convert.h.
 */

#include "state/convert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/canary.h"
#include "core/env.h"
#include "state/lm_convert.h"
#include "state/map.h"
#include "state/space.h"

enum slot_phase { SLOT_THERE, SLOT_WAITS, SLOT_UNDER_WAY, SLOT_FAILED };

struct space_conversion {
	struct lm_op *op;
	struct state_converter how;
	struct state_space *space,
	    *was; /* of `op`; of the other version's slice, NULL: it has none */
	struct lm_conversion call;
	uint32_t slots, next; /* the background's: those before are through */
	bool is_busy;         /* in the class's function */
	bool is_paused;       /* which is to be called again for the slot */
	int64_t until_ns;     /* when that is; 0: never, a row waits */
	uint16_t *whence;     /* [slot]: see take_unconverted */
	uint8_t phase[];      /* [slot]: enum slot_phase */
};

/* A step is to be over within 20 us; groups of keys and what ends it come behind this. */
int64_t conversion_step_ns = 12000;

/* ---- which parts ---- */

/* Whether the newer of two parts says that it is what the older one is. */
static bool
part_is_unchanged(const struct state_converter *how, const struct arena_part *was,
                  const struct arena_part *part)
{
	const struct arena_part *newer = how->is_back ? was : part;
	uint32_t older = how->is_back ? how->version : how->was_version;

	return newer->has_since && newer->since <= older;
}

/* The part of a space at the place that another one has in its own; NULL: there is none. */
static struct arena_part *
part_like(const struct state_space *space, const struct arena_part *part)
{
	struct arena_part *like = space == NULL ? NULL : space->part;

	while (like != NULL && like->index != part->index) {
		like = like->next;
	}
	return like;
}

const char *
space_can_convert(struct lm_op *op, const struct state_converter *how)
{
	const struct state_space *space = op_state(op)->space, *was = op_state(how->was)->space;
	bool changes = was != NULL && was->part_count != space->part_count;

	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		const struct arena_part *old = part_like(was, part);

		if (old == NULL || !part_is_unchanged(how, old, part)) {
			changes = true;
		} else if (!space_parts_alike(old, part)) {
			return "says of a map, list or value that it is unchanged, and has it in "
			       "another shape or place";
		}
	}
	return changes && how->convert == NULL ? "cannot convert it" : NULL;
}

int
space_prepare_conversion(struct lm_op *op, const struct state_converter *how)
{
	struct op_state *state = op_state(op);
	uint32_t slots = 1u << state->slot_bits;
	struct space_conversion *c = lm_op_alloc(op, sizeof(*c) + slots);
	uint16_t *whence = lm_op_alloc(op, slots * sizeof(*whence));

	if (c == NULL || whence == NULL) {
		return -ENOMEM;
	}
	c->op = op;
	c->how = *how;
	c->space = state->space;
	c->was = op_state(how->was)->space;
	c->slots = slots;
	c->whence = whence;
	c->call.version = how->is_back ? how->version : how->was_version;
	c->call.other = how->is_back ? op : how->was;
	state->space->conversion_next = c;
	return 0;
}

/* ---- one slot ---- */

static void
note(struct space_conversion *c, uint32_t slot, enum slot_phase phase)
{
	struct op_state *state = op_state(c->op);

	c->phase[slot] = (uint8_t)phase;
	if (phase == SLOT_FAILED) {
		if (!state->convert_failed) {
			snprintf(state->convert_why, sizeof(state->convert_why), "slot %u: %s",
			         slot, c->call.why[0] == '\0' ? "no reason given" : c->call.why);
		}
		__atomic_store_n(&state->convert_failed, true, __ATOMIC_RELEASE);
		__atomic_store_n(&state->slots_failed, state->slots_failed + 1, __ATOMIC_RELAXED);
	}
}

/* A conversion that stopped half way leaves nothing. */
static void
clear_slot(struct space_conversion *c, uint32_t slot)
{
	for (struct arena_part *part = c->space->part; part != NULL; part = part->next) {
		if (part->by_slot && !part->came_along && part->ops->empty != NULL) {
			(void)part->ops->empty(part, slot);
		}
	}
}

/* Its keys count as those that wait, or no more. */
static void
count_waiting(struct space_conversion *c, uint32_t slot, bool waits)
{
	for (struct arena_part *part = c->space->part; part != NULL; part = part->next) {
		if (part->by_slot && !part->came_along && part->ops->slot_waits != NULL) {
			part->ops->slot_waits(part, part_like(c->was, part), slot, waits);
		}
	}
}

/* No slot waits any more: who misses a key asks nobody. Those that failed are asked about. */
static void
finish(struct space_conversion *c)
{
	if (op_state(c->op)->convert_failed) {
		return;
	}
	for (struct arena_part *part = c->space->part; part != NULL; part = part->next) {
		if (part->ops != NULL && part->ops->waits != NULL) {
			part->ops->waits(part, NULL, NULL);
		}
	}
	c->space->conversion = NULL;
}

bool
conversion_may_pause(const struct space_conversion *c)
{
	return c != NULL && c->until_ns != 0;
}

bool
conversion_pauses(struct space_conversion *c)
{
	if (!conversion_may_pause(c) || env_now_ns() < c->until_ns) {
		return false;
	}
	c->is_paused = true;
	return true;
}

/* The class's function, until it is through or its time is over. Whether it is through. */
static bool
convert_step(struct space_conversion *c, uint32_t slot, int64_t until_ns, int *result)
{
	arena_publish(c->space);
	note(c, slot, SLOT_UNDER_WAY);
	count_waiting(c, slot, false);
	c->is_busy = true;
	c->is_paused = false;
	c->until_ns = until_ns;
	c->call.slot = slot;
	c->call.why[0] = '\0';
	if (!CANARY(CANARY_SLOT_FORGOTTEN) || slot % 4 != 3) {
		*result = state_converter_call(&c->how, c->op, &c->call);
	}
	c->is_busy = false;
	c->until_ns = 0;
	/* Rows do not find half of a slot. */
	if (*result != 0 || c->is_paused) {
		clear_slot(c, slot);
	}
	/* Whatever the function made of being told so. */
	return !c->is_paused || *result < 0;
}

/* All of it; or, with a time at which to stop, as much as is done by then. */
static void
convert_slot(struct space_conversion *c, uint32_t slot, int64_t until_ns)
{
	struct op_state *state = op_state(c->op);
	uint32_t left = state->slots_waiting - 1;
	int result = 0;

	if (!convert_step(c, slot, until_ns, &result)) {
		count_waiting(c, slot, true);
		note(c, slot, SLOT_WAITS);
		return;
	}
	note(c, slot, result == 0 ? SLOT_THERE : SLOT_FAILED);
	if (CANARY(CANARY_SLOT_TWICE) && result == 0 && slot % 4 == 3) {
		(void)state_converter_call(&c->how, c->op, &c->call);
	}
	if (left == 0) {
		finish(c);
	}
	/* From here on the other version's slice may go. */
	__atomic_store_n(&state->slots_waiting, left, __ATOMIC_RELEASE);
}

bool
conversion_lets(struct space_conversion *c, uint32_t slot)
{
	switch ((enum slot_phase)c->phase[slot]) {
	case SLOT_THERE:
	case SLOT_UNDER_WAY:
		return true;
	case SLOT_FAILED:
		return false;
	case SLOT_WAITS:
		break;
	}
	if (c->is_busy) {
		return false;
	}
	if (!CANARY(CANARY_SLOT_OLD)) {
		convert_slot(c, slot, 0);
	}
	return c->phase[slot] != SLOT_FAILED;
}

void
conversion_let_all(struct space_conversion *c)
{
	for (uint32_t slot = 0; slot < c->slots; slot++) {
		(void)conversion_lets(c, slot);
	}
}

bool
space_convert_some(struct lm_op *op)
{
	struct op_state *state = op_state(op);
	struct space_conversion *c = state->space->conversion;

	if (state->slots_waiting == 0) {
		return false;
	}
	while (c->phase[c->next] != SLOT_WAITS) {
		c->next++;
	}
	convert_slot(c, c->next, env_now_ns() + conversion_step_ns);
	return state->slots_waiting > 0;
}

void
space_convert_none(struct lm_op *op, const char *why)
{
	struct op_state *state = op_state(op);
	struct space_conversion *c = state->space->conversion;

	snprintf(state->convert_why, sizeof(state->convert_why), "%s", why);
	__atomic_store_n(&state->convert_failed, true, __ATOMIC_RELEASE);
	for (uint32_t slot = 0; c != NULL && slot < c->slots; slot++) {
		if (c->phase[slot] == SLOT_WAITS) {
			count_waiting(c, slot, false);
			note(c, slot, SLOT_FAILED);
		}
	}
	__atomic_store_n(&state->slots_waiting, 0, __ATOMIC_RELEASE);
}

/* ---- the beginning ---- */

/* Parts that are what they were come, with all that is in them. */
static void
take_unchanged(struct space_conversion *c)
{
	for (struct arena_part *part = c->space->part; part != NULL; part = part->next) {
		struct arena_part *old = part_like(c->was, part);

		part->came_along = old != NULL && part_is_unchanged(&c->how, old, part);
		if (part->came_along) {
			old->came_along = true;
			space_part_take_over(c->space, part, c->was, old);
		}
	}
}

/*
 * Back to the code before: slots that the newer version has not converted, or could not, still are
 * with the slice of then. They come from there by pointer.
 */
static void
take_unconverted(struct space_conversion *c)
{
	struct space_conversion *newer =
	    c->how.is_back && c->was != NULL ? c->was->conversion : NULL;
	struct state_space *first = newer == NULL ? NULL : newer->was;

	if (first == NULL) {
		return;
	}
	for (uint32_t slot = 0; slot < c->slots; slot++) {
		c->whence[slot] = newer->phase[slot] != SLOT_THERE;
		if (c->whence[slot] != 0) {
			c->phase[slot] = SLOT_THERE;
			/* It has nothing to convert it from any more. */
			newer->phase[slot] = SLOT_FAILED;
		}
	}
	for (struct arena_part *part = c->space->part; part != NULL; part = part->next) {
		struct arena_part *old = part_like(first, part);

		if (part->by_slot && !part->came_along && old != NULL && old->by_slot) {
			space_part_take_slots(c->space, part, old, c->whence);
		}
	}
}

/* What belongs to no slot, where the newer version could not begin. */
static void
take_rest(struct space_conversion *c)
{
	const struct op_state *newer = op_state(c->how.was);
	struct state_space *first = newer->rest_failed ? op_state(newer->was)->space : NULL;

	for (struct arena_part *part = c->space->part; first != NULL && part != NULL;
	     part = part->next) {
		struct arena_part *old = part_like(first, part);

		if (!part->by_slot && !part->came_along && old != NULL) {
			space_part_take_over(c->space, part, first, old);
		}
	}
}

/* Whether anything of a slot has to be converted. */
static bool
waits_for_slots(const struct space_conversion *c)
{
	bool waits = false;

	for (const struct arena_part *part = c->was == NULL ? NULL : c->was->part; part != NULL;
	     part = part->next) {
		waits |= part->by_slot && !part->came_along;
	}
	return waits;
}

static uint32_t
mark_waiting(struct space_conversion *c)
{
	const struct op_state *state = op_state(c->op);
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < c->slots; slot++) {
		if (state->slice_of == NULL || state->slice_of[slot] == state->index) {
			c->phase[slot] = SLOT_WAITS;
		}
	}
	take_unconverted(c);
	for (uint32_t slot = 0; slot < c->slots; slot++) {
		count += c->phase[slot] == SLOT_WAITS;
	}
	return count;
}

void
space_convert(struct lm_op *op)
{
	struct op_state *state = op_state(op);
	struct space_conversion *c = state->space->conversion_next;

	if (c->was != NULL) {
		/* A twin has only now got its slots. */
		while (!space_settle(c->how.was)) {
		}
		space_follow(c->space, c->was);
	}
	take_unchanged(c);
	if (c->how.is_back) {
		take_rest(c);
	}
	if (!waits_for_slots(c)) {
		return;
	}
	state->slots_waiting = mark_waiting(c);
	if (state->slots_waiting == 0) {
		return;
	}
	c->space->conversion = c;
	for (struct arena_part *part = c->space->part; part != NULL; part = part->next) {
		if (part->by_slot && !part->came_along && part->ops->waits != NULL) {
			part->ops->waits(part, part_like(c->was, part), c);
		}
	}
	for (uint32_t slot = 0; slot < c->slots; slot++) {
		if (c->phase[slot] != SLOT_WAITS && c->whence[slot] != 0) {
			count_waiting(c, slot, false);
		}
	}
}

/* ---- what the class asks ---- */

/* The index-th part of a kind; NULL: there is none, or it is this version's by now. */
static void *
other_part(const struct lm_conversion *conversion, enum arena_part_kind kind, uint32_t index)
{
	const struct state_space *space = op_state(conversion->other)->space;

	for (const struct arena_part *part = space == NULL ? NULL : space->part; part != NULL;
	     part = part->next) {
		if (part->kind == kind && index-- == 0) {
			return part->came_along ? NULL : part->owner;
		}
	}
	return NULL;
}

struct lm_map *
lm_conversion_map(const struct lm_conversion *conversion, uint32_t index)
{
	return other_part(conversion, PART_MAP, index);
}

struct lm_lists *
lm_conversion_list(const struct lm_conversion *conversion, uint32_t index)
{
	return other_part(conversion, PART_LIST, index);
}

struct lm_value *
lm_conversion_value(const struct lm_conversion *conversion, uint32_t index)
{
	return other_part(conversion, PART_VALUE, index);
}

void
space_part_unchanged(struct arena_part *part, uint32_t version)
{
	part->has_since = true;
	part->since = version;
}
