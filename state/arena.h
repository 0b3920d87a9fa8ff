/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ARENA_H
#define ARENA_H

/*
 * Arenas: the memory of state, with the log that lets another thread copy it while it is written.
 *
 * An arena is a block of memory with nothing but offsets inside, so that it can be moved by pointer
 * or copied to a file and back. In front of it stand its marks, one for every chunk of 4 KiB. A
 * space is the arenas of one slice. Its owner flips it at the marker of an epoch: the snapshot is
 * the state as it is at that moment. From then on whoever writes to an arena touches the bytes
 * first; the first touch of a granule of 64 bytes, as long as the copier has not passed the arena,
 * saves the granule's bytes in the side log. The copier (state/arena_copy.h) meanwhile copies
 * chunks that may hold old and new granules mixed, and what the log holds overrides them. The log
 * is a ring that the copier empties as it goes. Nobody waits, there is no lock and no
 * compare-and-swap; a log that is full costs the snapshot, never the stream.
 *
 *     arena_touch(space, arena, at, size);       the owner, before every write
 *     arena_touch_later(...); ... arena_publish(space);    or once before many of them
 *     ok = space_flip(space, epoch);             the owner, between two callbacks
 *
 * Epochs. What is written between two flips carries the number of the later one: `epoch`, the last
 * flip's plus one. A mark's `stamp` is the epoch of the chunk's last write, 0: never written, all
 * zeroes; `before` is the stamp that it had when `epoch` first wrote it. So the stamp at the cut is
 * known as long as the snapshot is under way, and with it which chunks an increment needs.
 *
 * Threads: the owner is the slice's lcore, the copier any one other thread. Fields are grouped by
 * who writes them. What is written is published by release and read by acquire; the two fences that
 * order the bytes themselves are in arena_publish and arena_copy_next.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_GRANULE 64u
#define ARENA_CHUNK 4096u

/* Of a chunk; written by the owner. `logged`: granules saved, or that need not be, in `stamp`. */
struct arena_mark {
	uint64_t logged;
	uint32_t stamp;
	uint32_t before;
};
static_assert(sizeof(struct arena_mark) == 16, "a quarter of a cache line");
static_assert(ARENA_CHUNK / ARENA_GRANULE == 64, "a bit of `logged` for a granule");

struct arena_shadow;

struct arena {
	char *memory;
	struct arena_mark *mark; /* [chunk] */
	uint64_t size;           /* a multiple of ARENA_GRANULE */
	struct arena_part *part;
	uint32_t slot;               /* that the arena is for */
	uint32_t copied;             /* the copier's: the last snapshot that has passed it whole */
	struct arena_shadow *shadow; /* test builds, see arena_shadow.c */

	/* Chunks that arena_watch named: how many of them are stamped with `fresh_epoch`. */
	uint32_t *whole;
	uint64_t watch_first, watch_count;
	uint64_t fresh;
	uint32_t fresh_epoch;
} __attribute__((aligned(64)));

/* Of an entry of the log: where the granule belongs. Its bytes stand apart, a line for each. */
struct arena_place {
	struct arena *arena;
	uint64_t offset;
};
/* Bytes of an entry in both. */
#define ARENA_ENTRY (ARENA_GRANULE + sizeof(struct arena_place))

/* What an operator opened: a map, an arena for every slot of it; or a value, one arena. */
struct arena_part {
	struct arena_part *next; /* in the order they were opened */
	uint32_t index;
	uint32_t arena_count;
	struct arena **arena;
	uint32_t whole_epoch, whole_count; /* arenas whose *whole is that epoch */
	/* The arenas were filled from a snapshot: what is kept beside them is made anew. False:
	 * what they hold is not of this shape. May be NULL. */
	bool (*restored)(struct arena_part *part);
};

struct state_space {
	/* The owner's. */
	uint32_t epoch;     /* of what is written now */
	uint32_t snapshot;  /* the last flip; 0: none yet */
	uint32_t base;      /* an increment since this one; 0: full */
	bool log_full;      /* the snapshot is lost */
	uint32_t log_count; /* entries since the flip that the copier may see */
	uint32_t log_next;  /* entries since the flip */
	uint32_t log_at;    /* where the next one goes */
	uint32_t log_seen;  /* log_drained when it was last looked at */
	const char *name;   /* of the operator */

	/* The copier's. */
	uint32_t finished
	    __attribute__((aligned(64))); /* the last snapshot that it is through with */
	uint32_t base_next;               /* `base` of the next flip */
	uint32_t log_drained;             /* entries that are taken out; 0 behind the snapshot */

