/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CPUS_H
#define CPUS_H

/* Sets of CPUs as the kernel writes them: "0-3,8". Built on glibc's cpu_set_t. Pure. */

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUS_MAX ((uint32_t)CPU_SETSIZE)

/*
 * Reads "0-3,8", also with a stride ("0-30/2"); an empty text is the empty set. Returns 0, -EINVAL
 * (not of the form, a range that falls) or -ERANGE (a CPU of CPUS_MAX or more); `set` is empty
 * after a failure.
 */
int cpus_parse(const char *text, cpu_set_t *set);
/* Writes the set the same way; what does not fit ends in "...". Returns `text`. */
char *cpus_format(const cpu_set_t *set, char *text, size_t size);

bool cpus_has(const cpu_set_t *set, uint32_t cpu);
uint32_t cpus_count(const cpu_set_t *set);
/* The lowest member, or CPUS_MAX when there is none. */
uint32_t cpus_first(const cpu_set_t *set);
bool cpus_overlap(const cpu_set_t *a, const cpu_set_t *b);

#endif
