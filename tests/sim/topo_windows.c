/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows over two generators, and the best rows of each, against brute force over the rows that
 * were made. In one half of the runs times grow with the rows, so that no row may be late; in the
 * other half they are random, and every row is either counted or late.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators/value_text.h"
#include "tests/sim/classes.h"
#include "tests/sim/sim.h"
#include "tests/sim/topologies.h"

#define ROWS_MAX 1200u
#define B_FIRST 1000000u
/* Weights are multiples of 2^-53, so their sum is exact as a whole number. */
#define WEIGHT_ONE 0x1p53

struct made {
	int64_t start; /* of its window */
	uint64_t number, key;
	int64_t value;
	uint64_t weight;
	bool late;
};

struct sum {
	int64_t start;
	uint64_t key, rows;
	int64_t total, low, high;
	unsigned __int128 weight;
};

struct windows {
	uint64_t a_rows, b_rows;
	bool random_times;
	int64_t window_ns;
	uint32_t window_count; /* that there can be */
	bool is_near;          /* many keys: the tables by key */
	uint64_t k;
	struct made made[2 * ROWS_MAX];
	uint32_t made_count;
	struct sum sum[2 * ROWS_MAX];
	uint32_t sum_count;
};

static bool
windows_begin(struct topo *topo)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		abort();
	}
	w->random_times = sim_below(2) == 0;
	w->is_near = sim_below(8) == 0;
	w->k = 1 + sim_below(8);
	topo->data = w;
	return true;
}

static void
windows_end(struct topo *topo)
{
	free(topo->data);
}

/* Event times of both, and windows so large that few of them cover all. */
static void
windows_draw_times(struct topo *topo, struct windows *w)
{
	int64_t a_start = (int64_t)sim_below(1000000000), b_start = (int64_t)sim_below(1000000000);
	int64_t a_step = 1 + (int64_t)sim_below(1000000), b_step = 1 + (int64_t)sim_below(1000000);
	int64_t a_end = a_start + (int64_t)w->a_rows * a_step;
	int64_t b_end = b_start + (int64_t)w->b_rows * b_step;
	int64_t end = a_end > b_end ? a_end : b_end;
	uint32_t count = 1 + (uint32_t)sim_below(w->is_near ? 3 : 40);

	if (w->random_times) {
		topo_set(topo, "a_time", "uniform %lld %lld", (long long)a_start, (long long)a_end);
		topo_set(topo, "b_time", "uniform %lld %lld", (long long)b_start, (long long)b_end);
	} else {
		topo_set(topo, "a_time", "time %lld %lldns", (long long)a_start, (long long)a_step);
		topo_set(topo, "b_time", "time %lld %lldns", (long long)b_start, (long long)b_step);
	}
	w->window_ns = end / count + 1;
	w->window_count = count;
	topo_set(topo, "window", "%lldns", (long long)w->window_ns);
	topo_set(topo, "windows", "%u", count);
	topo_set(topo, "lag", "%lluns", (unsigned long long)sim_below((uint64_t)end));
	topo_set(topo, "lateness", "%lluns",
	         (unsigned long long)(sim_below(2) == 0 ? 0 : sim_below((uint64_t)end)));
}

static void
windows_draw_keys(struct topo *topo, const struct windows *w)
{
	unsigned keys = 1 + (unsigned)sim_below(sim_below(2) == 0 ? 5 : 200);

	switch (w->is_near ? 3 : sim_below(3)) {
	case 0:
		topo_set(topo, "key", "cycle %u", keys);
		break;
	case 1:
		topo_set(topo, "key", "uniform 7 %u", 6 + keys);
		break;
	case 2:
		topo_set(topo, "key", "zipf %u 1.1", keys);
		break;
	default:
		/* All keys within a table's reach, or most beyond. */
		keys = 5000;
		topo_set(topo, "key", "sequence %u %u", (unsigned)sim_below(1000000),
		         1 + (unsigned)sim_below(sim_below(2) == 0 ? 3 : 60));
		break;
	}
	topo_set(topo, "keys", "%u", keys);
}

