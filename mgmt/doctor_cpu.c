/* SPDX-License-Identifier: BSD-3-Clause */
/* doctor: the checks of CPUs, from the instruction set to what takes them away. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lm_engine.h"
#include "mgmt/doctor_checks.h"
#include "mgmt/units.h"

/* A gap that a buffer of 1,024 packets at 10 Gbit/s of small frames still holds; and one that none
 * does. */
#define CPU_GAP_GOOD_NS 50000u
#define CPU_GAP_BAD_NS 1000000u
/* Interrupts since boot that are worth a word. */
#define CPU_IRQ_MANY 100u
/* A sleeping state that takes longer to leave than this is deep. */
#define CPU_CSTATE_DEEP_US 10u

void
doctor_cpu_flags(const struct doctor *doctor, struct doctor_check *check)
{
	enum isa_level compiled = doctor->options->compiled, have;
	char flags[4096];

	if (doctor->cpuinfo == NULL ||
	    hostfs_field(doctor->cpuinfo, "flags", flags, sizeof(flags)) == NULL) {
		doctor_found(check, DOCTOR_UNKNOWN, "/proc/cpuinfo lists no flags");
		return;
	}
	have = isa_level_of(flags);
	if (compiled > have) {
		doctor_found(check, DOCTOR_FAIL, "built for %s, this CPU has only %s",
		             isa_name(compiled), isa_name(have));
		doctor_cost(check, "the program ends with an illegal instruction");
		doctor_fix(check, false, "meson configure -Dmarch=%s BUILD && ninja -C BUILD",
		           isa_name(have));
	} else if (compiled < ISA_V3 && have >= ISA_V3) {
		doctor_found(check, DOCTOR_WARN, "built for %s, this CPU has %s",
		             isa_name(compiled), isa_name(have));
		doctor_cost(check, "the column kernels run on half of the vector width or less");
		doctor_fix(check, false,
		           "meson configure -Dmarch=x86-64-v3 BUILD && ninja -C BUILD");
	} else {
		doctor_found(check, DOCTOR_PASS, "built for %s, this CPU has %s",
		             isa_name(compiled), isa_name(have));
	}
}

void
doctor_cpu_count(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;
	uint32_t asked = cpus_count(&doctor->cores), closed = 0;
	cpu_set_t usable;
	char list[128];

	if (machine->cpu_count == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "no CPU is listed");
		return;
	}
	machine_usable(machine, &usable);
	for (uint32_t i = 0; i < CPUS_MAX; i++) {
		closed += cpus_has(&doctor->cores, i) && !cpus_has(&usable, i);
	}
	cpus_format(&usable, list, sizeof(list));
	if (closed > 0) {
		doctor_found(check, DOCTOR_FAIL, "%u cores asked (%s), %u of them usable (%s)",
		             asked, doctor->cores_text, asked - closed, list);
		doctor_cost(check, "EAL refuses to start on a core that is not there");
		doctor_fix(check, false, "--cores %s", list);
	} else if (asked > LM_WORKERS_MAX) {
		doctor_found(check, DOCTOR_FAIL, "%u cores asked, DPDK was built for %u lcores",
		             asked, LM_WORKERS_MAX);
		doctor_cost(check, "EAL refuses to start");
		doctor_fix(check, false, "name at most %u", LM_WORKERS_MAX);
	} else if (machine->cpu_end > LM_WORKERS_MAX) {
		doctor_found(check, DOCTOR_INFO,
		             "%u of %u cores; those from %u on have no lcore of their number",
		             asked, machine->usable_count, LM_WORKERS_MAX);
		doctor_fix(check, false, "number lcores from 0: --lcores 0@128,1@129");
	} else {
		doctor_found(check, DOCTOR_PASS, "%u of %u usable cores (%s)", asked,
		             machine->usable_count, doctor->cores_text);
	}
}

/* The boot parameters that keep the worker cores free, as far as the kernel keeps a core for
 * itself. */
