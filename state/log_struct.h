/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOG_STRUCT_H
#define LOG_STRUCT_H

/* The log from the inside; log*.c only. */

#include "core/env.h"
#include "state/log.h"
#include "state/log_reader.h"

#define LOG_PATH_MAX (LOG_FOLDER_MAX + 64u)
/* Segments that log_trim may choose from; beyond that nothing new is written. */
#define LOG_SEGMENTS_MAX 16384u
#define LOG_RETRY_FIRST_NS UINT64_C(10000000)
#define LOG_RETRY_MOST_NS UINT64_C(1000000000)

/* In front of a record in memory. */
struct log_entry {
	uint64_t row;
	uint64_t whole; /* bytes up to the next entry */
	int64_t ingress_ns;
	bool is_from_disk;
	bool is_padding; /* up to the end of the memory */
	uint8_t zero[22];
	struct log_record_header header; /* and the payload: as on disk from here on */
} __attribute__((aligned(64)));
static_assert(sizeof(struct log_entry) == 64, "the payload follows");
static_assert(offsetof(struct log_entry, header) == 48, "right behind its header");

/* A segment of before the restart, whose rows may come again. */
struct log_found {
	uint64_t number, first_row;
	uint64_t end_row; /* of its whole groups, then of those that the next one does not have */
	uint32_t groups;
	struct log_mark last_group;
	uint64_t last_row; /* with which that group begins */
};

/* Where rows are durable: what log_trim chooses from. */
struct log_kept {
	uint64_t number, first_row;
};

/*
 * REST: nothing is on its way; WRITES: of a group, some are; SYNCS: they are written, and are made
 * safe; FAILED: something failed, time must pass.
 */
enum log_phase { LOG_REST, LOG_WRITES, LOG_SYNCS, LOG_FAILED };

struct log {
	/* Constant behind log_open. */
	struct log_options options;
	char folder[LOG_FOLDER_MAX]; /* the slice's */
	uint64_t id;
	uint64_t first_row;
	int lock;
	int directory;

	/* In memory: entries from `head` on; those below `sent` are in a group, those below
	 * `durable` are safe, those below `shown` were passed. Counts of bytes, never back. */
	uint8_t *memory;
	uint64_t head, shown, durable, sent, tail;
	uint64_t memory_row; /* the first that was ever in memory */
	uint64_t row;        /* the next to be passed */
	uint64_t end_row, durable_row;
	int64_t since_ns; /* when the first entry that is in no group came; INT64_MAX: see step */

	/* The disk. */
	struct env_disk *disk;
	struct block_coder *coder;
	enum log_phase phase;
	int file; /* the segment's; negative: none */
	uint64_t segment;
	uint64_t segment_first_row, segment_bytes;
	uint32_t segment_groups, segment_blocks;
	uint64_t number;        /* of the newest segment */
	uint32_t writes, syncs; /* on their way */
	int error;
	uint64_t group_row, group_end; /* of the group on its way: rows and entries end here */
	uint64_t group_bytes;
	uint8_t *buffer;
	uint32_t filled;
	uint64_t retry_ns;
	int64_t retry_at_ns;
	uint64_t bytes; /* that were ever in the folder */
	uint64_t groups, failures, stops;
	bool is_stopped;
	char why[LOG_WHY];
	void (*watch)(void *arg, uint64_t bytes);
	void *watch_arg;

	/* Coming again. */
	struct log_found *found;
	uint32_t found_count, found_at;
	struct log_reader *reader;
	struct log_item item;
	bool has_item;
	bool read_failed;
	int64_t read_retry_at_ns; /* INT64_MIN: not set yet */
	int64_t read_watermark;

	/* The stepping thread's tail, log_trim's head. */
	struct log_kept *kept;
	uint32_t kept_tail, kept_head;
	uint64_t trimmed_bytes; /* log_trim's */

	uint8_t scratch[BLOCK_SIZE_MAX];
};

void log_path(const struct log *log, char path[LOG_PATH_MAX], const char *name);
/* Keeps a sentence; returns `result`. */
int log_say(char why[LOG_WHY], int result, const char *what);
/* The entry at this count of bytes, which moves past padding; below `tail`. */
struct log_entry *log_entry_at(const struct log *log, uint64_t *at);
/* Memory is free up to what is neither durable nor passed. */
void log_free_passed(struct log *log);
/* Takes a segment into those that log_trim may choose from; false: they are too many. */
bool log_keep(struct log *log, uint64_t number, uint64_t first_row);
bool log_may_keep(const struct log *log);

#endif
