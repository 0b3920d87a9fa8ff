/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill run: a topology from its file to its closing summary. */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "core/engine.h"
#include "core/env.h"
#include "core/text.h"
#include "mgmt/cli.h"
#include "mgmt/conduct.h"
#include "mgmt/config_load.h"
#include "mgmt/durability.h"
#include "mgmt/elastic.h"
#include "mgmt/hgrm.h"
#include "mgmt/isa.h"
#include "mgmt/job.h"
#include "mgmt/live.h"
#include "mgmt/port_nodes.h"
#include "mgmt/resume.h"
#include "mgmt/supervise.h"
#include "mgmt/text_table.h"

/* Between two readings of the engine; between two looks at what is asked; and how long what is
 * under way may take to drain after Ctrl-C. */
#define TICK_NS 100000000
#define STEP_NS 10000000u
#define CARRY_STEP_NS 2000000u
#define STOP_STEP_NS 5000000u
#define DRAIN_NS 5000000000u

struct run_options {
	struct job_request job;
	bool json, quiet, check, supervise, fresh;
	uint64_t duration_ns; /* 0: until the end */
	const char *hgrm;
	const char *state; /* folder of snapshots; NULL: as the file says */
	struct conduct_options control;
};

static volatile sig_atomic_t interrupts;

static void
on_signal(int number)
{
	(void)number;
	interrupts++;
}

static int
parse_duration(struct run_options *options, const char *text)
{
	if (text == NULL || text_duration(text, &options->duration_ns) != 0) {
		fprintf(stderr, "error: --duration takes a time such as 10s or 5m\n");
		return -1;
	}
	return 2;
}

static int
parse_role(struct run_options *options, const char *text)
{
	char why[256];

	if (peer_grant_add(&options->control.grants, text, why) != 0) {
		fprintf(stderr, "error: --control-role %s\n", why);
		return -1;
	}
	return 2;
}

/* Options with a value behind them; 0: it is none of these. */
static int
parse_value(struct run_options *options, const char *word, const char *next)
{
	if (strcmp(word, "--duration") == 0) {
		return parse_duration(options, next);
	}
	if (strcmp(word, "--control-role") == 0) {
		return parse_role(options, next);
	}
	if (next == NULL) {
		return 0;
	}
	if (strcmp(word, "--hgrm") == 0) {
		options->hgrm = next;
		return 2;
	}
	if (strcmp(word, "--state") == 0) {
		options->state = next;
		return 2;
	}
	if (strcmp(word, "--manager") == 0) {
		options->control.loaded.path = next;
		return 2;
	}
	if (strcmp(word, "--manager-argument") == 0) {
		options->control.loaded.argument = next;
		return 2;
	}
	if (strcmp(word, "--control") == 0) {
		options->control.path = next;
		return 2;
	}
	return 0;
}

static int
parse_word(struct run_options *options, int argc, char **argv, int at)
{
	const char *next = at + 1 < argc ? argv[at + 1] : NULL;
	int used;

	if (strcmp(argv[at], "--json") == 0) {
		options->json = true;
		return 1;
	}
	if (strcmp(argv[at], "--quiet") == 0) {
		options->quiet = true;
		return 1;
	}
	if (strcmp(argv[at], "--check") == 0) {
		options->check = true;
		return 1;
	}
	if (strcmp(argv[at], "--supervise") == 0) {
		options->supervise = true;
		return 1;
	}
	if (strcmp(argv[at], "--fresh-topology") == 0) {
		options->fresh = true;
		return 1;
	}
	used = parse_value(options, argv[at], next);
	return used != 0 ? used : job_word(&options->job, argc, argv, at);
}

/*
 * The first thread stays free: it was pinned to the main lcore by EAL and gets back what it had, so
 * that control work goes wherever there is room.
 */
