/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_CONVERT_H
#define LM_CONVERT_H

/*
 * State of one version of an operator made into that of another, while the job runs: what the
 * class's convert and convert_back use.
 *
 * A class whose state_version grew says by `converts` from which versions it goes on. When a job
 * goes over to it, a slice of the new code opens its maps, empty, beside those of the old one.
 * What was kept under a slot of keys becomes the new version's when a row first needs the slot, or
 * as turns of the slice go by: then `convert` is called for the slot. Until it is through, and for
 * ever if that fails, the slot is what it was.
 *
 *     static int
 *     one(void *arg, const struct lm_map_entry *from, void *to)
 *     {
 *             ((struct sums *)to)->rows = *(const uint64_t *)from->value;
 *             return 0;
 *     }
 *
 *     static int
 *     convert(struct lm_op *op, struct lm_conversion *from)
 *     {
 *             struct counter *c = lm_op_context(op);
 *
 *             return from->slot == LM_NONE ? 0 : lm_conversion_values(from,
 *                     lm_conversion_map(from, 0), c->sums, one, NULL);
 *     }
 *
 * lm_conversion_values keeps all keys as they stand, with their ages, and makes new values. Where
 * keys come, go or move between maps, walk those of the slot by lm_map_scan_slot and put them:
 * their hash is in the entry if the map keeps hashes. A key stays in its slot.
 *
 * A slot that no row waits for is converted in steps of some 12 us, with rows between them. When
 * one is over, lm_conversion_values and lm_conversion_items return LM_CONVERSION_MORE: return that,
 * at once. The slot waits again, what the call has put into it is taken out, and in another step,
 * or when a row needs the slot, `convert` is called anew: they go on where they were. So `one` is
 * called once for a key, but `convert` perhaps more than once for a slot. What it does by hand
 * is done again, and is not divided: do it behind them.
 *
 * What belongs to no slot, values and maps that are not routed by, is converted first, when the
 * slice begins: slot LM_NONE. What was serialized goes to deserialize, behind that.
 *
 * A map that is what it was needs no converting: say so in open, behind lm_map_open, and its slots
 * come by pointer. It must then have the shape and the place, among all that is opened, that it
 * had.
 *
 *     lm_map_unchanged_since(op, c->seen, 1);     in it is what version 1 had in it
 *
 * While slots wait, lm_map_count counts their keys as they were; lm_list_items does not. A walk
 * through all keys converts them all.
 *
 * Threads: as convert and convert_back, which alone may use these.
 */

#include "state/lm_list.h"
#include "state/lm_value.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Of the other version: what it opened as its first, second, … map, list or value; NULL: it has not
 * that many, or what there was is now this version's (lm_map_unchanged_since). In convert it is
 * for reading, in convert_back for writing. The maps that lists stand on do not count.
 */
struct lm_map *lm_conversion_map(const struct lm_conversion *conversion, uint32_t index);
struct lm_lists *lm_conversion_list(const struct lm_conversion *conversion, uint32_t index);
struct lm_value *lm_conversion_value(const struct lm_conversion *conversion, uint32_t index);

/* There is more to do for the slot, in another step. */
#define LM_CONVERSION_MORE 1

/*
 * All keys of the slot, with new values: `one` makes each, from zeroes; it returns 0, or -errno,
 * which ends it. `to` has nothing in the slot, and the keys and bounds of `from`: 0,
 * LM_CONVERSION_MORE, -EINVAL and why, or what `one` said. `arg` is perhaps not that of the step
 * before.
 */
typedef int lm_conversion_one(void *arg, const struct lm_map_entry *from, void *to);
int lm_conversion_values(struct lm_conversion *conversion, const struct lm_map *from,
                         struct lm_map *to, lm_conversion_one *one, void *arg);
/* The same for lists: their keys and order stay, `one` makes each item. */
typedef int lm_conversion_item(void *arg, const void *from, void *to);
int lm_conversion_items(struct lm_conversion *conversion, const struct lm_lists *from,
                        struct lm_lists *to, lm_conversion_item *one, void *arg);

/* As lm_map_scan, of one slot; `cursor` is of it alone. Maps that are not routed by: slot 0. */
uint32_t lm_map_scan_slot(const struct lm_map *map, uint32_t slot, uint64_t *cursor,
                          struct lm_map_entry *entries, uint32_t max);
uint32_t lm_list_scan_slot(const struct lm_lists *lists, uint32_t slot, uint64_t *cursor,
                           struct lm_map_entry *entries, uint32_t max);

/* In open, at once behind the call that made it. */
void lm_map_unchanged_since(struct lm_op *op, struct lm_map *map, uint32_t version);
void lm_list_unchanged_since(struct lm_op *op, struct lm_lists *lists, uint32_t version);
void lm_value_unchanged_since(struct lm_op *op, struct lm_value *value, uint32_t version);

#ifdef __cplusplus
}
#endif

#endif
