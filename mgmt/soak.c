/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether what has come does worse than what was. */
#include "mgmt/soak.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/engine.h"
#include "core/graph.h"
#include "mgmt/units.h"

/* Looks within the time; none is shorter than this. */
#define WINDOWS 10u
#define WINDOW_MIN_NS UINT64_C(50000000)
#define SLOW_WINDOWS 5u
/* Fewer rows, or less time, say nothing about the time of one; nor does a difference this small. */
#define COST_ROWS 1000u
#define COST_BUSY_NS UINT64_C(10000000)
#define COST_MORE_NS 20.0
/* What an operator is compared with is known once it has worked so long. */
#define KNOWN_BUSY_NS UINT64_C(50000000)
/* Of rows: a share may double, and this much comes on top. */
#define SHARE_TIMES 2.0
#define SHARE_MORE 0.001
#define SHARE_ROWS 1000u
#define DROPS_MIN 10u

/* ---- reading ---- */

static bool
has_head(struct lm_op *const *slice, uint32_t before, const struct lm_op *head)
{
	for (uint32_t i = 0; i < before; i++) {
		if (slice[i]->head == head) {
			return true;
		}
	}
	return false;
}

static void
add_slice(const struct lm_op *slice, struct soak_count *count)
{
	count->rows += __atomic_load_n(&slice->stats.rows_in, __ATOMIC_RELAXED);
	count->errors += __atomic_load_n(&slice->stats.errors, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < LM_DROPS_MAX; i++) {
		count->drops[i] += __atomic_load_n(&slice->stats.drops[i], __ATOMIC_RELAXED);
	}
	for (uint32_t i = 0; slice->is_source && i < LM_PORTS_MAX; i++) {
		count->rows += __atomic_load_n(&slice->stats.rows_out[i], __ATOMIC_RELAXED);
	}
}

void
soak_read(const struct lm_engine *engine, uint32_t op, struct soak_count *count)
{
	const struct graph_operator *of = &engine->graph->op[op];
	uint32_t slices = of->trial != NULL ? of->trial_slices : of->slices;
	struct lm_op *const *slice = engine->slice + of->first_slice + (of->slices - slices);

	memset(count, 0, sizeof(*count));
	count->head = slice[0]->head->number;
	for (uint32_t i = 0; i < slices; i++) {
		const struct lm_op *head = slice[i]->head;

		add_slice(slice[i], count);
		/* Heads have the time of those that they call. */
		if (!has_head(slice, i, head)) {
			count->busy_ns += __atomic_load_n(&head->stats.busy_ns, __ATOMIC_RELAXED);
		}
	}
}

/* ---- what is to be expected ---- */

static double
share(uint64_t part, uint64_t rows)
{
	return rows == 0 ? 0 : (double)part / (double)rows;
}

/* Its head may be another one by now, which has been busy for less. */
static uint64_t
since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

/* Time of a row of so many; 0: they say nothing about it. */
static double
cost_of(uint64_t rows, uint64_t busy_ns)
{
	return rows == 0 || (rows < COST_ROWS && busy_ns < COST_BUSY_NS)
	           ? 0
	           : (double)busy_ns / (double)rows;
}

/* Between two readings. */
static double
cost(const struct soak_count *from, const struct soak_count *to)
{
	return cost_of(since(from->rows, to->rows), since(from->busy_ns, to->busy_ns));
}

static double
dropped_before(const char *const *drops, const struct soak_count *now, const char *reason)
{
	for (uint32_t i = 0; drops != NULL && drops[i] != NULL; i++) {
		if (strcmp(drops[i], reason) == 0) {
			return share(now->drops[i], now->rows);
		}
	}
	return 0;
}

void
soak_expect(struct soak_op *op, const char *const *drops, const struct soak_count *then,
            const struct soak_count *now)
{
	const struct soak_count none = { 0 };
	double ever_ns = cost(&none, now), lately_ns = cost(then, now);

	op->cost_ns = ever_ns > lately_ns ? ever_ns : lately_ns;
	op->cost_ns = now->busy_ns < KNOWN_BUSY_NS ? 0 : op->cost_ns;
	op->errors = share(now->errors, now->rows);
	for (uint32_t i = 0; op->drops != NULL && op->drops[i] != NULL; i++) {
		op->dropped[i] = dropped_before(drops, now, op->drops[i]);
	}
}

void
soak_begin(struct soak *soak, uint64_t length_ns, int64_t now_ns, const struct soak_count *count)
{
	soak->start_ns = soak->window_ns = now_ns;
	soak->end_ns = now_ns + (int64_t)length_ns;
	soak->length_ns = length_ns / WINDOWS;
	soak->length_ns = soak->length_ns < WINDOW_MIN_NS ? WINDOW_MIN_NS : soak->length_ns;
	for (uint32_t i = 0; i < soak->count; i++) {
		soak->op[i].start = soak->op[i].window = count[i];
		soak->op[i].slow = 0;
		soak->op[i].worst_ns = soak->op[i].worst_rows = 0;
	}
}

/* ---- looking ---- */

/* Whether it runs by itself, and is what it was. */
static bool
is_apart(const struct soak *soak, const struct soak_count *now, uint32_t op)
{
	for (uint32_t i = 0; i < soak->count; i++) {
		if (soak->op[i].is_other && (i == op || now[i].head == now[op].head)) {
			return false;
		}
	}
	return true;
}

