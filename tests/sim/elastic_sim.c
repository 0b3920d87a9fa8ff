/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Elasticity in virtual time: a job on one to sixteen lcores, with operators that take time for
 * each row, under a load that steps up and down, or swings. Within three seconds of a step the
 * number of lcores is right and stays so; it never goes there and back; no row is lost between
 * source and sink. In some runs the operator that works gets other slices meanwhile: then the
 * number is right after the next step. In half of the runs it begins with one slice, and the policy
 * changes their number: that is right as soon, and does not go there and back either. And: of five
 * operators in a row one is slow, and is named within a second and a half.
 */

#include "tests/sim/elastic_sim.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/env.h"
#include "mgmt/bottleneck.h"
#include "mgmt/carry.h"
#include "mgmt/elastic.h"
#include "mgmt/policy_pack.h"
#include "tests/sim/classes_cost.h"
#include "tests/sim/sim.h"

#define LCORES 16u
#define SETTLED_S 3.0
#define PHASE_S 5.0
#define PHASES 3u
#define SWING_S 10.0
#define SWINGS 2u
#define TICK_NS 10000000
#define HAND_NS INT64_C(1000000000)
#define HAND_END_NS (9 * HAND_NS)
/* The graph changes in the second phase. */
#define RESCALE_NS INT64_C(5000000000)
#define RESCALE_MORE_NS INT64_C(1000000000)
#define SLICES_MIN 40u
#define SLICES_MORE 24u
#define SLICES_MAX (SLICES_MIN + SLICES_MORE)
#define WORK 1u /* the operator that works */
#define SOURCE_NS 100u
#define SINK_NS 50u
/* A number of lcores is right if it has between these on each, on average; so is one of slices. */
#define RIGHT_MOST 0.88
#define RIGHT_LEAST 0.5
#define SCALED_MOST 24u

/* A number that may not go there and back. */
struct steady {
	uint32_t now;
	int direction; /* of the last change in this phase; 0: there was none */
	uint32_t reversals;
};

/* A job under test. */
struct trial {
	struct elastic elastic;
	struct carry carry; /* of what the policy wants changed of the graph */
	bool scales;        /* it changes the number of slices */
	uint64_t actions;
	uint32_t slices;  /* that work */
	uint64_t work_ns; /* per row */
	bool swings;
	double lcores[PHASES]; /* load of each phase; of a swing: the middle, and how far */
	uint32_t phase;
	double begin_s; /* of the phase */
	struct steady lcores_used, slices_used;
	uint32_t hand;      /* a slice that is moved by hand; LM_NONE: none is */
	int64_t rescale_ns; /* when the graph is to change; 0: it does not */
	bool was_rescaled;
	bool is_wrong;
};

/* In lcores, all operators together. */
static double
load_at(const struct trial *trial, double seconds)
{
	uint32_t phase = (uint32_t)(seconds / PHASE_S);

	if (trial->swings) {
		return trial->lcores[0] +
		       trial->lcores[1] * sin(2 * M_PI * seconds / SWING_S - M_PI / 2);
	}
	return trial->lcores[phase < PHASES ? phase : PHASES - 1];
}

static double
rows_at(double seconds, void *arg)
{
	const struct trial *trial = arg;
	double row_s = (double)(trial->work_ns + SOURCE_NS + SINK_NS) / 1e9;

	return load_at(trial, seconds) / row_s;
}

static bool
add(struct lm_topology *topology, const char *name, const char *type, uint32_t slices, uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, ns);
	return lm_topology_operator(topology, name, type) == 0 &&
	       lm_topology_slices(topology, name, slices) == 0 &&
	       lm_topology_param(topology, name, "ns", text) == 0;
}

static bool
wire(struct lm_topology *topology, const char *from, const char *to)
{
	struct lm_wire wire = {
		.from = from, .to = to, .grouping = LM_GROUP_ROUND_ROBIN, .credit = 16
	};

	return lm_topology_wire(topology, &wire) == 0;
}

static struct lm_topology *
new_topology(void)
{
	struct lm_topology *topology = lm_topology_create("elastic");
	struct lm_settings *settings = lm_topology_settings(topology);

	settings->batch_rows = 32;
	settings->seed = 1 + sim_below(1000);
	settings->epoch_ns = 500000000;
	settings->fuse = false;
	return topology;
}

