/* SPDX-License-Identifier: BSD-3-Clause */
/* From a topology file to a placed layout, with everything that is wrong said at once. */

#include "mgmt/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/lm_op.h"
#include "core/topology.h"
#include "mgmt/config_load.h"
#include "mgmt/placement_few.h"
#include "mgmt/port_nodes.h"
#include "mgmt/text_table.h"
#include "net/port_source.h"

/* Memory that EAL takes for itself and for packet buffers of a port, beside ours. */
#define EAL_BASE_MB 64u
#define PORT_MB 96u

static int
elastic_word(struct job_request *request, const char *text)
{
	uint32_t policy;
	char hint[120];

	if (text == NULL || config_elastic_policy(text, &policy) != 0) {
		fprintf(stderr, "error: --elastic takes a policy; %s\n",
		        config_elastic_hint(text == NULL ? "" : text, hint, sizeof(hint)));
		return -1;
	}
	request->elastic = text;
	return 2;
}

int
job_word(struct job_request *request, int argc, char **argv, int at)
{
	const char *word = argv[at];

	if (strcmp(word, "--set") == 0) {
		if (at + 1 >= argc || strchr(argv[at + 1], '=') == NULL ||
		    request->set_count == JOB_SETS_MAX) {
			fprintf(stderr, "error: --set takes NAME=value, %u times at most\n",
			        JOB_SETS_MAX);
			return -1;
		}
		request->set[request->set_count++] = argv[at + 1];
		return 2;
	}
	if (strcmp(word, "--elastic") == 0) {
		return elastic_word(request, at + 1 < argc ? argv[at + 1] : NULL);
	}
	if (word[0] != '-' && request->path == NULL) {
		request->path = word;
		return 1;
	}
	fprintf(stderr, "error: \"%s\" is not understood; see lodemill --help\n", word);
	return -1;
}

static void
print_errors(const char *name, const char *text, size_t size, const struct lm_errors *errors)
{
	if (errors->count > 0) {
		config_print_errors(stderr, name, text, size, errors, text_colour(stderr));
	}
}

/* Where something is wrong with the file, all that is comes from the graph, too. */
static bool
load_text(struct job *job, const struct job_request *request, const char *name, const char *text,
          size_t size, bool is_checked)
{
	struct lm_errors errors = { 0 };
	bool good;

	lm_graph_free(job->graph);
	lm_topology_free(job->topology);
	job->graph = NULL;
	job->topology = config_load_text(name, text, size, request->set, &errors);
	if (job->topology != NULL && request->elastic != NULL) {
		config_elastic_policy(request->elastic, &job->topology->elastic.policy);
	}
	if (job->topology != NULL && (is_checked || errors.count > 0)) {
		job->graph = lm_graph_check(job->topology, &errors);
	}
	good = job->topology != NULL && (job->graph != NULL || !is_checked) && errors.count == 0;
	print_errors(name, text, size, &errors);
	lm_errors_free(&errors);
	return good;
}

bool
job_read_text(struct job *job, const struct job_request *request, const char *name,
              const char *text, size_t size)
{
	return load_text(job, request, name, text, size, false);
}

bool
job_check(struct job *job)
{
	const struct lm_topology *topology = job->topology;
	struct lm_errors errors = { 0 };
	bool good;

	job->graph = lm_graph_check(topology, &errors);
	good = job->graph != NULL && errors.count == 0;
	print_errors(topology->file, topology->source, topology->source_size, &errors);
	lm_errors_free(&errors);
	return good;
}

static bool
load(struct job *job, const struct job_request *request, bool is_checked)
{
	struct lm_errors errors = { 0 };
	size_t size = 0;
	char *text;
	bool good;

	if (request->path == NULL) {
		fprintf(stderr, "error: which topology? Give its file, such as "
		                "examples/top_talkers.yaml\n");
		return false;
	}
	text = config_read(request->path, &size, &errors);
	good = text != NULL && load_text(job, request, request->path, text, size, is_checked);
	print_errors(request->path, text, size, &errors);
	lm_errors_free(&errors);
	free(text);
	return good;
}

bool
job_load(struct job *job, const struct job_request *request)
{
	return load(job, request, true);
}

bool
job_read(struct job *job, const struct job_request *request)
{
	return load(job, request, false);
}

static bool
read_machine(struct job *job)
{
	struct machine_source source = { .host = { .root = "" } };

	job->machine = calloc(1, sizeof(*job->machine));
	if (job->machine == NULL || machine_read(job->machine, &source) != 0) {
		fprintf(stderr, "error: the machine's CPUs cannot be read from /sys and /proc\n");
		return false;
	}
	return true;
}

static uint32_t
count_ports(const struct lm_graph *graph)
{
	uint32_t ports = 0;

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		ports += port_source_port(graph->op[i].class, graph->op[i].config) != NULL ? 1 : 0;
	}
	return ports;
}

/* Slices that will be moved as the load wants it start on few lcores. */
static int
place(struct job *job, const struct placement_request *request, struct lm_errors *errors)
{
	const struct lm_elastic *elastic = &job->topology->elastic;

	if (elastic->policy <= LM_ELASTIC_STATIC || elastic->dry_run) {
		return placement_plan(&job->placement, request, errors);
	}
	return placement_plan_few(&job->placement, request, elastic->lcores_min,
	                          elastic->lcores_max, errors);
}

bool
job_place(struct job *job, const struct job_request *request, const struct cli *cli)
{
	struct eal_needs needs = { .program = cli->program,
		                   .process = (uint32_t)getpid(),
		                   .memory_mb = EAL_BASE_MB + count_ports(job->graph) * PORT_MB };
	struct placement_request placement = { .graph = job->graph, .lcores = &job->eal.lcores };
	struct lm_errors errors = { 0 };
	int result;

	if (!read_machine(job)) {
		return false;
	}
	job->port_node = port_nodes_find(job->graph, cli->eal_argc, cli->eal_argv, job->machine);
	if (job->port_node == NULL) {
		return false;
	}
	needs.home = port_nodes_home(job->graph, job->port_node, job->machine);
	result = eal_args_build(&job->eal, cli->eal_argc, cli->eal_argv, &needs, job->machine,
	                        &job->report);
	if (result != 0) {
		eal_report_print(&job->report, true, text_colour(stderr), stderr);
		return false;
	}
	placement.machine = job->machine;
	placement.port_node = job->port_node;
	result = place(job, &placement, &errors);
	print_errors(request->path, NULL, 0, &errors);
	lm_errors_free(&errors);
	if (result != 0) {
		return false;
	}
	job->layout = layout_create(job->graph, &job->placement.lm, NULL);
	return job->layout != NULL;
}

void
job_free(struct job *job)
{
	layout_free(job->layout);
	placement_free(&job->placement);
	eal_args_free(&job->eal);
	free(job->port_node);
	free(job->machine);
	lm_graph_free(job->graph);
	lm_topology_free(job->topology);
}
