/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_H
#define LOAD_H

/*
 * Load: a picture of what lcores and slices did in one interval, as plain data, and what follows
 * from it: what each slice would do if the sources could send what they want. This is all that a
 * policy (mgmt/policy.h) knows. mgmt/load_read.h takes one of a running engine.
 *
 * What is moved is a slice that has turns, with those it calls directly: `busy` is of all of them.
 */

#include "core/lm_engine.h"

struct load_slice {
	uint32_t slice; /* its number in the graph */
	uint32_t op;
	uint32_t worker;
	bool is_fixed; /* stays where it is: pinned by the topology, or moved by hand */
	bool is_source;
	double busy; /* share of an lcore, 0 to 1 */
	double rows; /* per second: that it took; that a source sent */
	/* Sources: rows per second that it would send if it could; else as `rows`. */
	double offered;
	double blocked; /* share of its lcore's turns in which it found no room downstream */
	/* Rows per second while it is busy, over several pictures; 0: unknown. */
	double true_rate;
};

struct load_worker {
	uint32_t lcore;
	int node;
	double busy; /* share of the time, 0 to 1 */
};

struct load_operator {
	const char *name;
	double rows_in, rows_out; /* per second, all slices */
	double factor;            /* wanted by present load: see load_spread */
	uint32_t slices;
	uint32_t slices_least, slices_most; /* that it may have; most 0: its number stays */
	bool has_slots;                     /* that can go from slice to slice */
};

struct load_wire {
	uint32_t from, to; /* operators */
	bool is_feedback;
};

struct load {
	double seconds; /* the picture's; 0: nothing is known yet */
	int64_t now_ns; /* its end */
	struct load_slice *slice;
	uint32_t slice_count;
	struct load_worker worker[LM_WORKERS_MAX];
	uint32_t worker_count;
	/* A worker with slices has made no turn: others had its CPU, or a callback is long. What it
	 * would have done is not known. */
	bool has_stalled;
	struct load_operator *op;
	uint32_t op_count;
	struct load_wire *wire;
	uint32_t wire_count;
};

/* 0 or -ENOMEM. */
int load_init(struct load *load, uint32_t slices, uint32_t operators, uint32_t wires);
void load_free(struct load *load); /* a zeroed one is fine */

/*
 * The factor of every operator: by how much its load grows if the sources send what they offer. A
 * source's is what it offers by what it sends, and more rows in mean more rows out in proportion
 * (V. Kalavri et al., Three steps is all you need, OSDI 2018).
 */
void load_spread(struct load *load);
/* Share of an lcore that a slice takes at the rate the sources want: wanted rows by the rate at
 * which it processes while it is busy. 1.5: it needs to be one and a half. */
double load_demand(const struct load *load, const struct load_slice *slice);

#endif
