/* SPDX-License-Identifier: BSD-3-Clause */
/* Is this machine fit for fast packet and stream work? The list of checks, and running them. */
#include "mgmt/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/doctor_checks.h"
#include "mgmt/eal_args.h"

static const struct {
	const char *id;
	doctor_fn *run;
} doctor_table[] = {
	{ "cpu.flags", doctor_cpu_flags },
	{ "cpu.count", doctor_cpu_count },
	{ "cpu.isolated", doctor_cpu_isolated },
	{ "cpu.nohz", doctor_cpu_nohz },
	{ "cpu.irq", doctor_cpu_irq },
	{ "cpu.smt", doctor_cpu_smt },
	{ "cpu.governor", doctor_cpu_governor },
	{ "cpu.cstate", doctor_cpu_cstate },
	{ "cpu.clock", doctor_cpu_clock },
	{ "cpu.jitter", doctor_cpu_jitter },
	{ "mem.huge.node", doctor_huge_node },
	{ "mem.huge.size", doctor_huge_size },
	{ "mem.huge.mount", doctor_huge_mount },
	{ "mem.lock", doctor_lock },
	{ "mem.thp", doctor_thp },
	{ "mem.numa", doctor_numa },
	{ "mem.swap", doctor_swap },
	{ "mem.channels", doctor_channels },
	{ "nic.bind", doctor_nic_bind },
	{ "nic.inuse", doctor_nic_inuse },
	{ "iommu", doctor_iommu },
	{ "perm", doctor_perm },
	{ "dpdk.version", doctor_dpdk_version },
	{ "dpdk.stale", doctor_dpdk_stale },
	{ "io.uring", doctor_io_uring },
	{ "time", doctor_time },
	{ "watchdogs", doctor_watchdogs },
};

#define DOCTOR_TABLE_COUNT (sizeof(doctor_table) / sizeof(doctor_table[0]))

_Static_assert(DOCTOR_TABLE_COUNT <= DOCTOR_CHECKS_MAX, "every check has a place in the report");

void
doctor_append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

void
doctor_found(struct doctor_check *check, enum doctor_level level, const char *format, ...)
{
	va_list args;

	check->level = level;
	va_start(args, format);
	vsnprintf(check->found, sizeof(check->found), format, args);
	va_end(args);
}

void
doctor_cost(struct doctor_check *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(check->cost, sizeof(check->cost), format, args);
	va_end(args);
}

void
doctor_fix(struct doctor_check *check, bool reboot, const char *format, ...)
{
	va_list args;

	check->reboot = reboot;
	va_start(args, format);
	vsnprintf(check->fix, sizeof(check->fix), format, args);
	va_end(args);
}

bool
doctor_cmdline(const struct doctor *doctor, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);

	for (const char *word = doctor->cmdline; word != NULL && *word != '\0';) {
		size_t end = strcspn(word, " ");

		if (end > length && strncmp(word, name, length) == 0 && word[length] == '=') {
			snprintf(value, size, "%.*s", (int)(end - length - 1), word + length + 1);
			return true;
		}
		word += end + strspn(word + end, " ");
	}
	return false;
}

/* The cores given, or the isolated ones, or those that `run` would take. */
static int
doctor_choose_cores(struct doctor *doctor, bool *chosen, char *why, size_t why_size)
{
	const struct machine *machine = doctor->machine;
	uint32_t cpu[LM_WORKERS_MAX], count;
	uint32_t isolated = 0;

	CPU_ZERO(&doctor->cores);
	*chosen = doctor->options->cores == NULL;
	if (!*chosen) {
		if (cpus_parse(doctor->options->cores, &doctor->cores) != 0 ||
		    cpus_count(&doctor->cores) == 0) {
			snprintf(why, why_size, "--cores %s is not a list of CPUs, such as 2-5,8",
			         doctor->options->cores);
			return -EINVAL;
		}
		return 0;
	}
	for (uint32_t i = 0; i < machine->cpu_end; i++) {
		isolated += machine->cpu[i].isolated && machine->cpu[i].usable;
	}
	count = isolated > 0 && isolated < LM_WORKERS_MAX ? isolated : EAL_ARGS_LCORES;
	count = machine_pick(machine, MACHINE_NONE, cpu, count);
	for (uint32_t i = 0; i < count; i++) {
		CPU_SET(cpu[i], &doctor->cores);
	}
	return 0;
}

