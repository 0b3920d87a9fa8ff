/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SNAPSHOT_FORMAT_H
#define SNAPSHOT_FORMAT_H

/*
 * What stands in the parts and records of an epoch; the store (store.h) keeps them, this says what
 * they mean.
 *
 * Parts. One for each slice with maps or values; `part_id.op` is the operator's number in the graph
 * that wrote it. Blocks; those of a later file go over those of earlier ones, and granules go over
 * all bytes of their own file:
 *
 *     SNAPSHOT_BYTES     slot: the arena's; offset: SNAPSHOT_PLACE(part, byte): bytes of an arena
 *     SNAPSHOT_GRANULES  struct snapshot_granule, one behind the other
 *
 * Records.
 *
 *     "job"                        struct snapshot_job
 *     "slice/<operator>/<slice>"   struct snapshot_slice, then its three byte strings
 *     "txn/<operator>/<slice>/<n>" what a sink said about its transaction n (lm_op.h, prepare)
 *     "end"                        every slice has ended: there is nothing to go on with
 *     "topology"                   the note of whoever runs the job: what ran (mgmt/resume_note.h)
 *
 * Integers are little endian.
 */

#include <assert.h>
#include <stdint.h>

#include "state/arena.h"
#include "state/manifest.h"

enum snapshot_kind { SNAPSHOT_BYTES = 1, SNAPSHOT_GRANULES = 2 };

/* Arenas of a slice are numbered by what was opened (a map, a value: arena_part) and by slot. */
#define SNAPSHOT_PART_SHIFT 44u
#define SNAPSHOT_PLACE(part, offset) ((uint64_t)(part) << SNAPSHOT_PART_SHIFT | (offset))
#define SNAPSHOT_PLACE_PART(place) ((uint32_t)((place) >> SNAPSHOT_PART_SHIFT))
#define SNAPSHOT_PLACE_OFFSET(place) ((place) & ((UINT64_C(1) << SNAPSHOT_PART_SHIFT) - 1))

struct snapshot_granule {
	uint32_t part, slot;
	uint64_t offset;
	char bytes[ARENA_GRANULE];
};
static_assert(sizeof(struct snapshot_granule) == 16 + ARENA_GRANULE, "written as it is");

#define SNAPSHOT_FORMAT 3u

struct snapshot_job {
	uint32_t format, zero;
	uint64_t secret; /* of the hash: decides slots and places in maps */
};

enum snapshot_slice_flags {
	SNAPSHOT_ENDED = 1, /* it had ended: it gets and sends nothing more */
	SNAPSHOT_HAS_PART = 2
};

/* In front of: what the engine remembers of the slice, what its class serialized, the shape. */
struct snapshot_slice {
	uint32_t format;
	uint32_t flags;
	uint32_t op, slice; /* of its part */
	uint32_t slices, slots;
	uint32_t state_version;
	uint32_t engine_size, class_size, shape_size; /* bytes */
	uint64_t owned; /* which slots it had: snapshot_owned, added up over them */
};

/* A word for a slot; sums of them differ where the slots do. */
static inline uint64_t
snapshot_owned(uint32_t slot)
{
	uint64_t x = (slot + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ (x >> 31);
}

/* The shape: one for each arena_part. The label is that of one of a family, see state/arena.h. */
enum snapshot_shape_flags { SNAPSHOT_BY_SLOT = 1, SNAPSHOT_LABELLED = 2 };
struct snapshot_shape {
	uint64_t arena_size;
	uint32_t arena_count, flags;
	int64_t label;
};

#define SNAPSHOT_RECORD_JOB "job"
#define SNAPSHOT_RECORD_END "end"
#define SNAPSHOT_RECORD_NOTE "topology"
#define SNAPSHOT_RECORD_SLICE "slice/"
#define SNAPSHOT_RECORD_TXN "txn/"

#endif
