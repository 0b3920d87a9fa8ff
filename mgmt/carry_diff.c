/* SPDX-License-Identifier: BSD-3-Clause */
/* What a topology would change of a running job, and whether it may. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/carry_struct.h"

/* ---- what must stay ---- */

static bool
texts_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
states_equal(const struct lm_state *a, const struct lm_state *b)
{
	return texts_equal(a->folder, b->folder) && a->keep == b->keep && a->codec == b->codec &&
	       a->level == b->level && a->pace == b->pace && a->timeout_ns == b->timeout_ns &&
	       a->full_after == b->full_after && a->verify == b->verify;
}

/* With snapshots: as mgmt/durability.c wants it of the graph at the start. */
static bool
can_have_snapshots(const struct lm_graph *graph, struct manager_report *report)
{
	if (graph->settings.epoch_ns == 0) {
		carry_fail(report, "the job takes snapshots, one each epoch: settings.epoch cannot "
		                   "be 0");
		return false;
	}
	for (uint32_t i = 0; i < graph->wire_count; i++) {
		if (graph->wire[i].feedback) {
			carry_fail(report,
			           "the job takes snapshots: the wire from %s back to %s closes a "
			           "cycle, and rows on it are in no snapshot",
			           graph->op[graph->wire[i].from].name,
			           graph->op[graph->wire[i].to].name);
			return false;
		}
	}
	return true;
}

static bool
stays_the_job(const struct carry *carry, const struct change_side *was,
              const struct change_side *is, const struct change_diff *diff,
              struct manager_report *report)
{
	if (strcmp(was->graph->name, is->graph->name) != 0) {
		carry_fail(report, "topology was \"%s\", is \"%s\": the name of a job stays",
		           was->graph->name, is->graph->name);
		return false;
	}
	if (diff->settings_differ) {
		carry_fail(report, "%s", diff->why);
		return false;
	}
	if (!states_equal(&was->topology->state, &is->topology->state)) {
		carry_fail(report, "state cannot change while the job runs");
		return false;
	}
	if (memcmp(&was->topology->elastic, &is->topology->elastic,
	           sizeof(was->topology->elastic)) != 0) {
		carry_fail(report, "elastic cannot change while the job runs");
		return false;
	}
	return carry->snapshots == NULL || can_have_snapshots(is->graph, report);
}

/* ---- state ---- */

bool
diff_has_state(const struct carry *carry, uint32_t op)
{
	const struct graph_operator *of = &carry->engine->graph->op[op];

	if (of->class->serialize != NULL) {
		return true;
	}
	for (uint32_t i = 0; i < of->slices; i++) {
		if (carry->engine->slice[of->first_slice + i]->state.space != NULL) {
			return true;
		}
	}
	return false;
}

/*
 * Whether state goes on under other code, as it is or converted; else why not. Rows that a sink has
 * written since the last snapshot belong to the code that wrote them.
 */
static bool
state_goes_on(const struct change_item *item, const struct lm_op_class *was,
              const struct lm_op_class *is, char *why, size_t size)
{
	why[0] = '\0';
	if (!item->is_code) {
		return false;
	}
	if (was->prepare != NULL || is->prepare != NULL) {
		snprintf(why, size, "it commits what it has written with snapshots");
		return false;
	}
	if (item->other_columns && was->state_version == is->state_version) {
		snprintf(why, size, "its columns differ, and its state is of the same version, %u",
		         is->state_version);
		return false;
	}
	return state_versions_fit(was, is, why, size);
}

/*
 * One that takes the place of another has its counters if it is of the same class. Other code of
 * the same class has its state, too, if it can go on with it; else who has state must be
 * said to give it up.
 */
static bool
settle_heir(const struct carry *carry, const struct change_side *was, const struct change_side *is,
            struct change_item *item, struct change_diff *diff, struct manager_report *report)
{
	const struct graph_operator *old = &was->graph->op[item->was];
	const struct lm_op_class *class = is->graph->op[item->is].class;
	bool is_dropped = text_in_list(carry->action.args.drop_state, old->name);
	bool has = diff_has_state(carry, item->was);
	char why[160];

	if (has && !is_dropped && !state_goes_on(item, old->class, class, why, sizeof(why))) {
		carry_fail(report,
		           "operators.%s: %s%s%s: its state would be lost; with --drop-state %s it "
		           "begins with none",
		           old->name, item->why, why[0] == '\0' ? "" : "; ", why, old->name);
		return false;
	}
	item->with_state = has && !is_dropped;
	item->converts = item->with_state && old->class->state_version != class->state_version;
	item->from_version = old->class->state_version;
	item->to_version = class->state_version;
	if ((has && is_dropped) || (old->class != class && !item->is_code)) {
		diff->heir_of[item->is] = LM_NONE;
	}
	return true;
}

