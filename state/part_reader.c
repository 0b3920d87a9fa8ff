/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a part's file back, with everything checked. */

#include "state/part_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/xxh.h"

/* Bytes of a read, and in front of each the room for what the one before left of a block. */
#define READ_BYTES ENV_DISK_BYTES
#define READ_FRONT ((BLOCK_SIZE_MAX + ENV_DISK_ALIGN - 1) / ENV_DISK_ALIGN * ENV_DISK_ALIGN)
#define PATH_BYTES 1024u

/* One of the reads that are under way, in the order of the file. */
struct read {
	uint8_t *bytes; /* READ_BYTES, and READ_FRONT in front of them */
	uint32_t size;
	int result;
	bool is_done, is_taken; /* it has come; it was handed on */
};

struct part_reader {
	const struct manifest_file *expected;
	uint64_t job;
	char *why;
	struct block_coder *coder;
	int file;
	struct env_disk *disk; /* NULL: nothing was read yet */
	uint8_t *memory;       /* of the reads */
	struct read read[ENV_DISK_DEPTH];
	uint32_t depth, next;  /* of them are used; the one that comes next */
	uint64_t asked, taken; /* in the file: of the next read to ask for, to take */
	uint64_t blocks, raw_bytes;
	bool is_short;     /* the file has ended */
	const uint8_t *at; /* of what was read and not used: `left` bytes */
	size_t left;
	struct block block;
	XXH3_state_t digest;
	uint8_t raw[BLOCK_RAW_MAX];
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
	descriptor = env_disk_open_file(path);
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
	env_disk_close(reader->disk);
	env_file_close(reader->file);
	free(reader->memory);
	block_coder_close(reader->coder);
	free(reader);
}

/* Asks for the next read, if the file goes on. */
static void
ask(struct part_reader *reader, struct read *read)
{
	uint64_t left = reader->expected->length - reader->asked;
	uint32_t size = left < READ_BYTES ? (uint32_t)left : READ_BYTES;

	if (left == 0) {
		return;
	}
	*read = (struct read){ .bytes = read->bytes };
	env_disk_read(reader->disk, reader->file, read->bytes,
	              (size + ENV_DISK_ALIGN - 1) / ENV_DISK_ALIGN * ENV_DISK_ALIGN, reader->asked,
	              read);
	reader->asked += size;
}

/* As many reads as the file needs, or as may be on their way. */
static int
begin_reads(struct part_reader *reader)
{
	uint64_t reads = (reader->expected->length + READ_BYTES - 1) / READ_BYTES;

	reader->depth = reads < ENV_DISK_DEPTH ? (uint32_t)reads : ENV_DISK_DEPTH;
	reader->memory =
	    aligned_alloc(ENV_DISK_ALIGN, (size_t)reader->depth * (READ_FRONT + READ_BYTES));
	reader->disk = reader->memory == NULL ? NULL : env_disk_open_reads();
	if (reader->disk == NULL) {
		return disk_error(reader->why, reader->expected, -ENOMEM);
	}
	for (uint32_t i = 0; i < reader->depth; i++) {
		reader->read[i].bytes =
		    reader->memory + (size_t)i * (READ_FRONT + READ_BYTES) + READ_FRONT;
		ask(reader, &reader->read[i]);
	}
	return 0;
}

/* The read that comes next, behind what is left of the one before, whose place is asked for. */
static int
take_read(struct part_reader *reader)
{
	struct read *read = &reader->read[reader->next];
	struct read *before = &reader->read[(reader->next + reader->depth - 1) % reader->depth];
	struct env_disk_done done;

	while (!read->is_done) {
		struct read *found;

		if (!env_disk_reap(reader->disk, true, &done)) {
			assert(!"what is to be taken was asked for");
		}
		found = done.tag;
		found->result = done.result;
		found->size = done.size;
		found->is_done = true;
	}
	if (read->result != 0) {
		return disk_error(reader->why, reader->expected, read->result);
	}
	assert(reader->left < READ_FRONT);
	if (reader->left > 0) {
		memcpy(read->bytes - reader->left, reader->at, reader->left);
	}
	reader->at = read->bytes - reader->left;
	reader->left += read->size;
	reader->taken += read->size;
	reader->is_short = read->size < READ_BYTES;
	read->is_taken = true;
	if (before != read && before->is_taken) {
		ask(reader, before);
	}
	reader->next = (reader->next + 1) % reader->depth;
	return 0;
}

/* Reads until `wanted` bytes lie ahead or the file ends. */
static int
fill(struct part_reader *reader, size_t wanted)
{
	int result = 0;

	if (reader->disk == NULL && reader->expected->length > 0) {
		result = begin_reads(reader);
	}
	while (result == 0 && reader->left < wanted && !reader->is_short &&
	       reader->taken < reader->expected->length) {
		result = take_read(reader);
	}
	return result;
}

/* After the last block: fewer zeros than a sector of the disk, and the digest of all before. */
static int
check_end(struct part_reader *reader)
{
	XXH128_hash_t hash = XXH3_128bits_digest(&reader->digest);
	struct digest digest = { .high = hash.high64, .low = hash.low64 };
	int result = fill(reader, ENV_DISK_ALIGN);
	size_t rest = reader->left;

	if (result != 0) {
		return result;
	}
	if (rest >= ENV_DISK_ALIGN || reader->taken != reader->expected->length) {
		return bad(reader, "more stands behind its last block");
	}
	for (size_t i = 0; i < rest; i++) {
		if (reader->at[i] != 0) {
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
	bytes = reader->at;
	fault = block_check(bytes, reader->left, &place, &reader->block);
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
	reader->at += BLOCK_HEADER + reader->block.stored_size;
	reader->left -= BLOCK_HEADER + reader->block.stored_size;
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
	*payload = reader->at + BLOCK_HEADER;
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
