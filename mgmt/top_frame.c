/* SPDX-License-Identifier: BSD-3-Clause */
/* One picture of a running engine, for people and for programs. */
#include "mgmt/top_frame.h"

#include "mgmt/json_put.h"
#include "mgmt/text_table.h"
#include "mgmt/units.h"

#include <errno.h>
#include <string.h>

enum { FRAME_BAR = 10 };
/* Lcores that fit beside each other on a screen. */
enum { FRAME_MATRIX_MAX = 16 };

const char *
top_life_text(enum stats_life life)
{
	switch (life) {
	case STATS_LIVES:
		return "running";
	case STATS_ELSEWHERE:
		return "changing";
	case STATS_STOPPED:
		return "stopped";
	case STATS_CRASHED:
		break;
	}
	return "crashed";
}

static enum text_style
frame_load_style(double busy)
{
	return busy >= 0.9 ? TEXT_RED : busy >= 0.7 ? TEXT_YELLOW : TEXT_GREEN;
}

/* Whoever sends to a full ring waits. */
static enum text_style
frame_queue_style(double share)
{
	return share >= 0.9 ? TEXT_RED : share >= 0.5 ? TEXT_YELLOW : TEXT_PLAIN;
}

static void
frame_headline(FILE *out, const struct top_view *view, bool colour)
{
	enum text_style style = view->life == STATS_LIVES ? TEXT_GREEN : TEXT_RED;

	fprintf(out, "%s%s%s  %s%s%s  up %s  %s%s rows/s%s  %s(prefix %s, pid %u, lodemill %s)%s\n",
	        text_style_on(colour, TEXT_BOLD), view->info->topology,
	        text_style_off(colour, TEXT_BOLD), text_style_on(colour, style),
	        top_life_text(view->life), text_style_off(colour, style),
	        units_duration(sample_seconds(view->now)).text, text_style_on(colour, TEXT_BOLD),
	        units_count(view->rates->rows).text, text_style_off(colour, TEXT_BOLD),
	        text_style_on(colour, TEXT_DIM), view->info->prefix, view->info->pid,
	        view->info->version, text_style_off(colour, TEXT_DIM));
	if (view->silent_s > 0) {
		fprintf(out, "%sno news from the engine's manager for %s%s\n",
		        text_style_on(colour, TEXT_YELLOW), units_duration(view->silent_s).text,
		        text_style_off(colour, TEXT_YELLOW));
	}
}

static void
frame_latency(FILE *out, const struct lm_hist_summary *latency)
{
	if (latency->count == 0) {
		fprintf(out, "latency       no rows reached a sink\n");
		return;
	}
	fprintf(out, "latency       p50 %s, p99 %s, p99.9 %s, max %s\n",
	        units_ns(latency->p50).text, units_ns(latency->p99).text,
	        units_ns(latency->p99_9).text, units_ns(latency->max).text);
}

static void
frame_backpressure(FILE *out, const struct top_view *view, bool colour)
{
	uint32_t root = view->rates->root;

	if (root == LM_NONE) {
		fprintf(out, "backpressure  none\n");
		return;
	}
	fprintf(out, "backpressure  %s%s%s holds up what is before it: give it more slices\n",
	        text_style_on(colour, TEXT_RED), view->now->op[root].name,
	        text_style_off(colour, TEXT_RED));
}

static void
frame_latency_cells(struct text_table *table, const struct lm_hist_summary *latency)
{
	bool any = latency->count != 0;

	text_table_cell(table, TEXT_PLAIN, "%s", any ? units_ns(latency->p50).text : "");
	text_table_cell(table, TEXT_PLAIN, "%s", any ? units_ns(latency->p99).text : "");
}

static void
frame_note_cell(struct text_table *table, const struct rates_operator *rate, bool is_root)
{
	if (is_root) {
		text_table_cell(table, TEXT_RED, "holds up the others");
	} else if (rate->waits && !rate->is_fused) {
		text_table_cell(table, TEXT_YELLOW, "waits for room, %s of turns",
		                units_percent(rate->blocked).text);
	} else {
		text_table_cell(table, TEXT_DIM, "%s",
		                rate->is_fused ? "runs in the one before it" : "");
	}
}

