/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slices of an operator from what an epoch has of them: each goes on where it was; or, where
 * there are more or fewer of them now, slots come to whoever has them now, and what slices left
 * besides is merged.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "core/lm_serial.h"
#include "state/snapshot_run.h"
#include "state/space.h"

/* ---- records ---- */

static int
read_record(const struct manifest_record *entry, struct slice_record *record)
{
	struct snapshot_slice *head = &record->head;

	if (entry->size < sizeof(*head)) {
		return -EINVAL;
	}
	memcpy(head, entry->bytes, sizeof(*head));
	record->engine = entry->bytes + sizeof(*head);
	record->class = record->engine + head->engine_size;
	record->shape = record->class + head->class_size;
	if (head->format != SNAPSHOT_FORMAT ||
	    entry->size !=
	        sizeof(*head) + (uint64_t)head->engine_size + head->class_size + head->shape_size) {
		return -EINVAL;
	}
	return 0;
}

/* The record of a slice of then; NULL: there was none. */
static const struct manifest_record *
find_record(const struct snapshots *s, const struct restore_op *ro, uint32_t slice)
{
	char name[MANIFEST_RECORD_MAX];
	int length =
	    snprintf(name, sizeof(name), SNAPSHOT_RECORD_SLICE "%s/%u", ro->op->name, slice);

	return length < (int)sizeof(name) ? manifest_record(s->good->manifest, name) : NULL;
}

static int
find_records(struct snapshots *s, struct restore_op *ro, char why[SNAPSHOT_WHY])
{
	const struct manifest_record *first = find_record(s, ro, 0);
	struct slice_record record = { 0 };
	int result = first == NULL ? 0 : read_record(first, &record);

	if (first == NULL) {
		return 0;
	}
	ro->old_count = result == 0 ? record.head.slices : 0;
	if (result == 0 && ro->old_count >= 1 && ro->old_count <= LM_SLICES_MAX) {
		ro->old = calloc(ro->old_count, sizeof(*ro->old));
	}
	for (uint32_t i = 0; ro->old != NULL && result == 0 && i < ro->old_count; i++) {
		const struct manifest_record *entry = find_record(s, ro, i);

		result = entry == NULL ? -EINVAL : read_record(entry, &ro->old[i]);
		result = result == 0 && ro->old[i].head.slices != ro->old_count ? -EINVAL : result;
	}
	if (ro->old == NULL || result != 0) {
		return restore_say(why, -EINVAL,
		                   "epoch %" PRIu64 ": the records of %s make no sense",
		                   s->good_epoch, ro->op->name);
	}
	return 0;
}

static bool
has_ended(const struct slice_record *record)
{
	return (record->head.flags & SNAPSHOT_ENDED) != 0;
}

static struct lm_op **
slices_of(const struct snapshots *s, const struct restore_op *ro)
{
	return &s->engine->slice[ro->op->first_slice];
}

/* ---- whether it fits ---- */

static struct snapshot_shape
shape_at(const struct slice_record *record, uint32_t index)
{
	struct snapshot_shape shape;

	memcpy(&shape, record->shape + index * sizeof(shape), sizeof(shape));
	return shape;
}

static bool
shape_fits(const struct restore_op *ro, const struct state_space *space,
           const struct slice_record *record)
{
	uint32_t i = 0;

	if (space == NULL ||
	    record->head.shape_size != space->part_count * sizeof(struct snapshot_shape)) {
		return space == NULL && record->head.shape_size == 0;
	}
	for (const struct arena_part *part = space->part; part != NULL; part = part->next, i++) {
		struct snapshot_shape shape = shape_at(record, i);
		bool by_slot = (shape.flags & SNAPSHOT_BY_SLOT) != 0;

		if (shape.arena_size != part->size || by_slot != part->by_slot ||
		    (!(ro->is_dealt && by_slot) && shape.arena_count != part->arena_count)) {
			return false;
		}
	}
	return true;
}

/* Whether slots may be dealt anew: the class can, and all maps are by slot. */
static bool
can_be_dealt(const struct snapshots *s, const struct restore_op *ro, const char **why)
{
	const struct state_space *space = slices_of(s, ro)[0]->state.space;
	bool has_values = false;

	if (!op_can_resize(ro->op->class, why)) {
		return false;
	}
	for (const struct arena_part *part = space == NULL ? NULL : space->part; part != NULL;
	     part = part->next) {
		if (!part->by_slot && !part->is_value) {
			*why = "keeps keys that are not what its rows are routed by";
			return false;
		}
		has_values |= part->is_value;
	}
	if (ro->op->class->adopt == NULL && (has_values || ro->op->class->serialize != NULL)) {
		*why = "is of a class that cannot merge what its slices left (adopt)";
		return false;
	}
	return true;
}

