/* SPDX-License-Identifier: BSD-3-Clause */
/* The map against a table of what should be in it: all kinds of keys, bad hashes, bounds, moves. */
#include "state/map.h"
#include "tests/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 700u
#define ROWS 1024u
#define KEY_BYTES 80u

/* What a case is about; key i is made of i. */
struct shape_case {
	uint32_t key_size; /* 0: strings */
	uint32_t keys_max;
	uint64_t bytes_max;
	uint32_t value_size;
	bool keep_hash;
	uint32_t hash_count; /* distinct hashes; 0: good ones */
	uint32_t length_max; /* of strings */
};

static const struct shape_case shape_cases[] = {
	{ .key_size = 8, .keys_max = KEYS, .value_size = 8 },
	{ .key_size = 8, .keys_max = 300, .value_size = 8 },
	{ .key_size = 8, .keys_max = KEYS, .value_size = 24, .keep_hash = true, .hash_count = 3 },
	{ .key_size = 8, .keys_max = 1, .value_size = 8 },
	{ .key_size = 16, .keys_max = KEYS, .value_size = 8 },
	{ .key_size = 16, .keys_max = 500, .value_size = 8, .hash_count = 40 },
	{ .key_size = 24, .keys_max = KEYS, .value_size = 16, .keep_hash = true },
	{ .key_size = 64, .keys_max = 650, .value_size = 8, .hash_count = 1 },
	/* Values so large that the three stages are used. */
	{ .key_size = 8, .keys_max = KEYS, .value_size = 2048 },
	{ .key_size = 16, .keys_max = 600, .value_size = 2048, .hash_count = 100 },
	{ .key_size = 40, .keys_max = KEYS, .value_size = 2048 },
	{ .keys_max = KEYS, .bytes_max = 20000, .value_size = 2048, .length_max = KEY_BYTES },
	{ .keys_max = KEYS, .bytes_max = 1 << 16, .value_size = 8, .length_max = 12 },
	{ .keys_max = KEYS, .bytes_max = 1 << 16, .value_size = 8, .length_max = KEY_BYTES },
	{ .keys_max = KEYS, .bytes_max = 12000, .value_size = 8, .length_max = KEY_BYTES },
	{ .keys_max = KEYS,
	  .bytes_max = 1 << 16,
	  .value_size = 8,
	  .keep_hash = true,
	  .hash_count = 7,
	  .length_max = 40 },
};

/* The map, and what should be in it. */
struct model {
	const struct shape_case *shape;
	struct lm_map *map;
	size_t size;
	bool present[KEYS];
	uint64_t value[KEYS];
	uint32_t count;
	uint64_t bytes;
	uint64_t seed;
};

static uint32_t
draw_below(struct model *m, uint32_t below)
{
	return (uint32_t)(mix(m->seed++) % below);
}

/* Writes key `id`; returns its length. Key 0 of fixed width is all zeroes. */
static uint32_t
key_write(const struct shape_case *shape, uint32_t id, char *to)
{
	uint32_t length = shape->key_size;

	if (length > 0) {
		memset(to, 0, length);
		/* Keys that differ in the first bytes only, and in the last ones only. */
		memcpy(to + (id % 2 == 0 ? 0 : length - 4), &id, sizeof(id));
		return length;
	}
	/* Three keys a length at least; the empty key is one. */
	length = id == 0 ? 0 : 3 + id % (shape->length_max - 2);
	memset(to, 'x', length);
	for (uint32_t i = 0, rest = id; i < 3 && i < length; i++, rest /= 26) {
		to[length - 1 - i] = (char)('a' + rest % 26);
	}
	return length;
}

static uint64_t
key_hash(const struct shape_case *shape, uint32_t id)
{
	return mix(shape->hash_count == 0 ? id : id % shape->hash_count);
}

static uint64_t
key_bytes(const struct shape_case *shape, uint32_t id)
{
	char key[KEY_BYTES];
	uint32_t length = key_write(shape, id, key);

	return shape->key_size == 0 && length > LM_MAP_SHORT_MAX ? (length + 15u) & ~7u : 0;
}

/* Whether the model would take a new key. */
static bool
model_has_room(const struct model *m, uint32_t id)
{
	return m->count < m->shape->keys_max &&
	       (m->shape->key_size != 0 ||
	        m->bytes + key_bytes(m->shape, id) <= m->shape->bytes_max);
}

