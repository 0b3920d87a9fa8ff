/* SPDX-License-Identifier: BSD-3-Clause */
/* Results of the control interface: the job, its counters, its actions. */
#include "mgmt/control_view.h"

#include <string.h>

#include "mgmt/json_put.h"

static int
put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value);
}

static json_t *
checked(json_t *object, int failed)
{
	if (object != NULL && failed != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *
node_of(const struct sample_worker *worker)
{
	return worker->numa_node < 0 ? json_null() : json_integer(worker->numa_node);
}

/* The number of a slice among those of its operator. */
static uint32_t
index_of(const struct sample *sample, uint32_t slice)
{
	uint32_t first = slice;

	while (first > 0 && sample->slice[first - 1].op == sample->slice[slice].op) {
		first--;
	}
	return slice - first;
}

/* operator, slice, lcore: how every entry about a slice begins. */
static int
put_slice(json_t *entry, const struct sample *sample, uint32_t slice)
{
	uint32_t op = sample->slice[slice].op, worker = sample->slice[slice].worker;

	return json_put_text(entry, "operator", sample->op[op].name) +
	       json_put_u64(entry, "slice", index_of(sample, slice)) +
	       json_put_u64(entry, "lcore", sample->worker[worker].lcore);
}

static json_t *
view_operators(const struct sample *sample)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		json_t *entry = json_object();

		failed += json_put_text(entry, "name", sample->op[i].name);
		failed += json_put_text(entry, "type", sample->op[i].type);
		failed += json_put_u64(entry, "slices", sample->op[i].slices);
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

static json_t *
view_wires(const struct sample *sample)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_WIRES]; i++) {
		const struct sample_wire *wire = &sample->wire[i];
		json_t *entry = json_object();

		failed += json_put_text(entry, "from", sample->op[wire->from].name);
		failed += json_put_text(entry, "to", sample->op[wire->to].name);
		failed += put(entry, "feedback", json_boolean(wire->feedback));
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

static json_t *
view_places(const struct sample *sample)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_SLICES]; i++) {
		uint32_t worker = sample->slice[i].worker;
		json_t *entry = json_object();

		failed += put_slice(entry, sample, i);
		failed += put(entry, "numa_node", node_of(&sample->worker[worker]));
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

static json_t *
view_snapshots(const struct view *view)
{
	const struct snapshot_status *status = view->snapshots;
	json_t *entry;
	int failed = 0;

	if (!view->about->has_snapshots) {
		return json_null();
	}
	entry = json_object();
	failed += json_put_text(entry, "folder", view->about->folder);
	failed += json_put_u64(entry, "epoch", status->epoch);
	failed += json_put_u64(entry, "durable", status->durable);
	failed += json_put_u64(entry, "lost", status->lost);
	failed += json_put_u64(entry, "failures", status->failures);
	failed += json_put_u64(entry, "bytes", status->bytes_all);
	failed += json_put_real(entry, "last_ms", (double)status->copy_ns / 1e6);
	failed += json_put_text(entry, "why", status->why);
	return checked(entry, failed);
}

static json_t *
view_counts_json(const struct view_counts *counts)
{
	json_t *entry = json_object();
	int failed = 0;

#define VIEW_COUNT_PUT(name) failed += json_put_u64(entry, #name, counts->name);
	VIEW_COUNTS(VIEW_COUNT_PUT)
#undef VIEW_COUNT_PUT
	return checked(entry, failed);
}

static json_t *
view_manager(const struct view *view)
{
	const struct view_loaded *loaded = view->loaded;
	json_t *entry;
	int failed = 0;

	if (view->about->manager[0] == '\0') {
		return json_null();
	}
	entry = json_object();
	failed += json_put_text(entry, "name", view->about->manager);
	failed += json_put_text(entry, "version", view->about->manager_version);
	failed += json_put_u64(entry, "calls", loaded->calls);
	failed += json_put_u64(entry, "late", loaded->late);
	failed += json_put_real(entry, "longest_ms", (double)loaded->longest_ns / 1e6);
	failed += json_put_u64(entry, "asked", loaded->asked);
	failed += json_put_u64(entry, "refused", loaded->refused);
	return checked(entry, failed);
}

static json_t *
view_plugins(const struct plugin_counts *plugins)
{
	json_t *entry = json_object();
	int failed = 0;

	failed += json_put_u64(entry, "loaded", plugins->loaded);
	failed += json_put_u64(entry, "retired", plugins->retired);
	return checked(entry, failed);
}

static json_t *
view_pages(const struct engine_pages *pages)
{
	json_t *entry;
	int failed = 0;

	if (!pages->is_there) {
		return json_null();
	}
	entry = json_object();
	failed += json_put_u64(entry, "left", pages->left);
	failed += json_put_u64(entry, "moved", pages->moved);
	failed += json_put_u64(entry, "far", pages->far);
	failed += json_put_text(entry, "why", engine_pages_why(pages->far > 0 ? pages->why : 0));
	return checked(entry, failed);
}

json_t *
view_action(const struct action *action, int64_t now_ns)
{
	bool is_open = action->state == ACTION_QUEUED || action->state == ACTION_RUNNING;
	int64_t age_ns = now_ns - action->asked_ns;
	json_t *entry = json_object();
	int failed = 0;

	failed += json_put_u64(entry, "id", action->id);
	failed += json_put_text(entry, "kind", action_kind_text(action->kind));
	failed += json_put_text(entry, "state", action_state_text(action->state));
	failed += json_put_text(entry, "what", action->what);
	failed += json_put_text(entry, "reason", action->reason);
	failed += json_put_u64(entry, "epoch", action->epoch);
	failed += json_put_u64(entry, "step", action->step);
	failed += json_put_u64(entry, "steps", action->steps);
	failed += json_put_text(entry, "phase", action_phase_text(action->phase));
	failed += json_put_u64(entry, "pause_ns", action->pause_ns);
	failed += json_put_u64(entry, "uid", action->uid);
	failed += json_put_u64(entry, "age_ms", age_ns < 0 ? 0 : (uint64_t)age_ns / 1000000);
	failed += put(entry, "took_ms",
	              is_open ? json_null()
	                      : json_integer((action->ended_ns - action->asked_ns) / 1000000));
	return checked(entry, failed);
}

json_t *
view_status(const struct view *view)
{
	const struct sample *sample = view->sample;
	const struct action *current = manager_current(view->manager);
	json_t *object = json_object();
	int failed = 0;

	failed += json_put_text(object, "topology", view->about->topology);
	failed += json_put_text(object, "version", view->about->version);
	failed += json_put_text(object, "prefix", view->about->prefix);
	failed += json_put_u64(object, "pid", view->about->pid);
	failed += json_put_text(object, "state", manager_state_text(view->manager->state));
	failed += json_put_real(object, "seconds", sample_seconds(sample));
	failed += json_put_u64(object, "rows", sample_rows(sample));
	failed += put(object, "operators", view_operators(sample));
	failed += put(object, "wires", view_wires(sample));
	failed += put(object, "slices", view_places(sample));
	failed += put(object, "snapshots", view_snapshots(view));
	failed += put(object, "action",
	              current == NULL ? json_null() : view_action(current, view->now_ns));
	failed += json_put_u64(object, "queued", view->manager->queue_count);
	failed += put(object, "manager", view_manager(view));
	failed += put(object, "plugins", view_plugins(&view->plugins));
	failed += put(object, "pages", view_pages(&view->pages));
	failed += put(object, "clients", view_counts_json(view->counts));
	return checked(object, failed);
}

static json_t *
stats_drops(const struct sample *sample, uint32_t op)
{
	json_t *drops = json_object();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_DROPS]; i++) {
		uint32_t of = sample->drop[i].op;

		if (of == op && sample->drop[i].rows != 0) {
			failed += json_put_u64(drops, sample->drop[i].name, sample->drop[i].rows);
		}
	}
	return checked(drops, failed);
}

