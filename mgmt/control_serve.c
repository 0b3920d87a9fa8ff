/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread of the control interface: accepting clients, their bytes, notifications. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mgmt/control_struct.h"
#include "mgmt/process_use.h"

/* Lines of one client in a row, while others wait. */
#define ROUND_LINES 64u
/* With so much to be sent no more is read. */
#define BACKLOG_MAX (256u << 10)
/* A client that takes nothing for so long is cut off. */
#define STUCK_NS 10000000000
/* How long clients may take what is left for them when the job has ended. */
#define LEAVE_NS 300000000
#define WAIT_MS 1000

/* The stream goes first, on every CPU. */
#define NICE 19

static void
client_free(struct control *control, struct control_client *client)
{
	close(client->socket);
	conn_free(&client->conn);
	memset(client, 0, sizeof(*client));
	client->socket = -1;
	control->counts.connected--;
}

static void
client_cut_off(struct control *control, struct control_client *client)
{
	env_log(4, "control: a client of uid %u does not read what it is sent and is cut off",
	        client->peer.uid);
	control->counts.cut_off++;
	client_free(control, client);
}

/* False: it is gone. */
static bool
client_send(struct control *control, struct control_client *client)
{
	size_t size;
	const char *bytes = conn_waiting(&client->conn, &size);
	int64_t now_ns = env_now_ns();

	while (size > 0) {
		ssize_t sent = send(client->socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR) {
			continue;
		}
		if (sent < 0 && errno != EAGAIN) {
			client_free(control, client);
			return false;
		}
		if (sent < 0) {
			break;
		}
		conn_sent(&client->conn, (size_t)sent);
		client->moved_ns = now_ns;
		bytes = conn_waiting(&client->conn, &size);
	}
	if (size == 0) {
		client->moved_ns = now_ns;
		if (client->is_leaving) {
			client_free(control, client);
			return false;
		}
	} else if (now_ns - client->moved_ns > STUCK_NS) {
		client_cut_off(control, client);
		return false;
	}
	return true;
}

static bool
is_backed_up(const struct control_client *client)
{
	size_t size;

	conn_waiting(&client->conn, &size);
	return size > BACKLOG_MAX;
}

/* Answers lines that are there. False: the client is gone. */
static bool
client_lines(struct control *control, struct control_client *client)
{
	enum conn_what what = CONN_NONE;
	const char *line;
	size_t size;

	client->has_more = false;
	for (uint32_t i = 0; i < ROUND_LINES && !is_backed_up(client) && !client->is_leaving; i++) {
		bool good;

		what = conn_line(&client->conn, &line, &size);
		if (what == CONN_NONE) {
			return true;
		}
		good = what == CONN_LINE ? control_line(control, client, line, size)
		                         : control_oversized(control, client);
		if (!good) {
			client_cut_off(control, client);
			return false;
		}
	}
	client->has_more = true;
	return true;
}

/* False: the client is gone. */
static bool
client_receive(struct control *control, struct control_client *client)
{
	size_t room;
	char *to;
	ssize_t got;

	to = conn_room(&client->conn, &room);
	if (room == 0) {
		return true;
	}
	got = recv(client->socket, to, room, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return true;
	}
	if (got <= 0) {
		/* What it asked for before it hung up is still answered, if it listens. */
		if (got == 0 && client->has_more) {
			return true;
		}
		client->is_leaving = true;
		return client_send(control, client);
	}
	conn_filled(&client->conn, (size_t)got);
	return true;
}

/* Some may have left since they were looked at. */
static void
receive_all(struct control *control)
{
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = &control->client[i];

		if (client->socket >= 0 && !client->has_more && !client->is_leaving &&
		    !is_backed_up(client)) {
			(void)client_receive(control, client);
		}
	}
}

static struct control_client *
find_free(struct control *control)
{
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (control->client[i].socket < 0) {
			return &control->client[i];
		}
	}
	return NULL;
}

