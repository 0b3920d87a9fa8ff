/* SPDX-License-Identifier: BSD-3-Clause */
/* The manager's journal: reading what is there, writing it anew, a record for every change. */
#include "mgmt/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "mgmt/journal_record.h"
#include "state/block.h"

#define FOLDER "manager"
#define NAME "journal"
#define PATH_MAX_BYTES (JOURNAL_FOLDER_MAX + 64u)
/* More than this no journal of ours can be. */
#define READ_MAX (64u << 20)
#define NS_PER_S 1000000000

enum journal_kind { JOURNAL_RECORD = 1, JOURNAL_KEPT };

struct journal {
	char folder[JOURNAL_FOLDER_MAX];
	uint64_t job;
	struct block_coder *coder;
	int file; /* -1: the next note writes a new one */
	uint64_t bytes;
	uint32_t number; /* of the next block in the file */
	uint8_t block[BLOCK_SIZE_MAX];
};

static void
path_of(char path[PATH_MAX_BYTES], const char *folder, const char *name, const char *end)
{
	snprintf(path, PATH_MAX_BYTES, "%s/" FOLDER "%s%s%s", folder, name[0] == '\0' ? "" : "/",
	         name, end);
}

static struct journal_clock
clock_now(void)
{
	return (struct journal_clock){ .now_ns = env_now_ns(), .wall_ns = env_wall_ns() };
}

static int
write_all(int file, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t done = env_file_write(file, at, size);

		if (done <= 0) {
			return done == 0 ? -EIO : (int)done;
		}
		at += done;
		size -= (size_t)done;
	}
	return 0;
}

/* All of a file; 0 and NULL where there is none. To be freed. */
static int
read_all(const char *path, uint8_t **bytes, size_t *size)
{
	int file = env_file_open(path, O_RDONLY, 0), result = 0;
	int64_t length;

	*bytes = NULL;
	*size = 0;
	if (file < 0) {
		return file == -ENOENT ? 0 : file;
	}
	length = env_file_size(file);
	result = length < 0 ? (int)length : length > READ_MAX ? -EFBIG : 0;
	*bytes = result == 0 ? malloc((size_t)length + 1) : NULL;
	result = result == 0 && *bytes == NULL ? -ENOMEM : result;
	while (result == 0 && *size < (size_t)length) {
		ssize_t got =
		    env_file_pread(file, *bytes + *size, (size_t)length - *size, (uint64_t)*size);

		if (got <= 0) {
			result = got == 0 ? -EIO : (int)got;
		} else {
			*size += (size_t)got;
		}
	}
	env_file_close(file);
	if (result != 0) {
		free(*bytes);
		*bytes = NULL;
	}
	return result;
}

/* A file of this name is what is given, whole, or it is what it was before. Open behind its last
 * byte, or -errno. */
static int
replace(const char *folder, const char *name, const void *bytes, size_t size)
{
	char path[PATH_MAX_BYTES], fresh[PATH_MAX_BYTES], place[PATH_MAX_BYTES];
	int file, result;

	path_of(place, folder, "", "");
	path_of(path, folder, name, "");
	path_of(fresh, folder, name, ".tmp");
	file = env_file_open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0) {
		return file;
	}
	result = write_all(file, bytes, size);
	result = result != 0 ? result : env_file_sync(file);
	result = result != 0 ? result : env_file_rename(fresh, path);
	result = result != 0 ? result : env_dir_sync(place);
	if (result != 0) {
		env_file_close(file);
	}
	return result != 0 ? result : file;
}

/* The same, for who has nothing to add. 0 or -errno. */
static int
replace_whole(const char *folder, const char *name, const void *bytes, size_t size)
{
	int file = replace(folder, name, bytes, size);

	return file < 0 ? file : env_file_close(file);
}

static size_t
encode(struct journal *journal, const struct manager *manager, const struct action *action)
{
	struct journal_clock clock = clock_now();
	char *text = journal_record_write(manager, action, &clock);
	struct block block = { .kind = JOURNAL_RECORD, .job = journal->job };
	size_t size;

	if (text == NULL || strlen(text) > BLOCK_RAW_MAX) {
		free(text);
		return 0;
	}
	block.number = journal->number++;
	block.raw_size = (uint32_t)strlen(text);
	size = block_encode(journal->coder, &block, text, journal->block);
	free(text);
	return size;
}

