/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DISK_MODEL_H
#define DISK_MODEL_H

/* The simulator's disk from the inside; disk_*.c only. */

#include "tests/sim/disk_sim.h"

#define DISK_NAMES_MAX 4096u
#define DISK_OPEN_MAX 256u
#define DISK_PATH_MAX 256u

/* A file's bytes, or a folder. */
struct inode {
	uint8_t *now, *safe; /* as programs see it; as a crash leaves it */
	uint64_t size, safe_size, room;
	uint8_t *is_dirty; /* for each sector: not yet safe */
	bool is_size_dirty;
	bool is_folder;
	int locked_by; /* an open file + 1; 0: nobody */
	struct inode *next;
};

struct name {
	char path[DISK_PATH_MAX];
	struct inode *now, *safe; /* NULL: not there */
	/* It was renamed to or from the other, and neither is safe: a journal keeps both or none.
	 */
	struct name *other;
};

struct open_file {
	struct inode *inode;
	uint64_t at;
	bool is_used;
};

struct disk {
	struct name name[DISK_NAMES_MAX];
	uint32_t name_count;
	struct open_file open[DISK_OPEN_MAX];
	struct inode *inodes;
	uint64_t calls, fail_at;
	enum disk_fault planned;
	uint32_t one_in[DISK_FAULT_COUNT];
	bool is_down;
};
extern struct disk disk;

/* The fault of the call that begins now. DISK_EIO when the machine is down. */
enum disk_fault disk_begin_call(void);
struct name *disk_name(const char *path, bool make);
/* Its name is what it is now, or as it was: so is the other one's of a rename. */
void name_settle(struct name *name, bool is_kept);
/* It changes by itself: what it had to do with another one is over. */
void name_part(struct name *name);
struct inode *disk_inode(bool is_folder);
bool disk_is_in(const char *path, const char *folder);

/* Bytes into a file as programs see it: the sectors become dirty. */
void inode_write(struct inode *inode, uint64_t offset, const void *bytes, uint64_t size);
/* The same with a fault: what it does to a write. Returns bytes written or -errno. */
int64_t inode_write_faulty(struct inode *inode, uint64_t offset, const void *bytes, uint64_t size,
                           enum disk_fault fault);
int64_t inode_read_faulty(struct inode *inode, uint64_t offset, void *bytes, uint64_t size,
                          enum disk_fault fault);
int inode_sync(struct inode *inode, enum disk_fault fault);

#endif
