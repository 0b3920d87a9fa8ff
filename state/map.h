/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MAP_H
#define MAP_H

/*
 * Inside a map: where things stand and how keys are compared. For map.c (one key at a time),
 * map_batch.c (batches), map_age.c (keys that grow old), map_open.c (making one).
 *
 * A map is this struct, which is the slice's, and a block for each slot that the slice owns: the
 * memory of an arena. A block is its head, the groups of tags, the entries, the bytes of long keys,
 * the ages of keys. It is all zeroes until its first key comes: a slot that is never used costs a
 * snapshot nothing.
 */

#include "state/lm_map_aging.h"

#include <assert.h>
#include <string.h>

#include "core/canary.h"
#include "core/route.h"
#include "state/arena.h"
#include "state/convert.h"
#include "state/map_group.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "short keys are compared as words");
static_assert(LM_MAP_KEYS_MAX < UINT32_MAX / 2, "a slot's number is 32 bits");

#define MAP_MAGIC 0x70616d2e646f6cu

enum map_kind {
	MAP_WORD,  /* 8 bytes */
	MAP_PAIR,  /* 16 bytes */
	MAP_WORDS, /* any other fixed width */
	MAP_BYTES  /* any length: struct map_bytes in the entry */
};

/* The head of a block. What says how to read it is there to be compared after a restore. */
struct map_block {
	uint64_t magic; /* 0: no key ever came */
	uint16_t width; /* of a group: differs between builds */
	uint16_t kind;
	uint16_t key_size, value_offset;
	uint32_t entry_size, groups;
	uint32_t keys_max;
	uint32_t count;
	uint64_t bytes_max;
	uint64_t bytes_used; /* end of the last record */
	uint64_t bytes_live; /* in records whose key is there */
	uint64_t has_ages;
};
static_assert(sizeof(struct map_block) == 64, "the tags behind it stand in lines of their own");

/* Of a map whose keys grow old; places are counted from 1, 0 is none. */
struct map_ages {
	uint32_t oldest, newest; /* used first and last of all keys of the block */
	uint64_t removed[LM_MAP_REMOVALS];
	uint64_t unused[5];
};
static_assert(sizeof(struct map_ages) == 64, "the ages stand behind it");

/* Of the entry at the same place: links in the order of use. */
struct map_age {
	int64_t time_ns; /* the greatest of its rows */
	uint64_t use;    /* the last one's number: uses of the slice, counted */
	uint32_t older, newer;
};

/* Of the oldest key of a slot, of all slots in one stretch; of a slot without keys the maximum. */
struct map_oldest {
	int64_t time_ns;
	uint64_t use;
};

/* How far the conversion of a slot has come that goes on in another step: state/map_convert.c. */
struct map_progress {
	const struct lm_map *from; /* NULL: of none */
	uint32_t slot;
	uint32_t group;       /* entries of those before it are there */
	uint64_t bytes, ages; /* of the records, and of the ages, so many bytes are */
};

/* Beside the blocks of such a map. */
struct map_aging {
	struct lm_map_aging asked;
	uint64_t ages_offset;              /* in a block */
	uint64_t removed[LM_MAP_REMOVALS]; /* of all blocks */
	uint64_t use;                      /* the last one's number */
	uint64_t call_use;                 /* the same when the call under way began */
	int64_t oldest_ns;                 /* at most the least of the slots' */
	struct map_oldest slot[];
};

struct lm_map {
	uint64_t magic;
	enum map_kind kind;
	uint32_t key_size, key_words;
	uint32_t hash_offset; /* of the kept hash in an entry; 0: none kept */
	uint32_t value_offset, value_size, entry_size;

	/* Of a block, all alike. */
	uint32_t block_keys_max, groups;
	uint64_t entries_offset; /* the tags stand right behind the head */
	uint64_t bytes_offset, bytes_size, block_bytes_max;
	uint64_t block_size;

	/* Of all blocks together. */
	uint32_t keys_max, count;
	uint32_t asked_max; /* keys of all slices of the operator */
	uint64_t bytes_max, bytes_live;

