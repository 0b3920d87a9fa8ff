/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's TCP behind core/env.h: sockets that never block. */

#define _GNU_SOURCE
#include "core/env.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64
/* A peer that has vanished is found out within so many milliseconds, whether there is something to
 * send or not. */
#define VANISHED_MS 20000
#define PROBE_AFTER_S 10
#define PROBE_EVERY_S 5

static_assert(sizeof(struct sockaddr_storage) <= ENV_ADDRESS_MAX, "every address fits");

static int
resolve_error(int result)
{
	switch (result) {
	case EAI_SYSTEM:
		return -errno;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_AGAIN:
		return -EHOSTUNREACH;
	default:
		return -ENXIO;
	}
}

int
env_socket_resolve(const char *host, uint16_t port, struct env_address *address)
{
	struct addrinfo wanted = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char text[8];
	int result;

	snprintf(text, sizeof(text), "%u", port);
	result = getaddrinfo(host, text, &wanted, &found);
	if (result != 0) {
		return resolve_error(result);
	}
	address->size = found->ai_addrlen;
	memcpy(address->bytes, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

static int
open_socket(const struct env_address *address)
{
	struct sockaddr_storage where;
	int opened;

	memcpy(&where, address->bytes, sizeof(where));
	opened = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return opened < 0 ? -errno : opened;
}

static void
set(int socket, int level, int option, int value)
{
	/* Each only helps: without one, the connection still works. */
	(void)setsockopt(socket, level, option, &value, sizeof(value));
}

static void
tune(int socket)
{
	set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
	set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(socket, IPPROTO_TCP, TCP_KEEPIDLE, PROBE_AFTER_S);
	set(socket, IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EVERY_S);
	set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, VANISHED_MS);
}

int
env_socket_listen(const struct env_address *address)
{
	int listener = open_socket(address);
	int result;

	if (listener < 0) {
		return listener;
	}
	/* Connections of before that are still closing are no reason to wait. */
	set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(listener, (const struct sockaddr *)address->bytes, address->size) < 0 ||
	    listen(listener, BACKLOG) < 0) {
		result = -errno;
		close(listener);
		return result;
	}
	return listener;
}

int
env_socket_accept(int listener)
{
	int taken = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (taken >= 0) {
		tune(taken);
		return taken;
	}
	/* One that was gone again before it was taken. */
	return errno == ECONNABORTED || errno == EINTR ? -EAGAIN : -errno;
}

int
env_socket_connect(const struct env_address *address)
{
	int opened = open_socket(address);
	int result;

	if (opened < 0) {
		return opened;
	}
	tune(opened);
	if (connect(opened, (const struct sockaddr *)address->bytes, address->size) < 0 &&
	    errno != EINPROGRESS && errno != EINTR) {
		result = -errno;
		close(opened);
		return result;
	}
	return opened;
}

/*
 * A port of the range that the kernel gives out by itself may be given to the very socket that asks
 * for it, which then talks to itself.
 */
static bool
is_itself(int socket)
{
	struct sockaddr_storage here = { 0 }, there = { 0 };
	socklen_t here_size = sizeof(here), there_size = sizeof(there);

	return getsockname(socket, (struct sockaddr *)&here, &here_size) == 0 &&
	       getpeername(socket, (struct sockaddr *)&there, &there_size) == 0 &&
	       here_size == there_size && memcmp(&here, &there, here_size) == 0;
}

int
env_socket_connected(int socket)
{
	struct pollfd wanted = { .fd = socket, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error;

	if (poll(&wanted, 1, 0) <= 0) {
		return -EAGAIN;
	}
	if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
		return -errno;
	}
	return error == 0 && is_itself(socket) ? -ECONNREFUSED : -error;
}

ssize_t
env_socket_send(int socket, const void *bytes, size_t size)
{
	ssize_t result = send(socket, bytes, size, MSG_NOSIGNAL);

	return result >= 0 ? result : errno == EINTR ? -EAGAIN : -errno;
}

ssize_t
env_socket_receive(int socket, void *bytes, size_t size)
{
	ssize_t result = recv(socket, bytes, size, 0);

	return result >= 0 ? result : errno == EINTR ? -EAGAIN : -errno;
}

void
env_socket_close(int socket)
{
	(void)close(socket);
}
