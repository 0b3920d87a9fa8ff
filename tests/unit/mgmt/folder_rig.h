/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FOLDER_RIG_H
#define FOLDER_RIG_H

/* A folder of epochs on the real disk, made anew for each test, and ways to damage what is in it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/tools/state_writer.h"

static char rig_above[64], rig_folder[80];

/* Takes the place of what was there. */
static inline void
rig_make(uint32_t epochs, uint32_t keep)
{
	struct state_writer writer = { .folder = rig_folder, .keep = keep, .codec = BLOCK_LZ4 };
	char why[MANIFEST_WHY] = "";
	struct store *store = state_writer_add(&writer, epochs, why);

	assert_string_equal(why, "");
	assert_non_null(store);
	store_close(store);
}

static inline int
rig_begin(void **state)
{
	(void)state;
	snprintf(rig_above, sizeof(rig_above), "/tmp/lodemill-state-XXXXXX");
	assert_non_null(mkdtemp(rig_above));
	snprintf(rig_folder, sizeof(rig_folder), "%s/state", rig_above);
	return 0;
}

static inline int
rig_end(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", rig_above);
	return system(command);
}

static inline void
rig_path(char path[256], const char *name)
{
	snprintf(path, 256, "%s/%s", rig_folder, name);
}

/* Changes one byte of a file. */
static inline void
rig_flip(const char *name, long offset)
{
	char path[256];
	FILE *file;
	int byte;

	rig_path(path, name);
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_not_equal(byte, EOF);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
	assert_int_equal(fclose(file), 0);
}

static inline void
rig_remove(const char *name)
{
	char path[256];

	rig_path(path, name);
	assert_int_equal(unlink(path), 0);
}

#endif
