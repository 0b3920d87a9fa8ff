/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys that grow old: in each block a list of its keys in the order of use, and the time of each.
 * The first of the list is the one to evict, and the first to look at for those that are over.
 */

#include "state/map.h"

/* Rows that are fetched ahead of the one in hand: the tags of twice as many, the entries. */
#define AGE_AHEAD 16u

const char *const lm_map_full_texts[] = { "refuse", "evict_oldest", NULL };

int
lm_map_aging_configure(struct lm_map_aging *aging, struct lm_setup *setup)
{
	*aging = (struct lm_map_aging){
		.ttl_ns = lm_setup_u64(setup, "ttl"),
		.when_full = (enum lm_map_full)lm_setup_choice(setup, "when_full"),
	};
	if (aging->ttl_ns > 0 && lm_setup_input(setup, 0)->time_field == LM_NONE) {
		return lm_setup_error(setup, "ttl", LM_NONE, LM_NONE,
		                      "give the rows a column of type time",
		                      "keys grow old by event time, and the rows have none");
	}
	return 0;
}

/*
 * The list of a block. Places are counted from 1 in it.
 */

uint64_t
map_ages_size(const struct lm_map *map)
{
	uint64_t size =
	    sizeof(struct map_ages) + (uint64_t)map->groups * MAP_SLOTS * sizeof(struct map_age);

	return (size + 63) & ~UINT64_C(63);
}

static struct map_ages *
age_head(const struct lm_map *map, const struct map_block *block)
{
	return (struct map_ages *)((char *)(uintptr_t)block + map->aging->ages_offset);
}

static struct map_age *
age_at(const struct lm_map *map, const struct map_block *block, uint32_t place)
{
	return (struct map_age *)(age_head(map, block) + 1) + (place - 1);
}

/* The age at a place, about to be written. */
static struct map_age *
age_write(struct lm_map *map, struct map_block *block, uint32_t place)
{
	struct map_age *age = age_at(map, block, place);

	if (!CANARY(CANARY_UNTOUCHED_LINK)) {
		map_touch(map, block, age, sizeof(*age));
	}
	return age;
}

/* The key that is the oldest of its slot is another now, or was used. */
static void
age_note_oldest(struct lm_map *map, const struct map_block *block, uint32_t slot)
{
	struct map_aging *aging = map->aging;
	uint32_t oldest = age_head(map, block)->oldest;
	struct map_oldest note = { INT64_MAX, UINT64_MAX };

	if (oldest != 0) {
		const struct map_age *age = age_at(map, block, oldest);

		note = (struct map_oldest){ age->time_ns, age->use };
	}
	aging->slot[slot] = note;
	aging->oldest_ns = note.time_ns < aging->oldest_ns ? note.time_ns : aging->oldest_ns;
}

static void
age_unlink(struct lm_map *map, struct map_block *block, uint32_t place)
{
	struct map_ages *ages = age_head(map, block);
	struct map_age age = *age_at(map, block, place);

	map_touch(map, block, ages, sizeof(*ages));
	if (age.older != 0) {
		age_write(map, block, age.older)->newer = age.newer;
	} else {
		ages->oldest = age.newer;
	}
	if (age.newer != 0) {
		age_write(map, block, age.newer)->older = age.older;
	} else {
		ages->newest = age.older;
	}
}

static void
age_append(struct lm_map *map, struct map_block *block, uint32_t place)
{
	struct map_ages *ages = age_head(map, block);
	struct map_age *age = age_write(map, block, place);

	map_touch(map, block, ages, sizeof(*ages));
	age->older = ages->newest;
	age->newer = 0;
	if (ages->newest != 0) {
		age_write(map, block, ages->newest)->newer = place;
	} else {
		ages->oldest = place;
	}
	ages->newest = place;
}

