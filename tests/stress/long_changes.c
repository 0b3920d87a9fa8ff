/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job of the engine's own operators on real lcores at full speed, whose slices move, or whose
 * operators get other numbers of slices, from 1 to 8, again and again:
 *
 *     long-changes [EAL args] -- migrate|rescale|both CHANGES [SECONDS]
 *
 * Two sources number their rows, and so the rows of each key, from 0 without a gap. Every row goes
 * through a filter and an aggregate, both shared out by key, which says with every row how many
 * rows of its key came so far and the greatest of their numbers. The nth row of a key must come out
 * as the nth, with n - 1 for the greatest: else a row was lost, doubled or overtaken, or state went
 * to the wrong slice, was left behind, or came twice. In the end as many must have come of each key
 * as the sources made. Ten times in between nothing changes for up to a second: `quiet` beside
 * `changing` in the line that it prints. `grown_kib`: what memory grew by in the second half.
 *
 * Ends with 1 when a row was wrong, when a change did not end within a minute, or when there were
 * fewer than CHANGES within SECONDS (3600).
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "core/engine.h"
#include "core/env.h"
#include "core/lm_op.h"
#include "core/lm_stats.h"
#include "core/registry.h"
#include "mgmt/config_load.h"

#define KEYS 4000u /* of each source */
#define SLICES_MAX 8u
#define STEP_NS 200000u
#define STANDSTILL_NS UINT64_C(60000000000)
#define QUIET_NS_MAX UINT64_C(1000000000)
#define LOOKS 10u /* quiet times in between */
#define MOVES_AT_ONCE 4u

static const char text[] =
    "name: long_changes\n"
    "settings: {epoch: 1s, batch_rows: 256, seed: 7}\n"
    "operators:\n"
    "  even:  {type: generator, fields: {number: u64 = sequence}}\n"
    "  odd:   {type: generator, fields: {number: u64 = sequence}}\n"
    "  ekeys: {type: map, input: even, keep: [],\n"
    "          set: {key: number % 4000 * 2, at: number / 4000}}\n"
    "  okeys: {type: map, input: odd, keep: [],\n"
    "          set: {key: number % 4000 * 2 + 1, at: number / 4000}}\n"
    "  pass:  {type: filter, input: [ekeys by key, okeys by key], where: key < 8000, slices: 2}\n"
    "  sums:  {type: aggregate, input: pass by key, by: key, count: rows, max: {high: at},\n"
    "          emit: update, keys: 20000, slices: 2}\n"
    "  check: {type: check_numbers, input: sums by key, slices: 2}\n";

/* ---- the oracle ---- */

/* By key, whichever slice has it: rows of one key meet one slice. */
static uint64_t seen[2 * KEYS];
static uint64_t wrong;

struct columns {
	uint32_t key, rows, high;
};

static int
check_configure(struct lm_setup *setup, void *config)
{
	const struct lm_schema *in = lm_setup_input(setup, 0);
	struct columns *columns = config;

	columns->key = lm_schema_find(in, "key");
	columns->rows = lm_schema_find(in, "rows");
	columns->high = lm_schema_find(in, "high");
	return 0;
}

static void
tell_wrong(uint64_t key, uint64_t rows, uint64_t high)
{
	if (__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED) <= 20) {
		fprintf(stderr,
		        "# key %" PRIu64 ": row %" PRIu64 " came as row %" PRIu64
		        ", the greatest number is %" PRIu64 "\n",
		        key, seen[key], rows, high);
	}
}

static void
check_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct columns *columns = lm_op_config(op);
	const uint64_t *key = lm_batch_u64(in, columns->key);
	const uint64_t *rows = lm_batch_u64(in, columns->rows);
	const uint64_t *high = lm_batch_u64(in, columns->high);

	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t number = seen[key[i]]++;

		if (rows[i] != number + 1 || high[i] != number) {
			tell_wrong(key[i], rows[i], high[i]);
		}
	}
	lm_op_absorb(op, in->count);
}

static const char *const port_in[] = { "in", NULL };
static const struct lm_op_class check_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "check_numbers",
	.version = "1.0",
	.summary = "rows of a key come with their numbers, none is missing",
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct columns),
	.configure = check_configure,
	.process = check_process,
};

/* ---- the job ---- */

struct job {
	struct lm_topology *topology;
	struct lm_graph *graph;
	struct lm_placement placement;
	struct lm_engine *engine;
	struct lm_errors errors;
};

struct tally {
	uint64_t done, pause_max_ns;
	uint64_t took_ns, took_rows;       /* while things changed */
	uint64_t quiet_ns, quiet_rows;     /* while nothing did */
	struct lm_hist pause_ns, align_ns; /* of the changes, the longest wait of each */
};

static uint64_t random_state = 1;

static uint32_t
below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % bound);
}

