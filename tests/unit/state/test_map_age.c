/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maps whose keys grow old against a table that is searched from end to end: rows at random, late
 * ones among them, keys that expire and are evicted, snapshots taken on the way and gone back to.
 */
#include "state/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/draw.h"
#include "tests/unit/state/state_rig.h"

#define KEYS 300u
#define ROWS 200u
#define KEY_BYTES 48u
#define STEPS 1500u
#define LOG_MAX (1u << 16)

struct age_case {
	uint32_t key_size; /* 0: strings */
	uint32_t slot_bits;
	uint32_t keys_max;
	uint64_t bytes_max;
	uint64_t ttl_ns;
	enum lm_map_full when_full;
	uint32_t hash_count; /* distinct hashes; 0: good ones */
};

static const struct age_case age_cases[] = {
	{ .key_size = 8, .keys_max = KEYS, .ttl_ns = 60 },
	{ .key_size = 8, .keys_max = 100, .ttl_ns = 200 },
	{ .key_size = 8, .keys_max = 100, .when_full = LM_MAP_EVICT_OLDEST },
	{ .key_size = 8, .keys_max = 1, .ttl_ns = 1000, .when_full = LM_MAP_EVICT_OLDEST },
	{ .key_size = 16, .slot_bits = 3, .keys_max = 80, .when_full = LM_MAP_EVICT_OLDEST },
	{ .key_size = 8, .slot_bits = 3, .keys_max = 60, .ttl_ns = 100 },
	/* Two slots that are full before the slice is. */
	{ .key_size = 8,
	  .slot_bits = 3,
	  .keys_max = 80,
	  .when_full = LM_MAP_EVICT_OLDEST,
	  .hash_count = 2 },
	{ .key_size = 24,
	  .slot_bits = 2,
	  .keys_max = 90,
	  .ttl_ns = 90,
	  .when_full = LM_MAP_EVICT_OLDEST,
	  .hash_count = 20 },
	{ .keys_max = 120, .bytes_max = 1500, .when_full = LM_MAP_EVICT_OLDEST },
	{ .slot_bits = 1, .keys_max = 300, .bytes_max = 1 << 20, .ttl_ns = 80 },
	{ .keys_max = 200, .bytes_max = 300, .ttl_ns = 150, .when_full = LM_MAP_EVICT_OLDEST },
};

/* A key in the table, and one that was removed. */
struct known {
	bool present;
	int64_t time_ns;
	uint64_t use, value;
};

struct removed {
	uint32_t id;
	enum lm_map_removal why;
	uint64_t value;
};

/* What should be there; copied when a snapshot begins. */
struct table {
	struct known key[KEYS];
	uint64_t uses, removed[LM_MAP_REMOVALS];
};

static struct model {
	const struct age_case *c;
	struct lm_op slice[2]; /* the one that runs, and the one before */
	uint32_t current;
	struct lm_map *map;
	struct table now, cut;
	struct removed log[LOG_MAX], want[LOG_MAX];
	uint32_t log_count, want_count, log_room;
	bool said_no;
	struct snapshot shot;
	bool shot_under_way, shot_done;
	int64_t time_ns;
	uint64_t seed;
} m;

static uint32_t
draw_below(uint32_t below)
{
	return (uint32_t)(mix(m.seed++) % below);
}

static uint32_t
key_write(uint32_t id, char *to)
{
	uint32_t length = m.c->key_size == 0 ? 4 + id % 40 : m.c->key_size;

	memset(to, 'k', length);
	memcpy(to, &id, sizeof(id));
	return length;
}

static uint32_t
key_id(const void *key)
{
	uint32_t id;

	memcpy(&id, key, sizeof(id));
	return id;
}

static uint64_t
key_hash(uint32_t id)
{
	return mix(m.c->hash_count == 0 ? id : id % m.c->hash_count);
}

static uint64_t
key_bytes(uint32_t id)
{
	uint32_t length = 4 + id % 40;

	return m.c->key_size == 0 && length > LM_MAP_SHORT_MAX ? (length + 15u) & ~7u : 0;
}