static void
frame_operator_row(struct text_table *table, const struct top_view *view, uint32_t index)
{
	const struct sample_operator *op = &view->now->op[index];
	const struct rates_operator *rate = &view->rates->op[index];

	text_table_cell(table, TEXT_BOLD, "%s", op->name);
	text_table_cell(table, TEXT_PLAIN, "%s", op->type);
	text_table_cell(table, TEXT_PLAIN, "%u", op->slices);
	text_table_cell(table, TEXT_PLAIN, "%s", units_count(rate->rows_in).text);
	text_table_cell(table, TEXT_PLAIN, "%s", units_count(rate->rows_out).text);
	text_table_cell(table, rate->rows_dropped > 0 ? TEXT_YELLOW : TEXT_DIM, "%s",
	                units_count(rate->rows_dropped).text);
	text_table_cell(table, rate->is_fused ? TEXT_DIM : frame_load_style(rate->busy), "%s",
	                rate->is_fused ? "-" : units_percent(rate->busy).text);
	text_table_cell(table, TEXT_PLAIN, "%s", units_percent(rate->fill).text);
	text_table_cell(table, frame_queue_style(rate->queue), "%s",
	                op->is_source || rate->is_fused ? "-" : units_percent(rate->queue).text);
	frame_latency_cells(table, &op->recent);
	frame_note_cell(table, rate, index == view->rates->root);
}

static int
frame_operators(FILE *out, const struct top_view *view, bool colour)
{
	static const char *const headings[] = { "SLICES", "IN/S",  "OUT/S", "DROPS/S", "BUSY",
		                                "FILL",   "QUEUE", "P50",   "P99" };
	struct text_table *table = text_table_create(colour);
	int error;

	text_table_column(table, TEXT_LEFT, "OPERATOR");
	text_table_column(table, TEXT_LEFT, "TYPE");
	for (uint32_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++) {
		text_table_column(table, TEXT_RIGHT, headings[i]);
	}
	text_table_column(table, TEXT_LEFT, "");
	for (uint32_t i = 0; i < view->now->shape.count[SAMPLE_OPERATORS]; i++) {
		frame_operator_row(table, view, i);
	}
	fputc('\n', out);
	error = text_table_print(table, "", out);
	text_table_free(table);
	return error;
}

static void
frame_bar(char *bar, double share)
{
	uint32_t full = (uint32_t)(share * FRAME_BAR + 0.5);

	for (uint32_t i = 0; i < FRAME_BAR; i++) {
		bar[i] = i < full ? '#' : '.';
	}
	bar[FRAME_BAR] = '\0';
}

static int
frame_lcores(FILE *out, const struct top_view *view, bool colour)
{
	struct text_table *table = text_table_create(colour);
	int error;

	text_table_column(table, TEXT_RIGHT, "LCORE");
	text_table_column(table, TEXT_RIGHT, "NODE");
	text_table_column(table, TEXT_RIGHT, "BUSY");
	text_table_column(table, TEXT_LEFT, "");
	text_table_column(table, TEXT_RIGHT, "TURNS/S");
	text_table_column(table, TEXT_RIGHT, "LONGEST TURN");
	for (uint32_t i = 0; i < view->now->shape.count[SAMPLE_WORKERS]; i++) {
		const struct sample_worker *worker = &view->now->worker[i];
		const struct rates_worker *rate = &view->rates->worker[i];
		char bar[FRAME_BAR + 1];
		char node[16] = "";

		if (worker->numa_node >= 0) {
			snprintf(node, sizeof(node), "%d", worker->numa_node);
		}
		frame_bar(bar, rate->busy);
		text_table_cell(table, TEXT_BOLD, "%u", worker->lcore);
		text_table_cell(table, TEXT_PLAIN, "%s", node);
		text_table_cell(table, frame_load_style(rate->busy), "%s",
		                units_percent(rate->busy).text);
		text_table_cell(table, frame_load_style(rate->busy), "%s", bar);
		text_table_cell(table, TEXT_PLAIN, "%s", units_count(rate->turns).text);
		text_table_cell(table, TEXT_PLAIN, "%s", units_ns(worker->longest_turn_ns).text);
	}
	fputc('\n', out);
	error = text_table_print(table, "", out);
	text_table_free(table);
	return error;
}

/* What an operator's slices do on a worker: how many there are, how busy they are together. */
static uint32_t
frame_cell(const struct top_view *view, uint32_t op, uint32_t worker, double *busy)
{
	uint32_t slices = 0;

	*busy = 0;
	for (uint32_t i = 0; i < view->now->shape.count[SAMPLE_SLICES]; i++) {
		const struct sample_slice *slice = &view->now->slice[i];

		if (slice->op == op && slice->worker == worker) {
			slices++;
			*busy += view->rates->slice[i];
		}
	}
	return slices;
}