/* Slices are dealt to all lcores, and lcores share what CPUs there are. */
static bool
place(struct job *job)
{
	struct lm_placement *placement = &job->placement;
	uint32_t lcore;

	RTE_LCORE_FOREACH(lcore)
	{
		placement->worker[placement->worker_count].lcore = lcore;
		placement->worker[placement->worker_count].shares_cpu = true;
		placement->worker_count++;
	}
	placement->worker_of = calloc(job->graph->slice_count, sizeof(uint16_t));
	for (uint32_t i = 0; placement->worker_of != NULL && i < job->graph->slice_count; i++) {
		placement->worker_of[i] = (uint16_t)(i % placement->worker_count);
	}
	return placement->worker_of != NULL;
}

static bool
job_open(struct job *job)
{
	job->topology = config_load_text("long.yaml", text, strlen(text), NULL, &job->errors);
	job->graph = job->topology == NULL ? NULL : lm_graph_check(job->topology, &job->errors);
	if (job->graph != NULL && place(job)) {
		job->engine = lm_engine_create(job->graph, &job->placement, &job->errors);
	}
	if (job->engine == NULL) {
		config_print_errors(stderr, "long.yaml", text, strlen(text), &job->errors, false);
		return false;
	}
	return lm_engine_start(job->engine) == 0;
}

static void
job_close(struct job *job)
{
	lm_engine_free(job->engine);
	lm_graph_free(job->graph);
	lm_topology_free(job->topology);
	free(job->placement.worker_of);
	lm_errors_free(&job->errors);
}

static uint32_t
operator_named(const struct lm_engine *engine, const char *name)
{
	uint32_t op = 0;

	while (strcmp(lm_engine_operator_name(engine, op), name) != 0) {
		op++;
	}
	return op;
}

/* Rows that the operator's slices have sent so far. */
static uint64_t
rows_of(const struct lm_engine *engine, const char *name)
{
	uint32_t op = operator_named(engine, name);
	uint64_t rows = 0;

	for (uint32_t i = 0; i < lm_engine_slice_count(engine); i++) {
		struct lm_slice_stats stats;

		if (lm_engine_slice_operator(engine, i) == op) {
			lm_engine_slice_stats(engine, i, &stats);
			rows += stats.rows_out[0] + stats.rows_absorbed;
		}
	}
	return rows;
}

/* ---- changes ---- */

static bool
stands_still(int64_t since_ns, const char *what)
{
	if (env_now_ns() - since_ns < (int64_t)STANDSTILL_NS) {
		return false;
	}
	fprintf(stderr, "# a %s has not ended in a minute\n", what);
	return true;
}

static bool
collect(struct lm_engine *engine, struct tally *tally)
{
	struct move move;

	if (!engine_collect(engine, &move)) {
		return false;
	}
	if (move.result == MOVE_DONE) {
		lm_hist_record(&tally->pause_ns, (uint64_t)move.pause_ns, 1);
		tally->done++;
	}
	return true;
}

/* Some slices go to some lcores, at once. */
static bool
migrate_some(struct lm_engine *engine, struct tally *tally)
{
	int64_t since_ns = env_now_ns();
	uint32_t asked = 0;

	for (uint32_t some = 1 + below(MOVES_AT_ONCE); some > 0; some--) {
		asked += engine_migrate(engine, below(engine->slice_count),
		                        below(engine->worker_count)) != 0;
	}
	while (asked > 0) {
		if (collect(engine, tally)) {
			asked--;
			continue;
		}
		if (stands_still(since_ns, "move")) {
			return false;
		}
		(void)lm_engine_wait(engine, STEP_NS);
	}
	return true;
}

static bool
rescale_one(struct lm_engine *engine, struct tally *tally)
{
	uint32_t op = operator_named(engine, below(2) == 0 ? "pass" : "sums");
	uint32_t slices = 1 + (engine->graph->op[op].slices + below(SLICES_MAX - 1)) % SLICES_MAX;
	struct lm_errors errors = { 0 };
	int64_t since_ns = env_now_ns();
	uint64_t number = engine_rescale(engine, op, slices, NULL, &errors);

	if (number == 0) {
		fprintf(stderr, "# refused: %s\n", errors.error[0].message);
		lm_errors_free(&errors);
		return false;
	}
	while (engine->changed.number != number) {
		if (stands_still(since_ns, "change of the number of slices")) {
			return false;
		}
		(void)lm_engine_wait(engine, STEP_NS);
	}
	lm_hist_record(&tally->pause_ns, (uint64_t)engine->changed.pause_ns, 1);
	lm_hist_record(&tally->align_ns, (uint64_t)engine->changed.align_ns, 1);
	tally->done++;
	return true;
}

/* A second, less of a short run. */
static void
be_quiet(struct lm_engine *engine, struct tally *tally, uint64_t changes)
{
	uint64_t for_ns = changes < 1000 ? changes * QUIET_NS_MAX / 1000 : QUIET_NS_MAX;
	int64_t since_ns = env_now_ns();
	uint64_t rows = rows_of(engine, "sums");

	(void)lm_engine_wait(engine, for_ns);
	tally->quiet_rows += rows_of(engine, "sums") - rows;
	tally->quiet_ns += (uint64_t)(env_now_ns() - since_ns);
}

