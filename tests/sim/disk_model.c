/* SPDX-License-Identifier: BSD-3-Clause */
/* The model of the simulator's disk: names, bytes, what a crash leaves, what faults do. */

#include "tests/sim/disk_model.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

struct disk disk;

static uint64_t
sectors(uint64_t size)
{
	return (size + DISK_SECTOR - 1) / DISK_SECTOR;
}

void
disk_reset(void)
{
	while (disk.inodes != NULL) {
		struct inode *inode = disk.inodes;

		disk.inodes = inode->next;
		free(inode->now);
		free(inode->safe);
		free(inode->is_dirty);
		free(inode);
	}
	memset(&disk, 0, sizeof(disk));
}

void
disk_fail_at(uint64_t k, enum disk_fault fault)
{
	disk.fail_at = k == 0 ? 0 : disk.calls + k;
	disk.planned = fault;
}

void
disk_faults(const uint32_t one_in[DISK_FAULT_COUNT])
{
	memcpy(disk.one_in, one_in, sizeof(disk.one_in));
}

uint64_t
disk_calls(void)
{
	return disk.calls;
}

void
disk_power_off(void)
{
	disk.is_down = true;
}

bool
disk_is_down(void)
{
	return disk.is_down;
}

enum disk_fault
disk_begin_call(void)
{
	enum disk_fault fault = DISK_GOOD;

	if (disk.is_down) {
		return DISK_EIO;
	}
	disk.calls++;
	for (uint32_t i = 1; i < DISK_FAULT_COUNT; i++) {
		if (disk.one_in[i] > 0 && sim_below(disk.one_in[i]) == 0) {
			fault = (enum disk_fault)i;
		}
	}
	if (disk.calls == disk.fail_at) {
		fault = disk.planned;
	}
	if (fault == DISK_SLOW) {
		sim_advance(1000000000);
	}
	disk.is_down = fault == DISK_CRASH;
	return fault;
}

struct name *
disk_name(const char *path, bool make)
{
	struct name *unused = NULL;

	for (uint32_t i = 0; i < disk.name_count; i++) {
		struct name *name = &disk.name[i];

		if (strcmp(name->path, path) == 0) {
			return name;
		}
		if (name->now == NULL && name->safe == NULL && name->other == NULL) {
			unused = name;
		}
	}
	if (!make) {
		return NULL;
	}
	if (unused == NULL) {
		assert(disk.name_count < DISK_NAMES_MAX);
		unused = &disk.name[disk.name_count++];
	}
	assert(strlen(path) < DISK_PATH_MAX);
	snprintf(unused->path, DISK_PATH_MAX, "%s", path);
	return unused;
}

struct inode *
disk_inode(bool is_folder)
{
	struct inode *inode = calloc(1, sizeof(*inode));

	assert(inode != NULL);
	inode->is_folder = is_folder;
	inode->next = disk.inodes;
	disk.inodes = inode;
	return inode;
}

/* Whether `path` is directly below `folder`. */
bool
disk_is_in(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && path[length] == '/' &&
	       strchr(path + length + 1, '/') == NULL;
}

static void
inode_make_room(struct inode *inode, uint64_t size)
{
	uint64_t room = inode->room == 0 ? 4096 : inode->room;

	if (size <= inode->room) {
		return;
	}
	while (room < size) {
		room *= 2;
	}
	inode->now = realloc(inode->now, room);
	inode->safe = realloc(inode->safe, room);
	inode->is_dirty = realloc(inode->is_dirty, sectors(room));
	assert(inode->now != NULL && inode->safe != NULL && inode->is_dirty != NULL);
	memset(inode->now + inode->room, 0, room - inode->room);
	memset(inode->safe + inode->room, 0, room - inode->room);
	memset(inode->is_dirty + sectors(inode->room), 0, sectors(room) - sectors(inode->room));
	inode->room = room;
}

void
inode_write(struct inode *inode, uint64_t offset, const void *bytes, uint64_t size)
{
	if (size == 0) {
		return;
	}
	inode_make_room(inode, offset + size);
	memcpy(inode->now + offset, bytes, size);
	for (uint64_t i = offset / DISK_SECTOR; i < sectors(offset + size); i++) {
		inode->is_dirty[i] = 1;
	}
	if (offset + size > inode->size) {
		inode->size = offset + size;
		inode->is_size_dirty = true;
	}
}

/* A place that a whole sector was meant for and that is not this one. */
static uint64_t
elsewhere(uint64_t offset, uint64_t size, uint64_t end)
{
	uint64_t places = end > size ? (end - size) / DISK_SECTOR + 1 : 1;

	return places == 1 ? offset : sim_below(places) * DISK_SECTOR;
}

int64_t
inode_write_faulty(struct inode *inode, uint64_t offset, const void *bytes, uint64_t size,
                   enum disk_fault fault)
{
	uint64_t at;

	switch (fault) {
	case DISK_EIO:
		return -EIO;
	case DISK_ENOSPC:
		inode_write(inode, offset, bytes, sim_below(size + 1));
		return -ENOSPC;
	case DISK_SHORT:
		size = size > 1 ? 1 + sim_below(size - 1) : size;
		break;
	case DISK_CRASH:
		/* Some sectors are under way; the one that the head is over is torn. */
		inode_write(inode, offset, bytes, sim_below(size + 1));
		return -EIO;
	case DISK_MISDIRECT:
		/* Where it should be stands what was there before. */
		at = elsewhere(offset, size, inode->size + size);
		if (offset + size > inode->size) {
			uint8_t zero[DISK_SECTOR] = { 0 };

			inode_write(inode, offset + size - 1, zero, 1);
		}
		inode_write(inode, at, bytes, size);
		return (int64_t)size;
	default:
		break;
	}
	inode_write(inode, offset, bytes, size);
	if (fault == DISK_FLIP && size > 0) {
		inode->now[offset + sim_below(size)] ^= (uint8_t)(1u << sim_below(8));
	}
	return (int64_t)size;
}