static uint32_t
key_slot(uint32_t id)
{
	return route_slot(key_hash(id), m.c->slot_bits);
}

static bool
on_remove(void *arg, const struct lm_map_entry *entry, enum lm_map_removal why)
{
	assert_ptr_equal(arg, &m);
	if (m.log_count == m.log_room) {
		m.said_no = true;
		return false;
	}
	assert_true(m.log_count < LOG_MAX);
	assert_int_equal(entry->hash, key_hash(key_id(entry->key)));
	m.log[m.log_count++] = (struct removed){ .id = key_id(entry->key),
		                                 .why = why,
		                                 .value = ((uint64_t *)entry->value)[1] };
	return true;
}

/*
 * The table.
 */

static void
table_remove(uint32_t id, enum lm_map_removal why)
{
	m.want[m.want_count++] =
	    (struct removed){ .id = id, .why = why, .value = m.now.key[id].value };
	assert_true(m.want_count < LOG_MAX);
	m.now.key[id].present = false;
	m.now.removed[why]++;
}

static void
table_size(uint32_t slot, bool all, uint32_t *keys, uint64_t *bytes)
{
	*keys = 0;
	*bytes = 0;
	for (uint32_t id = 0; id < KEYS; id++) {
		if (m.now.key[id].present && (all || key_slot(id) == slot)) {
			++*keys;
			*bytes += key_bytes(id);
		}
	}
}

static bool
table_has_room(uint32_t id, bool in_slot)
{
	uint32_t slot_keys, keys;
	uint64_t slot_bytes, bytes;

	table_size(key_slot(id), false, &slot_keys, &slot_bytes);
	table_size(0, true, &keys, &bytes);
	return slot_keys < m.map->block_keys_max &&
	       slot_bytes + key_bytes(id) <= m.map->block_bytes_max &&
	       (in_slot || (keys < m.c->keys_max &&
	                    (m.c->key_size != 0 || bytes + key_bytes(id) <= m.c->bytes_max)));
}

/* Of a slot, or of all, the key that was used first; KEYS: there is none. */
static uint32_t
table_oldest(uint32_t slot, bool all)
{
	uint32_t oldest = KEYS;

	for (uint32_t id = 0; id < KEYS; id++) {
		if (m.now.key[id].present && (all || key_slot(id) == slot) &&
		    (oldest == KEYS || m.now.key[id].use < m.now.key[oldest].use)) {
			oldest = id;
		}
	}
	return oldest;
}

/* The key that has to go first for a new one. */
static uint32_t
table_evicted(uint32_t id)
{
	return table_oldest(key_slot(id), table_has_room(id, true));
}

static bool
table_is_over(uint32_t id, int64_t time_ns)
{
	return m.c->ttl_ns > 0 && m.now.key[id].present &&
	       time_ns - m.now.key[id].time_ns > (int64_t)m.c->ttl_ns;
}

/* What a row does; false: refused. *is_new: it began a key. */
static bool
table_take(uint32_t id, int64_t time_ns, bool *is_new)
{
	struct known *key = &m.now.key[id];

	*is_new = !key->present || table_is_over(id, time_ns);
	if (table_is_over(id, time_ns)) {
		table_remove(id, LM_MAP_EXPIRED);
	} else if (!key->present) {
		if (key_bytes(id) > m.map->block_bytes_max ||
		    (m.c->when_full == LM_MAP_REFUSE && !table_has_room(id, false))) {
			*is_new = false;
			return false;
		}
		while (!table_has_room(id, false)) {
			table_remove(table_evicted(id), LM_MAP_EVICTED);
		}
	}
	if (*is_new) {
		*key = (struct known){ .present = true, .time_ns = time_ns };
	}
	key->time_ns = time_ns > key->time_ns ? time_ns : key->time_ns;
	key->use = ++m.now.uses;
	return true;
}

/* The key that a row would have removed first; KEYS: none. */
static uint32_t
table_victim(uint32_t id, int64_t time_ns)
{
	if (table_is_over(id, time_ns)) {
		return id;
	}
	return m.now.key[id].present ? KEYS : table_evicted(id);
}

