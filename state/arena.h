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
 *     arena_touch(space, part, arena, at, size);      the owner, before every write
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

#include "core/canary.h"

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

/* What a part is in use for, if it is. */
struct arena_label {
	int64_t of;
	uint64_t is_set;
};

/* A stretch of memory with arenas, all of one size; freed when none of them has a slice. */
struct arena_chunk {
	char *first;
	uint64_t stride; /* from one to the next */
	uint32_t count;
	uint32_t left; /* that have a slice; control threads */
	void *shadow;  /* test builds: of all of them */
};

struct arena {
	char *memory;
	struct arena_mark *mark;     /* [chunk] */
	uint64_t size;               /* a multiple of ARENA_GRANULE */
	uint32_t slot;               /* that the arena is for */
	uint32_t copied;             /* the copier's: the last snapshot that has passed it whole */
	struct arena_shadow *shadow; /* test builds, see arena_shadow.c */
	struct arena_chunk *chunk;   /* that it stands in */
	/* Chunks that arena_watch named: how many of them are stamped with `fresh_epoch`. */
	uint32_t fresh, fresh_epoch;
	/* As of its last save, for who looks at the log: it is not told when its slot moves. */
	struct arena_part *part;
} __attribute__((aligned(64)));
static_assert(sizeof(struct arena) == 64, "a line, and its move touches not even that");

/* Of an entry of the log: where the granule belongs. Its bytes stand apart, a line for each. */
struct arena_place {
	struct arena *arena;
	uint64_t offset;
};
/* Bytes of an entry in both. */
#define ARENA_ENTRY (ARENA_GRANULE + sizeof(struct arena_place))

/* Slots that move together, in no order. */
struct arena_slots {
	const uint16_t *slot; /* [count] */
	uint32_t count;
};

struct arena_part;
struct space_conversion;

/* What was opened: a list is a map of its heads, and the list itself. */
enum arena_part_kind { PART_VALUE, PART_MAP, PART_LIST_HEADS, PART_LIST };

/* What whoever opened a part keeps beside its arenas must follow them. All may be NULL. */
struct arena_part_ops {
	/* They were filled from a snapshot: it is made anew. False: what they hold is not of this
	 * shape. */
	bool (*restored)(struct arena_part *part);
	/*
	 * The owner's: arenas leave for another slice, or have come from `from`, a part of one that
	 * left them as they were. Both are constant time for a slot: what is in them is not looked
	 * at by maps whose keys do not grow old.
	 */
	void (*gave)(struct arena_part *part, const struct arena_slots *slots);
	void (*took)(struct arena_part *part, struct arena_part *from,
	             const struct arena_slots *slots);
	/* All of them that do so at a time have. */
	void (*moved)(struct arena_part *part);
	/* A control thread: one is there whose bytes nobody has looked at. */
	void (*found)(struct arena_part *part, uint32_t slot);
	/* Test builds: what is counted is what the arenas have. */
	bool (*agrees)(const struct arena_part *part);
	/* Whether what is in the arenas of one can be in those of the other; of the same size. */
	bool (*alike)(const struct arena_part *was, const struct arena_part *part);
	/* What is in it cannot stay: it is emptied. Returns how many keys that were. */
	uint64_t (*empty)(struct arena_part *part, uint32_t slot);
	/*
	 * The slots of a part wait for a conversion of those of another one (NULL: they have no
	 * like there), or no longer do (`conversion` NULL). Then: one counts as one that waits, or
	 * no more; that it is emptied before it waits again.
	 */
	void (*waits)(struct arena_part *part, const struct arena_part *was,
	              struct space_conversion *conversion);
	void (*slot_waits)(struct arena_part *part, const struct arena_part *was, uint32_t slot,
	                   bool waits);
};

/* Chunks that a part knows its arenas to stand in; more are found by looking at each arena. */
#define ARENA_PART_CHUNKS 32u

