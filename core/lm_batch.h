/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_BATCH_H
#define LM_BATCH_H

/*
 * Schema, batch, selection: the data that travels.
 *
 * A batch is up to LM_BATCH_ROWS rows of one schema, stored by column in one allocation: a header,
 * then one array per field, each aligned to 64 bytes. Fixed-width columns are plain arrays; strings
 * and bytes are uint32_t offsets (capacity + 1 of them) followed by a byte area, as in the Arrow
 * columnar format (https://arrow.apache.org/docs/format/Columnar.html, variable-size binary).
 * There are no nulls. Two types differ from Arrow's: bool takes a byte, mac takes 8.
 *
 * Threads: a batch that an operator receives is read-only and valid until its callback returns. An
 * output batch belongs to the operator's lcore until it is sent.
 *
 *     const uint64_t *bytes = lm_batch_u64(in, BYTES);
 *     for (uint32_t row = 0; row < in->count; row++)
 *             sum += bytes[row];
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of a batch, at most. A schema may hold fewer (wide rows, tests). */
#define LM_BATCH_ROWS 1024u
/* Fields of a schema, and length of a field's name with its end. */
#define LM_FIELDS_MAX 32u
#define LM_NAME_MAX 32u
/* "No field", "no index". */
#define LM_NONE UINT32_MAX

/*
 * Every type: enum suffix, text, width of a value in bytes (0: offsets and bytes).
 *   time   int64_t, nanoseconds since 1970-01-01T00:00:00Z
 *   ip4    uint32_t, host order
 *   ip6    struct lm_ip6, network order; an IPv4 address is stored as ::ffff:a.b.c.d (RFC
 * 4291 2.5.5.2) mac    uint64_t, the 48 bits in the low end, first byte on the wire highest frame
 * struct lm_frame, bytes that live outside the batch (a packet)
 */
#define LM_TYPES(X)                                                                                \
	X(I8, "i8", 1)                                                                             \
	X(I16, "i16", 2)                                                                           \
	X(I32, "i32", 4)                                                                           \
	X(I64, "i64", 8)                                                                           \
	X(U8, "u8", 1)                                                                             \
	X(U16, "u16", 2)                                                                           \
	X(U32, "u32", 4)                                                                           \
	X(U64, "u64", 8)                                                                           \
	X(F32, "f32", 4)                                                                           \
	X(F64, "f64", 8)                                                                           \
	X(BOOL, "bool", 1)                                                                         \
	X(TIME, "time", 8)                                                                         \
	X(IP4, "ip4", 4)                                                                           \
	X(IP6, "ip6", 16)                                                                          \
	X(MAC, "mac", 8)                                                                           \
	X(STRING, "string", 0)                                                                     \
	X(BYTES, "bytes", 0)                                                                       \
	X(FRAME, "frame", 16)

enum lm_type {
#define LM_TYPE_ENUM(suffix, text, width) LM_##suffix,
	LM_TYPES(LM_TYPE_ENUM)
#undef LM_TYPE_ENUM
	    LM_TYPE_COUNT
};

struct lm_ip6 {
	uint8_t byte[16];
};

/* A packet's bytes: `contiguous` of them can be read at `data`; the frame was captured with
 * `length`. */
struct lm_frame {
	const uint8_t *data;
	uint32_t contiguous;
	uint32_t length;
};

struct lm_field {
	char name[LM_NAME_MAX];
	enum lm_type type;
	uint32_t bytes_max; /* string, bytes: size of the byte area of a batch; else 0 */
};

/*
 * Schema: named, typed fields and where their columns stand in a batch. Immutable once laid out.
 */
struct lm_schema {
	uint32_t field_count;
	uint32_t capacity;              /* rows, 1 to LM_BATCH_ROWS */
	uint32_t size;                  /* bytes of a batch, header included */
	uint32_t time_field;            /* index of the event time, or LM_NONE */
	uint32_t frame_field;           /* index of the only frame, or LM_NONE */
	uint32_t handle_offset;         /* of the void * handles of the frames; 0 without frames */
	uint32_t offset[LM_FIELDS_MAX]; /* of a column: values, or the offsets of strings */
	uint32_t bytes_offset[LM_FIELDS_MAX]; /* of the byte area of strings; else 0 */
	struct lm_field field[LM_FIELDS_MAX];
};

/* Who keeps the memory behind frames. Both functions may run on any lcore. */
struct lm_external {
	void (*retain)(void *const *handles, uint32_t count);  /* one more holder each */
	void (*release)(void *const *handles, uint32_t count); /* one holder less each */
};

struct lm_pool;

/*
 * The header of a batch; its columns follow in the same allocation. Operators read the first part
 * and, in their own output batches, write columns; the rest is the engine's.
 */
struct lm_batch {
	const struct lm_schema *schema;
	uint32_t count;     /* rows */
	uint32_t hash_key;  /* which key the hash column is of; 0: none */
	uint64_t sequence;  /* number of the first row on its edge; dense, from 0 */
	int64_t ingress_ns; /* when the oldest row entered the engine (monotonic clock), INT64_MAX:
	                       unknown */
	uint64_t epoch;     /* the epoch the rows belong to */

	/* The engine's. */
	uint32_t references;
	uint32_t padding;
	struct lm_pool *pool;
	const struct lm_external *external; /* of the frames */
} __attribute__((aligned(64)));

/* Rows of one batch, in increasing order. */
struct lm_select {
	const struct lm_batch *batch;
	uint32_t count;
	uint16_t row[LM_BATCH_ROWS];
};