/* What was removed is what should have been, in the same order. */
static void
compare_removed(void)
{
	assert_int_equal(m.log_count, m.want_count);
	for (uint32_t i = 0; i < m.log_count; i++) {
		assert_int_equal(m.log[i].id, m.want[i].id);
		assert_int_equal(m.log[i].why, m.want[i].why);
		assert_int_equal(m.log[i].value, m.want[i].value);
	}
	m.log_count = 0;
	m.want_count = 0;
}

/*
 * Steps.
 */

static void
open_slice(void)
{
	static const uint32_t field = 0;
	struct lm_map_shape shape = { .key_size = m.c->key_size,
		                      .value_size = 16,
		                      .keys_max = m.c->keys_max,
		                      .bytes_max = m.c->bytes_max,
		                      .fields = &field,
		                      .field_count = 1 };
	struct lm_map_aging aging = { .ttl_ns = m.c->ttl_ns,
		                      .when_full = m.c->when_full,
		                      .on_remove = on_remove,
		                      .arg = &m };
	struct lm_op *slice = &m.slice[m.current];

	state_rig_open(slice, m.c->slot_bits);
	m.map = lm_map_open_aging(slice, &shape, &aging);
	assert_non_null(m.map);
}

/* A batch of random keys with times. */
struct batch {
	uint32_t id[ROWS], count;
	int64_t time_ns[ROWS];
	uint64_t hash[ROWS];
	char keys[ROWS * KEY_BYTES];
	uint32_t offsets[ROWS + 1];
	uint16_t rows[ROWS];
	struct lm_map_rows in;
};

static int64_t
draw_time(void)
{
	m.time_ns += draw_below(3);
	return m.time_ns - draw_below(draw_below(4) == 0 ? 50 : 2);
}

static void
batch_make(struct batch *b)
{
	uint32_t used = 0, kept = 0, range = 1 + draw_below(KEYS), first = draw_below(KEYS);

	b->count = 1 + draw_below(draw_below(3) == 0 ? 10 : ROWS);
	for (uint32_t i = 0; i < b->count; i++) {
		b->id[i] = (first + draw_below(range)) % KEYS;
		b->time_ns[i] = draw_time();
		b->hash[i] = key_hash(b->id[i]);
		b->offsets[i] = used;
		used += key_write(b->id[i], b->keys + used);
		b->rows[kept] = (uint16_t)i;
		kept += draw_below(4) != 0;
	}
	b->offsets[b->count] = used;
	b->in = (struct lm_map_rows){ .hash = b->hash, .keys = b->keys, .count = b->count };
	if (m.c->key_size == 0) {
		b->in.offsets = b->offsets;
	}
	if (draw_below(2) == 0) {
		b->in.rows = b->rows;
		b->in.count = kept;
	}
}

static uint32_t
batch_row(const struct batch *b, uint32_t i)
{
	return b->in.rows == NULL ? b->in.first + i : b->in.rows[b->in.first + i];
}

/* The rows that one call did. */
static void
check_part(const struct batch *b, uint32_t done, void *const *value, const uint8_t *inserted,
           uint32_t refused)
{
	bool used[KEYS] = { false };
	uint32_t refusals = 0;

	for (uint32_t i = 0; i < done; i++) {
		uint32_t row = batch_row(b, i), id = b->id[row];
		bool is_new, taken = table_take(id, b->time_ns[row], &is_new);

		assert_int_equal(value[i] != NULL, taken);
		assert_int_equal(inserted[i], is_new);
		refusals += !taken;
		if (taken) {
			uint64_t *word = (uint64_t *)value[i] + 1;

			assert_int_equal(*word, m.now.key[id].value);
			m.now.key[id].value = ++*word;
			used[id] = true;
		}
	}
	assert_int_equal(refused, refusals);
	/* It ended early because what must go next was handed out, or is not wanted now; or behind
	 * the first of several that must go. */
	if (done < b->in.count && !m.said_no && m.log_count == m.want_count) {
		uint32_t row = batch_row(b, done);
		uint32_t victim = table_victim(b->id[row], b->time_ns[row]);

		assert_true(victim < KEYS);
		assert_true(used[victim]);
	}
}