static void
model_insert(struct model *m, uint32_t id)
{
	m->present[id] = true;
	m->value[id] = 0;
	m->count++;
	m->bytes += key_bytes(m->shape, id);
}

static struct lm_map_shape
model_shape(const struct shape_case *c)
{
	return (struct lm_map_shape){ .key_size = c->key_size,
		                      .value_size = c->value_size,
		                      .keys_max = c->keys_max,
		                      .keep_hash = c->keep_hash,
		                      .bytes_max = c->bytes_max };
}

static void
model_open(struct model *m, const struct shape_case *c, uint64_t seed)
{
	struct lm_map_shape shape = model_shape(c);

	memset(m, 0, sizeof(*m));
	m->shape = c;
	m->seed = seed;
	m->size = lm_map_size(&shape);
	assert_int_not_equal(m->size, 0);
	m->map = aligned_alloc(64, m->size);
	assert_non_null(m->map);
	memset(m->map, 0, m->size);
	assert_ptr_equal(lm_map_init(m->map, &shape), m->map);
}

/* A batch of random keys, in blocks of exactly their size. */
struct batch {
	uint32_t id[ROWS];
	uint64_t hash[ROWS];
	char *keys;
	uint32_t *offsets;
	uint16_t rows[ROWS];
	struct lm_map_rows in;
};

static void
batch_make(struct model *m, struct batch *b)
{
	uint32_t count = 1 + draw_below(m, draw_below(m, 3) == 0 ? 40 : ROWS), kept = 0, used = 0;
	uint32_t range = 1 + draw_below(m, KEYS);
	char key[KEY_BYTES];

	b->offsets = malloc((count + 1) * sizeof(uint32_t));
	b->keys = malloc((size_t)count * KEY_BYTES);
	assert_non_null(b->keys);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t length;

		b->id[i] = draw_below(m, range);
		b->hash[i] = key_hash(m->shape, b->id[i]);
		length = key_write(m->shape, b->id[i], key);
		memcpy(b->keys + used, key, length);
		b->offsets[i] = used;
		used += length;
		b->rows[kept] = (uint16_t)i;
		kept += draw_below(m, 2);
	}
	b->offsets[count] = used;
	b->keys = realloc(b->keys, used + (used == 0));
	b->in = (struct lm_map_rows){ .hash = b->hash, .keys = b->keys, .count = count };
	if (m->shape->key_size == 0) {
		b->in.offsets = b->offsets;
	}
	if (draw_below(m, 2) == 0) {
		b->in.rows = b->rows;
		b->in.count = kept;
	}
	if (draw_below(m, 3) == 0) {
		b->in.first = draw_below(m, b->in.count + 1);
		b->in.count -= b->in.first;
	}
}

static uint32_t
batch_id(const struct batch *b, uint32_t i)
{
	i += b->in.first;
	return b->id[b->in.rows == NULL ? i : b->in.rows[i]];
}

static void
batch_free(struct batch *b)
{
	free(b->keys);
	free(b->offsets);
}

static void
step_upsert(struct model *m)
{
	struct batch b;
	void *value[ROWS];
	uint8_t inserted[ROWS];
	uint32_t refused = 0, result;
	bool wants_inserted = draw_below(m, 2) == 0;

	batch_make(m, &b);
	result = lm_map_upsert(m->map, &b.in, value, wants_inserted ? inserted : NULL);
	for (uint32_t i = 0; i < b.in.count; i++) {
		uint32_t id = batch_id(&b, i);
		bool is_new = !m->present[id] && model_has_room(m, id);

		if (is_new) {
			model_insert(m, id);
		}
		if (wants_inserted) {
			assert_int_equal(inserted[i], is_new);
		}
		assert_int_equal(value[i] != NULL, m->present[id]);
		refused += value[i] == NULL;
		if (value[i] != NULL) {
			/* The last word of the value, so that its size matters. */
			uint64_t *word = (uint64_t *)value[i] + m->shape->value_size / 8 - 1;

			assert_int_equal(*word, m->value[id]);
			m->value[id] = ++*word;
		}
	}
	assert_int_equal(result, refused);
	batch_free(&b);
}