static void
cpu_fix_boot(const struct doctor *doctor, struct doctor_check *check, bool isolate)
{
	if (cpus_count(&doctor->isolate) == 0) {
		doctor_fix(check, false, "%s",
		           doctor->machine->cpu_count > 1
		               ? "CPU 0 is the system's own: take others (--cores)"
		               : "there is one CPU only: nothing can be kept free");
		return;
	}
	doctor_fix(check, true,
	           "add %s%s%snohz_full=%s rcu_nocbs=%s to GRUB_CMDLINE_LINUX in "
	           "/etc/default/grub, then update-grub",
	           isolate ? "isolcpus=" : "", isolate ? doctor->isolate_text : "",
	           isolate ? " " : "", doctor->isolate_text, doctor->isolate_text);
	if (!CPU_EQUAL(&doctor->isolate, &doctor->cores)) {
		doctor_append(check->fix, sizeof(check->fix),
		              "; CPU 0 stays for the rest of the system");
	}
}

/* Reads a list of CPUs; an empty file, or "(null)", is the empty set. */
static bool
cpu_read_list(const struct doctor *doctor, const char *file, cpu_set_t *set)
{
	char text[1024];

	CPU_ZERO(set);
	if (hostfs_read(doctor->host, text, sizeof(text), "%s", file) < 0) {
		return false;
	}
	cpus_parse(text[0] == '(' || text[0] == ' ' ? "" : text, set);
	return true;
}

static bool
cpu_inside(const cpu_set_t *cores, const cpu_set_t *set)
{
	cpu_set_t both;

	CPU_AND(&both, cores, set);
	return CPU_EQUAL(&both, cores);
}

void
doctor_cpu_isolated(const struct doctor *doctor, struct doctor_check *check)
{
	cpu_set_t boot, group;
	char list[128];
	bool known = cpu_read_list(doctor, "sys/devices/system/cpu/isolated", &boot);

	known = cpu_read_list(doctor, "sys/fs/cgroup/cpuset.cpus.isolated", &group) || known;
	CPU_OR(&boot, &boot, &group);
	if (!known || cpus_count(&doctor->cores) == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel does not say");
		return;
	}
	cpus_format(&boot, list, sizeof(list));
	if (cpu_inside(&doctor->cores, &boot)) {
		doctor_found(check, DOCTOR_PASS, "cores %s are kept free of other tasks",
		             doctor->cores_text);
		return;
	}
	doctor_found(check, DOCTOR_WARN, "cores %s are open to other tasks (isolated: %s)",
	             doctor->cores_text, list[0] != '\0' ? list : "none");
	doctor_cost(check, "another task can take a core for milliseconds");
	cpu_fix_boot(doctor, check, true);
}

void
doctor_cpu_nohz(const struct doctor *doctor, struct doctor_check *check)
{
	cpu_set_t nohz, callbacks;
	char value[256];
	bool known = cpu_read_list(doctor, "sys/devices/system/cpu/nohz_full", &nohz);
	bool ticks, rcu;

	if ((!known && doctor->cmdline == NULL) || cpus_count(&doctor->cores) == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel does not say");
		return;
	}
	CPU_ZERO(&callbacks);
	if (doctor_cmdline(doctor, "rcu_nocbs", value, sizeof(value))) {
		cpus_parse(value, &callbacks);
	}
	ticks = cpu_inside(&doctor->cores, &nohz);
	/* nohz_full moves the callbacks away as well. */
	rcu = ticks || cpu_inside(&doctor->cores, &callbacks);
	if (ticks && rcu) {
		doctor_found(check, DOCTOR_PASS, "cores %s run without the timer tick",
		             doctor->cores_text);
		return;
	}
	doctor_found(check, DOCTOR_WARN, "cores %s have the timer tick%s", doctor->cores_text,
	             rcu ? "" : " and RCU callbacks");
	doctor_cost(check, "100 to 1000 interruptions a second on each, of some microseconds");
	cpu_fix_boot(doctor, check, false);
}

