/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/cli_top.c: arguments, which engine is shown, blocks and lines, and the live screen on a
 * terminal. */
#include "mgmt/cli_top.h"

#include "mgmt/stats_shm.h"
#include "tests/unit/mgmt/fake_engine.h"
#include "tests/unit/mgmt/print_to_text.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define OUTPUT_MAX 65536

struct fixture {
	char folder[64];
	struct lm_engine *engine;
	struct sample sample;
	struct stats_shm *shm[2];
	pid_t writer;
	char out[OUTPUT_MAX], err[OUTPUT_MAX];
	int exit_code;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/top_test_XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->engine = fake_engine_chain();
	assert_int_equal(sample_init(&f->sample, f->engine, &fake_about), 0);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	*state = f;
	return 0;
}

static void
create(struct fixture *f, uint32_t index, const char *prefix)
{
	struct stats_about about = {
		.folder = f->folder, .prefix = prefix, .topology = "top-talkers", .version = "0.1.0"
	};

	assert_int_equal(stats_shm_create(&f->shm[index], &about, &f->sample.shape), 0);
}

/* A second of the engine's clock; the writer makes fifty of them a second. */
static void
publish(struct fixture *f, int64_t now_ns)
{
	fake_engine_second(f->engine, 1024000);
	sample_read(&f->sample, f->engine, NULL, now_ns, NULL, 0);
	stats_shm_write(f->shm[0], &f->sample);
}

/* What a writer does after half a second. */
enum writer_plan { GO_ON, END, RESTART, CHANGE };

/* The graph becomes another one; the engine stays. */
static void
change_graph(struct fixture *f)
{
	f->engine->name[FAKE_TALKERS] = "newcomer";
	f->engine->slice_count--;
	sample_free(&f->sample);
	assert_int_equal(sample_init(&f->sample, f->engine, &fake_about), 0);
	create(f, 1, "rte");
	stats_shm_move(f->shm[0]);
	f->shm[0] = f->shm[1];
}

static void
writer_run(struct fixture *f, enum writer_plan plan)
{
	int64_t i;

	if (plan == CHANGE) {
		create(f, 0, "rte");
		publish(f, 2 * SECOND);
		usleep(500000);
		change_graph(f);
		plan = GO_ON;
	}
	for (i = 2; i < 27 || plan == GO_ON; i++) {
		publish(f, i * SECOND);
		usleep(20000);
	}
	stats_shm_close(f->shm[0], true);
	if (plan == RESTART) {
		usleep(300000);
		create(f, 0, "rte");
		publish(f, 5000 * SECOND);
		pause();
	}
}

/* A process, not a thread, because top runs in another process that is forked. */
static void
start_writer(struct fixture *f, enum writer_plan plan)
{
	f->writer = fork();
	if (f->writer == 0) {
		alarm(60);
		writer_run(f, plan);
		_exit(0);
	}
}

static void
stop_writer(struct fixture *f)
{
	if (f->writer > 0) {
		kill(f->writer, SIGKILL);
		waitpid(f->writer, NULL, 0);
		f->writer = 0;
	}
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	stop_writer(f);
	stats_shm_close(f->shm[0], false);
	stats_shm_close(f->shm[1], false);
	assert_int_equal(stats_path(path, sizeof(path), f->folder, "rte"), 0);
	unlink(path);
	assert_int_equal(rmdir(f->folder), 0);
	sample_free(&f->sample);
	free(f->engine);
	free(f);
	return 0;
}

static int
run_top(const char *folder, const char *const *args)
{
	char *argv[16] = { (char *)(uintptr_t) "top" };
	int argc = 1;

	for (; args[argc - 1] != NULL; argc++) {
		argv[argc] = strdup(args[argc - 1]);
	}
	if (folder != NULL) {
		argv[argc++] = strdup("--folder");
		argv[argc++] = strdup(folder);
	}
	return cli_top(argc, argv);
}

static size_t
take(int file, char *text)
{
	ssize_t size = pread(file, text, OUTPUT_MAX - 1, 0);

	text[size < 0 ? 0 : size] = '\0';
	close(file);
	return size < 0 ? 0 : (size_t)size;
}

/* Runs `lodemill top` in a child and keeps what it wrote. Exit code 99: it had to be killed. */
static void
top(struct fixture *f, const char *const *args)
{
	int out = open(f->folder, O_TMPFILE | O_RDWR, 0600);
	int err = open(f->folder, O_TMPFILE | O_RDWR, 0600);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		alarm(20);
		status = run_top(f->folder, args);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	f->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
	take(out, f->out);
	take(err, f->err);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
test_wrong_arguments(void **state)
{
	static const struct {
		const char *args[3];
		const char *message;
	} cases[] = {
		{ { "--prefx", "x" }, "no option \"--prefx\"; did you mean \"--prefix\"?\n" },
		{ { "--once=1" }, "no option \"--once=1\"; did you mean \"--once\"?\n" },
		{ { "rte" },
		  "no option \"rte\"; options: --prefix, --once, --json, --interval, "
		  "--folder, --help\n" },
		{ { "--interval", "5" },
		  "--interval: \"5\" is not a time from 100ms to 1h, such "
		  "as 500ms or 2s\n" },
		{ { "--interval=1ms" },
		  "--interval: \"1ms\" is not a time from 100ms to 1h, such "
		  "as 500ms or 2s\n" },
		{ { "--prefix", "../x" },
		  "--prefix: \"../x\" cannot be a prefix; use letters, "
		  "digits, \"_\", \"-\" and \".\"\n" },
	};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[256];

		snprintf(expected, sizeof(expected), "lodemill top: %s", cases[i].message);
		top(f, cases[i].args);
		assert_string_equal(f->err, expected);
		assert_string_equal(f->out, "");
		assert_int_equal(f->exit_code, 2);
	}
}

