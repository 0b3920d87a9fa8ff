/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CARRY_STRUCT_H
#define CARRY_STRUCT_H

/*
 * What the files of carrying out share: carry.c (the table, moves, sources), carry_change.c
 * (changes of the graph), carry_diff.c (what a topology would change, and whether it may).
 */

#include "core/change_diff.h"
#include "mgmt/carry.h"

/* Always true: there is something to report. */
bool carry_fail(struct manager_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The operator of the action; false after saying why there is none. */
bool carry_find_operator(const struct carry *carry, uint32_t *op, struct manager_report *report);

/* carry_back.c: the next one goes back, if nothing else is under way. */
void back_step(struct carry *carry);
void back_end(struct carry *carry);

/* carry_change.c */
bool rescale_begin(struct carry *carry, struct manager_report *report);
bool apply_begin(struct carry *carry, struct manager_report *report);
bool change_step(struct carry *carry, struct manager_report *report);
void change_abandon(struct carry *carry);
/* One that nobody waits for any more comes to its end. */
void change_look(struct carry *carry);

/*
 * carry_diff.c: false after saying why the change may not be made. Operators whose state and
 * counters go nowhere have no heir in the diff behind it.
 */
bool diff_allows(const struct carry *carry, const struct change_side *was,
                 const struct change_side *is, struct change_diff *diff,
                 struct manager_report *report);
/* Whether anything differs; all of it as one line, as far as there is room: "filter: added; sums: 2
 * to 4 slices; …". */
bool diff_describe(const struct change_side *was, const struct change_side *is,
                   const struct change_diff *diff, char text[MANAGER_REASON]);

#endif