static bool
encode_to(FILE *out, struct journal *journal, const struct manager *manager,
          const struct action *action)
{
	size_t size = encode(journal, manager, action);

	return size > 0 && fwrite(journal->block, 1, size, out) == size;
}

/* All that the manager remembers, as the bytes of a file; NULL: no memory. */
static char *
encode_all(struct journal *journal, const struct manager *manager, size_t *size)
{
	uint64_t id = manager->next_id > MANAGER_LOG ? manager->next_id - MANAGER_LOG : 1;
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, size);
	bool good;

	journal->number = 0;
	good = out != NULL && encode_to(out, journal, manager, NULL);
	for (; good && id < manager->next_id; id++) {
		const struct action *action = manager_find(manager, id);

		good = action == NULL || encode_to(out, journal, manager, action);
	}
	good = out != NULL && fclose(out) == 0 && good;
	if (!good) {
		free(bytes);
	}
	return good ? bytes : NULL;
}

/* A new file with all there is to remember, open for what follows. 0 or -errno. */
static int
write_anew(struct journal *journal, const struct manager *manager)
{
	size_t size;
	char *bytes = encode_all(journal, manager, &size);
	int file = bytes == NULL ? -ENOMEM : replace(journal->folder, NAME, bytes, size);

	free(bytes);
	if (file < 0) {
		return file;
	}
	journal->file = file;
	journal->bytes = size;
	return 0;
}

static void
give_up_file(struct journal *journal)
{
	if (journal->file >= 0) {
		env_file_close(journal->file);
	}
	journal->file = -1;
}

/* The watch of the manager. */
static bool
journal_note(void *arg, const struct manager *manager, const struct action *action)
{
	struct journal *journal = arg;
	int result = -EIO;

	if (journal->file >= 0 && journal->bytes < JOURNAL_BYTES) {
		size_t size = encode(journal, manager, action);

		result = size == 0 ? -ENOMEM : write_all(journal->file, journal->block, size);
		result = result != 0 ? result : env_file_sync(journal->file);
		journal->bytes += size;
	}
	if (result != 0) {
		give_up_file(journal);
		result = write_anew(journal, manager);
	}
	if (result != 0) {
		give_up_file(journal);
		env_log(3, "%s/" FOLDER "/" NAME " cannot be written: %s", journal->folder,
		        strerror(-result));
	}
	return result == 0;
}

/* How far the bytes of a journal are sound; tells the manager what they say. */
static size_t
replay(const struct journal_options *options, const uint8_t *bytes, size_t size,
       struct manager *manager, struct manager_past *past)
{
	struct journal_clock clock = clock_now();
	struct block_place place = { .job = options->job };
	struct action action;
	struct block block;
	size_t at = 0;

	while (at < size) {
		struct manager_past seen = *past;

		if (block_check(bytes + at, size - at, &place, &block) != FAULT_FINE ||
		    block.kind != JOURNAL_RECORD || block.codec != BLOCK_PLAIN ||
		    !journal_record_read((const char *)bytes + at + BLOCK_HEADER, block.stored_size,
		                         &clock, &action, &seen) ||
		    seen.next_id < past->next_id) {
			break;
		}
		*past = seen;
		if (action.id != 0) {
			manager_restore(manager, &action);
		}
		at += BLOCK_HEADER + block.stored_size;
		place.number++;
	}
	return at;
}

/* Whether a whole header stands anywhere: more than a write that was torn. */
static bool
has_blocks(const uint8_t *bytes, size_t size)
{
	struct block block;

	for (size_t at = 1; at + BLOCK_HEADER <= size; at++) {
		if (block_check_header(bytes + at, size - at, &block) == FAULT_FINE) {
			return true;
		}
	}
	return false;
}

/* What is not sound is cut; numbers that it may have held are not given again. */
static int
cut(const struct journal_options *options, const uint8_t *bytes, size_t size, size_t good,
    struct manager_past *past, char why[JOURNAL_WHY])
{
	bool is_damaged = good == 0 || has_blocks(bytes + good, size - good);
	uint64_t wall_s = (uint64_t)(env_wall_ns() / NS_PER_S);
	int result = 0;

	past->next_id = good == 0 ? wall_s : past->next_id + (size - good) / BLOCK_HEADER + 1;
	if (is_damaged) {
		result = replace_whole(options->folder, NAME ".damaged", bytes, size);
	}
	snprintf(why, JOURNAL_WHY,
	         "%s/" FOLDER "/" NAME " is %s behind byte %zu of %zu: what follows is not "
	         "trusted and is cut%s; the next action has the number %" PRIu64,
	         options->folder, is_damaged ? "damaged" : "torn", good, size,
	         is_damaged ? " (the file is kept as journal.damaged)" : "", past->next_id);
	return result;
}

