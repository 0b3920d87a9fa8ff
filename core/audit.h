/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef AUDIT_H
#define AUDIT_H

/*
 * Adding up while the engine runs: what lm_engine_audit demands at the end is demanded of wires and
 * edges that go in a change of the graph as well.
 */

#include "core/lm_engine.h"

struct lm_op;
struct edge;

/* The slice's lcore: what its outputs emitted was handed to their wires; stops the run if not. */
void audit_before_change(const struct lm_op *slice);
/* … and from here on to the new ones. */
void audit_behind_change(struct lm_op *slice);
/* Control, when it does not run any more: rows in, out and dropped add up. */
bool audit_slice(const struct lm_op *slice, struct lm_errors *errors);
/* Control, when both ends have left it: all that was sent was taken. */
bool audit_edge(const struct edge *edge, struct lm_errors *errors);

#endif