/* Says why, as far as the socket takes it, and closes. */
static void
turn_away(struct control *control, int socket, struct control_client *client,
          const struct rpc_error *error)
{
	size_t size;
	const char *text;

	control->counts.turned_away++;
	if (control_refuse(client, NULL, error)) {
		text = conn_waiting(&client->conn, &size);
		(void)send(socket, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	conn_free(&client->conn);
	close(socket);
}

static void
take_client(struct control *control, int socket)
{
	struct control_client fresh = { .socket = socket, .moved_ns = env_now_ns() };
	struct control_client *client = find_free(control);
	struct rpc_error error;

	if (peer_of(socket, &fresh.peer) == 0) {
		fresh.role = peer_role(&fresh.peer, &control->grants, geteuid());
	}
	if (client == NULL) {
		receive_all(control);
		client = find_free(control);
	}
	if (client == NULL) {
		rpc_refuse(&error, CONTROL_ERROR_BUSY, "",
		           "close a connection, or make many calls on one",
		           "there are %u clients already", CONTROL_CLIENTS_MAX);
		turn_away(control, socket, &fresh, &error);
		return;
	}
	if (fresh.role == CONTROL_ROLE_NONE) {
		rpc_refuse(&error, CONTROL_ERROR_FORBIDDEN, "",
		           "start the job with --control-role USER=view, operate or deploy",
		           "user %u has no role here", fresh.peer.uid);
		turn_away(control, socket, &fresh, &error);
		return;
	}
	if (conn_init(&fresh.conn) != 0) {
		close(socket);
		return;
	}
	fresh.told = control->mine.manager.completed_count;
	*client = fresh;
	control->counts.accepted++;
	control->counts.connected++;
}

static void
accept_all(struct control *control)
{
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		int socket =
		    accept4(control->socket.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (socket < 0) {
			return;
		}
		take_client(control, socket);
	}
}

/* NULL: nobody wants it, or no memory. What the CPU is measured from goes on either way. */
static char *
make_probe(struct control *control, bool is_wanted, size_t *size)
{
	const struct picture *mine = &control->mine;
	const struct view view = { .about = &control->about,
		                   .sample = &mine->probe,
		                   .rates = &control->rates,
		                   .now_ns = env_now_ns() };
	int64_t passed_ns = mine->probe.head->now_ns - control->before.head->now_ns;
	uint64_t cpu_ns = process_cpu_ns();
	struct view_process process = { .number = mine->probe_number,
		                        .memory = process_resident_bytes() };

	process.cpu = passed_ns <= 0 || control->cpu_ns == 0
	                  ? 0
	                  : (double)(cpu_ns - control->cpu_ns) / (double)passed_ns;
	control->cpu_ns = cpu_ns;
	if (!is_wanted) {
		return NULL;
	}
	rates_compute(&control->rates, &mine->probe, &control->before);
	return control_note(CONTROL_EVENT_PROBE, view_probe(&view, &control->before, &process),
	                    size);
}

static void
tell_probe(struct control *control)
{
	bool is_wanted = false;
	size_t size = 0;
	char *text;

	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		is_wanted |= (control->client[i].events & CONTROL_SUBSCRIBE_EVENTS_PROBE) != 0;
	}
	text = make_probe(control, is_wanted, &size);
	for (uint32_t i = 0; text != NULL && i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = &control->client[i];

		if (client->socket >= 0 && (client->events & CONTROL_SUBSCRIBE_EVENTS_PROBE) != 0 &&
		    !conn_put(&client->conn, text, size)) {
			client_cut_off(control, client);
		}
	}
	free(text);
}

/* What has come to its end since this client was told. */
static void
tell_completed(struct control *control, struct control_client *client)
{
	const struct manager *manager = &control->mine.manager;

	for (; client->told < manager->completed_count; client->told++) {
		const struct action *action = manager_completed(manager, client->told);
		size_t size = 0;
		char *text;
		bool good;

		if (action == NULL ||
		    (client->events & CONTROL_SUBSCRIBE_EVENTS_ACTION_COMPLETED) == 0) {
			continue;
		}
		text = control_note(CONTROL_EVENT_ACTION_COMPLETED,
		                    json_pack("{so}", "action", view_action(action, env_now_ns())),
		                    &size);
		good = text != NULL && conn_put(&client->conn, text, size);
		free(text);
		if (!good) {
			client_cut_off(control, client);
			return;
		}
	}
}

static void
serve_client(struct control *control, struct control_client *client, short events)
{
	if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !is_backed_up(client) &&
	    !client->is_leaving && !client_receive(control, client)) {
		return;
	}
	if (client_lines(control, client)) {
		(void)client_send(control, client);
	}
}