/* The key at the place is used by a row of that time; a new one is not in the list. */
static void
age_use(struct lm_map *map, struct map_block *block, uint32_t slot, uint32_t place, int64_t time_ns,
        bool is_new)
{
	struct map_ages *ages = age_head(map, block);
	uint32_t oldest = ages->oldest;
	struct map_age *age = age_write(map, block, place);

	if (is_new) {
		age_append(map, block, place);
	} else if (ages->newest != place) {
		age_unlink(map, block, place);
		age_append(map, block, place);
	}
	age->time_ns = is_new || time_ns > age->time_ns ? time_ns : age->time_ns;
	age->use = ++map->aging->use;
	if (oldest == place || oldest == 0) {
		age_note_oldest(map, block, slot);
	}
}

/* More than the time to live has passed, from one time to the other. */
static bool
age_is_over(const struct map_aging *aging, int64_t used_ns, int64_t time_ns)
{
	return aging->asked.ttl_ns > 0 && time_ns > used_ns &&
	       (uint64_t)time_ns - (uint64_t)used_ns > aging->asked.ttl_ns;
}

/* The same for whatever row comes once no row at or before time_ns does. */
static bool
age_is_due(const struct map_aging *aging, int64_t used_ns, int64_t time_ns)
{
	return aging->asked.ttl_ns > 0 && time_ns >= used_ns && used_ns != INT64_MAX &&
	       (uint64_t)time_ns - (uint64_t)used_ns >= aging->asked.ttl_ns;
}

/* Tells that a key is to go, and counts it. False: not now. */
static bool
age_tell(struct lm_map *map, struct map_block *block, char *entry, enum lm_map_removal why)
{
	const struct lm_map_aging *asked = &map->aging->asked;
	struct map_ages *ages = age_head(map, block);

	if (asked->on_remove != NULL) {
		struct lm_map_entry told;

		map_describe(map, block, entry, &told);
		if (!asked->on_remove(asked->arg, &told, why)) {
			return false;
		}
	}
	map_touch(map, block, ages, sizeof(*ages));
	ages->removed[why]++;
	map->aging->removed[why]++;
	return true;
}

void
map_age_forget(struct lm_map *map, struct map_block *block, uint32_t slot, const char *entry)
{
	age_unlink(map, block, map_place(map, block, entry) + 1);
	age_note_oldest(map, block, slot);
}

/* Removes the oldest key of a block. False: not now. */
static bool
age_remove_oldest(struct lm_map *map, struct map_block *block, uint32_t slot,
                  enum lm_map_removal why)
{
	uint32_t oldest = age_head(map, block)->oldest;
	char *entry = map_entry(map, block, oldest - 1);

	assert(oldest != 0);
	if (!age_tell(map, block, entry, why)) {
		return false;
	}
	map_age_forget(map, block, slot, entry);
	map_erase_entry(map, block, entry, map_load(entry + map->hash_offset));
	return true;
}

void
map_age_clear(struct lm_map *map, struct map_block *block, uint32_t slot)
{
	struct map_ages *ages = age_head(map, block);

	map_touch(map, block, ages, sizeof(*ages));
	ages->oldest = 0;
	ages->newest = 0;
	age_note_oldest(map, block, slot);
}

void
map_age_begin(struct lm_map *map)
{
	struct map_aging *aging = map->aging;

	if (aging == NULL) {
		return;
	}
	memset(aging->removed, 0, sizeof(aging->removed));
	aging->use = 0;
	aging->oldest_ns = INT64_MAX;
	for (uint32_t slot = 0; slot < 1u << map->slot_bits; slot++) {
		aging->slot[slot] = (struct map_oldest){ INT64_MAX, UINT64_MAX };
	}
}

void
map_age_restored(struct lm_map *map, struct map_block *block, uint32_t slot)
{
	const struct map_ages *ages = age_head(map, block);
	struct map_aging *aging = map->aging;

	age_note_oldest(map, block, slot);
	if (ages->newest != 0 && age_at(map, block, ages->newest)->use > aging->use) {
		aging->use = age_at(map, block, ages->newest)->use;
	}
	for (uint32_t why = 0; why < LM_MAP_REMOVALS; why++) {
		aging->removed[why] += ages->removed[why];
	}
}

