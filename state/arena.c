/* SPDX-License-Identifier: BSD-3-Clause */
/* The owner's side of snapshots: arenas, their marks, the side log, the flip. */

#include "state/arena.h"

#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/canary.h"

/* States up to this many granules have a log for all of them, larger ones for a quarter. */
#define SPACE_LOG_WHOLE 16384u
#define SPACE_LOG_SHARE 4u

void
space_init(struct state_space *space, const char *name)
{
	memset(space, 0, sizeof(*space));
	space->epoch = 1;
	space->name = name;
	space->part_end = &space->part;
}

void
space_add_part(struct state_space *space, struct arena_part *part)
{
	part->next = NULL;
	part->space = space;
	part->index = space->part_count++;
	*space->part_end = part;
	space->part_end = &part->next;
	for (uint32_t i = 0; i < part->arena_count; i++) {
		arena_nth(part, i)->part = part;
		space->size += arena_nth(part, i)->size;
	}
	space->slot_size += part->by_slot ? part->size : 0;
}

uint32_t
space_log_entries(const struct state_space *space, uint64_t more)
{
	uint64_t granules = (space->size + more) / ARENA_GRANULE;

	if (granules > SPACE_LOG_WHOLE) {
		granules /= SPACE_LOG_SHARE;
		granules = granules < SPACE_LOG_WHOLE ? SPACE_LOG_WHOLE : granules;
	}
	if (BUGGIFY(BUGGIFY_LOG_SHORT)) {
		granules = granules / 8 + 1;
	}
	return granules < UINT32_MAX ? (uint32_t)granules : UINT32_MAX;
}

void
space_set_log(struct state_space *space, void *memory, uint32_t entries)
{
	assert(space->finished == space->snapshot);
	assert((uintptr_t)memory % ARENA_GRANULE == 0);
	space->log = memory;
	space->log_place =
	    (struct arena_place *)(void *)(space->log + (size_t)entries * ARENA_GRANULE);
	space->log_max = entries;
}

bool
space_flip(struct state_space *space, uint64_t epoch)
{
	if (space->log_max == 0 ||
	    __atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) != space->snapshot) {
		return false;
	}
	assert(epoch >= space->epoch);
	assert(epoch < UINT32_MAX);
	assert(space->log_next == space->log_count);
#if CANARY_BUILD
	space_check(space);
#endif
	space->epoch = (uint32_t)epoch + 1;
	space->base = __atomic_load_n(&space->base_next, __ATOMIC_RELAXED);
	/* A snapshot from before arenas came or went is of other arenas. */
	space->base = space->base < space->moved ? 0 : space->base;
	__atomic_store_n(&space->log_count, 0, __ATOMIC_RELAXED);
	space->log_next = 0;
	space->log_at = 0;
	space->log_seen = 0;
	__atomic_store_n(&space->log_full, false, __ATOMIC_RELAXED);
	/* The copier starts when it sees this. */
	__atomic_store_n(&space->snapshot, (uint32_t)epoch, __ATOMIC_RELEASE);
	return true;
}

static uint64_t
arena_align(uint64_t size)
{
	return (size + ARENA_GRANULE - 1) & ~(uint64_t)(ARENA_GRANULE - 1);
}

uint64_t
arena_marks_size(uint64_t size)
{
	return arena_align((size + ARENA_CHUNK - 1) / ARENA_CHUNK * sizeof(struct arena_mark));
}

uint64_t
arena_size_of(uint64_t size)
{
	return arena_align(size);
}

size_t
arena_footprint(uint64_t size)
{
	return sizeof(struct arena) + arena_marks_size(size) + arena_align(size);
}

struct arena *
arena_init(void *memory, uint64_t size, uint32_t slot)
{
	struct arena *arena = memory;

	assert((uintptr_t)memory % ARENA_GRANULE == 0);
	arena->mark = (struct arena_mark *)(arena + 1);
	arena->memory = (char *)(arena + 1) + arena_marks_size(size);
	arena->size = arena_align(size);
	arena->slot = slot;
	return arena;
}

