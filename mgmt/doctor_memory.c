/* SPDX-License-Identifier: BSD-3-Clause */
/* doctor: the checks of memory: hugepages, limits, nodes, modules. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/dimms.h"
#include "mgmt/doctor_checks.h"
#include "mgmt/eal_args.h"
#include "mgmt/units.h"

#define MEMORY_MIB ((uint64_t)1 << 20)
#define MEMORY_GIB ((uint64_t)1 << 30)
#define MEMORY_GIB_ADVISED (16 * MEMORY_GIB) /* above this, larger pages pay */
#define MEMORY_SWAPPINESS_LOW 10u
#define MEMORY_CAP_IPC_LOCK 14u

static uint64_t
memory_wanted(const struct doctor *doctor)
{
	uint64_t mb = doctor->options->memory_mb;

	return (mb > 0 ? mb : EAL_ARGS_MEMORY_MB) * MEMORY_MIB;
}

static bool
memory_node_works(const struct doctor *doctor, uint32_t node)
{
	return cpus_overlap(&doctor->cores, &doctor->machine->node[node].cpus);
}

void
doctor_huge_node(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;
	uint64_t wanted = memory_wanted(doctor);
	uint32_t sizes = 0, working = 0;

	for (uint32_t i = 0; i < machine->node_count; i++) {
		sizes += machine->node[i].huge_count;
		working += memory_node_works(doctor, i);
	}
	if (sizes == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel lists no hugepages");
		return;
	}
	wanted /= working > 0 ? working : 1;
	for (uint32_t i = 0; i < machine->node_count; i++) {
		uint64_t free_bytes = machine_huge_free(machine, i);

		if (!memory_node_works(doctor, i)) {
			continue;
		}
		doctor_append(check->found, sizeof(check->found), "%snode %u: %s free",
		              check->found[0] != '\0' ? ", " : "", machine->node[i].number,
		              units_bytes((double)free_bytes).text);
		if (free_bytes < wanted && check->level != DOCTOR_WARN) {
			check->level = DOCTOR_WARN;
			doctor_cost(check, "normal pages: more TLB misses, the more the larger the "
			                   "state");
			doctor_fix(check, false,
			           "echo %" PRIu64 " > /sys/devices/system/node/node%u/hugepages/"
			           "hugepages-2048kB/nr_hugepages; for good: NR_2M_PAGES in "
			           "/etc/dpdk/dpdk.conf",
			           (wanted + 2 * MEMORY_MIB - 1) / (2 * MEMORY_MIB),
			           machine->node[i].number);
		}
	}
}

void
doctor_huge_size(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;
	char flags[4096];
	uint64_t large = 0;
	bool supported = doctor->cpuinfo != NULL &&
	                 hostfs_field(doctor->cpuinfo, "flags", flags, sizeof(flags)) != NULL &&
	                 strstr(flags, "pdpe1gb") != NULL;

	if (doctor->cpuinfo == NULL) {
		doctor_found(check, DOCTOR_UNKNOWN, "/proc/cpuinfo cannot be read");
		return;
	}
	for (uint32_t i = 0; i < machine->node_count; i++) {
		for (uint32_t k = 0; k < machine->node[i].huge_count; k++) {
			const struct machine_huge *huge = &machine->node[i].huge[k];

			large += huge->page_bytes == MEMORY_GIB ? huge->total : 0;
		}
	}
	if (large > 0) {
		doctor_found(check, DOCTOR_PASS, "%" PRIu64 " pages of 1 GiB", large);
	} else if (!supported) {
		doctor_found(check, DOCTOR_PASS, "this CPU has none above 2 MiB");
	} else if (machine->memory_bytes > MEMORY_GIB_ADVISED) {
		doctor_found(check, DOCTOR_INFO, "no pages of 1 GiB are set aside");
		doctor_cost(check, "more TLB misses with state above 16 GiB");
		doctor_fix(check, true,
		           "add default_hugepagesz=1G hugepagesz=1G hugepages=8 to "
		           "GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub");
	} else {
		doctor_found(check, DOCTOR_PASS, "2 MiB pages suffice for %s of memory",
		             units_bytes((double)machine->memory_bytes).text);
	}
}

