/* SPDX-License-Identifier: BSD-3-Clause */
/* Operators that take time in the simulator. */
#include "tests/sim/classes_cost.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/lm_op.h"
#include "core/registry.h"
#include "tests/sim/sim.h"

/* Rows that a slice of the source keeps while it cannot send them; more are dropped. */
#define OFFER_KEEP 4096u
/* The load is looked at in pieces of so much. */
#define OFFER_PIECE_NS 20000

struct cost_config {
	uint64_t ns; /* per row */
	uint64_t slow_ns;
	uint64_t slow_from_ns; /* from then on */
};

struct offer {
	double due; /* rows that should have been sent so far */
	int64_t until_ns;
	uint64_t taken; /* of them: sent or dropped */
};

static struct {
	sim_load_fn *load;
	void *arg;
	struct sim_offered offered;
	uint64_t next; /* number of a row */
} cost;

void
sim_offer_load(sim_load_fn *load, void *arg)
{
	cost.load = load;
	cost.arg = arg;
	cost.offered = (struct sim_offered){ 0 };
	cost.next = 0;
}

struct sim_offered
sim_offered(void)
{
	return cost.offered;
}

static int
cost_configure(struct lm_setup *setup, void *context)
{
	struct cost_config *config = context;

	config->ns = lm_setup_u64(setup, "ns");
	config->slow_ns = lm_setup_u64(setup, "slow_ns");
	config->slow_from_ns = lm_setup_u64(setup, "slow_from");
	return 0;
}

static int
offer_configure(struct lm_setup *setup, void *context)
{
	static const struct lm_field fields[] = { { .name = "number", .type = LM_U64 } };

	return cost_configure(setup, context) != 0 ? -1 : lm_setup_output(setup, 0, fields, 1);
}

static int
work_configure(struct lm_setup *setup, void *context)
{
	return cost_configure(setup, context) != 0
	           ? -1
	           : lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static void
spend(struct lm_op *op, uint64_t rows)
{
	const struct cost_config *config = lm_op_config(op);
	bool is_slow = config->slow_ns != 0 && (uint64_t)lm_op_now_ns(op) >= config->slow_from_ns;

	sim_spend((int64_t)(rows * (is_slow ? config->slow_ns : config->ns)));
}

static int
offer_open(struct lm_op *op)
{
	lm_op_gauge(op, 0, "offered", 0);
	return 0;
}

/* What is due by now; what cannot be kept any more is dropped. */
static void
offer_catch_up(struct lm_op *op, struct offer *offer)
{
	int64_t now_ns = lm_op_now_ns(op);
	uint64_t before = (uint64_t)offer->due, due;

	while (offer->until_ns + OFFER_PIECE_NS <= now_ns) {
		offer->due += cost.load((double)offer->until_ns / 1e9, cost.arg) *
		              (OFFER_PIECE_NS / 1e9) / lm_op_slices(op);
		offer->until_ns += OFFER_PIECE_NS;
	}
	due = (uint64_t)offer->due;
	cost.offered.due += due - before;
	if (due - offer->taken > OFFER_KEEP) {
		cost.offered.dropped += due - offer->taken - OFFER_KEEP;
		offer->taken = due - OFFER_KEEP;
	}
	lm_op_gauge(op, 0, "offered", due);
}

static enum lm_poll
offer_poll(struct lm_op *op)
{
	struct offer *offer = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity, count, first;
	struct lm_batch *out;
	uint64_t left;

	offer_catch_up(op, offer);
	left = (uint64_t)offer->due - offer->taken;
	if (left == 0) {
		return LM_POLL_IDLE;
	}
	count = left < capacity ? (uint32_t)left : capacity;
	out = lm_op_reserve(op, 0, count, &first);
	for (uint32_t i = 0; i < count; i++) {
		lm_batch_u64(out, 0)[first + i] = cost.next;
		cost.offered.sent_sum += cost.next++;
	}
	offer->taken += count;
	cost.offered.sent += count;
	spend(op, count);
	lm_op_emit(op, 0, count);
	return LM_POLL_BUSY;
}

static void
work_process(struct lm_op *op, const struct lm_batch *in)
{
	spend(op, in->count);
	lm_op_forward(op, in);
}

static void
done_process(struct lm_op *op, const struct lm_batch *in)
{
	spend(op, in->count);
	for (uint32_t i = 0; i < in->count; i++) {
		cost.offered.done_sum += lm_batch_u64(in, 0)[i];
	}
	cost.offered.done += in->count;
	lm_op_absorb(op, in->count);
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const struct lm_param cost_params[] = {
	{ "ns", LM_PARAM_U64, true, NULL, 0, 0, NULL, "time that a row takes" },
	{ "slow_ns", LM_PARAM_U64, false, "0", 0, 0, NULL, "the same, later; 0: as before" },
	{ "slow_from", LM_PARAM_U64, false, "0", 0, 0, NULL, "when that is, in ns" },
	{ 0 },
};
static const struct lm_op_class offer_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "sim_offer",
	.version = "1.0",
	.summary = "rows at a rate that changes",
	.params = cost_params,
	.outputs = port_out,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(struct cost_config),
	.context_size = sizeof(struct offer),
	.configure = offer_configure,
	.open = offer_open,
	.poll = offer_poll,
};
static const struct lm_op_class work_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "sim_work",
	.version = "1.0",
	.summary = "passes rows on, each after a time",
	.params = cost_params,
	.inputs = port_in,
	.outputs = port_out,
	.flags = LM_OP_RESCALES,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct cost_config),
	.configure = work_configure,
	.process = work_process,
};
static const struct lm_op_class done_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "sim_done",
	.version = "1.0",
	.flags = LM_OP_SINK,
	.summary = "takes rows, each for a time",
	.params = cost_params,
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct cost_config),
	.configure = cost_configure,
	.process = done_process,
};

void
sim_cost_register(void)
{
	static const struct lm_op_class *const classes[] = { &offer_class, &work_class,
		                                             &done_class };
	const char *why = "";

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (registry_add(classes[i], &why) != 0) {
			fprintf(stderr, "%s: %s\n", classes[i]->name, why);
			abort();
		}
	}
}