static void
complain(struct trial *trial, double seconds, const char *what)
{
	if (!trial->is_wrong) {
		fprintf(stderr, "%s, %s at %.2f s: %u lcores, %u slices, the load is %.2f; %s\n",
		        policy_name(trial->elastic.rules.policy), what, seconds,
		        trial->lcores_used.now, trial->elastic.slices[WORK],
		        load_at(trial, seconds), trial->elastic.plan.why);
	}
	trial->is_wrong = true;
}

static void
note_phase(struct trial *trial, double seconds)
{
	double phase_s = trial->swings ? SWING_S / 2 : PHASE_S;
	uint32_t phase = (uint32_t)(seconds / phase_s);

	if (phase != trial->phase) {
		trial->phase = phase;
		trial->begin_s = phase * phase_s;
		trial->lcores_used.direction = trial->slices_used.direction = 0;
		trial->lcores_used.reversals = trial->slices_used.reversals = 0;
	}
}

/* The graph has changed in this phase: other slices start on the first lcore. */
static bool
is_upset(const struct trial *trial, double seconds)
{
	return trial->was_rescaled && seconds < 2 * PHASE_S;
}

/* Whether a number goes there and back. The load of a swing turns at the ends of its halves, and
 * the numbers a little later. */
static bool
is_unsteady(const struct trial *trial, struct steady *steady, uint32_t now)
{
	if (now != steady->now) {
		int direction = now > steady->now ? 1 : -1;

		steady->reversals += steady->direction != 0 && direction != steady->direction;
		steady->direction = direction;
		steady->now = now;
	}
	return steady->reversals > (trial->swings ? 1u : 0u);
}

static bool
is_right(double load, uint32_t number)
{
	return number >= load / RIGHT_MOST && number <= load / RIGHT_LEAST + 1;
}

/* Numbers may not go there and back, and have to be right in time. */
static void
check_numbers(struct trial *trial, double seconds)
{
	uint32_t used = pack_used(&trial->elastic.reader.load);
	uint32_t slices = trial->elastic.slices[WORK];
	double load = load_at(trial, seconds);
	double work =
	    load * (double)trial->work_ns / (double)(trial->work_ns + SOURCE_NS + SINK_NS);

	note_phase(trial, seconds);
	if (is_upset(trial, seconds)) {
		trial->lcores_used.now = used;
		return;
	}
	if (is_unsteady(trial, &trial->lcores_used, used)) {
		complain(trial, seconds, "lcores went there and back");
	}
	if (trial->scales && is_unsteady(trial, &trial->slices_used, slices)) {
		complain(trial, seconds, "slices went there and back");
	}
	if (trial->swings || seconds - trial->begin_s < SETTLED_S) {
		return;
	}
	if (!is_right(load, used)) {
		complain(trial, seconds, "not the right number of lcores");
	}
	if (trial->scales && !is_right(work, slices)) {
		complain(trial, seconds, "not the right number of slices");
	}
}

/* What the policy wants changed of the graph is carried out as an action of a job is. */
static void
carry_out(struct trial *trial, int64_t now_ns)
{
	struct manager_report report;
	struct action_ask ask;

	if (trial->carry.action.id == 0 && elastic_take(&trial->elastic, &ask)) {
		carry_begin(
		    &trial->carry,
		    &(struct action){ .id = ++trial->actions, .kind = ask.kind, .args = ask.args });
	}
	if (trial->carry.action.id != 0) {
		trial->carry.places = elastic_places(&trial->elastic);
	}
	while (carry_step(&trial->carry, &report)) {
		if (report.has_failed) {
			complain(trial, (double)now_ns / 1e9, report.reason);
		}
		elastic_told(&trial->elastic, !report.has_failed, report.reason, now_ns);
	}
}

/* Somebody moves a slice: it stays there, whatever comes, until it is given back. */
static void
move_by_hand(struct trial *trial, struct lm_engine *engine, int64_t now_ns)
{
	bool is_there = lm_engine_slice_worker(engine, trial->hand) == LCORES - 1;

	if (now_ns == HAND_NS) {
		engine_migrate(engine, trial->hand, LCORES - 1);
	} else if (now_ns > HAND_NS + HAND_NS / 2 && now_ns < HAND_END_NS && !is_there) {
		complain(trial, (double)now_ns / 1e9, "a slice did not stay where it was put");
	} else if (now_ns == HAND_END_NS) {
		if (trial->elastic.view.by_hand != 1) {
			complain(trial, (double)now_ns / 1e9, "it is not known as moved by hand");
		}
		elastic_freeze(&trial->elastic, false);
	}
}

