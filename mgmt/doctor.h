/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DOCTOR_H
#define DOCTOR_H

/*
 * Is this machine fit for fast packet and stream work? Each check reads one thing, says what it
 * found, what it costs in words, and the command or the edit that changes it. Nothing is changed
 * here. Works on a recording of another host as well (see mgmt/machine.h).
 */

#include "mgmt/cpus.h"
#include "mgmt/hostfs.h"
#include "mgmt/isa.h"

enum doctor_level { DOCTOR_PASS, DOCTOR_INFO, DOCTOR_UNKNOWN, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_check {
	const char *id; /* "cpu.isolated" */
	enum doctor_level level;
	char found[256];
	char cost[200]; /* empty when it costs nothing */
	char fix[400];  /* empty when there is nothing to do */
	bool reboot;    /* the fix takes a restart of the machine */
};

#define DOCTOR_CHECKS_MAX 40u

struct doctor_options {
	struct hostfs host;
	const char *cores; /* "2-5": those the engine would run on; NULL: chosen as `run` does */
	double jitter_seconds;    /* 0, or a recording: not measured */
	const char *dpdk_version; /* "DPDK 22.11.11" */
	enum isa_level compiled;
	uint64_t memory_mb; /* the engine is to have; 0: EAL_ARGS_MEMORY_MB */
};

struct doctor_report {
	struct doctor_check check[DOCTOR_CHECKS_MAX];
	uint32_t count;
	uint32_t at_level[DOCTOR_FAIL + 1];
	cpu_set_t cores;
	bool cores_chosen; /* not given */
};

/* Returns 0, or -EINVAL / -ENODEV / -ENOMEM with a sentence in `why`. Runs for the jitter's
 * seconds. */
int doctor_run(struct doctor_report *report, const struct doctor_options *options, char *why,
               size_t why_size);
/* 0; 1 for a WARN when strict; 2 for a FAIL. */
int doctor_status(const struct doctor_report *report, bool strict);
const char *doctor_level_name(enum doctor_level level);

#endif
