/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a log: the folder is taken, everything in it is checked, and the last group, of which
 * nobody knows whether it is safe, is put into memory to be written again. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "state/log_struct.h"

#define LOG_LOCK "LOCK"
#define LOG_ID "ID."

/* What a folder has. */
struct listing {
	struct log_found *found;
	uint32_t count, room;
	uint32_t ids;
	uint64_t id;
	uint64_t newest; /* number of any segment */
	int result;
};

static void
list_one(void *arg, const char *name)
{
	struct listing *listing = arg;
	struct log_found found = { 0 };

	if (strncmp(name, LOG_ID, strlen(LOG_ID)) == 0) {
		char *end;

		listing->id = strtoull(name + strlen(LOG_ID), &end, 16);
		listing->ids += *end == '\0' && listing->id != 0 ? 1 : 2;
	}
	if (!log_name_read(name, &found.number, &found.first_row)) {
		return;
	}
	listing->newest = found.number > listing->newest ? found.number : listing->newest;
	if (listing->count == listing->room) {
		uint32_t room = listing->room * 2 + 64;
		struct log_found *more = realloc(listing->found, room * sizeof(*more));

		if (more == NULL) {
			listing->result = -ENOMEM;
			return;
		}
		listing->found = more;
		listing->room = room;
	}
	listing->found[listing->count++] = found;
}

static int
by_number(const void *a, const void *b)
{
	const struct log_found *left = a, *right = b;

	return left->number < right->number ? -1 : left->number > right->number;
}

static int
list_folder(struct log *log, struct listing *listing, char why[LOG_WHY])
{
	int result = env_dir_list(log->folder, list_one, listing);

	result = result == 0 ? listing->result : result;
	if (result == 0 && listing->count > 1) {
		qsort(listing->found, listing->count, sizeof(listing->found[0]), by_number);
	}
	log->found = listing->found;
	log->found_count = listing->count;
	log->number = listing->newest;
	return log_say(why, result, log->folder);
}

/* ---- taking the folder ---- */

/* A folder, and its name in the one above. */
static int
make_folder(const char *folder, char why[LOG_WHY])
{
	char above[LOG_FOLDER_MAX];
	char *slash;
	int result = env_dir_make(folder, 0700);

	if (result == -EEXIST) {
		return 0;
	}
	if (result != 0) {
		return log_say(why, result, folder);
	}
	snprintf(above, sizeof(above), "%s", folder);
	slash = strrchr(above, '/');
	if (slash == NULL) {
		snprintf(above, sizeof(above), ".");
	} else {
		slash[slash == above ? 1 : 0] = '\0';
	}
	return log_say(why, env_dir_sync(above), above);
}

struct other_slices {
	uint32_t slices;
	uint64_t found; /* a slice that there is no more */
};

static void
look_at_slice(void *arg, const char *name)
{
	struct other_slices *others = arg;
	uint64_t slice;

	if (text_u64(name, &slice) == 0 && slice >= others->slices) {
		others->found = slice + 1 > others->found ? slice + 1 : others->found;
	}
}

/* Rows of slices that are not there any more would never come again. */
static int
check_slices(const struct log *log, char why[LOG_WHY])
{
	struct other_slices others = { .slices = log->options.slices };
	int result = env_dir_list(log->options.folder, look_at_slice, &others);

	if (result == 0 && others.found > 0) {
		snprintf(why, LOG_WHY,
		         "%.150s is of %" PRIu64
		         " slices, not of %u; use as many, or another folder",
		         log->options.folder, others.found, log->options.slices);
		return -EINVAL;
	}
	return log_say(why, result, log->options.folder);
}

static int
take_lock(struct log *log, char why[LOG_WHY])
{
	char path[LOG_PATH_MAX];
	int result;

	log_path(log, path, LOG_LOCK);
	log->lock = env_file_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (log->lock < 0) {
		return log_say(why, log->lock, path);
	}
	result = env_file_lock(log->lock);
	if (result == -EAGAIN) {
		snprintf(why, LOG_WHY, "%.200s is in use by another process or operator",
		         log->folder);
		return result;
	}
	return log_say(why, result, path);
}

