/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of core/env.h that reach the simulator's disk, each of which may have a fault. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "tests/sim/disk_model.h"
#include "tests/sim/sim.h"

#define FILE_FIRST (1 << 20)

bool
disk_is_path(const char *path)
{
	return strncmp(path, DISK_ROOT, strlen(DISK_ROOT)) == 0;
}

bool
disk_is_file(int file)
{
	return file >= FILE_FIRST;
}

/* NULL: the machine went down under it. */
static struct open_file *
open_file(int file)
{
	struct open_file *open = &disk.open[file - FILE_FIRST];

	assert(file >= FILE_FIRST && file < FILE_FIRST + (int)DISK_OPEN_MAX);
	return open->is_used ? open : NULL;
}

/* What a fault makes of a call that has no bytes to spoil: 0 or -errno. */
static int
plain_fault(enum disk_fault fault)
{
	switch (fault) {
	case DISK_EIO:
	case DISK_CRASH:
		return -EIO;
	case DISK_ENOSPC:
		return -ENOSPC;
	default:
		return 0;
	}
}

/* A call with the power going: it may have been through. */
static bool
still_happens(enum disk_fault fault)
{
	return fault == DISK_CRASH && sim_below(2) == 0;
}

static int
give_file(struct inode *inode)
{
	int index = 0;

	while (disk.open[index].is_used) {
		index++;
		assert(index < (int)DISK_OPEN_MAX);
	}
	disk.open[index] = (struct open_file){ .inode = inode, .is_used = true };
	return FILE_FIRST + index;
}

int
disk_open(const char *path, int flags)
{
	enum disk_fault fault = disk_begin_call();
	struct name *name = disk_name(path, (flags & O_CREAT) != 0);
	int result = plain_fault(fault);

	if (fault == DISK_ENOSPC && (flags & O_CREAT) == 0) {
		result = 0;
	}
	if (result != 0 && !(still_happens(fault) && name != NULL && name->now == NULL)) {
		return result;
	}
	if (name == NULL || (name->now == NULL && (flags & O_CREAT) == 0)) {
		return -ENOENT;
	}
	if (name->now != NULL && (flags & O_EXCL) != 0) {
		return -EEXIST;
	}
	if (name->now == NULL) {
		name_part(name);
		name->now = disk_inode(false);
	}
	return result != 0 ? result : give_file(name->now);
}

int64_t
disk_read(int file, void *bytes, size_t size)
{
	struct open_file *open = open_file(file);
	enum disk_fault fault = disk_begin_call();
	int64_t got =
	    open == NULL ? -EIO : inode_read_faulty(open->inode, open->at, bytes, size, fault);

	if (got > 0) {
		open->at += (uint64_t)got;
	}
	return got;
}

int64_t
disk_write(int file, const void *bytes, size_t size)
{
	struct open_file *open = open_file(file);
	enum disk_fault fault = disk_begin_call();
	int64_t put =
	    open == NULL ? -EIO : inode_write_faulty(open->inode, open->at, bytes, size, fault);

	if (put > 0) {
		open->at += (uint64_t)put;
	}
	return put;
}

int
disk_sync(int file)
{
	struct open_file *open = open_file(file);
	enum disk_fault fault = disk_begin_call();

	return open == NULL ? -EIO : inode_sync(open->inode, fault);
}

int
disk_close(int file)
{
	struct open_file *open = open_file(file);

	if (open == NULL) {
		return -EIO;
	}
	if (open->inode->locked_by == file) {
		open->inode->locked_by = 0;
	}
	open->is_used = false;
	return 0;
}

int
disk_rename(const char *from, const char *to)
{
	enum disk_fault fault = disk_begin_call();
	struct name *old = disk_name(from, false), *new;
	int result = plain_fault(fault);

	if (result != 0 && !still_happens(fault)) {
		return result;
	}
	if (old == NULL || old->now == NULL) {
		return -ENOENT;
	}
	new = disk_name(to, true);
	name_part(old);
	name_part(new);
	new->now = old->now;
	old->now = NULL;
	old->other = new;
	new->other = old;
	return result;
}

/* The rest of core/env.h's files: the store's alone, and the store of the simulator is here. */

ssize_t
env_file_pread(int file, void *bytes, size_t size, uint64_t offset)
{
	struct open_file *open = open_file(file);
	enum disk_fault fault = disk_begin_call();

	return open == NULL ? -EIO : inode_read_faulty(open->inode, offset, bytes, size, fault);
}

int64_t
env_file_size(int file)
{
	struct open_file *open = open_file(file);
	int result = plain_fault(disk_begin_call());

	return open == NULL || result == -EIO ? -EIO : (int64_t)open->inode->size;
}

