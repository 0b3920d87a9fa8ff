/* SPDX-License-Identifier: BSD-3-Clause */
/* core/env.h on the C library, with faults to order: see fake_env.h. */
#include "tests/unit/operators/fake_env.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fake_env fake_env = { .write_budget = -1 };

void
fake_env_reset(void)
{
	fake_env = (struct fake_env){ .write_budget = -1 };
}

int64_t
env_now_ns(void)
{
	return fake_env.now_ns;
}

int64_t
env_wall_ns(void)
{
	return 1600000000000000000 + fake_env.now_ns;
}

uint64_t
env_random(void)
{
	return 0x123456789abcdef1;
}

void *
env_alloc(size_t size, size_t align, int numa_node)
{
	size_t whole = (size + align - 1) / align * align;
	void *memory = aligned_alloc(align, whole);

	(void)numa_node;
	return memory == NULL ? NULL : memset(memory, 0, whole);
}

void
env_free(void *memory)
{
	free(memory);
}

/* There is one node. */
void
env_pages_of(void *block, struct env_pages *pages)
{
	(void)block;
	*pages = (struct env_pages){ .page = 4096 };
}

int
env_pages_follow(const struct env_pages *pages)
{
	(void)pages;
	return -ENOSYS;
}

int
env_pages_move(const uintptr_t *page, uint32_t count, int node, int *where)
{
	(void)page;
	(void)count;
	(void)node;
	(void)where;
	return -ENOSYS;
}

int
env_worker_launch(uint32_t lcore, env_step_fn *step, void *arg)
{
	(void)lcore;
	(void)step;
	(void)arg;
	return -ENOTSUP;
}

void
env_worker_join(uint32_t lcore)
{
	(void)lcore;
}

void
env_pause(void)
{
}

void
env_yield(void)
{
}

void
env_sleep_ns(uint64_t ns)
{
	fake_env.now_ns += (int64_t)ns;
}

int
env_file_open(const char *path, int flags, int mode)
{
	int file = open(path, flags | O_CLOEXEC, mode);

	fake_env.opened += file >= 0;
	return file < 0 ? -errno : file;
}

ssize_t
env_file_read(int file, void *bytes, size_t size)
{
	ssize_t result;

	fake_env.reads++;
	if (fake_env.read_error != 0) {
		return -fake_env.read_error;
	}
	if (fake_env.read_max != 0 && size > fake_env.read_max) {
		size = fake_env.read_max;
	}
	result = read(file, bytes, size);
	return result < 0 ? -errno : result;
}

int
env_file_seek(int file, uint64_t offset)
{
	return lseek(file, (off_t)offset, SEEK_SET) < 0 ? -errno : 0;
}

ssize_t
env_file_write(int file, const void *bytes, size_t size)
{
	ssize_t result;

	fake_env.writes++;
	if (fake_env.write_max != 0 && size > fake_env.write_max) {
		size = fake_env.write_max;
	}
	if (fake_env.write_budget >= 0 && size > (size_t)fake_env.write_budget) {
		if (fake_env.write_budget == 0) {
			return -fake_env.write_error;
		}
		size = (size_t)fake_env.write_budget;
	}
	result = write(file, bytes, size);
	if (result > 0 && fake_env.write_budget >= 0) {
		fake_env.write_budget -= result;
	}
	return result < 0 ? -errno : result;
}

int
env_file_sync(int file)
{
	fake_env.syncs++;
	if (fake_env.sync_error != 0) {
		return -fake_env.sync_error;
	}
	return fdatasync(file) < 0 ? -errno : 0;
}

int
env_file_close(int file)
{
	fake_env.closed++;
	return close(file) < 0 ? -errno : 0;
}

int
env_file_rename(const char *from, const char *to)
{
	return rename(from, to) < 0 ? -errno : 0;
}

void
env_log_of(const char *module, int level, const char *format, ...)
{
	(void)module;
	(void)level;
	(void)format;
}

static char env_folder[64];

static int
env_remove(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	(void)status;
	(void)flag;
	(void)walk;
	return remove(path);
}

static void
env_clean(void)
{
	nftw(env_folder, env_remove, 8, FTW_DEPTH | FTW_PHYS);
}

const char *
fake_env_folder(void)
{
	const char *root = getenv("TMPDIR");

	if (env_folder[0] == '\0') {
		snprintf(env_folder, sizeof(env_folder), "%.40s/lodemill-XXXXXX",
		         root == NULL ? "/tmp" : root);
		assert_non_null(mkdtemp(env_folder));
		atexit(env_clean);
	}
	return env_folder;
}

const char *
fake_env_path(const char *name)
{
	static char path[8][128];
	static uint32_t next;
	char *at = path[next++ % 8];

	snprintf(at, sizeof(path[0]), "%s/%s", fake_env_folder(), name);
	return at;
}

const char *
fake_env_write(const char *name, const char *text, int64_t length)
{
	const char *path = fake_env_path(name);
	FILE *file = fopen(path, "wb");
	size_t size = length < 0 ? strlen(text) : (size_t)length;

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return path;
}

char *
fake_env_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text;
	long size;

	if (file == NULL) {
		fail_msg("there is no file %s", path);
	}
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_true(size >= 0);
	rewind(file);
	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)size, file), size);
	fclose(file);
	return text;
}
