/* SPDX-License-Identifier: BSD-3-Clause */
/* The statistics segment: its layout, and the writer. */
#include "mgmt/stats_shm.h"

#include "core/text.h"
#include "mgmt/stats_read.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the segment is little-endian");
static_assert(sizeof(struct stats_header) % 64 == 0, "banks begin on a cache line");
static_assert(sizeof(struct stats_trailer) % 8 == 0, "banks are copied by 8 bytes");

struct stats_shm {
	struct stats_header *header; /* mapped */
	uint64_t published;
	size_t block_size;
	char path[PATH_MAX];
	dev_t device; /* of the file, to know it again */
	ino_t inode;
};

bool
stats_prefix_valid(const char *prefix)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-.";
	size_t length = strspn(prefix, allowed);

	return length > 0 && length < STATS_PREFIX_MAX && prefix[length] == '\0' &&
	       prefix[0] != '.';
}

int
stats_path(char *path, size_t size, const char *folder, const char *prefix)
{
	int length;

	if (!stats_prefix_valid(prefix)) {
		return -EINVAL;
	}
	length = snprintf(path, size, "%s/%s%s", folder == NULL ? STATS_FOLDER : folder,
	                  STATS_FILE_PREFIX, prefix);
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

void
stats_layout(struct stats_header *header, const struct sample_shape *shape)
{
	size_t block = sample_offset(shape, SAMPLE_PARTS);
	uint64_t bank = (block + sizeof(struct stats_trailer) + 63) / 64 * 64;

	memcpy(header->magic, STATS_MAGIC, sizeof(header->magic));
	header->version = STATS_VERSION;
	header->header_size = sizeof(*header);
	header->bank_size = bank;
	header->bank_offset[0] = sizeof(*header);
	header->bank_offset[1] = sizeof(*header) + bank;
	header->size = sizeof(*header) + 2 * bank;
	for (uint32_t i = 0; i < SAMPLE_PARTS; i++) {
		header->part[i].offset = (uint32_t)sample_offset(shape, i);
		header->part[i].entry_size = (uint32_t)sample_entry_size(i);
		header->part[i].count = shape->count[i];
	}
}

uint64_t
stats_checksum(const void *block, size_t size, uint64_t number)
{
	const char *bytes = block;
	uint64_t sum = number;

	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t word;

		memcpy(&word, bytes + i, 8);
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 32;
	}
	return sum;
}

uint64_t
stats_pid_start(uint32_t pid)
{
	char path[64], text[1024];
	uint64_t start = 0;
	size_t length;
	FILE *in;
	char *at;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	in = fopen(path, "re");
	if (in == NULL) {
		return 0;
	}
	length = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[length] = '\0';
	/* The name, in brackets, may hold anything: fields are counted from its end. Start is the
	 * 22nd. */
	at = strrchr(text, ')');
	for (uint32_t field = 2; at != NULL && field < 22; field++) {
		at = strchr(at + 1, ' ');
	}
	if (at == NULL) {
		return 0;
	}
	at++;
	at[strcspn(at, " ")] = '\0';
	return text_u64(at, &start) == 0 ? start : 0;
}

static void
shm_text(char *to, const char *from)
{
	if (from != NULL) {
		memcpy(to, from, strnlen(from, SAMPLE_NAME - 1));
	}
}

/* Takes the memory, all of it now, so that a full /dev/shm is an error here and no signal later. */
static int
shm_map(struct stats_shm *shm, int file, size_t size)
{
	struct stat status;
	int error = posix_fallocate(file, 0, (off_t)size);

	if (error != 0) {
		return -error;
	}
	if (fstat(file, &status) != 0) {
		return -errno;
	}
	shm->device = status.st_dev;
	shm->inode = status.st_ino;
	shm->header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (shm->header == MAP_FAILED) {
		shm->header = NULL;
		return -errno;
	}
	return 0;
}