static void
step_find(struct model *m)
{
	struct batch b;
	const void *value[ROWS];
	uint32_t absent = 0, result;

	batch_make(m, &b);
	result = lm_map_find(m->map, &b.in, value);
	for (uint32_t i = 0; i < b.in.count; i++) {
		uint32_t id = batch_id(&b, i);

		assert_int_equal(value[i] != NULL, m->present[id]);
		absent += value[i] == NULL;
		if (value[i] != NULL) {
			uint64_t *word = (uint64_t *)value[i] + m->shape->value_size / 8 - 1;

			assert_int_equal(*word, m->value[id]);
		}
	}
	assert_int_equal(result, absent);
	batch_free(&b);
}

static void
step_erase(struct model *m, uint32_t times)
{
	char key[KEY_BYTES];

	for (uint32_t i = 0; i < times; i++) {
		uint32_t id = draw_below(m, KEYS), length = key_write(m->shape, id, key);
		uint64_t hash = key_hash(m->shape, id);

		assert_int_equal(lm_map_get(m->map, hash, key, length) != NULL, m->present[id]);
		assert_int_equal(lm_map_erase(m->map, hash, key, length), m->present[id]);
		if (m->present[id]) {
			m->count--;
			m->bytes -= key_bytes(m->shape, id);
		}
		m->present[id] = false;
	}
}

static void
step_put(struct model *m)
{
	char key[KEY_BYTES];
	uint32_t id = draw_below(m, KEYS), length = key_write(m->shape, id, key);
	bool expected = !m->present[id] && model_has_room(m, id), inserted;
	void *value = lm_map_put(m->map, key_hash(m->shape, id), key, length, &inserted);

	assert_int_equal(inserted, expected);
	if (expected) {
		model_insert(m, id);
	}
	assert_int_equal(value != NULL, m->present[id]);
}

/* The block as a copy elsewhere; the old one is overwritten. */
static void
step_move(struct model *m)
{
	struct lm_map *copy = aligned_alloc(64, m->size);

	assert_non_null(copy);
	memcpy(copy, m->map, m->size);
	memset(m->map, 0xaa, m->size);
	free(m->map);
	m->map = copy;
}

/* Every entry once, in pieces; some are erased on the way where that can be done. */
static void
step_scan(struct model *m)
{
	bool seen[KEYS] = { false };
	uint64_t cursor = 0;
	uint32_t total = 0, count, piece = 1 + draw_below(m, 30), before = m->count;
	struct lm_map_entry entries[30], again;

	while ((count = lm_map_scan(m->map, &cursor, entries, piece)) > 0) {
		for (uint32_t i = 0; i < count; i++) {
			char key[KEY_BYTES];
			uint32_t id = 0;

			while (id < KEYS && (key_write(m->shape, id, key) != entries[i].length ||
			                     memcmp(key, entries[i].key, entries[i].length) != 0)) {
				id++;
			}
			assert_true(id < KEYS);
			assert_true(m->present[id]);
			assert_false(seen[id]);
			seen[id] = true;
			assert_int_equal(entries[i].hash,
			                 m->shape->keep_hash ? key_hash(m->shape, id) : 0);
			lm_map_entry_of(m->map, entries[i].value, &again);
			assert_ptr_equal(again.key, entries[i].key);
			assert_int_equal(again.length, entries[i].length);
			assert_int_equal(again.hash, entries[i].hash);
			assert_ptr_equal(again.value, entries[i].value);
			if (m->shape->keep_hash && draw_below(m, 5) == 0) {
				assert_true(
				    lm_map_erase(m->map, entries[i].hash, key, entries[i].length));
				m->present[id] = false;
				m->count--;
				m->bytes -= key_bytes(m->shape, id);
			}
		}
		total += count;
	}
	assert_int_equal(total, before);
}

static void
run_case(const struct shape_case *c, uint64_t seed)
{
	struct model m;

	model_open(&m, c, seed);
	for (uint32_t i = 0; i < 300; i++) {
		switch (draw_below(&m, 12)) {
		case 0:
			step_erase(&m, 600);
			break;
		case 1:
			step_scan(&m);
			break;
		case 2:
			step_move(&m);
			break;
		case 3:
		case 4:
			step_find(&m);
			break;
		case 5:
			step_put(&m);
			break;
		case 6:
			if (draw_below(&m, 4) == 0) {
				lm_map_clear(m.map);
				memset(m.present, 0, sizeof(m.present));
				m.count = 0;
				m.bytes = 0;
			}
			break;
		case 7:
			step_erase(&m, 40);
			break;
		default:
			step_upsert(&m);
			break;
		}
		assert_int_equal(lm_map_count(m.map), m.count);
	}
	free(m.map);
}