static json_t *
stats_gauges(const struct sample_operator *op)
{
	json_t *gauges = json_object();
	int failed = 0;

	for (uint32_t i = 0; i < SAMPLE_GAUGES; i++) {
		if (op->gauge_name[i][0] != '\0') {
			failed += json_put_u64(gauges, op->gauge_name[i], op->gauges[i]);
		}
	}
	return checked(gauges, failed);
}

static json_t *
stats_operator(const struct sample *sample, uint32_t index)
{
	const struct sample_operator *op = &sample->op[index];
	json_t *entry = json_object();
	int failed = 0;

	failed += json_put_text(entry, "name", op->name);
	failed += json_put_u64(entry, "rows_in", op->rows_in);
	failed += json_put_u64(entry, "rows_out", op->rows_out);
	failed += json_put_u64(entry, "absorbed", op->rows_absorbed);
	failed += json_put_u64(entry, "dropped", op->rows_dropped);
	failed += put(entry, "drops", stats_drops(sample, index));
	failed += json_put_u64(entry, "errors", op->errors);
	failed += json_put_real(entry, "fill", sample_fill(sample, index));
	failed += put(entry, "gauges", stats_gauges(op));
	failed += op->is_sink ? json_put_latency(entry, "latency_ns", &op->latency)
	                      : put(entry, "latency_ns", json_null());
	return checked(entry, failed);
}

