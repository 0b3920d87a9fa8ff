/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzing topology files: any bytes, through loading, checking and printing of errors. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/topology.h"
#include "mgmt/config_load.h"
#include "tests/unit/core/small_classes.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

static FILE *printed;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	small_classes_register();
	printed = fopen("/dev/null", "w");
	return printed == NULL;
}

/* libfyaml 0.7.12 loses a table when a quoted text has many escapes: 4 KiB, once a load. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

/* What a plugin's path names would be loaded and run. */
static void
forget_plugins(struct lm_topology *topology)
{
	while (topology != NULL && topology->plugin_count > 0) {
		free(topology->plugin[--topology->plugin_count].text);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const set[] = { "TYPE=source", "N=3", "EMPTY=", NULL };
	const char *name = size > 0 && data[0] == '{' ? "dir/fuzz.json" : "dir/fuzz.yaml";
	struct lm_errors errors = { 0 };
	struct lm_topology *topology;
	struct lm_graph *graph;

	topology = config_load_text(name, (const char *)data, size, set, &errors);
	forget_plugins(topology);
	/* Either something is wrong and is said, or there is a graph. */
	if (topology == NULL && errors.count == 0) {
		abort();
	}
	graph = lm_graph_check(topology, &errors);
	if ((graph == NULL) != (errors.count > 0)) {
		abort();
	}
	config_print_errors(printed, name, (const char *)data, size, &errors, true);
	lm_graph_free(graph);
	lm_topology_free(topology);
	lm_errors_free(&errors);
	if (small_configured != 0) {
		abort();
	}
	return 0;
}