static void
tell_all(struct control *control, uint64_t probe_before)
{
	if (control->mine.probe_number != probe_before && !control->is_base) {
		tell_probe(control);
	}
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = &control->client[i];

		if (client->socket >= 0) {
			tell_completed(control, client);
		}
		if (client->socket >= 0) {
			(void)client_send(control, client);
		}
	}
}

/* Waits for something to do; fills in what for. Returns how long it may be until the next look. */
static int
prepare_poll(struct control *control, struct pollfd *poll_fd)
{
	int wait_ms = WAIT_MS;

	poll_fd[0] = (struct pollfd){ .fd = control->wake, .events = POLLIN };
	poll_fd[1] = (struct pollfd){ .fd = control->socket.listener, .events = POLLIN };
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		const struct control_client *client = &control->client[i];
		struct pollfd *entry = &poll_fd[2 + i];
		size_t size = 0;

		*entry = (struct pollfd){ .fd = client->socket };
		if (client->socket < 0) {
			continue;
		}
		conn_waiting(&client->conn, &size);
		if (size > 0) {
			entry->events |= POLLOUT;
		}
		if (size <= BACKLOG_MAX && !client->has_more && !client->is_leaving) {
			entry->events |= POLLIN;
		}
		if (client->has_more && size <= BACKLOG_MAX) {
			wait_ms = 0;
		}
	}
	return wait_ms;
}

/* Whether the last words are said, or the time for them is over. */
static bool
is_over(struct control *control)
{
	bool waits = false;

	if (control->leave_ns == 0) {
		control->leave_ns = env_now_ns() + LEAVE_NS;
	}
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		size_t size = 0;

		if (control->client[i].socket >= 0) {
			conn_waiting(&control->client[i].conn, &size);
			waits |= size > 0;
		}
	}
	return !waits || env_now_ns() >= control->leave_ns;
}

bool
control_serve(void *arg)
{
	struct control *control = arg;
	bool stopping = __atomic_load_n(&control->stopping, __ATOMIC_ACQUIRE);
	struct pollfd poll_fd[2 + CONTROL_CLIENTS_MAX];
	uint64_t probe_before = control->mine.probe_number, woken;
	int wait_ms = prepare_poll(control, poll_fd);

	if (!control->is_nice) {
		control->is_nice = true;
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
		control->cpu_ns = process_cpu_ns();
	}
	(void)poll(poll_fd, 2 + CONTROL_CLIENTS_MAX, stopping ? 10 : wait_ms);
	(void)!read(control->wake, &woken, sizeof(woken));
	control_look(control);
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (control->client[i].socket >= 0) {
			serve_client(control, &control->client[i], poll_fd[2 + i].revents);
		}
	}
	if (!stopping && (poll_fd[1].revents & POLLIN) != 0) {
		accept_all(control);
	}
	control_look(control);
	tell_all(control, probe_before);
	if (!stopping || !is_over(control)) {
		return true;
	}
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (control->client[i].socket >= 0) {
			client_free(control, &control->client[i]);
		}
	}
	return false;
}
