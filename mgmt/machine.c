/* SPDX-License-Identifier: BSD-3-Clause */
/* What the process knows of the machine: /proc and /sys facts around what hwloc says. */
#include "mgmt/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/machine_topology.h"

#define MACHINE_CLASS_NETWORK 0x02u
#define MACHINE_KIB 1024u
#define MACHINE_HUGE_NAME "hugepages-" /* and then "2048kB" */

/* Reads a list of CPUs such as sys/devices/system/cpu/online; false when there is none. */
static bool
machine_read_set(const struct hostfs *host, cpu_set_t *set, const char *file)
{
	char text[4096];

	return hostfs_read(host, text, sizeof(text), "%s", file) >= 0 && cpus_parse(text, set) == 0;
}

/*
 * The CPUs that the control group leaves to this process: the file of its own group or of the
 * nearest group above that has one. In a container the group's own path often is not there, only
 * the root's.
 */
static bool
machine_read_group(const struct hostfs *host, cpu_set_t *set, const char *base, char *group,
                   const char *name)
{
	for (;;) {
		char file[HOSTFS_PATH_MAX];
		char *slash = strrchr(group, '/');

		snprintf(file, sizeof(file), "sys/fs/cgroup/%s%s/%s", base, group, name);
		if (machine_read_set(host, set, file) && cpus_count(set) > 0) {
			return true;
		}
		if (slash == NULL) {
			return false;
		}
		*slash = '\0';
	}
}

static bool
machine_read_cgroup(const struct hostfs *host, cpu_set_t *set)
{
	char *text = hostfs_read_all(host, "proc/self/cgroup");
	bool found = false;
	char group[256];

	for (char *line = text; line != NULL && !found; line = strchr(line, '\n')) {
		char *controllers, *path;

		line += line != text ? 1 : 0;
		controllers = strchr(line, ':');
		path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		if (path == NULL) {
			break;
		}
		snprintf(group, sizeof(group), "%.*s", (int)strcspn(path + 1, "\n"), path + 1);
		if (strcmp(group, "/") == 0) {
			group[0] = '\0';
		}
		if (strncmp(controllers, ":cpuset:", 8) == 0) {
			found =
			    machine_read_group(host, set, "cpuset", group, "cpuset.effective_cpus");
		} else if (strncmp(controllers, "::", 2) == 0) {
			found = machine_read_group(host, set, "", group, "cpuset.cpus.effective");
		}
	}
	free(text);
	return found;
}

/* No topology: as many cores as the kernel, or only the affinity, tells of. */
static int
machine_assume_cpus(struct machine *machine, const struct hostfs *host)
{
	char text[4096], list[4096];
	cpu_set_t set;

	CPU_ZERO(&set);
	if (!machine_read_set(host, &set, "sys/devices/system/cpu/online") &&
	    (hostfs_read(host, text, sizeof(text), "proc/self/status") < 0 ||
	     hostfs_field(text, "Cpus_allowed_list", list, sizeof(list)) == NULL ||
	     cpus_parse(list, &set) != 0) &&
	    hostfs_live(host) && sched_getaffinity(0, sizeof(set), &set) != 0) {
		return -ENODEV;
	}
	for (uint32_t cpu = 0, core = 0; cpu < CPUS_MAX; cpu++) {
		if (cpus_has(&set, cpu)) {
			machine->cpu[cpu] = (struct machine_cpu){ .online = true,
				                                  .core = core++,
				                                  .l2 = MACHINE_NONE,
				                                  .l3 = MACHINE_NONE };
		}
	}
	machine->node_count = 1;
	machine->node[0].cpus = set;
	machine->node[0].distance[0] = 10;
	return cpus_count(&set) > 0 ? 0 : -ENODEV;
}

static void
machine_read_status(struct machine *machine, const struct hostfs *host, cpu_set_t *affinity)
{
	char text[4096], value[2048], effective[16];

	for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
		CPU_SET(cpu, affinity);
	}
	if (hostfs_read(host, text, sizeof(text), "proc/self/status") < 0) {
		if (hostfs_live(host)) {
			sched_getaffinity(0, sizeof(*affinity), affinity);
		}
		return;
	}
	if (hostfs_field(text, "Cpus_allowed_list", value, sizeof(value)) != NULL) {
		cpu_set_t set;

		if (cpus_parse(value, &set) == 0) {
			*affinity = set;
		}
	}
	if (hostfs_field(text, "CapEff", value, sizeof(value)) != NULL) {
		machine->capabilities = strtoull(value, NULL, 16);
	}
	if (hostfs_field(text, "Uid", value, sizeof(value)) != NULL &&
	    hostfs_word(value, 1, effective, sizeof(effective)) != NULL) {
		machine->root = strcmp(effective, "0") == 0;
	}
}

