/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_SERIAL_H
#define LM_SERIAL_H

/*
 * Writing down the little that an operator remembers besides its maps and values, and reading it
 * back: positions, counters, times. In the order it was written:
 *
 *     lm_write_u64(writer, s->rows);              in serialize(op, writer)
 *     s->rows = lm_read_u64(reader);              in deserialize(op, reader, version)
 *
 * Nothing needs to be checked on the way: a writer that is full and a reader that is empty are
 * remembered, and what was read from an empty one is zero. Integers are of the machine's order,
 * which is little endian.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that a slice may serialize. What is larger belongs into a map or a value. */
#define LM_SERIAL_MAX 4096u

struct lm_writer {
	char *bytes;
	uint32_t size, max;
	bool failed; /* it did not fit */
};

struct lm_reader {
	const void *bytes;
	size_t size, at;
	bool failed; /* there was less */
};

static inline void
lm_write_bytes(struct lm_writer *writer, const void *bytes, uint32_t size)
{
	if (size > writer->max - writer->size) {
		writer->failed = true;
		return;
	}
	if (size > 0) {
		memcpy(writer->bytes + writer->size, bytes, size);
		writer->size += size;
	}
}

static inline void
lm_read_bytes(struct lm_reader *reader, void *bytes, size_t size)
{
	if (size > reader->size - reader->at) {
		reader->failed = true;
		memset(bytes, 0, size);
		return;
	}
	if (size > 0) {
		memcpy(bytes, (const char *)reader->bytes + reader->at, size);
		reader->at += size;
	}
}

static inline void
lm_write_u64(struct lm_writer *writer, uint64_t value)
{
	lm_write_bytes(writer, &value, sizeof(value));
}

static inline uint64_t
lm_read_u64(struct lm_reader *reader)
{
	uint64_t value;

	lm_read_bytes(reader, &value, sizeof(value));
	return value;
}

static inline void
lm_write_i64(struct lm_writer *writer, int64_t value)
{
	lm_write_bytes(writer, &value, sizeof(value));
}

static inline int64_t
lm_read_i64(struct lm_reader *reader)
{
	return (int64_t)lm_read_u64(reader);
}

#ifdef __cplusplus
}
#endif

#endif
