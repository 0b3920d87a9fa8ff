/* SPDX-License-Identifier: BSD-3-Clause */
/* The topologies of the scenario `crash`, and the notes of them that snapshots have. */

#include "tests/sim/crash_topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/topology.h"
#include "mgmt/config_load.h"
#include "mgmt/resume_note.h"
#include "state/snapshot.h"

/*
 * The topology with more in it that makes no difference to what is committed: a filter that lets
 * all rows pass; half of the rows on another way than the others; something else with state.
 */
static const struct {
	const char *plain, *wider;
} differences[] = {
	{ "  some: {type: filter, input: \"a ",
	  "  pass: {type: filter, input: a, where: value > -5000}\n"
	  "  some: {type: filter, input: \"pass " },
	{ "  each: {type: file_sink, input: \"some ${to_out}\"",
	  "  odd:  {type: filter, input: some, where: number % 2 == 1}\n"
	  "  even: {type: filter, input: some, where: number % 2 == 0}\n"
	  "  seen: {type: aggregate, input: pass by key, by: key, count: rows, emit: end,\n"
	  "         keys: \"${keys}\", slices: \"${slices}\"}\n"
	  "  gone: {type: null_sink, input: seen}\n"
	  "  each: {type: file_sink, input: [\"even ${to_out}\", \"odd ${to_out}\"]" },
};

static char *
wider_text(const char *text)
{
	char *wider = strdup(text);

	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		const char *at = wider == NULL ? NULL : strstr(wider, differences[i].plain);
		char *next = NULL;

		if (at == NULL ||
		    asprintf(&next, "%.*s%s%s", (int)(at - wider), wider, differences[i].wider,
		             at + strlen(differences[i].plain)) < 0) {
			abort();
		}
		free(wider);
		wider = next;
	}
	return wider;
}

static struct lm_topology *
load_text(const struct topo *topo, const char *text, size_t size)
{
	const char *set[TOPO_SETS_MAX + 1] = { NULL };
	struct lm_errors errors = { 0 };
	struct lm_topology *topology;

	for (uint32_t i = 0; i < topo->set_count; i++) {
		set[i] = topo->set[i];
	}
	topology = config_load_text("crash.yaml", text, size, set, &errors);
	if (errors.count > 0) {
		fprintf(stderr, "%s\n", errors.error[0].message);
		abort();
	}
	return topology;
}

struct lm_topology *
crash_load(const struct topo *topo, bool is_wider)
{
	struct lm_errors errors = { 0 };
	struct lm_topology *plain = topo_load("crash.yaml", topo, &errors), *wider;
	char *text;

	if (plain == NULL) {
		fprintf(stderr, "%s\n", errors.count > 0 ? errors.error[0].message : "no file");
		abort();
	}
	if (!is_wider) {
		return plain;
	}
	text = wider_text(plain->source);
	wider = load_text(topo, text, strlen(text));
	free(text);
	lm_topology_free(plain);
	return wider;
}

bool
crash_is_wider(const struct lm_topology *topology)
{
	return topology_find(topology, "pass") != NULL;
}

struct lm_topology *
crash_load_note(const struct topo *topo, const struct snapshot_note *note)
{
	struct lm_topology *topology;
	struct resume_read read;

	if (!resume_read(note->bytes, note->size, &read)) {
		abort();
	}
	topology = load_text(topo, read.text, read.text_size);
	for (uint32_t i = 0; i < read.slices_count; i++) {
		topology_find(topology, read.slices[i].op)->slices = read.slices[i].slices;
	}
	resume_read_free(&read);
	return topology;
}

bool
crash_note(struct snapshots *snapshots, const struct lm_topology *runs,
           const struct lm_graph *graph)
{
	const struct resume_running running = { .topology = runs, .graph = graph, .file = "" };
	size_t size;
	char *text = resume_write(&running, &size);
	bool good = text != NULL && snapshots_set_note(snapshots, text, size) == 0;

	free(text);
	return good;
}