void
arena_label(const struct state_space *space, struct arena_part *part,
            const struct arena_label *label)
{
	if (part->label_epoch != space->epoch) {
		part->label_cut = part->label;
		__atomic_store_n(&part->label_epoch, space->epoch, __ATOMIC_RELEASE);
	}
	/* Who sees any of the label sees that it is new. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&part->label.of, label->of, __ATOMIC_RELAXED);
	__atomic_store_n(&part->label.is_set, label->is_set, __ATOMIC_RELAXED);
}

struct arena_label
arena_label_at_cut(const struct arena_part *part, uint32_t epoch)
{
	struct arena_label label = {
		.is_set = __atomic_load_n(&part->label.is_set, __ATOMIC_RELAXED),
		.of = __atomic_load_n(&part->label.of, __ATOMIC_RELAXED),
	};

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&part->label_epoch, __ATOMIC_ACQUIRE) > epoch ? part->label_cut
	                                                                     : label;
}

static struct arena *
chunk_holding(const struct arena_chunk *chunk, const void *at)
{
	uint64_t offset = (uint64_t)((const char *)at - chunk->first);

	return offset >= chunk->stride * chunk->count
	           ? NULL
	           : (struct arena *)(void *)(chunk->first +
	                                      offset / chunk->stride * chunk->stride);
}

struct arena *
arena_holding(const struct arena_part *part, const void *at)
{
	struct arena *arena = NULL;

	for (uint32_t i = 0; arena == NULL && i < part->chunk_count; i++) {
		arena = chunk_holding(part->chunk[i], at);
	}
	for (uint32_t i = 0; arena == NULL && i < part->arena_count; i++) {
		arena = chunk_holding(arena_nth(part, i)->chunk, at);
	}
	assert(arena != NULL);
	assert(arena_at(part, arena->slot) == arena);
	return arena;
}

void
arena_watch(struct arena_part *part, uint64_t offset, uint64_t size, uint32_t *whole)
{
	part->whole = whole;
	part->watch_first = (uint32_t)(offset / ARENA_CHUNK);
	part->watch_count = (uint32_t)((offset + size - 1) / ARENA_CHUNK) - part->watch_first + 1;
}

/* A chunk carries the epoch from now on. */
static void
arena_count_fresh(const struct arena_part *part, struct arena *arena, uint64_t chunk,
                  uint32_t epoch)
{
	if (arena->fresh_epoch != epoch) {
		arena->fresh_epoch = epoch;
		arena->fresh = 0;
	}
	arena->fresh += chunk - part->watch_first < part->watch_count;
}

/*
 * Once half of what is watched carries the epoch, the rest does, too: looking at a mark for every
 * write until the last chunk has had one costs more than the increment that is up to twice as
 * large.
 */
static void
arena_freshen(const struct arena_part *part, struct arena *arena, uint32_t epoch)
{
	struct arena_mark *mark = &arena->mark[part->watch_first];

	if (arena->fresh_epoch != epoch || arena->fresh == part->watch_count ||
	    arena->fresh < (part->watch_count + 1) / 2) {
		return;
	}
	for (uint64_t i = 0; i < part->watch_count; i++) {
		if (mark[i].stamp != epoch) {
			__atomic_store_n(&mark[i].before, mark[i].stamp, __ATOMIC_RELAXED);
			mark[i].logged = UINT64_MAX;
			__atomic_store_n(&mark[i].stamp, epoch, __ATOMIC_RELEASE);
		}
	}
	arena->fresh = part->watch_count;
}

/* No copier comes by any more: bytes that are watched may all have had their touch. */
static void
arena_settle(struct arena_part *part, const struct arena *arena, uint32_t epoch)
{
	if (part->whole == NULL || part->whole[arena->slot] == epoch ||
	    arena->fresh_epoch != epoch || arena->fresh != part->watch_count) {
		return;
	}
	part->whole[arena->slot] = epoch;
	if (part->whole_epoch != epoch) {
		part->whole_epoch = epoch;
		part->whole_count = 0;
	}
	part->whole_count++;
}

/*
 * Whether a copier may still come by: the snapshot is neither finished nor through with this arena.
 * The acquires keep the write that follows behind the copier's last look.
 */
static bool
arena_is_pending(const struct state_space *space, const struct arena *arena)
{
	return __atomic_load_n(&space->finished, __ATOMIC_ACQUIRE) != space->snapshot &&
	       __atomic_load_n(&arena->copied, __ATOMIC_ACQUIRE) != space->snapshot;
}

/* Whether the log has room for one more; what the copier took out is looked at when it is needed.
 */
static bool
space_log_has_room(struct state_space *space)
{
	if (space->log_next - space->log_seen == space->log_max) {
		space->log_seen = __atomic_load_n(&space->log_drained, __ATOMIC_ACQUIRE);
	}
	return space->log_next - space->log_seen != space->log_max && !BUGGIFY(BUGGIFY_LOG_FULL);
}

/*
 * A granule into the log, past the caches: nobody here reads it again, and its line need not be
 * fetched to be written over. The sanitizer does not see such a store.
 */
static inline void
space_log_bytes(char *to, const char *from)
{
#if defined(__SANITIZE_THREAD__) || !defined(__SSE2__)
	memcpy(to, from, ARENA_GRANULE);
#elif defined(__AVX512F__)
	_mm512_stream_si512((__m512i *)(void *)to, _mm512_load_si512(from));
#else
	for (uint32_t at = 0; at < ARENA_GRANULE; at += sizeof(__m128i)) {
		_mm_stream_si128((__m128i *)(void *)(to + at),
		                 _mm_load_si128((const __m128i *)(const void *)(from + at)));
	}
#endif
}

/* Saves one granule. Only its owner writes to it, so it holds still. */
static void
space_log(struct state_space *space, struct arena *arena, uint64_t offset)
{
	struct arena_place *place = &space->log_place[space->log_at];

	if (space->log_full || !space_log_has_room(space)) {
		__atomic_store_n(&space->log_full, true, __ATOMIC_RELEASE);
		return;
	}
	place->arena = arena;
	place->offset = offset;
	space_log_bytes(space->log + (uint64_t)space->log_at * ARENA_GRANULE,
	                arena->memory + offset);
	space->log_at = space->log_at + 1 == space->log_max ? 0 : space->log_at + 1;
	space->log_next++;
}

void
arena_publish_log(struct state_space *space)
{
#if defined(__SSE2__)
	/*
	 * A release does not wait for stores past the caches; this does. The other way round, where
	 * the ring comes to entries that the copier took out, nothing is needed: no store, of
	 * either kind, goes before the load that said so.
	 */
	_mm_sfence();
#endif
	__atomic_store_n(&space->log_count, space->log_next, __ATOMIC_RELEASE);
	/* The count is out before the writes that follow. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void
arena_save(struct state_space *space, struct arena_part *part, struct arena *arena, uint64_t chunk,
           uint64_t granules)
{
	struct arena_mark *mark = &arena->mark[chunk];
	bool is_pending = arena_is_pending(space, arena);

	/* A copier that may be there has been told: slots move when there is none. */
	if (arena->part != part) {
		arena->part = part;
	}
	if (mark->stamp != space->epoch) {
		uint32_t before = mark->stamp;

		/* A chunk that the snapshot does not need, for its base has it, needs no log. */
		mark->logged = is_pending && before > space->base ? 0 : UINT64_MAX;
		__atomic_store_n(&mark->before, before, __ATOMIC_RELAXED);
		__atomic_store_n(&mark->stamp, space->epoch, __ATOMIC_RELEASE);
		arena_count_fresh(part, arena, chunk, space->epoch);
	}
	if (!is_pending) {
		mark->logged = UINT64_MAX;
		if (part->whole != NULL) {
			arena_freshen(part, arena, space->epoch);
		}
		arena_settle(part, arena, space->epoch);
	}
	for (uint64_t left = granules & ~mark->logged; left != 0; left &= left - 1) {
		uint64_t granule = (uint64_t)__builtin_ctzll(left);

		space_log(space, arena, chunk * ARENA_CHUNK + granule * ARENA_GRANULE);
	}
	mark->logged |= granules;
}

void
arena_save_range(struct state_space *space, struct arena_part *part, struct arena *arena,
                 uint64_t offset, uint64_t size)
{
	assert(offset + size <= arena->size);
	while (size > 0) {
		uint64_t chunk = offset / ARENA_CHUNK, left = ARENA_CHUNK - offset % ARENA_CHUNK;
		uint64_t here = size < left ? size : left;
		uint64_t granules = arena_granules(offset, here);

		if (!arena_is_touched(&arena->mark[chunk], granules, space->epoch)) {
			arena_save(space, part, arena, chunk, granules);
		}
		offset += here;
		size -= here;
	}
}

void
arena_log_range(struct state_space *space, struct arena_part *part, struct arena *arena,
                uint64_t offset, uint64_t size)
{
	arena_save_range(space, part, arena, offset, size);
	arena_publish(space);
}
