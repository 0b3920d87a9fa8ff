/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_RECORD_H
#define STATE_RECORD_H

/*
 * The records of an epoch, taken apart (state/snapshot_format.h). Pure; nothing that a record says
 * about its size is believed before it was checked. The secret of the job is not taken out of its
 * record.
 */

#include <stdbool.h>

#include "core/lm_topology.h"
#include "state/manifest.h"
#include "state/snapshot_format.h"

enum state_record_kind {
	STATE_RECORD_JOB,
	STATE_RECORD_END,
	STATE_RECORD_TOPOLOGY, /* what ran: mgmt/resume_note.h */
	STATE_RECORD_SLICE,
	STATE_RECORD_TXN,
	STATE_RECORD_OTHER /* of a name that this program does not know */
};
const char *state_record_kind_name(enum state_record_kind kind);

struct state_record {
	enum state_record_kind kind;
	const struct manifest_record *record;
	bool is_whole; /* it is as long as it says, and of a format that is known */

	/* Of a slice and a transaction, out of the name. */
	char op[32];
	uint32_t slice;
	uint64_t number; /* of the transaction */

	/* If it is whole. */
	uint32_t format;            /* of the job and a slice */
	struct snapshot_slice head; /* of a slice; point into the record: */
	const uint8_t *engine, *class, *shape;
};

struct state_record state_record_read(const struct manifest_record *record);
/* How many shapes a slice's record has, and one of them. */
uint32_t state_record_shapes(const struct state_record *slice);
struct snapshot_shape state_record_shape(const struct state_record *slice, uint32_t i);

#endif