static json_t *
stats_slice(const struct view *view, uint32_t index)
{
	const struct sample_slice *slice = &view->sample->slice[index];
	json_t *entry = json_object();
	int failed = put_slice(entry, view->sample, index);

	failed += json_put_text(entry, "version", slice->version);
	failed += json_put_u64(entry, "rows_in", slice->rows_in);
	failed += json_put_u64(entry, "rows_out", slice->rows_out);
	failed += json_put_u64(entry, "batches_in", slice->batches_in);
	failed += json_put_u64(entry, "batches_out", slice->batches_out);
	failed += json_put_u64(entry, "bytes_in", slice->bytes_in);
	failed += json_put_u64(entry, "bytes_out", slice->bytes_out);
	failed += json_put_u64(entry, "state_bytes", slice->state_bytes);
	failed += json_put_u64(entry, "dropped", slice->rows_dropped);
	failed += json_put_u64(entry, "busy_ns", slice->busy_ns);
	failed += json_put_u64(entry, "turns_blocked", slice->turns_blocked);
	failed += json_put_u64(entry, "epoch", slice->epoch);
	failed += json_put_u64(entry, "waiting", slice->waiting);
	failed += json_put_u64(entry, "room", slice->room);
	return checked(entry, failed);
}

static json_t *
stats_lcores(const struct sample *sample)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_WORKERS]; i++) {
		const struct sample_worker *worker = &sample->worker[i];
		json_t *entry = json_object();

		failed += json_put_u64(entry, "lcore", worker->lcore);
		failed += put(entry, "numa_node", node_of(worker));
		failed += json_put_u64(entry, "busy_ns", worker->busy_ns);
		failed += json_put_u64(entry, "idle_ns", worker->idle_ns);
		failed += json_put_u64(entry, "turns", worker->turns);
		failed += json_put_u64(entry, "longest_turn_ns", worker->longest_turn_ns);
		failed += json_put_u64(entry, "sleeps", worker->sleeps);
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

static json_t *
view_ports(const struct sample *sample)
{
	json_t *ports = json_object();
	int failed = 0;

	for (uint32_t i = 0; i < sample->head->counter_count; i++) {
		const struct sample_counter *counter = &sample->counter[i];

		if (strncmp(counter->name, "snapshots.", 10) != 0 &&
		    strncmp(counter->name, "pages.", 6) != 0) {
			failed += json_put_u64(ports, counter->name, counter->value);
		}
	}
	return checked(ports, failed);
}

json_t *
view_stats(const struct view *view, uint32_t op)
{
	const struct sample *sample = view->sample;
	json_t *operators = json_array(), *slices = json_array(), *object = json_object();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		if (op == LM_NONE || op == i) {
			failed += json_array_append_new(operators, stats_operator(sample, i));
		}
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_SLICES]; i++) {
		if (op == LM_NONE || op == sample->slice[i].op) {
			failed += json_array_append_new(slices, stats_slice(view, i));
		}
	}
	failed += json_put_real(object, "seconds", sample_seconds(sample));
	failed += json_put_u64(object, "rows", sample_rows(sample));
	failed += put(object, "operators", operators);
	failed += put(object, "slices", slices);
	failed += put(object, "lcores", stats_lcores(sample));
	failed += put(object, "ports", view_ports(sample));
	failed += json_put_latency(object, "latency_ns", &sample->head->latency);
	return checked(object, failed);
}

static double
share(uint64_t part, double whole)
{
	double value = whole <= 0 ? 0 : (double)part / whole;

	return value > 1 ? 1 : value;
}

