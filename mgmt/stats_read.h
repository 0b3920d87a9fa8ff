/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATS_READ_H
#define STATS_READ_H

/*
 * Reading statistics segments (mgmt/stats_shm.h) of other processes. Nothing in a segment is
 * trusted: it is read through the file, not mapped, so a file that shrinks is an error and no
 * signal; sizes, offsets, counts, indices and names are checked; names come out as clean text.
 *
 *     stats_reader_open(&reader, NULL, "rte");
 *     sample_alloc(&sample, stats_reader_shape(reader));
 *     stats_reader_read(reader, &sample);
 *     stats_reader_close(reader);
 */

#include "mgmt/stats_shm.h"

struct stats_reader;

struct stats_info {
	char prefix[STATS_PREFIX_MAX];
	char topology[SAMPLE_NAME];
	char version[SAMPLE_NAME];
	uint32_t pid;
	int64_t start_wall_ns;
};

/* Of the process behind a segment. */
enum stats_life {
	STATS_LIVES,
	STATS_STOPPED,  /* it said that it ends */
	STATS_CRASHED,  /* it is gone and did not say so */
	STATS_ELSEWHERE /* its graph has changed: open the segment anew */
};

/*
 * 0, -ENOENT (no segment), -EBADMSG (not a segment, or damaged), -EPROTO (a segment of another
 * version of Lodemill), -EINVAL (the prefix) or another -errno.
 */
int stats_reader_open(struct stats_reader **reader, const char *folder, const char *prefix);
void stats_reader_close(struct stats_reader *reader); /* NULL is fine */

const struct stats_info *stats_reader_info(const struct stats_reader *reader);
const struct sample_shape *stats_reader_shape(const struct stats_reader *reader);
enum stats_life stats_reader_state(const struct stats_reader *reader);

/*
 * Copies the newest sample; `sample` was made by sample_alloc with the reader's shape. 0, -EAGAIN
 * (nothing was published yet, or the writer was always faster: try later), -EBADMSG or another
 * -errno; then the sample's values are not defined.
 */
int stats_reader_read(struct stats_reader *reader, struct sample *sample);

/*
 * The prefixes of all readable segments in a folder (NULL: STATS_FOLDER), sorted, at most
 * `count_max`. Returns how many, or -errno.
 */
int stats_list(const char *folder, char (*prefix)[STATS_PREFIX_MAX], uint32_t count_max);

#endif