static void
frame_matrix_row(struct text_table *table, const struct top_view *view, uint32_t op)
{
	text_table_cell(table, TEXT_BOLD, "%s", view->now->op[op].name);
	for (uint32_t w = 0; w < view->now->shape.count[SAMPLE_WORKERS]; w++) {
		double busy;
		uint32_t slices = frame_cell(view, op, w, &busy);

		if (slices == 0) {
			text_table_cell(table, TEXT_DIM, ".");
		} else if (view->rates->op[op].is_fused) {
			text_table_cell(table, TEXT_DIM, "-");
		} else {
			text_table_cell(table, frame_load_style(busy), "%s",
			                units_percent(busy).text);
		}
	}
}

/* Which operator keeps which lcore busy. */
static int
frame_matrix(FILE *out, const struct top_view *view, bool colour)
{
	uint32_t workers = view->now->shape.count[SAMPLE_WORKERS];
	struct text_table *table;
	int error;

	if (workers < 2 || workers > FRAME_MATRIX_MAX) {
		return 0;
	}
	table = text_table_create(colour);
	text_table_column(table, TEXT_LEFT, "BUSY ON LCORE");
	for (uint32_t w = 0; w < workers; w++) {
		char heading[16];

		snprintf(heading, sizeof(heading), "%u", view->now->worker[w].lcore);
		text_table_column(table, TEXT_RIGHT, heading);
	}
	for (uint32_t op = 0; op < view->now->shape.count[SAMPLE_OPERATORS]; op++) {
		frame_matrix_row(table, view, op);
	}
	fputc('\n', out);
	error = text_table_print(table, "", out);
	text_table_free(table);
	return error;
}

/* Counters that are still 0 are left out: a port has hundreds of them. */
static int
frame_counters(FILE *out, const struct top_view *view, bool colour)
{
	struct text_table *table = text_table_create(colour);
	uint32_t shown = 0;
	int error = 0;

	text_table_column(table, TEXT_LEFT, "PORT COUNTER");
	text_table_column(table, TEXT_RIGHT, "TOTAL");
	text_table_column(table, TEXT_RIGHT, "PER SECOND");
	for (uint32_t i = 0; i < view->now->head->counter_count; i++) {
		const struct sample_counter *counter = &view->now->counter[i];

		if (counter->value == 0) {
			continue;
		}
		text_table_cell(table,
		                sample_counter_is_loss(counter->name) ? TEXT_YELLOW : TEXT_PLAIN,
		                "%s", counter->name);
		text_table_cell(table, TEXT_PLAIN, "%s", units_exact(counter->value).text);
		text_table_cell(table, TEXT_PLAIN, "%s", units_count(view->rates->counter[i]).text);
		shown++;
	}
	if (shown > 0) {
		fputc('\n', out);
		error = text_table_print(table, "", out);
	}
	text_table_free(table);
	return error;
}

/* What must not be overlooked. */
static void
frame_degraded(FILE *out, const struct top_view *view, bool colour)
{
	for (uint32_t i = 0; i < view->now->head->counter_count; i++) {
		const struct sample_counter *counter = &view->now->counter[i];

		if (strcmp(counter->name, SAMPLE_DEGRADED) == 0 && counter->value > 0) {
			fprintf(
			    out,
			    "  %sDEGRADED%s  the last %s snapshots failed: what is new would not "
			    "survive a crash; the log of the run says why\n",
			    text_style_on(colour, TEXT_RED), text_style_off(colour, TEXT_RED),
			    units_exact(counter->value).text);
		}
	}
}

int
top_frame_text(FILE *out, const struct top_view *view, bool colour)
{
	int error;

	frame_headline(out, view, colour);
	frame_latency(out, &view->now->head->recent);
	frame_backpressure(out, view, colour);
	frame_degraded(out, view, colour);
	error = frame_operators(out, view, colour);
	if (error == 0) {
		error = frame_lcores(out, view, colour);
	}
	if (error == 0) {
		error = frame_matrix(out, view, colour);
	}
	if (error == 0) {
		error = frame_counters(out, view, colour);
	}
	return error == 0 && ferror(out) != 0 ? -EIO : error;
}

