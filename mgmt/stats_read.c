/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the statistics segments of other processes, none of which is trusted. */
#include "mgmt/stats_read.h"

#include "core/env.h"
#include "mgmt/text_table.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A copy takes microseconds, a writer publishes every 100 ms: many failures in a row mean mischief.
 */
#define READ_TRIES 100u
#define BAD_TRIES 4u

struct stats_reader {
	int file;
	struct stats_info info;
	struct sample_shape shape;
	uint64_t pid_start;
	uint64_t bank_offset[2];
};

/* Reads exactly `size` bytes. A file that is too short is no segment (any more). */
static int
read_at(int file, void *to, size_t size, uint64_t offset)
{
	char *at = to;

	while (size > 0) {
		ssize_t got = pread(file, at, size, (off_t)offset);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			return got == 0 ? -EBADMSG : -errno;
		}
		at += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return 0;
}

/* Everything that follows from the counts must be what this program would have written. */
static int
read_check_layout(const struct stats_header *header, struct sample_shape *shape)
{
	struct stats_header expected = { .version = 0 };

	for (uint32_t i = 0; i < SAMPLE_PARTS; i++) {
		shape->count[i] = header->part[i].count;
	}
	if (!sample_shape_valid(shape)) {
		return -EBADMSG;
	}
	stats_layout(&expected, shape);
	for (uint32_t i = 0; i < SAMPLE_PARTS; i++) {
		if (header->part[i].offset != expected.part[i].offset ||
		    header->part[i].entry_size != expected.part[i].entry_size) {
			return -EBADMSG;
		}
	}
	if (header->size != expected.size || header->bank_size != expected.bank_size ||
	    header->bank_offset[0] != expected.bank_offset[0] ||
	    header->bank_offset[1] != expected.bank_offset[1]) {
		return -EBADMSG;
	}
	return 0;
}

static int
read_check_header(const struct stats_header *header, struct sample_shape *shape)
{
	if (memcmp(header->magic, STATS_MAGIC, sizeof(header->magic)) != 0) {
		return -EBADMSG;
	}
	if (header->version != STATS_VERSION || header->header_size != sizeof(*header)) {
		return -EPROTO;
	}
	if (header->state >= STATS_STATE_COUNT || header->pid == 0 || header->pid > INT_MAX ||
	    memchr(header->topology, '\0', SAMPLE_NAME) == NULL ||
	    memchr(header->program_version, '\0', SAMPLE_NAME) == NULL) {
		return -EBADMSG;
	}
	return read_check_layout(header, shape);
}

static int
read_open_file(const char *path)
{
	struct stat status;
	/* O_NONBLOCK: whoever put a named pipe there does not make us wait. */
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (file < 0) {
		return errno == ELOOP ? -EBADMSG : -errno;
	}
	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
		close(file);
		return -EBADMSG;
	}
	return file;
}

static void
read_take_info(struct stats_reader *reader, const struct stats_header *header, const char *prefix)
{
	struct stats_info *info = &reader->info;

	memcpy(info->prefix, prefix, strlen(prefix) + 1);
	memcpy(info->topology, header->topology, SAMPLE_NAME);
	memcpy(info->version, header->program_version, SAMPLE_NAME);
	text_clean(info->topology);
	text_clean(info->version);
	info->pid = header->pid;
	info->start_wall_ns = header->start_wall_ns;
	reader->pid_start = header->pid_start;
	reader->bank_offset[0] = header->bank_offset[0];
	reader->bank_offset[1] = header->bank_offset[1];
}

int
stats_reader_open(struct stats_reader **result, const char *folder, const char *prefix)
{
	struct stats_reader *reader;
	struct stats_header header;
	char path[PATH_MAX];
	int error = stats_path(path, sizeof(path), folder, prefix);

	*result = NULL;
	if (error != 0) {
		return error;
	}
	reader = calloc(1, sizeof(*reader));
	if (reader == NULL) {
		return -ENOMEM;
	}
	reader->file = read_open_file(path);
	if (reader->file < 0) {
		error = reader->file;
		free(reader);
		return error;
	}
	error = read_at(reader->file, &header, sizeof(header), 0);
	if (error == 0) {
		error = read_check_header(&header, &reader->shape);
	}
	if (error != 0) {
		stats_reader_close(reader);
		return error;
	}
	read_take_info(reader, &header, prefix);
	*result = reader;
	return 0;
}

void
stats_reader_close(struct stats_reader *reader)
{
	if (reader != NULL) {
		close(reader->file);
		free(reader);
	}
}

