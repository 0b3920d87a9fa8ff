/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_STRUCT_H
#define STORE_STRUCT_H

/* The store from the inside; store*.c only. */

#include "core/env.h"
#include "core/xxh.h"
#include "state/store.h"
#include "state/store_list.h"

/* Files that are written and wait for their sync: several syncs at once cost little more than one.
 */
#define STORE_UNSYNCED_MAX 64u

struct unsynced {
	char name[MANIFEST_NAME_MAX];
	int file;
	int result;
	bool is_done;
};

/* A part while it is written. */
struct part {
	struct store *store;
	struct part_id id;
	enum part_mode mode;
	int file;
	int error; /* the first one; nothing more is written */
	char name[MANIFEST_NAME_MAX];
	uint8_t *buffer; /* being filled; NULL: none */
	uint32_t filled;
	uint32_t on_way;  /* writes */
	uint64_t written; /* bytes of the file that were handed over */
	uint64_t blocks, raw_bytes;
	XXH3_state_t digest;
};

struct store {
	char folder[STORE_FOLDER_MAX];
	struct store_options options;
	char why[MANIFEST_WHY];
	int lock;
	uint64_t incarnation;
	bool is_picked;
	struct env_disk *disk;
	struct block_coder *coder;
	struct store_list list;
	const struct manifest *base; /* that the next epoch builds on; in `list`; NULL: none */
	uint64_t blocked_by;         /* as store_prune said last */
	/* The epoch being written. */
	struct manifest *draft; /* NULL: none is open */
	int failed;             /* -errno: it can only be abandoned */
	uint32_t names_given;   /* to its files: no name twice */
	uint32_t parts_open;
	struct unsynced unsynced[STORE_UNSYNCED_MAX + 2]; /* and the manifest's copies */
	uint32_t unsynced_count;
	uint8_t scratch[BLOCK_SIZE_MAX];
};

/* Keeps a sentence; returns `result`. */
int store_say(struct store *store, int result, const char *what);
/* Takes one result of the disk, of whichever part; false: nothing is on its way. */
bool store_reap(struct store *store, bool wait);
/* Waits until all files that are written are safe; else the epoch has failed. */
int store_sync_files(struct store *store);

#endif