/* Which CPUs may be used, by the cgroup and by the affinity; and the totals. */
static void
machine_read_limits(struct machine *machine, const struct hostfs *host)
{
	cpu_set_t group, affinity, isolated;
	bool limited = machine_read_cgroup(host, &group);
	uint32_t core_end = 0;

	CPU_ZERO(&isolated);
	machine_read_set(host, &isolated, "sys/devices/system/cpu/isolated");
	machine_read_status(machine, host, &affinity);
	for (uint32_t i = 0; i < CPUS_MAX; i++) {
		struct machine_cpu *cpu = &machine->cpu[i];

		if (!cpu->online) {
			continue;
		}
		cpu->usable = !limited || cpus_has(&group, i);
		cpu->allowed = cpu->usable && cpus_has(&affinity, i);
		cpu->isolated = cpus_has(&isolated, i);
		machine->cpu_end = i + 1;
		machine->cpu_count++;
		machine->usable_count += cpu->usable;
		machine->allowed_count += cpu->allowed;
		core_end = cpu->core + 1 > core_end ? cpu->core + 1 : core_end;
	}
	machine->core_count = core_end;
}

static void
machine_read_huge(struct machine_node *node, const struct hostfs *host, const char *folder)
{
	struct hostfs_names sizes;

	hostfs_list(host, &sizes, "%s", folder);
	for (uint32_t i = 0; i < sizes.count && node->huge_count < MACHINE_HUGE_SIZES_MAX; i++) {
		struct machine_huge *huge = &node->huge[node->huge_count];

		if (strncmp(sizes.name[i], MACHINE_HUGE_NAME, strlen(MACHINE_HUGE_NAME)) != 0) {
			continue;
		}
		huge->page_bytes =
		    strtoull(sizes.name[i] + strlen(MACHINE_HUGE_NAME), NULL, 10) * MACHINE_KIB;
		hostfs_u64(host, &huge->total, "%s/%s/nr_hugepages", folder, sizes.name[i]);
		hostfs_u64(host, &huge->free, "%s/%s/free_hugepages", folder, sizes.name[i]);
		node->huge_count++;
	}
	hostfs_names_free(&sizes);
}

static void
machine_read_nodes(struct machine *machine, const struct hostfs *host)
{
	for (uint32_t i = 0; i < machine->node_count; i++) {
		struct machine_node *node = &machine->node[i];
		char folder[96], text[512];
		char *rest = text;

		if (hostfs_read(host, text, sizeof(text), "sys/devices/system/node/node%u/distance",
		                node->number) > 0) {
			for (uint32_t to = 0; to < machine->node_count && *rest != '\0'; to++) {
				node->distance[to] = (uint32_t)strtoul(rest, &rest, 10);
			}
		}
		snprintf(folder, sizeof(folder), "sys/devices/system/node/node%u/hugepages",
		         node->number);
		machine_read_huge(node, host, folder);
	}
	/* A kernel without NUMA has no nodes there, only the sum. */
	if (machine->node_count == 1 && machine->node[0].huge_count == 0) {
		machine_read_huge(&machine->node[0], host, "sys/kernel/mm/hugepages");
	}
}

static void
machine_read_memory(struct machine *machine, const struct hostfs *host)
{
	char text[4096], value[64];

	if (hostfs_read(host, text, sizeof(text), "proc/meminfo") < 0) {
		return;
	}
	if (hostfs_field(text, "MemTotal", value, sizeof(value)) != NULL) {
		machine->memory_bytes = strtoull(value, NULL, 10) * MACHINE_KIB;
	}
	if (hostfs_field(text, "MemAvailable", value, sizeof(value)) != NULL) {
		machine->available_bytes = strtoull(value, NULL, 10) * MACHINE_KIB;
	}
}