/* The number is in the name, so that there is nothing to read and nothing to be damaged. */
static int
take_id(struct log *log, const struct listing *listing, char why[LOG_WHY])
{
	char name[32], path[LOG_PATH_MAX];
	int file;

	if (listing->ids == 1) {
		log->id = listing->id;
		return 0;
	}
	if (listing->ids > 1 || listing->count > 0) {
		snprintf(why, LOG_WHY,
		         "%.150s has %s; bring back the one that belongs to it, or use "
		         "another folder",
		         log->folder,
		         listing->ids > 1 ? "more than one file ID.*"
		                          : "segments but no file ID.*");
		return -EBADMSG;
	}
	do {
		log->id = env_random();
	} while (log->id == 0);
	snprintf(name, sizeof(name), LOG_ID "%016" PRIx64, log->id);
	log_path(log, path, name);
	file = env_file_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0) {
		return log_say(why, file, path);
	}
	env_file_close(file);
	return 0;
}

/* ---- checking what is there ---- */

static int
damage(const struct log *log, const struct log_found *found, uint64_t row, const char *what,
       char why[LOG_WHY])
{
	char name[LOG_NAME_MAX];

	log_name(name, found->number, found->first_row);
	snprintf(why, LOG_WHY,
	         "%.100s/%s: row %" PRIu64 ": %s; bring it back from a backup, or, if the rows up "
	         "to its end are not needed, take it and those before it away",
	         log->folder, name, row, what);
	return -EBADMSG;
}

static int
check_begin(const struct log *log, const struct log_found *found, const struct log_item *item,
            char why[LOG_WHY])
{
	const char *schema = log->options.schema;

	if (item->row != found->first_row) {
		return damage(log, found, item->row, "is not the one that its name says", why);
	}
	if (item->header.size != strlen(schema) ||
	    memcmp(item->payload, schema, item->header.size) != 0) {
		snprintf(why, LOG_WHY,
		         "%.60s holds rows \"%.*s\", and those that come are \"%.60s\"; finish "
		         "them with the topology of before, or use another folder",
		         log->folder, (int)(item->header.size < 60 ? item->header.size : 60u),
		         (const char *)item->payload, schema);
		return -EINVAL;
	}
	return 0;
}

/* Reads a segment up to its last whole group. */
static int
scan_groups(struct log *log, struct log_found *found, struct log_mark *group, char why[LOG_WHY])
{
	struct log_item item;
	uint64_t group_row = found->first_row;
	int result;

	log_reader_mark(log->reader, group);
	while ((result = log_reader_next(log->reader, &item)) > 0) {
		if (item.kind == LOG_ITEM_BEGIN) {
			result = check_begin(log, found, &item, why);
			if (result != 0) {
				return result;
			}
		}
		if (item.kind == LOG_ITEM_GROUP_END) {
			found->groups++;
			found->last_group = *group;
			found->last_row = group_row;
			found->end_row = item.row;
			group_row = item.row;
			log_reader_mark(log->reader, group);
		}
	}
	return result;
}

/* Whether a crash may have left this; else it was written like that, or has come from elsewhere. */
static bool
may_be_torn(enum block_fault fault)
{
	return fault == FAULT_FINE || fault == FAULT_SHORT || fault == FAULT_MAGIC ||
	       fault == FAULT_HEADER || fault == FAULT_PAYLOAD;
}

