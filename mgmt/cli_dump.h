/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_DUMP_H
#define CLI_DUMP_H

/* What `lodemill state dump` was asked for, found and taken apart; printed by cli_dump_text.c or
 * cli_dump_json.c. */

#include "mgmt/cli_state.h"
#include "mgmt/state_part.h"
#include "mgmt/state_record.h"

struct dump {
	const struct cli_state *self;
	const struct store_epoch *epoch; /* has a manifest */
	/* As many as the manifest has, in an order for people. */
	struct state_record *record;
	const struct manifest_part **part;
	/* Of which operator, if not of all: its name, "" if unknown, and number, if known. */
	bool has_op, has_number;
	char op[32];
	uint32_t number;
};

/* Whether it is among those that were asked for. */
bool dump_wants_record(const struct dump *dump, const struct state_record *record);
bool dump_wants_part(const struct dump *dump, struct part_id id);
/* The record of the slice that a part is of; NULL: none that is whole. */
const struct state_record *dump_slice_of(const struct dump *dump, struct part_id id);

/* Both: 0 or -errno of writing; *good is set to false if a part is damaged. */
int dump_text(const struct dump *dump, bool *good);
int dump_json(const struct dump *dump, bool *good);

#endif
