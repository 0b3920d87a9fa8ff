/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPERVISE_H
#define SUPERVISE_H

/*
 * A parent that runs a job in a child and starts it again when it crashes:
 *
 *     status = supervise_run(&(struct supervise_options){ .crashes_max = 10 }, run_job, &job);
 *     return status;
 *
 * To be called before EAL starts and before there are threads: the job is forked. It runs in the
 * child, whose exit status it returns; supervise_run returns in the parent only, when all is over.
 *
 * A crash is an end by a signal, or by an exit status other than 0 and CLI_USAGE (nothing was
 * started, and would not be a second time). The first restart is at once, the next ones wait 0.1 s,
 * 0.2 s … 10 s; a child that ran for a minute begins that anew. After crashes_max crashes in a row
 * without progress in between the parent gives up. Each crash is told on standard error: the
 * signal, where a core is, what happens next.
 *
 * SIGINT and SIGTERM that the parent gets it passes on, one each; an end after that is final, be
 * it good or bad. The child has a process group of its own, so that Ctrl-C does not reach it twice.
 * When the parent dies the kernel sends the child SIGTERM. SIGTSTP and SIGCONT stop both and let
 * them go on.
 */

#include <stdint.h>

struct supervise_options {
	uint32_t crashes_max; /* in a row without progress; 0: 10 */
	/*
	 * How far the job has come in its input, where somebody knows: a crash after which it is
	 * more than after the crash before begins the count anew. NULL: only a minute of good
	 * running does. The number of an epoch will not do: it grows with every start, also of a
	 * job that crashes at the same row each time. Called in the parent, without EAL: no
	 * env_now_ns, no env_log.
	 */
	uint64_t (*progress)(void *arg);
	void *progress_arg;
	/* For tests: 0 is what the text above says. */
	uint64_t delay_min_ns, delay_max_ns, good_ns;
};

/* In the child; what it returns becomes its exit status. */
typedef int supervise_job_fn(void *arg);

/*
 * The exit status of the last child, 128 + the signal's number if it ended by one; CLI_FAILED after
 * a message when there can be no child.
 */
int supervise_run(const struct supervise_options *options, supervise_job_fn *job, void *arg);

#endif
