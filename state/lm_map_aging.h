/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_MAP_AGING_H
#define LM_MAP_AGING_H

/*
 * Maps whose keys grow old: a key that is not used for `ttl_ns` is forgotten, and where there is no
 * room for a new one the key that was used the longest ago makes it. To use a key is to upsert or
 * put it; to find it is not.
 *
 * Time is what the rows say: each row that is looked up has a time, each key the greatest time of
 * its rows. A row that comes more than `ttl_ns` after that finds its key new, whether the old one
 * was removed already or not; so what comes out depends on the rows of a key and their order alone,
 * not on batches, clocks or other keys. `lm_map_expire` gives the room back, a bounded number of
 * keys a call: tell it a time that no later row is at or before, a watermark.
 *
 * What is evicted is the key that was used the longest ago, whatever its time: of the slot where
 * that holds its share, else of the slice. Bounds are those of every map, see state/lm_map.h: the
 * only slice of an operator holds exactly keys_max.
 *
 * Values that were returned must not go before they were used. So a call looks up rows until one
 * needs a key removed that the same call returned, or until on_remove has no room; it says how many
 * rows it did, and is called again for the rest:
 *
 *     s->map = lm_map_open_aging(op, &shape, &aging);
 *     for (rows.first = 0; rows.first < in->count; rows.first += done) {
 *             rows.count = in->count - rows.first;
 *             done = lm_map_upsert_part(s->map, &rows, lm_batch_time(in), value, NULL, &refused);
 *             ... rows.first to rows.first + done - 1 have value[0] to value[done - 1] ...
 *     }
 *
 * The order of use and the times are in the slots' memory: a snapshot has them. An entry takes 32
 * bytes more, its age and its hash. Where the slice is full and not the slot, evicting looks
 * through one note for each slot.
 */

#include "state/lm_map.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_map_full { LM_MAP_REFUSE, LM_MAP_EVICT_OLDEST };

/* Why a key is removed. */
enum lm_map_removal {
	LM_MAP_EXPIRED, /* not used for ttl_ns */
	LM_MAP_EVICTED, /* for a new one, LM_MAP_EVICT_OLDEST */
	LM_MAP_REMOVALS
};

struct lm_map_aging {
	uint64_t ttl_ns; /* 0: no key expires */
	enum lm_map_full when_full;
	/*
	 * A key is about to be removed: what is in it is good until this returns. It may touch and
	 * write the value but call nothing else of the map. False: not now, there is no room for
	 * what it holds; the call that would remove it then ends in front of the row. NULL: nobody
	 * wants to know.
	 */
	bool (*on_remove)(void *arg, const struct lm_map_entry *entry, enum lm_map_removal why);
	void *arg;
};

/* The parameters that lm_map_aging_configure reads, for a class's table. */
#define LM_MAP_AGING_PARAMS                                                                        \
	{ .name = "ttl",                                                                           \
	  .type = LM_PARAM_DURATION,                                                               \
	  .max = 1e17,                                                                             \
	  .summary = "event time after which a key that had no row is forgotten; 0s: never" },     \
	{                                                                                          \
		.name = "when_full", .type = LM_PARAM_CHOICE, .fallback = "refuse",                \
		.choices = lm_map_full_texts,                                                      \
		.summary = "where `keys` are there: refuse new ones, or evict the one unused for " \
			   "longest"                                                               \
	}
extern const char *const lm_map_full_texts[];

/* In configure: reads them. Returns 0, or -1 after reporting that the input has no event time. */
int lm_map_aging_configure(struct lm_map_aging *aging, struct lm_setup *setup);
/* Whether a map with this needs anything that other maps do not. */
static inline bool
lm_map_aging_is_on(const struct lm_map_aging *aging)
{
	return aging->ttl_ns > 0 || aging->when_full != LM_MAP_REFUSE;
}

/* In open: as lm_map_open. The map keeps hashes. */
struct lm_map *lm_map_open_aging(struct lm_op *op, const struct lm_map_shape *shape,
                                 const struct lm_map_aging *aging);

/*
 * lm_map_upsert for the first rows of `in`; returns how many it did: at least 1 if there is one,
 * unless on_remove said no at the first. time_ns, indexed by row, may be NULL where nothing
 * expires. inserted[i] (may be NULL) is 1 also for a row whose key had expired. Of those rows
 * *refused had no room. Values are good until the next call that may remove a key. Maps that do not
 * age take it, too: all rows at once.
 */
uint32_t lm_map_upsert_part(struct lm_map *map, const struct lm_map_rows *in,
                            const int64_t *time_ns, void **values, uint8_t *inserted,
                            uint32_t *refused);
/* lm_map_put for one key at a time; NULL also where on_remove said no. */
void *lm_map_put_at(struct lm_map *map, uint64_t hash, const void *key, uint32_t length,
                    int64_t time_ns, bool *inserted);
/* lm_map_find, where a key that has expired at the time of its row is not there. */
uint32_t lm_map_find_at(const struct lm_map *map, const struct lm_map_rows *in,
                        const int64_t *time_ns, const void **values);
/*
 * Removes up to `keys_max` keys that are to be forgotten, no row at or before `time_ns` being to
 * come. False: there may be more, or on_remove said no.
 */
bool lm_map_expire(struct lm_map *map, int64_t time_ns, uint32_t keys_max);
/* Keys of the slots of the map that were removed so far, those before a restore included. */
uint64_t lm_map_removed(const struct lm_map *map, enum lm_map_removal why);
/* Keys that a map holds at most: keys_max, or the slice's share of it. */
uint32_t lm_map_bound(const struct lm_map *map);

#ifdef __cplusplus
}
#endif

#endif
