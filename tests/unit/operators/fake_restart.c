/* SPDX-License-Identifier: BSD-3-Clause */
/* Restarts: a slice is taken into a snapshot and thrown away, and a new one goes on from that. */

#include "tests/unit/operators/fake_restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_serial.h"
#include "state/arena_copy.h"

/*
 * A restart behind so many callbacks, then ever more of them: a source that reads little at a time
 * is to get on.
 */
#define RESTART_FIRST 2u
#define RESTART_STEP 5u

/* A snapshot of a slice. */
struct kept {
	struct state_space *space; /* the old one */
	uint32_t epoch;
	char bytes[LM_SERIAL_MAX];
	struct lm_writer writer;
};

static uint32_t
arena_index(const struct arena *arena)
{
	uint32_t index = 0;

	while (arena_nth(arena->part, index) != arena) {
		index++;
	}
	return index;
}

/* The arena of the new space that stands where this one stands in the old one. */
static struct arena *
arena_like(const struct state_space *space, const struct arena *arena)
{
	struct arena_part *part = space->part;

	for (uint32_t i = 0; i < arena->part->index; i++) {
		part = part->next;
	}
	assert_int_equal(part->arena_count, arena->part->arena_count);
	return arena_nth(part, arena_index(arena));
}

static void
restore(struct kept *kept, struct state_space *space)
{
	static char bytes[3 * ARENA_CHUNK];
	struct arena_piece piece;
	struct arena_copy copy;

	assert_int_equal(space->part_count, kept->space->part_count);
	assert_true(arena_copy_begin(&copy, kept->space));
	while (arena_copy_next(&copy, &piece, bytes, sizeof(bytes))) {
		arena_restore(arena_like(space, piece.arena), piece.offset, bytes, piece.size,
		              kept->epoch);
	}
	arena_copy_end(&copy, 0);
	assert_true(space_restored(space, kept->epoch));
}

static void
take(struct lm_op *op, struct kept *kept, char *log)
{
	kept->space = op->state.space;
	kept->writer = (struct lm_writer){ .bytes = kept->bytes, .max = LM_SERIAL_MAX };
	if (op->subject->class->serialize != NULL) {
		op->subject->class->serialize(op, &kept->writer);
		assert_false(kept->writer.failed);
	}
	if (kept->space != NULL) {
		kept->space->log = log;
		kept->space->log_place = (void *)(log + ARENA_GRANULE);
		kept->space->log_max = 1;
		kept->space->base_next = 0; /* in full: nothing else is kept */
		kept->epoch = kept->space->epoch;
		assert_true(space_flip(kept->space, kept->epoch));
	}
}

static void
open_anew(struct lm_op *op)
{
	const struct lm_op_class *class = op->subject->class;
	size_t size = (class->context_size + 64) & ~(size_t)63;

	if (class->close != NULL) {
		op->callback = FAKE_CLOSE;
		class->close(op);
	}
	memset(op->context, 0, size);
	op->state.space = NULL;
	op->callback = FAKE_OPEN;
	assert_int_equal(class->open == NULL ? 0 : class->open(op), 0);
	op->callback = FAKE_NONE;
}

/* The old slice's memory. */
static void
forget(struct lm_op *op, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		free(op->memory[i]);
	}
	op->memory_count -= count;
	if (op->memory_count > 0) {
		memmove(op->memory, op->memory + count, op->memory_count * sizeof(void *));
	}
}

static void
restart(struct lm_op *op)
{
	int64_t due_ns[LM_TIMERS_MAX];
	uint32_t memory_count = op->memory_count;
	char log[ARENA_ENTRY] __attribute__((aligned(64)));
	struct lm_reader reader;
	struct kept kept;

	memcpy(due_ns, op->timer_due_ns, sizeof(due_ns));
	take(op, &kept, log);
	open_anew(op);
	memcpy(op->timer_due_ns, due_ns, sizeof(due_ns));
	if (kept.space != NULL) {
		restore(&kept, op->state.space);
	}
	reader = (struct lm_reader){ .bytes = kept.bytes, .size = kept.writer.size };
	if (op->subject->class->deserialize != NULL) {
		op->subject->class->deserialize(op, &reader, op->subject->class->state_version);
	}
	assert_false(reader.failed);
	assert_int_equal(reader.at, reader.size);
	forget(op, memory_count);
}

static uint64_t restart_in, restart_count;

static void
restart_sometimes(struct lm_op *op)
{
	if (--restart_in == 0) {
		restart_count++;
		restart_in = RESTART_STEP + restart_count;
		restart(op);
	}
}

int
fake_restart_on(void **state)
{
	(void)state;
	restart_in = RESTART_FIRST;
	restart_count = 0;
	fake_after = restart_sometimes;
	return 0;
}

int
fake_restart_off(void **state)
{
	(void)state;
	fake_after = NULL;
	return restart_count > 0 ? 0 : -1;
}
