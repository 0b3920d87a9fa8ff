/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spread: a manager of one's own. When an lcore is full and another one has room, it moves the
 * busiest slice that fits; never more often than every two seconds, so that what the last move came
 * to can be seen. How many moves it made outlives the process.
 *
 *     cc -shared -fPIC $(pkg-config --cflags lodemill) spread.c -o spread.so
 *     lodemill run job.yaml --manager ./spread.so --manager-argument 0.8
 */
#include "mgmt/lm_manager.h"

#include <stdio.h>
#include <stdlib.h>

/* An lcore is full from here on, if nobody says otherwise. */
#define FULL 0.9
/* Probes in a row that must say so: one may be an accident. */
#define PROBES 2u
#define QUIET_NS INT64_C(2000000000)
/* Of an lcore: less is not worth a move. */
#define GAIN 0.05

struct spread {
	double full;
	uint32_t seen;     /* probes in a row with a full lcore */
	uint64_t asked;    /* the move under way; 0: none */
	int64_t moved_ns;  /* when the last one was through */
	uint64_t moves;    /* ever */
	uint64_t rows_top; /* most rows a second that were ever seen */
};

static int
spread_open(struct lm_manager *manager)
{
	struct spread *spread = lm_manager_context(manager);
	const char *text = lm_manager_argument(manager);
	char *end;

	spread->full = FULL;
	if (text[0] != '\0') {
		spread->full = strtod(text, &end);
		if (*end != '\0' || !(spread->full > 0 && spread->full <= 1)) {
			lm_manager_log(manager, "\"%s\" is no share of an lcore, 0 to 1", text);
			return -1;
		}
	}
	return 0;
}

/* The fullest lcore and the emptiest one. */
static void
find_lcores(const struct lm_probe *probe, const struct lm_probe_lcore **full,
            const struct lm_probe_lcore **empty)
{
	*full = *empty = probe->lcore(probe, 0);
	for (uint32_t i = 1; i < probe->lcore_count; i++) {
		const struct lm_probe_lcore *lcore = probe->lcore(probe, i);

		*full = lcore->busy > (*full)->busy ? lcore : *full;
		*empty = lcore->busy < (*empty)->busy ? lcore : *empty;
	}
}

/* The busiest slice of an lcore that leaves the other one less full than this one was. */
static const struct lm_probe_slice *
find_slice(const struct lm_probe *probe, const struct lm_probe_lcore *full, double gap)
{
	const struct lm_probe_slice *best = NULL;

	for (uint32_t i = 0; i < probe->slice_count; i++) {
		const struct lm_probe_slice *slice = probe->slice(probe, i);

		if (slice->lcore == full->lcore && slice->busy >= GAIN &&
		    slice->busy <= gap - GAIN && (best == NULL || slice->busy > best->busy)) {
			best = slice;
		}
	}
	return best;
}

static void
move(struct lm_manager *manager, const struct lm_probe_slice *slice,
     const struct lm_probe_lcore *to)
{
	struct spread *spread = lm_manager_context(manager);
	char params[200], why[200];

	snprintf(params, sizeof(params), "{\"operator\": \"%s\", \"slice\": %u, \"lcore\": %u}",
	         slice->op, slice->slice, to->lcore);
	spread->asked = lm_manager_submit(manager, "migrate", params, why, sizeof(why));
	if (spread->asked == 0) {
		lm_manager_log(manager, "%s", why);
	}
}

static void
spread_probe(struct lm_manager *manager, const struct lm_probe *probe)
{
	struct spread *spread = lm_manager_context(manager);
	const struct lm_probe_lcore *full, *empty;
	const struct lm_probe_slice *slice;

	spread->rows_top = probe->rows_per_s > (double)spread->rows_top
	                       ? (uint64_t)probe->rows_per_s
	                       : spread->rows_top;
	find_lcores(probe, &full, &empty);
	spread->seen = full->busy >= spread->full ? spread->seen + 1 : 0;
	if (spread->asked != 0 || spread->seen < PROBES ||
	    lm_manager_now_ns(manager) - spread->moved_ns < QUIET_NS) {
		return;
	}
	slice = find_slice(probe, full, full->busy - empty->busy);
	if (slice != NULL) {
		move(manager, slice, empty);
	}
}

static void
spread_completed(struct lm_manager *manager, const struct lm_action *action)
{
	struct spread *spread = lm_manager_context(manager);

	if (action->id != spread->asked) {
		return;
	}
	spread->asked = 0;
	spread->moved_ns = lm_manager_now_ns(manager);
	spread->seen = 0;
	spread->moves += action->done ? 1 : 0;
	lm_manager_log(manager, "%s: %s; %llu moves so far", action->what,
	               action->done ? "done" : action->reason, (unsigned long long)spread->moves);
	lm_manager_save(manager);
}

static void
spread_serialize(struct lm_manager *manager, struct lm_writer *writer)
{
	const struct spread *spread = lm_manager_context(manager);

	lm_write_u64(writer, spread->moves);
	lm_write_u64(writer, spread->rows_top);
}

static void
spread_deserialize(struct lm_manager *manager, struct lm_reader *reader, uint32_t version)
{
	struct spread *spread = lm_manager_context(manager);

	if (version != 1) {
		return;
	}
	spread->moves = lm_read_u64(reader);
	spread->rows_top = lm_read_u64(reader);
	lm_manager_log(manager, "%llu moves in lives before", (unsigned long long)spread->moves);
}

static const struct lm_manager_class spread_class = {
	.abi_version = LM_MANAGER_ABI_VERSION,
	.name = "spread",
	.version = "1",
	.summary = "moves the busiest slice of a full lcore",
	.context_size = sizeof(struct spread),
	.open = spread_open,
	.on_action_completed = spread_completed,
	.on_performance_probe = spread_probe,
	.serialize_state = spread_serialize,
	.deserialize_state = spread_deserialize,
	.state_version = 1,
};

const struct lm_manager_class *
lm_manager_plugin(void)
{
	return &spread_class;
}