static int
shm_make(struct stats_shm *shm, const char *temporary, const struct stats_header *header)
{
	int file, error;

	/* A new file or none: never through a link that somebody else left in a shared folder. */
	unlink(temporary);
	file = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (file < 0) {
		return -errno;
	}
	error = shm_map(shm, file, header->size);
	close(file);
	if (error == 0) {
		*shm->header = *header;
		error = rename(temporary, shm->path) == 0 ? 0 : -errno;
	}
	if (error != 0) {
		unlink(temporary);
	}
	return error;
}

static void
shm_free(struct stats_shm *shm)
{
	if (shm->header != NULL) {
		munmap(shm->header, shm->header->size);
	}
	free(shm);
}

/* Whether another process that is alive writes there. */
static bool
shm_is_taken(const struct stats_about *about)
{
	struct stats_reader *reader;
	bool taken;

	if (stats_reader_open(&reader, about->folder, about->prefix) != 0) {
		return false;
	}
	taken = stats_reader_state(reader) == STATS_LIVES &&
	        stats_reader_info(reader)->pid != (uint32_t)getpid();
	stats_reader_close(reader);
	return taken;
}

int
stats_shm_create(struct stats_shm **result, const struct stats_about *about,
                 const struct sample_shape *shape)
{
	struct stats_header header = { .state = STATS_RUNNING };
	char temporary[PATH_MAX];
	struct stats_shm *shm;
	int error;

	*result = NULL;
	shm = calloc(1, sizeof(*shm));
	if (shm == NULL) {
		return -ENOMEM;
	}
	error = stats_path(shm->path, sizeof(shm->path) - 32, about->folder, about->prefix);
	if (error == 0 && !sample_shape_valid(shape)) {
		error = -E2BIG;
	}
	if (error == 0 && shm_is_taken(about)) {
		error = -EBUSY;
	}
	if (error == 0) {
		stats_layout(&header, shape);
		header.pid = (uint32_t)getpid();
		header.pid_start = stats_pid_start(header.pid);
		header.start_wall_ns = about->start_wall_ns;
		shm_text(header.topology, about->topology);
		shm_text(header.program_version, about->version);
		shm->block_size = sample_offset(shape, SAMPLE_PARTS);
		snprintf(temporary, sizeof(temporary), "%s/.%s%s.%d",
		         about->folder == NULL ? STATS_FOLDER : about->folder, STATS_FILE_PREFIX,
		         about->prefix, (int)getpid());
		error = shm_make(shm, temporary, &header);
	}
	if (error != 0) {
		shm_free(shm);
		return error;
	}
	*result = shm;
	return 0;
}

/*
 * Each store releases, so a reader who sees one of these words also sees every `published` that was
 * stored before it, and notices that its bank is being written again.
 */
static void
shm_copy(uint64_t *to, const uint64_t *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELEASE);
	}
}

void
stats_shm_write(struct stats_shm *shm, const struct sample *sample)
{
	uint64_t number = shm->published + 1;
	struct stats_trailer trailer = { .number = number };
	char *bank = (char *)shm->header + shm->header->bank_offset[number % 2];

	assert(sample->size == shm->block_size);
	trailer.checksum = stats_checksum(sample->block, sample->size, number);
	shm_copy((uint64_t *)bank, sample->block, sample->size / 8);
	shm_copy((uint64_t *)(bank + sample->size), (const uint64_t *)&trailer,
	         sizeof(trailer) / 8);
	__atomic_store_n(&shm->header->published, number, __ATOMIC_RELEASE);
	shm->published = number;
}

void
stats_shm_move(struct stats_shm *shm)
{
	if (shm != NULL) {
		__atomic_store_n(&shm->header->state, STATS_MOVED, __ATOMIC_RELEASE);
		shm_free(shm);
	}
}

void
stats_shm_close(struct stats_shm *shm, bool keep)
{
	struct stat status;

	if (shm == NULL) {
		return;
	}
	__atomic_store_n(&shm->header->state, STATS_ENDED, __ATOMIC_RELEASE);
	/* Another engine may have taken the name over; its file stays. */
	if (!keep && lstat(shm->path, &status) == 0 && status.st_dev == shm->device &&
	    status.st_ino == shm->inode) {
		unlink(shm->path);
	}
	shm_free(shm);
}