static void
windows_draw_source(struct topo *topo, const char *name, uint64_t rows)
{
	static const unsigned rates[] = { 0, 20000, 1000000 };
	char text[32];

	snprintf(text, sizeof(text), "%s_rows", name);
	topo_set(topo, text, "%llu", (unsigned long long)rows);
	snprintf(text, sizeof(text), "%s_rate", name);
	topo_set(topo, text, "%u", rates[sim_below(3)]);
	snprintf(text, sizeof(text), "%s_batch", name);
	topo_set(topo, text, "%llu", (unsigned long long)(1 + sim_below(LM_BATCH_ROWS)));
	snprintf(text, sizeof(text), "%s_seed", name);
	topo_set(topo, text, "%llu", (unsigned long long)sim_below(1000));
	snprintf(text, sizeof(text), "%s_slices", name);
	topo_set_slices(topo, text);
}

static void
windows_draw(struct topo *topo)
{
	struct windows *w = topo->data;

	w->a_rows = 1 + sim_below(sim_below(3) == 0 ? 20 : ROWS_MAX);
	w->b_rows = 1 + sim_below(sim_below(3) == 0 ? 20 : ROWS_MAX);
	windows_draw_source(topo, "a", w->a_rows);
	windows_draw_source(topo, "b", w->b_rows);
	windows_draw_times(topo, w);
	windows_draw_keys(topo, w);
	topo_set(topo, "k", "%llu", (unsigned long long)w->k);
	if (w->is_near) {
		topo_set(topo, "slices", "%llu", (unsigned long long)(1 + sim_below(2)));
	} else {
		topo_set_slices(topo, "slices");
	}
	topo_set_slices(topo, "outs");
	topo_set_spread(topo, "to_out");
	topo_set_spread(topo, "to_top");
}

/* time,number,key,value,weight */
static void
windows_read_row(const struct windows *w, const char *line, struct made *made)
{
	const char *at = strchr(line, ',');
	unsigned long long number, key;
	long long value;
	int64_t time_ns;
	double weight;

	if (!value_parse_time(line, (size_t)(at - line), 1, &time_ns) ||
	    sscanf(at, ",%llu,%llu,%lld,%lf", &number, &key, &value, &weight) != 4) {
		abort();
	}
	made->start = time_ns / w->window_ns * w->window_ns; /* times are not negative here */
	made->number = number;
	made->key = key;
	made->value = value;
	made->weight = (uint64_t)(weight * WEIGHT_ONE);
	made->late = false;
}

static int
windows_order_numbers(const void *a, const void *b)
{
	uint64_t one = ((const struct made *)a)->number, other = ((const struct made *)b)->number;

	return (one > other) - (one < other);
}

/* All rows that were made, by number: none missing, none twice. */
static bool
windows_take_rows(struct windows *w)
{
	const struct sim_lines *rows = sim_collected("rows");

	if (!topo_equal(w->a_rows + w->b_rows, rows->count, "rows made")) {
		return false;
	}
	for (uint32_t i = 0; i < rows->count; i++) {
		windows_read_row(w, rows->line[i], &w->made[i]);
	}
	w->made_count = rows->count;
	qsort(w->made, w->made_count, sizeof(w->made[0]), windows_order_numbers);
	for (uint32_t i = 0; i < w->made_count; i++) {
		uint64_t number = i < w->a_rows ? i : B_FIRST + i - w->a_rows;

		if (!topo_equal(number, w->made[i].number, "number of a row")) {
			return false;
		}
	}
	return true;
}

static bool
windows_take_late(struct windows *w)
{
	const struct sim_lines *late = sim_collected("late");

	for (uint32_t i = 0; i < late->count; i++) {
		struct made key, *made;

		windows_read_row(w, late->line[i], &key);
		made = bsearch(&key, w->made, w->made_count, sizeof(key), windows_order_numbers);
		if (made == NULL || made->late || !w->random_times) {
			fprintf(stderr, "%s is late: not made, late twice, or in order of time\n",
			        late->line[i]);
			return false;
		}
		made->late = true;
	}
	return true;
}