int64_t
inode_read_faulty(struct inode *inode, uint64_t offset, void *bytes, uint64_t size,
                  enum disk_fault fault)
{
	uint64_t left = offset < inode->size ? inode->size - offset : 0;
	uint8_t *byte = bytes;

	size = size < left ? size : left;
	if (fault == DISK_EIO || fault == DISK_CRASH) {
		return -EIO;
	}
	if (size == 0) {
		return 0;
	}
	if (fault == DISK_SHORT) {
		size = 1 + sim_below(size);
	}
	if (fault == DISK_MISDIRECT) {
		offset = elsewhere(offset, size, inode->size);
	}
	memcpy(byte, inode->now + offset, size);
	if (fault == DISK_FLIP) {
		byte[sim_below(size)] ^= (uint8_t)(1u << sim_below(8));
	}
	return (int64_t)size;
}

static void
make_sector_safe(struct inode *inode, uint64_t sector)
{
	memcpy(inode->safe + sector * DISK_SECTOR, inode->now + sector * DISK_SECTOR, DISK_SECTOR);
}

int
inode_sync(struct inode *inode, enum disk_fault fault)
{
	bool fails = fault == DISK_EIO || fault == DISK_SYNC_LOST || fault == DISK_CRASH;

	for (uint64_t i = 0; i < sectors(inode->size); i++) {
		if (inode->is_dirty[i] == 0) {
			continue;
		}
		if (!fails || sim_below(2) == 0) {
			make_sector_safe(inode, i);
		}
		/* Read back, it looks as if nothing had happened. */
		if (!fails || fault == DISK_SYNC_LOST) {
			inode->is_dirty[i] = 0;
		}
	}
	if (!fails || fault == DISK_SYNC_LOST) {
		inode->safe_size = fails ? inode->safe_size : inode->size;
		inode->is_size_dirty = false;
	}
	return fails ? -EIO : 0;
}

/* What a crash leaves of a file: any of the sectors that were not safe, one of them half. */
static void
inode_crash(struct inode *inode)
{
	for (uint64_t i = 0; i < sectors(inode->size); i++) {
		if (inode->is_dirty[i] == 0) {
			continue;
		}
		switch (sim_below(4)) {
		case 0:
		case 1:
			make_sector_safe(inode, i);
			break;
		case 2:
			memcpy(inode->safe + i * DISK_SECTOR, inode->now + i * DISK_SECTOR,
			       sim_below(DISK_SECTOR));
			break;
		default:
			break;
		}
	}
	if (inode->is_size_dirty && sim_below(2) == 0) {
		inode->safe_size = inode->size;
	}
	inode->size = inode->safe_size;
	if (inode->room > 0) {
		memcpy(inode->now, inode->safe, inode->room);
		memset(inode->now + inode->size, 0, inode->room - inode->size);
		memcpy(inode->safe, inode->now, inode->room);
		memset(inode->is_dirty, 0, sectors(inode->room));
	}
	inode->is_size_dirty = false;
	inode->locked_by = 0;
}

void
name_part(struct name *name)
{
	if (name->other != NULL) {
		name->other->other = NULL;
		name->other = NULL;
	}
}

void
name_settle(struct name *name, bool is_kept)
{
	struct name *other = name->other;

	name_part(name);
	if (is_kept) {
		name->safe = name->now;
	}
	name->now = name->safe;
	if (other != NULL) {
		name_settle(other, is_kept);
	}
}

void
disk_crash(void)
{
	for (uint32_t i = 0; i < disk.name_count; i++) {
		if (disk.name[i].now != disk.name[i].safe) {
			name_settle(&disk.name[i], sim_below(2) == 0);
		}
	}
	for (struct inode *inode = disk.inodes; inode != NULL; inode = inode->next) {
		inode_crash(inode);
	}
	memset(disk.open, 0, sizeof(disk.open));
	disk.is_down = false;
	disk.fail_at = 0;
}

/* Damage at rest. */

static struct inode *
inode_at(const char *path)
{
	struct name *name = disk_name(path, false);

	return name == NULL ? NULL : name->now;
}

int64_t
disk_size(const char *path)
{
	struct inode *inode = inode_at(path);

	return inode == NULL ? -1 : (int64_t)inode->size;
}

uint8_t *
disk_bytes(const char *path)
{
	struct inode *inode = inode_at(path);

	assert(inode != NULL);
	return inode->now;
}

void
disk_settle(const char *path)
{
	struct inode *inode = inode_at(path);

	assert(inode != NULL);
	inode_sync(inode, DISK_GOOD);
	if (inode->size > 0) {
		memcpy(inode->safe, inode->now, inode->size);
	}
}

void
disk_truncate(const char *path, uint64_t size)
{
	struct inode *inode = inode_at(path);

	assert(inode != NULL && size <= inode->size);
	inode->size = size;
	inode->safe_size = size;
}

void
disk_lose(const char *path)
{
	struct name *name = disk_name(path, false);

	assert(name != NULL);
	name->now = NULL;
	name->safe = NULL;
}

void
disk_walk(const char *folder, disk_walk_fn *found, void *arg)
{
	for (uint32_t i = 0; i < disk.name_count; i++) {
		if (disk.name[i].now != NULL && !disk.name[i].now->is_folder &&
		    disk_is_in(disk.name[i].path, folder)) {
			found(arg, disk.name[i].path);
		}
	}
}

uint64_t
disk_used(void)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < disk.name_count; i++) {
		used += disk.name[i].now == NULL ? 0 : disk.name[i].now->size;
	}
	return used;
}
