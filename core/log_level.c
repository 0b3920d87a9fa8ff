/* SPDX-License-Identifier: BSD-3-Clause */
/* Which lines for people are let through. */
#include "core/log_level.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define ALL "all"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_level levels[LOG_LEVELS_MAX]; /* module empty: free */

const char *
log_level_text(int level)
{
	static const char *const names[] = { "panic",   "alert",  "critical", "error",
		                             "warning", "notice", "info",     "debug" };

	return level >= 0 && level <= LOG_LEVEL_DEBUG ? names[level] : NULL;
}

int
log_level_find(const char *text)
{
	for (int level = 0; level <= LOG_LEVEL_DEBUG; level++) {
		if (strcmp(text, log_level_text(level)) == 0) {
			return level;
		}
	}
	return -1;
}

/* The folder that a path's file is in, or the name that it is; its length in *length. */
static const char *
module_of(const char *path, size_t *length)
{
	const char *end = strrchr(path, '/'), *start = end;

	if (end == NULL) {
		*length = strlen(path);
		return path;
	}
	while (start > path && start[-1] != '/') {
		start--;
	}
	*length = (size_t)(end - start);
	return start;
}

/* NULL: it has no level that holds. */
static struct log_level *
find(const char *module, size_t length, int64_t now_ns)
{
	for (uint32_t i = 0; i < LOG_LEVELS_MAX; i++) {
		struct log_level *level = &levels[i];

		if (level->until_ns > now_ns && strlen(level->module) == length &&
		    memcmp(level->module, module, length) == 0) {
			return level;
		}
	}
	return NULL;
}

int
log_level_set(const char *module, int level, int64_t now_ns, int64_t until_ns)
{
	size_t length = strlen(module);
	struct log_level *entry = NULL;

	if (length == 0 || length >= LOG_MODULE_MAX) {
		return -ENAMETOOLONG;
	}
	pthread_mutex_lock(&lock);
	entry = find(module, length, INT64_MIN);
	for (uint32_t i = 0; entry == NULL && i < LOG_LEVELS_MAX; i++) {
		entry = levels[i].until_ns <= now_ns ? &levels[i] : NULL;
	}
	if (entry != NULL) {
		memcpy(entry->module, module, length + 1);
		entry->level = level;
		entry->until_ns = until_ns;
	}
	pthread_mutex_unlock(&lock);
	return entry == NULL ? -ENOSPC : 0;
}

bool
log_level_passes(const char *module, int level, int64_t now_ns)
{
	const struct log_level *entry;
	size_t length;
	int most = LOG_LEVEL_INFO;

	module = module_of(module, &length);
	pthread_mutex_lock(&lock);
	entry = find(module, length, now_ns);
	entry = entry != NULL ? entry : find(ALL, strlen(ALL), now_ns);
	most = entry != NULL ? entry->level : most;
	pthread_mutex_unlock(&lock);
	return level <= most;
}

uint32_t
log_level_list(struct log_level list[LOG_LEVELS_MAX], int64_t now_ns)
{
	uint32_t count = 0;

	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < LOG_LEVELS_MAX; i++) {
		if (levels[i].until_ns > now_ns) {
			list[count++] = levels[i];
		}
	}
	pthread_mutex_unlock(&lock);
	return count;
}
