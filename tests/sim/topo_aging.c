/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups that expire and are evicted, and lists by key, against brute force over the rows that were
 * made: one after the other, by the rules of state/lm_map_aging.h, with all groups searched each
 * time. Nothing of it depends on batches or on when room is given back.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "core/hash.h"
#include "operators/value_text.h"
#include "state/map.h"
#include "tests/sim/classes.h"
#include "tests/sim/sim.h"
#include "tests/sim/topologies.h"

#define ROWS_MAX 1500u
#define KEYS_MAX 301u
#define LENGTH_MAX 20u

struct made {
	uint64_t number, key;
	int64_t time_ns, value;
};

/* A group as the rows so far make it. */
struct group {
	bool present;
	int64_t used_ns;
	uint64_t use; /* which row used it */
	uint64_t rows, from;
	int64_t total;
};

struct aging {
	uint64_t rows, ttl_ns;
	uint32_t keys, key_count, length;
	bool evicts;
	struct made made[ROWS_MAX];
	struct group group[KEYS_MAX];
	/* Of the operator in hand: where keys belong, what there is room for. */
	uint32_t slot[KEYS_MAX], slice[KEYS_MAX];
	uint32_t slot_keys, slice_keys[LM_SLICES_MAX];
	uint64_t evicted;
	struct sim_lines running, states, ended; /* what comes out of it */
};

static bool
aging_begin(struct topo *topo)
{
	struct aging *g = calloc(1, sizeof(*g));

	if (g == NULL) {
		abort();
	}
	topo->data = g;
	return true;
}

static void
aging_end(struct topo *topo)
{
	struct aging *g = topo->data;

	sim_lines_clear(&g->running);
	sim_lines_clear(&g->states);
	sim_lines_clear(&g->ended);
	free(g);
}

/*
 * Times that grow, or any order where no key is evicted: who was used first is then not who is the
 * oldest. No row may come when event time is past it.
 */
static void
aging_draw_times(struct topo *topo, struct aging *g)
{
	uint64_t start = sim_below(1000000000), step = 1 + sim_below(100000);
	uint64_t span = g->rows * step;
	bool any_order = (!g->evicts || g->ttl_ns == 0) && sim_below(2) == 0;

	g->ttl_ns = g->ttl_ns == 0 ? 0 : 1 + sim_below(span / (1 + sim_below(100)) + 1);
	if (any_order) {
		topo_set(topo, "a_time", "uniform %llu %llu", (unsigned long long)start,
		         (unsigned long long)(start + span));
		topo_set(topo, "lag", "%lluns", (unsigned long long)span + 1);
	} else {
		topo_set(topo, "a_time", "time %llu %lluns", (unsigned long long)start,
		         (unsigned long long)step);
		topo_set(topo, "lag", "%lluns",
		         (unsigned long long)sim_below(span / (1 + sim_below(100))));
	}
	topo_set(topo, "ttl", "%lluns", (unsigned long long)g->ttl_ns);
}

static void
aging_draw_keys(struct topo *topo, struct aging *g)
{
	g->key_count = 1 + (uint32_t)sim_below(sim_below(3) == 0 ? 10 : KEYS_MAX - 1);
	g->keys = g->evicts ? 1 + (uint32_t)sim_below(sim_below(2) == 0 ? 8 : g->key_count)
	                    : g->key_count;
	g->length = 1 + (uint32_t)sim_below(LENGTH_MAX);
	switch (sim_below(3)) {
	case 0:
		topo_set(topo, "key", "cycle %u", g->key_count);
		break;
	case 1:
		topo_set(topo, "key", "uniform 0 %u", g->key_count - 1);
		break;
	default:
		topo_set(topo, "key", "zipf %u 1.1", g->key_count);
		break;
	}
	topo_set(topo, "keys", "%u", g->keys);
	topo_set(topo, "key_count", "%u", g->key_count + 1);
	topo_set(topo, "length", "%u", g->length);
	topo_set(topo, "when_full", "%s", g->evicts ? "evict_oldest" : "refuse");
}

static void
aging_draw(struct topo *topo)
{
	static const unsigned rates[] = { 0, 20000, 1000000 };
	struct aging *g = topo->data;

	g->rows = 1 + sim_below(sim_below(3) == 0 ? 30 : ROWS_MAX);
	g->evicts = sim_below(2) == 0;
	g->ttl_ns = g->evicts && sim_below(2) == 0 ? 0 : 1;
	topo_set(topo, "a_rows", "%llu", (unsigned long long)g->rows);
	topo_set(topo, "a_rate", "%u", rates[sim_below(3)]);
	/* Small batches, so that event time moves on between rows of a key. */
	topo_set(topo, "a_batch", "%llu",
	         (unsigned long long)(1 + sim_below(sim_below(4) == 0 ? LM_BATCH_ROWS : 40)));
	topo_set(topo, "a_seed", "%llu", (unsigned long long)sim_below(1000));
	aging_draw_times(topo, g);
	aging_draw_keys(topo, g);
	topo_set(topo, "period", "%lluus", (unsigned long long)(1 + sim_below(300)));
	topo_set_slices(topo, "runners");
	topo_set_slices(topo, "enders");
	topo_set_slices(topo, "timers");
	topo_set_slices(topo, "recents");
	topo_set_slices(topo, "outs");
	topo_set_spread(topo, "to_out");
}