	struct state_space *space; /* NULL: no snapshot knows the map */
	uint64_t marks_size;       /* between a block's arena and the block */
	struct arena_part part;
	/* Slots that another version left, and are not converted yet: state/convert.c. NULL: none.
	 * Their keys count as if they were here. */
	struct space_conversion *waits;
	uint32_t waiting;
	uint64_t waiting_bytes;
	struct map_progress progress;
	int64_t nowhere; /* like `at`: the empty block of slots that are not this slice's */
	uint32_t slot_bits;
	/* [slot], behind `at`: of the entries of its block, see arena_watch; what its block says of
	 * keys, and of bytes in long ones (NULL: none are). All NULL: a map of one's own memory. */
	uint32_t *whole, *held;
	uint64_t *held_bytes;
	struct map_aging *aging; /* NULL: keys do not grow old */
	int64_t at[];            /* [slot]: where its block stands, from this struct on */
} __attribute__((aligned(64)));

/*
 * A key of any length in its entry: up to LM_MAP_SHORT_MAX bytes as they are, filled up with
 * zeroes; of a longer one the first 4, and where its record stands. Two words compare the short
 * ones.
 */
struct map_bytes {
	uint32_t length;
	char head[4];
	union {
		char rest[8];
		uint64_t record;
	};
};
static_assert(sizeof(struct map_bytes) == 16, "two words");
static_assert(LM_MAP_SHORT_MAX == 12, "what is left of two words");

/* In front of the bytes of a long key. */
struct map_record {
	uint32_t length;
	uint32_t entry; /* MAP_DEAD: none */
};

/* A key to look for. */
struct map_key {
	const char *bytes;
	uint32_t length;
	uint64_t word[2]; /* MAP_BYTES: as in struct map_bytes, the record 0 */
};

/*
 * Where things are.
 */

static inline struct map_block *
map_block_at(const struct lm_map *map, uint32_t slot)
{
	return (struct map_block *)((char *)(uintptr_t)map + map->at[slot]);
}

static inline struct map_block *
map_block_of(const struct lm_map *map, uint64_t hash)
{
	return map_block_at(map, route_slot(hash, map->slot_bits));
}

static inline uint8_t *
map_tags(const struct map_block *block, uint32_t group)
{
	return (uint8_t *)(uintptr_t)(block + 1) + (uint64_t)group * MAP_WIDTH;
}

static inline char *
map_entry(const struct lm_map *map, const struct map_block *block, uint64_t index)
{
	return (char *)(uintptr_t)block + map->entries_offset + index * map->entry_size;
}

/* Of a block that is in a space. */
static inline struct arena *
map_arena(const struct lm_map *map, const struct map_block *block)
{
	return (struct arena *)(void *)((char *)(uintptr_t)block - map->marks_size) - 1;
}

/* First of all, wherever a map is looked at. */
static inline void
map_settle(const struct lm_map *map)
{
	if (__builtin_expect(map->part.is_behind, 0)) {
		arena_part_settle((struct arena_part *)(uintptr_t)&map->part);
	}
}

/* Whether a slot is this slice's and has keys; its block is not looked at. */
static inline bool
map_slot_has_keys(const struct lm_map *map, uint32_t slot)
{
	if (map->held == NULL) {
		return map->count > 0;
	}
	return (map->space == NULL || !map->part.by_slot || map->space->has_slot[slot] != 0) &&
	       map->held[slot] > 0;
}

/* Bytes of a block are about to be written. */
static inline void
map_touch(struct lm_map *map, struct map_block *block, const void *at, uint64_t size)
{
	if (map->space != NULL) {
		arena_touch(map->space, &map->part, map_arena(map, block), at, size);
	}
}

static inline struct lm_map *
map_of_part(struct arena_part *part)
{
	return (struct lm_map *)(void *)((char *)part - offsetof(struct lm_map, part));
}

static inline void
map_check(const struct lm_map *map)
{
	assert(map->magic == MAP_MAGIC);
}

/* The low half of the hash chooses the group, the byte above it is the tag; 0 is "empty". */
static inline uint32_t
map_home(uint32_t groups, uint64_t hash)
{
	return (uint32_t)(((uint64_t)(uint32_t)hash * groups) >> 32);
}

