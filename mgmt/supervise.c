/* SPDX-License-Identifier: BSD-3-Clause */
/* The parent of a job: waits, passes signals on, starts it again. */
#include "mgmt/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mgmt/cli.h"
#include "mgmt/units.h"

#define CRASHES_MAX 10u
#define DELAY_MIN_NS UINT64_C(100000000)
#define DELAY_MAX_NS UINT64_C(10000000000)
#define GOOD_NS UINT64_C(60000000000)
#define NS_PER_S UINT64_C(1000000000)
#define FOREVER_NS UINT64_MAX

/* What a shell makes of an end by a signal. */
#define STATUS_SIGNAL 128

struct supervise {
	struct supervise_options options;
	sigset_t before; /* the mask that the child gets */
	sigset_t watched;
	pid_t child;
	bool stopping; /* somebody asked for the end */

	/* Since the last progress. */
	uint32_t crashes;
	uint64_t delay_ns; /* before the next restart */
	uint64_t progress;
};

/*
 * A clock that nobody sets. Not env_now_ns: before EAL has started that does not know how fast the
 * TSC is, and the child would inherit what it took for the answer.
 */
static uint64_t
ticks_ns(void)
{
	struct tms unused;

	return (uint64_t)times(&unused) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void
supervise_defaults(struct supervise *self)
{
	struct supervise_options *options = &self->options;

	options->crashes_max = options->crashes_max == 0 ? CRASHES_MAX : options->crashes_max;
	options->delay_min_ns = options->delay_min_ns == 0 ? DELAY_MIN_NS : options->delay_min_ns;
	options->delay_max_ns = options->delay_max_ns == 0 ? DELAY_MAX_NS : options->delay_max_ns;
	options->good_ns = options->good_ns == 0 ? GOOD_NS : options->good_ns;
}

static uint64_t
progress_of(const struct supervise *self)
{
	return self->options.progress == NULL ? 0
	                                      : self->options.progress(self->options.progress_arg);
}

/* Blocked all along and taken one by one: none can come between a look and a wait. */
static void
watch_signals(struct supervise *self)
{
	static const int watched[] = { SIGINT, SIGTERM, SIGCHLD, SIGTSTP, SIGCONT };

	sigemptyset(&self->watched);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		sigaddset(&self->watched, watched[i]);
	}
	sigprocmask(SIG_BLOCK, &self->watched, &self->before);
}

static _Noreturn void
be_child(const struct supervise *self, pid_t parent, supervise_job_fn *job, void *arg)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) {
		_exit(CLI_FAILED); /* it died before that was said */
	}
	sigprocmask(SIG_SETMASK, &self->before, NULL);
	exit(job(arg));
}

/* 0 or -errno. */
static int
start_child(struct supervise *self, supervise_job_fn *job, void *arg)
{
	pid_t parent = getpid();

	fflush(NULL);
	self->child = fork();
	if (self->child < 0) {
		return -errno;
	}
	if (self->child == 0) {
		be_child(self, parent, job, arg);
	}
	setpgid(self->child, self->child); /* both do it: whoever is first */
	return 0;
}

/* The parent stops as if it had not looked; it goes on with the next SIGCONT. */
static void
stop_both(const struct supervise *self)
{
	if (self->child > 0) {
		kill(-self->child, SIGSTOP);
	}
	raise(SIGSTOP);
}

/* Waits for a signal, at most so long; true: one came. */
static bool
take_signal(struct supervise *self, uint64_t timeout_ns)
{
	struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / NS_PER_S),
		                    .tv_nsec = (long)(timeout_ns % NS_PER_S) };
	int number = timeout_ns == FOREVER_NS ? sigwaitinfo(&self->watched, NULL)
	                                      : sigtimedwait(&self->watched, NULL, &timeout);

	switch (number) {
	case SIGINT:
	case SIGTERM:
		self->stopping = true;
		if (self->child > 0) {
			kill(self->child, number);
		}
		break;
	case SIGTSTP:
		stop_both(self);
		break;
	case SIGCONT:
		if (self->child > 0) {
			kill(-self->child, SIGCONT);
		}
		break;
	default: /* SIGCHLD: whoever asked looks himself */
		break;
	}
	return number > 0;
}

/* Until the child has ended; its status as waitpid gives it. */
static int
wait_child(struct supervise *self)
{
	int status = 0;
	pid_t ended;

	while ((ended = waitpid(self->child, &status, WNOHANG)) != self->child) {
		if (ended < 0 && errno != EINTR) {
			break;
		}
		take_signal(self, FOREVER_NS);
	}
	self->child = 0;
	return status;
}

