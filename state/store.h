/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_H
#define STORE_H

/*
 * The store: epochs on disk, whole or not at all. An epoch is parts (all state of one slice) and
 * records (source positions, transactions of sinks); what is in them is their owner's business. A
 * part is written to a file of its own, in blocks with checksums; the epoch is there once its
 * manifest is.
 *
 *     result = store_open(folder, &options, &store, why);      takes the folder for this process
 *     result = store_pick(store, STORE_ALL, &pick);            what there is, checked
 *     result = store_part_read(folder, pick.good->manifest, part, block, arg, why); restores it
 *
 *     result = store_begin(store, store_epoch_next(store));
 *     result = part_begin(store, id, PART_DELTA, &part);       or store_keep: it has not changed
 *     result = part_put(part, kind, slot, offset, bytes, size);    see part_place
 *     result = part_finish(part);                              or part_abort
 *     result = store_record(store, "source/packets/0", position, size);
 *     result = store_commit(store, topology);                  0: durable
 *     result = store_abandon(store);                           it will never have been
 *
 * Promises. After a crash at any moment the newest epoch that store_commit returned 0 for is there,
 * or a later one of which store_commit was called; whole. A file is never written to again once its
 * part is finished, no name is ever used twice, and nothing that a kept manifest names is removed.
 * What is damaged or cannot be read is named and left where it is: no file goes because something
 * about it looks wrong.
 *
 * Failing. Every call returns 0 or -errno, and store_why has a sentence about it. A part that could
 * not be written is gone; it may be begun again in the same epoch, in a new file. When store_commit
 * fails, nobody knows whether the epoch will be there after a crash: until store_abandon has
 * returned 0, sinks must neither commit nor abort what belongs to it. A number is used for one
 * epoch only: the next try is a later epoch.
 *
 * Threads: a store and its parts belong to one thread at a time. The functions below "Anybody" take
 * no store and run anywhere.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/block.h"
#include "state/manifest.h"

struct store;
struct part;

#define STORE_FOLDER_MAX 900u
#define STORE_PARTS_OPEN_MAX 8u
/* The catalogue (index.h) stands in the folder, too; the store does not look at it. */
#define STORE_INDEX "index.sqlite"

struct store_options {
	uint64_t job;  /* never 0; a folder belongs to one job for ever */
	uint32_t keep; /* complete epochs; 0 means 2 */
	enum block_codec codec;
	int level; /* of the codec, where it has some */
	/* store_commit removes nothing: store_prune_old does, once who waits for the epoch knows.
	 */
	bool prunes_later;
};

/* An epoch as the folder has it. */
struct store_epoch {
	uint64_t epoch;
	struct manifest *manifest; /* NULL: no copy can be read */
	uint32_t copies;           /* of the manifest that are whole, of 2 */
	bool is_damaged;           /* as far as was looked */
	char why[MANIFEST_WHY];    /* what is wrong with it, or with a copy */
};

/* Life. `why` takes a sentence for whoever asked. */
int store_open(const char *folder, const struct store_options *options, struct store **store,
               char why[MANIFEST_WHY]);
/* NULL is fine. No part may be open; an epoch that is open is left as after a crash. */
void store_close(struct store *store);
const char *store_why(const struct store *store);
const char *store_folder(const struct store *store);
/* Grows by one with each store_open of the folder. */
uint64_t store_incarnation(const struct store *store);
/* The first number that no epoch of the folder has ever had. */
uint64_t store_epoch_next(const struct store *store);
/* How it writes: "io_uring" or "pwrite". */
const char *store_disk(const struct store *store);

/*
 * Recovery. Looks at the newest epoch, then at the one before it, until one is good: `good`. If
 * `newest` is another one, then what came after `good` is damaged (newest->why): go on from `good`
 * only if no sink has committed anything behind it; otherwise stop, say so, and touch nothing. Both
 * NULL: there was never an epoch. `good` NULL and `newest` not: all are damaged. Parts of the next
 * epoch build on `good`. Before the first store_begin. Pointers hold until the next store_commit or
 * store_prune.
 *
 * STORE_ALL reads every byte. STORE_LENGTHS is for who reads all of it anyway, and but once: it
 * looks at the manifests and at the lengths of the files; if store_part_read then finds damage,
 * throw away what was restored, store_mark_damaged the epoch and pick again.
 */
enum store_depth { STORE_LENGTHS, STORE_ALL };
struct store_pick {
	const struct store_epoch *good, *newest;
};
int store_pick(struct store *store, enum store_depth depth, struct store_pick *pick);
/* All epochs, the newest first; as long as the above. */
const struct store_epoch *store_epochs(const struct store *store, uint32_t *count);