void
doctor_huge_mount(const struct doctor *doctor, struct doctor_check *check)
{
	char *mounts = hostfs_read_all(doctor->host, "proc/mounts");
	char at[128] = "", type[32];
	bool found = false;

	if (mounts == NULL) {
		doctor_found(check, DOCTOR_UNKNOWN, "/proc/mounts cannot be read");
		return;
	}
	for (const char *line = mounts; line != NULL && !found; line = hostfs_next_line(line)) {
		found = hostfs_word(line, 1, at, sizeof(at)) != NULL &&
		        hostfs_word(line, 2, type, sizeof(type)) != NULL &&
		        strcmp(type, "hugetlbfs") == 0;
	}
	free(mounts);
	if (!found) {
		doctor_found(check, DOCTOR_INFO,
		             "no hugetlbfs is mounted; not needed with --in-memory, the default");
		doctor_fix(check, false,
		           "mkdir -p /dev/hugepages && mount -t hugetlbfs none "
		           "/dev/hugepages");
	} else if (hostfs_live(doctor->host) && access(at, W_OK) != 0) {
		doctor_found(check, DOCTOR_WARN, "%s is not writable for this user", at);
		doctor_cost(check, "EAL starts only with --in-memory, the default here");
		doctor_fix(check, false, "mount -o remount,uid=%u,gid=%u %s", getuid(), getgid(),
		           at);
	} else {
		doctor_found(check, DOCTOR_PASS, "%s", at);
	}
}

void
doctor_lock(const struct doctor *doctor, struct doctor_check *check)
{
	char text[4096], value[128];
	uint64_t limit;

	if (hostfs_read(doctor->host, text, sizeof(text), "proc/self/limits") < 0 ||
	    hostfs_field(text, "Max locked memory", value, sizeof(value)) == NULL) {
		doctor_found(check, DOCTOR_UNKNOWN, "/proc/self/limits cannot be read");
		return;
	}
	limit = strtoull(value, NULL, 10);
	if (strncmp(value, "unlimited", 9) == 0) {
		doctor_found(check, DOCTOR_PASS, "unlimited");
	} else if ((doctor->machine->capabilities >> MEMORY_CAP_IPC_LOCK & 1) != 0) {
		doctor_found(check, DOCTOR_PASS, "limit %s, which does not hold for this user",
		             units_bytes((double)limit).text);
	} else if (limit >= memory_wanted(doctor)) {
		doctor_found(check, DOCTOR_PASS, "limit %s", units_bytes((double)limit).text);
	} else {
		doctor_found(check, DOCTOR_WARN, "limit %s, %s wanted",
		             units_bytes((double)limit).text,
		             units_bytes((double)memory_wanted(doctor)).text);
		doctor_cost(check, "vfio-pci and af_xdp cannot pin their memory");
		doctor_fix(check, false,
		           "LimitMEMLOCK=infinity in the systemd unit, or a line "
		           "\"* - memlock unlimited\" in /etc/security/limits.conf");
	}
}

