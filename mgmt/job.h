/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOB_H
#define JOB_H

/*
 * A topology on this machine, before anything runs: the file checked, EAL's arguments made, slices
 * placed, memory summed up. What check, plan and run have in common; every error is printed here.
 */

#include "core/layout.h"
#include "mgmt/cli.h"
#include "mgmt/eal_args.h"
#include "mgmt/placement.h"

#define JOB_SETS_MAX 64u

struct job_request {
	const char *path;
	const char *set[JOB_SETS_MAX + 1]; /* "NAME=value", ended by NULL */
	uint32_t set_count;
	const char *elastic; /* a policy, in place of what the file says; NULL: as that does */
};

struct job {
	struct lm_topology *topology;
	struct lm_graph *graph;
	struct machine *machine;
	struct eal_args eal;
	struct eal_report report;
	uint32_t *port_node; /* [slice]: as mgmt/port_nodes.h foretells it */
	struct placement placement;
	struct layout *layout;
};

/* Takes --set NAME=value, --elastic POLICY and the file's name out of the words; -1 if `word` is
 * none of them. */
int job_word(struct job_request *request, int argc, char **argv, int at);
/* Loads and checks the file. False: errors are on stderr. */
bool job_load(struct job *job, const struct job_request *request);
/*
 * The same in two steps, for who may have another topology run than the file's: job_read has no
 * code loaded and no graph; job_read_text puts a text, that `name` held, in place of what was read.
 */
bool job_read(struct job *job, const struct job_request *request);
bool job_read_text(struct job *job, const struct job_request *request, const char *name,
                   const char *text, size_t size);
bool job_check(struct job *job);
/* EAL's arguments, the machine, the placement and the layout. False: errors are on stderr. */
bool job_place(struct job *job, const struct job_request *request, const struct cli *cli);
void job_free(struct job *job);

#endif