static void
step_upsert(void)
{
	struct batch b;
	void *value[ROWS];
	uint8_t inserted[ROWS];
	uint32_t refused;

	batch_make(&b);
	while (b.in.count > 0) {
		uint32_t done;

		m.said_no = false;
		m.log_room = m.log_count + (draw_below(4) == 0 ? draw_below(5) : LOG_MAX);
		done = lm_map_upsert_part(m.map, &b.in, b.time_ns, value, inserted, &refused);
		assert_true(done > 0 || m.said_no);
		check_part(&b, done, value, inserted, refused);
		b.in.first += done;
		b.in.count -= done;
	}
	compare_removed();
}

static void
step_find(void)
{
	struct batch b;
	const void *value[ROWS];
	uint32_t absent, want = 0;

	batch_make(&b);
	absent = lm_map_find_at(m.map, &b.in, b.time_ns, value);
	for (uint32_t i = 0; i < b.in.count; i++) {
		uint32_t row = batch_row(&b, i), id = b.id[row];
		bool there = m.now.key[id].present && !table_is_over(id, b.time_ns[row]);

		assert_int_equal(value[i] != NULL, there);
		want += !there;
		if (there) {
			assert_int_equal(((uint64_t *)value[i])[1], m.now.key[id].value);
		}
	}
	assert_int_equal(absent, want);
}

static void
step_put(void)
{
	uint32_t id = draw_below(KEYS);
	int64_t time_ns = draw_time();
	char key[KEY_BYTES];
	uint32_t length = key_write(id, key);
	bool is_new, inserted, taken;
	uint64_t *value;

	m.log_room = LOG_MAX;
	value = lm_map_put_at(m.map, key_hash(id), key, length, time_ns, &inserted);
	taken = table_take(id, time_ns, &is_new);
	assert_int_equal(value != NULL, taken);
	assert_int_equal(inserted, is_new);
	if (taken) {
		assert_int_equal(value[1], m.now.key[id].value);
	}
	compare_removed();
}

static void
step_erase(void)
{
	for (uint32_t i = 0; i < 10; i++) {
		uint32_t id = draw_below(KEYS);
		char key[KEY_BYTES];
		uint32_t length = key_write(id, key);

		assert_int_equal(lm_map_erase(m.map, key_hash(id), key, length),
		                 m.now.key[id].present);
		m.now.key[id].present = false;
	}
}

static void
step_expire(void)
{
	uint32_t keys_max = draw_below(3) == 0 ? draw_below(5) : 1000, left = keys_max;
	int64_t time_ns = m.time_ns - draw_below(60);
	bool more = false;

	m.log_room = LOG_MAX;
	for (uint32_t slot = 0; !more && slot < 1u << m.c->slot_bits; slot++) {
		uint32_t id = table_oldest(slot, false);

		while (id < KEYS && m.c->ttl_ns > 0 &&
		       time_ns - m.now.key[id].time_ns >= (int64_t)m.c->ttl_ns) {
			if (left == 0) {
				more = true;
				break;
			}
			left--;
			table_remove(id, LM_MAP_EXPIRED);
			id = table_oldest(slot, false);
		}
	}
	assert_int_equal(lm_map_expire(m.map, time_ns, keys_max), !more);
	compare_removed();
}

static void
step_scan(void)
{
	struct lm_map_entry entry[7];
	uint32_t count, seen = 0;
	uint64_t cursor = 0;

	while ((count = lm_map_scan(m.map, &cursor, entry, 7)) > 0) {
		for (uint32_t i = 0; i < count; i++) {
			uint32_t id = key_id(entry[i].key);

			assert_true(m.now.key[id].present);
			assert_int_equal(((uint64_t *)entry[i].value)[1], m.now.key[id].value);
		}
		seen += count;
	}
	assert_int_equal(seen, lm_map_count(m.map));
}