void
map_age_undone(struct lm_map *map, struct map_block *block)
{
	struct map_ages *ages = age_head(map, block);

	map_touch(map, block, ages, sizeof(*ages));
	for (uint32_t why = 0; why < LM_MAP_REMOVALS; why++) {
		map->aging->removed[why] -= ages->removed[why];
		ages->removed[why] = 0;
	}
}

void
map_age_gone(struct lm_map *map, struct map_block *block, uint32_t slot)
{
	const struct map_ages *ages = age_head(map, block);
	struct map_aging *aging = map->aging;

	aging->slot[slot] = (struct map_oldest){ INT64_MAX, UINT64_MAX };
	for (uint32_t why = 0; why < LM_MAP_REMOVALS; why++) {
		aging->removed[why] -= ages->removed[why];
	}
}

/*
 * Looking up.
 */

/* A row: where its key belongs. */
struct age_row {
	struct map_block *block;
	uint32_t slot;
	uint64_t hash;
	int64_t time_ns;
	struct map_key key;
};

/* What becomes of a row; to wait: the call ends before it. */
enum age_outcome { AGE_TAKEN, AGE_REFUSED, AGE_WAITS };

/* Whether a key was handed out by the call under way, going by its last use. */
static bool
age_is_held(const struct map_aging *aging, uint64_t use)
{
	return use > aging->call_use;
}

/* The key is there: if it is over, it begins anew where it stands. */
static enum age_outcome
age_renew(struct lm_map *map, const struct age_row *row, char *entry, bool *is_new)
{
	uint32_t place = map_place(map, row->block, entry) + 1;
	const struct map_age *age = age_at(map, row->block, place);
	char *value = entry + map->value_offset;

	*is_new = age_is_over(map->aging, age->time_ns, row->time_ns);
	if (*is_new && (age_is_held(map->aging, age->use) ||
	                !age_tell(map, row->block, entry, LM_MAP_EXPIRED))) {
		return AGE_WAITS;
	}
	if (map->value_size > 0 && !CANARY(CANARY_UNTOUCHED_VALUE)) {
		map_touch(map, row->block, value, map->value_size);
	}
	if (*is_new) {
		memset(value, 0, map->value_size);
	}
	age_use(map, row->block, row->slot, place, row->time_ns, false);
	return AGE_TAKEN;
}

/* The slot whose oldest key was used the longest ago of all. */
static uint32_t
age_oldest_slot(const struct lm_map *map)
{
	const struct map_oldest *slot = map->aging->slot;
	uint64_t use = UINT64_MAX;
	uint32_t oldest = 0;

	for (uint32_t s = 0; s < 1u << map->slot_bits; s++) {
		oldest = slot[s].use < use ? s : oldest;
		use = slot[s].use < use ? slot[s].use : use;
	}
	return oldest;
}

/* Room for a new key, by what the map does when it is full: in the slot, then in the slice. */
static enum age_outcome
age_make_room(struct lm_map *map, const struct age_row *row)
{
	uint64_t bytes = map_key_bytes(map, &row->key);

	while (!map_has_room(map, row->block, bytes)) {
		uint32_t slot = row->slot;

		if (map->aging->asked.when_full == LM_MAP_REFUSE || bytes > map->block_bytes_max) {
			return AGE_REFUSED;
		}
		if (map_block_has_room(map, row->block, bytes)) {
			/* The oldest of all may be one that waits. */
			if (map->waits != NULL) {
				conversion_let_all(map->waits);
			}
			slot = age_oldest_slot(map);
		}
		if (age_is_held(map->aging, map->aging->slot[slot].use) ||
		    !age_remove_oldest(map, map_block_at(map, slot), slot, LM_MAP_EVICTED)) {
			return AGE_WAITS;
		}
	}
	return AGE_TAKEN;
}

