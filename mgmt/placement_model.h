/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLACEMENT_MODEL_H
#define PLACEMENT_MODEL_H

/*
 * What a placement costs. Slices that must go together form a cluster; the cost of a cluster on a
 * worker is the work it adds there, the way its rows travel to and from the slices already placed,
 * and a fine for heaping up slices of one stage.
 */

#include "mgmt/placement.h"

#define MODEL_UNPLACED UINT32_MAX

struct model_wire {
	uint32_t from, to; /* operators */
	enum lm_grouping grouping;
	double rate; /* rows, in units of what a source slice sends */
	bool paired; /* forward between equal counts: slice i talks to slice i */
};

struct model_cluster {
	uint32_t first;  /* slice; the others by model.next */
	uint32_t pin;    /* worker, or MODEL_UNPLACED */
	uint32_t worker; /* where it is now */
	uint32_t component;
	double load;
};

struct model {
	const struct placement_request *request;
	const struct lm_graph *graph;
	uint32_t workers;
	double distance[LM_WORKERS_MAX][LM_WORKERS_MAX]; /* a row's way, in units of its work */
	double couple[LM_WORKERS_MAX][LM_WORKERS_MAX];   /* how much two workers slow each other */
	uint32_t node[LM_WORKERS_MAX];                   /* index among the machine's nodes */
	double load[LM_WORKERS_MAX];                     /* placed so far */
	struct model_wire *wire;
	uint32_t wire_count;
	uint32_t **wires_of; /* [operator]: indices of its wires, ended by MODEL_UNPLACED */
	uint32_t *wires_room;
	uint32_t *operator_of; /* [slice] */
	double *slice_load;
	double *rate;    /* [operator]: rows sent */
	uint16_t *count; /* [operator * workers + worker]: slices of it placed there */
	struct model_cluster *cluster;
	uint32_t cluster_count;
	uint32_t *cluster_of; /* [slice] */
	uint32_t *next;       /* [slice]: the next one in its cluster, or MODEL_UNPLACED */
	double unit;          /* the load that counts as one: the fair share of a worker */
};

/* Builds it with everything unplaced. Returns NULL without memory. */
struct model *model_create(const struct placement_request *request, const uint32_t *pin);
void model_free(struct model *model);
/* Takes every cluster away again. */
void model_reset(struct model *model);

/* The cost of putting an unplaced cluster on each worker. */
void model_costs(const struct model *model, uint32_t cluster, double cost[LM_WORKERS_MAX]);
void model_place(struct model *model, uint32_t cluster, uint32_t worker);
void model_remove(struct model *model, uint32_t cluster);
/* The worker a slice is on, or MODEL_UNPLACED. */
uint32_t model_worker(const struct model *model, uint32_t slice);
/* Rows between two slices over one wire. */
double model_traffic(const struct model *model, const struct model_wire *wire, uint32_t from_index,
                     uint32_t to_index);

#endif