	/* Constant once the slice is open. */
	char *log __attribute__((aligned(64))); /* [entry][ARENA_GRANULE], lines of their own */
	struct arena_place *log_place;          /* [entry] */
	uint32_t log_max;                       /* 0: no log, no flips */
	struct arena_part *part, **part_end;
	uint32_t part_count;
	uint64_t size; /* of all arenas */
};

void space_init(struct state_space *space, const char *name);
void space_add_part(struct state_space *space, struct arena_part *part);
/* Entries that a log for this much state should have. */
uint32_t space_log_entries(const struct state_space *space);
/* Gives the space its log, entries * ARENA_ENTRY bytes aligned to 64: from then on it can be
 * flipped. */
void space_set_log(struct state_space *space, void *memory, uint32_t entries);
/*
 * The owner, between two callbacks: the snapshot of `epoch` is what the arenas hold now. Takes
 * constant time. False: the one before is not finished, or there is no log.
 */
bool space_flip(struct state_space *space, uint64_t epoch);

/* Bytes of memory for an arena of `size` bytes with its marks; and that memory, zeroed and aligned
 * to 64, made into one. */
size_t arena_footprint(uint64_t size);
struct arena *arena_init(void *memory, uint64_t size, uint32_t slot);
/* Bytes between the marks of an arena of that size and its memory. */
uint64_t arena_marks_size(uint64_t size);

/*
 * A quicker way than a mark, for what is touched at random all over: *whole becomes the space's
 * epoch when all chunks of these bytes carry it and no copier may still come by. As long as they
 * are equal, the bytes need no touch.
 */
void arena_watch(struct arena *arena, uint64_t offset, uint64_t size, uint32_t *whole);

/* The slow way of a touch: the chunk or some of the granules are new in this epoch. */
void arena_save_range(struct state_space *space, struct arena *arena, uint64_t offset,
                      uint64_t size);
void arena_log_range(struct state_space *space, struct arena *arena, uint64_t offset,
                     uint64_t size);
void arena_publish_log(struct state_space *space);

/* Test builds: nothing was written without a touch since the last flip, or the run stops. */
void space_check(struct state_space *space);
void arena_shadow_touch(struct arena *arena, uint64_t offset, uint64_t size);

/* Whether these granules of a chunk may be written: the fast way of a touch. */
static inline bool
arena_is_touched(const struct arena_mark *mark, uint64_t granules, uint32_t epoch)
{
	return mark->stamp == epoch && (mark->logged & granules) == granules;
}

/* The granules, from that of `offset` on, that `size` bytes are in; all in one chunk. */
static inline uint64_t
arena_granules(uint64_t offset, uint64_t size)
{
	uint64_t first = offset / ARENA_GRANULE % 64;
	uint64_t more = (offset % ARENA_GRANULE + size - 1) / ARENA_GRANULE;

	return (UINT64_MAX >> (63 - more)) << first;
}

/* Whether bytes need no more than the fast way. */
static inline bool
arena_range_is_touched(const struct arena_mark *mark, uint64_t offset, uint64_t size,
                       uint32_t epoch)
{
	return (offset + size - 1) / ARENA_CHUNK == offset / ARENA_CHUNK &&
	       arena_is_touched(mark, arena_granules(offset, size), epoch);
}

/* The owner is about to write to `size` (at least 1) bytes at `offset`. */
static inline void
arena_touch_at(struct state_space *space, struct arena *arena, uint64_t offset, uint64_t size)
{
#ifdef LODEMILL_CANARY
	/* The write that follows may go over what arena_touch_later saved: the copier knows. */
	assert(space->log_next == space->log_count);
#endif
	if (__builtin_expect(!arena_range_is_touched(&arena->mark[offset / ARENA_CHUNK], offset,
	                                             size, space->epoch),
	                     0)) {
		arena_log_range(space, arena, offset, size);
	}
#ifdef LODEMILL_CANARY
	arena_shadow_touch(arena, offset, size);
#endif
}

/* The same for who calls arena_publish before it writes: once for many. */
static inline void
arena_touch_later(struct state_space *space, struct arena *arena, uint64_t offset, uint64_t size)
{
	arena_save_range(space, arena, offset, size);
#ifdef LODEMILL_CANARY
	arena_shadow_touch(arena, offset, size);
#endif
}

/* What was saved is there for the copier before anything that is written from here on. */
static inline void
arena_publish(struct state_space *space)
{
	if (space->log_next != space->log_count) {
		arena_publish_log(space);
	}
}

static inline void
arena_touch(struct state_space *space, struct arena *arena, const void *at, uint64_t size)
{
	arena_touch_at(space, arena, (uint64_t)((const char *)at - arena->memory), size);
}

#endif
