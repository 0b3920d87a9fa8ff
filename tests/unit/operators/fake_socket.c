/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets of core/env.h, the other end of which is the test: see fake_socket.h. */
#include "tests/unit/operators/fake_socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"

#define PEERS_MAX 64u
#define BYTES_MAX (4u << 20)
/* Sockets are numbered from here, the listener is the number before. */
#define FIRST 1000

struct fake_peer {
	bool is_used, waits, is_open;
	char *in, *out; /* what the operator receives, what it sent */
	size_t in_size, in_at, out_size, out_at;
	bool is_over; /* nothing comes any more */
	int error;
};

struct fake_socket_order fake_socket = { .send_budget = -1 };
static struct fake_peer peer[PEERS_MAX];
static uint32_t peer_count, last;

void
fake_socket_reset(void)
{
	for (uint32_t i = 0; i < peer_count; i++) {
		free(peer[i].in);
		free(peer[i].out);
	}
	memset(peer, 0, sizeof(peer));
	peer_count = 0;
	fake_socket = (struct fake_socket_order){ .send_budget = -1 };
}

static struct fake_peer *
new_peer(void)
{
	struct fake_peer *made = &peer[peer_count++];

	assert_true(peer_count <= PEERS_MAX);
	made->is_used = true;
	made->in = malloc(BYTES_MAX);
	made->out = calloc(1, BYTES_MAX);
	assert_non_null(made->in);
	assert_non_null(made->out);
	return made;
}

struct fake_peer *
fake_peer_connect(void)
{
	struct fake_peer *made = new_peer();

	made->waits = true;
	return made;
}

struct fake_peer *
fake_peer_last(void)
{
	assert_true(peer_count > 0);
	return &peer[last];
}

bool
fake_peer_is_open(const struct fake_peer *p)
{
	return p->is_open;
}

void
fake_peer_send(struct fake_peer *p, const char *text)
{
	size_t length = strlen(text);

	assert_true(p->in_size + length <= BYTES_MAX);
	memcpy(p->in + p->in_size, text, length);
	p->in_size += length;
}

void
fake_peer_close(struct fake_peer *p, int error)
{
	p->is_over = true;
	p->error = error;
}

const char *
fake_peer_got(struct fake_peer *p)
{
	const char *text = p->out + p->out_at;

	p->out_at = p->out_size;
	return text;
}

void
fake_peer_expect(struct fake_peer *p, const char *text)
{
	assert_string_equal(fake_peer_got(p), text);
}

/* ---- core/env.h ---- */

int
env_socket_resolve(const char *host, uint16_t port, struct env_address *address)
{
	memset(address, 0, sizeof(*address));
	if (strcmp(host, "nowhere") == 0) {
		return -ENXIO;
	}
	address->size = sizeof(port);
	memcpy(address->bytes, &port, sizeof(port));
	return 0;
}

int
env_socket_listen(const struct env_address *address)
{
	assert_int_equal(address->size, sizeof(uint16_t));
	fake_socket.opened += fake_socket.refuse == 0;
	return fake_socket.refuse != 0 ? -fake_socket.refuse : FIRST - 1;
}

static int
open_peer(struct fake_peer *p)
{
	p->waits = false;
	p->is_open = true;
	last = (uint32_t)(p - peer);
	fake_socket.opened++;
	return FIRST + (int)last;
}

int
env_socket_accept(int listener)
{
	assert_int_equal(listener, FIRST - 1);
	for (uint32_t i = 0; i < peer_count; i++) {
		if (peer[i].waits) {
			return open_peer(&peer[i]);
		}
	}
	return -EAGAIN;
}

int
env_socket_connect(const struct env_address *address)
{
	assert_int_equal(address->size, sizeof(uint16_t));
	fake_socket.connects++;
	return fake_socket.refuse != 0 ? -fake_socket.refuse : open_peer(new_peer());
}

static struct fake_peer *
peer_of(int socket)
{
	struct fake_peer *p = &peer[socket - FIRST];

	assert_true(socket >= FIRST && socket < FIRST + (int)peer_count);
	assert_true(p->is_open);
	return p;
}

int
env_socket_connected(int socket)
{
	(void)peer_of(socket);
	return fake_socket.is_pending ? -EAGAIN : 0;
}

ssize_t
env_socket_send(int socket, const void *bytes, size_t size)
{
	struct fake_peer *p = peer_of(socket);

	if (p->error != 0) {
		return -p->error;
	}
	if (fake_socket.send_max != 0 && size > fake_socket.send_max) {
		size = fake_socket.send_max;
	}
	if (fake_socket.send_budget >= 0 && size > (size_t)fake_socket.send_budget) {
		size = (size_t)fake_socket.send_budget;
	}
	if (size == 0) {
		return -EAGAIN;
	}
	fake_socket.send_budget -= fake_socket.send_budget >= 0 ? (int64_t)size : 0;
	assert_true(p->out_size + size < BYTES_MAX);
	memcpy(p->out + p->out_size, bytes, size);
	p->out_size += size;
	return (ssize_t)size;
}

ssize_t
env_socket_receive(int socket, void *bytes, size_t size)
{
	struct fake_peer *p = peer_of(socket);
	size_t left = p->in_size - p->in_at;

	assert_true(size > 0);
	if (left == 0) {
		return p->error != 0 ? -p->error : p->is_over ? 0 : -EAGAIN;
	}
	size = left < size ? left : size;
	if (fake_socket.receive_max != 0 && size > fake_socket.receive_max) {
		size = fake_socket.receive_max;
	}
	memcpy(bytes, p->in + p->in_at, size);
	p->in_at += size;
	return (ssize_t)size;
}

void
env_socket_close(int socket)
{
	fake_socket.closed++;
	if (socket != FIRST - 1) {
		peer_of(socket)->is_open = false;
	}
}