/* Who is named and keeps what it has was not meant. */
static bool
check_named(const struct carry *carry, const struct change_side *was,
            const struct change_diff *diff, struct manager_report *report)
{
	const char *list = carry->action.args.drop_state;

	while (*list != '\0') {
		size_t length = strcspn(list, ",");
		bool is_dropped = false;

		for (uint32_t i = 0; i < diff->count; i++) {
			const struct change_item *item = &diff->item[i];
			const char *name =
			    item->kind == CHANGE_REPLACED ? was->graph->op[item->was].name : "";

			is_dropped |= strlen(name) == length && memcmp(name, list, length) == 0;
		}
		if (!is_dropped) {
			carry_fail(report,
			           "--drop-state %.*s: no operator of that name is replaced",
			           (int)length, list);
			return false;
		}
		list += length + (list[length] == ',');
	}
	return true;
}

/*
 * What a sink that commits has written since the last snapshot is committed with the next one, in
 * which it has to be.
 */
static bool
keeps_committing(const struct change_side *was, const struct change_item *item,
                 struct manager_report *report)
{
	bool goes = item->kind == CHANGE_REMOVED || item->kind == CHANGE_REPLACED;

	if (!goes || (was->graph->op[item->was].traits & LM_TRAIT_COMMITS) == 0) {
		return true;
	}
	carry_fail(report,
	           "operators.%s: it commits what it writes with snapshots, and what it has "
	           "written since the last one would be lost: it cannot be %s while the job runs; "
	           "leave it as it is, or drain the job and begin with another state folder",
	           was->graph->op[item->was].name,
	           item->kind == CHANGE_REMOVED ? "removed" : "replaced");
	return false;
}

bool
diff_allows(const struct carry *carry, const struct change_side *was, const struct change_side *is,
            struct change_diff *diff, struct manager_report *report)
{
	if (!stays_the_job(carry, was, is, diff, report) ||
	    !check_named(carry, was, diff, report)) {
		return false;
	}
	for (uint32_t i = 0; i < diff->count; i++) {
		if (!keeps_committing(was, &diff->item[i], report)) {
			return false;
		}
		if (diff->item[i].kind == CHANGE_REPLACED &&
		    !settle_heir(carry, was, is, &diff->item[i], diff, report)) {
			return false;
		}
	}
	return true;
}

/* ---- for people ---- */

struct line {
	char *text;
	size_t length;
	uint32_t left_out;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *line, const char *format, ...)
{
	char one[300];
	va_list args;
	size_t size;

	va_start(args, format);
	vsnprintf(one, sizeof(one), format, args);
	va_end(args);
	size = strlen(one);
	/* Room for ", and N more" and the wires. */
	if (line->left_out > 0 || line->length + size + 96 > MANAGER_REASON) {
		line->left_out++;
		return;
	}
	line->length += (size_t)snprintf(line->text + line->length, MANAGER_REASON - line->length,
	                                 "%s%s", line->length == 0 ? "" : "; ", one);
}

static void
add_replaced(struct line *line, const char *name, const struct change_item *item)
{
	char state[80] = "";

	if (item->converts) {
		snprintf(state, sizeof(state), ", state converts from %u to %u", item->from_version,
		         item->to_version);
	} else if (item->with_state) {
		snprintf(state, sizeof(state), ", with its state");
	}
	add(line, "%s: %s%s%s", name, item->is_code ? "" : "replaced, ", item->why, state);
}

static void
add_item(struct line *line, const struct change_side *was, const struct change_side *is,
         const struct change_item *item)
{
	switch (item->kind) {
	case CHANGE_RESIZED:
		add(line, "%s: %u to %u slices", is->graph->op[item->is].name,
		    was->graph->op[item->was].slices, is->graph->op[item->is].slices);
		break;
	case CHANGE_REPLACED:
		add_replaced(line, is->graph->op[item->is].name, item);
		break;
	case CHANGE_ADDED:
		add(line, "%s: added", is->graph->op[item->is].name);
		break;
	case CHANGE_REMOVED:
		add(line, "%s: removed", was->graph->op[item->was].name);
		break;
	case CHANGE_KEPT:
		break;
	}
}

bool
diff_describe(const struct change_side *was, const struct change_side *is,
              const struct change_diff *diff, char text[MANAGER_REASON])
{
	struct line line = { .text = text };
	uint32_t kept = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < diff->count; i++) {
		kept += diff->item[i].kind == CHANGE_KEPT;
		add_item(&line, was, is, &diff->item[i]);
	}
	if (kept == diff->count && diff->wires_added == 0 && diff->wires_removed == 0) {
		snprintf(text, MANAGER_REASON, "nothing differs");
		return false;
	}
	if (line.left_out > 0) {
		line.length += (size_t)snprintf(text + line.length, MANAGER_REASON - line.length,
		                                "; and %u more", line.left_out);
	}
	snprintf(text + line.length, MANAGER_REASON - line.length,
	         "%swires: %u added, %u removed; %u kept as they are", line.length == 0 ? "" : "; ",
	         diff->wires_added, diff->wires_removed, kept);
	return true;
}