/*
 * Lays out a schema of `count` fields for batches of `rows` rows (1 to LM_BATCH_ROWS; wide rows get
 * fewer so that a batch stays under LM_BATCH_SIZE_MAX). The first field of type time, if any, is
 * the event time; `bytes_max` 0 of a string means the default of 64 bytes a row. Returns 0, -EINVAL
 * (no field, a bad name or type, a name twice, more than one frame) or -E2BIG.
 */
int lm_schema_init(struct lm_schema *schema, const struct lm_field *fields, uint32_t count,
                   uint32_t rows);
#define LM_BATCH_SIZE_MAX (512u * 1024u)
/* Bytes behind every byte area that may be read (and mean nothing): short strings are loaded whole.
 */
#define LM_BYTES_SLACK 16u

/* Index of the field called `name`, or LM_NONE. */
uint32_t lm_schema_find(const struct lm_schema *schema, const char *name);
/* Same names and types in the same order. */
bool lm_schema_equal(const struct lm_schema *a, const struct lm_schema *b);

/* "u64", "time", … ; the type called `text` or LM_TYPE_COUNT; bytes of a value, 0 for strings. */
const char *lm_type_text(enum lm_type type);
enum lm_type lm_type_find(const char *text);
uint32_t lm_type_width(enum lm_type type);

static inline void *
lm_batch_column(const struct lm_batch *batch, uint32_t field)
{
	return (char *)(uintptr_t)batch + batch->schema->offset[field];
}

#define LM_BATCH_COLUMN(name, ctype)                                                               \
	static inline ctype *lm_batch_##name(const struct lm_batch *batch, uint32_t field)         \
	{                                                                                          \
		return (ctype *)lm_batch_column(batch, field);                                     \
	}
LM_BATCH_COLUMN(i8, int8_t)
LM_BATCH_COLUMN(i16, int16_t)
LM_BATCH_COLUMN(i32, int32_t)
LM_BATCH_COLUMN(i64, int64_t)
LM_BATCH_COLUMN(u8, uint8_t)
LM_BATCH_COLUMN(u16, uint16_t)
LM_BATCH_COLUMN(u32, uint32_t)
LM_BATCH_COLUMN(u64, uint64_t)
LM_BATCH_COLUMN(f32, float)
LM_BATCH_COLUMN(f64, double)
LM_BATCH_COLUMN(bool, uint8_t)
LM_BATCH_COLUMN(ip6, struct lm_ip6)
LM_BATCH_COLUMN(frame, struct lm_frame)
LM_BATCH_COLUMN(offsets, uint32_t)
#undef LM_BATCH_COLUMN

/* The byte area of a string or bytes column. Row i is bytes[offsets[i]] to bytes[offsets[i + 1]].
 */
static inline char *
lm_batch_bytes(const struct lm_batch *batch, uint32_t field)
{
	return (char *)(uintptr_t)batch + batch->schema->bytes_offset[field];
}

/* The event times, or NULL when the schema has none. */
static inline const int64_t *
lm_batch_time(const struct lm_batch *batch)
{
	return batch->schema->time_field == LM_NONE
	           ? NULL
	           : lm_batch_i64(batch, batch->schema->time_field);
}

/* The handles of the frames, one a row; only where the schema has a frame field. */
static inline void **
lm_batch_handles(const struct lm_batch *batch)
{
	return (void **)((char *)(uintptr_t)batch + batch->schema->handle_offset);
}

/*
 * Asks for the beginning of a batch that this lcore will read soon and another one wrote, or that
 * lies in memory: of its header, and of each column where hardware prefetching has to start anew,
 * that is in each page of 4 KiB.
 */
static inline void
lm_batch_prefetch(const struct lm_batch *batch, const struct lm_schema *schema)
{
	const char *start = (const char *)batch;

	__builtin_prefetch(start);
	for (uint32_t i = 0; i < schema->field_count; i++) {
		uint32_t end = i + 1 < schema->field_count ? schema->offset[i + 1] : schema->size;

		for (uint32_t at = schema->offset[i]; at < end;) {
			__builtin_prefetch(start + at);
			__builtin_prefetch(start + at + 64);
			at = (at | 4095) + 1;
		}
	}
}

/* The hash column, LM_BATCH_ROWS values at most: right behind the header in every batch. */
static inline uint64_t *
lm_batch_hashes(const struct lm_batch *batch)
{
	return (uint64_t *)((char *)(uintptr_t)batch + sizeof(struct lm_batch));
}

/* Starts an empty selection of `batch`; adds a row (rows in increasing order, each once). */
static inline void
lm_select_begin(struct lm_select *select, const struct lm_batch *batch)
{
	select->batch = batch;
	select->count = 0;
}

static inline void
lm_select_add(struct lm_select *select, uint32_t row)
{
	select->row[select->count++] = (uint16_t)row;
}

/*
 * Adds the rows whose mask byte is not 0, without a branch. `candidates` are the rows the mask is
 * of, or NULL for the first `count` rows.
 */
void lm_select_mask(struct lm_select *select, const uint8_t *mask, const uint16_t *candidates,
                    uint32_t count);

/*
 * to[i] = from[rows[i]] for `count` rows in increasing order: values of `width` bytes (1, 2, 4, 8
 * or 16, see lm_type_width) of a column, copied side by side.
 */
void lm_gather(void *to, const void *from, uint32_t width, const uint16_t *rows, uint32_t count);

/*
 * Writes the value in `row` of `field` as text, ended, cut to `size` bytes; returns its whole
 * length. Times are ISO 8601 in UTC, addresses as in RFC 5952, strings as they are.
 */
size_t lm_batch_format(const struct lm_batch *batch, uint32_t field, uint32_t row, char *text,
                       size_t size);

#ifdef __cplusplus
}
#endif

#endif
