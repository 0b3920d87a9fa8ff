/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill check: everything that is wrong with a topology file, at once. */

#include <stdio.h>

#include "mgmt/cli.h"
#include "mgmt/job.h"

int
cli_check(const struct cli *cli)
{
	struct job_request request = { 0 };
	struct job job = { 0 };
	bool good;

	for (int i = 1; i < cli->argc;) {
		int used = job_word(&request, cli->argc, cli->argv, i);

		if (used < 0) {
			return CLI_USAGE;
		}
		i += used;
	}
	good = job_load(&job, &request);
	if (good) {
		printf("%s: good: %u operators, %u wires, %u slices\n", request.path,
		       job.graph->operator_count, job.graph->wire_count, job.graph->slice_count);
	}
	job_free(&job);
	return good ? CLI_OK : CLI_USAGE;
}
