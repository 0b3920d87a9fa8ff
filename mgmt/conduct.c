/* SPDX-License-Identifier: BSD-3-Clause */
/* Showing the engine to the control interface, and carrying out the manager's orders. */
#include "mgmt/conduct.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/engine.h"
#include "mgmt/control_socket.h"
#include "mgmt/plugin_copies.h"

/* A change of the graph that elasticity asked for and that has not come about by then has failed:
 * it waits for a snapshot that is under way. */
#define ELASTIC_LIMIT_NS UINT64_C(60000000000)
/* How long a snapshot that is under way may take when all has ended. */
#define LET_GO_NS INT64_C(10000000000)
#define LET_GO_STEP_NS 1000000u

/* Without a socket, since none is wanted or none can be made. False: no memory. */
static bool
open_without(struct conduct *conduct, const struct conduct_options *options)
{
	char why[256];

	if (control_open(&conduct->control, NULL, &options->grants, why) == 0) {
		return true;
	}
	fprintf(stderr, "error: no manager: %s\n", why);
	return false;
}

bool
conduct_open(struct conduct *conduct, const struct conduct_options *options, const char *prefix)
{
	char path[CONTROL_PATH_MAX], why[256], fault[HOST_WHY];
	const char *wanted = options->path;
	int result = 0;

	if (host_load(&options->loaded, &conduct->loaded, fault) != 0) {
		fprintf(stderr, "error: --manager: %s\n", fault);
		return false;
	}
	if (wanted != NULL && strcmp(wanted, "none") == 0) {
		return open_without(conduct, options);
	}
	if (wanted == NULL) {
		result = control_socket_path(path, prefix, why);
		wanted = path;
	}
	result =
	    result != 0 ? result : control_open(&conduct->control, wanted, &options->grants, why);
	if (result == 0) {
		return true;
	}
	if (options->path != NULL || result == -EADDRINUSE) {
		fprintf(stderr, "error: no control socket: %s\n", why);
		return false;
	}
	env_log(4, "no control socket, lodectl will not find this job: %s", why);
	return open_without(conduct, options);
}

/* What was told to be done, and is not so any more. */
static void
tell_undone(struct conduct *conduct, uint64_t durable)
{
	struct action action;

	for (uint64_t told = 0; control_completed(conduct->control, &told, &action);) {
		if (manager_is_undone(&action, durable)) {
			fprintf(stderr,
			        "action %" PRIu64 ", %s %s, is undone: no snapshot behind it was "
			        "durable when the job broke off; ask for it again\n",
			        action.id, action_kind_text(action.kind), action.what);
		}
	}
}

/* What people had set; slices go by the topology that they were slices of. */
static bool
recover_settings(struct conduct *conduct, const struct journal_options *options,
                 const struct resume *resume)
{
	struct kept *kept = control_kept(conduct->control);
	char why[JOURNAL_WHY];

	if (control_settings(conduct->control, options->folder, options->job, why) != 0) {
		fprintf(stderr, "error: %s\n", why);
		return false;
	}
	if (why[0] != '\0') {
		fprintf(stderr, "warning: %s\n", why);
	}
	if (resume->is_forgotten) {
		kept_forget_places(kept);
	}
	if (kept->levels > 0) {
		fprintf(stderr, "%u log levels hold on, as they were set: lodectl log-level\n",
		        kept->levels);
	}
	return true;
}

bool
conduct_recover(struct conduct *conduct, const struct durability *durability,
                const struct resume *resume, const char *topology)
{
	struct journal_options options = { .folder = durability->folder,
		                           .job = durability_job(topology),
		                           .is_complete = durability->had_ended,
		                           .durable = durability->resumed ? durability->epoch : 0,
		                           .changed_by = resume->is_kept ? resume->changed_by : 0 };
	char why[JOURNAL_WHY];

	if (durability->snapshots == NULL) {
		return true;
	}
	if (!recover_settings(conduct, &options, resume)) {
		return false;
	}
	if (control_journal(conduct->control, &options, why) != 0) {
		fprintf(stderr, "error: the manager's journal: %s\n", why);
		return false;
	}
	if (why[0] != '\0') {
		fprintf(stderr, "warning: the manager's journal: %s\n", why);
	}
	tell_undone(conduct, options.durable);
	return true;
}