/* The lcores that an operator's slices are on. */
static int
frame_json_places(json_t *entry, const struct top_view *view, uint32_t op)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t w = 0; w < view->now->shape.count[SAMPLE_WORKERS]; w++) {
		double busy;
		uint32_t slices = frame_cell(view, op, w, &busy);
		json_t *place;

		if (slices == 0) {
			continue;
		}
		place = json_object();
		failed += json_put_u64(place, "lcore", view->now->worker[w].lcore);
		failed += json_put_u64(place, "slices", slices);
		failed += json_put_real(place, "busy_share", busy);
		failed += json_array_append_new(list, place);
	}
	return failed + json_object_set_new(entry, "lcores", list);
}

static int
frame_json_operators(json_t *object, const struct top_view *view)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < view->now->shape.count[SAMPLE_OPERATORS]; i++) {
		const struct sample_operator *op = &view->now->op[i];
		const struct rates_operator *rate = &view->rates->op[i];
		json_t *entry = json_object();

		failed += json_put_text(entry, "name", op->name);
		failed += json_put_text(entry, "type", op->type);
		failed += json_put_u64(entry, "slices", op->slices);
		failed += json_put_real(entry, "rows_in_per_s", rate->rows_in);
		failed += json_put_real(entry, "rows_out_per_s", rate->rows_out);
		failed += json_put_real(entry, "drops_per_s", rate->rows_dropped);
		failed += rate->is_fused ? json_put_text(entry, "busy_share", NULL)
		                         : json_put_real(entry, "busy_share", rate->busy);
		failed += json_put_real(entry, "blocked_share", rate->blocked);
		failed += json_put_real(entry, "fill", rate->fill);
		failed += json_put_real(entry, "queue_share", rate->queue);
		if (op->is_sink) {
			failed += json_put_latency(entry, "latency_ns", &op->recent);
		}
		failed += frame_json_places(entry, view, i);
		failed += json_array_append_new(list, entry);
	}
	return failed + json_object_set_new(object, "operators", list);
}

static int
frame_json_lcores(json_t *object, const struct top_view *view)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < view->now->shape.count[SAMPLE_WORKERS]; i++) {
		const struct sample_worker *worker = &view->now->worker[i];
		json_t *entry = json_object();

		failed += json_put_u64(entry, "lcore", worker->lcore);
		if (worker->numa_node >= 0) {
			failed += json_put_u64(entry, "numa_node", (uint64_t)worker->numa_node);
		}
		failed += json_put_real(entry, "busy_share", view->rates->worker[i].busy);
		failed += json_put_real(entry, "turns_per_s", view->rates->worker[i].turns);
		failed += json_put_u64(entry, "longest_turn_ns", worker->longest_turn_ns);
		failed += json_array_append_new(list, entry);
	}
	return failed + json_object_set_new(object, "lcores", list);
}

static int
frame_json_counters(json_t *object, const struct top_view *view)
{
	json_t *counters = json_object();
	int failed = 0;

	for (uint32_t i = 0; i < view->now->head->counter_count; i++) {
		json_t *entry = json_object();

		failed += json_put_u64(entry, "total", view->now->counter[i].value);
		failed += json_put_real(entry, "per_s", view->rates->counter[i]);
		failed += json_object_set_new(counters, view->now->counter[i].name, entry);
	}
	return failed + json_object_set_new(object, "counters", counters);
}

int
top_frame_json(FILE *out, const struct top_view *view)
{
	uint32_t root = view->rates->root;
	json_t *object = json_object();
	int failed = 0;

	failed += json_put_text(object, "state", top_life_text(view->life));
	failed += json_put_text(object, "prefix", view->info->prefix);
	failed += json_put_u64(object, "pid", view->info->pid);
	failed += json_put_text(object, "topology", view->info->topology);
	failed += json_put_text(object, "version", view->info->version);
	failed += json_put_real(object, "seconds", sample_seconds(view->now));
	failed += json_put_real(object, "interval_s", view->rates->seconds);
	failed += json_put_real(object, "rows_per_s", view->rates->rows);
	failed += json_put_latency(object, "latency_ns", &view->now->head->recent);
	failed += json_put_text(object, "backpressure_root",
	                        root == LM_NONE ? NULL : view->now->op[root].name);
	failed += frame_json_operators(object, view);
	failed += frame_json_lcores(object, view);
	failed += frame_json_counters(object, view);
	return json_put_line(out, object, failed);
}
