/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAKE_ENV_H
#define FAKE_ENV_H

/*
 * The machine for tests of operators that touch files: all of core/env.h on the C library, with
 * faults to order. One thread.
 */

#include <stdint.h>

#include "core/env.h"

struct fake_env {
	int64_t now_ns;
	uint32_t read_max;    /* bytes a read returns at most; 0: no bound */
	uint32_t write_max;   /* bytes a write takes at most; 0: no bound */
	int64_t write_budget; /* bytes until writes fail; negative: none */
	int write_error;      /* errno of writes past the budget, e.g. ENOSPC, EAGAIN */
	int read_error;       /* errno of every read; 0: none */
	int sync_error;
	uint64_t reads, writes, syncs, opened, closed;
};
extern struct fake_env fake_env;

/* No faults, counters at 0. */
void fake_env_reset(void);

/* A folder of its own for the files of a test, made on the first call; removed at exit. */
const char *fake_env_folder(void);
/* The path of `name` in that folder; good until the eighth call after it. */
const char *fake_env_path(const char *name);
/* Writes a file there; returns its path. `length` -1: up to the text's end. */
const char *fake_env_write(const char *name, const char *text, int64_t length);
/* The whole file as a text; free(). */
char *fake_env_read(const char *path);

#endif