/* One line of /proc/interrupts: "36:  0  89775  PCI-MSIX-...  1-edge  virtio1-req.0". */
struct cpu_irq {
	uint32_t number;
	uint32_t cpu; /* of the worker cores, the one with most */
	uint64_t count;
	char name[48];
};

/* The column of each CPU in the heading line. */
static uint32_t
cpu_irq_columns(const char *text, uint32_t *column)
{
	uint32_t count = 0;
	char word[16];

	while (count < CPUS_MAX && hostfs_word(text, count, word, sizeof(word)) != NULL &&
	       strncmp(word, "CPU", 3) == 0) {
		column[count++] = (uint32_t)strtoul(word + 3, NULL, 10);
	}
	return count;
}

static bool
cpu_irq_line(const struct doctor *doctor, const char *line, const uint32_t *column,
             uint32_t columns, struct cpu_irq *irq)
{
	size_t length = strcspn(line, "\n");
	const char *end = line + length, *last;
	char *at;

	line += strspn(line, " ");
	if (!isdigit((unsigned char)*line)) {
		return false;
	}
	irq->number = (uint32_t)strtoul(line, &at, 10);
	irq->count = 0;
	if (*at != ':') {
		return false;
	}
	at++;
	for (uint32_t i = 0; i < columns; i++) {
		uint64_t count = strtoull(at, &at, 10);

		if (cpus_has(&doctor->cores, column[i]) && count > irq->count) {
			irq->count = count;
			irq->cpu = column[i];
		}
	}
	for (last = end; last > at && last[-1] != ' '; last--) {
	}
	snprintf(irq->name, sizeof(irq->name), "%.*s", (int)(end - last), last);
	return true;
}

/* Counts are since boot: whether they still come is said by where the interrupt is sent to. */
static bool
cpu_irq_comes(const struct doctor *doctor, const struct cpu_irq *irq)
{
	char text[1024];
	cpu_set_t set;

	if (irq->count < CPU_IRQ_MANY) {
		return false;
	}
	if (hostfs_read(doctor->host, text, sizeof(text), "proc/irq/%u/effective_affinity_list",
	                irq->number) <= 0 &&
	    hostfs_read(doctor->host, text, sizeof(text), "proc/irq/%u/smp_affinity_list",
	                irq->number) <= 0) {
		return true;
	}
	return cpus_parse(text, &set) != 0 || cpus_has(&set, irq->cpu);
}

/* Device interrupts that come to worker cores: how many lines, and the busiest one. */
static uint32_t
cpu_irq_count(const struct doctor *doctor, const char *text, struct cpu_irq *most)
{
	uint32_t *column = calloc(CPUS_MAX, sizeof(*column));
	uint32_t columns = column != NULL ? cpu_irq_columns(text, column) : 0, lines = 0;

	memset(most, 0, sizeof(*most));
	for (const char *line = strchr(text, '\n'); line != NULL; line = strchr(line, '\n')) {
		struct cpu_irq irq;

		line++;
		if (!cpu_irq_line(doctor, line, column, columns, &irq) ||
		    !cpu_irq_comes(doctor, &irq)) {
			continue;
		}
		lines++;
		*most = irq.count > most->count ? irq : *most;
	}
	free(column);
	return lines;
}

void
doctor_cpu_irq(const struct doctor *doctor, struct doctor_check *check)
{
	struct cpu_irq irq;
	cpu_set_t rest;
	char list[128];
	uint32_t lines;

	if (doctor->interrupts == NULL || cpus_count(&doctor->cores) == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "/proc/interrupts cannot be read");
		return;
	}
	lines = cpu_irq_count(doctor, doctor->interrupts, &irq);
	if (lines == 0) {
		doctor_found(check, DOCTOR_PASS, "no device interrupts cores %s",
		             doctor->cores_text);
		return;
	}
	machine_usable(doctor->machine, &rest);
	for (uint32_t i = 0; i < CPUS_MAX; i++) {
		if (cpus_has(&doctor->isolate, i)) {
			CPU_CLR(i, &rest);
		}
	}
	doctor_found(check, DOCTOR_WARN, "%s interrupts CPU %u (%s times since boot)%s", irq.name,
	             irq.cpu, units_exact(irq.count).text, lines > 1 ? ", and others do" : "");
	doctor_cost(check, "each takes the core for microseconds and cools its caches");
	if (cpus_count(&rest) > 0) {
		doctor_fix(check, false,
		           "echo %s > /proc/irq/%u/smp_affinity_list; for all: boot "
		           "with irqaffinity=%s, and stop irqbalance",
		           cpus_format(&rest, list, sizeof(list)), irq.number, list);
	}
}

