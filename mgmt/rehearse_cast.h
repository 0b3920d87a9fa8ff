/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REHEARSE_CAST_H
#define REHEARSE_CAST_H

/*
 * An engine for a rehearsal, which never runs: the operators that are meant are opened, all others
 * stand in their place and do nothing. What is begun is said on stdout.
 *
 *     cast.is_open[…], is_heir[…], from_version[…]
 *     cast_make(&cast, graph, slices)            false: said why, as all that follow
 *     cast_build(&cast, &origin, file)
 *     cast_take_over(&cast, op, &was, old)       an operator has the state of another cast's
 *     cast_check(&cast, op)
 *     cast_free(&cast)
 *
 * Threads: one.
 */

#include "core/engine.h"
#include "core/graph.h"

struct rehearse_cast {
	struct lm_graph *graph;         /* a view */
	bool is_open[LM_OPERATORS_MAX]; /* [operator] */
	/* Whether it goes on where an operator of another cast was, and that one's state_version.
	 */
	bool is_heir[LM_OPERATORS_MAX];
	uint32_t from_version[LM_OPERATORS_MAX];
	const struct lm_op_class *real[LM_OPERATORS_MAX];
	struct lm_op_class class[LM_OPERATORS_MAX]; /* what the graph has meanwhile */
	struct lm_engine *engine;
	struct rehearse_cast *next;

	/* What was tried: operators, slots, operators that looked at their state. */
	uint32_t opened, converted, checked;
	int64_t convert_ns, longest_ns; /* of all slots, of one */
};

/* A line on stdout. */
void cast_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* No more is said from here on: what was begun last is where it went wrong. */
void cast_hush(void);
/* The first error on stderr; none is fine. */
void cast_print_errors(const char *file, const struct lm_errors *errors);

/* Of a graph that stays, with so many slices of each operator. */
bool cast_make(struct rehearse_cast *cast, const struct lm_graph *graph, const uint32_t *slices,
               const char *file);
bool cast_build(struct rehearse_cast *cast, const struct engine_origin *origin, const char *file);
/*
 * Operator `op` takes over what operator `old` of the other cast has, slice by slice, of which both
 * have as many: as it is, or converted.
 */
bool cast_take_over(struct rehearse_cast *cast, uint32_t op, struct rehearse_cast *was,
                    uint32_t old);
/* Whether what is there makes sense to its class; one that cannot tell is content. */
bool cast_check(struct rehearse_cast *cast, uint32_t op);
/* A zeroed one is fine. */
void cast_free(struct rehearse_cast *cast);

#endif
