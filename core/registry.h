/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REGISTRY_H
#define REGISTRY_H

/*
 * Operator classes by name: the built-in ones, which register themselves before main
 * (REGISTER_CLASS), and groupings likewise. Those of plugins are the plugin's (core/plugin.h): a
 * topology looks there first. Control threads only.
 */

#include "core/graph.h"
#include "core/lm_op.h"

/* 0, -EEXIST (the name is taken), -EINVAL (the table is not well formed; `why` says how), -E2BIG.
 * The table must be of this engine's minor. */
int registry_add(const struct lm_op_class *class, const char **why);
const struct lm_op_class *registry_find(const char *name);
const struct lm_op_class *registry_at(uint32_t index); /* NULL past the last; in order of name */
/* The registered name that is nearest to `name`, or NULL when none is near. */
const char *registry_nearest(const char *name);
/* Forgets a class; nothing may use it any more. One that is not there is fine. */
void registry_remove(const struct lm_op_class *class);

/* Whether a table is well formed: 0, or -EINVAL and why. Good until the next call. */
int registry_check(const struct lm_op_class *class, const char **why);
/* A table that was checked, as long as this engine's: itself, or in `room`, where its minor is an
 * older one. */
const struct lm_op_class *registry_at_length(const struct lm_op_class *class,
                                             struct lm_op_class *room);

/* Functions of `using NAME`; as above. */
int registry_check_grouping(const struct lm_grouping_function *grouping, const char **why);
int registry_add_grouping(const struct lm_grouping_function *grouping, const char **why);
graph_custom_fn *registry_find_grouping(const char *name);
const char *registry_nearest_grouping(const char *name);
void registry_remove_grouping(const struct lm_grouping_function *grouping);

#endif
