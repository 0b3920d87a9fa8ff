/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REHEARSE_H
#define REHEARSE_H

/*
 * Trying other code in a child process, from the side of the job: this program as `lodemill
 * rehearse`, which loads a topology, opens operators, restores what they have in the newest
 * snapshot, and is gone. Whatever becomes of it, the job goes on. Nothing here blocks.
 *
 *     rehearse_begin(&rehearse, &ask, why)        or why there is no child
 *     while (!rehearse_step(&rehearse)) …         every few ms
 *     rehearse.has_passed, rehearse.text          what was tried, or what is wrong
 *     rehearse_abandon(&rehearse);                nobody waits for it: it is ended
 *     rehearse_close(&rehearse);                  waits until it is gone
 *
 * Threads: the control thread, which must be the one that lives as long as the process.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How the child's last word begins if all is well. */
#define REHEARSE_GOOD "good: "

#define REHEARSE_TEXT 480u
#define REHEARSE_LINE 160u

struct rehearse_ask {
	const char *file;       /* the topology */
	const char *const *set; /* "NAME=value", ended by NULL */
	const char *folder;     /* of snapshots; NULL: none are taken */
	uint64_t since;         /* snapshots older than this epoch are of another graph */
	const char *open;       /* operators, with commas between them */
	const char *was;        /* copies of the plugins that run, with commas between them */
	const char *fresh;      /* of these, those that begin with nothing */
	uint64_t timeout_ns;
};

/* Zeroed: none is under way. */
struct rehearse {
	pid_t child;  /* 0: it is gone */
	int out, err; /* what it says */
	int64_t begun_ns, deadline_ns;
	bool is_late;
	char phase[REHEARSE_LINE]; /* its last word on stdout: "opening sums" */
	char good[REHEARSE_LINE];  /* what stood behind REHEARSE_GOOD; empty: it has not said so */
	char line[REHEARSE_LINE];  /* of stdout, until its end has come */
	uint32_t line_size;
	char said[REHEARSE_TEXT]; /* the end of what it wrote on stderr */
	uint32_t said_size;
	/* When it is through: */
	bool has_passed;
	char text[REHEARSE_TEXT];
};

/* 0, or -errno and `text`. */
int rehearse_begin(struct rehearse *rehearse, const struct rehearse_ask *ask);
/* True: it is through, or there is none. */
bool rehearse_step(struct rehearse *rehearse);
void rehearse_abandon(struct rehearse *rehearse);
void rehearse_close(struct rehearse *rehearse);

#endif