/* Finds or inserts the key of a row: its entry in *entry. */
static enum age_outcome
age_take(struct lm_map *map, const struct age_row *row, char **entry, bool *is_new)
{
	enum age_outcome outcome;

	*entry = map_search(map, row->block, row->hash, &row->key);
	if (*entry == NULL && !map_search_settled(map, row->block, row->hash, &row->key, entry)) {
		return AGE_REFUSED;
	}
	if (*entry != NULL) {
		return age_renew(map, row, *entry, is_new);
	}
	/* A row in a slot of another slice was routed wrongly. */
	assert((char *)row->block - (char *)map != map->nowhere);
	outcome = age_make_room(map, row);
	*is_new = outcome == AGE_TAKEN;
	if (outcome == AGE_TAKEN) {
		*entry = map_insert(map, row->block, row->hash, &row->key);
		age_use(map, row->block, row->slot, map_place(map, row->block, *entry) + 1,
		        row->time_ns, true);
	}
	return outcome;
}

static uint32_t
age_row_index(const struct lm_map_rows *in, uint32_t i)
{
	return in->rows == NULL ? in->first + i : in->rows[in->first + i];
}

static struct map_key
age_row_key(const struct lm_map *map, const struct lm_map_rows *in, uint32_t r)
{
	const char *keys = in->keys;

	if (map->kind == MAP_BYTES) {
		return map_key_of(map, keys + in->offsets[r], in->offsets[r + 1] - in->offsets[r]);
	}
	return map_key_of(map, keys + (size_t)r * map->key_size, map->key_size);
}

/* Fetches, ahead of their turn, the tags of some rows and the entries and ages of some before. */
static void
age_fetch(const struct lm_map *map, const struct lm_map_rows *in, uint32_t i)
{
	for (uint32_t k = i + AGE_AHEAD; k < i + 2 * AGE_AHEAD && k < in->count; k++) {
		uint64_t hash = in->hash[age_row_index(in, k)];

		__builtin_prefetch(map_tags(map_block_of(map, hash), map_home(map->groups, hash)));
	}
	for (uint32_t k = i; k < i + AGE_AHEAD && k < in->count; k++) {
		uint64_t hash = in->hash[age_row_index(in, k)];
		struct map_block *block = map_block_of(map, hash);
		uint32_t group = map_home(map->groups, hash);
		uint64_t mask = map_group_match(map_tags(block, group), map_tag(hash));
		uint32_t place = group * MAP_SLOTS + (uint32_t)__builtin_ctzll(mask | 1ull << 63);

		if (mask != 0) {
			__builtin_prefetch(map_entry(map, block, place), 1);
			__builtin_prefetch(age_at(map, block, place + 1), 1);
		}
	}
}

static struct age_row
age_row_of(const struct lm_map *map, const struct lm_map_rows *in, const int64_t *time_ns,
           uint32_t i)
{
	uint32_t r = age_row_index(in, i), slot = route_slot(in->hash[r], map->slot_bits);

	return (struct age_row){ .block = map_block_at(map, slot),
		                 .slot = slot,
		                 .hash = in->hash[r],
		                 .time_ns = time_ns == NULL ? 0 : time_ns[r],
		                 .key = age_row_key(map, in, r) };
}

