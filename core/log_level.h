/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOG_LEVEL_H
#define LOG_LEVEL_H

/*
 * Which lines for people are let through: for a module a level, for a while. A module is a folder
 * of the tree ("core", "mgmt", …), or an operator of the topology for what it says itself; "all" is
 * every other one. Without a level of its own a module has that of "all", and that is
 * LOG_LEVEL_INFO.
 *
 *     log_level_set("mgmt", 3, now_ns, now_ns + TEN_MINUTES);  only errors, for ten minutes
 *     if (log_level_passes("mgmt/host.c", 6, now_ns)) …        a path stands for its folder
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stdint.h>

/* As in syslog. */
#define LOG_LEVEL_ERROR 3
#define LOG_LEVEL_INFO 6
#define LOG_LEVEL_DEBUG 7

#define LOG_LEVELS_MAX 16u
#define LOG_MODULE_MAX 64u

struct log_level {
	char module[LOG_MODULE_MAX];
	int level;
	int64_t until_ns;
};

/* 0; -ENOSPC: so many modules have a level of their own; -ENAMETOOLONG. `until_ns` not above
 * `now_ns`: as if it never had one. */
int log_level_set(const char *module, int level, int64_t now_ns, int64_t until_ns);
bool log_level_passes(const char *module, int level, int64_t now_ns);
/* Those that hold; returns how many. */
uint32_t log_level_list(struct log_level list[LOG_LEVELS_MAX], int64_t now_ns);
/* "error", "warning", "notice", "info", "debug" and those above; NULL: no such level. */
const char *log_level_text(int level);
/* -1: no such level. */
int log_level_find(const char *text);

#endif