static int
scan_segment(struct log *log, struct log_found *found, char why[LOG_WHY])
{
	struct log_walk walk;
	struct log_mark group;
	enum block_fault fault;
	char name[LOG_NAME_MAX], path[LOG_PATH_MAX];
	int64_t size;
	int result;

	log_name(name, found->number, found->first_row);
	log_path(log, path, name);
	log_walk_begin(&walk, log->id, found->number, log->options.slice);
	found->end_row = found->first_row;
	result = log_reader_open(log->reader, path, &walk);
	if (result != 0) {
		return log_say(why, result, path);
	}
	size = env_file_size(log->reader->file);
	log->bytes += size > 0 ? (uint64_t)size : 0;
	why[0] = '\0';
	result = size < 0 ? (int)size : scan_groups(log, found, &group, why);
	if (result != 0) {
		return why[0] != '\0' ? result : log_say(why, result, path);
	}
	/* A group that a crash has torn is the last one. */
	fault = log->reader->fault;
	result = may_be_torn(fault) ? log_reader_is_followed(log->reader, &group) : 1;
	if (result > 0) {
		return damage(log, found, found->end_row, block_fault_text(fault), why);
	}
	return log_say(why, result, path);
}

/* Drops those without a whole group: nothing of them was ever durable. */
static void
drop_empty(struct log *log)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < log->found_count; i++) {
		if (log->found[i].groups > 0) {
			log->found[count++] = log->found[i];
		}
	}
	log->found_count = count;
}

/*
 * Each segment goes on where the one before was durable, or before that: then what it has counts.
 */
static int
check_chain(struct log *log, char why[LOG_WHY])
{
	for (uint32_t i = 0; i + 1 < log->found_count; i++) {
		struct log_found *found = &log->found[i], *next = found + 1;

		if (next->first_row > found->end_row) {
			return damage(log, found, found->end_row,
			              "the log ends here, and goes on in a later file behind a gap",
			              why);
		}
		if (next->first_row < found->first_row) {
			return damage(log, next, next->first_row,
			              "begins before the file before it", why);
		}
		found->end_row = next->first_row;
	}
	return 0;
}

static int
check_all(struct log *log, char why[LOG_WHY])
{
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < log->found_count; i++) {
		result = scan_segment(log, &log->found[i], why);
	}
	if (result != 0) {
		return result;
	}
	drop_empty(log);
	return check_chain(log, why);
}

/* ---- the last group ---- */

static int
put_again(struct log *log, const struct log_item *item, char why[LOG_WHY])
{
	void *payload = log_reserve(log, item->header.size);

	if (payload == NULL) {
		return log_say(why, -ENOMEM, "the last group does not fit into the memory");
	}
	memcpy(payload, item->payload, item->header.size);
	log_append(log, &(struct log_record){ .rows = item->header.rows,
	                                      .size = item->header.size,
	                                      .watermark = item->header.watermark,
	                                      .ingress_ns = INT64_MAX,
	                                      .is_from_disk = true });
	return 0;
}

static int
load_last_group(struct log *log, char why[LOG_WHY])
{
	struct log_found *last = &log->found[log->found_count - 1];
	struct log_item item = { .kind = LOG_ITEM_BEGIN };
	char name[LOG_NAME_MAX], path[LOG_PATH_MAX];
	int result;

	log_name(name, last->number, last->first_row);
	log_path(log, path, name);
	log->memory_row = log->end_row = last->last_row;
	result = log_reader_open(log->reader, path, &last->last_group.walk);
	if (result != 0) {
		return log_say(why, result, path);
	}
	log_reader_return(log->reader, &last->last_group);
	why[0] = '\0';
	do {
		result = log_reader_next(log->reader, &item);
		if (result > 0 && item.kind == LOG_ITEM_RECORD) {
			result = put_again(log, &item, why);
			result = result == 0 ? 1 : result;
		}
	} while (result > 0 && item.kind != LOG_ITEM_GROUP_END);
	log_reader_close(log->reader);
	last->end_row = last->last_row;
	if (result > 0) {
		return 0;
	}
	result = result == 0 ? -EIO : result;
	return why[0] != '\0' ? result : log_say(why, result, path);
}