/* The kernel needs a CPU for itself, and takes the first: that one cannot be isolated well. */
static void
doctor_choose_isolate(struct doctor *doctor)
{
	doctor->isolate = doctor->cores;
	CPU_CLR(0, &doctor->isolate);
	cpus_format(&doctor->cores, doctor->cores_text, sizeof(doctor->cores_text));
	cpus_format(&doctor->isolate, doctor->isolate_text, sizeof(doctor->isolate_text));
}

static void
doctor_measure(struct doctor *doctor)
{
	cpu_set_t there;

	if (!hostfs_live(doctor->host) || doctor->options->jitter_seconds <= 0.0) {
		return;
	}
	machine_usable(doctor->machine, &there);
	CPU_AND(&there, &there, &doctor->cores);
	doctor->jitter_count =
	    jitter_measure(&there, doctor->options->jitter_seconds, doctor->jitter);
}

static void
doctor_release(struct doctor *doctor)
{
	free(doctor->machine);
	free(doctor->cpuinfo);
	free(doctor->cmdline);
	free(doctor->interrupts);
	free(doctor);
}

int
doctor_run(struct doctor_report *report, const struct doctor_options *options, char *why,
           size_t why_size)
{
	struct doctor *doctor = calloc(1, sizeof(*doctor));
	struct machine_source source = { .host = options->host };
	int error;

	memset(report, 0, sizeof(*report));
	snprintf(why, why_size, "no memory left");
	if (doctor == NULL) {
		return -ENOMEM;
	}
	doctor->options = options;
	doctor->host = &options->host;
	doctor->machine = malloc(sizeof(*doctor->machine));
	error = doctor->machine != NULL ? machine_read(doctor->machine, &source) : -ENOMEM;
	if (error == -ENODEV && !hostfs_live(doctor->host) && hostfs_exists(doctor->host, ".")) {
		/* A recording with nothing in it is still answered: by UNKNOWN, check by check. */
		error = 0;
	} else if (error == -ENODEV) {
		snprintf(why, why_size, "no CPU is found below %s/", options->host.root);
	}
	if (error == 0) {
		error = doctor_choose_cores(doctor, &report->cores_chosen, why, why_size);
	}
	if (error != 0) {
		doctor_release(doctor);
		return error;
	}
	doctor_choose_isolate(doctor);
	doctor->cpuinfo = hostfs_read_all(doctor->host, "proc/cpuinfo");
	doctor->cmdline = hostfs_read_all(doctor->host, "proc/cmdline");
	doctor->interrupts = hostfs_read_all(doctor->host, "proc/interrupts");
	doctor_measure(doctor);
	report->cores = doctor->cores;
	for (uint32_t i = 0; i < DOCTOR_TABLE_COUNT; i++) {
		struct doctor_check *check = &report->check[report->count++];

		check->id = doctor_table[i].id;
		doctor_table[i].run(doctor, check);
		report->at_level[check->level]++;
	}
	doctor_release(doctor);
	return 0;
}

int
doctor_status(const struct doctor_report *report, bool strict)
{
	if (report->at_level[DOCTOR_FAIL] > 0) {
		return 2;
	}
	return strict && report->at_level[DOCTOR_WARN] > 0 ? 1 : 0;
}

const char *
doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = { "PASS", "INFO", "UNKNOWN", "WARN", "FAIL" };

	return names[level];
}
