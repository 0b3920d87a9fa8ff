/* SPDX-License-Identifier: BSD-3-Clause */
/* The closing summary of a run, for people and for programs. */
#include "mgmt/summary.h"

#include "mgmt/json_put.h"
#include "mgmt/text_table.h"
#include "mgmt/units.h"

#include <errno.h>

static const char *const summary_status_text[] = {
#define SUMMARY_STATUS_TEXT(suffix, text) [SUMMARY_##suffix] = text,
	SUMMARY_STATUSES(SUMMARY_STATUS_TEXT)
#undef SUMMARY_STATUS_TEXT
};

static double
summary_per_second(const struct summary *summary, uint64_t count)
{
	return summary->seconds > 0 ? (double)count / summary->seconds : 0;
}

static double
summary_busy(const struct sample_worker *worker)
{
	uint64_t whole = worker->busy_ns + worker->idle_ns;

	return whole == 0 ? 0 : (double)worker->busy_ns / (double)whole;
}

/* By all sources that there were. */
static uint64_t
summary_rows(const struct summary *summary)
{
	uint64_t rows = sample_rows(summary->sample);

	for (uint32_t i = 0; i < summary->gone_count; i++) {
		rows += summary->gone[i].is_source ? summary->gone[i].rows_out : 0;
	}
	return rows;
}

static void
summary_headline(FILE *out, const struct summary *summary, bool colour)
{
	static const enum text_style style[] = { [SUMMARY_COMPLETE] = TEXT_GREEN,
		                                 [SUMMARY_STOPPED] = TEXT_YELLOW,
		                                 [SUMMARY_FAILED] = TEXT_RED };

	fprintf(out, "%s%s%s: %s%s%s after %s", text_style_on(colour, TEXT_BOLD), summary->topology,
	        text_style_off(colour, TEXT_BOLD), text_style_on(colour, style[summary->status]),
	        summary_status_text[summary->status],
	        text_style_off(colour, style[summary->status]),
	        units_duration(summary->seconds).text);
	fprintf(out, "  %s(lodemill %s, %s)%s\n\n", text_style_on(colour, TEXT_DIM),
	        summary->version, summary->isa, text_style_off(colour, TEXT_DIM));
}

static void
summary_total(struct text_table *table, const char *what, struct units_text total,
              struct units_text rate)
{
	text_table_cell(table, TEXT_PLAIN, "%s", what);
	text_table_cell(table, TEXT_BOLD, "%s", total.text);
	text_table_cell(table, TEXT_PLAIN, "%s/s", rate.text);
}

static int
summary_totals(FILE *out, const struct summary *summary, bool colour)
{
	struct text_table *table = text_table_create(colour);
	uint64_t rows = summary_rows(summary);
	int error;

	text_table_column(table, TEXT_LEFT, "");
	text_table_column(table, TEXT_RIGHT, "");
	text_table_column(table, TEXT_RIGHT, "");
	if (summary->packets != 0 || summary->bytes != 0) {
		summary_total(table, "packets", units_exact(summary->packets),
		              units_count(summary_per_second(summary, summary->packets)));
		summary_total(table, "bytes", units_bytes((double)summary->bytes),
		              units_bytes(summary_per_second(summary, summary->bytes)));
	}
	summary_total(table, "rows", units_exact(rows),
	              units_count(summary_per_second(summary, rows)));
	error = text_table_print(table, "  ", out);
	text_table_free(table);
	return error;
}

static void
summary_latency(FILE *out, const struct lm_hist_summary *latency)
{
	if (latency->count == 0) {
		return;
	}
	fprintf(out, "  latency  p50 %s, p99 %s, p99.9 %s, max %s\n", units_ns(latency->p50).text,
	        units_ns(latency->p99).text, units_ns(latency->p99_9).text,
	        units_ns(latency->max).text);
}

/* A column that is all 0 says nothing: its cells stay empty and it is left out. */
static void
summary_count_cell(struct text_table *table, enum text_style style, uint64_t count, bool shown)
{
	if (count != 0) {
		text_table_cell(table, style, "%s", units_exact(count).text);
	} else {
		text_table_cell(table, TEXT_DIM, "%s", shown ? "0" : "");
	}
}

static bool
summary_has_errors(const struct sample *sample)
{
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		if (sample->op[i].errors != 0) {
			return true;
		}
	}
	return false;
}