/* Writing an epoch; see the top. */
enum part_mode {
	PART_FULL,  /* these blocks are all there is */
	PART_DELTA, /* they say what has changed since the epoch before */
};
int store_begin(struct store *store, uint64_t epoch);
/* -ENOENT: there is nothing that a delta could build on; -E2BIG: its chain is too long already. */
int part_begin(struct store *store, struct part_id id, enum part_mode mode, struct part **part);
/* Any size: longer ones are cut in blocks, whose offsets go on from `offset`. kind > 0. */
int part_put(struct part *part, uint8_t kind, uint32_t slot, uint64_t offset, const void *bytes,
             size_t size);
/*
 * Where the payload of the next block will stand, and how much room is there: what is written there
 * and then given to part_put, as a whole, is not copied again. NULL: nowhere (it is packed first,
 * or writing has failed). Any other call of the part or the store ends it.
 */
void *part_place(struct part *part, uint32_t *room);
/* Frees the part, whatever comes of it. On an error it is as if it had never begun. */
int part_finish(struct part *part);
void part_abort(struct part *part);
/* The part is as it was in the epoch before. -ENOENT: it was not there. */
int store_keep(struct store *store, struct part_id id);
int store_record(struct store *store, const char *name, const void *bytes, size_t size);
/* Whether an epoch is open: begun, and neither committed nor abandoned. */
bool store_is_open(const struct store *store);
/* What the next epoch builds on, to tell when a full part is due: files, and bytes of the first
 * and of the others. False: nothing. */
struct part_chain {
	uint32_t files;
	uint64_t base_bytes, delta_bytes;
};
bool store_chain(const struct store *store, struct part_id id, struct part_chain *chain);
/* No part may be open. Then removes what is older than the epochs to keep, which may take long. */
int store_commit(struct store *store, uint64_t topology);
int store_abandon(struct store *store);

/*
 * Removes epochs older than the newest `keep` good ones, and files that are as old and that no
 * epoch left names. An epoch whose manifest cannot be read stays, with all that is not younger than
 * it: nobody knows which files it needs. store_commit calls it.
 */
struct store_pruned {
	uint32_t epochs, files;
	uint64_t blocked_by; /* the youngest epoch that cannot be read; 0: none */
};
int store_prune(struct store *store, uint32_t keep, struct store_pruned *pruned);
/* What store_commit does behind a durable epoch, unless that is for later; says what is in the way.
 */
void store_prune_old(struct store *store);
/* A check of the background (verify.h) found this; it is not counted as good from now on. */
void store_mark_damaged(struct store *store, uint64_t epoch, const char *why);

/* The blocks of a part, in the order in which they were put, base first: later ones replace what
 * earlier ones say. Whoever gets them may use them once all of it has returned 0. */
typedef int store_block_fn(void *arg, const struct block *block, const uint8_t *payload);

/*
 * Anybody: what a folder holds, without taking it; for people and for the catalogue. Of a job that
 * runs it may be old news: an epoch may go while it is read.
 */
struct store_list {
	struct store_epoch *epoch; /* the newest first */
	uint32_t count;
	char (*file)[MANIFEST_NAME_MAX]; /* of parts, named by an epoch or not; sorted */
	uint32_t file_count;
	uint64_t newest;      /* number that any name has */
	uint64_t incarnation; /* the last */
	uint32_t strays;      /* names that are not the store's */
};
int store_list_read(const char *folder, struct store_list *list);
void store_list_free(struct store_list *list);
/* Looks at all of an epoch's files: 0 also if it is damaged, which it is marked as. */
int store_epoch_check(const char *folder, enum store_depth depth, struct store_epoch *epoch);
/* One file of it, as a unit of work that threads can share out. 0, or -EBADMSG and why. */
int store_file_check(const char *folder, enum store_depth depth, uint64_t job,
                     const struct manifest_file *file, char why[MANIFEST_WHY]);
/* Whether what store_file_check or a reader returned speaks of the file, not of this process. */
bool store_is_damage(int result);
/* Any thread, as many at once as you like. 0; what `block` returned; -ENOENT: the epoch has no such
 * part; -EBADMSG or what the disk said, and why. */
int store_part_read(const char *folder, const struct manifest *manifest, struct part_id id,
                    store_block_fn *block, void *arg, char why[MANIFEST_WHY]);
/*
 * What store_prune would remove: epochs, and files that no other epoch names, with numbers above
 * `above` (the youngest epoch that cannot be read) and below `below` (the oldest that is kept).
 * False: nothing, there are too few good ones.
 */
struct store_range {
	uint64_t above, below;
};
bool store_prune_range(const struct store_list *list, uint32_t keep, struct store_range *range);

#endif