/* What an operator opened: a map, an arena for every slot of it; or a value, one arena. */
struct arena_part {
	struct arena_part *next; /* in the order they were opened */
	uint32_t index;
	uint32_t arena_count, arena_max;
	uint64_t size; /* of each arena */
	/*
	 * Where they are: base + at[slot]; at[slot] == nowhere: not in this slice. Of a part that
	 * is not by slot they are counted from 0. What a slice gave away stays in its tables, here
	 * and beside it, until the one that has the slot now takes it out: see space_move.c.
	 */
	uintptr_t base;
	int64_t *at;
	int64_t nowhere;
	struct arena_chunk *chunk[ARENA_PART_CHUNKS];
	uint32_t chunk_count;
	bool by_slot;  /* its arenas go where their slots go */
	bool is_value; /* it has no keys */
	enum arena_part_kind kind;
	void *owner; /* the map, the lists, the value */
	/* It is what it was since that state_version of the class: see state/lm_convert.h. */
	bool has_since;
	uint32_t since;
	uint32_t *whole;                   /* [slot], see arena_watch; NULL: not watched */
	uint32_t watch_first, watch_count; /* chunks of each arena */
	uint32_t whole_epoch, whole_count; /* arenas for which whole[slot] is that epoch */
	const struct arena_part_ops *ops;  /* NULL: nothing is kept beside them */
	const struct state_space *space;   /* that it is in; NULL: none */

	/*
	 * Parts that stand for one another (the maps of windows) are a family, named by its first;
	 * NULL: none. One that is in use has a label, by which arenas find its like in the space
	 * that they come to. `label_epoch`: the space's when it was last written; `label_cut`: what
	 * it was before that.
	 */
	struct arena_part *family;
	struct arena_label label, label_cut;
	uint32_t label_epoch;
	bool came_along; /* it is the newer version's by now, or was the older one's */
	/* When slots were given away: its label, and of its chunks those that it knew. */
	struct arena_label given;
	uint32_t given_chunks;
	/*
	 * Of the bundle that is being taken: the part that its arenas come from, NULL: none;
	 * whether their keys are lost; and whether the part in this place of the other space has
	 * found one for its own.
	 */
	struct arena_part *source;
	bool loses, has_place;
	/* Its tables may be behind with slots that came and went, see arena_part_settle; they are;
	 * how many of the space's dues they are not behind with. */
	bool can_wait, is_behind;
	uint32_t dues_done;
};

/* Slots that have come, or that went. */
struct space_due {
	struct arena_slots slots;
	struct arena_part **source; /* [part] that the arenas come from; NULL: they went */
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
	uint32_t moved;     /* `epoch` when arenas last came or went: no increment since before */
	uint64_t size;      /* of all arenas */
	char *log;          /* [entry][ARENA_GRANULE], lines of their own */
	struct arena_place *log_place; /* [entry] */
	uint32_t log_max;              /* 0: no log, no flips */
	const char *name;              /* of the operator */

	/* The copier's. */
	uint32_t finished
	    __attribute__((aligned(64))); /* the last snapshot that it is through with */
	uint32_t base_next;               /* `base` of the next flip */
	uint32_t log_drained;             /* entries that are taken out; 0 behind the snapshot */

	/* Constant once the slice is open. */
	struct arena_part *part __attribute__((aligned(64)));
	struct arena_part **part_end;
	uint32_t part_count;
	uint64_t slot_size;                  /* bytes of the arenas of one slot */
	struct space_conversion *conversion; /* the owner's: slots wait, or failed; NULL: none */
	struct space_conversion *conversion_next; /* made for it beforehand */

	/*
	 * The owner's: the slots that it has, of which every part that goes by slot has an arena;
	 * those, and [slot] whether it is one. A ring of those that it gave away last. NULL: it has
	 * no such parts.
	 */
	uint16_t *slot;
	uint8_t *has_slot;
	uint32_t slot_count, slot_max;
	uint16_t *given;
	uint32_t given_next;
	/* What some parts are behind with; where to look for the next one that is. */
	struct space_due *due;
	uint32_t due_count, due_max;
	struct arena_part *unsettled;

