/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_MODEL_H
#define STORE_MODEL_H

/*
 * What a store must give back: a job's state in plain memory, a few parts of slots of chunks. It is
 * changed at random, written as an epoch (parts whole, as changes, or kept), remembered, and
 * compared byte for byte with what comes back.
 */

#include "state/store.h"

#define MODEL_PARTS 5u
#define MODEL_SLOTS 3u
#define MODEL_CHUNK 4096u
#define MODEL_FOLDER "disk:/state"
#define MODEL_JOB 0x10de311u
#define MODEL_TOPOLOGY 0x7090109u

/* The state at one moment. */
struct model_image {
	uint64_t epoch;
	uint8_t *bytes;
	bool has_part[MODEL_PARTS];
	uint64_t position; /* a record: where a source stands */
};

struct model {
	struct model_image now;
	struct model_image *past; /* epochs that were begun to be committed */
	uint32_t past_count, past_room;
	uint8_t *is_dirty; /* for each chunk: changed since the epoch that the store builds on */
	uint64_t base;     /* that epoch; 0: none */
	uint32_t size;     /* bytes of all parts */
	bool is_small;     /* parts of a few chunks, for sweeps over every call */
};

void model_begin(struct model *model, bool is_small);
void model_end(struct model *model);
/* Some of it becomes something else. */
void model_change(struct model *model);
/*
 * Writes the state as the next epoch and commits it, until something fails. From the moment of the
 * commit on the epoch is in `past`. Tries a part that fails once more in a new file.
 */
int model_write(struct model *model, struct store *store, uint64_t *epoch);
/* The store goes on from this epoch: state, and what the next epoch can build on. */
void model_restart(struct model *model, uint64_t epoch);
/* Reads an epoch back; true if it is what it was. Else says the difference on stderr. */
bool model_check(const struct model *model, const struct store_epoch *epoch);
const struct model_image *model_find(const struct model *model, uint64_t epoch);

int model_open(struct store **store, uint32_t keep, enum block_codec codec);

#endif