static bool
start_eal(struct job *job)
{
	cpu_set_t before;
	bool known = sched_getaffinity(0, sizeof(before), &before) == 0;

	if (rte_eal_init(job->eal.argc, job->eal.argv) < 0) {
		char line[2048];

		fprintf(stderr, "error: EAL did not start: %s\n  with: %s\n",
		        rte_strerror(rte_errno), eal_args_line(&job->eal, line, sizeof(line)));
		return false;
	}
	if (known) {
		sched_setaffinity(0, sizeof(before), &before);
	}
	return true;
}

/* A run of a job, from its engine to its end. */
struct run {
	struct lm_engine *engine;
	struct live live;
	struct durability durability;
	const struct resume *resume;
	enum summary_status status;
	struct elastic elastic;
	struct conduct conduct;
	int64_t start_ns, stop_ns; /* 0: nobody has asked it to stop */
	uint64_t limit_ns;         /* from then on */
	uint64_t last_epoch;       /* it stops once this one is durable; 0: once all has ended */
	bool is_early;             /* it stopped before that */
};

static bool
is_to_stop(const struct run *run, const struct run_options *options)
{
	return interrupts > 0 || (options->duration_ns != 0 &&
	                          env_now_ns() - run->start_ns >= (int64_t)options->duration_ns);
}

/* Without snapshots everything under way is drained; with them one more is taken, to go on from,
 * unless it is for good. */
static void
ask_to_stop(struct run *run, uint64_t limit_ns, bool is_for_good)
{
	conduct_ending(&run->conduct);
	run->stop_ns = env_now_ns();
	run->limit_ns = limit_ns;
	run->status = SUMMARY_STOPPED;
	if (!is_for_good && run->durability.snapshots != NULL) {
		run->last_epoch = engine_suspend(run->engine);
	} else {
		lm_engine_stop(run->engine);
	}
}

static bool
has_stopped(struct run *run)
{
	int64_t for_ns = env_now_ns() - run->stop_ns;

	if (run->last_epoch != 0 &&
	    snapshots_durable(run->durability.snapshots) >= run->last_epoch) {
		return true;
	}
	if (interrupts > 1 || for_ns > (int64_t)run->limit_ns) {
		run->is_early = true;
		env_log(4, run->last_epoch != 0
		               ? "stopped without a last snapshot: the next run goes on from the "
		                 "one before"
		               : "stopped before everything was drained");
		return true;
	}
	return false;
}

/* What was asked for over the control socket. */
static void
step(struct run *run)
{
	uint64_t limit_ns = DRAIN_NS;
	enum manager_order order = conduct_step(&run->conduct, &limit_ns);

	/* What is about to end stays where it is. */
	if (run->stop_ns == 0) {
		elastic_tick(&run->elastic, env_now_ns(), live_lost(&run->live));
	}
	if (run->stop_ns == 0 && (order == ORDER_STOP || order == ORDER_DRAIN)) {
		ask_to_stop(run, limit_ns, order == ORDER_DRAIN);
	}
}

/* Who asked for something waits for its end, and may have more to ask. */
static uint64_t
step_ns(const struct run *run)
{
	if (run->stop_ns != 0) {
		return STOP_STEP_NS;
	}
	return run->conduct.carry.action.id != 0 ? CARRY_STEP_NS : STEP_NS;
}

static void
follow(struct run *run, const struct run_options *options)
{
	int64_t tick_ns = env_now_ns();

	run->start_ns = tick_ns;
	while (!lm_engine_wait(run->engine, step_ns(run))) {
		if (live_follow(&run->live)) {
			/* What is shown together speaks of the same slices. */
			elastic_tick(&run->elastic, env_now_ns(), live_lost(&run->live));
			conduct_changed(&run->conduct);
		}
		if (env_now_ns() >= tick_ns) {
			tick_ns = env_now_ns() + TICK_NS;
			live_tick(&run->live);
			conduct_show(&run->conduct);
		}
		step(run);
		/* Whoever asks twice does not wait. */
		if (run->stop_ns == 0 && is_to_stop(run, options) &&
		    (interrupts > 1 || conduct_may_end(&run->conduct))) {
			ask_to_stop(run, DRAIN_NS, false);
		}
		if (run->stop_ns != 0 && has_stopped(run)) {
			return;
		}
	}
	conduct_let_go(&run->conduct);
	conduct_ending(&run->conduct);
}

