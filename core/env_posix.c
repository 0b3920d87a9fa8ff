/* SPDX-License-Identifier: BSD-3-Clause */
/* What of core/env.h is the same with EAL and without: threads of their own, the kernel's files. */

#define _GNU_SOURCE
#include "core/env.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct env_thread {
	env_step_fn *step;
	void *arg;
	pthread_t thread;
};

static void *
run_thread(void *arg)
{
	struct env_thread *thread = arg;

	while (thread->step(thread->arg)) {
	}
	return NULL;
}

int
env_thread_start(struct env_thread **thread, const char *name, env_step_fn *step, void *arg)
{
	struct env_thread *t = calloc(1, sizeof(*t));
	int result;

	*thread = NULL;
	if (t == NULL) {
		return -ENOMEM;
	}
	t->step = step;
	t->arg = arg;
	result = pthread_create(&t->thread, NULL, run_thread, t);
	if (result != 0) {
		free(t);
		return -result;
	}
	pthread_setname_np(t->thread, name);
	*thread = t;
	return 0;
}

void
env_thread_join(struct env_thread *thread)
{
	if (thread != NULL) {
		pthread_join(thread->thread, NULL);
		free(thread);
	}
}

void
env_yield(void)
{
	sched_yield();
}

int
env_file_open(const char *path, int flags, int mode)
{
	int file = open(path, flags | O_CLOEXEC, mode);

	return file < 0 ? -errno : file;
}

ssize_t
env_file_read(int file, void *bytes, size_t size)
{
	ssize_t result = read(file, bytes, size);

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
	ssize_t result = write(file, bytes, size);

	return result < 0 ? -errno : result;
}

int
env_file_sync(int file)
{
	return fdatasync(file) < 0 ? -errno : 0;
}

int
env_file_close(int file)
{
	return close(file) < 0 ? -errno : 0;
}

int
env_file_rename(const char *from, const char *to)
{
	return rename(from, to) < 0 ? -errno : 0;
}
