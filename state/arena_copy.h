/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ARENA_COPY_H
#define ARENA_COPY_H

/*
 * The copier's side of snapshots: takes what a space was at its flip, while its owner goes on.
 *
 *     arena_copy_begin(&copy, space);                false: nothing was flipped since the last one
 *     while (arena_copy_next(&copy, &piece, bytes, room)) ...     images of chunks
 *     while (arena_copy_log(&copy, &logged) && logged.count > 0)  granules that override them
 *             ... arena_copy_drain(&copy, logged.count);
 *     arena_copy_log is false: the log was full, the snapshot is lost
 *     arena_copy_end(&copy, base_next);               at any time; then the space may be flipped
 *
 * The images, the log over them and, for an increment, both over the snapshot `copy.base` are the
 * state at the flip. Chunks that come in no piece are in the base, or zeroes if there is none. The
 * log may be taken out in between, too, and must be where it fills up: a granule of it counts
 * whether the image of its chunk comes before or after it.
 *
 * Threads: any one thread besides the owner's.
 */

#include "state/arena.h"

struct arena_copy {
	struct state_space *space;
	uint32_t epoch, base;
	struct arena_part *part;  /* NULL: all are copied */
	uint32_t arena;           /* of the part */
	uint64_t chunk;           /* of the arena */
	uint32_t drained, log_at; /* entries of the log; where the next one is */
};

struct arena_piece {
	struct arena_part *part;
	struct arena *arena;
	uint64_t offset;
	uint32_t size;
	const char *bytes; /* in the arena: their owner may write them at any time */
};

/* Of the log, in the order in which it came. */
struct arena_logged {
	const struct arena_place *place; /* [count] */
	const char *bytes;               /* [count][ARENA_GRANULE] */
	uint32_t count;
};

/* False: no snapshot waits to be copied. */
bool arena_copy_begin(struct arena_copy *copy, struct state_space *space);
/*
 * The next chunk that the snapshot needs, and those right behind it that it needs too, as far as
 * there is room, into `bytes`. `room`: at least ARENA_CHUNK. False: that was all, or the snapshot
 * is lost.
 */
bool arena_copy_next(struct arena_copy *copy, struct arena_piece *piece, void *bytes,
                     uint32_t room);
/*
 * The same for who reads piece->bytes itself, before the next call of any of these: each word as
 * often as it likes, for whatever a granule that changes meanwhile looks like, the log has it.
 */
bool arena_copy_find(struct arena_copy *copy, struct arena_piece *piece, uint32_t room);
/*
 * What the log holds, as far as it lies in one piece; none: that is all there is so far, and once
 * arena_copy_next has said false, all there will be. False: the snapshot is lost.
 */
bool arena_copy_log(const struct arena_copy *copy, struct arena_logged *logged);
/* The first `count` of them are taken out. */
void arena_copy_drain(struct arena_copy *copy, uint32_t count);
/* More than half of the log waits to be taken out. */
bool arena_copy_log_fills(const struct arena_copy *copy);
/*
 * The copier is through, or gives up; it looks at the space no more. The next snapshot is to be an
 * increment since `base_next`; 0: full.
 */
void arena_copy_end(struct arena_copy *copy, uint32_t base_next);

/*
 * Restoring, before the owner runs: writes what was copied for the snapshot `epoch` into an arena
 * of the same shape: an image of chunks, or a granule that was logged. Snapshots come in their
 * order, what belongs to one of them in any. Then, once for the space, which is as of `epoch`, what
 * is kept beside the arenas is made anew; false: what was restored is of another shape.
 */
void arena_restore(struct arena *arena, uint64_t offset, const void *bytes, uint32_t size,
                   uint32_t epoch);
void arena_restore_granule(struct arena *arena, uint64_t offset, const void *bytes, uint32_t epoch);
bool space_restored(struct state_space *space, uint32_t epoch);

#endif