/* Those of which it is sure that the disk has them: the last one only if it has two groups. */
static void
keep_all(struct log *log)
{
	for (uint32_t i = 0; i < log->found_count; i++) {
		const struct log_found *found = &log->found[i];

		if (i + 1 < log->found_count || found->groups > 1) {
			log_keep(log, found->number, found->first_row);
		}
	}
}

static int
recover(struct log *log, char why[LOG_WHY])
{
	struct listing listing = { 0 };
	int result = list_folder(log, &listing, why);

	result = result == 0 ? take_id(log, &listing, why) : result;
	result = result == 0 ? check_all(log, why) : result;
	if (result == 0 && log->found_count > 0) {
		log->first_row = log->found[0].first_row;
		result = load_last_group(log, why);
	}
	if (result != 0) {
		return result;
	}
	log->row = log->first_row;
	log->durable_row = log->memory_row;
	keep_all(log);
	/* The id's name, and that of what nobody needs to have been synced. */
	return log_say(why, env_dir_sync(log->folder), log->folder);
}

static int
take_folder(struct log *log, char why[LOG_WHY])
{
	int result = make_folder(log->options.folder, why);

	result = result == 0 ? check_slices(log, why) : result;
	result = result == 0 ? make_folder(log->folder, why) : result;
	result = result == 0 ? take_lock(log, why) : result;
	if (result == 0) {
		log->directory = env_dir_open(log->folder);
		result = log->directory < 0 ? log_say(why, log->directory, log->folder) : 0;
	}
	return result == 0 ? recover(log, why) : result;
}

static struct log *
make_log(const struct log_options *options)
{
	struct log *log = aligned_alloc(64, (sizeof(*log) + 63) / 64 * 64);

	if (log == NULL) {
		return NULL;
	}
	memset(log, 0, sizeof(*log));
	log->options = *options;
	log->memory = options->memory;
	log->lock = log->directory = log->file = -1;
	log->since_ns = INT64_MAX;
	log->read_watermark = INT64_MIN;
	snprintf(log->folder, sizeof(log->folder), "%s/%u", options->folder, options->slice);
	log->disk = env_disk_open();
	log->coder = block_coder_open(BLOCK_PLAIN, 0);
	log->reader = log_reader_new();
	log->kept = calloc(LOG_SEGMENTS_MAX, sizeof(log->kept[0]));
	if (log->disk == NULL || log->coder == NULL || log->reader == NULL || log->kept == NULL) {
		log_close(log);
		return NULL;
	}
	return log;
}

int
log_open(const struct log_options *options, struct log **log, char why[LOG_WHY])
{
	struct log *l;
	int result;

	*log = NULL;
	assert(options->memory_size >= LOG_MEMORY_MIN && options->memory_size % 64 == 0);
	assert(options->segment_bytes >= LOG_SEGMENT_MIN);
	assert(strlen(options->schema) <= LOG_SCHEMA_MAX);
	if (strlen(options->folder) + 16 > LOG_FOLDER_MAX) {
		snprintf(why, LOG_WHY, "the name of the folder is longer than %u bytes",
		         LOG_FOLDER_MAX - 16);
		return -ENAMETOOLONG;
	}
	l = make_log(options);
	if (l == NULL) {
		return log_say(why, -ENOMEM, options->folder);
	}
	result = take_folder(l, why);
	if (result != 0) {
		log_close(l);
		return result;
	}
	*log = l;
	return 0;
}

void
log_close(struct log *log)
{
	if (log == NULL) {
		return;
	}
	if (log->buffer != NULL) {
		env_disk_give_back(log->disk, log->buffer);
	}
	env_disk_close(log->disk);
	if (log->file >= 0) {
		env_file_close(log->file);
	}
	if (log->directory >= 0) {
		env_file_close(log->directory);
	}
	if (log->lock >= 0) {
		env_file_close(log->lock);
	}
	block_coder_close(log->coder);
	log_reader_free(log->reader);
	free(log->found);
	free(log->kept);
	free(log);
}
