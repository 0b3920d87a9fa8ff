/* SPDX-License-Identifier: BSD-3-Clause */
/* Removing what no snapshot needs any more, on another thread than the one that writes. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "state/log_struct.h"

/* Segments below a number. */
struct old_segments {
	uint64_t below;
	uint64_t first; /* the oldest of them; UINT64_MAX: none */
	char name[LOG_NAME_MAX];
};

static void
look_at(void *arg, const char *name)
{
	struct old_segments *old = arg;
	uint64_t number, first_row;

	if (log_name_read(name, &number, &first_row) && number < old->below &&
	    number < old->first) {
		old->first = number;
		memcpy(old->name, name, strlen(name) + 1);
	}
}

static uint64_t
size_of(const char *path)
{
	int file = env_file_open(path, O_RDONLY | O_CLOEXEC, 0);
	int64_t size = file < 0 ? 0 : env_file_size(file);

	if (file >= 0) {
		env_file_close(file);
	}
	return size < 0 ? 0 : (uint64_t)size;
}

/*
 * One after the other, the oldest first, and each name is gone for good before the next one goes:
 * a crash leaves no gap.
 */
static int
remove_below(struct log *log, uint64_t below, char why[LOG_WHY])
{
	for (;;) {
		struct old_segments old = { .below = below, .first = UINT64_MAX };
		char path[LOG_PATH_MAX];
		uint64_t bytes;
		int result = env_dir_list(log->folder, look_at, &old);

		if (result != 0 || old.first == UINT64_MAX) {
			return log_say(why, result, log->folder);
		}
		log_path(log, path, old.name);
		bytes = size_of(path);
		result = env_file_unlink(path);
		if (result != 0 && result != -ENOENT) {
			return log_say(why, result, path);
		}
		__atomic_add_fetch(&log->trimmed_bytes, bytes, __ATOMIC_RELEASE);
		result = env_dir_sync(log->folder);
		if (result != 0) {
			return log_say(why, result, log->folder);
		}
	}
}

int
log_trim(struct log *log, uint64_t row, char why[LOG_WHY])
{
	uint32_t tail = __atomic_load_n(&log->kept_tail, __ATOMIC_ACQUIRE);
	uint32_t head = log->kept_head;
	int result = 0;

	/* The first that is needed: the last one that begins at the row or before. */
	while (tail - head > 1 && log->kept[(head + 1) % LOG_SEGMENTS_MAX].first_row <= row) {
		head++;
	}
	if (tail != head && log->kept[head % LOG_SEGMENTS_MAX].first_row <= row) {
		result = remove_below(log, log->kept[head % LOG_SEGMENTS_MAX].number, why);
	}
	if (result == 0) {
		__atomic_store_n(&log->kept_head, head, __ATOMIC_RELEASE);
	}
	return result;
}