/*
 * What there was.
 */

static int
aging_order(const void *a, const void *b)
{
	uint64_t one = ((const struct made *)a)->number, other = ((const struct made *)b)->number;

	return (one > other) - (one < other);
}

/* time,number,key,value; by number, none missing. */
static bool
aging_take_rows(struct aging *g)
{
	const struct sim_lines *rows = sim_collected("rows");

	if (!topo_equal(g->rows, rows->count, "rows made")) {
		return false;
	}
	for (uint32_t i = 0; i < rows->count; i++) {
		const char *line = rows->line[i], *at = strchr(line, ',');
		struct made *made = &g->made[i];
		unsigned long long number, key;
		long long value;

		if (!value_parse_time(line, (size_t)(at - line), 1, &made->time_ns) ||
		    sscanf(at, ",%llu,%llu,%lld", &number, &key, &value) != 3 || key >= KEYS_MAX) {
			abort();
		}
		made->number = number;
		made->key = key;
		made->value = value;
	}
	qsort(g->made, g->rows, sizeof(g->made[0]), aging_order);
	return true;
}

/* The hash of each key, as the engine computes it. */
static uint64_t
aging_hash(const struct lm_engine *engine, uint64_t key)
{
	static char memory[32768] __attribute__((aligned(64)));
	static const struct lm_field field = { "key", LM_U64, 0 };
	static const uint32_t fields[] = { 0 };
	struct lm_batch *batch = (struct lm_batch *)memory;
	struct lm_schema schema;
	uint64_t hash;

	if (lm_schema_init(&schema, &field, 1, 1) != 0 || schema.size > sizeof(memory)) {
		abort();
	}
	batch->schema = &schema;
	batch->count = 1;
	lm_batch_u64(batch, 0)[0] = key;
	hash_rows(&hash, batch, NULL, fields, 1, engine->shared->secret);
	return hash;
}

/* Which slot and slice of an operator has each key, and how many keys each may hold. */
static void
aging_find_slots(struct aging *g, const struct lm_engine *engine, const char *name)
{
	const struct op_state *state = NULL;
	uint32_t owned[LM_SLICES_MAX] = { 0 }, slots;

	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (strcmp(lm_op_name(engine->slice[i]), name) == 0) {
			state = &engine->slice[i]->state;
		}
	}
	slots = 1u << state->slot_bits;
	for (uint32_t s = 0; s < slots; s++) {
		owned[state->slice_of == NULL ? 0 : state->slice_of[s]]++;
	}
	for (uint32_t i = 0; i < LM_SLICES_MAX; i++) {
		g->slice_keys[i] = state->is_alone ? g->keys : map_share(g->keys, owned[i], slots);
	}
	for (uint64_t key = 0; key < KEYS_MAX; key++) {
		uint32_t slot = route_slot(aging_hash(engine, key), state->slot_bits);

		g->slot[key] = slot;
		g->slice[key] = state->slice_of == NULL ? 0 : state->slice_of[slot];
	}
	g->slot_keys = map_share(g->keys, 1, slots);
}

/*
 * What must come of it.
 */

static void
aging_remove(struct aging *g, uint64_t key)
{
	struct group *group = &g->group[key];

	topo_expect(&g->ended, "%llu,%llu,%lld,%llu", (unsigned long long)key,
	            (unsigned long long)group->rows, (long long)group->total,
	            (unsigned long long)group->from);
	*group = (struct group){ 0 };
}

/* Of a slot or of a whole slice: how many keys it has, and which was used first. */
static uint32_t
aging_count(const struct aging *g, const uint32_t *place_of, uint32_t place, uint64_t *oldest)
{
	uint32_t count = 0;

	for (uint64_t key = 0; key < KEYS_MAX; key++) {
		if (!g->group[key].present || place_of[key] != place) {
			continue;
		}
		count++;
		if (count == 1 || g->group[key].use < g->group[*oldest].use) {
			*oldest = key;
		}
	}
	return count;
}

/* If the slot or the slice of a new key is full, the one that was used first goes. */
static void
aging_make_room(struct aging *g, uint64_t key)
{
	uint32_t slot = g->slot[key], slice = g->slice[key];
	uint64_t oldest = 0;

	if (!g->evicts) {
		return;
	}
	if (aging_count(g, g->slot, slot, &oldest) == g->slot_keys ||
	    aging_count(g, g->slice, slice, &oldest) == g->slice_keys[slice]) {
		aging_remove(g, oldest);
		g->evicted++;
	}
}