const struct stats_info *
stats_reader_info(const struct stats_reader *reader)
{
	return &reader->info;
}

const struct sample_shape *
stats_reader_shape(const struct stats_reader *reader)
{
	return &reader->shape;
}

enum stats_life
stats_reader_state(const struct stats_reader *reader)
{
	uint32_t state = STATS_ENDED;
	uint64_t start;

	if (read_at(reader->file, &state, sizeof(state), offsetof(struct stats_header, state)) !=
	        0 ||
	    state != STATS_RUNNING) {
		return state == STATS_MOVED ? STATS_ELSEWHERE : STATS_STOPPED;
	}
	start = stats_pid_start(reader->info.pid);
	if (start != 0) {
		return start == reader->pid_start ? STATS_LIVES : STATS_CRASHED;
	}
	/* Where /proc hides other people's processes, a signal that may not be sent tells. */
	if (kill((pid_t)reader->info.pid, 0) == 0 || errno == EPERM) {
		return STATS_LIVES;
	}
	return STATS_CRASHED;
}

static int
read_published(const struct stats_reader *reader, uint64_t *published)
{
	return read_at(reader->file, published, sizeof(*published),
	               offsetof(struct stats_header, published));
}

/* One attempt. -EAGAIN: the writer came to this bank again meanwhile. */
static int
read_bank(struct stats_reader *reader, struct sample *sample)
{
	struct stats_trailer trailer;
	uint64_t before, after, offset;
	int error = read_published(reader, &before);

	if (error != 0) {
		return error;
	}
	if (before == 0) {
		return -EAGAIN;
	}
	offset = reader->bank_offset[before % 2];
	error = read_at(reader->file, sample->block, sample->size, offset);
	if (error == 0) {
		error = read_at(reader->file, &trailer, sizeof(trailer), offset + sample->size);
	}
	if (error == 0) {
		error = read_published(reader, &after);
	}
	if (error != 0) {
		return error;
	}
	if (after != before) {
		return -EAGAIN;
	}
	if (trailer.number != before ||
	    trailer.checksum != stats_checksum(sample->block, sample->size, before)) {
		return -EBADMSG;
	}
	return 0;
}

/* No terminal and no JSON reader gets to see what somebody else put into a name. */
static void
read_clean_names(struct sample *sample)
{
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		text_clean(sample->op[i].name);
		text_clean(sample->op[i].type);
		for (uint32_t gauge = 0; gauge < SAMPLE_GAUGES; gauge++) {
			text_clean(sample->op[i].gauge_name[gauge]);
		}
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_DROPS]; i++) {
		text_clean(sample->drop[i].name);
	}
	for (uint32_t i = 0; i < sample->head->counter_count; i++) {
		text_clean(sample->counter[i].name);
	}
}

int
stats_reader_read(struct stats_reader *reader, struct sample *sample)
{
	int error = -EAGAIN;
	uint32_t bad = 0;

	assert(sample->size == sample_offset(&reader->shape, SAMPLE_PARTS));
	for (uint32_t try = 0; try < READ_TRIES && error != 0; try++) {
		if (try > 0) {
			env_yield();
		}
		error = read_bank(reader, sample);
		/* A bad checksum may also be a torn copy that was not noticed otherwise, but hardly
		 * again and again. */
		bad += error == -EBADMSG;
		if ((error != 0 && error != -EAGAIN && error != -EBADMSG) || bad == BAD_TRIES) {
			return error;
		}
	}
	if (error == 0 && !sample_valid(sample)) {
		error = -EBADMSG;
	}
	if (error == 0) {
		read_clean_names(sample);
	}
	return error;
}

static int
read_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int
stats_list(const char *folder, char (*prefix)[STATS_PREFIX_MAX], uint32_t count_max)
{
	const size_t skip = strlen(STATS_FILE_PREFIX);
	DIR *entries = opendir(folder == NULL ? STATS_FOLDER : folder);
	const struct dirent *entry;
	uint32_t count = 0;

	if (entries == NULL) {
		return -errno;
	}
	while (count < count_max && (entry = readdir(entries)) != NULL) {
		struct stats_reader *reader;

		if (strncmp(entry->d_name, STATS_FILE_PREFIX, skip) != 0 ||
		    stats_reader_open(&reader, folder, entry->d_name + skip) != 0) {
			continue;
		}
		memcpy(prefix[count++], stats_reader_info(reader)->prefix, STATS_PREFIX_MAX);
		stats_reader_close(reader);
	}
	closedir(entries);
	qsort(prefix, count, sizeof(prefix[0]), read_compare);
	return (int)count;
}
