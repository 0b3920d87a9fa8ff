/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lodemill rehearse: other code is tried where it can break nothing. The topology is loaded and
 * checked, its operators are opened, and what they had in the newest snapshot is restored into
 * them. Sources and sinks are not opened: they would take input and make output. Without EAL.
 *
 * On stdout stands what is begun, a line each, so that whoever waits knows where it broke off; the
 * last one, "good: …", says what was tried. What is wrong stands on stderr.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/engine.h"
#include "core/graph.h"
#include "core/slice.h"
#include "core/text.h"
#include "mgmt/cli.h"
#include "mgmt/config_load.h"
#include "mgmt/job.h"
#include "mgmt/rehearse.h"
#include "mgmt/units.h"
#include "state/snapshot.h"

/* A third of what an lcore has where they share a CPU: at the lowest one a job that has all CPUs
 * busy would let it starve. */
#define NICE 5
/* A job may remove the epoch that is read. */
#define LOOKS_MAX 3u

struct options {
	struct job_request job;
	const char *state; /* folder; NULL: operators begin with nothing */
	const char *open;  /* operators, with commas between them; NULL: all */
	const char *fresh; /* of these, those that begin with nothing */
	uint64_t since;    /* an older snapshot is of another graph */
	bool is_child;     /* of a job, which it must not harm */
};

struct rehearsal {
	struct lm_topology *topology;
	struct lm_graph *graph;
	/* What stands in for the classes of the graph. */
	struct lm_op_class class[LM_OPERATORS_MAX];
	bool is_open[LM_OPERATORS_MAX], is_restored[LM_OPERATORS_MAX];
	uint32_t count;
	struct lm_engine *engine;
	struct snapshots *snapshots; /* NULL: no state is there */
};

/* For open, which has no argument of its own. */
static const struct lm_op_class *real[LM_OPERATORS_MAX];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* ---- words ---- */

static bool
parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

/* Words taken; -1 after saying what is wrong. */
static int
parse_word(struct options *options, int argc, char **argv, int at)
{
	const char *word = argv[at], *next = at + 1 < argc ? argv[at + 1] : NULL;

	if (strcmp(word, "--child") == 0) {
		options->is_child = true;
		return 1;
	}
	if (next != NULL && strcmp(word, "--state") == 0) {
		options->state = next;
		return 2;
	}
	if (next != NULL && strcmp(word, "--open") == 0) {
		options->open = next;
		return 2;
	}
	if (next != NULL && strcmp(word, "--fresh") == 0) {
		options->fresh = next;
		return 2;
	}
	if (next != NULL && strcmp(word, "--since") == 0) {
		if (!parse_number(next, &options->since)) {
			fprintf(stderr, "error: --since takes the number of an epoch\n");
			return -1;
		}
		return 2;
	}
	return job_word(&options->job, argc, argv, at);
}

/* It goes with the job, gives way to it, and is the first to go where memory runs out. */
static void
be_child(void)
{
	const struct rlimit none = { 0 };
	FILE *file;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, NICE);
	setrlimit(RLIMIT_CORE, &none);
	file = fopen("/proc/self/oom_score_adj", "we");
	if (file != NULL) {
		fputs("1000", file);
		fclose(file);
	}
}

/* ---- loading ---- */

