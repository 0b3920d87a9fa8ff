/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATS_SHM_H
#define STATS_SHM_H

/*
 * The statistics segment: a file in shared memory, <folder>/lodemill-<prefix>, that the manager
 * writes samples to and any process may read, while the engine runs and after it crashed. This is
 * the layout and the writer; mgmt/stats_read.h is the reader.
 *
 *     header             who writes, what parts there are, how many samples were published
 *     bank 0, bank 1     the block of a sample (mgmt/sample.h), then its number and a checksum
 *
 * Sample n is written into bank n % 2, then `published` becomes n: the writer never touches the
 * bank that readers are told of, so there is always a whole sample, even if it dies half way. A
 * reader that copied bank n % 2 and then finds `published` still n has a whole copy. Numbers are
 * little-endian as on all machines the engine runs on.
 *
 * Threads: one writer. The file is made under another name and renamed when it is complete.
 */

#include "mgmt/sample.h"

#define STATS_FOLDER "/dev/shm"
#define STATS_FILE_PREFIX "lodemill-"
#define STATS_MAGIC "LMSTATS"
#define STATS_VERSION 5u
#define STATS_PREFIX_MAX 64u

/* MOVED: a segment of another shape has taken the name; only who had this one open sees it. */
enum stats_state { STATS_RUNNING, STATS_ENDED, STATS_MOVED, STATS_STATE_COUNT };

struct stats_part {
	uint32_t offset; /* in a bank */
	uint32_t entry_size;
	uint32_t count;
	uint32_t padding;
};

struct stats_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t size; /* of the file */
	uint32_t pid;
	uint32_t state;     /* enum stats_state */
	uint64_t pid_start; /* ticks after boot, as in /proc/<pid>/stat: a pid may be used again */
	int64_t start_wall_ns; /* since 1970 */
	uint64_t bank_size;
	uint64_t bank_offset[2]; /* in the file */
	char topology[SAMPLE_NAME];
	char program_version[SAMPLE_NAME];
	struct stats_part part[SAMPLE_PARTS];
	uint64_t published __attribute__((aligned(64))); /* 0: nothing yet */
} __attribute__((aligned(64)));

/* Behind the block of a bank. */
struct stats_trailer {
	uint64_t number;
	uint64_t checksum; /* of the block and the number */
};

struct stats_about {
	const char *folder; /* NULL: STATS_FOLDER */
	const char *prefix; /* letters, digits, "_", "-", "."; not "." first */
	const char *topology;
	const char *version;
	int64_t start_wall_ns;
};

struct stats_shm;

/*
 * Makes the segment for samples of this shape; what a dead engine left under this prefix is
 * replaced. 0, -EINVAL (the prefix), -EBUSY (a running engine has it) or another -errno.
 */
int stats_shm_create(struct stats_shm **shm, const struct stats_about *about,
                     const struct sample_shape *shape);
/* Publishes a sample. Never blocks, never fails. */
void stats_shm_write(struct stats_shm *shm, const struct sample *sample);
/* Another one was made in its place: readers of this one are told to look there. NULL is fine. */
void stats_shm_move(struct stats_shm *shm);
/* Ends: removes the file, or leaves the last sample to be read (`keep`). NULL is fine. */
void stats_shm_close(struct stats_shm *shm, bool keep);

/* Shared with the reader. */
bool stats_prefix_valid(const char *prefix);
/* The file's path; -EINVAL or -ENAMETOOLONG. */
int stats_path(char *path, size_t size, const char *folder, const char *prefix);
/* Fills in all that follows from the shape: parts, sizes, offsets. */
void stats_layout(struct stats_header *header, const struct sample_shape *shape);
uint64_t stats_checksum(const void *block, size_t size, uint64_t number);
/* When the process began; 0: there is none. */
uint64_t stats_pid_start(uint32_t pid);

#endif
