/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a part's file back, with everything checked. */

#include "state/part_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/env.h"

#define READ_BYTES (512u << 10)
#define PATH_BYTES 1024u

static_assert(READ_BYTES >= 2 * BLOCK_SIZE_MAX, "a block fits with what was read before it");

struct part_reader {
	const struct manifest_file *expected;
	uint64_t job;
	char *why;
	struct block_coder *coder;
	int file;
	uint64_t offset; /* in the file, of the next byte to read */
	uint64_t blocks, raw_bytes;
	size_t begin, end; /* of what was read and not used, in `bytes` */
	struct block block;
	XXH3_state_t digest;
	uint8_t raw[BLOCK_RAW_MAX];
	uint8_t bytes[READ_BYTES];
};

static int
bad(struct part_reader *reader, const char *what)
{
	snprintf(reader->why, MANIFEST_WHY, "%s: %s", reader->expected->name, what);
	return -EBADMSG;
}

/* What the disk said: the machine's trouble more than the file's, but as good a reason. */
static int
disk_error(char *why, const struct manifest_file *file, int error)
{
	snprintf(why, MANIFEST_WHY, "%s: %s", file->name, strerror(-error));
	return error;
}

int
part_reader_open(const char *folder, uint64_t job, const struct manifest_file *file,
                 struct part_reader **reader, char why[MANIFEST_WHY])
{
	struct part_reader *r;
	char path[PATH_BYTES];
	int64_t size;
	int descriptor;

	*reader = NULL;
	snprintf(path, sizeof(path), "%s/%s", folder, file->name);
	descriptor = env_file_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (descriptor < 0) {
		return disk_error(why, file, descriptor);
	}
	size = env_file_size(descriptor);
	if (size < 0 || (uint64_t)size != file->length) {
		env_file_close(descriptor);
		snprintf(why, MANIFEST_WHY, "%s: it has %" PRId64 " bytes and should have %" PRIu64,
		         file->name, size, file->length);
		return -EBADMSG;
	}
	r = aligned_alloc(64, (sizeof(*r) + 63) / 64 * 64);
	if (r != NULL) {
		memset(r, 0, offsetof(struct part_reader, raw));
		r->coder = block_coder_open(BLOCK_PLAIN, 0);
	}
	if (r == NULL || r->coder == NULL) {
		env_file_close(descriptor);
		free(r);
		snprintf(why, MANIFEST_WHY, "%s: no memory to read it", file->name);
		return -ENOMEM;
	}
	r->expected = file;
	r->job = job;
	r->why = why;
	r->file = descriptor;
	XXH3_128bits_reset(&r->digest);
	*reader = r;
	return 0;
}

void
part_reader_close(struct part_reader *reader)
{
	if (reader == NULL) {
		return;
	}
	env_file_close(reader->file);
	block_coder_close(reader->coder);
	free(reader);
}

/* Reads until `wanted` bytes lie ahead or the file ends. */
static int
fill(struct part_reader *reader, size_t wanted)
{
	if (reader->end - reader->begin >= wanted) {
		return 0;
	}
	memmove(reader->bytes, reader->bytes + reader->begin, reader->end - reader->begin);
	reader->end -= reader->begin;
	reader->begin = 0;
	while (reader->end < wanted) {
		ssize_t got = env_file_pread(reader->file, reader->bytes + reader->end,
		                             sizeof(reader->bytes) - reader->end, reader->offset);

		if (got == -EINTR) {
			continue;
		}
		if (got < 0) {
			return disk_error(reader->why, reader->expected, (int)got);
		}
		if (got == 0) {
			return 0;
		}
		reader->end += (size_t)got;
		reader->offset += (size_t)got;
	}
	return 0;
}

/* After the last block: fewer zeros than a sector of the disk, and the digest of all before. */
static int
check_end(struct part_reader *reader)
{
	XXH128_hash_t hash = XXH3_128bits_digest(&reader->digest);
	struct digest digest = { .high = hash.high64, .low = hash.low64 };
	int result = fill(reader, ENV_DISK_ALIGN);
	size_t rest = reader->end - reader->begin;

	if (result != 0) {
		return result;
	}
	if (rest >= ENV_DISK_ALIGN || reader->offset != reader->expected->length) {
		return bad(reader, "more stands behind its last block");
	}
	for (size_t i = 0; i < rest; i++) {
		if (reader->bytes[reader->begin + i] != 0) {
			return bad(reader, "what fills its end is not zero");
		}
	}
	if (reader->raw_bytes != reader->expected->raw_bytes ||
	    !digest_equal(digest, reader->expected->digest)) {
		return bad(reader, "its blocks are whole but not those that were written");
	}
	return 0;
}

/* The next block, checked, at reader->begin. 1, 0 at the end, -errno. */
static int
next_block(struct part_reader *reader)
{
	const struct manifest_file *expected = reader->expected;
	struct block_place place = { .job = reader->job,
		                     .epoch = expected->epoch,
		                     .op = expected->part.op,
		                     .slice = expected->part.slice,
		                     .number = (uint32_t)reader->blocks };
	const uint8_t *bytes;
	enum block_fault fault;
	int result;

	if (reader->blocks == expected->blocks) {
		return check_end(reader);
	}
	result = fill(reader, BLOCK_SIZE_MAX);
	if (result != 0) {
		return result;
	}
	bytes = reader->bytes + reader->begin;
	fault = block_check(bytes, reader->end - reader->begin, &place, &reader->block);
	if (fault != FAULT_FINE) {
		char text[80];

		snprintf(text, sizeof(text), "block %" PRIu64 " %s", reader->blocks,
		         block_fault_text(fault));
		return bad(reader, text);
	}
	XXH3_128bits_update(&reader->digest, bytes, BLOCK_HEADER);
	reader->blocks++;
	reader->raw_bytes += reader->block.raw_size;
	return 1;
}

static void
step_over(struct part_reader *reader)
{
	reader->begin += BLOCK_HEADER + reader->block.stored_size;
}

int
part_reader_next(struct part_reader *reader, const struct block **block, const uint8_t **payload)
{
	int result = next_block(reader);
	enum block_fault fault;

	if (result != 1) {
		return result;
	}
	/* Plain payloads stay where they are; they live until the next fill. */
	*block = &reader->block;
	*payload = reader->bytes + reader->begin + BLOCK_HEADER;
	if (reader->block.codec != BLOCK_PLAIN) {
		fault = block_unpack(reader->coder, &reader->block, *payload, reader->raw);
		if (fault != FAULT_FINE) {
			return bad(reader, block_fault_text(fault));
		}
		*payload = reader->raw;
	}
	step_over(reader);
	return 1;
}

int
part_reader_check(struct part_reader *reader, size_t *size)
{
	int result = next_block(reader);

	*size = 0;
	if (result == 1) {
		*size = BLOCK_HEADER + reader->block.stored_size;
		step_over(reader);
	}
	return result;
}
