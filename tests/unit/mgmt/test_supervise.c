/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/supervise.c: real children that crash, stop, stay; their parent that waits, and dies. */
#include "mgmt/supervise.h"

#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/cli.h"

#define MS UINT64_C(1000000)

/* What a child does, and what all of them leave behind; shared by all processes. */
struct script {
	int first_signal; /* of the first `crashes` children */
	int first_status; /* if that is 0 */
	uint32_t crashes;
	int last_status;
	uint64_t runs_ns; /* each child, before its end */
	bool stays;       /* until a signal */
	int after_signal; /* the status then */
	bool makes_progress;

	uint32_t started;
	int64_t start_ns[32];
	uint64_t progress;
	uint32_t signals;
	pid_t child;
};

static struct script *script;

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void
wait_ns(uint64_t ns)
{
	struct timespec time = { .tv_nsec = (long)(ns % 1000000000u),
		                 .tv_sec = (time_t)(ns / 1000000000u) };

	nanosleep(&time, NULL);
}

static void
on_signal(int number)
{
	(void)number;
	__atomic_fetch_add(&script->signals, 1, __ATOMIC_SEQ_CST);
}

static int
be_job(void *arg)
{
	struct sigaction action = { .sa_handler = on_signal };
	uint32_t number = script->started;

	assert(arg == script);
	alarm(60); /* whatever happens, nobody stays behind */
	script->child = getpid();
	script->start_ns[number % 32] = now_ns();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	__atomic_fetch_add(&script->started, 1, __ATOMIC_SEQ_CST);
	while (script->stays && __atomic_load_n(&script->signals, __ATOMIC_SEQ_CST) == 0) {
		wait_ns(MS);
	}
	if (script->stays) {
		return script->after_signal;
	}
	wait_ns(script->runs_ns);
	script->progress += script->makes_progress ? 1 : 0;
	if (number >= script->crashes) {
		return script->last_status;
	}
	if (script->first_signal != 0) {
		signal(script->first_signal, SIG_DFL);
		raise(script->first_signal);
	}
	return script->first_status;
}

static uint64_t
progress_of(void *arg)
{
	return ((const struct script *)arg)->progress;
}

static const struct supervise_options quick = { .crashes_max = 5,
	                                        .delay_min_ns = 20 * MS,
	                                        .delay_max_ns = 80 * MS };

static int
begin(void **state)
{
	struct rlimit none = { 0 };

	(void)state;
	setrlimit(RLIMIT_CORE, &none);
	script =
	    mmap(NULL, sizeof(*script), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(script, MAP_FAILED);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	return munmap(script, sizeof(*script));
}

/* What is said on standard error meanwhile; free it. */
static char *
run_and_read(const struct supervise_options *options, int *status)
{
	FILE *file = tmpfile();
	int before = dup(STDERR_FILENO);
	char *text = calloc(1, 65536);

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	*status = supervise_run(options, be_job, script);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	assert_true(fread(text, 1, 65535, file) < 65535);
	fclose(file);
	return text;
}

static void
test_good_end(void **state)
{
	sigset_t mask;

	(void)state;
	assert_int_equal(supervise_run(&quick, be_job, script), 0);
	assert_int_equal(script->started, 1);
	/* The parent's own signals are as they were. */
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGTERM), 0);
	assert_int_equal(sigismember(&mask, SIGCHLD), 0);
}

/* Nothing was started: it would not be a second time. */
static void
test_usage(void **state)
{
	(void)state;
	script->last_status = CLI_USAGE;
	assert_int_equal(supervise_run(&quick, be_job, script), CLI_USAGE);
	assert_int_equal(script->started, 1);
}

