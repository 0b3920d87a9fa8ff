/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_CLASS_VERSIONS_H
#define SIM_CLASS_VERSIONS_H

/*
 * Classes in two versions, whose state and whose columns differ. Version 1 keeps and sends numbers;
 * version 2 beside each a word that follows from it.
 *
 *   sim_tally    passes on each row's key with the how many-th of its key it is, and the version
 *   sim_follow   takes that, and counts anew: both counts must be the same
 *   sim_total    passes on, and remembers how many rows in a value, in a map that is not routed
 *                by, and in what it serializes, under a timer that goes on
 *   sim_switches keeps, of each key, in which order counts and versions came
 */

#include <stdbool.h>
#include <stdint.h>

#define VERSIONS_KEYS 64u

/* What was seen since the last begin. */
struct versions_seen {
	uint64_t count[VERSIONS_KEYS]; /* the last one of each key */
	uint32_t version[VERSIONS_KEYS], switches[VERSIONS_KEYS];
	uint64_t disorder; /* counts that did not follow each other, or did not agree */
	uint64_t damage;   /* values that are not of their version */
	uint64_t refused;  /* rows whose key has no room */
	uint64_t in_value, in_map, in_text, ticks; /* by sim_total at its end */
};
extern struct versions_seen versions_seen;

/* What version 2 of the two that count is; of the others there are two versions where it is marked.
 */
enum versions_form {
	VERSIONS_MARKED, /* of another state, with one column more between the two */
	VERSIONS_STATE,  /* of another state */
	VERSIONS_ANEW    /* built anew */
};

/* `fails`: the slot of sim_tally that cannot be converted; UINT32_MAX: none. */
void versions_begin(uint32_t fails, enum versions_form form);
/* Which version the names mean from here on: 1 or 2. */
void versions_put_in(uint32_t version);

#endif