/* Whether each slice has the slots that the slice of its number had. */
static bool
has_same_slots(const struct snapshots *s, const struct restore_op *ro)
{
	struct lm_op **slice = slices_of(s, ro);

	for (uint32_t i = 0; ro->old_count == ro->op->slices && i < ro->old_count; i++) {
		if (!has_ended(&ro->old[i]) &&
		    ro->old[i].head.owned != snapshots_owned(slice[i]->state.space)) {
			return false;
		}
	}
	return ro->old_count == ro->op->slices;
}

static int
check_dealt(struct snapshots *s, const struct restore_op *ro, char why[SNAPSHOT_WHY])
{
	const char *reason = "";

	if (ro->old[0].head.slots != ro->op->slots) {
		return restore_say(why, -EINVAL,
		                   "%s had %u slots when epoch %" PRIu64
		                   " was taken, and now has %u: run it as it was (settings.slots, "
		                   "its number of keys), or name another folder to start anew",
		                   ro->op->name, ro->old[0].head.slots, s->good_epoch,
		                   ro->op->slots);
	}
	if (ro->is_dealt && !can_be_dealt(s, ro, &reason)) {
		return restore_say(
		    why, -EINVAL,
		    "%s had %u slices when epoch %" PRIu64
		    " was taken, and now has %u; that cannot be, for it %s: run it as "
		    "it was, or name another folder to start anew",
		    ro->op->name, ro->old_count, s->good_epoch, ro->op->slices, reason);
	}
	return 0;
}

static int
check_record(struct snapshots *s, const struct restore_op *ro, uint32_t index,
             char why[SNAPSHOT_WHY])
{
	const struct slice_record *record = &ro->old[index];
	const struct lm_op *slice = slices_of(s, ro)[ro->is_dealt ? 0 : index];
	const struct snapshot_slice *head = &record->head;
	const struct lm_op_class *class = ro->op->class;

	if (!has_ended(record) && !shape_fits(ro, slice->state.space, record)) {
		return restore_say(
		    why, -EINVAL,
		    "%s keeps its state in another shape than when epoch %" PRIu64
		    " was taken (its keys, bounds or windows were changed): run it as "
		    "it was, or name another folder to start anew",
		    ro->op->name, s->good_epoch);
	}
	if (head->state_version > class->state_version) {
		return restore_say(
		    why, -EINVAL,
		    "%s: the snapshot is of a newer version of class %s (state version "
		    "%u) than this one (%u)",
		    ro->op->name, class->name, head->state_version, class->state_version);
	}
	return 0;
}

int
restore_ops_find(struct snapshots *s, struct restore_op *ops, char why[SNAPSHOT_WHY])
{
	const struct lm_graph *graph = s->engine->graph;
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < graph->operator_count; i++) {
		struct restore_op *ro = &ops[i];

		ro->op = &graph->op[i];
		ro->number = i;
		if (s->wanted != NULL && !s->wanted[i]) {
			continue;
		}
		result = find_records(s, ro, why);
		if (result != 0 || ro->old == NULL) {
			continue;
		}
		ro->is_dealt = !has_same_slots(s, ro);
		result = check_dealt(s, ro, why);
		for (uint32_t k = 0; result == 0 && k < ro->old_count; k++) {
			result = check_record(s, ro, k, why);
		}
	}
	return result;
}

void
restore_ops_free(const struct snapshots *s, struct restore_op *ops)
{
	for (uint32_t i = 0; i < s->engine->graph->operator_count; i++) {
		free(ops[i].old);
	}
}

uint32_t
restore_ops_parts(struct snapshots *s, struct restore_op *ops, struct restore_part *part)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->engine->graph->operator_count; i++) {
		struct restore_op *ro = &ops[i];

		for (uint32_t k = 0; k < ro->old_count; k++) {
			struct slice_record *old = &ro->old[k];

			if (has_ended(old) || (old->head.flags & SNAPSHOT_HAS_PART) == 0) {
				continue;
			}
			old->part = &part[count++];
			*old->part = (struct restore_part){
				.slice = slices_of(s, ro) + (ro->is_dealt ? 0 : k),
				.slices = ro->is_dealt ? ro->op->slices : 1,
				.is_dealt = ro->is_dealt,
				.id = { .op = old->head.op, .slice = old->head.slice },
			};
		}
	}
	return count;
}

/* ---- going on: a slice where it was ---- */

static int
say_inputs(const struct snapshots *s, const struct lm_op *slice, char why[SNAPSHOT_WHY])
{
	return restore_say(why, -EINVAL,
	                   "%s has other inputs than when epoch %" PRIu64
	                   " was taken: run it as it was, or name another folder to start anew",
	                   slice->name, s->good_epoch);
}

