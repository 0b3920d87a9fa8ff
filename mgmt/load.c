/* SPDX-License-Identifier: BSD-3-Clause */
/* What follows from a picture of the load: how much more each slice would have to do. */
#include "mgmt/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One interval says nothing about a load that is so much larger, or smaller. */
#define FACTOR_MAX 1000.0
#define FACTOR_MIN 0.001
/* Less than this in an interval is rounding. */
#define ROWS_MIN 1e-9

int
load_init(struct load *load, uint32_t slices, uint32_t operators, uint32_t wires)
{
	memset(load, 0, sizeof(*load));
	load->slice = calloc(slices + 1, sizeof(*load->slice));
	load->op = calloc(operators + 1, sizeof(*load->op));
	load->wire = calloc(wires + 1, sizeof(*load->wire));
	load->op_count = operators;
	load->wire_count = wires;
	if (load->slice == NULL || load->op == NULL || load->wire == NULL) {
		load_free(load);
		return -ENOMEM;
	}
	return 0;
}

void
load_free(struct load *load)
{
	free(load->slice);
	free(load->op);
	free(load->wire);
	memset(load, 0, sizeof(*load));
}

static double
bounded(double factor)
{
	return factor > FACTOR_MAX ? FACTOR_MAX : factor < FACTOR_MIN ? FACTOR_MIN : factor;
}

/* Of the sources; 1 for all others. */
static void
spread_sources(struct load *load)
{
	for (uint32_t o = 0; o < load->op_count; o++) {
		double sent = 0, offered = 0;

		for (uint32_t i = 0; i < load->slice_count; i++) {
			if (load->slice[i].op == o && load->slice[i].is_source) {
				sent += load->slice[i].rows;
				offered += load->slice[i].offered;
			}
		}
		load->op[o].factor = sent > ROWS_MIN ? bounded(offered / sent) : 1;
	}
}

/* What comes in grows as what is sent there, each sender by its share. True: it changed. */
static bool
spread_to(struct load *load, uint32_t op)
{
	double sent = 0, wanted = 0, before = load->op[op].factor;

	for (uint32_t w = 0; w < load->wire_count; w++) {
		const struct load_wire *wire = &load->wire[w];

		if (wire->to == op && !wire->is_feedback) {
			sent += load->op[wire->from].rows_out;
			wanted += load->op[wire->from].rows_out * load->op[wire->from].factor;
		}
	}
	if (sent > ROWS_MIN) {
		load->op[op].factor = bounded(wanted / sent);
	}
	return load->op[op].factor != before;
}

void
load_spread(struct load *load)
{
	bool changed = true;

	spread_sources(load);
	/* Enough rounds for the longest way; an end where a cycle was not declared. */
	for (uint32_t round = 0; round < load->op_count && changed; round++) {
		changed = false;
		for (uint32_t o = 0; o < load->op_count; o++) {
			changed = spread_to(load, o) || changed;
		}
	}
}

double
load_demand(const struct load *load, const struct load_slice *slice)
{
	double wanted =
	    slice->is_source ? slice->offered : slice->rows * load->op[slice->op].factor;

	return slice->true_rate > 0 ? wanted / slice->true_rate : slice->busy;
}
