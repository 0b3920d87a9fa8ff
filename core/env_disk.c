/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The real disk behind core/env.h: names, folders, and the queue of bulk writes. The queue is an
 * io_uring where the kernel lets us have one, else plain writes on the calling thread.
 */

#define _GNU_SOURCE
#include "core/env.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#define OPERATIONS (2 * ENV_DISK_DEPTH)

ssize_t
env_file_pread(int file, void *bytes, size_t size, uint64_t offset)
{
	ssize_t result = pread(file, bytes, size, (off_t)offset);

	return result < 0 ? -errno : result;
}

int64_t
env_file_size(int file)
{
	struct stat status;

	return fstat(file, &status) < 0 ? -errno : status.st_size;
}

/* Of the open file, not of the process: closing another one of the same name does not give it up.
 */
int
env_file_lock(int file)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(file, F_OFD_SETLK, &lock) == 0) {
		return 0;
	}
	return errno == EACCES ? -EAGAIN : -errno;
}

int
env_file_unlink(const char *path)
{
	return unlink(path) < 0 ? -errno : 0;
}

int
env_dir_make(const char *path, int mode)
{
	return mkdir(path, (mode_t)mode) < 0 ? -errno : 0;
}

int
env_dir_sync(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (folder < 0) {
		return -errno;
	}
	result = fsync(folder) < 0 ? -errno : 0;
	close(folder);
	return result;
}

int
env_dir_open(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return folder < 0 ? -errno : folder;
}

int
env_dir_list(const char *path, env_dir_fn *name, void *arg)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int result;

	if (folder == NULL) {
		return -errno;
	}
	errno = 0;
	while ((entry = readdir(folder)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			name(arg, entry->d_name);
		}
		errno = 0;
	}
	result = -errno;
	closedir(folder);
	return result;
}

/* One write, read or sync from the time it is asked for until it is reaped. */
struct operation {
	void *tag;
	uint8_t *buffer; /* NULL: a sync */
	uint64_t offset;
	uint32_t size;
	int file;
	int result; /* of a read: bytes */
	bool is_read;
	bool is_folder; /* that is synced: names, which fdatasync need not write */
	bool is_used;
};

struct env_disk {
	uint8_t *memory;               /* of the buffers; NULL: there are none */
	bool is_taken[ENV_DISK_DEPTH]; /* a buffer */
	struct operation operation[OPERATIONS];
	uint32_t on_way;
	bool has_ring;
	bool has_fixed; /* the kernel knows the buffers */
#ifdef HAVE_LIBURING
	struct io_uring ring;
#endif
	/* Without a ring: operations that are done, the oldest first. */
	struct operation *done[OPERATIONS];
};

static void
ring_open(struct env_disk *disk)
{
#ifdef HAVE_LIBURING
	struct iovec buffers[ENV_DISK_DEPTH];

	/* Not everybody may: io_uring_disabled, seccomp, an old kernel, too little locked memory.
	 */
	disk->has_ring = io_uring_queue_init(OPERATIONS, &disk->ring, 0) == 0;
	if (!disk->has_ring) {
		return;
	}
	for (uint32_t i = 0; i < ENV_DISK_DEPTH && disk->memory != NULL; i++) {
		buffers[i].iov_base = disk->memory + (size_t)i * ENV_DISK_BYTES;
		buffers[i].iov_len = ENV_DISK_BYTES;
	}
	disk->has_fixed = disk->memory != NULL &&
	                  io_uring_register_buffers(&disk->ring, buffers, ENV_DISK_DEPTH) == 0;
#else
	disk->has_ring = false;
#endif
}

struct env_disk *
env_disk_open(void)
{
	struct env_disk *disk = calloc(1, sizeof(*disk));

	if (disk == NULL) {
		return NULL;
	}
	disk->memory = aligned_alloc(ENV_DISK_ALIGN, (size_t)ENV_DISK_DEPTH * ENV_DISK_BYTES);
	if (disk->memory == NULL) {
		free(disk);
		return NULL;
	}
	memset(disk->memory, 0, (size_t)ENV_DISK_DEPTH * ENV_DISK_BYTES);
	ring_open(disk);
	return disk;
}

struct env_disk *
env_disk_open_reads(void)
{
	struct env_disk *disk = calloc(1, sizeof(*disk));

	if (disk != NULL) {
		ring_open(disk);
	}
	return disk;
}

void
env_disk_close(struct env_disk *disk)
{
	struct env_disk_done done;

	if (disk == NULL) {
		return;
	}
	while (env_disk_reap(disk, true, &done)) {
	}
#ifdef HAVE_LIBURING
	if (disk->has_ring) {
		io_uring_queue_exit(&disk->ring);
	}
#endif
	free(disk->memory);
	free(disk);
}