static void
summary_operator(struct text_table *table, const struct sample_operator *op, const char *fill,
                 bool errors)
{
	summary_count_cell(table, TEXT_PLAIN, op->rows_in, true);
	summary_count_cell(table, TEXT_PLAIN, op->rows_out, true);
	summary_count_cell(table, TEXT_PLAIN, op->rows_absorbed, true);
	summary_count_cell(table, TEXT_YELLOW, op->rows_dropped, true);
	summary_count_cell(table, TEXT_RED, op->errors, errors);
	text_table_cell(table, TEXT_PLAIN, "%s", fill);
}

static int
summary_operators(FILE *out, const struct summary *summary, bool colour)
{
	const struct sample *sample = summary->sample;
	static const char *const headings[] = { "SLICES",  "ROWS IN", "ROWS OUT", "ABSORBED",
		                                "DROPPED", "ERRORS",  "FILL" };
	struct text_table *table = text_table_create(colour);
	bool errors = summary_has_errors(sample);
	int error;

	text_table_column(table, TEXT_LEFT, "OPERATOR");
	text_table_column(table, TEXT_LEFT, "TYPE");
	for (uint32_t i = 0; i < sizeof(headings) / sizeof(headings[0]); i++) {
		text_table_column(table, TEXT_RIGHT, headings[i]);
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		const struct sample_operator *op = &sample->op[i];

		text_table_cell(table, TEXT_BOLD, "%s", op->name);
		text_table_cell(table, TEXT_PLAIN, "%s", op->type);
		text_table_cell(table, TEXT_PLAIN, "%u", op->slices);
		summary_operator(table, op, units_percent(sample_fill(sample, i)).text, errors);
	}
	for (uint32_t i = 0; i < summary->gone_count; i++) {
		const struct sample_operator *op = &summary->gone[i];

		text_table_cell(table, TEXT_DIM, "%s", op->name);
		text_table_cell(table, TEXT_PLAIN, "%s", op->type);
		text_table_cell(table, TEXT_DIM, "removed");
		summary_operator(table, op, "", errors);
	}
	fputc('\n', out);
	error = text_table_print(table, "  ", out);
	text_table_free(table);
	return error;
}

/* Calls `each` for every loss: rows by operator and reason, packets by port. */
typedef void summary_loss_fn(void *to, const char *name, const char *unit, uint64_t count);

static void
summary_losses(const struct sample *sample, void *to, summary_loss_fn *each)
{
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_DROPS]; i++) {
		const struct sample_drop *drop = &sample->drop[i];
		char name[2 * SAMPLE_NAME];

		if (drop->rows != 0) {
			uint32_t of = drop->op;

			snprintf(name, sizeof(name), "%s.%s", sample->op[of].name, drop->name);
			each(to, name, "rows", drop->rows);
		}
	}
	for (uint32_t i = 0; i < sample->head->counter_count; i++) {
		const struct sample_counter *counter = &sample->counter[i];

		if (counter->value != 0 && sample_counter_is_loss(counter->name)) {
			each(to, counter->name, "packets", counter->value);
		}
	}
}

struct summary_drops {
	struct text_table *table;
	uint32_t count;
};

static void
summary_drop_row(void *to, const char *name, const char *unit, uint64_t count)
{
	struct summary_drops *drops = to;

	drops->count++;
	text_table_cell(drops->table, TEXT_YELLOW, "%s", name);
	text_table_cell(drops->table, TEXT_PLAIN, "%s", units_exact(count).text);
	text_table_cell(drops->table, TEXT_DIM, "%s", unit);
}

static int
summary_drops(FILE *out, const struct sample *sample, bool colour)
{
	struct summary_drops drops = { .table = text_table_create(colour) };
	int error = 0;

	text_table_column(drops.table, TEXT_LEFT, "DROPPED BY");
	text_table_column(drops.table, TEXT_RIGHT, "COUNT");
	text_table_column(drops.table, TEXT_LEFT, "");
	summary_losses(sample, &drops, summary_drop_row);
	if (drops.count > 0) {
		fputc('\n', out);
		error = text_table_print(drops.table, "  ", out);
	} else {
		fprintf(out, "\n  nothing was dropped\n");
	}
	text_table_free(drops.table);
	return error;
}