static void
test_value_missing(void **state)
{
	char *argv[] = { (char *)(uintptr_t) "top", (char *)(uintptr_t) "--prefix", NULL };

	(void)state;
	assert_int_equal(cli_top(2, argv), 2);
}

static void
test_help(void **state)
{
	struct fixture *f = *state;

	top(f, ARGS("--help"));
	assert_int_equal(f->exit_code, 0);
	assert_non_null(strstr(f->out, "usage: lodemill top [--prefix NAME]"));
}

static void
test_no_engine(void **state)
{
	struct fixture *f = *state;
	char expected[512];

	top(f, ARGS("--once"));
	assert_int_equal(f->exit_code, 1);
	snprintf(expected, sizeof(expected),
	         "lodemill top: no engine is running (nothing named lodemill-* in %s); start one "
	         "with `lodemill run`\n",
	         f->folder);
	assert_string_equal(f->err, expected);
	create(f, 0, "alpha");
	top(f, ARGS("--once", "--prefix", "alpa"));
	assert_int_equal(f->exit_code, 1);
	snprintf(
	    expected, sizeof(expected),
	    "lodemill top: no engine with the prefix \"alpa\" in %s; did you mean \"alpha\"?\n",
	    f->folder);
	assert_string_equal(f->err, expected);
}

static void
test_no_segment(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	stats_path(path, sizeof(path), f->folder, "rte");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	top(f, ARGS("--once", "--prefix", "rte"));
	assert_int_equal(f->exit_code, 1);
	assert_non_null(
	    strstr(f->err, "lodemill-rte is not a statistics segment, or it is damaged"));
}

static void
test_several_engines(void **state)
{
	struct fixture *f = *state;
	char expected[512];

	create(f, 0, "alpha");
	create(f, 1, "beta-2");
	top(f, ARGS("--once"));
	assert_int_equal(f->exit_code, 0);
	snprintf(expected, sizeof(expected),
	         "Several engines; choose one with `lodemill top --prefix NAME`:\n"
	         "\n"
	         "  PREFIX  TOPOLOGY     %*s  STATE\n"
	         "  alpha   top-talkers  %3d  running\n"
	         "  beta-2  top-talkers  %3d  running\n",
	         snprintf(NULL, 0, "%3d", getpid()), "PID", getpid(), getpid());
	assert_string_equal(f->out, expected);
	top(f, ARGS("--json"));
	snprintf(expected, sizeof(expected),
	         "{\"engines\":[{\"prefix\":\"alpha\",\"topology\":\"top-talkers\",\"pid\":%d,"
	         "\"state\":\"running\"},{\"prefix\":\"beta-2\",\"topology\":\"top-talkers\","
	         "\"pid\":%d,\"state\":\"running\"}]}\n",
	         getpid(), getpid());
	assert_string_equal(f->out, expected);
}

/* The rates are those of the interval, not those since the start. */
static void
test_once(void **state)
{
	struct fixture *f = *state;

	create(f, 0, "rte");
	fake_engine_second(f->engine, 500000000);
	start_writer(f, GO_ON);
	top(f, ARGS("--once", "--interval", "100ms"));
	stop_writer(f);
	assert_int_equal(f->exit_code, 0);
	assert_string_equal(f->err, "");
	assert_non_null(strstr(f->out, "top-talkers  running  up "));
	assert_non_null(strstr(f->out, "  2.0M rows/s  (prefix rte, pid "));
	assert_non_null(
	    strstr(f->out, "talkers   window_aggregate       1  2.0M     10        0  85"));
	assert_null(strchr(f->out, '\033'));
}

static void
test_once_of_an_engine_that_ended(void **state)
{
	struct fixture *f = *state;
	json_t *value;

	create(f, 0, "rte");
	publish(f, 3 * SECOND); /* one second of rows in two */
	stats_shm_close(f->shm[0], true);
	f->shm[0] = NULL;
	top(f, ARGS("--once", "--json"));
	assert_int_equal(f->exit_code, 0);
	value = json_loads(f->out, 0, NULL);
	assert_non_null(value);
	assert_string_equal(json_string_value(json_object_get(value, "state")), "stopped");
	assert_true(json_real_value(json_object_get(value, "rows_per_s")) == 1024000);
	json_decref(value);
}