uint32_t
lm_map_upsert_part(struct lm_map *map, const struct lm_map_rows *in, const int64_t *time_ns,
                   void **values, uint8_t *inserted, uint32_t *refused)
{
	map_check(map);
	*refused = 0;
	if (map->aging == NULL) {
		*refused = lm_map_upsert(map, in, values, inserted);
		return in->count;
	}
	assert(time_ns != NULL || map->aging->asked.ttl_ns == 0);
	map->aging->call_use = map->aging->use;
	for (uint32_t i = 0; i < in->count; i++) {
		enum age_outcome outcome;
		struct age_row row;
		char *entry;
		bool is_new;

		if (i % AGE_AHEAD == 0) {
			age_fetch(map, in, i);
		}
		row = age_row_of(map, in, time_ns, i);
		outcome = age_take(map, &row, &entry, &is_new);
		if (outcome == AGE_WAITS) {
			return i;
		}
		values[i] = outcome == AGE_REFUSED ? NULL : entry + map->value_offset;
		*refused += outcome == AGE_REFUSED;
		if (inserted != NULL) {
			inserted[i] = is_new;
		}
	}
	return in->count;
}

void *
lm_map_put_at(struct lm_map *map, uint64_t hash, const void *key, uint32_t length, int64_t time_ns,
              bool *inserted)
{
	uint32_t slot = route_slot(hash, map->slot_bits);
	struct age_row row = {
		.block = map_block_at(map, slot), .slot = slot, .hash = hash, .time_ns = time_ns
	};
	enum age_outcome outcome;
	bool is_new = false;
	char *entry;

	if (map->aging == NULL) {
		return lm_map_put(map, hash, key, length, inserted);
	}
	row.key = map_key_of(map, key, length);
	map->aging->call_use = map->aging->use;
	outcome = age_take(map, &row, &entry, &is_new);
	if (inserted != NULL) {
		*inserted = is_new && outcome == AGE_TAKEN;
	}
	return outcome == AGE_TAKEN ? entry + map->value_offset : NULL;
}

uint32_t
lm_map_find_at(const struct lm_map *map, const struct lm_map_rows *in, const int64_t *time_ns,
               const void **values)
{
	uint32_t absent = lm_map_find(map, in, values);

	if (map->aging == NULL || map->aging->asked.ttl_ns == 0) {
		return absent;
	}
	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t r = age_row_index(in, i), place;
		const struct map_block *block = map_block_of(map, in->hash[r]);

		if (values[i] == NULL) {
			continue;
		}
		place = map_place(map, block, (const char *)values[i] - map->value_offset) + 1;
		if (age_is_over(map->aging, age_at(map, block, place)->time_ns, time_ns[r])) {
			values[i] = NULL;
			absent++;
		}
	}
	return absent;
}

/*
 * Giving room back.
 */

/* Of one slot, while there are keys left to remove. False: there may be more. */
static bool
age_expire_slot(struct lm_map *map, uint32_t slot, int64_t time_ns, uint32_t *keys_left)
{
	const struct map_aging *aging = map->aging;

	while (age_is_due(aging, aging->slot[slot].time_ns, time_ns)) {
		if (*keys_left == 0 ||
		    !age_remove_oldest(map, map_block_at(map, slot), slot, LM_MAP_EXPIRED)) {
			return false;
		}
		--*keys_left;
	}
	return true;
}

bool
lm_map_expire(struct lm_map *map, int64_t time_ns, uint32_t keys_max)
{
	struct map_aging *aging = map->aging;
	int64_t oldest_ns = INT64_MAX;

	map_check(map);
	if (aging == NULL || !age_is_due(aging, aging->oldest_ns, time_ns)) {
		return true;
	}
	for (uint32_t slot = 0; slot < 1u << map->slot_bits; slot++) {
		if (!age_expire_slot(map, slot, time_ns, &keys_max)) {
			return false;
		}
		oldest_ns =
		    aging->slot[slot].time_ns < oldest_ns ? aging->slot[slot].time_ns : oldest_ns;
	}
	aging->oldest_ns = oldest_ns;
	return true;
}

uint64_t
lm_map_removed(const struct lm_map *map, enum lm_map_removal why)
{
	return map->aging == NULL ? 0 : map->aging->removed[why];
}

uint32_t
lm_map_bound(const struct lm_map *map)
{
	return map->keys_max;
}