void
doctor_thp(const struct doctor *doctor, struct doctor_check *check)
{
	char text[64];

	if (hostfs_read(doctor->host, text, sizeof(text),
	                "sys/kernel/mm/transparent_hugepage/enabled") <= 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel does not say");
	} else if (strstr(text, "[always]") != NULL) {
		doctor_found(check, DOCTOR_WARN, "always");
		doctor_cost(check, "the kernel stops threads to put pages together");
		doctor_fix(check, false,
		           "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
	} else {
		doctor_found(check, DOCTOR_PASS, "%s",
		             strstr(text, "[never]") != NULL ? "never" : "madvise");
	}
}

void
doctor_numa(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;
	uint32_t working = 0;
	uint64_t balancing = 0;
	int error = hostfs_u64(doctor->host, &balancing, "proc/sys/kernel/numa_balancing");

	if (!machine->topology_known) {
		doctor_found(check, DOCTOR_UNKNOWN, "the NUMA nodes are not known");
		return;
	}
	if (machine->node_count == 1) {
		doctor_found(check, DOCTOR_PASS, "one node");
		return;
	}
	for (uint32_t i = 0; i < machine->node_count; i++) {
		working += memory_node_works(doctor, i);
	}
	for (uint32_t i = 0; i < machine->nic_count; i++) {
		const struct machine_nic *nic = &machine->nic[i];

		if (nic->node != MACHINE_NONE && strncmp(nic->driver, "vfio", 4) == 0 &&
		    !memory_node_works(doctor, nic->node)) {
			doctor_found(check, DOCTOR_WARN,
			             "NIC %s is on node %u, where none of the cores is", nic->pci,
			             machine->node[nic->node].number);
			doctor_cost(check, "every packet crosses the link between the sockets");
			doctor_fix(check, false, "take cores of node %u",
			           machine->node[nic->node].number);
			return;
		}
	}
	if (error == 0 && balancing != 0) {
		doctor_found(check, DOCTOR_WARN, "automatic NUMA balancing is on");
		doctor_cost(check,
		            "the kernel unmaps pages to see who uses them: stalls of 0.1 ms");
		doctor_fix(check, false, "echo 0 > /proc/sys/kernel/numa_balancing");
	} else if (working > 1) {
		doctor_found(check, DOCTOR_INFO,
		             "the cores are on %u of %u nodes; balancing is off", working,
		             machine->node_count);
		doctor_cost(check, "edges between nodes are slower; placement keeps them few");
	} else {
		doctor_found(check, DOCTOR_PASS, "all cores on one of %u nodes; balancing is off",
		             machine->node_count);
	}
}

void
doctor_swap(const struct doctor *doctor, struct doctor_check *check)
{
	char text[4096], value[64];
	uint64_t total, unused = 0, swappiness;

	if (hostfs_read(doctor->host, text, sizeof(text), "proc/meminfo") < 0 ||
	    hostfs_field(text, "SwapTotal", value, sizeof(value)) == NULL) {
		doctor_found(check, DOCTOR_UNKNOWN, "/proc/meminfo cannot be read");
		return;
	}
	total = strtoull(value, NULL, 10) * 1024;
	if (hostfs_field(text, "SwapFree", value, sizeof(value)) != NULL) {
		unused = strtoull(value, NULL, 10) * 1024;
	}
	if (total == 0) {
		doctor_found(check, DOCTOR_PASS, "no swap");
		return;
	}
	if (total > unused && total - unused > total / 100) {
		doctor_found(check, DOCTOR_WARN, "%s of swap in use",
		             units_bytes((double)(total - unused)).text);
		doctor_cost(check, "normal pages that were swapped out come back in milliseconds");
		doctor_fix(check, false, "swapoff -a, or less memory for others");
		return;
	}
	hostfs_u64(doctor->host, &swappiness, "proc/sys/vm/swappiness");
	if (swappiness > MEMORY_SWAPPINESS_LOW) {
		doctor_found(check, DOCTOR_INFO, "%s of swap, unused; vm.swappiness is %" PRIu64,
		             units_bytes((double)total).text, swappiness);
		doctor_fix(check, false, "echo %u > /proc/sys/vm/swappiness",
		           MEMORY_SWAPPINESS_LOW);
	} else {
		doctor_found(check, DOCTOR_PASS, "%s of swap, unused",
		             units_bytes((double)total).text);
	}
}

void
doctor_channels(const struct doctor *doctor, struct doctor_check *check)
{
	struct dimms dimms;

	if (dimms_read(&dimms, doctor->host) != 0) {
		doctor_found(check, DOCTOR_UNKNOWN,
		             "the firmware's table cannot be read (root only; none in a virtual "
		             "machine)");
	} else if (dimms.channels == 0) {
		doctor_found(check, DOCTOR_INFO,
		             "%u of %u slots are filled; their names do not tell the channels",
		             dimms.filled, dimms.slots);
	} else if (dimms.channels_filled < dimms.channels) {
		doctor_found(check, DOCTOR_WARN,
		             "%u of %u memory channels have a module (%s has none)",
		             dimms.channels_filled, dimms.channels, dimms.empty);
		doctor_cost(check, "memory is read that much slower than it could be");
		doctor_fix(check, true, "put one module in each channel");
	} else {
		doctor_found(check, DOCTOR_PASS, "all %u memory channels have a module",
		             dimms.channels);
	}
}