static void
write_hgrm(const struct lm_engine *engine, const char *path)
{
	struct lm_hist *hist = calloc(1, sizeof(*hist));
	int result = hist == NULL ? -ENOMEM : 0;

	if (result == 0) {
		lm_engine_latency(engine, LM_NONE, hist);
		result = hgrm_write_file(path, hist, "latency at the sinks", "ns", 1.0);
	}
	if (result != 0) {
		env_log(3, "%s: %s", path, strerror(-result));
	}
	free(hist);
}

static void
sum_up(struct job *job, struct live *live, const struct run_options *options,
       enum summary_status status, const struct lm_errors *findings)
{
	struct snapshot_status snapshots;
	const char *warnings[16];
	struct summary summary = { .topology = job->graph->name,
		                   .version = LODEMILL_VERSION,
		                   .isa = isa_compiled(),
		                   .status = status,
		                   .warnings = warnings,
		                   .sample = &live->now };

	for (uint32_t i = 0; i < findings->count && i < 16; i++) {
		warnings[summary.warning_count++] = findings->error[i].message;
	}
	(void)live_follow(live);
	live_tick(live);
	live_packets(live, &summary.packets, &summary.bytes);
	summary.gone = live->gone;
	summary.gone_count = live->gone_count;
	summary.seconds = sample_seconds(&live->now);
	if (live->snapshots != NULL) {
		snapshots_status(live->snapshots, &snapshots);
		summary.snapshots = &snapshots;
	}
	if (options->json) {
		summary_json(stdout, &summary);
	} else {
		summary_print(stdout, &summary, text_colour(stdout));
	}
	fflush(stdout);
}

static void
announce(const struct job *job, const struct run_options *options)
{
	char line[2048], lcores[256];

	if (options->quiet) {
		return;
	}
	eal_report_print(&job->report, true, text_colour(stderr), stderr);
	fprintf(stderr, "EAL:  %s\n", eal_args_line(&job->eal, line, sizeof(line)));
	fprintf(stderr, "lodemill %s, %s: %u operators in %u slices on lcores %s; Ctrl-C ends it\n",
	        LODEMILL_VERSION, job->graph->name, job->graph->operator_count,
	        job->graph->slice_count, lcores_numbers(&job->eal.lcores, lcores, sizeof(lcores)));
}

/* Ports that are not where the slices were placed for. */
static void
check_ports(const struct job *job)
{
	int node;
	const struct graph_operator *op = port_nodes_differ(job->graph, job->port_node, &node);

	if (op != NULL) {
		env_log(4,
		        "%s: its port is on NUMA node %d, not where it was placed for: name the "
		        "device, port: 0000:3b:00.0, instead of its number",
		        op->name, node);
	}
}

/* Builds the engine, goes on from its snapshot, runs it. False: it was not sound. */
static bool
run_built(struct run *run, struct job *job, const struct run_options *options,
          struct lm_errors *errors)
{
	const struct conduct_job conducted = { .engine = run->engine,
		                               .live = &run->live,
		                               .durability = &run->durability,
		                               .topology = job->graph->name,
		                               .declared = job->topology,
		                               .set = options->job.set,
		                               .policy = options->job.elastic,
		                               .resume = run->resume,
		                               .prefix = job->eal.file_prefix,
		                               .elastic = &run->elastic };
	bool good = durability_attach(&run->durability, run->engine) &&
	            conduct_recover(&run->conduct, &run->durability, run->resume, job->graph->name);