static void
test_crashes_then_good(void **state)
{
	int status;
	char *said;

	(void)state;
	script->crashes = 3;
	script->first_signal = SIGSEGV;
	said = run_and_read(&quick, &status);
	assert_int_equal(status, 0);
	assert_int_equal(script->started, 4);
	assert_non_null(strstr(said, "was ended by SIGSEGV (Segmentation fault)"));
	assert_non_null(strstr(said, "no core was written: `ulimit -c unlimited`"));
	assert_non_null(
	    strstr(said, "crash 1 of at most 5 without progress; starting it again now"));
	assert_non_null(strstr(said, "crash 2 of at most 5 without progress; starting it again in "
	                             "20.0 ms"));
	free(said);
	/* At once, then 20 ms, then 40 ms. */
	assert_true(script->start_ns[1] - script->start_ns[0] < INT64_C(5000000000));
	assert_true(script->start_ns[2] - script->start_ns[1] >= (int64_t)(9 * MS));
	assert_true(script->start_ns[3] - script->start_ns[2] >= (int64_t)(29 * MS));
}

static void
test_gives_up(void **state)
{
	int status;
	char *said;

	(void)state;
	script->crashes = 100;
	script->first_signal = SIGKILL;
	said = run_and_read(&quick, &status);
	assert_int_equal(status, 128 + SIGKILL);
	assert_int_equal(script->started, 5);
	assert_non_null(strstr(said, "was ended by SIGKILL"));
	assert_non_null(strstr(said, "the kernel ran out of memory"));
	assert_non_null(strstr(said, "crash 5 without progress: giving up"));
	free(said);
}

static void
test_failure_is_a_crash(void **state)
{
	int status;
	char *said;

	(void)state;
	script->crashes = 100;
	script->first_status = CLI_FAILED;
	said = run_and_read(&quick, &status);
	assert_int_equal(status, CLI_FAILED);
	assert_int_equal(script->started, 5);
	assert_non_null(strstr(said, "failed after "));
	assert_non_null(strstr(said, ", status 1"));
	free(said);
}

/* The wait has an upper bound. */
static void
test_longest_wait(void **state)
{
	struct supervise_options options = quick;
	int64_t start_ns = now_ns();
	int status;

	(void)state;
	options.delay_max_ns = 20 * MS;
	options.crashes_max = 12;
	script->crashes = 100;
	script->first_signal = SIGKILL;
	free(run_and_read(&options, &status));
	assert_int_equal(script->started, 12);
	/* Ten waits of 20 ms; doubling without end they would take 20 s. */
	assert_true(now_ns() - start_ns < INT64_C(10000000000));
}

/* As long as there is progress it never gives up. */
static void
test_progress(void **state)
{
	struct supervise_options options = quick;
	int status;
	char *said;

	(void)state;
	options.progress = progress_of;
	options.progress_arg = script;
	options.crashes_max = 2;
	options.delay_max_ns = 20 * MS;
	script->crashes = 8;
	script->first_signal = SIGKILL;
	script->makes_progress = true;
	said = run_and_read(&options, &status);
	assert_int_equal(status, 0);
	assert_int_equal(script->started, 9);
	assert_null(strstr(said, "crash 2"));
	free(said);
	/* Without it, it does. */
	script->started = 0;
	script->makes_progress = false;
	free(run_and_read(&options, &status));
	assert_int_equal(status, 128 + SIGKILL);
	assert_int_equal(script->started, 2);
}

/* One that ran long enough begins both counts anew: each restart is at once. */
static void
test_good_running(void **state)
{
	struct supervise_options options = quick;
	int status;
	char *said;

	(void)state;
	options.crashes_max = 2;
	options.good_ns = 30 * MS;
	options.delay_min_ns = 5000 * MS;
	options.delay_max_ns = 5000 * MS;
	script->crashes = 4;
	script->first_signal = SIGKILL;
	script->runs_ns = 60 * MS;
	said = run_and_read(&options, &status);
	assert_int_equal(status, 0);
	assert_int_equal(script->started, 5);
	assert_null(strstr(said, "again in"));
	free(said);
}

/* The parent in a process of its own. */
static pid_t
fork_parent(const struct supervise_options *options)
{
	pid_t parent;

	fflush(NULL);
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		FILE *nowhere = freopen("/dev/null", "w", stderr);

		_exit(nowhere == NULL ? 99 : supervise_run(options, be_job, script));
	}
	return parent;
}

static void
wait_started(uint32_t count)
{
	for (uint32_t i = 0; i < 10000; i++) {
		if (__atomic_load_n(&script->started, __ATOMIC_SEQ_CST) >= count) {
			return;
		}
		wait_ns(MS);
	}
	fail_msg("child %u was never started", count);
}

