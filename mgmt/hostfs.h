/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HOSTFS_H
#define HOSTFS_H

/*
 * Reading what a host says of itself in /proc, /sys, /etc, /dev and /run, below a root that can be
 * a recording of another host: the same code runs on both. Paths are given without the first slash.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hostfs {
	const char *root; /* "" for the host itself, else a folder without a slash at its end */
};

#define HOSTFS_PATH_MAX 512u
#define HOSTFS_NAME_MAX 64u

/* This very host, not a recording. */
bool hostfs_live(const struct hostfs *host);
/* The path of a file below the root. Returns `path`. */
const char *hostfs_path(const struct hostfs *host, char path[HOSTFS_PATH_MAX], const char *file);

/* The file's text without the newline at its end, cut to `size`. Returns its length or -errno. */
ssize_t hostfs_read(const struct hostfs *host, char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, of any length up to 4 MiB: to be freed; NULL when it cannot be read. */
char *hostfs_read_all(const struct hostfs *host, const char *file);
/* The number in the file. Returns 0 or -errno. */
int hostfs_u64(const struct hostfs *host, uint64_t *value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The last part of what a link points to. A recording may hold a file with the name in it instead.
 */
int hostfs_link(const struct hostfs *host, char *name, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool hostfs_exists(const struct hostfs *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The names in a folder, sorted the way people count (node2 before node10). */
struct hostfs_names {
	char (*name)[HOSTFS_NAME_MAX];
	uint32_t count;
};
/* Returns 0 or -errno; free with hostfs_names_free in both cases. */
int hostfs_list(const struct hostfs *host, struct hostfs_names *names, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void hostfs_names_free(struct hostfs_names *names);

/*
 * The rest of the line that begins with `key`, blanks and a colon after it skipped: for
 * /proc/meminfo, /proc/self/status, /proc/cpuinfo. Returns `value` or NULL when there is none.
 */
char *hostfs_field(const char *text, const char *key, char *value, size_t size);
/* Word `index` (from 0) of the line at `line`; words are parted by blanks. NULL when there are
 * fewer. */
char *hostfs_word(const char *line, uint32_t index, char *word, size_t size);
/* The line after the one at `line`, or NULL. */
const char *hostfs_next_line(const char *line);

#endif