/* The operator that works gets other slices, often while a plan is being carried out. */
static void
rescale(struct trial *trial, struct lm_engine *engine, int64_t now_ns)
{
	struct lm_errors errors = { 0 };
	const uint16_t first[SLICES_MAX] = { 0 };
	uint32_t slices = SLICES_MIN + (uint32_t)sim_below(SLICES_MORE);

	slices += slices == trial->slices ? 1 : 0;
	trial->was_rescaled = true;
	if (engine_rescale(engine, WORK, slices, first, &errors) == 0) {
		complain(trial, (double)now_ns / 1e9, "its slices cannot be others");
	}
	lm_errors_free(&errors);
}

/* When a look is due, and moves, if a plan comes to be carried out in time. */
static bool
is_to_rescale(const struct trial *trial, int64_t now_ns)
{
	const struct elastic *elastic = &trial->elastic;
	bool has_moves = elastic->is_under_way && elastic->next_move < elastic->plan.move_count;

	return trial->rescale_ns != 0 && !trial->was_rescaled && now_ns >= trial->rescale_ns &&
	       now_ns >= elastic->due_ns &&
	       (has_moves || now_ns >= trial->rescale_ns + RESCALE_MORE_NS);
}

/* No more once something is wrong. */
static bool
trial_tick(struct lm_engine *engine, void *arg)
{
	struct trial *trial = arg;
	uint64_t moves;

	if (trial->hand != LM_NONE) {
		move_by_hand(trial, engine, env_now_ns());
	}
	if (is_to_rescale(trial, env_now_ns())) {
		rescale(trial, engine, env_now_ns());
	}
	carry_out(trial, env_now_ns());
	moves = trial->elastic.view.move_count;
	elastic_tick(&trial->elastic, env_now_ns(), 0);
	if (engine->change != NULL && trial->elastic.view.move_count != moves) {
		complain(trial, (double)env_now_ns() / 1e9, "moves while the graph changes");
	}
	/* What is put somewhere by hand may be in the way of all others. */
	if (trial->hand == LM_NONE && !trial->elastic.is_under_way &&
	    trial->elastic.reader.load.seconds > 0) {
		check_numbers(trial, (double)env_now_ns() / 1e9);
	}
	return !trial->is_wrong;
}

static void
trial_draw(struct trial *trial, struct lm_elastic *rules)
{
	static const double phases[][PHASES] = {
		{ 0.4, 8.5, 2.2 }, { 3.0, 10.2, 0.3 }, { 0.2, 1.2, 6.1 }, { 9.0, 0.5, 10.5 }
	};
	uint32_t kind = (uint32_t)sim_below(5);

	trial->scales = sim_below(2) == 0;
	trial->slices = trial->scales ? 1 : SLICES_MIN + (uint32_t)sim_below(SLICES_MORE);
	trial->work_ns = 3000 + sim_below(3000);
	trial->swings = kind == 4;
	for (uint32_t i = 0; i < PHASES && !trial->swings; i++) {
		trial->lcores[i] = phases[kind][i] * (0.9 + (double)sim_below(150) / 1000);
	}
	if (trial->swings) {
		trial->lcores[0] = 5.5;
		trial->lcores[1] = 5.0;
	}
	trial->lcores_used.now = trial->slices_used.now = 1;
	trial->hand = !trial->scales && !trial->swings && sim_below(4) == 0 ? 3 : LM_NONE;
	if (!trial->scales && !trial->swings && trial->hand == LM_NONE && sim_below(3) == 0) {
		trial->rescale_ns = RESCALE_NS + (int64_t)sim_below(RESCALE_MORE_NS / 2);
	}
	rules->policy = sim_below(2) == 0 ? LM_ELASTIC_THRESHOLD : LM_ELASTIC_MODEL;
	rules->moves = 12 + (uint32_t)sim_below(5);
}

/* What was sent has arrived, once; and the load was met but for the time that it takes to see it.
 */
static bool
check_rows(const struct trial *trial)
{
	struct sim_offered offered = sim_offered();
	double dropped = (double)offered.dropped / (double)offered.due;
	bool sees_all = trial->elastic.rules.policy == LM_ELASTIC_MODEL;

	if (offered.done != offered.sent || offered.done_sum != offered.sent_sum) {
		fprintf(stderr, "%" PRIu64 " rows were sent, %" PRIu64 " arrived\n", offered.sent,
		        offered.done);
		return false;
	}
	/* Threshold takes several changes, and while lcores are full rows are dropped. */
	if (trial->hand == LM_NONE && dropped > (sees_all ? 0.1 : 0.3)) {
		fprintf(stderr, "%.3f of the rows were dropped: lcores came too late\n", dropped);
		return false;
	}
	return true;
}