static bool
change_some(struct lm_engine *engine, const char *what, uint64_t until, int64_t until_ns,
            struct tally *tally)
{
	int64_t since_ns = env_now_ns();
	uint64_t rows = rows_of(engine, "sums");
	bool good = true;

	while (good && tally->done < until && env_now_ns() < until_ns && wrong == 0) {
		bool moves =
		    strcmp(what, "migrate") == 0 || (strcmp(what, "both") == 0 && below(2) == 0);

		good = moves ? migrate_some(engine, tally) : rescale_one(engine, tally);
	}
	tally->took_rows += rows_of(engine, "sums") - rows;
	tally->took_ns += (uint64_t)(env_now_ns() - since_ns);
	return good;
}

/* ---- the end ---- */

/* As many rows of each key as its source has made. */
static bool
all_came(uint64_t made, uint32_t first)
{
	uint64_t missing = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		uint64_t want = (made + KEYS - 1 - key) / KEYS;

		missing += want != seen[2 * key + first];
	}
	if (missing > 0) {
		fprintf(stderr, "# of %" PRIu64 " keys not all rows came, or too many\n", missing);
	}
	return missing == 0;
}

static bool
finish(struct job *job)
{
	int64_t since_ns = env_now_ns();
	bool good = true;

	lm_engine_stop(job->engine);
	while (good && !lm_engine_wait(job->engine, STEP_NS)) {
		good = !stands_still(since_ns, "job that is asked to end");
	}
	if (!good) {
		return false;
	}
	lm_engine_join(job->engine);
	good = lm_engine_audit(job->engine, &job->errors);
	for (uint32_t i = 0; i < job->errors.count; i++) {
		fprintf(stderr, "# %s\n", job->errors.error[i].message);
	}
	return good && all_came(rows_of(job->engine, "even"), 0) &&
	       all_came(rows_of(job->engine, "odd"), 1) && wrong == 0;
}

static void
print_line(const struct job *job, const char *what, const struct tally *tally, uint64_t kib)
{
	double took_s = (double)tally->took_ns / 1e9;

	printf(
	    "{\"what\": \"%s\", \"changes\": %" PRIu64 ", \"seconds\": %.1f, \"lcores\": %u, "
	    "\"rows\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"changing_rows_s\": %.0f, "
	    "\"quiet_rows_s\": %.0f, \"pause_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}, "
	    "\"align_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}, "
	    "\"grown_kib\": %" PRIu64 "}\n",
	    what, tally->done, took_s, job->placement.worker_count, rows_of(job->engine, "check"),
	    wrong, (double)tally->took_rows / took_s,
	    (double)tally->quiet_rows / ((double)tally->quiet_ns / 1e9),
	    (double)lm_hist_quantile(&tally->pause_ns, 0.5) / 1e3,
	    (double)lm_hist_quantile(&tally->pause_ns, 0.99) / 1e3,
	    (double)tally->pause_ns.max / 1e3,
	    (double)lm_hist_quantile(&tally->align_ns, 0.5) / 1e3,
	    (double)lm_hist_quantile(&tally->align_ns, 0.99) / 1e3,
	    (double)tally->align_ns.max / 1e3, kib);
}

/* Memory of this program, in KiB. */
static uint64_t
resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	uint64_t all = 0, resident = 0;

	if (file != NULL) {
		(void)!fscanf(file, "%" SCNu64 " %" SCNu64, &all, &resident);
		fclose(file);
	}
	return resident * 4;
}

static int
run(const char *what, uint64_t changes, uint64_t seconds)
{
	static struct job job;
	static struct tally tally;
	int64_t until_ns = env_now_ns() + (int64_t)(seconds * 1000000000);
	uint64_t kib = 0;
	bool good = job_open(&job);

	if (!good) {
		return 1;
	}
	be_quiet(job.engine, &tally, changes);
	for (uint64_t look = 1; good && look <= LOOKS; look++) {
		good = change_some(job.engine, what, changes * look / LOOKS, until_ns, &tally);
		kib = look == LOOKS / 2 ? resident_kib() : kib;
		be_quiet(job.engine, &tally, changes);
	}
	kib = resident_kib() > kib ? resident_kib() - kib : 0;
	if (!good) {
		/* Slices may stand still for good: there is no way to end them. */
		fflush(NULL);
		abort();
	}
	good = finish(&job);
	print_line(&job, what, &tally, kib);
	if (tally.done < changes) {
		fprintf(stderr, "# %" PRIu64 " changes were wanted\n", changes);
	}
	job_close(&job);
	return good && tally.done >= changes ? 0 : 1;
}

int
main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	const char *why = "";

	if (used < 0) {
		return 2;
	}
	argc -= used + 1;
	argv += used + 1;
	if (argc < 2 || registry_add(&check_class, &why) != 0) {
		fprintf(stderr, "long-changes: %s\n",
		        argc < 2 ? "migrate, rescale or both, and how often?" : why);
		return 2;
	}
	return run(argv[0], strtoull(argv[1], NULL, 10),
	           argc > 2 ? strtoull(argv[2], NULL, 10) : 3600);
}