	/* Control threads': a longer log, which the owner takes with the arenas that need it; and
	 * the one in use, if it is not of open. */
	char *log_longer;
	uint32_t log_longer_max;
	char *log_own;
};

void space_init(struct state_space *space, const char *name);
void space_add_part(struct state_space *space, struct arena_part *part);
/* Entries that a log should have for what is in the space, and `more` bytes. */
uint32_t space_log_entries(const struct state_space *space, uint64_t more);
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
/* `size` as an arena has it: whole granules. */
uint64_t arena_size_of(uint64_t size);
/* Bytes between the marks of an arena of that size and its memory. */
uint64_t arena_marks_size(uint64_t size);

/*
 * A quicker way than a mark, for what is touched at random all over: whole[slot] becomes the
 * space's epoch when all chunks of these bytes, of the arena of that slot, carry it and no copier
 * may still come by. As long as they are equal, the bytes need no touch.
 */
void arena_watch(struct arena_part *part, uint64_t offset, uint64_t size, uint32_t *whole);

/* The owner: the part is in use for something, or no longer. */
void arena_label(const struct state_space *space, struct arena_part *part,
                 const struct arena_label *label);
/* The copier: what the label was at the flip. */
struct arena_label arena_label_at_cut(const struct arena_part *part, uint32_t epoch);

/*
 * The owner: where a part stands, and what is counted beside it, follows slots that have come or
 * gone. A part that can wait is behind with that, until this is called or the slice has settled;
 * whoever looks at it calls this first.
 */
void arena_part_settle(struct arena_part *part);

/* The arena of a slot, which the slice has. */
static inline struct arena *
arena_at(const struct arena_part *part, uint32_t slot)
{
	return (struct arena *)(part->base + (uintptr_t)part->at[slot]);
}

/* All of a part, i below arena_count; which is which changes when slots move. */
static inline struct arena *
arena_nth(const struct arena_part *part, uint32_t i)
{
	return arena_at(part, part->by_slot && part->space != NULL ? part->space->slot[i] : i);
}

/* The arena of the part that the address is in; it is in one. Constant time. */
struct arena *arena_holding(const struct arena_part *part, const void *at);

/* The slow way of a touch: the chunk or some of the granules are new in this epoch. */
void arena_save_range(struct state_space *space, struct arena_part *part, struct arena *arena,
                      uint64_t offset, uint64_t size);
void arena_log_range(struct state_space *space, struct arena_part *part, struct arena *arena,
                     uint64_t offset, uint64_t size);
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
arena_touch_at(struct state_space *space, struct arena_part *part, struct arena *arena,
               uint64_t offset, uint64_t size)
{
#if CANARY_BUILD
	/* The write that follows may go over what arena_touch_later saved: the copier knows. */
	assert(space->log_next == space->log_count);
#endif
	if (__builtin_expect(!arena_range_is_touched(&arena->mark[offset / ARENA_CHUNK], offset,
	                                             size, space->epoch),
	                     0)) {
		arena_log_range(space, part, arena, offset, size);
	}
#if CANARY_BUILD
	arena_shadow_touch(arena, offset, size);
#endif
}

/* The same for who calls arena_publish before it writes: once for many. */
static inline void
arena_touch_later(struct state_space *space, struct arena_part *part, struct arena *arena,
                  uint64_t offset, uint64_t size)
{
	arena_save_range(space, part, arena, offset, size);
#if CANARY_BUILD
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
arena_touch(struct state_space *space, struct arena_part *part, struct arena *arena, const void *at,
            uint64_t size)
{
	arena_touch_at(space, part, arena, (uint64_t)((const char *)at - arena->memory), size);
}

#endif