static void
place_on_first(struct lm_placement *placement, uint32_t slices, uint32_t lcores)
{
	*placement = (struct lm_placement){ .worker_count = lcores };
	for (uint32_t i = 0; i < lcores; i++) {
		placement->worker[i].lcore = i;
	}
	placement->worker_of = calloc(slices + 1, sizeof(*placement->worker_of));
}

static bool
trial_run(struct trial *trial, const struct lm_elastic *rules, struct lm_graph *graph,
          struct lm_errors *errors)
{
	double seconds = trial->swings ? SWINGS * SWING_S : PHASES * PHASE_S;
	struct sim_timed timed = { .until_ns = (int64_t)(seconds * 1e9),
		                   .tick_ns = TICK_NS,
		                   .tick = trial_tick,
		                   .arg = trial };
	struct lm_placement placement;
	struct lm_engine *engine;
	bool good;

	place_on_first(&placement, graph->slice_count, LCORES);
	engine = lm_engine_create(graph, &placement, errors);
	trial->carry = (struct carry){ .engine = engine };
	good = engine != NULL && elastic_open(&trial->elastic, engine, rules) == 0;
	if (good && !sim_run_timed(engine, &timed)) {
		fprintf(stderr, "it did not come to its end\n");
		good = false;
	}
	if (good && trial->was_rescaled &&
	    (engine->generation != 1 || trial->elastic.reader.slice_count != engine->slice_count)) {
		complain(trial, seconds, "the graph did not change, or not for elasticity");
	}
	good = good && lm_engine_audit(engine, errors) && check_rows(trial);
	elastic_close(&trial->elastic);
	carry_end(&trial->carry);
	lm_engine_free(engine);
	free(placement.worker_of);
	return good && !trial->is_wrong;
}

static void
print_errors(struct lm_errors *errors)
{
	for (uint32_t i = 0; i < errors->count; i++) {
		fprintf(stderr, "%s\n", errors->error[i].message);
	}
	lm_errors_free(errors);
}

bool
sim_elastic_run(uint64_t seed)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	struct lm_errors errors = { 0 };
	struct lm_topology *topology;
	struct lm_graph *graph;
	struct lm_elastic rules;
	bool good;

	sim_reset(seed);
	topology = new_topology();
	rules = *lm_topology_elastic(topology);
	trial_draw(trial, &rules);
	sim_offer_load(rows_at, trial);
	good =
	    add(topology, "in", "sim_offer", 2, SOURCE_NS) &&
	    add(topology, "work", "sim_work", trial->slices, trial->work_ns) &&
	    (!trial->scales || lm_topology_slices_between(topology, "work", 1, SCALED_MOST) == 0) &&
	    add(topology, "out", "sim_done", 2, SINK_NS) && wire(topology, "in", "work") &&
	    wire(topology, "work", "out");
	graph = good ? lm_graph_check(topology, &errors) : NULL;
	good = graph != NULL && trial_run(trial, &rules, graph, &errors);
	print_errors(&errors);
	lm_graph_free(graph);
	lm_topology_free(topology);
	free(trial);
	return good;
}

/* Five operators in a row, of which one becomes slow at some moment. */
#define CHAIN 5u
#define CHAIN_NS 200u
#define CHAIN_SLOW_NS 4000u
#define CHAIN_RATE 400000.0
#define CHAIN_WINDOW_NS INT64_C(500000000)
#define CHAIN_NAMED_NS INT64_C(1500000000)

struct watched {
	struct bottleneck bottleneck;
	struct sample now, before;
	uint32_t slow; /* operator */
	int64_t from_ns, named_ns, due_ns;
	uint32_t wrong; /* another one that was named; LM_NONE */
};

static double
chain_rate(double seconds, void *arg)
{
	(void)seconds;
	(void)arg;
	return CHAIN_RATE;
}

static bool
chain_tick(struct lm_engine *engine, void *arg)
{
	struct watched *watched = arg;
	int64_t now_ns = env_now_ns();
	bool has_before = watched->due_ns > 0;
	uint32_t named;

	if (now_ns < watched->due_ns) {
		return true;
	}
	watched->due_ns += CHAIN_WINDOW_NS;
	sample_swap(&watched->now, &watched->before);
	sample_read(&watched->now, engine, &watched->before, now_ns, NULL, 0);
	named = !has_before
	            ? LM_NONE
	            : bottleneck_window(&watched->bottleneck, &watched->now, &watched->before);
	if (named == watched->slow && now_ns >= watched->from_ns && watched->named_ns == 0) {
		watched->named_ns = now_ns;
	} else if (named != LM_NONE && named != watched->slow) {
		watched->wrong = named;
	}
	return true;
}