static int
fill_space(struct snapshots *s, struct lm_op *slice, char why[SNAPSHOT_WHY])
{
	struct state_space *space = slice->state.space;

	if (space != NULL && !space_restored(space, (uint32_t)s->good_epoch)) {
		return restore_say(why, -EINVAL,
		                   "%s: its maps do not fit what epoch %" PRIu64 " holds",
		                   slice->name, s->good_epoch);
	}
	return 0;
}

static int
say_class(const struct snapshots *s, const struct lm_op *slice, char why[SNAPSHOT_WHY])
{
	return restore_say(why, -EINVAL,
	                   "%s: class %s cannot read what it wrote into epoch %" PRIu64,
	                   slice->name, slice->class->name, s->good_epoch);
}

static void
set_ended(struct lm_op *slice)
{
	slice->had_ended = true;
	slice->ending = slice->is_source;
}

static int
resume_slice(struct snapshots *s, struct snap_slice *entry, const struct slice_record *record,
             const bool *is_dealt, char why[SNAPSHOT_WHY])
{
	const struct snapshot_slice *head = &record->head;
	struct slice_text text = { record->engine, head->engine_size };
	struct lm_op *slice = entry->slice;
	int result;

	if (has_ended(record)) {
		set_ended(slice);
		return 0;
	}
	if (slice_state_read(slice, &text, 1, is_dealt) != 0) {
		return say_inputs(s, slice, why);
	}
	result = fill_space(s, slice, why);
	if (result != 0) {
		return result;
	}
	/* A part goes by its operator's number: where that is another one now, it starts anew. */
	entry->base = head->op == slice->op ? (uint32_t)s->good_epoch : 0;
	if (slice->state.space != NULL) {
		slice->state.space->base_next = entry->base;
	}
	if (state_deserialize(slice, record->class, head->class_size, head->state_version) != 0) {
		return say_class(s, slice, why);
	}
	s->restored.slices++;
	return 0;
}

/* ---- going on: slots that are dealt anew ---- */

/* Blocks that one slice of then filled come to the maps of the same label. */
static int
sort_slots(struct lm_op *slice, const struct slice_record *old, uint64_t *lost)
{
	struct state_space *space = slice->state.space;
	struct arena_label *label = calloc(space->part_count + 1, sizeof(*label));
	uint16_t *leaves = calloc(1u << slice->state.slot_bits, sizeof(*leaves));
	struct arena **was = calloc(space->part_count + 1, sizeof(struct arena *));
	bool good = label != NULL && leaves != NULL && was != NULL;

	for (uint32_t i = 0; good && i < space->part_count; i++) {
		struct snapshot_shape shape = shape_at(old, i);

		label[i].is_set = (shape.flags & SNAPSHOT_LABELLED) != 0;
		label[i].of = shape.label;
	}
	for (uint32_t slot = 0; good && slot < 1u << slice->state.slot_bits; slot++) {
		leaves[slot] = old->part->owned[slot];
	}
	if (good) {
		space_sort(slice, leaves, label, was, lost);
	}
	free(was);
	free(label);
	free(leaves);
	return good ? 0 : -ENOMEM;
}

static int
adopt_one(struct lm_op *slice, const struct restore_op *ro, uint32_t index, uint64_t *lost)
{
	const struct slice_record *old = &ro->old[index];
	struct state_space *space = slice->state.space;
	uint32_t most = space == NULL ? 0 : space->part_count, i = 0;
	const void **value = calloc(most + 1, sizeof(*value));
	uint64_t *size = calloc(most + 1, sizeof(*size));
	struct lm_reader reader = { .bytes = old->class, .size = old->head.class_size };
	struct lm_adoption from = { .slice = index,
		                    .version = old->head.state_version,
		                    .reader = &reader,
		                    .value = value,
		                    .value_size = size,
		                    .slice_of = slice->state.slice_of,
		                    .slot_bits = slice->state.slot_bits,
		                    .index = slice->state.index,
		                    .is_last = true };
	int result = value == NULL || size == NULL ? -ENOMEM : 0;

	for (uint32_t k = index + 1; k < ro->old_count; k++) {
		from.is_last = from.is_last && has_ended(&ro->old[k]);
	}
	for (struct arena_part *part = result != 0 || space == NULL ? NULL : space->part;
	     part != NULL; part = part->next, i++) {
		if (part->is_value) {
			value[from.value_count] = old->part->value[i]->memory;
			size[from.value_count++] = part->size;
		}
	}
	result = result == 0 ? state_adopt(slice, &from) : result;
	*lost += from.lost;
	free(value);
	free(size);
	return result;
}