static void
machine_read_nic(struct machine *machine, const struct hostfs *host, const char *pci)
{
	struct machine_nic *nic = &machine->nic[machine->nic_count];
	struct hostfs_names names;
	char number[32];
	char *end;
	unsigned long node;

	memset(nic, 0, sizeof(*nic));
	snprintf(nic->pci, sizeof(nic->pci), "%s", pci);
	hostfs_link(host, nic->driver, sizeof(nic->driver), "sys/bus/pci/devices/%s/driver", pci);
	/* A virtio device keeps its interface one level further down. */
	if (hostfs_list(host, &names, "sys/bus/pci/devices/%s/net", pci) != 0) {
		struct hostfs_names devices;

		hostfs_list(host, &devices, "sys/bus/pci/devices/%s", pci);
		for (uint32_t i = 0; i < devices.count && names.count == 0; i++) {
			if (strncmp(devices.name[i], "virtio", 6) == 0) {
				hostfs_names_free(&names);
				hostfs_list(host, &names, "sys/bus/pci/devices/%s/%s/net", pci,
				            devices.name[i]);
			}
		}
		hostfs_names_free(&devices);
	}
	if (names.count > 0) {
		snprintf(nic->interface, sizeof(nic->interface), "%.15s", names.name[0]);
	}
	hostfs_names_free(&names);
	/* "-1": the firmware does not say. */
	nic->node = MACHINE_NONE;
	if (hostfs_read(host, number, sizeof(number), "sys/bus/pci/devices/%s/numa_node", pci) >
	    0) {
		node = strtoul(number, &end, 10);
		if (number[0] != '-' && end != number) {
			nic->node = machine_node_index(machine, (uint32_t)node);
		}
	}
	machine->nic_count++;
}

/* As numbers: hexadecimal, all of one width but for a long domain. */
static int
machine_compare_nics(const void *a, const void *b)
{
	const struct machine_nic *one = a, *other = b;
	size_t length = strlen(one->pci), other_length = strlen(other->pci);

	if (length != other_length) {
		return length < other_length ? -1 : 1;
	}
	return strcmp(one->pci, other->pci);
}

static void
machine_read_network(struct machine *machine, const struct hostfs *host)
{
	struct hostfs_names names;

	hostfs_list(host, &names, "sys/bus/pci/devices");
	for (uint32_t i = 0; i < names.count && machine->nic_count < MACHINE_NICS_MAX; i++) {
		uint64_t class;

		if (strlen(names.name[i]) < sizeof(machine->nic[0].pci) &&
		    hostfs_u64(host, &class, "sys/bus/pci/devices/%s/class", names.name[i]) == 0 &&
		    class >> 16 == MACHINE_CLASS_NETWORK) {
			machine_read_nic(machine, host, names.name[i]);
		}
	}
	qsort(machine->nic, machine->nic_count, sizeof(machine->nic[0]), machine_compare_nics);
	hostfs_names_free(&names);
	hostfs_list(host, &names, "sys/class/net");
	for (uint32_t i = 0; i < names.count; i++) {
		if (machine->interface_count < MACHINE_INTERFACES_MAX &&
		    strlen(names.name[i]) < sizeof(machine->interface[0])) {
			memcpy(machine->interface[machine->interface_count++], names.name[i],
			       strlen(names.name[i]) + 1);
		}
	}
	hostfs_names_free(&names);
}

int
machine_read(struct machine *machine, const struct machine_source *source)
{
	int error;

	memset(machine, 0, sizeof(*machine));
	machine->topology_known = machine_topology_read(machine, source) == 0;
	if (!machine->topology_known) {
		error = machine_assume_cpus(machine, &source->host);
		if (error != 0) {
			return error;
		}
	}
	machine_read_limits(machine, &source->host);
	machine_read_nodes(machine, &source->host);
	machine_read_memory(machine, &source->host);
	machine_read_network(machine, &source->host);
	return machine->cpu_count > 0 ? 0 : -ENODEV;
}

void
machine_allowed(const struct machine *machine, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (uint32_t i = 0; i < machine->cpu_end; i++) {
		if (machine->cpu[i].allowed) {
			CPU_SET(i, set);
		}
	}
}

void
machine_usable(const struct machine *machine, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (uint32_t i = 0; i < machine->cpu_end; i++) {
		if (machine->cpu[i].usable) {
			CPU_SET(i, set);
		}
	}
}