static int
summary_lcores(FILE *out, const struct sample *sample, bool colour)
{
	struct text_table *table = text_table_create(colour);
	int error;

	text_table_column(table, TEXT_RIGHT, "LCORE");
	text_table_column(table, TEXT_RIGHT, "NODE");
	text_table_column(table, TEXT_RIGHT, "BUSY");
	text_table_column(table, TEXT_RIGHT, "TURNS");
	text_table_column(table, TEXT_RIGHT, "LONGEST TURN");
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_WORKERS]; i++) {
		const struct sample_worker *worker = &sample->worker[i];

		text_table_cell(table, TEXT_BOLD, "%u", worker->lcore);
		if (worker->numa_node >= 0) {
			text_table_cell(table, TEXT_PLAIN, "%d", worker->numa_node);
		} else {
			text_table_cell(table, TEXT_PLAIN, "%s", "");
		}
		text_table_cell(table, TEXT_PLAIN, "%s", units_percent(summary_busy(worker)).text);
		text_table_cell(table, TEXT_PLAIN, "%s", units_exact(worker->turns).text);
		text_table_cell(table, TEXT_PLAIN, "%s", units_ns(worker->longest_turn_ns).text);
	}
	fputc('\n', out);
	error = text_table_print(table, "  ", out);
	text_table_free(table);
	return error;
}

/* For people: one line. */
static void
summary_snapshots(FILE *out, const struct snapshot_status *status, bool colour)
{
	if (status == NULL) {
		return;
	}
	fprintf(out, "  snapshots  %s durable (%s), %s lost; the last, epoch %s, took %s\n",
	        units_exact(status->durable).text, units_bytes((double)status->bytes_all).text,
	        units_exact(status->lost).text, units_exact(status->epoch).text,
	        units_ns((uint64_t)status->copy_ns).text);
	if (status->uncommitted > 0) {
		fprintf(out, "  %s%s transactions of sinks are not committed%s\n",
		        text_style_on(colour, TEXT_RED), units_exact(status->uncommitted).text,
		        text_style_off(colour, TEXT_RED));
	}
}

int
summary_print(FILE *out, const struct summary *summary, bool colour)
{
	int error;

	summary_headline(out, summary, colour);
	error = summary_totals(out, summary, colour);
	summary_latency(out, &summary->sample->head->latency);
	summary_snapshots(out, summary->snapshots, colour);
	if (error == 0) {
		error = summary_operators(out, summary, colour);
	}
	if (error == 0) {
		error = summary_drops(out, summary->sample, colour);
	}
	if (error == 0) {
		error = summary_lcores(out, summary->sample, colour);
	}
	for (uint32_t i = 0; i < summary->warning_count; i++) {
		fprintf(out, "%s  %swarning:%s %s\n", i == 0 ? "\n" : "",
		        text_style_on(colour, TEXT_YELLOW), text_style_off(colour, TEXT_YELLOW),
		        summary->warnings[i]);
	}
	return error == 0 && ferror(out) != 0 ? -EIO : error;
}

static void
summary_json_loss(void *to, const char *name, const char *unit, uint64_t count)
{
	(void)unit;
	json_put_u64(to, name, count);
}

/* What the operator counts of its own; nothing if it does not. */
static int
summary_json_gauges(json_t *entry, const struct sample_operator *op)
{
	json_t *gauges = json_object();
	int failed = 0;

	for (uint32_t i = 0; i < SAMPLE_GAUGES; i++) {
		if (op->gauge_name[i][0] != '\0') {
			failed += json_put_u64(gauges, op->gauge_name[i], op->gauges[i]);
		}
	}
	if (json_object_size(gauges) == 0) {
		json_decref(gauges);
		return failed;
	}
	return failed + json_object_set_new(entry, "gauges", gauges);
}

static int
summary_json_operators(json_t *object, const struct sample *sample)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		const struct sample_operator *op = &sample->op[i];
		json_t *drops = json_object();
		json_t *entry = json_object();

		for (uint32_t k = 0; k < sample->shape.count[SAMPLE_DROPS]; k++) {
			uint32_t of = sample->drop[k].op;

			if (of == i && sample->drop[k].rows != 0) {
				failed +=
				    json_put_u64(drops, sample->drop[k].name, sample->drop[k].rows);
			}
		}
		failed += json_put_text(entry, "name", op->name);
		failed += json_put_text(entry, "type", op->type);
		failed += json_put_u64(entry, "slices", op->slices);
		failed += json_put_u64(entry, "rows_in", op->rows_in);
		failed += json_put_u64(entry, "rows_out", op->rows_out);
		failed += json_put_u64(entry, "absorbed", op->rows_absorbed);
		failed += json_object_set_new(entry, "drops", drops);
		failed += json_put_u64(entry, "batches_in", op->batches_in);
		failed += json_put_real(entry, "fill", sample_fill(sample, i));
		failed += json_put_u64(entry, "errors", op->errors);
		failed += summary_json_gauges(entry, op);
		failed += json_array_append_new(list, entry);
	}
	return failed + json_object_set_new(object, "operators", list);
}