/* The manager that was loaded begins. False: it does not; said on stderr. */
static bool
open_loaded(struct conduct *conduct)
{
	const struct conduct_job *job = &conduct->job;
	struct host_job managed = { .control = conduct->control,
		                    .topology = job->topology,
		                    .folder = job->durability->snapshots == NULL
		                                  ? NULL
		                                  : job->durability->folder,
		                    .job = durability_job(job->topology) };

	return host_open(conduct->loaded, &managed);
}

/* False: no memory. */
static bool
go_on_as_set(struct conduct *conduct)
{
	const struct kept *kept = control_kept(conduct->control);

	if (kept->is_frozen && conduct->job.elastic->rules.policy > LM_ELASTIC_STATIC) {
		elastic_freeze(conduct->job.elastic, true);
		fprintf(stderr, "nothing is moved by itself, as it was: lodectl unfreeze\n");
	}
	if (kept->place_count > 0) {
		fprintf(stderr, "%u slices go to where they were moved\n", kept->place_count);
	}
	return carry_back(&conduct->carry, kept->place, kept->place_count) == 0;
}

/* From here on it is in the snapshots. */
static bool
keep_what_runs(struct carry *carry)
{
	char why[PLUGIN_COPIES_WHY];

	carry->has_spare_copies = true;
	if (carry->folder != NULL &&
	    plugin_copies_put(carry->folder, carry->engine->graph, why) != 0) {
		fprintf(stderr, "error: %s\n", why);
		return false;
	}
	if (carry_note(carry) != 0) {
		fprintf(stderr, "error: no memory to keep the topology\n");
		return false;
	}
	return true;
}

bool
conduct_start(struct conduct *conduct, const struct conduct_job *job)
{
	struct view_about about = { .pid = (uint32_t)getpid(),
		                    .has_snapshots = job->durability->snapshots != NULL };
	int result;

	snprintf(about.topology, sizeof(about.topology), "%s", job->topology);
	snprintf(about.version, sizeof(about.version), "%s", LODEMILL_VERSION);
	snprintf(about.prefix, sizeof(about.prefix), "%s", job->prefix);
	snprintf(about.folder, sizeof(about.folder), "%s",
	         about.has_snapshots ? job->durability->folder : "");
	snprintf(about.manager, sizeof(about.manager), "%s", host_name(conduct->loaded));
	snprintf(about.manager_version, sizeof(about.manager_version), "%s",
	         host_version(conduct->loaded));
	result = bottleneck_init(&conduct->bottleneck, &job->live->now.shape);
	result = result != 0 ? result : control_start(conduct->control, &about, &job->live->now);
	if (result != 0) {
		fprintf(stderr, "error: no control socket: %s\n", strerror(-result));
		return false;
	}
	conduct->job = *job;
	conduct->carry =
	    (struct carry){ .engine = job->engine,
		            .snapshots = job->durability->snapshots,
		            .topology = job->declared,
		            .set = job->set,
		            .policy = job->policy,
		            .file = job->resume->file,
		            .changed_by = job->resume->changed_by,
		            .folder =
		                job->durability->snapshots == NULL ? NULL : job->durability->folder,
		            .change.since = job->engine->epoch + 1,
		            .now = &job->live->probe,
		            .before = &job->live->probe_before };
	if (!keep_what_runs(&conduct->carry)) {
		return false;
	}
	if (!go_on_as_set(conduct)) {
		fprintf(stderr, "error: no memory for where slices were moved\n");
		return false;
	}
	if (control_is_inactive(conduct->control)) {
		engine_set_active(job->engine, false);
		fprintf(stderr, "its sources are inactive, as they were: lodectl activate\n");
	}
	return open_loaded(conduct);
}

/* Half a second of the job, for those who listen and the manager; and who held it up meanwhile. */
static void
show_probe(struct conduct *conduct)
{
	struct live *live = conduct->job.live;
	const struct sample *probe = live_probe(live);

	if (live->probe_before.head->now_ns != 0 &&
	    conduct->bottleneck.rates.operator_count == probe->shape.count[SAMPLE_OPERATORS]) {
		bottleneck_window(&conduct->bottleneck, probe, &live->probe_before);
	}
	control_publish_probe(conduct->control, probe);
	host_probe(conduct->loaded, probe, &live->probe_before);
}