static json_t *
probe_slices(const struct view *view, const struct sample *before, double interval_ns)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < view->sample->shape.count[SAMPLE_SLICES]; i++) {
		const struct sample_slice *now = &view->sample->slice[i];
		const struct sample_slice *then = &before->slice[i];
		json_t *entry = json_object();

		failed += put_slice(entry, view->sample, i);
		failed += json_put_u64(entry, "rows_in", now->rows_in - then->rows_in);
		failed += json_put_u64(entry, "rows_out", now->rows_out - then->rows_out);
		failed += json_put_u64(entry, "bytes_in", now->bytes_in - then->bytes_in);
		failed += json_put_u64(entry, "bytes_out", now->bytes_out - then->bytes_out);
		failed += json_put_u64(entry, "state_bytes", now->state_bytes);
		failed += json_put_u64(entry, "dropped", now->rows_dropped - then->rows_dropped);
		failed +=
		    json_put_real(entry, "busy", share(now->busy_ns - then->busy_ns, interval_ns));
		failed += json_put_u64(entry, "blocked", now->turns_blocked - then->turns_blocked);
		failed += json_put_u64(entry, "waiting", now->waiting);
		failed += json_put_u64(entry, "room", now->room);
		failed += put(entry, "oldest",
		              now->watermark_ns == INT64_MIN ? json_null()
		                                             : json_integer(now->watermark_ns));
		failed += json_put_u64(entry, "epoch", now->epoch);
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

static int
put_custom(json_t *list, const struct view *view, const struct sample *before, uint32_t index)
{
	const struct sample_slice *slice = &view->sample->slice[index];
	const struct sample_operator *op = &view->sample->op[slice->op];
	int failed = 0;

	for (uint32_t i = 0; i < SAMPLE_GAUGES; i++) {
		json_t *entry;

		if (op->gauge_name[i][0] == '\0') {
			continue;
		}
		entry = json_object();
		failed += json_put_text(entry, "operator", op->name);
		failed += json_put_u64(entry, "slice", index_of(view->sample, index));
		failed += json_put_text(entry, "name", op->gauge_name[i]);
		failed += json_put_u64(entry, "value", slice->gauges[i]);
		failed += json_put_u64(entry, "before", before->slice[index].gauges[i]);
		failed += json_array_append_new(list, entry);
	}
	return failed;
}

static json_t *
probe_custom(const struct view *view, const struct sample *before)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < view->sample->shape.count[SAMPLE_SLICES]; i++) {
		failed += put_custom(list, view, before, i);
	}
	return checked(list, failed);
}

static json_t *
probe_sinks(const struct sample *sample)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		const struct sample_operator *op = &sample->op[i];
		json_t *entry;

		if (!op->is_sink) {
			continue;
		}
		entry = json_object();
		failed += json_put_text(entry, "operator", op->name);
		failed += json_put_u64(entry, "p50_ns", op->recent.p50);
		failed += json_put_u64(entry, "p99_ns", op->recent.p99);
		failed += json_put_u64(entry, "rows", op->recent.count);
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

static json_t *
probe_lcores(const struct sample *now, const struct sample *before)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < now->shape.count[SAMPLE_WORKERS]; i++) {
		uint64_t busy = now->worker[i].busy_ns - before->worker[i].busy_ns;
		uint64_t idle = now->worker[i].idle_ns - before->worker[i].idle_ns;
		json_t *entry = json_object();

		failed += json_put_u64(entry, "lcore", now->worker[i].lcore);
		failed += json_put_real(entry, "busy", share(busy, (double)(busy + idle)));
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

json_t *
view_probe(const struct view *view, const struct sample *before, const struct view_process *process)
{
	const struct sample *now = view->sample;
	double interval_ns = (double)(now->head->now_ns - before->head->now_ns);
	double rows = (double)(sample_rows(now) - sample_rows(before));
	json_t *object = json_object();
	int failed = 0;

	failed += json_put_u64(object, "number", process->number);
	failed += json_put_real(object, "seconds", sample_seconds(now));
	failed += json_put_real(object, "interval_s", interval_ns / 1e9);
	failed += json_put_real(object, "cpu", process->cpu);
	failed += json_put_u64(object, "memory", process->memory);
	failed +=
	    json_put_real(object, "rows_per_s", interval_ns > 0 ? rows * 1e9 / interval_ns : 0);
	failed += json_put_text(
	    object, "root", view->rates->root == LM_NONE ? NULL : now->op[view->rates->root].name);
	failed += put(object, "ports", view_ports(now));
	failed += put(object, "slices", probe_slices(view, before, interval_ns));
	failed += put(object, "custom", probe_custom(view, before));
	failed += put(object, "sinks", probe_sinks(now));
	failed += put(object, "lcores", probe_lcores(now, before));
	return checked(object, failed);
}
