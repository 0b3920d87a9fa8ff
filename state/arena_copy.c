/* SPDX-License-Identifier: BSD-3-Clause */
/* The copier's side of snapshots, and filling arenas from one. */

#include "state/arena_copy.h"

#include <string.h>

#include "core/canary.h"
#include "state/arena_shadow.h"

/* Bytes that are asked for ahead of those that are copied. */
#define COPY_AHEAD 2048u

/* All of the arena is copied: its owner need not save anything of it any more. */
static void
arena_pass(struct arena_copy *copy, struct arena *arena)
{
	__atomic_store_n(&arena->copied, copy->epoch, __ATOMIC_RELEASE);
	copy->chunk = 0;
	copy->arena++;
	while (copy->part != NULL && copy->arena == copy->part->arena_count) {
		copy->part = copy->part->next;
		copy->arena = 0;
	}
}

bool
arena_copy_begin(struct arena_copy *copy, struct state_space *space)
{
	uint32_t epoch = __atomic_load_n(&space->snapshot, __ATOMIC_ACQUIRE);

	if (epoch == __atomic_load_n(&space->finished, __ATOMIC_RELAXED)) {
		return false;
	}
	*copy = (struct arena_copy){
		.space = space, .epoch = epoch, .base = space->base, .part = space->part
	};
	while (CANARY(CANARY_COPY_PASSED) && copy->part != NULL) {
		if (copy->part->arena_count == 0) {
			copy->part = copy->part->next;
			continue;
		}
		arena_pass(copy, arena_nth(copy->part, copy->arena));
	}
	copy->part = space->part;
	return true;
}

/* The epoch in which the chunk was last written before the flip; 0: it is all zeroes. */
static uint32_t
arena_stamp_at_cut(const struct arena_mark *mark, uint32_t epoch)
{
	uint32_t stamp = __atomic_load_n(&mark->stamp, __ATOMIC_ACQUIRE);

	return stamp <= epoch ? stamp : __atomic_load_n(&mark->before, __ATOMIC_RELAXED);
}

/*
 * Word by word, for its owner may write at the same time: a word is old or new, and where a granule
 * is not all old the log has it. The sanitizer is told not to look: that the bytes race is the
 * point, and that the log then overrides them is what the tests check.
 */
static __attribute__((no_sanitize("thread"), noinline)) void
arena_copy_words(char *to, const char *from, uint32_t size)
{
	for (uint32_t at = 0; at < size; at += ARENA_GRANULE) {
		const uint64_t *word = (const uint64_t *)(const void *)(from + at);

		/* A processor that looks ahead by itself stops where a page ends. */
		__builtin_prefetch(from + at + COPY_AHEAD);
		for (uint32_t i = 0; i < ARENA_GRANULE / sizeof(*word); i++) {
			uint64_t copy = __atomic_load_n(word + i, __ATOMIC_RELAXED);

			memcpy(to + at + i * sizeof(copy), &copy, sizeof(copy));
		}
	}
}

/* Bytes from copy->chunk on, at most `room`, in chunks that the snapshot needs; 0: not even the
 * first. */
static uint32_t
arena_run(const struct arena_copy *copy, const struct arena *arena, uint32_t room)
{
	uint64_t first = copy->chunk * ARENA_CHUNK;
	uint64_t left = arena->size - first, chunk = copy->chunk, size = 0;

	while (size < left && size + ARENA_CHUNK <= room &&
	       arena_stamp_at_cut(&arena->mark[chunk], copy->epoch) > copy->base) {
		size += ARENA_CHUNK;
		chunk++;
	}
	return size < left ? (uint32_t)size : (uint32_t)left;
}