void
conduct_show(struct conduct *conduct)
{
	struct snapshot_status status;
	struct view_loaded loaded;
	struct control_picture picture = { 0 };
	int64_t now_ns = env_now_ns();

	host_counts(conduct->loaded, &loaded);
	picture.loaded = &loaded;
	picture.plugins = plugin_count();
	engine_pages(conduct->job.live->engine, &picture.pages);
	picture.sample = &conduct->job.live->now;
	if (conduct->job.durability->snapshots != NULL) {
		snapshots_status(conduct->job.durability->snapshots, &status);
		picture.snapshots = &status;
	}
	picture.elastic = elastic_view(conduct->job.elastic);
	picture.bottleneck = conduct->bottleneck.op;
	control_publish(conduct->control, &picture);
	if (now_ns >= conduct->probe_due_ns) {
		conduct->probe_due_ns = now_ns + CONTROL_PROBE_NS;
		show_probe(conduct);
	}
}

/* Whether the slice is there, whatever the graph was when it was moved. */
static bool
has_slice(const struct kept_place *place, const void *arg)
{
	const struct lm_graph *graph = arg;

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		if (strcmp(graph->op[i].name, place->op) == 0) {
			return place->slice < graph->op[i].slices;
		}
	}
	return false;
}

/* What is told from here on is since the change. */
void
conduct_changed(struct conduct *conduct)
{
	control_prune(conduct->control, has_slice, conduct->job.engine->graph);
	bottleneck_free(&conduct->bottleneck);
	if (bottleneck_init(&conduct->bottleneck, &conduct->job.live->now.shape) != 0) {
		conduct->bottleneck.op = LM_NONE; /* none is looked for until the next change */
	}
	control_publish_probe(conduct->control, &conduct->job.live->probe);
	conduct->probe_due_ns = env_now_ns() + CONTROL_PROBE_NS;
	conduct_show(conduct);
}

static void
look_at_facts(const struct conduct *conduct, struct manager_facts *facts,
              struct snapshot_status *status)
{
	const struct lm_engine *engine = conduct->job.engine;
	struct snapshots *snapshots = conduct->job.durability->snapshots;

	*facts = (struct manager_facts){ .now_ns = env_now_ns(),
		                         .has_snapshots = snapshots != NULL,
		                         .why = "" };
	if (snapshots != NULL) {
		snapshots_status(snapshots, status);
		facts->lost = status->lost;
		facts->durable = snapshots_durable(snapshots);
		facts->why = status->why;
	}
	facts->has_epochs = engine->graph->settings.epoch_ns != 0;
	facts->epoch = engine->epoch;
	facts->epoch_done = engine_epoch_done(engine);
	facts->snapshot_epoch = engine_snapshot_epoch(engine);
}

static void
take_freeze(struct conduct *conduct)
{
	bool is_frozen;

	if (control_take_freeze(conduct->control, &is_frozen)) {
		elastic_freeze(conduct->job.elastic, is_frozen);
	}
}

/* Where slices have come, with those that they call, is kept before anybody is told. */
static void
keep_moved(struct conduct *conduct, uint64_t action)
{
	struct carry *carry = &conduct->carry;
	const struct lm_engine *engine = carry->engine;

	for (uint32_t n = 0; n < carry->moved_count; n++) {
		const struct lm_op *head = engine->slice[carry->moved[n]]->head;
		struct kept_place *place = calloc(engine->slice_count, sizeof(*place));
		uint32_t count = 0;

		for (uint32_t i = 0; place != NULL && i < engine->slice_count; i++) {
			const struct lm_op *slice = engine->slice[i];
			uint32_t worker = lm_engine_slice_worker(engine, i);

			if (slice->head == head) {
				snprintf(place[count].op, MANAGER_NAME, "%s", slice->name);
				place[count].slice = slice->index;
				place[count++].lcore = engine->worker[worker]->lcore;
			}
		}
		control_moved(conduct->control, action, place, count);
		free(place);
	}
	carry->moved_count = 0;
}

