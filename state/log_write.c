/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log's way to the disk: groups of records, one after the other, and new files when one fails.
 */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/canary.h"
#include "state/log_struct.h"

/* So many bytes of rows do not wait for others. */
#define DUE_BYTES (256u << 10)
/* What a group takes beside its records, whether its segment is new or not: so that a group that
 * is written again after a restart, in a new segment, is one group again. */
#define BEGIN_BYTES (BLOCK_HEADER + (uint32_t)sizeof(struct log_begin) + LOG_SCHEMA_MAX)
#define RECORDS_BYTES (LOG_GROUP_BYTES - BEGIN_BYTES - BLOCK_HEADER)
static_assert(LOG_GROUP_BYTES % ENV_DISK_BYTES == 0, "a group fills buffers");
static_assert(LOG_GROUP_BYTES / ENV_DISK_BYTES <= ENV_DISK_DEPTH, "there are enough of them");
static_assert(LOG_RECORD_MAX + 16 * BLOCK_HEADER <= RECORDS_BYTES, "any record fits in a group");

enum { SYNC_FILE, SYNC_DIRECTORY };
static char sync_tags[2];

/* ---- segments ---- */

static void
close_segment(struct log *log)
{
	if (log->file >= 0) {
		env_file_close(log->file);
		log->file = -1;
	}
}

/* The rows that are not safe go to a new file, later; this one is never written again. */
static void
fail(struct log *log, int result, const char *what)
{
	char name[LOG_NAME_MAX];

	assert(log->writes == 0 && log->syncs == 0);
	log_name(name, log->segment, log->segment_first_row);
	log->failures++;
	log->retry_ns = log->retry_ns == 0 ? LOG_RETRY_FIRST_NS : 2 * log->retry_ns;
	log->retry_ns = log->retry_ns > LOG_RETRY_MOST_NS ? LOG_RETRY_MOST_NS : log->retry_ns;
	snprintf(log->why, sizeof(log->why),
	         "cannot %s %.150s/%s: %s; %s; rows wait and are written to a new file, which is "
	         "tried again all the time",
	         what, log->folder, name, strerror(-result),
	         result == -ENOSPC || result == -EDQUOT ? "free some space" : "check the disk");
	close_segment(log);
	log->sent = log->durable;
	log->error = 0;
	log->phase = LOG_FAILED;
	log->retry_at_ns = INT64_MIN; /* when the next step says what time it is */
}

static int
new_segment(struct log *log)
{
	char name[LOG_NAME_MAX], path[LOG_PATH_MAX];

	do {
		log->segment = ++log->number;
		log->segment_first_row = log->durable_row;
		log_name(name, log->segment, log->segment_first_row);
		log_path(log, path, name);
		log->file = env_disk_create(path, 0600);
	} while (log->file == -EEXIST);
	log->segment_bytes = 0;
	log->segment_groups = 0;
	log->segment_blocks = 0;
	return log->file < 0 ? log->file : 0;
}

bool
log_may_keep(const struct log *log)
{
	uint32_t head = __atomic_load_n(&log->kept_head, __ATOMIC_ACQUIRE);

	return log->kept_tail - head < LOG_SEGMENTS_MAX;
}

bool
log_keep(struct log *log, uint64_t number, uint64_t first_row)
{
	if (!log_may_keep(log)) {
		return false;
	}
	log->kept[log->kept_tail % LOG_SEGMENTS_MAX] =
	    (struct log_kept){ .number = number, .first_row = first_row };
	__atomic_store_n(&log->kept_tail, log->kept_tail + 1, __ATOMIC_RELEASE);
	return true;
}

/* ---- bytes ---- */

/* Hands the buffer over, filled with zeros to whole sectors. */
static void
send_buffer(struct log *log)
{
	uint32_t size = (log->filled + LOG_SECTOR - 1) / LOG_SECTOR * LOG_SECTOR;

	memset(log->buffer + log->filled, 0, size - log->filled);
	log->writes++;
	env_disk_write(log->disk, log->file, log->buffer, size, log->segment_bytes, log);
	log->segment_bytes += size;
	log->group_bytes += size;
	log->buffer = NULL;
	log->filled = 0;
}