static void
end_windows(struct soak *soak, const struct soak_count *now)
{
	for (uint32_t i = 0; i < soak->count; i++) {
		struct soak_op *op = &soak->op[i];
		uint64_t busy_ns = since(op->window.busy_ns, now[i].busy_ns);

		if (busy_ns > op->worst_ns) {
			op->worst_ns = busy_ns;
			op->worst_rows = since(op->window.rows, now[i].rows);
		}
		op->window = now[i];
	}
}

/* Over all of the time but its worst window, where a thread may have waited for its CPU. */
static double
cost_in_all(const struct soak_op *op, const struct soak_count *now)
{
	double cost_ns = cost_of(since(op->start.rows + op->worst_rows, now->rows),
	                         since(op->start.busy_ns + op->worst_ns, now->busy_ns));

	return cost_ns > 0 ? cost_ns : cost(&op->start, now);
}

/* Since the last window, or with `is_last` over all of the time. */
static double
cost_seen(const struct soak_op *op, const struct soak_count *now, bool is_last)
{
	return is_last ? cost_in_all(op, now) : cost(&op->window, now);
}

/* How many times longer rows take where nothing is other than it was: 1 to SOAK_MACHINE. */
static double
machine_slower(const struct soak *soak, const struct soak_count *now, bool is_last)
{
	double most = 1;

	for (uint32_t i = 0; i < soak->count; i++) {
		const struct soak_op *op = &soak->op[i];
		double cost_ns = cost_seen(op, &now[i], is_last);

		if (op->cost_ns > 0 && cost_ns > most * op->cost_ns && is_apart(soak, now, i)) {
			most = cost_ns / op->cost_ns;
		}
	}
	return most < SOAK_MACHINE ? most : SOAK_MACHINE;
}

static bool
is_slow(const struct soak_op *op, double cost_ns, double slower)
{
	return op->cost_ns > 0 && cost_ns > SOAK_SLOWER * slower * op->cost_ns &&
	       cost_ns > op->cost_ns + COST_MORE_NS;
}

static bool
say_slow(const struct soak_op *op, double cost_ns, char why[SOAK_WHY])
{
	snprintf(why, SOAK_WHY, "%s: a row takes %s, and took %s", op->name,
	         units_ns((uint64_t)cost_ns).text, units_ns((uint64_t)op->cost_ns).text);
	return true;
}

static bool
look_at_time(struct soak_op *op, const struct soak_count *now, double slower, bool is_last,
             char why[SOAK_WHY])
{
	double cost_ns = cost_seen(op, now, is_last);

	if (is_last) {
		return is_slow(op, cost_ns, slower) && say_slow(op, cost_ns, why);
	}
	op->slow = is_slow(op, cost_ns, slower) ? op->slow + 1 : 0;
	return op->slow >= SLOW_WINDOWS && say_slow(op, cost_ns, why);
}

static bool
is_larger(double is, double was)
{
	return is > SHARE_TIMES * was + SHARE_MORE;
}

static bool
look_at_rows(const struct soak_op *op, const struct soak_count *now, bool is_last,
             char why[SOAK_WHY])
{
	uint64_t rows = now->rows - op->start.rows, errors = now->errors - op->start.errors;

	if (errors > 0 && share(errors, rows == 0 ? 1 : rows) > SHARE_TIMES * op->errors) {
		snprintf(why, SOAK_WHY,
		         "%s: %" PRIu64 " errors in %" PRIu64 " rows, more than there were",
		         op->name, errors, rows);
		return true;
	}
	for (uint32_t i = 0;
	     (rows >= SHARE_ROWS || is_last) && op->drops != NULL && op->drops[i] != NULL; i++) {
		uint64_t drops = now->drops[i] - op->start.drops[i];

		if (drops >= DROPS_MIN && is_larger(share(drops, rows), op->dropped[i])) {
			snprintf(why, SOAK_WHY, "%s: %s of the rows are dropped (%s), it was %s",
			         op->name, units_percent(share(drops, rows)).text, op->drops[i],
			         units_percent(op->dropped[i]).text);
			return true;
		}
	}
	return false;
}

/* A window, or all of the time, has passed. */
static bool
look_at_times(struct soak *soak, const struct soak_count *count, bool is_last, char why[SOAK_WHY])
{
	double slower = machine_slower(soak, count, is_last);
	bool is_bad = false;

	for (uint32_t i = 0; i < soak->count && !is_bad; i++) {
		is_bad = soak->op[i].is_other &&
		         look_at_time(&soak->op[i], &count[i], slower, is_last, why);
	}
	return is_bad;
}

bool
soak_look(struct soak *soak, int64_t now_ns, const struct soak_count *count, bool is_last,
          char why[SOAK_WHY])
{
	bool is_window = now_ns - soak->window_ns >= (int64_t)soak->length_ns;

	for (uint32_t i = 0; i < soak->count; i++) {
		if (soak->op[i].is_watched && look_at_rows(&soak->op[i], &count[i], is_last, why)) {
			return true;
		}
	}
	if (!is_window && !is_last) {
		return false;
	}
	soak->window_ns = now_ns;
	if (is_window && look_at_times(soak, count, false, why)) {
		return true;
	}
	end_windows(soak, count);
	return is_last && look_at_times(soak, count, true, why);
}

bool
soak_is_over(const struct soak *soak, int64_t now_ns)
{
	return now_ns >= soak->end_ns;
}