const char *
env_disk_kind(const struct env_disk *disk)
{
	return disk->has_ring ? "io_uring" : "pwrite";
}

int
env_disk_create(const char *path, int mode)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int file = open(path, flags | O_DIRECT, mode);

	if (file >= 0) {
		return file;
	}
	if (errno != EINVAL) {
		return -errno;
	}
	/* The file system has no O_DIRECT. The failed call may have made the file; it is ours. */
	file = open(path, flags, mode);
	if (file < 0 && errno == EEXIST) {
		file = open(path, O_WRONLY | O_CLOEXEC);
	}
	return file < 0 ? -errno : file;
}

int
env_disk_open_file(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);

	if (file < 0 && errno == EINVAL) {
		file = open(path, O_RDONLY | O_CLOEXEC);
	}
	return file < 0 ? -errno : file;
}

void *
env_disk_buffer(struct env_disk *disk)
{
	for (uint32_t i = 0; i < ENV_DISK_DEPTH; i++) {
		if (!disk->is_taken[i]) {
			disk->is_taken[i] = true;
			return disk->memory + (size_t)i * ENV_DISK_BYTES;
		}
	}
	return NULL;
}

static uint32_t
buffer_index(const struct env_disk *disk, const void *buffer)
{
	size_t at = (size_t)((const uint8_t *)buffer - disk->memory);

	assert(at % ENV_DISK_BYTES == 0);
	assert(at / ENV_DISK_BYTES < ENV_DISK_DEPTH);
	return (uint32_t)(at / ENV_DISK_BYTES);
}

void
env_disk_give_back(struct env_disk *disk, void *buffer)
{
	uint32_t index = buffer_index(disk, buffer);

	assert(disk->is_taken[index]);
	disk->is_taken[index] = false;
}

/* Writes the bytes from `from` on; 0 or -errno. */
static int
write_rest(const struct operation *operation, uint32_t from)
{
	while (from < operation->size) {
		ssize_t result = pwrite(operation->file, operation->buffer + from,
		                        operation->size - from, (off_t)(operation->offset + from));

		if (result < 0 && errno == EINTR) {
			continue;
		}
		if (result <= 0) {
			return result < 0 ? -errno : -ENOSPC;
		}
		from += (uint32_t)result;
	}
	return 0;
}

/* Reads the bytes from `from` on; how many there are in all, or -errno. */
static int
read_rest(const struct operation *operation, uint32_t from)
{
	while (from < operation->size) {
		ssize_t result = pread(operation->file, operation->buffer + from,
		                       operation->size - from, (off_t)(operation->offset + from));

		if (result < 0 && errno == EINTR) {
			continue;
		}
		if (result < 0) {
			return -errno;
		}
		/* Past the page cache a read that ends within a sector has come to the end. */
		if (result == 0 || (from + (uint32_t)result) % ENV_DISK_ALIGN != 0) {
			return (int)(from + (uint32_t)result);
		}
		from += (uint32_t)result;
	}
	return (int)from;
}

/* What a read that the kernel has done comes to. */
static int
finish_read(const struct operation *operation)
{
	uint32_t got = (uint32_t)operation->result;

	return got % ENV_DISK_ALIGN != 0 ? (int)got : read_rest(operation, got);
}

static int
run_here(const struct operation *operation)
{
	if (operation->is_read) {
		return read_rest(operation, 0);
	}
	if (operation->is_folder) {
		return fsync(operation->file) < 0 ? -errno : 0;
	}
	if (operation->buffer == NULL) {
		return fdatasync(operation->file) < 0 ? -errno : 0;
	}
	return write_rest(operation, 0);
}

/* False: the ring takes none. */
static bool
ring_submit(struct env_disk *disk, struct operation *operation)
{
#ifdef HAVE_LIBURING
	struct io_uring_sqe *entry = disk->has_ring ? io_uring_get_sqe(&disk->ring) : NULL;

	if (entry == NULL) {
		return false;
	}
	if (operation->buffer == NULL) {
		io_uring_prep_fsync(entry, operation->file,
		                    operation->is_folder ? 0 : IORING_FSYNC_DATASYNC);
	} else if (operation->is_read) {
		io_uring_prep_read(entry, operation->file, operation->buffer, operation->size,
		                   operation->offset);
	} else if (disk->has_fixed) {
		io_uring_prep_write_fixed(entry, operation->file, operation->buffer,
		                          operation->size, operation->offset,
		                          (int)buffer_index(disk, operation->buffer));
	} else {
		io_uring_prep_write(entry, operation->file, operation->buffer, operation->size,
		                    operation->offset);
	}
	io_uring_sqe_set_data(entry, operation);
	/* What the kernel does not take at once goes with the next call or the wait. */
	io_uring_submit(&disk->ring);
	return true;
#else
	(void)disk;
	(void)operation;
	return false;
#endif
}

