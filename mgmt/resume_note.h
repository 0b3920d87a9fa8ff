/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RESUME_NOTE_H
#define RESUME_NOTE_H

/*
 * The note that every snapshot of a job has (state/snapshot.h): the text of the topology that runs,
 * how many slices each operator has, what was in its plugins, what the command line said. A line of
 * JSON, and behind it the text as it is. Pure.
 */

#include "core/graph.h"
#include "core/topology.h"
#include "state/manifest.h"

/* Of a text and the variables that go with it, ended by NULL; `set` may be NULL. */
void resume_digest(const char *text, size_t size, const char *const *set, char digest[DIGEST_TEXT]);

/* What runs. */
struct resume_running {
	const struct lm_topology *topology; /* of a file */
	const struct lm_graph *graph;       /* how many slices */
	const char *const *set;             /* as in struct job_request */
	const char *file;                   /* as in struct resume */
	uint64_t changed_by;
};
/* To be freed; NULL: no memory. */
char *resume_write(const struct resume_running *running, size_t *size);

/* A note, taken apart. */
struct resume_slices {
	char op[64];
	uint32_t slices;
};
struct resume_read {
	char *name; /* of the file, with its folder */
	const char *text;
	size_t text_size;
	char file[DIGEST_TEXT], digest[DIGEST_TEXT]; /* of the command line's; of the text */
	uint64_t changed_by;
	struct resume_slices *slices;
	uint32_t slices_count;
	char (*code)[PLUGIN_DIGEST]; /* as in struct lm_graph */
	uint32_t code_count;
};
/* `read` points into the bytes. False: it is no note. To be freed in both cases. */
bool resume_read(const void *bytes, size_t size, struct resume_read *read);
void resume_read_free(struct resume_read *read);

#endif