bool
arena_copy_find(struct arena_copy *copy, struct arena_piece *piece, uint32_t room)
{
	assert(room >= ARENA_CHUNK);
	/* What was read is read before anything that tells how it came about. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	while (copy->part != NULL && copy->part->arena_count == 0) {
		copy->part = copy->part->next;
	}
	while (copy->part != NULL && !__atomic_load_n(&copy->space->log_full, __ATOMIC_RELAXED)) {
		struct arena *arena = arena_nth(copy->part, copy->arena);
		uint64_t offset = copy->chunk * ARENA_CHUNK;

		if (offset >= arena->size) {
			arena_pass(copy, arena);
			continue;
		}
		piece->size = arena_run(copy, arena, room);
		copy->chunk += piece->size == 0 ? 1 : (piece->size + ARENA_CHUNK - 1) / ARENA_CHUNK;
		if (piece->size > 0) {
			piece->part = copy->part;
			piece->arena = arena;
			piece->offset = offset;
			piece->bytes = arena->memory + offset;
			PREEMPT();
			return true;
		}
	}
	return false;
}

bool
arena_copy_next(struct arena_copy *copy, struct arena_piece *piece, void *bytes, uint32_t room)
{
	if (!arena_copy_find(copy, piece, room)) {
		return false;
	}
	arena_copy_words(bytes, piece->bytes, piece->size);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return true;
}

bool
arena_copy_log(const struct arena_copy *copy, struct arena_logged *logged)
{
	const struct state_space *space = copy->space;
	uint32_t left = space->log_max - copy->log_at;
	uint32_t waiting = __atomic_load_n(&space->log_count, __ATOMIC_ACQUIRE) - copy->drained;

	logged->place = space->log_place + copy->log_at;
	logged->bytes = space->log + (uint64_t)copy->log_at * ARENA_GRANULE;
	logged->count = waiting < left ? waiting : left;
	return !__atomic_load_n(&space->log_full, __ATOMIC_ACQUIRE);
}

void
arena_copy_drain(struct arena_copy *copy, uint32_t count)
{
	copy->drained += count;
	copy->log_at += count;
	copy->log_at = copy->log_at == copy->space->log_max ? 0 : copy->log_at;
	/* What was taken out has been read before its owner writes there anew. */
	__atomic_store_n(&copy->space->log_drained, copy->drained, __ATOMIC_RELEASE);
}

bool
arena_copy_log_fills(const struct arena_copy *copy)
{
	return __atomic_load_n(&copy->space->log_count, __ATOMIC_RELAXED) - copy->drained >
	       copy->space->log_max / 2;
}

void
arena_copy_end(struct arena_copy *copy, uint32_t base_next)
{
	__atomic_store_n(&copy->space->base_next, base_next, __ATOMIC_RELAXED);
	__atomic_store_n(&copy->space->log_drained, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&copy->space->finished, copy->epoch, __ATOMIC_RELEASE);
}

/* While an arena is filled, a mark's `logged` are the granules that came from the log of the
 * snapshot `before`: an image of it that comes later is older there. */
static bool
restored_from_log(const struct arena_mark *mark, uint32_t epoch)
{
	return mark->before == epoch && mark->logged != 0 && !CANARY(CANARY_IMAGE_WINS);
}

static void
restore_around(struct arena *arena, uint64_t offset, const char *bytes, uint64_t size)
{
	uint64_t logged = arena->mark[offset / ARENA_CHUNK].logged;

	for (uint64_t at = 0; at < size; at += ARENA_GRANULE) {
		if ((logged >> ((offset + at) / ARENA_GRANULE % 64) & 1) == 0) {
			memcpy(arena->memory + offset + at, bytes + at, ARENA_GRANULE);
		}
	}
}

void
arena_restore(struct arena *arena, uint64_t offset, const void *bytes, uint32_t size,
              uint32_t epoch)
{
	const char *from = bytes;

	assert(size > 0 && size % ARENA_GRANULE == 0 && offset % ARENA_GRANULE == 0);
	assert(offset + size <= arena->size);
	for (uint64_t at = offset, end = offset + size; at < end;) {
		struct arena_mark *mark = &arena->mark[at / ARENA_CHUNK];
		uint64_t left = ARENA_CHUNK - at % ARENA_CHUNK;
		uint64_t part = end - at < left ? end - at : left;

		if (restored_from_log(mark, epoch)) {
			restore_around(arena, at, from, part);
		} else {
			memcpy(arena->memory + at, from, part);
		}
		mark->stamp = epoch;
		at += part;
		from += part;
	}
}

void
arena_restore_granule(struct arena *arena, uint64_t offset, const void *bytes, uint32_t epoch)
{
	struct arena_mark *mark = &arena->mark[offset / ARENA_CHUNK];

	assert(offset % ARENA_GRANULE == 0 && offset + ARENA_GRANULE <= arena->size);
	memcpy(arena->memory + offset, bytes, ARENA_GRANULE);
	if (mark->before != epoch) {
		mark->before = epoch;
		mark->logged = 0;
	}
	mark->logged |= UINT64_C(1) << (offset / ARENA_GRANULE % 64);
	mark->stamp = epoch;
}

bool
space_restored(struct state_space *space, uint32_t epoch)
{
	assert(space->snapshot == 0);
	space->epoch = epoch + 1;
	space->base_next = epoch;
	space->snapshot = epoch;
	space->finished = epoch;
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			arena_nth(part, i)->copied = epoch;
		}
		if (part->ops != NULL && part->ops->restored != NULL &&
		    !part->ops->restored(part)) {
			return false;
		}
	}
#if CANARY_BUILD
	space_shadow_take(space);
#endif
	return true;
}
