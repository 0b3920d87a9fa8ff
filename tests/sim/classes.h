/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_CLASSES_H
#define SIM_CLASSES_H

/*
 * Operator classes of the simulator's scenarios: they make what must be checked, and check it.
 *
 *   sim_source   rows (key, number, time): `rows` of them, shared out among the slices
 *   sim_pass     passes on by one of all the ways there are, at random: whole, selected, copied;
 * drops none sim_burst    `copies` rows out of each row in, stopping and resuming wherever there is
 * no room sim_collect  keeps every row as text; with `order` it checks that numbers grow within a
 * key; unless `late`, that no row is older than event time
 */

#include "core/lm_op.h"

/* What sim_collect slices named `name` kept since sim_collect_clear, sorted. */
struct sim_lines {
	char **line;
	uint32_t count, capacity;
};
void sim_collect_clear(void);
struct sim_lines *sim_collected(const char *name);
/* Rows that broke the order, and epochs that came out of order, since sim_collect_clear. */
uint64_t sim_disorder(void);

void sim_lines_add(struct sim_lines *lines, const char *text);
void sim_lines_sort(struct sim_lines *lines);
void sim_lines_clear(struct sim_lines *lines);
/* True if equal; else says the first difference on stderr. Both sorted. */
bool sim_lines_equal(const struct sim_lines *a, const struct sim_lines *b, const char *what);
/* The same if every line of `part` stands in `all`, as often. */
bool sim_lines_within(const struct sim_lines *part, const struct sim_lines *all, const char *what);

void sim_classes_register(void);
/* sim_recent, see class_recent.c. */
void sim_recent_register(void);

/* The value that sim_source gives row `number`: its key and its event time. */
uint64_t sim_source_key(uint64_t number, uint64_t keys);
int64_t sim_source_time(uint64_t number);

#endif
