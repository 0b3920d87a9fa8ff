/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOG_H
#define LOG_H

/*
 * The log: rows in the order in which they came, on disk, for those that nobody would send again.
 * What is put in is numbered from 0 by rows; it is durable in groups, a group at a time, so many
 * rows cost one sync; and it comes out again in the same order, also after a restart.
 *
 *     result = log_open(&options, &log, why);             finds what is there, checks all of it
 *     result = log_seek(log, id, row, why);               a snapshot knows how far it was
 *
 *     payload = log_reserve(log, size);                   NULL: no room, step and try again
 *     log_append(log, &put);
 *     log_step(log, now_ns, false);                       as often as there is time: never waits
 *     while (log_peek(log, &record)) … log_pass(log, rows);    in order, durable before it shows
 *
 * Promises. What log_peek has shown will be there after a crash at any moment (with `eager` only
 * what log_durable_row is past). After a restart the rows from the sought one on come again, the
 * same, each once; then what is new. A group that a crash has torn was never shown; it is ignored,
 * and its rows are gone. Damage of anything else is told by log_open, with file and row, and
 * nothing is opened then.
 *
 * Failing. When a write or a sync fails, its file is never written again: the rows that were not
 * durable go to a new one, after a while, as often as it takes. Until then they stay in memory, and
 * when that is full log_reserve says so. log_trouble and log_why tell.
 *
 * On disk (log_segment.h): a folder for each slice, with segments, a file LOCK and a file
 * ID.<number>. A restart begins a new segment with the last whole group of the one before, since
 * nobody knows whether its sync was through. Only log_trim removes anything.
 *
 * Threads: log_open, log_seek and log_close: a control thread while nothing else runs; log_trim:
 * one control thread at any time; the rest: one thread at a time, which never waits for the disk
 * but to create a file, and to read what a restart gives again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_WHY 360u
#define LOG_FOLDER_MAX 800u
/* The space of a group in its file, at most. */
#define LOG_GROUP_BYTES (2u << 20)
#define LOG_MEMORY_MIN (4u << 20)
#define LOG_SEGMENT_MIN (64u << 10)

struct log;

struct log_options {
	const char *folder;     /* made if it is not there; the slice's is in it */
	uint32_t slice, slices; /* of the operator */
	const char *schema;     /* what the rows are, for comparing; at most 4096 bytes */
	uint64_t segment_bytes; /* a segment is cut when it would become larger */
	uint64_t max_bytes;     /* no more is written while so much is there; 0: no bound; it must
	                           be more than a segment and two groups, or nothing helps */
	uint64_t commit_ns;     /* rows wait at most so long for others to join their group */
	bool eager;             /* rows show before they are durable */
	void *memory;           /* for rows that wait; 64-byte aligned */
	size_t memory_size;     /* a multiple of 64, at least LOG_MEMORY_MIN */
};

/* A record, as put and as shown. */
struct log_record {
	uint32_t rows, size;
	int64_t watermark;  /* event time when it came; INT64_MIN: none yet */
	int64_t ingress_ns; /* monotonic; INT64_MAX: unknown, as after a restart */
	/* When shown: */
	const void *payload;
	uint32_t skip;     /* rows at its front that are through already */
	bool is_from_disk; /* written by a process before this one */
};

int log_open(const struct log_options *options, struct log **log, char why[LOG_WHY]);
/* What is not durable by now is gone. NULL is fine. */
void log_close(struct log *log);
/* Chosen once for the folder. */
uint64_t log_id(const struct log *log);
/* Rows from this one on will come. -ENOENT, -ERANGE: they are not (all) here, or it is another
 * log. */
int log_seek(struct log *log, uint64_t id, uint64_t row, char why[LOG_WHY]);

/* Room for a record's payload, 8-byte aligned, which is then appended; NULL: none now. */
void *log_reserve(struct log *log, uint32_t size);
/* It is filled: rows, size (at most what was reserved), watermark, ingress_ns. */
void log_append(struct log *log, const struct log_record *put);
/* The last record is known to whoever wants it: it need not be shown. Only while nothing waits. */
void log_pass_new(struct log *log);
/*
 * Goes on: takes what the disk has done, begins what is due (`flush`: all that is there, max_bytes
 * or not). Returns whether anything is under way or waits for the disk.
 */
bool log_step(struct log *log, int64_t now_ns, bool flush);

/* The next record to come; false: none now. The rows of it that were used are passed. */
bool log_peek(struct log *log, struct log_record *record);
void log_pass(struct log *log, uint32_t rows);
/* Whether rows wait, durable or not; those of before the restart count. */
bool log_has_rows(const struct log *log);
/* Event time before the first row that waits came; INT64_MAX: none waits. */
int64_t log_watermark(const struct log *log);
/* Rows below were passed; were ever put; are durable. What is there begins with the last. */
uint64_t log_row(const struct log *log);
uint64_t log_end_row(const struct log *log);
uint64_t log_durable_row(const struct log *log);
uint64_t log_first_row(const struct log *log);

/* Grows with every failure, with every group, and when max_bytes stops it; bytes on disk. */
struct log_stats {
	uint64_t failures, groups, stops, bytes;
	bool is_failing; /* the last try did */
};
void log_read_stats(const struct log *log, struct log_stats *stats);
/* What failed last, in a sentence. */
const char *log_why(const struct log *log);
const char *log_disk(const struct log *log);
/* The space that each group has taken is told to it: for measurements. */
void log_watch(struct log *log, void (*group)(void *arg, uint64_t bytes), void *arg);

/*
 * No snapshot that is kept needs rows below `row`: removes the segments that hold no others. One
 * that is needed, or not known to be durable, stays.
 */
int log_trim(struct log *log, uint64_t row, char why[LOG_WHY]);

#endif