static void
print_errors(const struct options *options, const struct lm_errors *errors)
{
	char line[1024];

	if (errors->count > 0) {
		config_errors_line(options->job.path, errors, line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
}

static bool
load(struct rehearsal *r, const struct options *options)
{
	struct lm_errors errors = { 0 };
	bool good;

	say("loading");
	r->topology = config_load(options->job.path, options->job.set, &errors);
	if (r->topology != NULL) {
		r->graph = lm_graph_check(r->topology, &errors);
	}
	good = r->graph != NULL && errors.count == 0;
	print_errors(options, &errors);
	lm_errors_free(&errors);
	return good;
}

/* ---- opening ---- */

static int
open_one(struct lm_op *op)
{
	say("opening %s", op->name);
	return real[op->op]->open == NULL ? 0 : real[op->op]->open(op);
}

static void
close_one(struct lm_op *op)
{
	say("closing %s", op->name);
	if (real[op->op]->close != NULL) {
		real[op->op]->close(op);
	}
}

/* Whoever is not meant does nothing; so do those that take input or make output. */
static void
stand_in(struct rehearsal *r, const struct options *options)
{
	for (uint32_t i = 0; i < r->graph->operator_count; i++) {
		struct graph_operator *op = &r->graph->op[i];

		real[i] = op->class;
		r->class[i] = *op->class;
		r->is_open[i] = op->input_count > 0 && op->output_count > 0 &&
		                (options->open == NULL || text_in_list(options->open, op->name));
		r->is_restored[i] = r->is_open[i] && (options->fresh == NULL ||
		                                      !text_in_list(options->fresh, op->name));
		r->class[i].open = r->is_open[i] ? open_one : NULL;
		r->class[i].close = r->is_open[i] ? close_one : NULL;
		r->count += r->is_open[i];
		op->class = &r->class[i];
	}
}

/* The graph is freed as it was made. */
static void
step_back(struct rehearsal *r)
{
	for (uint32_t i = 0; r->graph != NULL && i < r->graph->operator_count; i++) {
		r->graph->op[i].class = real[i] != NULL ? real[i] : r->graph->op[i].class;
	}
}

static bool
build(struct rehearsal *r, const struct options *options)
{
	uint16_t *worker_of = calloc(r->graph->slice_count + 1, sizeof(*worker_of));
	struct lm_placement placement = { .worker_count = 1, .worker_of = worker_of };
	struct lm_errors errors = { 0 };
	struct engine_origin origin = { 0 };

	if (r->snapshots != NULL) {
		snapshots_origin(r->snapshots, &origin);
	}
	r->engine =
	    worker_of == NULL ? NULL : engine_create(r->graph, &placement, &origin, &errors);
	print_errors(options, &errors);
	if (r->engine == NULL && errors.count == 0) {
		fprintf(stderr, "no memory for it\n");
	}
	lm_errors_free(&errors);
	free(worker_of);
	return r->engine != NULL;
}

/* ---- state ---- */

/* Whether there is a snapshot of the graph that runs; false after saying what is in the way. */
static bool
look(struct rehearsal *r, const struct options *options)
{
	char why[SNAPSHOT_WHY];
	int64_t wall_ns;
	uint64_t epoch;

	if (options->state == NULL) {
		return true;
	}
	if (snapshots_look(options->state, &r->snapshots, why) != 0) {
		fprintf(stderr, "%s\n", why);
		return false;
	}
	if (!snapshots_resumes(r->snapshots, &epoch, &wall_ns) || epoch < options->since) {
		snapshots_close(r->snapshots);
		r->snapshots = NULL;
	}
	return true;
}

static void
tear_down(struct rehearsal *r)
{
	lm_engine_free(r->engine);
	snapshots_close(r->snapshots);
	r->engine = NULL;
	r->snapshots = NULL;
}

/* 0; -EAGAIN: the snapshot is gone; else said why. */
static int
try_once(struct rehearsal *r, const struct options *options)
{
	char why[SNAPSHOT_WHY];
	int result;

	if (!look(r, options) || !build(r, options)) {
		return -EINVAL;
	}
	if (r->snapshots == NULL) {
		return 0;
	}
	say("restoring");
	result = snapshots_try(r->snapshots, r->engine, r->is_restored, why);
	if (result == -EAGAIN) {
		tear_down(r);
	} else if (result != 0) {
		fprintf(stderr, "%s\n", why);
	}
	return result;
}

static void
tell(const struct rehearsal *r)
{
	struct snapshot_restored restored;
	int64_t wall_ns;
	uint64_t epoch;

	if (r->snapshots == NULL) {
		say(REHEARSE_GOOD "%u operators opened", r->count);
		return;
	}
	snapshots_resumes(r->snapshots, &epoch, &wall_ns);
	snapshots_restored(r->snapshots, &restored);
	say(REHEARSE_GOOD "%u operators opened, with %s of epoch %" PRIu64, r->count,
	    units_bytes((double)restored.bytes).text, epoch);
}

static int
rehearse(struct rehearsal *r, const struct options *options)
{
	int result = -EAGAIN;

	if (!load(r, options)) {
		return CLI_USAGE;
	}
	stand_in(r, options);
	for (uint32_t i = 0; result == -EAGAIN && i < LOOKS_MAX; i++) {
		result = try_once(r, options);
	}
	if (result == -EAGAIN) {
		fprintf(stderr, "snapshots come and go faster than they can be read\n");
	}
	return result == 0 ? CLI_OK : CLI_FAILED;
}

int
cli_rehearse(const struct cli *cli)
{
	struct rehearsal *r = calloc(1, sizeof(*r));
	struct options options = { 0 };
	int status;

	for (int i = 1; i < cli->argc && r != NULL;) {
		int used = parse_word(&options, cli->argc, cli->argv, i);

		if (used < 0) {
			free(r);
			return CLI_USAGE;
		}
		i += used;
	}
	if (r == NULL || options.job.path == NULL) {
		fprintf(stderr, "error: which topology? Give its file\n");
		free(r);
		return CLI_USAGE;
	}
	if (options.is_child) {
		be_child();
	}
	status = rehearse(r, &options);
	if (status == CLI_OK) {
		tell(r);
	}
	tear_down(r);
	step_back(r);
	lm_graph_free(r->graph);
	lm_topology_free(r->topology);
	free(r);
	return status;
}
