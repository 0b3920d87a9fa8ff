/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PART_READER_H
#define PART_READER_H

/*
 * Reads one file of a part back, block by block, and checks all of it against its line in the
 * manifest: every block's checksums and place, their number, the digest, the length, the zeros at
 * the end. What it hands out is whole and in its place, but the file is good only once
 * part_reader_next has returned 0. Any thread; as many readers at once as you like.
 *
 *     result = part_reader_open(folder, job, file, &reader, why);
 *     while ((result = part_reader_next(reader, &block, &payload)) > 0) …
 *     part_reader_close(reader);
 */

#include "state/block.h"
#include "state/manifest.h"

struct part_reader;

/*
 * `file` must outlive it. 0; or -ENOMEM; or -EBADMSG and what is wrong in `why`, which outlives it
 * too; or what the disk said.
 */
int part_reader_open(const char *folder, uint64_t job, const struct manifest_file *file,
                     struct part_reader **reader, char why[MANIFEST_WHY]);
/* 1: a block, valid until the next call; 0: the end, all is good; else -errno as above. */
int part_reader_next(struct part_reader *reader, const struct block **block,
                     const uint8_t **payload);
/* The same without unpacking: 1, 0 or -errno; `size` is how many bytes of the file were looked at.
 */
int part_reader_check(struct part_reader *reader, size_t *size);
void part_reader_close(struct part_reader *reader);

#endif