static void
submit(struct env_disk *disk, const struct operation *wanted)
{
	struct operation *operation = disk->operation;

	assert(disk->on_way < OPERATIONS);
	while (operation->is_used) {
		operation++;
	}
	*operation = *wanted;
	operation->is_used = true;
	if (!disk->has_ring) {
		operation->result = run_here(operation);
		disk->done[disk->on_way] = operation;
	} else if (!ring_submit(disk, operation)) {
		assert(!"a ring has room for all that may be on its way");
	}
	disk->on_way++;
}

void
env_disk_write(struct env_disk *disk, int file, void *buffer, uint32_t size, uint64_t offset,
               void *tag)
{
	struct operation wanted = {
		.tag = tag, .buffer = buffer, .offset = offset, .size = size, .file = file
	};

	assert(size % ENV_DISK_ALIGN == 0 && offset % ENV_DISK_ALIGN == 0);
	assert(size > 0 && size <= ENV_DISK_BYTES);
	assert(disk->is_taken[buffer_index(disk, buffer)]);
	submit(disk, &wanted);
}

void
env_disk_read(struct env_disk *disk, int file, void *memory, uint32_t size, uint64_t offset,
              void *tag)
{
	struct operation wanted = { .tag = tag,
		                    .buffer = memory,
		                    .offset = offset,
		                    .size = size,
		                    .file = file,
		                    .is_read = true };

	assert(size % ENV_DISK_ALIGN == 0 && offset % ENV_DISK_ALIGN == 0);
	assert((uintptr_t)memory % ENV_DISK_ALIGN == 0);
	assert(size > 0 && size <= INT32_MAX);
	submit(disk, &wanted);
}

void
env_disk_sync(struct env_disk *disk, int file, void *tag)
{
	struct operation wanted = { .tag = tag, .file = file };

	submit(disk, &wanted);
}

void
env_disk_sync_dir(struct env_disk *disk, int folder, void *tag)
{
	struct operation wanted = { .tag = tag, .file = folder, .is_folder = true };

	submit(disk, &wanted);
}

/* The next operation that is done; NULL: none. */
static struct operation *
ring_reap(struct env_disk *disk, bool wait)
{
#ifdef HAVE_LIBURING
	struct io_uring_cqe *entry = NULL;
	struct operation *operation;
	int result;

	do {
		/* Sends what could not be sent before, too. */
		result = wait ? io_uring_submit_and_wait(&disk->ring, 1) : 0;
		if (result >= 0) {
			result = io_uring_peek_cqe(&disk->ring, &entry);
		}
	} while (wait && (result == -EINTR || result == -EAGAIN || result == -EBUSY));
	if (entry == NULL) {
		assert(!wait);
		return NULL;
	}
	operation = io_uring_cqe_get_data(entry);
	operation->result = entry->res;
	io_uring_cqe_seen(&disk->ring, entry);
	if (operation->result > 0 && operation->is_read) {
		operation->result = finish_read(operation);
	} else if (operation->result >= 0 && operation->buffer != NULL && !operation->is_read) {
		operation->result = write_rest(operation, (uint32_t)operation->result);
	}
	return operation;
#else
	(void)disk;
	(void)wait;
	return NULL;
#endif
}

static struct operation *
next_done(struct env_disk *disk, bool wait)
{
	struct operation *operation;

	if (disk->has_ring) {
		return ring_reap(disk, wait);
	}
	operation = disk->done[0];
	memmove(disk->done, disk->done + 1, (disk->on_way - 1) * sizeof(disk->done[0]));
	return operation;
}

bool
env_disk_reap(struct env_disk *disk, bool wait, struct env_disk_done *done)
{
	struct operation *operation;

	if (disk->on_way == 0) {
		return false;
	}
	operation = next_done(disk, wait);
	if (operation == NULL) {
		return false;
	}
	done->tag = operation->tag;
	done->result = operation->result < 0 ? operation->result : 0;
	done->size = operation->is_read && operation->result > 0 ? (uint32_t)operation->result : 0;
	done->is_sync = operation->buffer == NULL;
	if (operation->buffer != NULL && !operation->is_read) {
		env_disk_give_back(disk, operation->buffer);
	}
	operation->is_used = false;
	disk->on_way--;
	return true;
}
