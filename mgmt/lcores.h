/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LCORES_H
#define LCORES_H

/*
 * EAL's lcores and the CPUs each may run on, read the way EAL 22.11 reads its options -l, -c and
 * --lcores, and written back in a form that leaves every lcore on one CPU. Pure: EAL need not run.
 */

#include "core/lm_engine.h"
#include "mgmt/machine.h"

struct lcore {
	uint32_t number; /* EAL's, below LM_WORKERS_MAX */
	cpu_set_t cpus;
	uint32_t node;   /* index among the machine's nodes; MACHINE_NONE: CPUs of several */
	bool shares_cpu; /* with another lcore */
};

/* In order of number, as EAL keeps them. */
struct lcores {
	struct lcore lcore[LM_WORKERS_MAX];
	uint32_t count;
	uint32_t main; /* the number of EAL's main lcore: the first unless said otherwise */
};

enum lcores_form {
	LCORES_LIST, /* -l 0-3,8       lcore n on CPU n */
	LCORES_MASK, /* -c 0xf         the same */
	LCORES_MAP   /* --lcores '(0-3)@0,4@(1,2)' */
};

/*
 * What was wrong: where in the text, and in which words. EAL takes a number that is said twice
 * without a word, and the last one wins; here that is an error.
 */
struct lcores_problem {
	uint32_t column;   /* character in the text, from 0 */
	char message[160]; /* "lcore 3 is named twice" */
	char hint[160];    /* what to write instead; may be empty */
};

/* Returns 0 or -EINVAL with `problem` filled in. Nodes and sharing are those of lcores_locate. */
int lcores_parse(const char *text, enum lcores_form form, struct lcores *lcores,
                 struct lcores_problem *problem);
/* Fills in node and shares_cpu. */
void lcores_locate(struct lcores *lcores, const struct machine *machine);

const struct lcore *lcores_find(const struct lcores *lcores, uint32_t number);
/* All CPUs of all lcores. */
void lcores_cpus(const struct lcores *lcores, cpu_set_t *set);
/* "0-1,4": the numbers. Returns `text`. */
char *lcores_numbers(const struct lcores *lcores, char *text, size_t size);
/* `count` lcores numbered from 0, lcore i on cpu[i % cpu_count]. */
void lcores_assign(struct lcores *lcores, uint32_t count, const uint32_t *cpu, uint32_t cpu_count);
/* "0@0,1@1": the map, one by one, never as ranges. Returns false when it does not fit. */
bool lcores_map(const struct lcores *lcores, char *text, size_t size);

#endif