void
doctor_cpu_smt(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;

	if (!machine->topology_known || cpus_count(&doctor->cores) == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the cores of the CPUs are not known");
		return;
	}
	for (uint32_t a = 0; a < machine->cpu_end; a++) {
		for (uint32_t b = a + 1; b < machine->cpu_end; b++) {
			if (!cpus_has(&doctor->cores, a) || !cpus_has(&doctor->cores, b) ||
			    machine->cpu[a].core != machine->cpu[b].core) {
				continue;
			}
			doctor_found(check, DOCTOR_WARN, "CPUs %u and %u are threads of one core",
			             a, b);
			doctor_cost(check, "together they do 1.2 to 1.3 times the work of one");
			doctor_fix(check, false, "give the engine one thread of each core");
			return;
		}
	}
	doctor_found(check, DOCTOR_PASS, "%s",
	             machine->core_count == machine->cpu_count ? "no SMT"
	                                                       : "one thread of each core");
}

void
doctor_cpu_governor(const struct doctor *doctor, struct doctor_check *check)
{
	char governor[32] = "", turbo[8];
	uint32_t known = 0;

	for (uint32_t i = 0; i < CPUS_MAX; i++) {
		if (!cpus_has(&doctor->cores, i) ||
		    hostfs_read(doctor->host, governor, sizeof(governor),
		                "sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", i) <= 0) {
			continue;
		}
		known++;
		if (strcmp(governor, "performance") != 0) {
			doctor_found(check, DOCTOR_WARN, "governor \"%s\" on CPU %u", governor, i);
			doctor_cost(check, "the clock rises only after load has come, and falls "
			                   "between bursts");
			doctor_fix(check, false, "cpupower frequency-set -g performance");
			return;
		}
	}
	if (known == 0) {
		doctor_found(check, DOCTOR_UNKNOWN,
		             "no cpufreq: a virtual machine, or the firmware decides");
		return;
	}
	doctor_found(check, DOCTOR_PASS, "governor \"performance\"");
	if (hostfs_read(doctor->host, turbo, sizeof(turbo),
	                "sys/devices/system/cpu/intel_pstate/no_turbo") > 0 &&
	    turbo[0] == '0') {
		doctor_append(check->found, sizeof(check->found),
		              "; turbo is on, so measurements vary with the heat");
	}
}

/* The slowest sleeping state of a CPU that is not disabled; false when it has none at all. */
static bool
cpu_deepest(const struct doctor *doctor, uint32_t cpu, char *name, size_t size,
            uint64_t *latency_us)
{
	struct hostfs_names states;
	bool any = false;

	*latency_us = 0;
	name[0] = '\0';
	hostfs_list(doctor->host, &states, "sys/devices/system/cpu/cpu%u/cpuidle", cpu);
	for (uint32_t i = 0; i < states.count; i++) {
		uint64_t latency, disabled;

		if (hostfs_u64(doctor->host, &latency,
		               "sys/devices/system/cpu/cpu%u/cpuidle/%s/latency", cpu,
		               states.name[i]) != 0) {
			continue;
		}
		any = true;
		hostfs_u64(doctor->host, &disabled,
		           "sys/devices/system/cpu/cpu%u/cpuidle/%s/disable", cpu, states.name[i]);
		if (disabled == 0 && latency >= *latency_us) {
			*latency_us = latency;
			hostfs_read(doctor->host, name, size,
			            "sys/devices/system/cpu/cpu%u/cpuidle/%s/name", cpu,
			            states.name[i]);
		}
	}
	hostfs_names_free(&states);
	return any;
}