static int
read_journal(const struct journal_options *options, struct manager *manager, char why[JOURNAL_WHY])
{
	struct manager_past past = { .next_id = 1,
		                     .is_complete = options->is_complete,
		                     .durable = options->durable,
		                     .changed_by = options->changed_by,
		                     .moved_by = options->moved_by };
	char path[PATH_MAX_BYTES];
	uint8_t *bytes;
	size_t size, good;
	int result;

	path_of(path, options->folder, NAME, "");
	result = read_all(path, &bytes, &size);
	if (result != 0 || bytes == NULL) {
		manager_restored(manager, &past, env_now_ns());
		return result;
	}
	good = replay(options, bytes, size, manager, &past);
	if (good < size || size == 0) {
		result = cut(options, bytes, size, good, &past, why);
	}
	free(bytes);
	manager_restored(manager, &past, env_now_ns());
	return result;
}

int
journal_open(const struct journal_options *options, struct manager *manager,
             struct journal **result, char why[JOURNAL_WHY])
{
	struct journal *journal = calloc(1, sizeof(*journal));
	char path[PATH_MAX_BYTES];
	int error = journal == NULL ? -ENOMEM : 0;

	*result = NULL;
	why[0] = '\0';
	if (error == 0) {
		journal->file = -1;
		journal->job = options->job;
		journal->coder = block_coder_open(BLOCK_PLAIN, 0);
		snprintf(journal->folder, sizeof(journal->folder), "%s", options->folder);
		error = journal->coder == NULL                          ? -ENOMEM
		        : strlen(options->folder) >= JOURNAL_FOLDER_MAX ? -ENAMETOOLONG
		                                                        : 0;
	}
	if (error == 0) {
		path_of(path, options->folder, "", "");
		error = env_dir_make(path, 0700);
		error = error == -EEXIST ? 0 : error;
	}
	error = error != 0 ? error : env_dir_sync(options->folder);
	error = error != 0 ? error : read_journal(options, manager, why);
	error = error != 0 ? error : write_anew(journal, manager);
	if (error != 0) {
		snprintf(why, JOURNAL_WHY, "%s/" FOLDER "/" NAME ": %s", options->folder,
		         strerror(-error));
		journal_close(journal);
		return error;
	}
	manager->watch = journal_note;
	manager->watch_arg = journal;
	*result = journal;
	return 0;
}

void
journal_close(struct journal *journal)
{
	if (journal == NULL) {
		return;
	}
	give_up_file(journal);
	block_coder_close(journal->coder);
	free(journal);
}

int
journal_keep(const char *folder, const char *name, uint64_t job, const void *bytes, uint32_t size)
{
	struct block block = { .kind = JOURNAL_KEPT, .job = job, .raw_size = size };
	struct block_coder *coder;
	uint8_t *out;
	int result = -ENOMEM;

	if (size > BLOCK_RAW_MAX) {
		return -E2BIG;
	}
	coder = block_coder_open(BLOCK_PLAIN, 0);
	out = malloc(BLOCK_SIZE_MAX);
	if (coder != NULL && out != NULL) {
		result = replace_whole(folder, name, out, block_encode(coder, &block, bytes, out));
	}
	free(out);
	block_coder_close(coder);
	return result;
}

int
journal_kept(const char *folder, const char *name, uint64_t job, void **bytes, uint32_t *size)
{
	struct block_place place = { .job = job };
	char path[PATH_MAX_BYTES];
	struct block block;
	uint8_t *file;
	size_t length;
	int result;

	*bytes = NULL;
	*size = 0;
	path_of(path, folder, name, "");
	result = read_all(path, &file, &length);
	if (result != 0 || file == NULL) {
		return result;
	}
	if (block_check(file, length, &place, &block) != FAULT_FINE || block.kind != JOURNAL_KEPT ||
	    block.codec != BLOCK_PLAIN || BLOCK_HEADER + block.stored_size != length) {
		free(file);
		return -EBADMSG;
	}
	memmove(file, file + BLOCK_HEADER, block.stored_size);
	*bytes = file;
	*size = block.stored_size;
	return 0;
}