int
env_file_lock(int file)
{
	struct open_file *open = open_file(file);

	if (open == NULL) {
		return -EIO;
	}
	if (open->inode->locked_by != 0 && open->inode->locked_by != file) {
		return -EAGAIN;
	}
	open->inode->locked_by = file;
	return 0;
}

int
env_file_unlink(const char *path)
{
	enum disk_fault fault = disk_begin_call();
	struct name *name = disk_name(path, false);
	int result = fault == DISK_ENOSPC ? 0 : plain_fault(fault);

	if (result != 0 && !still_happens(fault)) {
		return result;
	}
	if (name == NULL || name->now == NULL) {
		return -ENOENT;
	}
	name_part(name);
	name->now = NULL;
	return result;
}

int
env_dir_make(const char *path, int mode)
{
	enum disk_fault fault = disk_begin_call();
	struct name *name = disk_name(path, true);
	int result = plain_fault(fault);

	(void)mode;
	if (result != 0 && !still_happens(fault)) {
		return result;
	}
	if (name->now != NULL) {
		return -EEXIST;
	}
	name->now = disk_inode(true);
	return result;
}

/* As a file's: with DISK_SYNC_LOST names look as they did and are not safe. */
static int
sync_names(const char *path, enum disk_fault fault)
{
	bool fails = fault == DISK_EIO || fault == DISK_SYNC_LOST || fault == DISK_CRASH;

	for (uint32_t i = 0; i < disk.name_count; i++) {
		struct name *name = &disk.name[i];

		if (disk_is_in(name->path, path) && (!fails || sim_below(2) == 0)) {
			if (name->other != NULL) {
				name->other->safe = name->other->now;
			}
			name_part(name);
			name->safe = name->now;
		}
	}
	return fails ? -EIO : 0;
}

int
env_dir_sync(const char *path)
{
	return sync_names(path, disk_begin_call());
}

int
env_dir_open(const char *path)
{
	return disk_open(path, O_RDONLY);
}

int
env_dir_list(const char *path, env_dir_fn *name, void *arg)
{
	struct name *folder = disk_name(path, false);
	int result = plain_fault(disk_begin_call());

	if (result == -EIO) {
		return result;
	}
	if (folder == NULL || folder->now == NULL) {
		return -ENOENT;
	}
	for (uint32_t i = 0; i < disk.name_count; i++) {
		if (disk.name[i].now != NULL && disk_is_in(disk.name[i].path, path)) {
			name(arg, disk.name[i].path + strlen(path) + 1);
		}
	}
	return 0;
}

/* The queue: operations wait in it and are done in any order, when somebody reaps. */

struct operation {
	void *tag;
	uint8_t *buffer; /* NULL: a sync */
	uint64_t offset;
	uint32_t size;
	int file;
	bool is_read;
	bool is_folder;
};

struct env_disk {
	uint8_t *memory;
	bool is_taken[ENV_DISK_DEPTH];
	struct operation operation[2 * ENV_DISK_DEPTH];
	uint32_t on_way;
};

struct env_disk *
env_disk_open(void)
{
	struct env_disk *queue = calloc(1, sizeof(*queue));

	assert(queue != NULL);
	queue->memory = malloc((size_t)ENV_DISK_DEPTH * ENV_DISK_BYTES);
	assert(queue->memory != NULL);
	return queue;
}

struct env_disk *
env_disk_open_reads(void)
{
	struct env_disk *queue = calloc(1, sizeof(*queue));

	assert(queue != NULL);
	return queue;
}

int
env_disk_open_file(const char *path)
{
	assert(disk_is_path(path));
	return disk_open(path, O_RDONLY);
}

void
env_disk_close(struct env_disk *queue)
{
	struct env_disk_done done;

	if (queue == NULL) {
		return;
	}
	while (env_disk_reap(queue, true, &done)) {
	}
	free(queue->memory);
	free(queue);
}

const char *
env_disk_kind(const struct env_disk *queue)
{
	(void)queue;
	return "simulated";
}

int
env_disk_create(const char *path, int mode)
{
	(void)mode;
	assert(disk_is_path(path));
	return disk_open(path, O_WRONLY | O_CREAT | O_EXCL);
}

void *
env_disk_buffer(struct env_disk *queue)
{
	for (uint32_t i = 0; i < ENV_DISK_DEPTH; i++) {
		if (!queue->is_taken[i]) {
			queue->is_taken[i] = true;
			/* What was in it must not matter. */
			memset(queue->memory + (size_t)i * ENV_DISK_BYTES, 0xa5, ENV_DISK_BYTES);
			return queue->memory + (size_t)i * ENV_DISK_BYTES;
		}
	}
	return NULL;
}

