/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what a host says of itself in /proc and /sys, or what a recording of one says. */
#include "mgmt/hostfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOSTFS_FILE_MAX (4u << 20)

/* Makes the path of a file whose name comes as a format and its arguments. */
#define HOSTFS_FORMAT(host, path, format)                                                          \
	do {                                                                                       \
		char file_[HOSTFS_PATH_MAX];                                                       \
		va_list args_;                                                                     \
                                                                                                   \
		va_start(args_, format);                                                           \
		vsnprintf(file_, sizeof(file_), format, args_);                                    \
		va_end(args_);                                                                     \
		hostfs_path(host, path, file_);                                                    \
	} while (0)

bool
hostfs_live(const struct hostfs *host)
{
	return host->root[0] == '\0';
}

const char *
hostfs_path(const struct hostfs *host, char path[HOSTFS_PATH_MAX], const char *file)
{
	int length = snprintf(path, HOSTFS_PATH_MAX, "%s/%s", host->root, file);

	/* A path that was cut could be that of another file: better one that cannot be. */
	if (length < 0 || (size_t)length >= HOSTFS_PATH_MAX) {
		path[0] = '\0';
	}
	return path;
}

/* Files of /proc and /sys have no size: read until nothing comes. */
static ssize_t
hostfs_read_path(const char *path, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got = 0;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	text[0] = '\0';
	if (file < 0) {
		return -errno;
	}
	while (used + 1 < size) {
		got = read(file, text + used, size - 1 - used);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			break;
		}
		used += (size_t)got;
	}
	got = got < 0 ? -errno : 0;
	close(file);
	while (used > 0 && text[used - 1] == '\n') {
		used--;
	}
	text[used] = '\0';
	return got < 0 ? got : (ssize_t)used;
}

ssize_t
hostfs_read(const struct hostfs *host, char *text, size_t size, const char *format, ...)
{
	char path[HOSTFS_PATH_MAX];

	HOSTFS_FORMAT(host, path, format);
	return hostfs_read_path(path, text, size);
}

char *
hostfs_read_all(const struct hostfs *host, const char *file)
{
	char path[HOSTFS_PATH_MAX];
	char *text = malloc(HOSTFS_FILE_MAX);
	char *fitting;
	ssize_t length;

	if (text == NULL) {
		return NULL;
	}
	length = hostfs_read_path(hostfs_path(host, path, file), text, HOSTFS_FILE_MAX);
	if (length < 0) {
		free(text);
		return NULL;
	}
	fitting = realloc(text, (size_t)length + 1);
	return fitting != NULL ? fitting : text;
}

int
hostfs_u64(const struct hostfs *host, uint64_t *value, const char *format, ...)
{
	char path[HOSTFS_PATH_MAX], text[64];
	char *end;
	ssize_t length;

	HOSTFS_FORMAT(host, path, format);
	*value = 0;
	length = hostfs_read_path(path, text, sizeof(text));
	if (length < 0) {
		return (int)length;
	}
	errno = 0;
	*value = strtoull(text, &end, 0);
	return errno != 0 || end == text || text[0] == '-' ? -EINVAL : 0;
}

int
hostfs_link(const struct hostfs *host, char *name, size_t size, const char *format, ...)
{
	char path[HOSTFS_PATH_MAX], target[HOSTFS_PATH_MAX];
	const char *last;
	ssize_t length;

	HOSTFS_FORMAT(host, path, format);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0 && errno == EINVAL) {
		length = hostfs_read_path(path, target, sizeof(target));
	} else if (length < 0) {
		length = -errno;
	}
	if (length < 0) {
		name[0] = '\0';
		return (int)length;
	}
	target[length] = '\0';
	last = strrchr(target, '/');
	snprintf(name, size, "%s", last != NULL ? last + 1 : target);
	return 0;
}

bool
hostfs_exists(const struct hostfs *host, const char *format, ...)
{
	char path[HOSTFS_PATH_MAX];

	HOSTFS_FORMAT(host, path, format);
	return access(path, F_OK) == 0;
}

static int
hostfs_compare(const void *a, const void *b)
{
	return strverscmp(a, b);
}

int
hostfs_list(const struct hostfs *host, struct hostfs_names *names, const char *format, ...)
{
	char path[HOSTFS_PATH_MAX];
	uint32_t capacity = 0;
	struct dirent *entry;
	DIR *folder;

	HOSTFS_FORMAT(host, path, format);
	*names = (struct hostfs_names){ 0 };
	folder = opendir(path);
	if (folder == NULL) {
		return -errno;
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= HOSTFS_NAME_MAX) {
			continue;
		}
		if (names->count == capacity) {
			void *more = realloc(names->name, (capacity + 64) * sizeof(*names->name));

			if (more == NULL) {
				closedir(folder);
				return -ENOMEM;
			}
			names->name = more;
			capacity += 64;
		}
		memcpy(names->name[names->count++], entry->d_name, strlen(entry->d_name) + 1);
	}
	closedir(folder);
	if (names->count > 0) {
		qsort(names->name, names->count, sizeof(*names->name), hostfs_compare);
	}
	return 0;
}

void
hostfs_names_free(struct hostfs_names *names)
{
	free(names->name);
	*names = (struct hostfs_names){ 0 };
}

char *
hostfs_field(const char *text, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);

	for (const char *line = text; line != NULL && *line != '\0'; line++) {
		const char *rest = line + length;

		if (strncmp(line, key, length) == 0 && strspn(rest, ": \t") > 0) {
			rest += strspn(rest, ": \t");
			snprintf(value, size, "%.*s", (int)strcspn(rest, "\n"), rest);
			return value;
		}
		line = strchr(line, '\n');
		if (line == NULL) {
			break;
		}
	}
	return NULL;
}

char *
hostfs_word(const char *line, uint32_t index, char *word, size_t size)
{
	for (;;) {
		size_t length;

		line += strspn(line, " \t");
		length = strcspn(line, " \t\n");
		if (length == 0) {
			return NULL;
		}
		if (index == 0) {
			snprintf(word, size, "%.*s", (int)length, line);
			return word;
		}
		line += length;
		index--;
	}
}

const char *
hostfs_next_line(const char *line)
{
	line = strchr(line, '\n');
	return line != NULL && line[1] != '\0' ? line + 1 : NULL;
}