void
doctor_cpu_cstate(const struct doctor *doctor, struct doctor_check *check)
{
	char name[32] = "", deepest[32] = "none";
	uint32_t known = 0;

	for (uint32_t i = 0; i < CPUS_MAX; i++) {
		uint64_t latency_us;

		if (!cpus_has(&doctor->cores, i) ||
		    !cpu_deepest(doctor, i, name, sizeof(name), &latency_us)) {
			continue;
		}
		known++;
		memcpy(deepest, name, sizeof(deepest));
		if (latency_us > CPU_CSTATE_DEEP_US) {
			doctor_found(check, DOCTOR_WARN,
			             "CPU %u may sleep as deep as %s (%" PRIu64 " us to wake up)",
			             i, name, latency_us);
			doctor_cost(check, "with a sleeping idle policy, the first event after "
			                   "silence waits that long");
			doctor_fix(check, false, "cpupower idle-set -D %u (or run with idle: spin)",
			           CPU_CSTATE_DEEP_US);
			return;
		}
	}
	if (known == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel lists no sleeping states");
	} else {
		doctor_found(check, DOCTOR_PASS, "deepest sleeping state: %s", deepest);
	}
}

void
doctor_cpu_clock(const struct doctor *doctor, struct doctor_check *check)
{
	char source[32], flags[4096];
	bool steady = doctor->cpuinfo != NULL &&
	              hostfs_field(doctor->cpuinfo, "flags", flags, sizeof(flags)) != NULL &&
	              strstr(flags, "constant_tsc") != NULL && strstr(flags, "nonstop_tsc") != NULL;

	if (hostfs_read(doctor->host, source, sizeof(source),
	                "sys/devices/system/clocksource/clocksource0/current_clocksource") <= 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel does not say");
		return;
	}
	if (strcmp(source, "tsc") != 0) {
		doctor_found(check, DOCTOR_WARN, "the kernel's clock is %s, not the TSC", source);
		doctor_cost(check,
		            "every reading of the clock takes a microsecond instead of 20 ns");
		doctor_fix(check, true,
		           "boot with tsc=reliable clocksource=tsc, if the kernel's log "
		           "does not say that the TSC is unstable");
	} else if (!steady) {
		doctor_found(check, DOCTOR_WARN, "tsc, but it may change its speed or stop");
		doctor_cost(check, "times and rates are wrong while the clock changes");
	} else {
		doctor_found(check, DOCTOR_PASS, "tsc, constant and nonstop");
	}
}

void
doctor_cpu_jitter(const struct doctor *doctor, struct doctor_check *check)
{
	const struct jitter *worst = NULL;
	double share;

	for (uint32_t i = 0; i < doctor->jitter_count; i++) {
		const struct jitter *one = &doctor->jitter[i];

		if (one->measured && (worst == NULL || one->gap_ns_max > worst->gap_ns_max)) {
			worst = one;
		}
	}
	if (worst == NULL) {
		doctor_found(check, DOCTOR_UNKNOWN, "not measured (--jitter SECONDS)");
		return;
	}
	share = (double)worst->lost_ns / (double)worst->total_ns;
	doctor_found(check,
	             worst->gap_ns_max <= CPU_GAP_GOOD_NS  ? DOCTOR_PASS
	             : worst->gap_ns_max <= CPU_GAP_BAD_NS ? DOCTOR_WARN
	                                                   : DOCTOR_FAIL,
	             "CPU %u was taken away for up to %s, and for %s of %s in all", worst->cpu,
	             units_ns(worst->gap_ns_max).text, units_percent(share).text,
	             units_ns(worst->total_ns).text);
	if (worst->gap_ns_max > CPU_GAP_GOOD_NS) {
		doctor_cost(check,
		            "no latency below that can be promised; full queues drop packets");
		doctor_fix(check, false,
		           "see cpu.isolated, cpu.nohz and cpu.irq; in a virtual "
		           "machine, pin its CPUs on the host");
	}
}
