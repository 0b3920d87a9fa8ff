/* SPDX-License-Identifier: BSD-3-Clause */
/* Which memory EAL is to take: hugepages or normal pages, how much, and whether that can be had. */
#include "mgmt/eal_memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MIB ((uint64_t)1 << 20)
#define MEMORY_PAGE_MB 2u

struct memory_case {
	struct eal_memory *memory;
	const struct eal_typed_list *typed;
	const struct machine *machine;
	struct eal_report *report;
	uint64_t wanted_mb, free_mb, available_mb;
};

static const struct eal_typed *
memory_typed(const struct memory_case *state, enum eal_option option)
{
	return eal_options_find(state->typed, option);
}

/* The first option typed that makes sense with hugepages only. */
static const struct eal_typed *
memory_asks_huge(const struct memory_case *state)
{
	static const enum eal_option options[] = {
		EAL_SOCKET_MEM, EAL_SOCKET_LIMIT,     EAL_IN_MEMORY,         EAL_HUGE_DIR,
		EAL_LEGACY_MEM, EAL_SINGLE_FILE,      EAL_MATCH_ALLOCATIONS, EAL_HUGE_UNLINK,
		EAL_MEMORY,     EAL_HUGE_WORKER_STACK
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (memory_typed(state, options[i]) != NULL) {
			return memory_typed(state, options[i]);
		}
	}
	return NULL;
}

/* EAL reads "-m x" as nothing at all, so numbers are checked here. */
static bool
memory_number(const struct memory_case *state, const struct eal_typed *typed, const char **text,
              uint64_t *value)
{
	char *end;

	errno = 0;
	*value = isdigit((unsigned char)**text) ? strtoull(*text, &end, 10) : 0;
	if (!isdigit((unsigned char)**text) || errno != 0 || (*end != '\0' && *end != ',')) {
		eal_report_help(eal_report_add(state->report, EAL_ERROR, typed->where,
		                               "\"%s\" is not a number of megabytes", typed->value),
		                "EAL takes a plain number: -m 1024");
		return false;
	}
	*text = end;
	return true;
}

static void
memory_help_pages(const struct memory_case *state, struct eal_finding *finding, uint64_t mb,
                  const char *otherwise)
{
	uint64_t have_mb = 0;

	for (uint32_t i = 0; i < state->machine->node_count; i++) {
		for (uint32_t k = 0; k < state->machine->node[i].huge_count; k++) {
			const struct machine_huge *huge = &state->machine->node[i].huge[k];

			have_mb += huge->page_bytes == MEMORY_PAGE_MB * MEMORY_MIB
			               ? huge->total * MEMORY_PAGE_MB
			               : 0;
		}
	}
	mb = mb + have_mb - (state->free_mb < have_mb ? state->free_mb : have_mb);
	eal_report_help(finding, "`echo %lu > /proc/sys/vm/nr_hugepages`%s",
	                (mb + MEMORY_PAGE_MB - 1) / MEMORY_PAGE_MB, otherwise);
}

/* Conflicts that EAL refuses in words about options nobody typed. */
static bool
memory_conflicts(const struct memory_case *state)
{
	const struct eal_typed *no_huge = memory_typed(state, EAL_NO_HUGE);
	static const enum eal_option excluded[] = { EAL_IN_MEMORY, EAL_SOCKET_MEM,
		                                    EAL_HUGE_UNLINK };
	const struct eal_typed *memory = memory_typed(state, EAL_MEMORY);
	const struct eal_typed *socket = memory_typed(state, EAL_SOCKET_MEM);
	const struct eal_typed *legacy = memory_typed(state, EAL_LEGACY_MEM);
	const struct eal_typed *in_memory = memory_typed(state, EAL_IN_MEMORY);

	for (size_t i = 0; no_huge != NULL && i < sizeof(excluded) / sizeof(excluded[0]); i++) {
		const struct eal_typed *other = memory_typed(state, excluded[i]);

		if (other != NULL) {
			eal_report_help(
			    eal_report_add(state->report, EAL_ERROR, other->where,
			                   "%s does not go with --no-huge", other->where),
			    "leave %s out, or drop --no-huge to run on hugepages", other->where);
			return true;
		}
	}
	if (memory != NULL && socket != NULL) {
		eal_report_help(eal_report_add(state->report, EAL_ERROR, socket->where,
		                               "-m and --socket-mem exclude each other"),
		                "--socket-mem says how much on each NUMA node, -m how much in all");
		return true;
	}
	if (legacy != NULL && in_memory != NULL) {
		eal_report_help(eal_report_add(state->report, EAL_ERROR, in_memory->where,
		                               "--in-memory does not go with --legacy-mem"),
		                "leave one of them out");
		return true;
	}
	return false;
}

/* Normal pages: `mb` of them must be there. */
static void
memory_normal(struct memory_case *state, uint64_t mb, const char *where)
{
	state->memory->hugepages = false;
	state->memory->memory_mb = mb;
	state->memory->add_no_shconf = memory_typed(state, EAL_NO_SHCONF) == NULL &&
	                               memory_typed(state, EAL_PROC_TYPE) == NULL;
	if (state->available_mb > 0 && mb > state->available_mb) {
		eal_report_help(eal_report_add(state->report, EAL_ERROR, where,
		                               "%lu MB asked, %lu MB of memory available", mb,
		                               state->available_mb),
		                "use -m %lu at most",
		                state->available_mb - state->available_mb / 8);
	}
}