uint32_t
machine_node_of(const struct machine *machine, const cpu_set_t *set)
{
	uint32_t node = MACHINE_NONE;

	for (uint32_t i = 0; i < machine->cpu_end; i++) {
		if (!cpus_has(set, i) || !machine->cpu[i].online) {
			continue;
		}
		if (node != MACHINE_NONE && node != machine->cpu[i].node) {
			return MACHINE_NONE;
		}
		node = machine->cpu[i].node;
	}
	return node;
}

uint32_t
machine_node_index(const struct machine *machine, uint32_t number)
{
	for (uint32_t i = 0; i < machine->node_count; i++) {
		if (machine->node[i].number == number) {
			return i;
		}
	}
	return MACHINE_NONE;
}

uint64_t
machine_huge_free(const struct machine *machine, uint32_t node)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < machine->node_count; i++) {
		for (uint32_t k = 0; k < machine->node[i].huge_count; k++) {
			const struct machine_huge *huge = &machine->node[i].huge[k];

			bytes +=
			    node == MACHINE_NONE || node == i ? huge->free * huge->page_bytes : 0;
		}
	}
	return bytes;
}

enum machine_distance
machine_distance(const struct machine *machine, uint32_t a, uint32_t b)
{
	const struct machine_cpu *one = &machine->cpu[a], *other = &machine->cpu[b];

	if (a == b) {
		return MACHINE_SAME_CPU;
	}
	if (one->core == other->core) {
		return MACHINE_SAME_CORE;
	}
	if (one->l2 != MACHINE_NONE && one->l2 == other->l2) {
		return MACHINE_SAME_L2;
	}
	if (one->l3 != MACHINE_NONE && one->l3 == other->l3) {
		return MACHINE_SAME_L3;
	}
	return one->node == other->node ? MACHINE_SAME_NODE : MACHINE_OTHER_NODE;
}

/* May a worker be put on this CPU when nobody asked for it? */
static bool
machine_may_pick(const struct machine *machine, uint32_t cpu, bool narrowed)
{
	const struct machine_cpu *facts = &machine->cpu[cpu];

	return facts->allowed || (facts->usable && facts->isolated && !narrowed);
}

/*
 * Whether somebody chose the affinity. A kernel with isolated CPUs starts everything on the others,
 * so that one is nobody's choice, and the isolated ones were put aside for the likes of us.
 */
static bool
machine_narrowed(const struct machine *machine)
{
	for (uint32_t i = 0; i < machine->cpu_end; i++) {
		const struct machine_cpu *cpu = &machine->cpu[i];

		if (cpu->usable && cpu->allowed == cpu->isolated) {
			return true;
		}
	}
	return false;
}

/* Smaller is taken first: isolated, at home, on the fuller node, a core of its own, by number. */
static uint64_t
machine_rank(const struct machine *machine, const uint32_t *on_node, uint32_t cpu)
{
	const struct machine_cpu *facts = &machine->cpu[cpu];
	uint64_t isolated = facts->isolated ? 0 : 1;
	uint64_t fullness = CPUS_MAX - on_node[facts->node];

	return isolated << 48 | fullness << 32 | (uint64_t)facts->node << 24 |
	       (uint64_t)(facts->smt > 0) << 16 | cpu;
}

uint32_t
machine_pick(const struct machine *machine, uint32_t home, uint32_t *cpu, uint32_t count)
{
	bool narrowed = machine_narrowed(machine);
	uint32_t on_node[MACHINE_NODES_MAX] = { 0 };
	cpu_set_t taken;
	uint32_t picked = 0;

	CPU_ZERO(&taken);
	for (uint32_t i = 0; i < machine->cpu_end; i++) {
		if (machine_may_pick(machine, i, narrowed)) {
			on_node[machine->cpu[i].node]++;
		}
	}
	if (home != MACHINE_NONE) {
		on_node[home] = CPUS_MAX; /* as if it were the fullest */
	}
	while (picked < count) {
		uint32_t best = CPUS_MAX;

		for (uint32_t i = 0; i < machine->cpu_end; i++) {
			if (machine_may_pick(machine, i, narrowed) && !cpus_has(&taken, i) &&
			    (best == CPUS_MAX || machine_rank(machine, on_node, i) <
			                             machine_rank(machine, on_node, best))) {
				best = i;
			}
		}
		if (best == CPUS_MAX) {
			break;
		}
		CPU_SET(best, &taken);
		cpu[picked++] = best;
	}
	return picked;
}
