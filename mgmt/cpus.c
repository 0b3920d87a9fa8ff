/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of CPUs as the kernel writes them: "0-3,8". */
#include "mgmt/cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
cpus_number(const char **text, uint32_t *number)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)**text)) {
		return -EINVAL;
	}
	errno = 0;
	value = strtoul(*text, &end, 10);
	if (errno != 0 || value >= CPUS_MAX) {
		return -ERANGE;
	}
	*text = end;
	*number = (uint32_t)value;
	return 0;
}

/* One of "3", "0-3", "0-30/2". */
static int
cpus_range(const char **text, cpu_set_t *set)
{
	uint32_t first, last, step = 1;
	int error = cpus_number(text, &first);

	last = first;
	if (error == 0 && **text == '-') {
		(*text)++;
		error = cpus_number(text, &last);
		if (error == 0 && **text == '/') {
			(*text)++;
			error = cpus_number(text, &step);
		}
	}
	if (error != 0) {
		return error;
	}
	if (last < first || step == 0) {
		return -EINVAL;
	}
	for (uint32_t cpu = first; cpu <= last; cpu += step) {
		CPU_SET(cpu, set);
	}
	return 0;
}

int
cpus_parse(const char *text, cpu_set_t *set)
{
	int error = 0;

	CPU_ZERO(set);
	if (*text == '\0') {
		return 0;
	}
	for (;;) {
		error = cpus_range(&text, set);
		if (error != 0 || *text == '\0') {
			break;
		}
		if (*text != ',') {
			error = -EINVAL;
			break;
		}
		text++;
	}
	if (error != 0) {
		CPU_ZERO(set);
	}
	return error;
}

char *
cpus_format(const cpu_set_t *set, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
		char part[32];
		uint32_t last = cpu;
		size_t length;

		if (!cpus_has(set, cpu)) {
			continue;
		}
		while (last + 1 < CPUS_MAX && cpus_has(set, last + 1)) {
			last++;
		}
		length = (size_t)(last == cpu ? snprintf(part, sizeof(part), "%u", cpu)
		                              : snprintf(part, sizeof(part), "%u-%u", cpu, last));
		if (used + length + 5 > size) {
			snprintf(text + used, size - used, "...");
			break;
		}
		used +=
		    (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "", part);
		cpu = last;
	}
	return text;
}

bool
cpus_has(const cpu_set_t *set, uint32_t cpu)
{
	return cpu < CPUS_MAX && CPU_ISSET(cpu, set);
}

uint32_t
cpus_count(const cpu_set_t *set)
{
	return (uint32_t)CPU_COUNT(set);
}

uint32_t
cpus_first(const cpu_set_t *set)
{
	uint32_t cpu = 0;

	while (cpu < CPUS_MAX && !CPU_ISSET(cpu, set)) {
		cpu++;
	}
	return cpu;
}

bool
cpus_overlap(const cpu_set_t *a, const cpu_set_t *b)
{
	cpu_set_t both;

	CPU_AND(&both, a, b);
	return CPU_COUNT(&both) > 0;
}
