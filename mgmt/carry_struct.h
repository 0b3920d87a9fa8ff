/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CARRY_STRUCT_H
#define CARRY_STRUCT_H

/*
 * What the files of carrying out share: carry.c (the table, moves, sources), carry_change.c
 * (changes of the graph), carry_update.c (another topology: rehearsed, soaked, taken back),
 * carry_canary.c (tried on a share of the keys first), carry_watch.c (what is to be watched),
 * carry_check.c (new operators look at their state), carry_rehearse.c (the child process for it),
 * carry_diff.c (what a topology would change, and whether it may).
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

/* carry_slots.c: true, like the others' begin: there is something to report already. */
bool deal_begin(struct carry *carry, struct manager_report *report);
/* Until DEAL_PLANNED the engine knows of nothing; OVER: nothing is to be done, reported why. */
enum deal_state { DEAL_LOOKS, DEAL_PLANNED, DEAL_OVER };
enum deal_state deal_look(struct carry *carry, struct manager_report *report);
uint64_t deal_ask(struct carry *carry, struct lm_errors *errors, struct manager_report *report);
void deal_free(struct carry_deal *deal);

/* carry_change.c */
bool slots_begin(struct carry *carry, struct manager_report *report);
bool rescale_begin(struct carry *carry, struct manager_report *report);
bool change_step(struct carry *carry, struct manager_report *report);
void change_abandon(struct carry *carry);
/* One that nobody waits for any more comes to its end. */
void change_look(struct carry *carry);
/* False after saying that one is under way that nobody waits for. */
bool change_may_begin(struct carry *carry, struct manager_report *report);
/* Snapshots stand back from here on. */
void change_hold(struct carry *carry);
/* It is over, as the report says; false: that is told once snapshots go on. */
bool change_tell(struct carry *carry, struct manager_report *report);
/* Frees what was to come. */
void change_drop_next(struct carry *carry);
/* The engine is asked for a graph with the operators that there are, all kept. As engine_change;
 * *workers is to be freed. */
uint64_t change_ask_same(struct carry *carry, struct lm_graph *graph, uint16_t **workers,
                         struct lm_errors *errors, struct manager_report *report);
struct change_side change_side_of_now(const struct carry *carry);

/* carry_canary.c: whether there can be one; false after saying why not. */
bool canary_may_be(const struct carry *carry, const struct change_diff *diff,
                   struct manager_report *report);
/* The engine is asked to try it, then for as many slices as there are to be without it. */
uint64_t canary_ask(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
                    struct manager_report *report);
uint64_t canary_ask_fewer(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
                          struct manager_report *report);
/* The graph to come, with as many slices of what was tried as there are. NULL after reporting why
 * not. */
struct lm_graph *canary_whole(const struct carry *carry, struct lm_errors *errors);
/* It is tried: watched, or goes back. Always true: the report is a step. */
bool canary_watch(struct carry *carry, struct manager_report *report);
/* Two versions run, and nothing can be changed any more. */
bool canary_end(struct carry *carry, struct manager_report *report);
/* A change behind it could not be, as the report says. As update_stays. */
bool canary_stays(struct carry *carry, struct manager_report *report);

/*
 * carry_watch.c. What is to be watched of a graph: what is other, and all behind it; with `trial`
 * the operators that are tried, as that graph has them. NULL: no memory; watch_free frees it.
 */
struct soak *watch_plan(const struct lm_graph *graph, const struct lm_graph *trial,
                        const struct change_diff *diff);
void watch_free(struct soak **soak);
/* From here on; false: it is not, for nobody waits, or there is no memory. */
bool watch_begin(struct carry *carry, enum carry_stage stage, struct soak *soak);
/* All that is counted now, to be freed; NULL: no memory. */
struct soak_count *watch_read(const struct carry *carry);

/* carry_update.c: a step farther; always true. */
bool update_step_to(struct manager_report *report, enum action_phase phase);
bool apply_begin(struct carry *carry, struct manager_report *report);
bool apply_step(struct carry *carry, struct manager_report *report);
/* The engine is about to be asked. False: no memory. */
bool update_asks(struct carry *carry);
/* It has been asked; true: there is a step to report. */
bool update_aligns(struct carry *carry, struct manager_report *report);
/* Slices that this operator of what was must go back with, since some convert, or there are some
 * that were tried; 0: any number. */
uint32_t update_slices_now(const struct carry *carry, const struct carry_past *before, uint32_t op);
/* It has gone over. True: this goes on, and the report is a step. */
bool update_went_over(struct carry *carry, struct manager_report *report);
/* What was before is asked for. Always true: the report is a step. */
bool update_go_back(struct carry *carry, struct manager_report *report);
/* As many slices as there are to be run what was to come, or what was. True: the report is a step.
 */
bool update_soaks(struct carry *carry, struct manager_report *report);
/* Whether nothing can be changed any more: all has come to its end, or is about to. */
bool update_is_ending(const struct lm_engine *engine);
/* It has not, as the report says. True: this goes on all the same, and the report is a step. */
bool update_stays(struct carry *carry, struct manager_report *report);
/* Nobody waits for it. */
void update_abandon(struct carry *carry);
/* Whether it soaks or goes back, and has to come to its end. */
bool update_goes_on(const struct carry *carry);
void update_free(struct carry *carry);

/*
 * carry_check.c: behind check_begin, again and again while it soaks, and with `is_last` until it
 * does not wait any more; bad: change.bad says why.
 */
enum check_state { CHECK_GOOD, CHECK_WAITS, CHECK_BAD };
void check_begin(struct carry *carry);
enum check_state check_step(struct carry *carry, int64_t now_ns, bool is_last);

/*
 * carry_rehearse.c. Whether a topology names a plugin that this process has not loaded; what they
 * are goes into *content.
 */
bool rehearsal_has_news(const struct lm_topology *topology, uint64_t *content);
/* What is to be opened: operators whose code comes from a plugin, for nobody knows more before that
 * is loaded; or those that begin with it, with `all` also those of the built-in code. */
void rehearsal_name_plugins(struct carry_change *change);
void rehearsal_name_others(struct carry_change *change, const struct change_side *is,
                           const struct change_diff *diff, bool all);
/* False after saying why there is none. */
bool rehearsal_begin(struct carry *carry, enum carry_stage stage, struct manager_report *report);

/*
 * carry_diff.c: false after saying why the change may not be made. Operators whose state and
 * counters go nowhere have no heir in the diff behind it.
 */
bool diff_has_state(const struct carry *carry, uint32_t op); /* of what runs */
bool diff_allows(const struct carry *carry, const struct change_side *was,
                 const struct change_side *is, struct change_diff *diff,
                 struct manager_report *report);
/* Whether anything differs; all of it as one line, as far as there is room: "filter: added; sums: 2
 * to 4 slices; …". */
bool diff_describe(const struct change_side *was, const struct change_side *is,
                   const struct change_diff *diff, char text[MANAGER_REASON]);

#endif
