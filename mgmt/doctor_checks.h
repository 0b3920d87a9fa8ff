/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DOCTOR_CHECKS_H
#define DOCTOR_CHECKS_H

/* What the checks of doctor share. Each is a function that fills in one struct doctor_check. */

#include "mgmt/doctor.h"
#include "mgmt/jitter.h"
#include "mgmt/machine.h"

struct doctor {
	const struct doctor_options *options;
	const struct hostfs *host;
	struct machine *machine;
	cpu_set_t cores; /* the engine would run on */
	char cores_text[256];
	cpu_set_t isolate; /* of them, those that can be kept free of all else */
	char isolate_text[256];
	char *cpuinfo, *cmdline, *interrupts; /* of /proc; each may be NULL */
	struct jitter jitter[JITTER_CPUS_MAX];
	uint32_t jitter_count;
};

typedef void doctor_fn(const struct doctor *doctor, struct doctor_check *check);

/* doctor_cpu.c */
doctor_fn doctor_cpu_flags, doctor_cpu_isolated, doctor_cpu_nohz, doctor_cpu_irq, doctor_cpu_smt,
    doctor_cpu_governor, doctor_cpu_cstate, doctor_cpu_clock, doctor_cpu_jitter, doctor_cpu_count;
/* doctor_memory.c */
doctor_fn doctor_huge_node, doctor_huge_size, doctor_huge_mount, doctor_lock, doctor_thp,
    doctor_numa, doctor_swap, doctor_channels;
/* doctor_devices.c */
doctor_fn doctor_nic_bind, doctor_nic_inuse, doctor_iommu, doctor_perm;
/* doctor_system.c */
doctor_fn doctor_dpdk_version, doctor_dpdk_stale, doctor_io_uring, doctor_time, doctor_watchdogs;

/* What was found, at which level; what it costs; what to do about it. */
void doctor_found(struct doctor_check *check, enum doctor_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_cost(struct doctor_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void doctor_fix(struct doctor_check *check, bool reboot, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The value of a word "name=value" on the kernel's command line; false when it is not there. */
bool doctor_cmdline(const struct doctor *doctor, const char *name, char *value, size_t size);
/* Appends to a text of `size` bytes as far as it fits. */
void doctor_append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