	if (!good || run->durability.had_ended) {
		return good;
	}
	run->live.snapshots = run->durability.snapshots;
	good = elastic_open(&run->elastic, run->engine, &job->topology->elastic) == 0 &&
	       live_open(&run->live, run->engine, job->eal.file_prefix) == 0 &&
	       conduct_start(&run->conduct, &conducted) && durability_start(&run->durability) &&
	       lm_engine_start(run->engine) == 0;
	if (good) {
		follow(run, options);
	}
	/* What has ended is committed while the rest still stands. */
	good = durability_stop(&run->durability) && good;
	lm_engine_join(run->engine);
	good = lm_engine_audit(run->engine, errors) && good;
	if (!good) {
		run->status = SUMMARY_FAILED;
	}
	conduct_end(&run->conduct, !good ? ENDED_BADLY : run->is_early ? ENDED_EARLY : ENDED_WHOLE);
	sum_up(job, &run->live, options, run->status, errors);
	if (options->hgrm != NULL) {
		write_hgrm(run->engine, options->hgrm);
	}
	conduct_close(&run->conduct);
	live_close(&run->live);
	elastic_close(&run->elastic);
	return good;
}

static int
run_engine(struct job *job, const struct run_options *options, const struct conduct *conduct,
           const struct resume *resume)
{
	struct lm_errors errors = { 0 };
	struct run run = { .status = SUMMARY_COMPLETE, .conduct = *conduct, .resume = resume };
	struct engine_origin origin;
	bool good = durability_open(&run.durability, job->topology, job->graph, options->state,
	                            resume_note(resume));

	if (good) {
		durability_origin(&run.durability, &origin);
		run.engine = engine_create(job->graph, &job->placement.lm, &origin, &errors);
		good = run.engine != NULL && run_built(&run, job, options, &errors);
	}
	if (errors.count > 0) {
		config_print_errors(stderr, options->job.path, NULL, 0, &errors,
		                    text_colour(stderr));
	}
	lm_errors_free(&errors);
	conduct_close(&run.conduct);
	durability_close(&run.durability);
	lm_engine_free(run.engine);
	return good ? CLI_OK : CLI_FAILED;
}

/* What a start of the program is asked to do. */
struct request {
	const struct cli *cli;
	struct run_options options;
	struct resume_starts *starts;
};

static int
run_job(void *arg)
{
	struct request *request = arg;
	struct run_options *options = &request->options;
	struct sigaction action = { .sa_handler = on_signal };
	struct resume_options resuming = { .request = &options->job,
		                           .folder = options->state,
		                           .is_fresh = options->fresh,
		                           .starts = request->starts };
	struct conduct conduct = { 0 };
	struct resume resume = { 0 };
	struct job job = { 0 };
	int status = CLI_USAGE;

	request->starts->count++;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (job_read(&job, &options->job) && resume_choose(&resume, &resuming, &job) &&
	    job_place(&job, &options->job, request->cli) &&
	    conduct_open(&conduct, &options->control, job.eal.file_prefix)) {
		announce(&job, options);
		if (start_eal(&job)) {
			check_ports(&job);
			status = run_engine(&job, options, &conduct, &resume);
			conduct = (struct conduct){ 0 }; /* it is closed */
			rte_eal_cleanup();
			eal_args_clean(&job.eal, rte_eal_get_runtime_dir());
		}
	}
	conduct_close(&conduct);
	resume_free(&resume);
	job_free(&job);
	return status;
}

int
cli_run(const struct cli *cli)
{
	/* Children that follow each other know of each other by this. */
	struct request request = { .cli = cli,
		                   .starts =
		                       mmap(NULL, sizeof(*request.starts), PROT_READ | PROT_WRITE,
		                            MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	struct supervise_options supervise = { 0 };

	if (request.starts == MAP_FAILED) {
		fprintf(stderr, "error: no memory: %s\n", strerror(errno));
		return CLI_FAILED;
	}
	for (int i = 1; i < cli->argc;) {
		int used = parse_word(&request.options, cli->argc, cli->argv, i);

		if (used < 0) {
			return CLI_USAGE;
		}
		i += used;
	}
	if (request.options.check) {
		struct job job = { 0 };
		bool good = job_load(&job, &request.options.job);

		job_free(&job);
		return good ? CLI_OK : CLI_USAGE;
	}
	return request.options.supervise ? supervise_run(&supervise, run_job, &request)
	                                 : run_job(&request);
}