static void
aging_take_row(struct aging *g, const struct made *made, uint64_t use)
{
	struct group *group = &g->group[made->key];
	char time[64];

	if (group->present && g->ttl_ns > 0 &&
	    made->time_ns - group->used_ns > (int64_t)g->ttl_ns) {
		aging_remove(g, made->key);
	} else if (!group->present) {
		aging_make_room(g, made->key);
	}
	if (!group->present) {
		*group = (struct group){ .present = true,
			                 .used_ns = made->time_ns,
			                 .from = made->number };
	}
	group->used_ns = made->time_ns > group->used_ns ? made->time_ns : group->used_ns;
	group->use = use;
	group->rows++;
	group->total += made->value;
	topo_expect(&g->states, "%llu,%llu,%lld,%llu", (unsigned long long)made->key,
	            (unsigned long long)group->rows, (long long)group->total,
	            (unsigned long long)group->from);
	topo_expect(&g->running, "%s,%s", g->states.line[g->states.count - 1],
	            topo_text(LM_TIME, &made->time_ns, time, sizeof(time)));
}

/* All that must come out of one of the aggregates. */
static bool
aging_expect(struct aging *g, const struct lm_engine *engine, const char *name)
{
	sim_lines_clear(&g->running);
	sim_lines_clear(&g->states);
	sim_lines_clear(&g->ended);
	memset(g->group, 0, sizeof(g->group));
	g->evicted = 0;
	aging_find_slots(g, engine, name);
	for (uint64_t i = 0; i < g->rows; i++) {
		aging_take_row(g, &g->made[i], i);
	}
	for (uint64_t key = 0; key < KEYS_MAX; key++) {
		if (g->group[key].present) {
			aging_remove(g, key);
		}
	}
	return topo_equal(0, topo_drops(engine, name, 0), "keys refused") &&
	       (g->ttl_ns > 0 ||
	        topo_equal(g->evicted, topo_gauge(engine, name, 1), "groups evicted"));
}

/* The last numbers of each key, see class_recent.c. */
static bool
aging_check_recent(const struct aging *g)
{
	struct sim_lines expected = { 0 };
	static uint64_t first[KEYS_MAX], count[KEYS_MAX], number[KEYS_MAX][ROWS_MAX];

	memset(first, 0, sizeof(first));
	memset(count, 0, sizeof(count));
	for (uint64_t i = 0; i < g->rows; i++) {
		const struct made *made = &g->made[i];
		uint64_t key = made->key, length = made->number % 7 == 0 ? 1 : g->length;

		number[key][count[key]++] = made->number;
		if (count[key] - first[key] > length) {
			first[key] = count[key] - length;
		}
		topo_expect(&expected, "%llu,%llu,%llu,%llu", (unsigned long long)key,
		            (unsigned long long)made->number,
		            (unsigned long long)(count[key] - first[key]),
		            (unsigned long long)number[key][first[key]]);
	}
	return topo_compare(&expected, sim_collected("recent"), "last numbers of keys");
}

/* Told now and then: states that were, none twice, and the last one of every group. */
static bool
aging_check_some(struct aging *g)
{
	struct sim_lines *some = sim_collected("some");

	sim_lines_sort(some);
	for (uint32_t i = 1; i < some->count; i++) {
		if (strcmp(some->line[i], some->line[i - 1]) == 0) {
			fprintf(stderr, "%s was told twice\n", some->line[i]);
			return false;
		}
	}
	sim_lines_sort(&g->states);
	sim_lines_sort(&g->ended);
	return sim_lines_within(some, &g->states, "groups now and then") &&
	       sim_lines_within(&g->ended, some, "last of the groups now and then");
}

static bool
aging_check(struct topo *topo, const struct lm_engine *engine)
{
	struct aging *g = topo->data;
	bool good;

	if (!aging_take_rows(g)) {
		return false;
	}
	good = aging_expect(g, engine, "running") &&
	       topo_compare(&g->running, sim_collected("running"), "running aggregates");
	good &= aging_expect(g, engine, "ended") &&
	        topo_compare(&g->ended, sim_collected("ended"), "groups at their end");
	good &= aging_expect(g, engine, "at_times") && aging_check_some(g);
	return aging_check_recent(g) && good;
}

static const struct topo_scenario aging_scenario = {
	"aging.yaml",
	aging_begin,
	aging_draw,
	aging_check,
	aging_end,
	/* Which key is the oldest of a full slice depends on the slices. */ NULL
};

bool
topo_aging_run(uint64_t seed)
{
	return topo_run(&aging_scenario, seed);
}
