/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket between its threads: pictures, calls, actions and their ends, all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/env.h"
#include "mgmt/control.h"

#define CALLERS 3u
#define CALLS 4000u
#define STEP_NS 200000u

struct caller {
	struct env_thread *thread;
	uint32_t left;
	uint32_t asked, completed; /* actions */
	int socket;
	FILE *in;
};

/* Waits for the answer; counts what comes to an end meanwhile. */
static void
take_answer(struct caller *caller)
{
	char *line = NULL;
	size_t room = 0;
	bool is_answer = false;

	while (!is_answer && getline(&line, &room, caller->in) > 0) {
		is_answer = strstr(line, "\"id\":1") == line + strlen("{\"jsonrpc\":\"2.0\",");
		if (!is_answer) {
			caller->completed += strstr(line, "\"action.completed\"") != NULL ? 1 : 0;
		} else if (strstr(line, "\"result\":{\"action\":") != NULL) {
			caller->asked++;
		}
	}
	assert_true(is_answer);
	free(line);
}

static void
call(struct caller *caller, const char *method)
{
	char line[200];
	int size = snprintf(line, sizeof(line),
	                    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\n", method);

	assert_int_equal(send(caller->socket, line, (size_t)size, 0), size);
	take_answer(caller);
}

/* All are there before the first one asks, so that each hears of everything. */
static void
begin(struct caller *caller, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	caller->left = CALLS;
	caller->socket = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(
	    connect(caller->socket, (const struct sockaddr *)&address, sizeof(address)), 0);
	caller->in = fdopen(dup(caller->socket), "r");
	call(caller, "subscribe");
}

/* What is told behind the last call, until the job closes the connection. */
static void
listen_to_the_end(struct caller *caller)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, caller->in) > 0) {
		caller->completed += strstr(line, "\"action.completed\"") != NULL ? 1 : 0;
	}
	free(line);
}

static bool
step_caller(void *arg)
{
	static const char *const methods[] = { "status",  "snapshot", "stats",
		                               "actions", "describe", "nonsense" };
	struct caller *caller = arg;

	call(caller, methods[caller->left % 6]);
	if (__atomic_sub_fetch(&caller->left, 1, __ATOMIC_RELAXED) > 0) {
		return true;
	}
	listen_to_the_end(caller);
	return false;
}

/* The job: epochs go by, every one a snapshot that becomes durable or is lost. */
static void
go_on(struct control *control, const struct control_picture *picture, struct manager_facts *facts,
      struct snapshot_status *status)
{
	facts->now_ns = env_now_ns();
	facts->durable = facts->epoch % 5 == 0 ? facts->durable : facts->epoch;
	facts->lost += facts->epoch % 5 == 0 ? 1 : 0;
	facts->snapshot_epoch = ++facts->epoch;
	status->durable = facts->durable;
	status->lost = facts->lost;
	control_step(control, facts, status);
	control_publish(control, picture);
	if (facts->epoch % 20 == 0) {
		control_publish_probe(control, picture->sample);
	}
}

static uint32_t
finish(struct caller *callers, uint32_t *asked)
{
	uint32_t completed = 0;

	for (uint32_t i = 0; i < CALLERS; i++) {
		struct caller *caller = &callers[i];

		env_thread_join(caller->thread);
		fclose(caller->in);
		close(caller->socket);
		*asked += caller->asked;
		completed += caller->completed;
	}
	return completed;
}

static void
test_all_at_once(void **state)
{
	struct sample_shape shape = { .count = { [SAMPLE_HEAD] = 1,
		                                 [SAMPLE_OPERATORS] = 1,
		                                 [SAMPLE_SLICES] = 2,
		                                 [SAMPLE_WORKERS] = 1 } };
	struct snapshot_status status = { 0 };
	struct manager_facts facts = { .has_snapshots = true, .epoch = 1, .why = "it was torn" };
	struct caller caller[CALLERS] = { 0 };
	struct view_about about = { .has_snapshots = true };
	struct peer_grants grants = { 0 };
	struct sample sample = { 0 };
	struct control_picture picture = { .sample = &sample,
		                           .snapshots = &status,
		                           .bottleneck = LM_NONE };
	struct control *control;
	uint32_t asked = 0, completed, left = 1;
	char path[100], why[256];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/stress-control-%d.sock", (int)getpid());
	assert_int_equal(sample_alloc(&sample, &shape), 0);
	sample.head->batch_rows = 1;
	assert_int_equal(control_open(&control, path, &grants, why), 0);
	assert_int_equal(control_start(control, &about, &sample), 0);
	for (uint32_t i = 0; i < CALLERS; i++) {
		begin(&caller[i], path);
	}
	for (uint32_t i = 0; i < CALLERS; i++) {
		assert_int_equal(
		    env_thread_start(&caller[i].thread, "caller", step_caller, &caller[i]), 0);
	}
	while (left > 0) {
		go_on(control, &picture, &facts, &status);
		env_sleep_ns(STEP_NS);
		left = 0;
		for (uint32_t i = 0; i < CALLERS; i++) {
			left += __atomic_load_n(&caller[i].left, __ATOMIC_RELAXED);
		}
	}
	control_end(control, &facts, ENDED_WHOLE);
	control_close(control);
	/* Every action is told to every caller, once. */
	completed = finish(caller, &asked);
	assert_int_equal(completed, asked * CALLERS);
	assert_true(asked > CALLS / 20);
	assert_int_not_equal(access(path, F_OK), 0);
	sample_free(&sample);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