static void
take_buffer(struct log *log)
{
	if (log->buffer == NULL) {
		log->buffer = env_disk_buffer(log->disk);
		assert(log->buffer != NULL);
	}
}

static void
put_bytes(struct log *log, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		uint32_t room, taken;

		take_buffer(log);
		room = ENV_DISK_BYTES - log->filled;
		taken = size < room ? (uint32_t)size : room;
		memcpy(log->buffer + log->filled, bytes, taken);
		log->filled += taken;
		bytes += taken;
		size -= taken;
		if (log->filled == ENV_DISK_BYTES) {
			send_buffer(log);
		}
	}
}

static void
put_block(struct log *log, struct block *block, const void *raw)
{
	block->job = log->id;
	block->epoch = log->segment;
	block->op = log->segment_groups;
	block->slice = log->options.slice;
	block->number = log->segment_blocks++;
	take_buffer(log);
	/* Straight into the buffer where it surely fits. */
	if (ENV_DISK_BYTES - log->filled > BLOCK_HEADER + block->raw_size) {
		log->filled +=
		    (uint32_t)block_encode(log->coder, block, raw, log->buffer + log->filled);
	} else {
		put_bytes(log, log->scratch, block_encode(log->coder, block, raw, log->scratch));
	}
}

static void
put_begin(struct log *log)
{
	struct log_begin begin = { .first_row = log->segment_first_row,
		                   .schema_size = strlen(log->options.schema) };
	uint8_t payload[sizeof(begin) + LOG_SCHEMA_MAX];
	struct block block = { .kind = LOG_BEGIN,
		               .offset = begin.first_row,
		               .raw_size = (uint32_t)(sizeof(begin) + begin.schema_size) };

	memcpy(payload, &begin, sizeof(begin));
	memcpy(payload + sizeof(begin), log->options.schema, begin.schema_size);
	put_block(log, &block, payload);
}

static void
put_record(struct log *log, const struct log_entry *entry)
{
	const uint8_t *at = (const uint8_t *)&entry->header;
	uint32_t rest = (uint32_t)sizeof(entry->header) + entry->header.size;

	while (rest > 0) {
		uint32_t size = rest < BLOCK_RAW_MAX ? rest : BLOCK_RAW_MAX;
		struct block block = { .kind = LOG_ROWS,
			               .offset = entry->row,
			               .slot = rest - size,
			               .raw_size = size };

		put_block(log, &block, at);
		at += size;
		rest -= size;
	}
}

/* ---- groups ---- */

/* Which entries the next group takes: as many as fit. */
static uint32_t
choose(struct log *log)
{
	uint64_t at = log->sent;
	uint32_t space = 0;

	while (at < log->tail) {
		const struct log_entry *entry = log_entry_at(log, &at);
		uint32_t more =
		    log_record_space((uint32_t)sizeof(entry->header) + entry->header.size);

		if (space + more > RECORDS_BYTES) {
			break;
		}
		space += more;
		at += entry->whole;
		log->group_end = at;
		log->group_row = entry->row + entry->header.rows;
	}
	return space + BEGIN_BYTES + BLOCK_HEADER;
}

/* Whether the folder may take so much more; the first time that it may not is told. */
static bool
has_space(struct log *log, uint32_t space, bool flush)
{
	uint64_t bytes = log->bytes - __atomic_load_n(&log->trimmed_bytes, __ATOMIC_ACQUIRE);
	uint32_t head = __atomic_load_n(&log->kept_head, __ATOMIC_ACQUIRE);
	uint64_t most = log->options.max_bytes;

	if (log_may_keep(log) && (flush || most == 0 || bytes + space <= most)) {
		log->is_stopped = false;
		return true;
	}
	if (!log->is_stopped) {
		log->is_stopped = true;
		log->stops++;
		snprintf(log->why, sizeof(log->why),
		         "%.150s holds %" PRIu64
		         " bytes in %u segments, and no snapshot has let go "
		         "of any; rows wait; raise max_bytes, or see why there are no snapshots",
		         log->folder, bytes, log->kept_tail - head);
	}
	return false;
}