static inline uint8_t
map_tag(uint64_t hash)
{
	uint8_t tag = (uint8_t)(hash >> 32);

	return (uint8_t)(tag + (tag == 0));
}

static inline uint32_t
map_next(const struct lm_map *map, uint32_t group)
{
	return group + 1 == map->groups ? 0 : group + 1;
}

static inline struct map_record *
map_record(const struct lm_map *map, const struct map_block *block, uint64_t offset)
{
	return (struct map_record *)((char *)(uintptr_t)block + map->bytes_offset + offset);
}

/*
 * A key is not where it should be: whether it is not there, for its slot has all that it should
 * have. The slot may be converted here and now.
 */
static inline bool
map_is_settled(const struct lm_map *map, uint32_t slot)
{
	return __builtin_expect(map->waits == NULL, 1) || conversion_lets(map->waits, slot);
}

/*
 * Keys.
 */

static inline uint64_t
map_load(const void *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline uint32_t
map_load_half(const void *bytes)
{
	uint32_t half;

	memcpy(&half, bytes, sizeof(half));
	return half;
}

/* The first `length` bytes, at most LM_MAP_SHORT_MAX, zeroes behind them; reads nothing past them.
 */
static inline void
map_head(const char *bytes, uint32_t length, uint64_t *low, uint64_t *high)
{
#if defined(__AVX512BW__) && defined(__AVX512VL__)
	__m128i head = _mm_maskz_loadu_epi8((__mmask16)((1u << length) - 1), bytes);

	*low = (uint64_t)_mm_cvtsi128_si64(head);
	*high = (uint64_t)_mm_extract_epi64(head, 1);
#else
	*high = 0;
	if (length >= 8) {
		*low = map_load(bytes);
		*high = (uint64_t)map_load_half(bytes + length - 4) >> (8 * (12 - length));
	} else if (length >= 4) {
		*low = map_load_half(bytes) | (uint64_t)map_load_half(bytes + length - 4)
		                                  << (8 * (length - 4));
	} else if (length > 0) {
		*low = (uint8_t)bytes[0] |
		       (uint64_t)(uint8_t)bytes[length / 2] << (8 * (length / 2)) |
		       (uint64_t)(uint8_t)bytes[length - 1] << (8 * (length - 1));
	} else {
		*low = 0;
	}
#endif
}

static inline void
map_key_of_bytes(struct map_key *key, const char *bytes, uint32_t length)
{
	uint64_t low, high;

	key->bytes = bytes;
	key->length = length;
	map_head(bytes, length <= LM_MAP_SHORT_MAX ? length : 4, &low, &high);
	key->word[0] = length | low << 32;
	key->word[1] = low >> 32 | high << 32;
}

static inline bool
map_equal_bytes(const struct lm_map *map, const struct map_block *block, const char *entry,
                const struct map_key *key)
{
	if (map_load(entry) != key->word[0]) {
		return false;
	}
	if (key->length <= LM_MAP_SHORT_MAX) {
		return map_load(entry + 8) == key->word[1];
	}
	return memcmp(map_record(map, block, map_load(entry + 8)) + 1, key->bytes, key->length) ==
	       0;
}

/* `kind` is a constant wherever it matters. */
static inline __attribute__((always_inline)) bool
map_equal(const struct lm_map *map, const struct map_block *block, enum map_kind kind,
          const char *entry, const struct map_key *key)
{
	uint64_t differ = 0;

	switch (kind) {
	case MAP_WORD:
		return map_load(entry) == map_load(key->bytes);
	case MAP_PAIR:
		return ((map_load(entry) ^ map_load(key->bytes)) |
		        (map_load(entry + 8) ^ map_load(key->bytes + 8))) == 0;
	case MAP_WORDS:
		for (uint32_t i = 0; i < map->key_words; i++) {
			differ |= map_load(entry + 8 * i) ^ map_load(key->bytes + 8 * i);
		}
		return differ == 0;
	default:
		return map_equal_bytes(map, block, entry, key);
	}
}

static inline void
map_describe(const struct lm_map *map, const struct map_block *block, char *entry,
             struct lm_map_entry *to)
{
	to->key = entry;
	to->length = map->key_size;
	if (map->kind == MAP_BYTES) {
		struct map_bytes bytes;

		memcpy(&bytes, entry, sizeof(bytes));
		to->length = bytes.length;
		to->key = entry + offsetof(struct map_bytes, head);
		if (bytes.length > LM_MAP_SHORT_MAX) {
			to->key = map_record(map, block, bytes.record) + 1;
		}
	}
	to->hash = map->hash_offset == 0 ? 0 : map_load(entry + map->hash_offset);
	to->value = entry + map->value_offset;
}

/* Fills in all that follows from the shape, for blocks of so many keys and bytes of long keys. */
void map_lay_out(struct lm_map *map, const struct lm_map_shape *shape, uint32_t block_keys_max,
                 uint64_t block_bytes_max);
bool map_is_possible(const struct lm_map_shape *shape);
/* The entry of the key in its block, or NULL. */
char *map_search(const struct lm_map *map, const struct map_block *block, uint64_t hash,
                 const struct map_key *key);
/* The new entry of a key that is not there, or NULL when there is no room. */
char *map_insert(struct lm_map *map, struct map_block *block, uint64_t hash,
                 const struct map_key *key);
/* A key as the map looks for it. */
struct map_key map_key_of(const struct lm_map *map, const void *bytes, uint32_t length);
/* Bytes that a new key takes of the byte area; whether there is room for it, in its slot alone. */
uint64_t map_key_bytes(const struct lm_map *map, const struct map_key *key);
bool map_block_has_room(const struct lm_map *map, const struct map_block *block, uint64_t bytes);
bool map_has_room(const struct lm_map *map, const struct map_block *block, uint64_t bytes);
/* A key that was not found, looked for again if its slot had yet to be converted. False: nor can
 * it be, and it must not be inserted. */
bool map_search_settled(const struct lm_map *map, const struct map_block *block, uint64_t hash,
                        const struct map_key *key, char **entry);
/* So many keys, and bytes in long ones, come to a block or leave it. */
void map_count_keys(struct lm_map *map, struct map_block *block, uint32_t slot, int32_t keys,
                    int64_t bytes);
/* The first key of a block: from here on it is more than zeroes. */
void map_begin_block(struct lm_map *map, struct map_block *block);
/* Takes the entry out of its block; its hash is that of its key. */
void map_erase_entry(struct lm_map *map, struct map_block *block, char *entry, uint64_t hash);
/* Takes all out of a block that has some. */
void map_clear_block(struct lm_map *map, struct map_block *block, uint32_t slot);
/* Of `whole` keys that fall anywhere, those that `part` in `of` places surely do not exceed. */
uint32_t map_share(uint32_t whole, uint32_t part, uint32_t of);

/* Ages (state/map_age.c). No block has keys, as far as is known beside them; a map without ages
 * may come here. */
void map_age_begin(struct lm_map *map);
/*
 * For maps that have them: the entry is about to be erased; the block was cleared; the block was
 * filled from a snapshot, or came from another slice; it leaves for one.
 */
void map_age_forget(struct lm_map *map, struct map_block *block, uint32_t slot, const char *entry);
void map_age_clear(struct lm_map *map, struct map_block *block, uint32_t slot);
void map_age_restored(struct lm_map *map, struct map_block *block, uint32_t slot);
void map_age_gone(struct lm_map *map, struct map_block *block, uint32_t slot);
/* What a block that was cleared had removed is not counted: it is to be filled once more. */
void map_age_undone(struct lm_map *map, struct map_block *block);
/* Bytes of the ages of a block. */
uint64_t map_ages_size(const struct lm_map *map);

/* The place of an entry, from 0. */
static inline uint32_t
map_place(const struct lm_map *map, const struct map_block *block, const char *entry)
{
	return (uint32_t)((uint64_t)(entry - map_entry(map, block, 0)) / map->entry_size);
}

#endif