void
env_disk_give_back(struct env_disk *queue, void *buffer)
{
	size_t index = (size_t)((uint8_t *)buffer - queue->memory) / ENV_DISK_BYTES;

	assert(index < ENV_DISK_DEPTH && queue->is_taken[index]);
	queue->is_taken[index] = false;
}

void
env_disk_write(struct env_disk *queue, int file, void *buffer, uint32_t size, uint64_t offset,
               void *tag)
{
	assert(size % ENV_DISK_ALIGN == 0 && offset % ENV_DISK_ALIGN == 0);
	assert(size > 0 && size <= ENV_DISK_BYTES);
	assert(queue->on_way < 2 * ENV_DISK_DEPTH);
	queue->operation[queue->on_way++] = (struct operation){
		.tag = tag, .buffer = buffer, .offset = offset, .size = size, .file = file
	};
}

void
env_disk_read(struct env_disk *queue, int file, void *memory, uint32_t size, uint64_t offset,
              void *tag)
{
	assert(size % ENV_DISK_ALIGN == 0 && offset % ENV_DISK_ALIGN == 0);
	assert((uintptr_t)memory % ENV_DISK_ALIGN == 0);
	assert(queue->on_way < ENV_DISK_DEPTH);
	queue->operation[queue->on_way++] = (struct operation){ .tag = tag,
		                                                .buffer = memory,
		                                                .offset = offset,
		                                                .size = size,
		                                                .file = file,
		                                                .is_read = true };
}

void
env_disk_sync(struct env_disk *queue, int file, void *tag)
{
	assert(queue->on_way < 2 * ENV_DISK_DEPTH);
	queue->operation[queue->on_way++] = (struct operation){ .tag = tag, .file = file };
}

void
env_disk_sync_dir(struct env_disk *queue, int folder, void *tag)
{
	assert(queue->on_way < 2 * ENV_DISK_DEPTH);
	queue->operation[queue->on_way++] =
	    (struct operation){ .tag = tag, .file = folder, .is_folder = true };
}

static int
sync_folder(const struct inode *folder)
{
	for (uint32_t i = 0; i < disk.name_count; i++) {
		if (disk.name[i].now == folder) {
			return sync_names(disk.name[i].path, disk_begin_call());
		}
	}
	return -EIO;
}

/* A write that came back short is continued, as the real one does. */
static int
run_write(const struct operation *operation, struct inode *inode)
{
	uint32_t from = 0;

	while (from < operation->size) {
		int64_t put =
		    inode_write_faulty(inode, operation->offset + from, operation->buffer + from,
		                       operation->size - from, disk_begin_call());

		if (put <= 0) {
			return put < 0 ? (int)put : -ENOSPC;
		}
		from += (uint32_t)put;
	}
	return 0;
}

/* The same for a read. Returns bytes or -errno. */
static int
run_read(const struct operation *operation, struct inode *inode)
{
	uint32_t from = 0;

	while (from < operation->size) {
		int64_t got =
		    inode_read_faulty(inode, operation->offset + from, operation->buffer + from,
		                      operation->size - from, disk_begin_call());

		if (got <= 0) {
			return got < 0 ? (int)got : (int)from;
		}
		from += (uint32_t)got;
	}
	return (int)from;
}

bool
env_disk_reap(struct env_disk *queue, bool wait, struct env_disk_done *done)
{
	struct operation operation;
	struct open_file *open;
	uint64_t index;

	if (queue->on_way == 0 || (!wait && sim_below(2) == 0)) {
		return false;
	}
	index = sim_below(queue->on_way);
	operation = queue->operation[index];
	queue->operation[index] = queue->operation[--queue->on_way];
	open = open_file(operation.file);
	done->tag = operation.tag;
	done->size = 0;
	done->is_sync = operation.buffer == NULL;
	if (open == NULL) {
		done->result = -EIO;
	} else if (operation.is_folder) {
		done->result = sync_folder(open->inode);
	} else if (done->is_sync) {
		done->result = inode_sync(open->inode, disk_begin_call());
	} else if (operation.is_read) {
		done->result = run_read(&operation, open->inode);
		done->size = done->result > 0 ? (uint32_t)done->result : 0;
		done->result = done->result > 0 ? 0 : done->result;
	} else {
		done->result = run_write(&operation, open->inode);
	}
	if (!done->is_sync && !operation.is_read) {
		env_disk_give_back(queue, operation.buffer);
	}
	return true;
}
