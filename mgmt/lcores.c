/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's lcores and the CPUs each may run on: reading -l, -c and --lcores, writing them back. */
#include "mgmt/lcores.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lcores_reader {
	const char *text, *at;
	struct lcores_problem *problem;
};

static int lcores_fail(struct lcores_reader *reader, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int
lcores_fail(struct lcores_reader *reader, const char *hint, const char *format, ...)
{
	va_list args;

	reader->problem->column = (uint32_t)(reader->at - reader->text);
	va_start(args, format);
	vsnprintf(reader->problem->message, sizeof(reader->problem->message), format, args);
	va_end(args);
	snprintf(reader->problem->hint, sizeof(reader->problem->hint), "%s",
	         hint != NULL ? hint : "");
	return -EINVAL;
}

static void
lcores_blanks(struct lcores_reader *reader)
{
	while (isblank((unsigned char)*reader->at)) {
		reader->at++;
	}
}

/* `what` is "lcore" or "CPU", for the message. */
static int
lcores_number(struct lcores_reader *reader, const char *what, uint32_t end, uint32_t *number)
{
	char *after;
	unsigned long value;

	lcores_blanks(reader);
	if (!isdigit((unsigned char)*reader->at)) {
		return *reader->at == '\0'
		           ? lcores_fail(reader, NULL, "the %s number is missing at the end", what)
		           : lcores_fail(reader, NULL, "\"%c\" in place of the %s number",
		                         *reader->at, what);
	}
	errno = 0;
	value = strtoul(reader->at, &after, 10);
	if (errno != 0 || value >= end) {
		return lcores_fail(
		    reader,
		    end == LM_WORKERS_MAX
			? "number lcores from 0 and say the CPU: --lcores 0@128,1@129"
			: NULL,
		    "%s %.*s is too high: the highest is %u", what, (int)(after - reader->at),
		    reader->at, end - 1);
	}
	reader->at = after;
	lcores_blanks(reader);
	*number = (uint32_t)value;
	return 0;
}

/* "3" or "0-3". In parentheses EAL also takes a range that falls; that is a slip, and refused here.
 */
static int
lcores_range(struct lcores_reader *reader, const char *what, uint32_t end, cpu_set_t *set)
{
	const char *begin = reader->at;
	uint32_t first, last;
	int error = lcores_number(reader, what, end, &first);

	last = first;
	if (error == 0 && *reader->at == '-') {
		reader->at++;
		error = lcores_number(reader, what, end, &last);
	}
	if (error != 0) {
		return error;
	}
	if (last < first) {
		reader->at = begin;
		return lcores_fail(reader, "write the lower number first", "%u-%u goes backwards",
		                   first, last);
	}
	for (uint32_t i = first; i <= last; i++) {
		if (cpus_has(set, i)) {
			reader->at = begin;
			return lcores_fail(reader, "name each one once", "%s %u is named twice",
			                   what, i);
		}
		CPU_SET(i, set);
	}
	return 0;
}

/* "3", "0-3" or "(0-3,8)". */
static int
lcores_group(struct lcores_reader *reader, const char *what, uint32_t end, cpu_set_t *set)
{
	int error;

	CPU_ZERO(set);
	lcores_blanks(reader);
	if (*reader->at != '(') {
		return lcores_range(reader, what, end, set);
	}
	do {
		reader->at++;
		error = lcores_range(reader, what, end, set);
	} while (error == 0 && *reader->at == ',');
	if (error != 0) {
		return error;
	}
	if (*reader->at != ')') {
		return lcores_fail(reader, NULL, "a \")\" is missing");
	}
	reader->at++;
	lcores_blanks(reader);
	return 0;
}

static int
lcores_add(struct lcores_reader *reader, struct lcores *lcores, uint32_t number,
           const cpu_set_t *cpus)
{
	uint32_t at = 0;

	while (at < lcores->count && lcores->lcore[at].number < number) {
		at++;
	}
	if (at < lcores->count && lcores->lcore[at].number == number) {
		return lcores_fail(reader, "name each one once", "lcore %u is named twice", number);
	}
	memmove(&lcores->lcore[at + 1], &lcores->lcore[at],
	        (lcores->count - at) * sizeof(lcores->lcore[0]));
	lcores->lcore[at] = (struct lcore){ .number = number, .cpus = *cpus, .node = MACHINE_NONE };
	lcores->count++;
	return 0;
}

/* Every lcore of the group gets `cpus`, or when that is NULL the CPU of its own number. */
static int
lcores_add_all(struct lcores_reader *reader, struct lcores *lcores, const cpu_set_t *group,
               const cpu_set_t *cpus)
{
	int error = 0;

	for (uint32_t i = 0; i < LM_WORKERS_MAX && error == 0; i++) {
		cpu_set_t own;

		if (!cpus_has(group, i)) {
			continue;
		}
		CPU_ZERO(&own);
		CPU_SET(i, &own);
		error = lcores_add(reader, lcores, i, cpus != NULL ? cpus : &own);
	}
	return error;
}

/* "0", "0-3", "(0-3)", "0@4", "(0-3)@(0,1)". A group of several without "@" floats over all of it.
 */
static int
lcores_element(struct lcores_reader *reader, struct lcores *lcores)
{
	cpu_set_t group, cpus;
	bool grouped;
	int error;

	lcores_blanks(reader);
	grouped = *reader->at == '(';
	error = lcores_group(reader, "lcore", LM_WORKERS_MAX, &group);
	if (error != 0) {
		return error;
	}
	if (*reader->at != '@') {
		return lcores_add_all(reader, lcores, &group, grouped ? &group : NULL);
	}
	if (!grouped && cpus_count(&group) > 1) {
		return lcores_fail(reader, "put the range in parentheses: '(0-3)@0'",
		                   "a range of lcores before \"@\"");
	}
	reader->at++;
	lcores_blanks(reader);
	grouped = *reader->at == '(';
	error = lcores_group(reader, "CPU", CPUS_MAX, &cpus);
	if (error == 0 && !grouped && cpus_count(&cpus) > 1) {
		return lcores_fail(reader, "put the range in parentheses: '0@(0-3)'",
		                   "a range of CPUs after \"@\"");
	}
	return error != 0 ? error : lcores_add_all(reader, lcores, &group, &cpus);
}

static int
lcores_parse_list(struct lcores_reader *reader, struct lcores *lcores)
{
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	for (;;) {
		error = lcores_range(reader, "lcore", LM_WORKERS_MAX, &set);
		if (error != 0) {
			return error;
		}
		if (*reader->at != ',') {
			break;
		}
		reader->at++;
	}
	if (*reader->at == '@' || *reader->at == '(') {
		return lcores_fail(reader, "-l takes numbers only; use --lcores for \"@\"",
		                   "\"%c\" in a list of lcores", *reader->at);
	}
	return lcores_add_all(reader, lcores, &set, NULL);
}

static int
lcores_parse_mask(struct lcores_reader *reader, struct lcores *lcores)
{
	size_t digits;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (reader->at[0] == '0' && (reader->at[1] == 'x' || reader->at[1] == 'X')) {
		reader->at += 2;
	}
	digits = strspn(reader->at, "0123456789abcdefABCDEF");
	if (digits == 0 || reader->at[digits] != '\0') {
		reader->at += digits;
		return lcores_fail(reader,
		                   "-c takes a hexadecimal mask, such as 0x3 for lcores 0 and 1; "
		                   "-l 0-1 says the same",
		                   "not a mask");
	}
	for (size_t i = 0; i < digits; i++) {
		char digit[2] = { reader->at[digits - 1 - i], '\0' };
		unsigned long bits = strtoul(digit, NULL, 16);

		for (uint32_t bit = 0; bit < 4; bit++) {
			uint32_t number = (uint32_t)i * 4 + bit;

			if ((bits >> bit & 1) == 0) {
				continue;
			}
			if (number >= LM_WORKERS_MAX) {
				return lcores_fail(
				    reader,
				    "number lcores from 0 and say the CPU: --lcores 0@128,1@129",
				    "lcore %u is too high: the highest is %u", number,
				    LM_WORKERS_MAX - 1);
			}
			CPU_SET(number, &set);
		}
	}
	return lcores_add_all(reader, lcores, &set, NULL);
}

static int
lcores_parse_map(struct lcores_reader *reader, struct lcores *lcores)
{
	for (;;) {
		int error = lcores_element(reader, lcores);

		if (error != 0 || *reader->at != ',') {
			return error;
		}
		reader->at++;
	}
}

int
lcores_parse(const char *text, enum lcores_form form, struct lcores *lcores,
             struct lcores_problem *problem)
{
	struct lcores_reader reader = { .text = text, .at = text, .problem = problem };
	int error;

	memset(lcores, 0, sizeof(*lcores));
	lcores_blanks(&reader);
	if (form == LCORES_LIST) {
		error = lcores_parse_list(&reader, lcores);
	} else if (form == LCORES_MASK) {
		error = lcores_parse_mask(&reader, lcores);
	} else {
		error = lcores_parse_map(&reader, lcores);
	}
	if (error == 0 && form != LCORES_MASK && *reader.at != '\0') {
		error = lcores_fail(&reader, NULL, "\"%c\" is not expected there", *reader.at);
	}
	if (error == 0 && lcores->count == 0) {
		error = lcores_fail(&reader, "name one lcore at least", "no lcore is named");
	}
	if (error == 0) {
		lcores->main = lcores->lcore[0].number;
	}
	return error;
}

void
lcores_locate(struct lcores *lcores, const struct machine *machine)
{
	for (uint32_t i = 0; i < lcores->count; i++) {
		struct lcore *lcore = &lcores->lcore[i];

		lcore->node = machine_node_of(machine, &lcore->cpus);
		lcore->shares_cpu = false;
		for (uint32_t k = 0; k < lcores->count; k++) {
			if (k != i && cpus_overlap(&lcore->cpus, &lcores->lcore[k].cpus)) {
				lcore->shares_cpu = true;
			}
		}
	}
}

const struct lcore *
lcores_find(const struct lcores *lcores, uint32_t number)
{
	for (uint32_t i = 0; i < lcores->count; i++) {
		if (lcores->lcore[i].number == number) {
			return &lcores->lcore[i];
		}
	}
	return NULL;
}

void
lcores_cpus(const struct lcores *lcores, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (uint32_t i = 0; i < lcores->count; i++) {
		CPU_OR(set, set, &lcores->lcore[i].cpus);
	}
}

char *
lcores_numbers(const struct lcores *lcores, char *text, size_t size)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (uint32_t i = 0; i < lcores->count; i++) {
		CPU_SET(lcores->lcore[i].number, &set);
	}
	return cpus_format(&set, text, size);
}

void
lcores_assign(struct lcores *lcores, uint32_t count, const uint32_t *cpu, uint32_t cpu_count)
{
	memset(lcores, 0, sizeof(*lcores));
	for (uint32_t i = 0; i < count && i < LM_WORKERS_MAX; i++) {
		struct lcore *lcore = &lcores->lcore[lcores->count++];

		lcore->number = i;
		lcore->node = MACHINE_NONE;
		CPU_SET(cpu[i % cpu_count], &lcore->cpus);
	}
}

bool
lcores_map(const struct lcores *lcores, char *text, size_t size)
{
	size_t used = 0;

	for (uint32_t i = 0; i < lcores->count; i++) {
		char cpus[256];
		bool several = cpus_count(&lcores->lcore[i].cpus) > 1;

		cpus_format(&lcores->lcore[i].cpus, cpus, sizeof(cpus));
		used += (size_t)snprintf(text + used, size - used, "%s%u@%s%s%s", i > 0 ? "," : "",
		                         lcores->lcore[i].number, several ? "(" : "", cpus,
		                         several ? ")" : "");
		if (used >= size) {
			return false;
		}
	}
	return true;
}