/* The status that a shell would show. */
static int
status_of(int status)
{
	return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

static bool
is_crash(int status)
{
	return WIFSIGNALED(status) ||
	       (WEXITSTATUS(status) != CLI_OK && WEXITSTATUS(status) != CLI_USAGE);
}

/* Where the core is, or how there would have been one. */
static void
tell_core(int status, pid_t child)
{
	char pattern[256] = "";
	struct rlimit limit;
	FILE *file;

	if (!WCOREDUMP(status)) {
		if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0) {
			fprintf(stderr, "  no core was written: `ulimit -c unlimited` before the "
			                "start, or LimitCORE=infinity, allows it\n");
		}
		return;
	}
	file = fopen("/proc/sys/kernel/core_pattern", "re");
	if (file != NULL) {
		if (fgets(pattern, sizeof(pattern), file) != NULL) {
			pattern[strcspn(pattern, "\n")] = '\0';
		}
		fclose(file);
	}
	if (pattern[0] == '|') {
		fprintf(stderr, "  a core went to \"%s\"; with systemd: coredumpctl gdb %d\n",
		        pattern + 1, (int)child);
	} else {
		fprintf(stderr, "  a core was written: kernel.core_pattern is \"%s\", pid %d\n",
		        pattern, (int)child);
	}
}

static void
tell_end(int status, pid_t child, uint64_t ran_ns)
{
	double seconds = (double)ran_ns / (double)NS_PER_S;

	if (!WIFSIGNALED(status)) {
		fprintf(stderr, "supervise: the job (pid %d) failed after %s, status %d\n",
		        (int)child, units_duration(seconds).text, WEXITSTATUS(status));
		return;
	}
	fprintf(stderr, "supervise: the job (pid %d) was ended by SIG%s (%s) after %s\n",
	        (int)child, sigabbrev_np(WTERMSIG(status)), strsignal(WTERMSIG(status)),
	        units_duration(seconds).text);
	if (WTERMSIG(status) == SIGKILL) {
		fprintf(stderr, "  if nobody did that, the kernel ran out of memory: see dmesg\n");
	} else {
		tell_core(status, child);
	}
}

/* Counts a crash; false: it was one too many. */
static bool
count_crash(struct supervise *self, uint64_t ran_ns)
{
	uint64_t progress = progress_of(self);

	if (ran_ns >= self->options.good_ns) {
		self->delay_ns = 0;
		self->crashes = 0;
	}
	if (progress > self->progress) {
		self->progress = progress;
		self->crashes = 0;
	}
	self->crashes++;
	return self->crashes < self->options.crashes_max;
}

static void
wait_delay(struct supervise *self)
{
	uint64_t now_ns = ticks_ns(), end_ns = now_ns + self->delay_ns;

	while (!self->stopping && now_ns < end_ns) {
		take_signal(self, end_ns - now_ns);
		now_ns = ticks_ns();
	}
	if (self->delay_ns == 0) {
		self->delay_ns = self->options.delay_min_ns;
	} else {
		self->delay_ns *= 2;
	}
	if (self->delay_ns > self->options.delay_max_ns) {
		self->delay_ns = self->options.delay_max_ns;
	}
}

/* After an end: true if the job is to be started again, once the wait is over. */
static bool
go_on(struct supervise *self, int status, pid_t child, uint64_t ran_ns)
{
	if (!is_crash(status)) {
		return false;
	}
	tell_end(status, child, ran_ns);
	if (self->stopping) {
		return false;
	}
	if (!count_crash(self, ran_ns)) {
		fprintf(stderr,
		        "supervise: that was crash %u without progress: giving up. What the job "
		        "said before is above\n",
		        self->crashes);
		return false;
	}
	fprintf(
	    stderr, "supervise: crash %u of at most %u without progress; starting it again %s%s\n",
	    self->crashes, self->options.crashes_max, self->delay_ns == 0 ? "now" : "in ",
	    self->delay_ns == 0 ? ""
				: units_duration((double)self->delay_ns / (double)NS_PER_S).text);
	wait_delay(self);
	return !self->stopping;
}

int
supervise_run(const struct supervise_options *options, supervise_job_fn *job, void *arg)
{
	struct supervise self = { .options = *options };
	int status = 0;
	bool again;

	supervise_defaults(&self);
	self.progress = progress_of(&self);
	watch_signals(&self);
	do {
		uint64_t start_ns = ticks_ns();
		int result = start_child(&self, job, arg);
		pid_t child = self.child;

		if (result != 0) {
			fprintf(stderr, "supervise: no child: %s\n", strerror(-result));
			status = CLI_FAILED;
			break;
		}
		status = wait_child(&self);
		again = go_on(&self, status, child, ticks_ns() - start_ns);
		status = status_of(status);
	} while (again);
	sigprocmask(SIG_SETMASK, &self.before, NULL);
	return status;
}
