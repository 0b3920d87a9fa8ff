/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_WRITER_H
#define STATE_WRITER_H

/*
 * Writes a folder of epochs through the store, with parts and records as a job would leave them
 * (state/snapshot_format.h). The job has three operators:
 *
 *     0 packets   one slice without a part
 *     1 flows     two slices; each with a map of WRITER_SLOTS arenas and a value
 *     2 out       one slice; a transaction, a text, of each epoch
 *
 * Epoch 1 is in full; each later one is a delta of slice 0, with two granules in it, and slice 1 is
 * kept as it was.
 */

#include <stdbool.h>
#include <stdint.h>

#include "state/store.h"

#define WRITER_JOB UINT64_C(0x1122334455667788)
#define WRITER_SECRET UINT64_C(0x5ec2e75ec2e75ec2)
#define WRITER_TOPOLOGY UINT64_C(0xabcdef)
#define WRITER_SLOTS 4u
#define WRITER_ARENA 8192u /* bytes of each arena of the map; the value has 64 */

struct state_writer {
	const char *folder;
	uint32_t keep;
	enum block_codec codec;
	bool is_last; /* the last epoch says that every slice has ended */
};

/* Adds so many epochs; on success the folder is taken until store_close. NULL and why. */
struct store *state_writer_add(const struct state_writer *writer, uint32_t epochs,
                               char why[MANIFEST_WHY]);

#endif
