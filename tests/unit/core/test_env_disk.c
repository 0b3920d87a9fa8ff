/* SPDX-License-Identifier: BSD-3-Clause */
/* The real disk: names, locks and the queue, on a real file system. */
#include "core/env.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cmocka.h>

static char folder[100];

static int
begin(void **state)
{
	const char *root = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof(folder), "%.50s/lodemill-XXXXXX", root == NULL ? "/tmp" : root);
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

static int
end(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *
path_of(const char *name)
{
	static char path[2][200];
	static uint32_t next;
	char *at = path[next++ % 2];

	snprintf(at, sizeof(path[0]), "%s/%s", folder, name);
	return at;
}

static void
count_name(void *arg, const char *name)
{
	uint32_t *seen = arg;

	*seen += strcmp(name, "a") == 0 ? 1 : strcmp(name, "sub") == 0 ? 10 : 100;
}

static void
test_names(void **state)
{
	uint32_t seen = 0;
	char text[8] = "";
	int file;

	(void)state;
	assert_int_equal(env_dir_make(path_of("sub"), 0700), 0);
	assert_int_equal(env_dir_make(path_of("sub"), 0700), -EEXIST);
	file = env_file_open(path_of("a"), O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(file >= 0);
	assert_int_equal(env_file_write(file, "hello", 5), 5);
	assert_int_equal(env_file_size(file), 5);
	assert_int_equal(env_file_pread(file, text, 3, 1), 3);
	assert_string_equal(text, "ell");
	assert_int_equal(env_file_pread(file, text, 3, 5), 0);
	assert_int_equal(env_file_pread(-1, text, 3, 5), -EBADF);
	assert_int_equal(env_file_size(-1), -EBADF);
	env_file_close(file);
	assert_int_equal(env_dir_list(folder, count_name, &seen), 0);
	assert_int_equal(seen, 11);
	assert_int_equal(env_dir_sync(folder), 0);
	assert_int_equal(env_file_unlink(path_of("a")), 0);
	assert_int_equal(env_file_unlink(path_of("a")), -ENOENT);
	assert_int_equal(env_dir_sync(path_of("none")), -ENOENT);
	assert_int_equal(env_dir_list(path_of("none"), count_name, &seen), -ENOENT);
}

static void
test_lock(void **state)
{
	int first = env_file_open(path_of("LOCK"), O_RDWR | O_CREAT, 0600);
	int second = env_file_open(path_of("LOCK"), O_RDWR, 0600);

	(void)state;
	assert_int_equal(env_file_lock(first), 0);
	assert_int_equal(env_file_lock(second), -EAGAIN);
	env_file_close(first);
	assert_int_equal(env_file_lock(second), 0);
	env_file_close(second);
}

static void
fill(uint8_t *bytes, uint32_t write)
{
	for (uint32_t i = 0; i < ENV_DISK_BYTES; i++) {
		bytes[i] = (uint8_t)(write * 31 + i / 256);
	}
}

/* The second file, by reads: the last one ends where the file does, one is past it. */
static void
check_reads(uint8_t *want)
{
	struct env_disk *disk = env_disk_open_reads();
	struct env_disk_done done;
	int file = env_disk_open_file(path_of("two")), gone = env_disk_open_file(path_of("none"));
	uint8_t *got[3];
	uint32_t reaped = 0;

	assert_non_null(disk);
	assert_true(file >= 0);
	assert_int_equal(gone, -ENOENT);
	for (uint32_t i = 0; i < 3; i++) {
		got[i] = aligned_alloc(ENV_DISK_ALIGN, ENV_DISK_BYTES);
		env_disk_read(disk, file, got[i], ENV_DISK_BYTES,
		              (uint64_t)(23 + i) * ENV_DISK_BYTES, got[i]);
	}
	for (; env_disk_reap(disk, true, &done); reaped++) {
		assert_int_equal(done.result, 0);
		assert_false(done.is_sync);
		assert_int_equal(done.size, done.tag == got[0]   ? ENV_DISK_BYTES
		                            : done.tag == got[1] ? 4096
		                                                 : 0);
	}
	assert_int_equal(reaped, 3);
	for (uint32_t i = 0; i < 3; i++) {
		fill(want, 47 + 2 * i);
		assert_memory_equal(got[i], want, i == 0 ? ENV_DISK_BYTES : i == 1 ? 4096 : 0);
		free(got[i]);
	}
	env_file_close(file);
	env_disk_read(disk, -1, want = aligned_alloc(ENV_DISK_ALIGN, 4096), 4096, 0, NULL);
	assert_true(env_disk_reap(disk, true, &done));
	assert_int_equal(done.result, -EBADF);
	free(want);
	env_disk_close(disk);
}

/* More writes than there are buffers, of two files, then both synced, then all read back. */
static void
test_queue(void **state)
{
	struct env_disk *disk = env_disk_open();
	struct env_disk_done done;
	uint32_t reaped = 0;
	uint8_t *want = malloc(ENV_DISK_BYTES), *got = malloc(ENV_DISK_BYTES);
	int file[2];

	(void)state;
	assert_non_null(disk);
	printf("# %s\n", env_disk_kind(disk));
	for (uint32_t i = 0; i < 2; i++) {
		file[i] = env_disk_create(path_of(i == 0 ? "one" : "two"), 0600);
		assert_true(file[i] >= 0);
	}
	assert_int_equal(env_disk_create(path_of("one"), 0600), -EEXIST);
	for (uint32_t i = 0; i < 50; i++) {
		uint8_t *buffer = env_disk_buffer(disk);

		while (buffer == NULL) {
			assert_true(env_disk_reap(disk, true, &done));
			assert_int_equal(done.result, 0);
			assert_false(done.is_sync);
			reaped++;
			buffer = env_disk_buffer(disk);
		}
		fill(buffer, i);
		env_disk_write(disk, file[i % 2], buffer, i == 49 ? 4096 : ENV_DISK_BYTES,
		               (uint64_t)(i / 2) * ENV_DISK_BYTES, &want);
	}
	while (env_disk_reap(disk, true, &done)) {
		assert_int_equal(done.result, 0);
		assert_ptr_equal(done.tag, &want);
		reaped++;
	}
	assert_int_equal(reaped, 50);
	env_disk_sync(disk, file[0], &file[0]);
	env_disk_sync(disk, file[1], &file[1]);
	for (reaped = 0; env_disk_reap(disk, true, &done); reaped++) {
		assert_true(done.is_sync);
		assert_int_equal(done.result, 0);
	}
	assert_int_equal(reaped, 2);
	env_file_close(file[0]);
	env_file_close(file[1]);
	check_reads(got);
	for (uint32_t i = 0; i < 50; i++) {
		ssize_t size = i == 49 ? 4096 : ENV_DISK_BYTES;
		int back = env_file_open(path_of(i % 2 == 0 ? "one" : "two"), O_RDONLY, 0);

		fill(want, i);
		assert_int_equal(
		    env_file_pread(back, got, (size_t)size, (uint64_t)(i / 2) * ENV_DISK_BYTES),
		    size);
		assert_memory_equal(got, want, (size_t)size);
		env_file_close(back);
	}
	free(want);
	free(got);
	env_disk_close(disk);
}

/* The names of a folder, by the same queue. */
static void
test_folder_sync(void **state)
{
	struct env_disk *disk = env_disk_open();
	struct env_disk_done done;
	int directory = env_dir_open(folder);

	(void)state;
	assert_true(directory >= 0);
	env_disk_sync_dir(disk, directory, &directory);
	assert_true(env_disk_reap(disk, true, &done));
	assert_ptr_equal(done.tag, &directory);
	assert_true(done.is_sync);
	assert_int_equal(done.result, 0);
	env_file_close(directory);
	env_disk_sync_dir(disk, directory, &directory);
	assert_true(env_disk_reap(disk, true, &done));
	assert_int_equal(done.result, -EBADF);
	assert_int_equal(env_dir_open(path_of("none")), -ENOENT);
	assert_int_equal(env_dir_open(path_of("one")), -ENOTDIR);
	env_disk_close(disk);
}

/* An error comes back with its operation; the queue goes on. */
static void
test_errors(void **state)
{
	struct env_disk *disk = env_disk_open();
	struct env_disk_done done;
	int file = env_file_open(path_of("read"), O_RDONLY | O_CREAT, 0600);
	void *buffer = env_disk_buffer(disk), *other = env_disk_buffer(disk);

	(void)state;
	assert_false(env_disk_reap(disk, true, &done));
	env_disk_write(disk, file, buffer, 4096, 0, &file);
	assert_true(env_disk_reap(disk, true, &done));
	assert_int_equal(done.result, -EBADF);
	assert_ptr_equal(done.tag, &file);
	assert_ptr_equal(env_disk_buffer(disk), buffer);
	env_disk_give_back(disk, other);
	/* Closing waits for what nobody reaped. */
	env_disk_write(disk, file, buffer, 4096, 0, &file);
	env_disk_close(disk);
	env_file_close(file);
}

/* A kernel that forbids io_uring to this process, as containers do: it writes all the same. */
static void
test_without_io_uring(void **state)
{
	struct sock_filter deny[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = deny };
	struct env_disk *disk;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		skip();
	}
	disk = env_disk_open();
	assert_string_equal(env_disk_kind(disk), "pwrite");
	env_disk_close(disk);
	assert_int_equal(env_file_unlink(path_of("one")), 0);
	assert_int_equal(env_file_unlink(path_of("two")), 0);
	assert_int_equal(env_file_unlink(path_of("read")), 0);
	test_queue(state);
	test_errors(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_folder_sync),
		cmocka_unit_test(test_errors),
		/* The last: it cannot be undone. */
		cmocka_unit_test(test_without_io_uring),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