static void
memory_typed_no_huge(struct memory_case *state)
{
	const struct eal_typed *memory = memory_typed(state, EAL_MEMORY);
	uint64_t mb = state->wanted_mb;

	if (memory != NULL) {
		const char *text = memory->value;

		if (!memory_number(state, memory, &text, &mb)) {
			return;
		}
	} else {
		state->memory->add_memory = true;
	}
	memory_normal(state, mb, memory != NULL ? memory->where : "--no-huge");
}

/* --socket-mem A,B: one number for each node. */
static void
memory_check_socket(struct memory_case *state, const struct eal_typed *typed)
{
	const char *text = typed->value;
	uint32_t node = 0;

	for (;;) {
		uint32_t index = machine_node_index(state->machine, node);
		uint64_t mb, free_mb;

		if (!memory_number(state, typed, &text, &mb)) {
			return;
		}
		free_mb = index != MACHINE_NONE
		              ? machine_huge_free(state->machine, index) / MEMORY_MIB
		              : 0;
		if (mb > 0 && index == MACHINE_NONE) {
			eal_report_help(eal_report_add(state->report, EAL_ERROR, typed->where,
			                               "there is no NUMA node %u", node),
			                "this machine has %u: give as many numbers",
			                state->machine->node_count);
			return;
		}
		if (mb > free_mb) {
			eal_report_help(
			    eal_report_add(
				state->report, EAL_ERROR, typed->where,
				"%lu MB asked on node %u, %lu MB of hugepages free there", mb, node,
				free_mb),
			    "`echo %lu > /sys/devices/system/node/node%u/hugepages/"
			    "hugepages-2048kB/nr_hugepages`",
			    (mb + MEMORY_PAGE_MB - 1) / MEMORY_PAGE_MB, node);
			return;
		}
		state->memory->memory_mb += mb;
		if (*text == '\0') {
			return;
		}
		text++;
		node++;
	}
}

/* Hugepages were asked for in one way or another: they must be there. */
static void
memory_typed_huge(struct memory_case *state, const struct eal_typed *asks)
{
	const struct eal_typed *memory = memory_typed(state, EAL_MEMORY);
	const struct eal_typed *socket = memory_typed(state, EAL_SOCKET_MEM);
	uint64_t mb = state->wanted_mb;

	state->memory->hugepages = true;
	if (socket != NULL) {
		memory_check_socket(state, socket);
		return;
	}
	if (memory != NULL) {
		const char *text = memory->value;

		if (!memory_number(state, memory, &text, &mb)) {
			return;
		}
		state->memory->memory_mb = mb;
		asks = memory;
	}
	if (state->free_mb == 0) {
		memory_help_pages(state,
		                  eal_report_add(state->report, EAL_ERROR, asks->where,
		                                 "hugepages are asked for, none are free"),
		                  mb, ", or run on normal pages: --no-huge");
	} else if (memory != NULL && mb > state->free_mb) {
		memory_help_pages(state,
		                  eal_report_add(state->report, EAL_ERROR, asks->where,
		                                 "%lu MB asked, %lu MB of hugepages free", mb,
		                                 state->free_mb),
		                  mb, ", or run on normal pages: --no-huge");
	}
}

static void
memory_silent(struct memory_case *state)
{
	struct eal_finding *finding;

	if (state->free_mb >= state->wanted_mb) {
		state->memory->hugepages = true;
		return;
	}
	state->memory->add_no_huge = true;
	state->memory->add_memory = true;
	memory_normal(state, state->wanted_mb, NULL);
	if (state->free_mb == 0) {
		finding = eal_report_add(state->report, EAL_NOTE, NULL,
		                         "no hugepages are free: running on normal pages");
	} else {
		finding = eal_report_add(state->report, EAL_NOTE, NULL,
		                         "%lu MB of hugepages are free, %lu MB are needed: "
		                         "running on normal pages",
		                         state->free_mb, state->wanted_mb);
	}
	memory_help_pages(state, finding, state->wanted_mb, " makes it faster");
}

/* What leaves no files behind, unless something typed needs them. */
static void
memory_add_in_memory(struct memory_case *state)
{
	static const enum eal_option excluding[] = { EAL_IN_MEMORY, EAL_LEGACY_MEM, EAL_HUGE_DIR,
		                                     EAL_HUGE_UNLINK, EAL_PROC_TYPE };

	state->memory->add_in_memory = state->memory->hugepages;
	for (size_t i = 0; i < sizeof(excluding) / sizeof(excluding[0]); i++) {
		if (memory_typed(state, excluding[i]) != NULL) {
			state->memory->add_in_memory = false;
		}
	}
}

void
eal_memory_decide(struct eal_memory *memory, const struct eal_typed_list *typed,
                  const struct eal_needs *needs, const struct machine *machine,
                  struct eal_report *report)
{
	struct memory_case state = {
		.memory = memory, .typed = typed, .machine = machine, .report = report
	};
	const struct eal_typed *asks;

	memset(memory, 0, sizeof(*memory));
	state.wanted_mb = needs->memory_mb > 0 ? needs->memory_mb : EAL_ARGS_MEMORY_MB;
	state.free_mb = machine_huge_free(machine, MACHINE_NONE) / MEMORY_MIB;
	state.available_mb = machine->available_bytes / MEMORY_MIB;
	asks = memory_asks_huge(&state);
	if (memory_conflicts(&state)) {
		return;
	}
	if (memory_typed(&state, EAL_NO_HUGE) != NULL) {
		memory_typed_no_huge(&state);
	} else if (asks != NULL) {
		memory_typed_huge(&state, asks);
	} else {
		memory_silent(&state);
	}
	memory_add_in_memory(&state);
}
