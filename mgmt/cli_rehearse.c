/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lodemill rehearse: other code is tried where it can break nothing. The topology is loaded and
 * checked, its operators are opened, and what they had in the newest snapshot comes into them: it
 * is restored into the code that wrote it, and then handed over or converted as in a running job.
 * Sources and sinks are not opened: they would take input and make output. Without EAL.
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

#include "core/text.h"
#include "core/topology.h"
#include "mgmt/cli.h"
#include "mgmt/config_load.h"
#include "mgmt/job.h"
#include "mgmt/rehearse.h"
#include "mgmt/rehearse_cast.h"
#include "mgmt/resume.h"
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
	/* Plugins of the snapshot's topology, in its order, with commas between them; NULL: as it
	 * names them. */
	const char *was;
	uint64_t since; /* an older snapshot is of another graph */
	bool is_child;  /* of a job, which it must not harm */
};

struct rehearsal {
	const struct options *options;
	struct lm_topology *topology, *topology_was; /* `was`: of the snapshot */
	struct lm_graph *graph, *graph_was;
	struct rehearse_cast is, was;
	uint32_t slices[LM_OPERATORS_MAX]; /* of `is` */
	struct snapshots *snapshots;       /* NULL: no state is there */
};

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
	if (next != NULL && strcmp(word, "--was") == 0) {
		options->was = next;
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

/* Operators that are opened: those that are meant, but for those at the ends. */
static bool
is_meant(const struct options *options, const struct graph_operator *op)
{
	return op->input_count > 0 && op->output_count > 0 &&
	       (options->open == NULL || text_in_list(options->open, op->name));
}

static bool
load(struct rehearsal *r)
{
	const struct options *options = r->options;
	struct lm_errors errors = { 0 };

	cast_say("loading");
	r->topology = config_load(options->job.path, options->job.set, &errors);
	if (r->topology != NULL) {
		r->graph = lm_graph_check(r->topology, &errors);
	}
	cast_print_errors(options->job.path, &errors);
	lm_errors_free(&errors);
	return r->graph != NULL;
}

/* ---- what there is in the snapshot ---- */

/* Whether there is a snapshot of the graph that runs; false after saying what is in the way. */
static bool
look(struct rehearsal *r)
{
	char why[SNAPSHOT_WHY];
	int64_t wall_ns;
	uint64_t epoch;

	if (r->options->state == NULL) {
		return true;
	}
	if (snapshots_look(r->options->state, &r->snapshots, why) != 0) {
		fprintf(stderr, "%s\n", why);
		return false;
	}
	if (!snapshots_resumes(r->snapshots, &epoch, &wall_ns) || epoch < r->options->since) {
		snapshots_close(r->snapshots);
		r->snapshots = NULL;
	}
	return true;
}

/* Its plugins are where the job has them: their files may be others by now. */
static bool
find_plugins(struct lm_topology *topology, const char *list)
{
	uint32_t count = 0;

	for (; count < topology->plugin_count && *list != '\0'; count++) {
		size_t length = strcspn(list, ",");
		char *text = strndup(list, length);

		if (text == NULL) {
			return false;
		}
		free(topology->plugin[count].text);
		topology->plugin[count].text = text;
		list += length + (list[length] == ',');
	}
	/* What was named twice the job has once. */
	while (topology->plugin_count > count) {
		free(topology->plugin[--topology->plugin_count].text);
	}
	return true;
}

/*
 * The operators whose state is tried. Both sides of them have as many slices as the snapshot says,
 * also where there are to be more or fewer: a slot is converted by itself, whoever has it.
 */
static void
choose_heirs(struct rehearsal *r)
{
	const struct options *options = r->options;

	for (uint32_t i = 0; i < r->graph_was->operator_count; i++) {
		const struct graph_operator *was = &r->graph_was->op[i];
		uint32_t is = graph_find_operator(r->graph, was->name);

		if (is == LM_NONE || !r->is.is_open[is] ||
		    (options->fresh != NULL && text_in_list(options->fresh, was->name)) ||
		    strcmp(r->graph->op[is].class->name, was->class->name) != 0) {
			continue;
		}
		r->was.is_open[i] = r->is.is_heir[is] = true;
		r->is.from_version[is] = was->class->state_version;
	}
}

/* The engine that wrote the snapshot, with as many slices as it had. */
static bool
cast_before(struct rehearsal *r, const struct resume_read *read, const struct engine_origin *origin)
{
	uint32_t slices[LM_OPERATORS_MAX];

	for (uint32_t i = 0; i < r->graph_was->operator_count; i++) {
		const struct graph_operator *op = &r->graph_was->op[i];
		uint32_t is = graph_find_operator(r->graph, op->name);

		slices[i] = op->slices;
		for (uint32_t k = 0; k < read->slices_count; k++) {
			if (strcmp(read->slices[k].op, op->name) == 0) {
				slices[i] = read->slices[k].slices;
			}
		}
		if (r->was.is_open[i]) {
			r->slices[is] = slices[i];
		}
	}
	return cast_make(&r->was, r->graph_was, slices, read->name) &&
	       cast_build(&r->was, origin, read->name);
}

/* False: said why. */
static bool
load_before(struct rehearsal *r, const struct engine_origin *origin)
{
	struct lm_errors errors = { 0 };
	struct resume_read read;
	const void *note;
	size_t size;
	bool good;

	cast_say("loading what was");
	note = snapshots_note(r->snapshots, &size);
	if (note == NULL || !resume_read(note, size, &read)) {
		fprintf(stderr, "the snapshot does not say what wrote it\n");
		return false;
	}
	r->topology_was =
	    config_load_text(read.name, read.text, read.text_size, r->options->job.set, &errors);
	good = r->topology_was != NULL &&
	       (r->options->was == NULL || find_plugins(r->topology_was, r->options->was));
	r->graph_was = good ? lm_graph_check(r->topology_was, &errors) : NULL;
	cast_print_errors(read.name, &errors);
	if (r->graph_was != NULL) {
		choose_heirs(r);
	}
	good = r->graph_was != NULL && cast_before(r, &read, origin);
	lm_errors_free(&errors);
	resume_read_free(&read);
	return good;
}

static void
tear_down(struct rehearsal *r)
{
	cast_free(&r->is);
	cast_free(&r->was);
	lm_graph_free(r->graph_was);
	lm_topology_free(r->topology_was);
	snapshots_close(r->snapshots);
	r->graph_was = NULL;
	r->topology_was = NULL;
	r->snapshots = NULL;
}

/* 0; -EAGAIN: the snapshot is gone; else said why. */
static int
restore(struct rehearsal *r, const struct engine_origin *origin)
{
	char why[SNAPSHOT_WHY];
	int result;

	if (!load_before(r, origin)) {
		return -EINVAL;
	}
	cast_say("restoring");
	result = snapshots_try(r->snapshots, r->was.engine, r->was.is_open, why);
	if (result != 0 && result != -EAGAIN) {
		fprintf(stderr, "%s\n", why);
	}
	return result;
}

/* ---- all of it ---- */

static bool
hand_over(struct rehearsal *r)
{
	for (uint32_t i = 0; i < r->is.graph->operator_count; i++) {
		if (r->is.is_heir[i] &&
		    (!cast_take_over(&r->is, i, &r->was,
		                     graph_find_operator(r->was.graph, r->is.graph->op[i].name)) ||
		     !cast_check(&r->is, i))) {
			return false;
		}
	}
	return true;
}

static int
try_once(struct rehearsal *r)
{
	struct engine_origin origin = { 0 };
	int result = 0;

	for (uint32_t i = 0; i < r->graph->operator_count; i++) {
		r->is.is_open[i] = is_meant(r->options, &r->graph->op[i]);
		r->slices[i] = r->graph->op[i].slices;
	}
	if (!look(r)) {
		return -EINVAL;
	}
	if (r->snapshots != NULL) {
		snapshots_origin(r->snapshots, &origin);
		result = restore(r, &origin);
	}
	if (result != 0) {
		return result;
	}
	return cast_make(&r->is, r->graph, r->slices, r->options->job.path) &&
	               cast_build(&r->is, &origin, r->options->job.path) &&
	               (r->snapshots == NULL || hand_over(r))
	           ? 0
	           : -EINVAL;
}

static int
rehearse(struct rehearsal *r)
{
	int result = -EAGAIN;

	if (!load(r)) {
		return CLI_USAGE;
	}
	for (uint32_t i = 0; result == -EAGAIN && i < LOOKS_MAX; i++) {
		tear_down(r);
		result = try_once(r);
	}
	if (result == -EAGAIN) {
		fprintf(stderr, "snapshots come and go faster than they can be read\n");
	}
	return result == 0 ? CLI_OK : CLI_FAILED;
}

static void
tell(const struct rehearsal *r)
{
	const struct rehearse_cast *is = &r->is;
	struct snapshot_restored restored;
	char state[80] = "", slots[112] = "";
	int64_t wall_ns;
	uint64_t epoch;

	if (r->snapshots != NULL) {
		snapshots_resumes(r->snapshots, &epoch, &wall_ns);
		snapshots_restored(r->snapshots, &restored);
		snprintf(state, sizeof(state), ", with %s of epoch %" PRIu64,
		         units_bytes((double)restored.bytes).text, epoch);
	}
	if (is->converted > 0) {
		snprintf(slots, sizeof(slots), ", %u slots converted in %s, one in at most %s",
		         is->converted, units_ns((uint64_t)is->convert_ns).text,
		         units_ns((uint64_t)is->longest_ns).text);
	}
	cast_say(REHEARSE_GOOD "%u operators opened%s%s%s", is->opened, state, slots,
	         is->checked > 0 ? ", checked" : "");
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
	r->options = &options;
	status = rehearse(r);
	if (status == CLI_OK) {
		tell(r);
	} else {
		cast_hush();
	}
	tear_down(r);
	lm_graph_free(r->graph);
	lm_topology_free(r->topology);
	free(r);
	return status;
}