static int
end_of(pid_t parent)
{
	int status;

	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_signals_pass(void **state)
{
	static const int numbers[] = { SIGINT, SIGTERM };

	(void)state;
	script->stays = true;
	for (uint32_t i = 0; i < 2; i++) {
		pid_t parent;

		/* A failure after that is no crash. */
		script->after_signal = (int)i;
		script->signals = script->started = 0;
		parent = fork_parent(&quick);
		wait_started(1);
		kill(parent, numbers[i]);
		assert_int_equal(end_of(parent), i);
		assert_int_equal(script->started, 1);
		assert_int_equal(script->signals, 1);
	}
}

/* What the terminal sends goes to the parent's group: the child must get it once, from the parent.
 */
static void
test_group(void **state)
{
	pid_t parent;

	(void)state;
	script->stays = true;
	fflush(NULL);
	parent = fork();
	if (parent == 0) {
		setpgid(0, 0);
		_exit(supervise_run(&quick, be_job, script));
	}
	wait_started(1);
	kill(-parent, SIGINT);
	assert_int_equal(end_of(parent), 0);
	assert_int_equal(script->signals, 1);
}

/* While it waits before a restart. */
static void
test_stop_between(void **state)
{
	struct supervise_options options = quick;
	pid_t parent;

	(void)state;
	options.delay_min_ns = options.delay_max_ns = 60000 * MS;
	script->crashes = 100;
	script->first_signal = SIGKILL;
	parent = fork_parent(&options);
	wait_started(2);
	wait_ns(50 * MS);
	kill(parent, SIGTERM);
	assert_int_equal(end_of(parent), 128 + SIGKILL);
	assert_int_equal(script->started, 2);
}

/* A parent that is killed cannot pass anything on: the kernel does. */
static void
test_parent_dies(void **state)
{
	pid_t parent;
	int status;

	(void)state;
	script->stays = true;
	parent = fork_parent(&quick);
	wait_started(1);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	for (uint32_t i = 0; i < 5000 && script->signals == 0; i++) {
		wait_ns(MS);
	}
	if (script->signals == 0) {
		kill(script->child, SIGKILL); /* nobody else would */
	}
	assert_int_equal(script->signals, 1);
}

/* Ctrl-Z stops both, and both go on. */
static void
test_suspend(void **state)
{
	pid_t parent;
	int status;
	char path[64], text[256] = "";
	FILE *file;

	(void)state;
	script->stays = true;
	parent = fork_parent(&quick);
	wait_started(1);
	kill(parent, SIGTSTP);
	assert_int_equal(waitpid(parent, &status, WUNTRACED), parent);
	assert_true(WIFSTOPPED(status));
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)script->child);
	for (uint32_t i = 0; i < 5000 && strstr(text, ") T ") == NULL; i++) {
		file = fopen(path, "r");
		assert_non_null(file);
		assert_non_null(fgets(text, sizeof(text), file));
		fclose(file);
		wait_ns(MS);
	}
	assert_non_null(strstr(text, ") T "));
	kill(parent, SIGCONT);
	kill(parent, SIGTERM);
	assert_int_equal(end_of(parent), 0);
	assert_int_equal(script->signals, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good_end, begin, end),
		cmocka_unit_test_setup_teardown(test_usage, begin, end),
		cmocka_unit_test_setup_teardown(test_crashes_then_good, begin, end),
		cmocka_unit_test_setup_teardown(test_gives_up, begin, end),
		cmocka_unit_test_setup_teardown(test_failure_is_a_crash, begin, end),
		cmocka_unit_test_setup_teardown(test_longest_wait, begin, end),
		cmocka_unit_test_setup_teardown(test_progress, begin, end),
		cmocka_unit_test_setup_teardown(test_good_running, begin, end),
		cmocka_unit_test_setup_teardown(test_signals_pass, begin, end),
		cmocka_unit_test_setup_teardown(test_group, begin, end),
		cmocka_unit_test_setup_teardown(test_stop_between, begin, end),
		cmocka_unit_test_setup_teardown(test_parent_dies, begin, end),
		cmocka_unit_test_setup_teardown(test_suspend, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