/* The slice is thrown away; a new one goes on from the snapshot. */
static void
go_back(void)
{
	uint32_t before = m.current;

	m.current = 1 - m.current;
	open_slice();
	snapshot_restore(&m.shot, &m.slice[m.current]);
	snapshot_end(&m.shot);
	state_rig_close(&m.slice[before]);
	m.now = m.cut;
	m.shot_done = false;
}

/* A snapshot begins, or goes on, or is gone back to. */
static void
step_snapshot(void)
{
	if (m.shot_under_way) {
		for (uint32_t steps = draw_below(8); steps > 0 && m.shot_under_way; steps--) {
			m.shot_under_way = !snapshot_step(&m.shot);
			m.shot_done = !m.shot_under_way;
		}
	} else if (m.shot_done && draw_below(4) == 0) {
		go_back();
	} else if (draw_below(5) == 0) {
		if (m.shot_done) {
			snapshot_end(&m.shot);
		}
		m.cut = m.now;
		snapshot_begin(&m.shot, &m.slice[m.current]);
		m.shot_under_way = true;
		m.shot_done = false;
	}
}

static void
check_counts(void)
{
	uint32_t keys;
	uint64_t bytes;

	table_size(0, true, &keys, &bytes);
	assert_int_equal(lm_map_count(m.map), keys);
	assert_int_equal(lm_map_bound(m.map), m.c->keys_max);
	assert_true(keys <= m.c->keys_max);
	for (uint32_t why = 0; why < LM_MAP_REMOVALS; why++) {
		assert_int_equal(lm_map_removed(m.map, (enum lm_map_removal)why),
		                 m.now.removed[why]);
	}
}

static void
step(void)
{
	switch (draw_below(12)) {
	case 0:
		step_erase();
		break;
	case 1:
		step_find();
		break;
	case 2:
		step_scan();
		break;
	case 3:
	case 4:
		step_expire();
		break;
	case 5:
		step_put();
		break;
	case 6:
		if (draw_below(20) == 0) {
			lm_map_clear(m.map);
			for (uint32_t id = 0; id < KEYS; id++) {
				m.now.key[id].present = false;
			}
		}
		break;
	default:
		step_upsert();
		break;
	}
}

static uint64_t
run_case(const struct age_case *c, uint64_t seed)
{
	uint64_t removed;

	memset(&m, 0, sizeof(m));
	m.c = c;
	m.seed = seed;
	open_slice();
	for (uint32_t i = 0; i < STEPS; i++) {
		step();
		check_counts();
		step_snapshot();
	}
	removed = m.now.removed[LM_MAP_EXPIRED] + m.now.removed[LM_MAP_EVICTED];
	while (m.shot_under_way) {
		m.shot_under_way = !snapshot_step(&m.shot);
		m.shot_done = true;
	}
	if (m.shot_done) {
		snapshot_end(&m.shot);
	}
	state_rig_close(&m.slice[m.current]);
	return removed;
}

static void
test_model(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(age_cases) / sizeof(age_cases[0]); i++) {
		for (uint64_t seed = 1; seed <= 2; seed++) {
			/* Each case is about keys that go. */
			assert_true(run_case(&age_cases[i], seed << 32 | i << 20) > 100);
		}
	}
}

/* Times at the ends of what there is: differences that no signed number holds. */
static void
test_times(void **state)
{
	static const struct age_case c = { .key_size = 8, .keys_max = 4, .ttl_ns = 10 };
	uint64_t key = 7, *value;
	bool inserted;

	(void)state;
	memset(&m, 0, sizeof(m));
	m.c = &c;
	m.log_room = LOG_MAX;
	open_slice();
	value = lm_map_put_at(m.map, key_hash(7), &key, 8, INT64_MIN, &inserted);
	value[1] = 5;
	(void)lm_map_put_at(m.map, key_hash(7), &key, 8, INT64_MIN + 10, &inserted);
	assert_false(inserted);
	(void)lm_map_put_at(m.map, key_hash(7), &key, 8, INT64_MAX, &inserted);
	assert_true(inserted);
	assert_int_equal(m.log_count, 1);
	assert_int_equal(m.log[0].value, 5);
	/* An old row does not make it older, nor does it go before its time. */
	(void)lm_map_put_at(m.map, key_hash(7), &key, 8, INT64_MIN, &inserted);
	assert_false(inserted);
	assert_true(lm_map_expire(m.map, INT64_MAX, 10));
	assert_int_equal(lm_map_count(m.map), 1);
	state_rig_close(&m.slice[0]);
}