static void
test_model(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(shape_cases) / sizeof(shape_cases[0]); i++) {
		for (uint64_t seed = 1; seed <= 4; seed++) {
			run_case(&shape_cases[i], seed << 32);
		}
	}
}

/* More than fits the near path: three stages, all keys, then counted. */
static void
test_large(void **state)
{
	enum { LARGE = 200000 };
	struct lm_map_shape shape = { .key_size = 8, .value_size = 8, .keys_max = LARGE };
	struct lm_map *map = aligned_alloc(64, lm_map_size(&shape));
	uint64_t key[ROWS], hash[ROWS];
	void *value[ROWS];

	(void)state;
	assert_non_null(map);
	memset(map, 0, lm_map_size(&shape));
	lm_map_init(map, &shape);
	for (uint32_t n = 0; n < 3 * LARGE; n += ROWS) {
		for (uint32_t i = 0; i < ROWS; i++) {
			key[i] = (n + i) % LARGE;
			hash[i] = mix(key[i]);
		}
		assert_int_equal(
		    lm_map_upsert(map,
		                  &(struct lm_map_rows){ .hash = hash, .keys = key, .count = ROWS },
		                  value, NULL),
		    0);
		for (uint32_t i = 0; i < ROWS; i++) {
			++*(uint64_t *)value[i];
		}
	}
	assert_int_equal(lm_map_count(map), LARGE);
	for (uint64_t k = 0; k < LARGE; k++) {
		const uint64_t *count = lm_map_get(map, mix(k), &k, sizeof(k));

		assert_non_null(count);
		assert_in_range(*count, 3, 4);
	}
	key[0] = LARGE;
	assert_null(lm_map_put(map, mix(key[0]), key, 8, NULL));
	free(map);
}

/* Keys that found their group full are counted there; the counts go when the keys go. */
static void
test_erased_without_trace(void **state)
{
	struct lm_map_shape shape = { .key_size = 8, .keys_max = 100 };
	struct lm_map *map = aligned_alloc(64, lm_map_size(&shape));
	uint32_t passed = 0;

	(void)state;
	assert_non_null(map);
	memset(map, 0, lm_map_size(&shape));
	lm_map_init(map, &shape);
	for (uint64_t k = 0; k < 100; k++) {
		assert_non_null(lm_map_put(map, 5, &k, 8, NULL));
	}
	for (uint32_t g = 0; g < map->groups; g++) {
		passed += map_tags(map_block_at(map, 0), g)[MAP_SLOTS];
	}
	assert_true(passed > 0);
	for (uint64_t k = 0; k < 100; k++) {
		assert_true(lm_map_erase(map, 5, &(uint64_t){ (k * 37) % 100 }, 8));
	}
	for (uint32_t i = 0; i < map->groups * MAP_WIDTH; i++) {
		assert_int_equal(map_tags(map_block_at(map, 0), 0)[i], 0);
	}
	free(map);
}

static void
test_shapes(void **state)
{
	(void)state;
	assert_int_equal(lm_map_size(&(struct lm_map_shape){ .key_size = 8, .value_size = 8 }), 0);
	assert_int_equal(
	    lm_map_size(&(struct lm_map_shape){ .key_size = 7, .value_size = 8, .keys_max = 1 }),
	    0);
	assert_int_equal(
	    lm_map_size(&(struct lm_map_shape){ .key_size = 72, .value_size = 8, .keys_max = 1 }),
	    0);
	assert_int_equal(
	    lm_map_size(&(struct lm_map_shape){ .key_size = 8, .value_size = 4, .keys_max = 1 }),
	    0);
	/* A million words with counts: at most 28 bytes a key. */
	assert_in_range(lm_map_size(&(struct lm_map_shape){
			    .key_size = 8, .value_size = 8, .keys_max = 1000000 }),
	                16000000, 28000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_erased_without_trace),
		cmocka_unit_test(test_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