static void
begin_group(struct log *log, int64_t now_ns, bool flush)
{
	uint32_t space = choose(log);
	int result = 0;

	if (!has_space(log, space, flush)) {
		return;
	}
	if (log->file >= 0 && log->segment_bytes + space > log->options.segment_bytes) {
		close_segment(log);
	}
	if (log->file < 0) {
		result = new_segment(log);
	}
	if (result != 0) {
		fail(log, result, "create");
		return;
	}
	log->group_bytes = 0;
	if (log->segment_blocks == 0) {
		put_begin(log);
	}
	for (uint64_t at = log->sent; at < log->group_end;) {
		const struct log_entry *entry = log_entry_at(log, &at);

		put_record(log, entry);
		at += entry->whole;
	}
	put_block(log, &(struct block){ .kind = LOG_END, .offset = log->group_row }, NULL);
	if (log->filled > 0) {
		send_buffer(log);
	}
	log->sent = log->group_end;
	log->since_ns = log->sent == log->tail ? INT64_MAX : now_ns;
	log->bytes += log->group_bytes;
	log->phase = LOG_WRITES;
}

/* All of the group is written: now it must be safe, and with the first one the file's name. */
static void
sync_group(struct log *log)
{
	if (log->error != 0) {
		fail(log, log->error, "write");
		return;
	}
	log->phase = LOG_SYNCS;
	if (!CANARY(CANARY_SKIP_SYNC)) {
		log->syncs++;
		env_disk_sync(log->disk, log->file, &sync_tags[SYNC_FILE]);
	}
	if (log->segment_groups == 0 && !CANARY(CANARY_SKIP_DIR_SYNC)) {
		log->syncs++;
		env_disk_sync_dir(log->disk, log->directory, &sync_tags[SYNC_DIRECTORY]);
	}
}

static void
finish_group(struct log *log)
{
	if (log->error != 0) {
		fail(log, log->error, "sync");
		return;
	}
	if (log->segment_groups == 0) {
		bool is_kept = log_keep(log, log->segment, log->segment_first_row);

		assert(is_kept);
		(void)is_kept;
	}
	log->segment_groups++;
	log->groups++;
	log->durable = log->group_end;
	log->durable_row = log->group_row;
	log->retry_ns = 0;
	log->phase = LOG_REST;
	log_free_passed(log);
	if (log->watch != NULL) {
		log->watch(log->watch_arg, log->group_bytes);
	}
}

static void
reap(struct log *log)
{
	struct env_disk_done done;

	while (log->writes + log->syncs > 0 && env_disk_reap(log->disk, false, &done)) {
		log->error = log->error == 0 ? done.result : log->error;
		if (done.is_sync) {
			assert(log->syncs > 0);
			log->syncs--;
		} else {
			assert(log->writes > 0);
			log->writes--;
		}
	}
}

/* After a failure time must pass; true when it has. */
static bool
is_over(int64_t *at_ns, uint64_t wait_ns, int64_t now_ns)
{
	if (*at_ns == INT64_MIN) {
		*at_ns = now_ns + (int64_t)wait_ns;
	}
	return now_ns >= *at_ns;
}

static bool
is_due(struct log *log, int64_t now_ns, bool flush)
{
	if (log->sent == log->tail) {
		return false;
	}
	if (log->since_ns == INT64_MAX) {
		log->since_ns = now_ns;
	}
	return flush || log->tail - log->sent >= DUE_BYTES ||
	       now_ns - log->since_ns >= (int64_t)log->options.commit_ns;
}

bool
log_step(struct log *log, int64_t now_ns, bool flush)
{
	reap(log);
	if (log->read_failed && is_over(&log->read_retry_at_ns, LOG_RETRY_MOST_NS, now_ns)) {
		log->read_failed = false;
	}
	if (log->phase == LOG_FAILED && is_over(&log->retry_at_ns, log->retry_ns, now_ns)) {
		log->phase = LOG_REST;
	}
	if (log->phase == LOG_WRITES && log->writes == 0) {
		sync_group(log);
	}
	if (log->phase == LOG_SYNCS && log->syncs == 0) {
		finish_group(log);
	}
	if (log->phase == LOG_REST && is_due(log, now_ns, flush)) {
		begin_group(log, now_ns, flush);
	}
	return log->phase != LOG_REST || log->sent != log->tail;
}