/* One slice out of all that there were; some of them had not ended. */
static int
deal_slice(struct snapshots *s, struct lm_op *slice, const struct restore_op *ro,
           const struct slice_text *text, uint32_t texts, const bool *is_dealt,
           char why[SNAPSHOT_WHY])
{
	uint64_t lost = 0;
	int result = 0;

	if (slice_state_read(slice, text, texts, is_dealt) != 0) {
		return say_inputs(s, slice, why);
	}
	result = fill_space(s, slice, why);
	if (result != 0) {
		return result;
	}
	/* Its parts are those of other slices: the next one is full. */
	if (slice->state.space != NULL) {
		slice->state.space->base_next = 0;
	}
	for (uint32_t k = 0; result == 0 && k < ro->old_count; k++) {
		if (ro->old[k].part != NULL) {
			result = sort_slots(slice, &ro->old[k], &lost);
		}
	}
	for (uint32_t k = 0; result == 0 && k < ro->old_count; k++) {
		if (!has_ended(&ro->old[k])) {
			result = adopt_one(slice, ro, k, &lost);
		}
	}
	if (result != 0) {
		return say_class(s, slice, why);
	}
	if (lost > 0) {
		return restore_say(
		    why, -EINVAL,
		    "%s: %" PRIu64 " keys of epoch %" PRIu64
		    " have no place in %u slices: raise its `windows` or `keys`, or run "
		    "it with %u slices as it was",
		    slice->name, lost, s->good_epoch, ro->op->slices, ro->old_count);
	}
	s->restored.slices++;
	return 0;
}

static int
deal_op(struct snapshots *s, const struct restore_op *ro, const bool *is_dealt,
        char why[SNAPSHOT_WHY])
{
	struct slice_text *text = calloc(ro->old_count, sizeof(*text));
	uint32_t texts = 0;
	int result = 0;

	if (text == NULL) {
		return restore_say(why, -ENOMEM, "no memory to go on from epoch %" PRIu64,
		                   s->good_epoch);
	}
	for (uint32_t k = 0; k < ro->old_count; k++) {
		if (!has_ended(&ro->old[k])) {
			text[texts++] =
			    (struct slice_text){ ro->old[k].engine, ro->old[k].head.engine_size };
		}
	}
	for (uint32_t i = 0; result == 0 && i < ro->op->slices; i++) {
		struct lm_op *slice = slices_of(s, ro)[i];

		if (texts == 0) {
			set_ended(slice);
		} else {
			result = deal_slice(s, slice, ro, text, texts, is_dealt, why);
		}
	}
	free(text);
	return result;
}

/* ---- those that had ended ---- */

/* Whether rows may come: from one that has not ended. */
static bool
has_live_input(const struct lm_op *slice)
{
	for (uint32_t i = 0; i < slice->input_count; i++) {
		if (!slice->input[i]->feedback && !slice->input[i]->from->had_ended) {
			return true;
		}
	}
	return false;
}

/* Who had ended, for nobody was left to send it rows, starts anew where somebody is now. */
static void
wake_ended(struct snapshots *s)
{
	bool found = true;

	while (found) {
		found = false;
		for (uint32_t i = 0; i < s->slice_count; i++) {
			struct lm_op *slice = s->slice[i].slice;

			if (slice->had_ended && has_live_input(slice)) {
				slice->had_ended = false;
				s->restored.fresh++;
				found = true;
			}
		}
	}
}

int
restore_ops_resume(struct snapshots *s, struct restore_op *ops, char why[SNAPSHOT_WHY])
{
	uint32_t count = s->engine->graph->operator_count;
	bool *is_dealt = calloc(count + 1, sizeof(*is_dealt));
	int result = 0;

	if (is_dealt == NULL) {
		return restore_say(why, -ENOMEM, "no memory to go on from epoch %" PRIu64,
		                   s->good_epoch);
	}
	for (uint32_t i = 0; i < count; i++) {
		is_dealt[i] = ops[i].is_dealt;
	}
	for (uint32_t i = 0; result == 0 && i < count; i++) {
		const struct restore_op *ro = &ops[i];

		if (ro->is_dealt) {
			result = deal_op(s, ro, is_dealt, why);
			continue;
		}
		s->restored.fresh += ro->old == NULL ? ro->op->slices : 0;
		for (uint32_t k = 0; result == 0 && k < ro->old_count; k++) {
			result = resume_slice(s, &s->slice[ro->op->first_slice + k], &ro->old[k],
			                      is_dealt, why);
		}
	}
	free(is_dealt);
	/* Some operators alone: the others are not there to say whether they had ended. */
	if (result == 0 && s->wanted == NULL) {
		wake_ended(s);
	}
	return result;
}
