/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_STATE_H
#define CLI_STATE_H

/*
 * `lodemill state ls|verify|dump|prune`: what they were asked, and where they write. Each returns
 * the exit status: CLI_OK, CLI_FAILED for damage or a failure, CLI_USAGE for a folder or an epoch
 * that is not there.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "mgmt/state_folder.h"

#define CLI_STATE_JOBS_MAX 64u

struct cli_state {
	const char *folder;
	uint64_t epoch; /* 0: not said */
	const char *op; /* name or number of an operator; NULL: all */
	bool has_slice;
	uint32_t slice;
	uint32_t jobs; /* threads; 0: as many as there are CPUs, up to 8 */
	uint32_t keep; /* 0: not said */
	bool json, hex, slots, dry_run;
	FILE *out;
};

int cli_state_ls(const struct cli_state *self);
int cli_state_verify(const struct cli_state *self);
int cli_state_dump(const struct cli_state *self);
int cli_state_prune(const struct cli_state *self);

/* Says what is wrong on standard error; returns CLI_USAGE. */
int cli_state_trouble(const struct state_trouble *trouble);
/* Whether all of it was written: `status`, else a message and CLI_FAILED. */
int cli_state_end(const struct cli_state *self, int error, int status);

#endif