static bool
chain_watch(struct watched *watched, struct lm_engine *engine, const struct lm_placement *placement)
{
	struct sample_wire wires[CHAIN - 1] = { { .from = 0 } };
	struct sample_about about = {
		.placement = placement, .wires = wires, .wire_count = CHAIN - 1, .batch_rows = 32
	};
	struct sim_timed timed = { .until_ns = watched->from_ns + 2 * CHAIN_NAMED_NS,
		                   .tick_ns = TICK_NS,
		                   .tick = chain_tick,
		                   .arg = watched };
	bool good;

	for (uint32_t i = 0; i < CHAIN - 1; i++) {
		wires[i].from = i;
		wires[i].to = i + 1;
	}
	good = sample_init(&watched->now, engine, &about) == 0 &&
	       sample_init(&watched->before, engine, &about) == 0 &&
	       bottleneck_init(&watched->bottleneck, &watched->now.shape) == 0 &&
	       sim_run_timed(engine, &timed);
	if (good && watched->wrong != LM_NONE) {
		fprintf(stderr, "operator %u is slow, %u was named\n", watched->slow,
		        watched->wrong);
		good = false;
	}
	if (good &&
	    (watched->named_ns == 0 || watched->named_ns - watched->from_ns > CHAIN_NAMED_NS)) {
		fprintf(stderr, "operator %u is slow from %.3f s on, it was named at %.3f s\n",
		        watched->slow, (double)watched->from_ns / 1e9,
		        (double)watched->named_ns / 1e9);
		good = false;
	}
	bottleneck_free(&watched->bottleneck);
	sample_free(&watched->now);
	sample_free(&watched->before);
	return good;
}

/* op0 to op4; the slow one is so from a moment on. */
static bool
chain_declare(struct lm_topology *topology, const struct watched *watched)
{
	char name[8], before[8], text[32];
	bool good = true;

	for (uint32_t i = 0; i < CHAIN && good; i++) {
		snprintf(name, sizeof(name), "op%u", i);
		good = add(topology, name,
		           i == 0           ? "sim_offer"
		           : i == CHAIN - 1 ? "sim_done"
		                            : "sim_work",
		           1, CHAIN_NS);
		snprintf(before, sizeof(before), "op%u", i - 1);
		good = good && (i == 0 || wire(topology, before, name));
	}
	snprintf(name, sizeof(name), "op%u", watched->slow);
	snprintf(text, sizeof(text), "%u", CHAIN_SLOW_NS);
	good = good && lm_topology_param(topology, name, "slow_ns", text) == 0;
	snprintf(text, sizeof(text), "%" PRId64, watched->from_ns);
	return good && lm_topology_param(topology, name, "slow_from", text) == 0;
}

/* Each position in turn, on lcores of their own or shared. */
bool
sim_bottleneck_run(uint64_t seed)
{
	struct watched *watched = calloc(1, sizeof(*watched));
	struct lm_errors errors = { 0 };
	struct lm_placement placement;
	struct lm_engine *engine = NULL;
	struct lm_topology *topology;
	struct lm_graph *graph;
	uint32_t lcores;
	bool good;

	sim_reset(seed);
	topology = new_topology();
	lcores = 1 + (uint32_t)sim_below(CHAIN);
	watched->slow = (uint32_t)(seed % CHAIN);
	watched->wrong = LM_NONE;
	watched->from_ns = 1200000000 + (int64_t)sim_below(1000000000);
	sim_offer_load(chain_rate, NULL);
	good = chain_declare(topology, watched);
	graph = good ? lm_graph_check(topology, &errors) : NULL;
	place_on_first(&placement, CHAIN, lcores);
	for (uint32_t i = 0; i < CHAIN; i++) {
		placement.worker_of[i] = (uint16_t)(i % lcores);
	}
	engine = graph == NULL ? NULL : lm_engine_create(graph, &placement, &errors);
	good = engine != NULL && chain_watch(watched, engine, &placement);
	print_errors(&errors);
	lm_engine_free(engine);
	free(placement.worker_of);
	lm_graph_free(graph);
	lm_topology_free(topology);
	free(watched);
	return good;
}