static int
windows_order_groups(const void *a, const void *b)
{
	const struct made *one = a, *other = b;

	if (one->start != other->start) {
		return one->start < other->start ? -1 : 1;
	}
	return (one->key > other->key) - (one->key < other->key);
}

/* Adds up the rows that were not late, window by window and key by key. */
static void
windows_add_up(struct windows *w)
{
	struct sum *sum = NULL;

	w->sum_count = 0;
	qsort(w->made, w->made_count, sizeof(w->made[0]), windows_order_groups);
	for (uint32_t i = 0; i < w->made_count; i++) {
		const struct made *made = &w->made[i];

		if (made->late) {
			continue;
		}
		if (sum == NULL || sum->start != made->start || sum->key != made->key) {
			sum = &w->sum[w->sum_count++];
			*sum = (struct sum){ .start = made->start,
				             .key = made->key,
				             .low = made->value,
				             .high = made->value };
		}
		sum->rows++;
		sum->total += made->value;
		sum->weight += made->weight;
		sum->low = made->value < sum->low ? made->value : sum->low;
		sum->high = made->value > sum->high ? made->value : sum->high;
	}
}

static void
windows_expect_sum(const struct sum *sum, struct sim_lines *lines)
{
	double weighed = (double)sum->weight / WEIGHT_ONE;
	char time[64], weight[64];

	topo_expect(lines, "%s,%llu,%llu,%lld,%s,%lld,%lld",
	            topo_text(LM_TIME, &sum->start, time, sizeof(time)),
	            (unsigned long long)sum->key, (unsigned long long)sum->rows,
	            (long long)sum->total, topo_text(LM_F64, &weighed, weight, sizeof(weight)),
	            (long long)sum->low, (long long)sum->high);
}

/* Within a window the greatest first; equal ones by key. */
static int
windows_order_best(const void *a, const void *b)
{
	const struct sum *one = a, *other = b;

	if (one->start != other->start) {
		return one->start < other->start ? -1 : 1;
	}
	if (one->total != other->total) {
		return one->total > other->total ? -1 : 1;
	}
	return (one->key > other->key) - (one->key < other->key);
}

static void
windows_expect_top(struct windows *w, struct sim_lines *lines)
{
	uint64_t rank = 0;

	qsort(w->sum, w->sum_count, sizeof(w->sum[0]), windows_order_best);
	for (uint32_t i = 0; i < w->sum_count; i++) {
		rank = i > 0 && w->sum[i].start == w->sum[i - 1].start ? rank + 1 : 0;
		if (rank < w->k) {
			windows_expect_sum(&w->sum[i], lines);
		}
	}
}

static bool
windows_check(struct topo *topo, const struct lm_engine *engine)
{
	struct windows *w = topo->data;
	struct sim_lines sums = { 0 }, top = { 0 };
	bool good = topo_equal(0, topo_drops(engine, "sums", 0), "keys refused") &&
	            topo_equal(0, topo_drops(engine, "sums", 1), "windows refused") &&
	            topo_equal(0, topo_drops(engine, "best", 0), "rows late for top");

	if (!good || !windows_take_rows(w) || !windows_take_late(w)) {
		return false;
	}
	windows_add_up(w);
	for (uint32_t i = 0; i < w->sum_count; i++) {
		windows_expect_sum(&w->sum[i], &sums);
	}
	windows_expect_top(w, &top);
	good = topo_compare(&sums, sim_collected("sums"), "windows");
	return topo_compare(&top, sim_collected("top"), "best of each window") && good;
}

static const struct topo_scenario windows_scenario = { "windows.yaml", windows_begin,
	                                               windows_draw,   windows_check,
	                                               windows_end,    topo_may_rescale_keyed };

bool
topo_windows_run(uint64_t seed)
{
	return topo_run(&windows_scenario, seed);
}