bool
conduct_may_end(struct conduct *conduct)
{
	return carry_may_end(&conduct->carry);
}

/* What is carried out goes on, as long as the manager waits for it. */
static void
carry_on(struct conduct *conduct)
{
	struct manager_report report;
	struct action action;

	if (!control_current(conduct->control, &action) || action.id != conduct->carry.action.id) {
		carry_abandon(&conduct->carry);
	}
	if (conduct->carry.action.id != 0) {
		conduct->carry.places = elastic_places(conduct->job.elastic);
	}
	/* Who waits to end the job need not wait for a soak. */
	if (control_end_waits(conduct->control)) {
		(void)carry_may_end(&conduct->carry);
	}
	while (carry_step(&conduct->carry, &report)) {
		keep_moved(conduct, report.id);
		control_report(conduct->control, &report);
	}
	keep_moved(conduct, 0);
}

/* What elasticity wants changed of the graph is an action like others, that may wait for them. */
static void
serve_elastic(struct conduct *conduct)
{
	struct elastic *elastic = conduct->job.elastic;
	enum manager_refusal refusal;
	struct action_ask ask;
	struct action action = { .state = ACTION_FAILED, .reason = "it is forgotten" };

	if (conduct->elastic_action != 0) {
		if (control_find(conduct->control, conduct->elastic_action, &action) &&
		    action.state != ACTION_DONE && action.state != ACTION_FAILED) {
			return;
		}
		conduct->elastic_action = 0;
		elastic_told(elastic, action.state == ACTION_DONE, action.reason, env_now_ns());
		return;
	}
	if (!elastic_take(elastic, &ask)) {
		return;
	}
	ask.uid = (uint32_t)geteuid();
	ask.limit_ns = ELASTIC_LIMIT_NS;
	conduct->elastic_action = control_submit(conduct->control, &ask, &action, &refusal);
	if (conduct->elastic_action == 0) {
		elastic_told(elastic, false, "it was not taken in", env_now_ns());
	}
}

void
conduct_let_go(struct conduct *conduct)
{
	int64_t until_ns = env_now_ns() + LET_GO_NS;

	while (carry_holds(&conduct->carry) && env_now_ns() < until_ns) {
		carry_on(conduct);
		env_sleep_ns(LET_GO_STEP_NS);
	}
}

enum manager_order
conduct_step(struct conduct *conduct, uint64_t *limit_ns)
{
	struct snapshot_status status;
	struct manager_facts facts;
	enum manager_order order;
	struct action action;

	take_freeze(conduct);
	look_at_facts(conduct, &facts, &status);
	order = control_step(conduct->control, &facts, &status);
	carry_on(conduct);
	carry_tidy(&conduct->carry, status.epoch);
	serve_elastic(conduct);
	host_step(conduct->loaded);
	if (order == ORDER_NONE || !control_current(conduct->control, &action)) {
		return ORDER_NONE;
	}
	switch (order) {
	case ORDER_SNAPSHOT:
		engine_hurry_snapshot(conduct->job.engine);
		return ORDER_NONE;
	case ORDER_EPOCH:
		engine_hurry_epoch(conduct->job.engine);
		return ORDER_NONE;
	case ORDER_CARRY_OUT:
		carry_begin(&conduct->carry, &action);
		carry_on(conduct);
		return ORDER_NONE;
	default:
		*limit_ns = action.limit_ns;
		return order;
	}
}

void
conduct_ending(struct conduct *conduct)
{
	control_ending(conduct->control, env_now_ns());
}

void
conduct_end(struct conduct *conduct, enum manager_outcome outcome)
{
	struct snapshot_status status;
	struct manager_facts facts;

	/* Where it never started, there is nothing to end. */
	if (conduct->job.engine != NULL) {
		carry_on(conduct);
		carry_abandon(&conduct->carry);
		look_at_facts(conduct, &facts, &status);
		control_end(conduct->control, &facts, outcome);
		conduct_show(conduct);
		host_step(conduct->loaded);
	}
}

void
conduct_close(struct conduct *conduct)
{
	host_close(conduct->loaded);
	carry_end(&conduct->carry);
	control_close(conduct->control);
	bottleneck_free(&conduct->bottleneck);
	*conduct = (struct conduct){ 0 };
}
