/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing to the terminal without ever waiting for it, one whole piece after the other. */
#include "operators/print_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/env.h"

/* Which stream is within a piece on stdout, on stderr; 0: none. */
static _Atomic uint32_t print_turn[2];
static _Atomic uint32_t print_numbers;
/* Streams that write to a terminal. */
static _Atomic uint32_t print_terminals;

/*
 * A descriptor of our own that does not block. Setting the flag on a duplicate would set it for
 * everyone who shares the terminal, so it is opened anew. A file on a disk is used as it is: it has
 * one position that all writers must share.
 */
int
print_stream_open(struct print_stream *stream, bool to_stderr, char *buffer)
{
	int standard = to_stderr ? STDERR_FILENO : STDOUT_FILENO;
	struct stat status;

	memset(stream, 0, sizeof(*stream));
	if (fstat(standard, &status) != 0) {
		return -errno;
	}
	stream->buffer = buffer;
	stream->target = to_stderr;
	stream->number = atomic_fetch_add(&print_numbers, 1) + 1;
	stream->file = standard;
	if (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode)) {
		int file = env_file_open(to_stderr ? "/proc/self/fd/2" : "/proc/self/fd/1",
		                         O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);

		stream->own = file >= 0;
		stream->file = file >= 0 ? file : standard;
	}
	stream->terminal = isatty(stream->file);
	atomic_fetch_add(&print_terminals, stream->terminal);
	return 0;
}

static void
print_stream_pass_turn(struct print_stream *stream)
{
	uint32_t own = stream->number;

	atomic_compare_exchange_strong(&print_turn[stream->target], &own, 0);
}

void
print_stream_close(struct print_stream *stream)
{
	print_stream_pass_turn(stream);
	atomic_fetch_sub(&print_terminals, stream->terminal);
	if (stream->own) {
		env_file_close(stream->file);
		stream->own = false;
	}
}

bool
print_stream_is_alone(const struct print_stream *stream)
{
	return stream->terminal && atomic_load(&print_terminals) == 1;
}

void
print_stream_size(const struct print_stream *stream, uint32_t *columns, uint32_t *lines)
{
	struct winsize size = { 0 };

	if (stream->terminal && ioctl(stream->file, TIOCGWINSZ, &size) != 0) {
		size = (struct winsize){ 0 };
	}
	*columns = size.ws_col;
	*lines = size.ws_row;
}

bool
print_stream_begin(struct print_stream *stream, struct row_writer *writer)
{
	*writer = (struct row_writer){ stream->buffer + stream->length,
		                       stream->buffer + PRINT_BUFFER, false };
	return stream->pieces < PRINT_PIECES;
}

bool
print_stream_commit(struct print_stream *stream, const struct row_writer *writer, uint32_t rows)
{
	if (writer->full) {
		return false;
	}
	stream->length = (uint32_t)(writer->at - stream->buffer);
	stream->piece[stream->pieces++] = (struct print_piece){ stream->length, rows };
	return true;
}

/* Whether a write would not wait: only asked where the descriptor is shared and may block. */
static bool
print_stream_ready(const struct print_stream *stream)
{
	struct pollfd file = { .fd = stream->file, .events = POLLOUT };

	return stream->own || (poll(&file, 1, 0) == 1 && (file.revents & POLLOUT) != 0);
}

/* As much as goes at once; how much that was. */
static uint32_t
print_stream_push(struct print_stream *stream)
{
	uint32_t written = 0;

	while (written < stream->length && print_stream_ready(stream)) {
		ssize_t result = env_file_write(stream->file, stream->buffer + written,
		                                stream->length - written);

		if (result == -EINTR) {
			continue;
		}
		if (result <= 0) {
			stream->broken = result != 0 && result != -EAGAIN;
			break;
		}
		written += (uint32_t)result;
	}
	return written;
}

uint64_t
print_stream_write(struct print_stream *stream)
{
	uint32_t nobody = 0, written, done = 0;
	uint64_t rows = 0;

	if (stream->length == 0 || stream->broken) {
		return 0;
	}
	if (!stream->begun &&
	    !atomic_compare_exchange_strong(&print_turn[stream->target], &nobody, stream->number)) {
		return 0; /* another one is within a piece: the timer tries again */
	}
	written = print_stream_push(stream);
	while (done < stream->pieces && stream->piece[done].end <= written) {
		rows += stream->piece[done++].rows;
	}
	stream->begun =
	    done == 0 ? stream->begun || written > 0 : written > stream->piece[done - 1].end;
	for (uint32_t i = done; i < stream->pieces; i++) {
		stream->piece[i - done].end = stream->piece[i].end - written;
		stream->piece[i - done].rows = stream->piece[i].rows;
	}
	stream->pieces -= done;
	memmove(stream->buffer, stream->buffer + written, stream->length - written);
	stream->length -= written;
	if (!stream->begun || stream->broken) {
		print_stream_pass_turn(stream);
	}
	return rows;
}

uint64_t
print_stream_discard(struct print_stream *stream)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < stream->pieces; i++) {
		rows += stream->piece[i].rows;
	}
	stream->pieces = 0;
	stream->length = 0;
	stream->begun = false;
	print_stream_pass_turn(stream);
	return rows;
}
