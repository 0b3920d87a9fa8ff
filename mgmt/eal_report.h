/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_REPORT_H
#define EAL_REPORT_H

/*
 * What is to be said about EAL's arguments before EAL starts: errors, each with the option it is
 * about and what to do, and notes on what was added and why. Printed as compilers do:
 *
 *     error: 8 cores asked, 2 usable
 *       --> EAL option -l 0-7
 *        |  CPUs 2-7 are not there (online: 0-1)
 *        = help: use -l 0-1
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum eal_level { EAL_ERROR, EAL_NOTE };

struct eal_finding {
	enum eal_level level;
	char where[128]; /* the option as typed; empty: no particular one */
	char text[256];
	char detail[256]; /* may be empty, as may help */
	char help[320];
};

#define EAL_FINDINGS_MAX 32u

/* Zero-initialise. What comes after the last place is counted, not kept. */
struct eal_report {
	struct eal_finding finding[EAL_FINDINGS_MAX];
	uint32_t count, lost, errors;
};

/* Adds a finding and returns it, so that detail and help can be filled in; never NULL. */
struct eal_finding *eal_report_add(struct eal_report *report, enum eal_level level,
                                   const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void eal_report_detail(struct eal_finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void eal_report_help(struct eal_finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Errors only, or notes as well. */
void eal_report_print(const struct eal_report *report, bool notes, bool colour, FILE *out);

#endif