static void
test_an_engine_that_never_published(void **state)
{
	struct fixture *f = *state;

	create(f, 0, "rte");
	stats_shm_close(f->shm[0], true);
	f->shm[0] = NULL;
	top(f, ARGS("--once"));
	assert_int_equal(f->exit_code, 1);
	assert_string_equal(f->err,
	                    "lodemill top: the engine ended before it published anything\n");
}

/* Without a terminal: picture after picture until the engine ends. */
static void
test_lines_until_the_end(void **state)
{
	struct fixture *f = *state;
	uint32_t lines = 0;

	create(f, 0, "rte");
	start_writer(f, END);
	top(f, ARGS("--json", "--interval=100ms"));
	assert_int_equal(f->exit_code, 0);
	for (char *line = strtok(f->out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		json_t *value = json_loads(line, 0, NULL);
		bool last = strstr(line, "\"stopped\"") != NULL;

		assert_non_null(value);
		assert_string_equal(json_string_value(json_object_get(value, "state")),
		                    last ? "stopped" : "running");
		json_decref(value);
		lines++;
	}
	assert_in_range(lines, 3, 12);
}

/* Runs top on a terminal of its own; ends it by a key (or a signal) when `until` has appeared. */
static void
top_on_terminal(struct fixture *f, const char *until, const char *keys, int signal)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	struct winsize size = { .ws_row = 24, .ws_col = 100 };
	size_t used = 0;
	bool asked = false;
	int status;
	pid_t pid;

	assert_int_equal(grantpt(terminal) + unlockpt(terminal), 0);
	ioctl(terminal, TIOCSWINSZ, &size);
	pid = fork();
	if (pid == 0) {
		int file;

		setsid();
		file = open(ptsname(terminal), O_RDWR);
		dup2(file, STDIN_FILENO);
		dup2(file, STDOUT_FILENO);
		alarm(20);
		_exit(run_top(f->folder, ARGS("--interval", "100ms")));
	}
	while (used < OUTPUT_MAX - 1) {
		ssize_t got = read(terminal, f->out + used, OUTPUT_MAX - 1 - used);

		if (got <= 0) {
			break;
		}
		used += (size_t)got;
		f->out[used] = '\0';
		if (strstr(f->out, "\033[?1049l") != NULL) {
			break;
		}
		if (!asked && strstr(f->out, until) != NULL) {
			asked = true;
			if (signal != 0) {
				kill(pid, signal);
			} else {
				assert_int_equal(write(terminal, keys, strlen(keys)), strlen(keys));
			}
		}
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	f->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
	close(terminal);
}

static void
test_live_screen(void **state)
{
	static const char enter[] = "\033[?1049h\033[?25l", leave[] = "\033[?25h\033[?1049l";
	struct fixture *f = *state;

	create(f, 0, "rte");
	start_writer(f, GO_ON);
	top_on_terminal(f, "rows/s", "xq", 0);
	assert_int_equal(f->exit_code, 0);
	assert_memory_equal(f->out, enter, strlen(enter));
	assert_non_null(strstr(f->out, "\033[H\033[K\033[1mtop-talkers\033[0m"));
	assert_string_equal(f->out + strlen(f->out) - strlen(leave), leave);
	top_on_terminal(f, "rows/s", "", SIGTERM);
	assert_int_equal(f->exit_code, 0);
	assert_string_equal(f->out + strlen(f->out) - strlen(leave), leave);
	setenv("NO_COLOR", "1", 1);
	top_on_terminal(f, "rows/s", "q", 0);
	assert_non_null(strstr(f->out, "\033[H\033[Ktop-talkers  running"));
	stop_writer(f);
}

/* The screen stays when the engine ends and goes on when another starts under its name. */
static void
test_live_screen_follows_a_restart(void **state)
{
	struct fixture *f = *state;

	create(f, 0, "rte");
	start_writer(f, RESTART);
	top_on_terminal(f, "up 1h 23m 19s", "q", 0);
	assert_int_equal(f->exit_code, 0);
	assert_non_null(strstr(f->out, "\033[31mstopped\033[0m"));
}

static void
test_live_screen_follows_a_change(void **state)
{
	struct fixture *f = *state;

	start_writer(f, CHANGE);
	usleep(200000);
	top_on_terminal(f, "newcomer", "q", 0);
	assert_int_equal(f->exit_code, 0);
	assert_non_null(strstr(f->out, "talkers"));
	assert_null(strstr(f->out, "stopped"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_wrong_arguments),
		TEST(test_value_missing),
		TEST(test_help),
		TEST(test_no_engine),
		TEST(test_no_segment),
		TEST(test_several_engines),
		TEST(test_once),
		TEST(test_once_of_an_engine_that_ended),
		TEST(test_an_engine_that_never_published),
		TEST(test_lines_until_the_end),
		TEST(test_live_screen),
		TEST(test_live_screen_follows_a_restart),
		TEST(test_live_screen_follows_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
