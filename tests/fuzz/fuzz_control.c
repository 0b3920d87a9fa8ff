/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzing the control interface: a client's bytes, however cut, through lines, calls and answers.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/control_struct.h"

#define REQUIRE(truth)                                                                             \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct control control;

/* A job with two operators, as the statistics would show it. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sample_shape shape = { .count = { [SAMPLE_HEAD] = 1,
		                                 [SAMPLE_OPERATORS] = 2,
		                                 [SAMPLE_SLICES] = 3,
		                                 [SAMPLE_WORKERS] = 2,
		                                 [SAMPLE_DROPS] = 2,
		                                 [SAMPLE_WIRES] = 1,
		                                 [SAMPLE_COUNTERS] = 1 } };
	struct sample *sample = &control.mine.sample;

	(void)argc;
	(void)argv;
	REQUIRE(sample_alloc(sample, &shape) == 0);
	snprintf(sample->op[0].name, SAMPLE_NAME, "rows");
	snprintf(sample->op[1].name, SAMPLE_NAME, "out");
	sample->op[1].is_sink = 1;
	sample->slice[1].op = sample->slice[2].op = 1;
	sample->slice[2].worker = 1;
	sample->drop[1].op = sample->wire[0].to = 1;
	sample->head->batch_rows = 512;
	control.about.has_snapshots = true;
	pthread_mutex_init(&control.lock, NULL);
	return 0;
}

/* Each answer is one line, an object with the id and a result or an error that says something. */
static void
check_answers(struct control_client *client)
{
	size_t size;
	const char *text = conn_waiting(&client->conn, &size);

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		json_t *answer, *error;

		REQUIRE(end != NULL);
		answer = json_loadb(text, (size_t)(end - text), JSON_REJECT_DUPLICATES, NULL);
		REQUIRE(json_is_object(answer));
		REQUIRE(json_object_get(answer, "id") != NULL);
		error = json_object_get(answer, "error");
		REQUIRE((error != NULL) != (json_object_get(answer, "result") != NULL));
		if (error != NULL) {
			REQUIRE(json_integer_value(json_object_get(error, "code")) < 0);
			REQUIRE(json_string_length(json_object_get(error, "message")) > 0);
		}
		json_decref(answer);
		conn_sent(&client->conn, (size_t)(end - text) + 1);
		text = conn_waiting(&client->conn, &size);
	}
}

static void
answer_lines(struct control_client *client)
{
	enum conn_what what;
	const char *line;
	size_t size;

	while ((what = conn_line(&client->conn, &line, &size)) != CONN_NONE) {
		REQUIRE(what == CONN_OVERSIZED || size < RPC_LINE_MAX);
		REQUIRE(what == CONN_LINE ? control_line(&control, client, line, size)
		                          : control_oversized(&control, client));
		check_answers(client);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_client client = { .socket = -1 };
	size_t cut;

	if (size < 2) {
		return 0;
	}
	client.role = CONTROL_ROLE_VIEW + data[0] % 3;
	cut = data[1] == 0 ? size : data[1];
	data += 2;
	size -= 2;
	manager_init(&control.shared.manager);
	control.mine.manager = control.shared.manager;
	control.shared.manager.state =
	    client.role == CONTROL_ROLE_DEPLOY ? MANAGER_DRAINING : MANAGER_RUNNING;
	REQUIRE(conn_init(&client.conn) == 0);
	while (size > 0) {
		size_t room, piece = size < cut ? size : cut;
		char *to = conn_room(&client.conn, &room);

		REQUIRE(room > 0);
		piece = piece < room ? piece : room;
		memcpy(to, data, piece);
		conn_filled(&client.conn, piece);
		data += piece;
		size -= piece;
		answer_lines(&client);
	}
	conn_free(&client.conn);
	return 0;
}