static int
summary_json_removed(json_t *object, const struct summary *summary)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < summary->gone_count; i++) {
		const struct sample_operator *op = &summary->gone[i];
		json_t *entry = json_object();

		failed += json_put_text(entry, "name", op->name);
		failed += json_put_text(entry, "type", op->type);
		failed += json_put_u64(entry, "slices", op->slices);
		failed += json_put_u64(entry, "rows_in", op->rows_in);
		failed += json_put_u64(entry, "rows_out", op->rows_out);
		failed += json_put_u64(entry, "absorbed", op->rows_absorbed);
		failed += json_put_u64(entry, "dropped", op->rows_dropped);
		failed += json_put_u64(entry, "errors", op->errors);
		failed += json_array_append_new(list, entry);
	}
	return failed + json_object_set_new(object, "removed", list);
}

static int
summary_json_lcores(json_t *object, const struct sample *sample)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_WORKERS]; i++) {
		const struct sample_worker *worker = &sample->worker[i];
		json_t *entry = json_object();

		failed += json_put_u64(entry, "lcore", worker->lcore);
		if (worker->numa_node >= 0) {
			failed += json_put_u64(entry, "numa_node", (uint64_t)worker->numa_node);
		}
		failed += json_put_real(entry, "busy_share", summary_busy(worker));
		failed += json_put_u64(entry, "turns", worker->turns);
		failed += json_put_u64(entry, "longest_turn_ns", worker->longest_turn_ns);
		failed += json_array_append_new(list, entry);
	}
	return failed + json_object_set_new(object, "lcores", list);
}

static int
summary_json_snapshots(json_t *object, const struct snapshot_status *status)
{
	json_t *entry = json_object();
	int failed = 0;

	failed += json_put_u64(entry, "durable", status->durable);
	failed += json_put_u64(entry, "lost", status->lost);
	failed += json_put_u64(entry, "epoch", status->epoch);
	failed += json_put_u64(entry, "bytes", status->bytes_all);
	failed += json_put_real(entry, "last_ms", (double)status->copy_ns / 1e6);
	failed += json_put_u64(entry, "uncommitted", status->uncommitted);
	return failed + json_object_set_new(object, "snapshots", entry);
}

static int
summary_json_warnings(json_t *object, const struct summary *summary)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < summary->warning_count; i++) {
		failed += json_array_append_new(list, json_put_new_text(summary->warnings[i]));
	}
	return failed + json_object_set_new(object, "warnings", list);
}

int
summary_json(FILE *out, const struct summary *summary)
{
	const struct sample *sample = summary->sample;
	uint64_t rows = summary_rows(summary);
	json_t *drops = json_object();
	json_t *object = json_object();
	int failed = 0;

	summary_losses(sample, drops, summary_json_loss);
	failed += json_put_text(object, "status", summary_status_text[summary->status]);
	failed += json_put_text(object, "topology", summary->topology);
	failed += json_put_text(object, "version", summary->version);
	failed += json_put_text(object, "isa", summary->isa);
	failed += json_put_real(object, "seconds", summary->seconds);
	failed += json_put_u64(object, "packets", summary->packets);
	failed += json_put_u64(object, "bytes", summary->bytes);
	failed += json_put_u64(object, "rows", rows);
	failed += json_put_real(object, "rows_per_s", summary_per_second(summary, rows));
	failed += json_object_set_new(object, "drops", drops);
	failed += json_put_latency(object, "latency_ns", &sample->head->latency);
	failed += summary_json_operators(object, sample);
	if (summary->gone_count > 0) {
		failed += summary_json_removed(object, summary);
	}
	failed += summary_json_lcores(object, sample);
	if (summary->snapshots != NULL) {
		failed += summary_json_snapshots(object, summary->snapshots);
	}
	failed += summary_json_warnings(object, summary);
	return json_put_line(out, object, failed);
}
