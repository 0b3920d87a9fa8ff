/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DISK_SIM_H
#define DISK_SIM_H

/*
 * The simulator's disk: what stands behind core/env.h for paths that begin with DISK_ROOT. Every
 * file is there twice, as programs see it and as it would be after a crash. A sync copies one to
 * the other; a crash keeps any part of what was not synced, sector by sector, name by name. Faults
 * come at the k-th call, or from the seed. One thread; everything random comes from sim_random.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_ROOT "disk:"
#define DISK_SECTOR 512u

/* What can go wrong in a call. On a call that it does not fit nothing happens. */
enum disk_fault {
	DISK_GOOD,
	DISK_EIO,
	DISK_ENOSPC,    /* on what takes room: part of a write may be there */
	DISK_SYNC_LOST, /* a sync fails, and what was not safe is clean from then on, and lost */
	DISK_SHORT,     /* fewer bytes are read or written than asked for */
	DISK_FLIP,      /* a bit is another one in what is written or read, and nobody says so */
	DISK_MISDIRECT, /* what is written lands, or what is read comes from, elsewhere in the file
	                 */
	DISK_SLOW,      /* a second passes */
	DISK_CRASH,     /* the call may be done half, and all later ones fail, until disk_crash */
	DISK_FAULT_COUNT
};

/* Starts with an empty disk and no faults. */
void disk_reset(void);
/*
 * The power fails and comes back: what was not synced is kept, dropped or torn at random; open
 * files and locks are gone.
 */
void disk_crash(void);
/* The k-th call from now on (1: the next) has this fault; 0: none has. */
void disk_fail_at(uint64_t k, enum disk_fault fault);
/* One call in `one_in[fault]` has the fault; 0: none. */
void disk_faults(const uint32_t one_in[DISK_FAULT_COUNT]);
/* The power fails now: every call fails until disk_crash. */
void disk_power_off(void);
/* Calls since disk_reset; whether the machine is down. */
uint64_t disk_calls(void);
bool disk_is_down(void);

/* Damage at rest. A file by its path: its size, -1 if it is not there; its bytes as
 * programs see them; a crash leaves them as they are now. */
int64_t disk_size(const char *path);
uint8_t *disk_bytes(const char *path);
void disk_settle(const char *path);
/* Makes it shorter. */
void disk_truncate(const char *path, uint64_t size);
/* Takes it away, for good. */
void disk_lose(const char *path);
/* All files below a folder. */
typedef void disk_walk_fn(void *arg, const char *path);
void disk_walk(const char *folder, disk_walk_fn *found, void *arg);
/* Bytes that all files hold. */
uint64_t disk_used(void);

/* For env_sim.c, which stands in front: whether a path or an open file is of this disk. */
bool disk_is_path(const char *path);
bool disk_is_file(int file);
int disk_open(const char *path, int flags);
int64_t disk_read(int file, void *bytes, size_t size);
int64_t disk_write(int file, const void *bytes, size_t size);
int disk_sync(int file);
int disk_close(int file);
int disk_rename(const char *from, const char *to);

#endif
