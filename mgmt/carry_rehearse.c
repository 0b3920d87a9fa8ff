/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a topology is rehearsed, and the child process for it. */
#include <stdio.h>
#include <string.h>

#include "core/plugin.h"
#include "core/registry.h"
#include "core/topology.h"
#include "mgmt/carry_struct.h"

/* A rehearsal that takes longer has failed, whatever the action's deadline. */
#define REHEARSE_MAX_NS UINT64_C(60000000000)

static void
add_name(struct carry_change *change, const char *name)
{
	size_t length = strlen(change->operators);

	snprintf(change->operators + length, sizeof(change->operators) - length, "%s%s",
	         length == 0 ? "" : ",", name);
}

static bool
is_builtin(const char *type)
{
	return registry_find(type) != NULL;
}

bool
rehearsal_has_news(const struct lm_topology *topology, uint64_t *content)
{
	bool has = false;

	*content = 0;
	for (uint32_t i = 0; i < topology->plugin_count; i++) {
		uint64_t one;

		has |= !plugin_is_loaded(topology->plugin[i].text, &one);
		*content = *content * 31 + one;
	}
	return has;
}

void
rehearsal_name_plugins(struct carry_change *change)
{
	const struct lm_topology *topology = change->topology;

	change->operators[0] = '\0';
	for (uint32_t i = 0; i < topology->operator_count; i++) {
		if (topology->op[i].type != NULL && !is_builtin(topology->op[i].type)) {
			add_name(change, topology->op[i].name);
		}
	}
}

void
rehearsal_name_others(struct carry_change *change, const struct change_side *is,
                      const struct change_diff *diff, bool all)
{
	change->operators[0] = '\0';
	for (uint32_t i = 0; i < diff->count; i++) {
		const struct change_item *item = &diff->item[i];
		const struct graph_operator *op =
		    item->is == LM_NONE ? NULL : &is->graph->op[item->is];

		if ((item->kind == CHANGE_ADDED || item->kind == CHANGE_REPLACED) &&
		    (all || registry_find(op->class->name) != op->class)) {
			add_name(change, op->name);
		}
	}
}

/* Where the code is that runs, for the child. */
static void
name_copies(const struct carry *carry, char *list, size_t size)
{
	const struct lm_graph *graph = carry->engine->graph;
	size_t length = 0;

	list[0] = '\0';
	for (uint32_t i = 0; i < graph->plugin_count && length < size; i++) {
		char path[PLUGIN_COPY_PATH];

		plugin_copy_path(graph->plugin[i], path);
		length +=
		    (size_t)snprintf(list + length, size - length, "%s%s", i == 0 ? "" : ",", path);
	}
}

bool
rehearsal_begin(struct carry *carry, enum carry_stage stage, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	const struct action *action = &carry->action;
	uint64_t half_ns = (action->limit_ns - action_soaks_ns(&action->args)) / 2;
	char was[TOPOLOGY_PLUGINS_MAX * PLUGIN_COPY_PATH];
	struct rehearse_ask ask = { .file = action->args.file,
		                    .set = carry->set,
		                    .folder = carry->folder,
		                    .since = change->since,
		                    .open = change->operators,
		                    .was = was,
		                    .fresh = action->args.drop_state,
		                    .timeout_ns =
		                        half_ns < REHEARSE_MAX_NS ? half_ns : REHEARSE_MAX_NS };

	change->stage = stage;
	name_copies(carry, was, sizeof(was));
	if (rehearse_begin(&change->rehearse, &ask) != 0) {
		carry_fail(report, "%s", change->rehearse.text);
		return false;
	}
	return true;
}