/* One no from on_remove, and everything stays as it is. */
static void
test_not_now(void **state)
{
	static const struct age_case c = {
		.key_size = 8, .keys_max = 2, .ttl_ns = 10, .when_full = LM_MAP_EVICT_OLDEST
	};

	(void)state;
	memset(&m, 0, sizeof(m));
	m.c = &c;
	open_slice();
	for (uint64_t key = 0; key < 2; key++) {
		(void)lm_map_put_at(m.map, key_hash((uint32_t)key), &key, 8, (int64_t)key, NULL);
	}
	assert_null(lm_map_put_at(m.map, key_hash(2), &(uint64_t){ 2 }, 8, 5, NULL));
	assert_null(lm_map_put_at(m.map, key_hash(1), &(uint64_t){ 1 }, 8, 50, NULL));
	assert_false(lm_map_expire(m.map, 100, 10));
	assert_int_equal(lm_map_count(m.map), 2);
	assert_int_equal(lm_map_removed(m.map, LM_MAP_EXPIRED), 0);
	m.log_room = 1;
	assert_false(lm_map_expire(m.map, 100, 10));
	m.log_room = 2;
	assert_true(lm_map_expire(m.map, 100, 10));
	assert_int_equal(lm_map_count(m.map), 0);
	state_rig_close(&m.slice[0]);
}

/* A block without ages is not taken for one with them, nor the other way round. */
static void
test_other_shape(void **state)
{
	static const struct age_case with = { .key_size = 8, .keys_max = 10, .ttl_ns = 10 };
	struct lm_map_shape shape = {
		.key_size = 8, .value_size = 16, .keys_max = 10, .keep_hash = true
	};
	struct lm_op plain;
	struct lm_map *map;

	(void)state;
	memset(&m, 0, sizeof(m));
	m.c = &with;
	open_slice();
	(void)lm_map_put_at(m.map, key_hash(1), &(uint64_t){ 1 }, 8, 5, NULL);
	state_rig_open(&plain, 0);
	map = lm_map_open(&plain, &shape);
	assert_int_equal(map->groups, m.map->groups);
	arena_restore(arena_at(&map->part, 0), 0, arena_at(&m.map->part, 0)->memory,
	              (uint32_t)arena_at(&map->part, 0)->size, 1);
	assert_false(space_restored(plain.state.space, 1));
	state_rig_close(&plain);
	state_rig_close(&m.slice[0]);
}

/* Without anything asked for, it is a map like others. */
static void
test_off(void **state)
{
	struct lm_map_shape shape = { .key_size = 8, .value_size = 16, .keys_max = 10 };
	uint64_t key[3] = { 1, 2, 1 }, hash[3] = { mix(1), mix(2), mix(1) };
	struct lm_map_rows in = { .hash = hash, .keys = key, .count = 3 };
	uint32_t refused = 1;
	struct lm_op slice;
	struct lm_map *map, *same;
	void *value[3];

	(void)state;
	state_rig_open(&slice, 0);
	map = lm_map_open_aging(&slice, &shape, &(struct lm_map_aging){ 0 });
	same = lm_map_open(&slice, &shape);
	assert_null(map->aging);
	assert_int_equal(map->block_size, same->block_size);
	assert_int_equal(lm_map_upsert_part(map, &in, NULL, value, NULL, &refused), 3);
	assert_int_equal(refused, 0);
	assert_ptr_equal(value[0], value[2]);
	assert_true(lm_map_expire(map, INT64_MAX, 1));
	assert_int_equal(lm_map_removed(map, LM_MAP_EVICTED), 0);
	state_rig_close(&slice);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),   cmocka_unit_test(test_times),
		cmocka_unit_test(test_not_now), cmocka_unit_test(test_other_shape),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
