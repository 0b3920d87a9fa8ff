/* SPDX-License-Identifier: BSD-3-Clause */
/* doctor: the checks of NICs, of the IOMMU, and of the rights to use them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/doctor_checks.h"

#define DEVICES_CAP_NET_RAW 13u
#define DEVICES_CAP_SYS_ADMIN 21u

static bool
devices_bound(const char *driver)
{
	return strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "igb_uio") == 0 ||
	       strcmp(driver, "uio_pci_generic") == 0;
}

/* DPDK works beside these drivers of the kernel. */
static bool
devices_shared(const char *driver)
{
	return strcmp(driver, "mlx5_core") == 0 || strcmp(driver, "mlx4_core") == 0 ||
	       strcmp(driver, "mana") == 0;
}

/* A PCI link that runs with fewer lanes than the device has. */
static bool
devices_narrow(const struct doctor *doctor, const struct machine_nic *nic, uint64_t *now,
               uint64_t *most)
{
	return hostfs_u64(doctor->host, now, "sys/bus/pci/devices/%s/current_link_width",
	                  nic->pci) == 0 &&
	       hostfs_u64(doctor->host, most, "sys/bus/pci/devices/%s/max_link_width", nic->pci) ==
	           0 &&
	       *now > 0 && *now < *most;
}

/* The interface of the default route; false when there is none. */
static bool
devices_default_route(const struct doctor *doctor, char *interface, size_t size, bool *known)
{
	char *routes = hostfs_read_all(doctor->host, "proc/net/route");
	bool found = false;

	*known = routes != NULL;
	for (const char *line = routes; line != NULL && !found; line = hostfs_next_line(line)) {
		char name[16], destination[16], mask[16];

		if (hostfs_word(line, 0, name, sizeof(name)) != NULL &&
		    hostfs_word(line, 1, destination, sizeof(destination)) != NULL &&
		    hostfs_word(line, 7, mask, sizeof(mask)) != NULL &&
		    strcmp(destination, "00000000") == 0 && strcmp(mask, "00000000") == 0) {
			snprintf(interface, size, "%s", name);
			found = true;
		}
	}
	free(routes);
	return found;
}

void
doctor_nic_bind(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;
	const struct machine_nic *kernel = NULL;
	char route[16] = "";
	uint32_t ready = 0;
	bool known;

	if (!hostfs_exists(doctor->host, "sys/bus/pci/devices")) {
		doctor_found(check, DOCTOR_UNKNOWN, "no PCI bus is visible");
		return;
	}
	check->level = DOCTOR_PASS;
	devices_default_route(doctor, route, sizeof(route), &known);
	for (uint32_t i = 0; i < machine->nic_count; i++) {
		const struct machine_nic *nic = &machine->nic[i];
		bool usable = devices_bound(nic->driver) || devices_shared(nic->driver);
		uint64_t now, most;

		ready += usable;
		/* The one that the host is reached through is never offered. */
		if (!usable && (nic->interface[0] == '\0' || strcmp(nic->interface, route) != 0)) {
			kernel = nic;
		}
		doctor_append(check->found, sizeof(check->found), "%s%s%s%s: %s",
		              check->found[0] != '\0' ? ", " : "", nic->pci,
		              nic->interface[0] != '\0' ? " " : "", nic->interface,
		              nic->driver[0] != '\0' ? nic->driver : "no driver");
		if (nic->node != MACHINE_NONE && machine->node_count > 1) {
			doctor_append(check->found, sizeof(check->found), " (node %u)",
			              machine->node[nic->node].number);
		}
		if (usable && devices_narrow(doctor, nic, &now, &most)) {
			check->level = DOCTOR_WARN;
			doctor_cost(check, "%s has x%lu of its x%lu PCI lanes", nic->pci, now,
			            most);
			doctor_fix(check, true, "move it to a slot with x%lu", most);
		}
	}
	if (machine->nic_count == 0) {
		doctor_found(check, DOCTOR_INFO,
		             "no PCI NIC; files, pcap, af_packet and memif work without one");
	} else if (ready == 0) {
		check->level = DOCTOR_INFO;
		doctor_cost(check, "packets come through the kernel: about a tenth of the rate");
		if (kernel != NULL) {
			doctor_fix(check, false,
			           "modprobe vfio-pci && dpdk-devbind.py -b vfio-pci %s",
			           kernel->pci);
		}
	}
}

void
doctor_nic_inuse(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;
	char interface[16];
	bool known;

	if (!devices_default_route(doctor, interface, sizeof(interface), &known)) {
		doctor_found(check, known ? DOCTOR_PASS : DOCTOR_UNKNOWN, "%s",
		             known ? "no interface carries the default route"
		                   : "/proc/net/route cannot be read");
		return;
	}
	doctor_found(check, DOCTOR_INFO, "%s carries the default route: never bind it to DPDK",
	             interface);
	for (uint32_t i = 0; i < machine->nic_count; i++) {
		if (strcmp(machine->nic[i].interface, interface) == 0) {
			doctor_append(check->found, sizeof(check->found), " (%s)",
			              machine->nic[i].pci);
		}
	}
}

void
doctor_iommu(const struct doctor *doctor, struct doctor_check *check)
{
	struct hostfs_names groups;
	int error = hostfs_list(doctor->host, &groups, "sys/kernel/iommu_groups");
	bool intel = doctor->cpuinfo != NULL && strstr(doctor->cpuinfo, "GenuineIntel") != NULL;
	uint32_t count = groups.count;
	char value[64];

	hostfs_names_free(&groups);
	if (error != 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel lists no IOMMU groups");
		return;
	}
	if (count == 0) {
		doctor_found(check, DOCTOR_WARN, "no IOMMU");
		doctor_cost(check,
		            "vfio-pci works only in its unsafe mode, in which a NIC can write "
		            "anywhere in memory");
		doctor_fix(check, true,
		           "enable it in the firmware and boot with %siommu=pt; without "
		           "one: echo 1 > /sys/module/vfio/parameters/"
		           "enable_unsafe_noiommu_mode",
		           intel ? "intel_iommu=on " : "");
	} else if (!doctor_cmdline(doctor, "iommu", value, sizeof(value)) ||
	           strcmp(value, "pt") != 0) {
		doctor_found(check, DOCTOR_INFO, "%u groups, without iommu=pt", count);
		doctor_cost(check,
		            "the kernel's own devices are translated as well, which slows them");
		doctor_fix(check, true,
		           "add iommu=pt to GRUB_CMDLINE_LINUX in /etc/default/grub, "
		           "then update-grub");
	} else {
		doctor_found(check, DOCTOR_PASS, "%u groups, iommu=pt", count);
	}
}

void
doctor_perm(const struct doctor *doctor, struct doctor_check *check)
{
	const struct machine *machine = doctor->machine;
	bool raw = (machine->capabilities >> DEVICES_CAP_NET_RAW & 1) != 0;

	if (!hostfs_exists(doctor->host, "proc/self/status")) {
		doctor_found(check, DOCTOR_UNKNOWN, "/proc/self/status cannot be read");
	} else if (machine->root) {
		doctor_found(check, DOCTOR_INFO, "root%s",
		             (machine->capabilities >> DEVICES_CAP_SYS_ADMIN & 1) != 0
		                 ? ": more than is needed"
		                 : ", with reduced rights (a container)");
		doctor_fix(check, false,
		           "a user of its own suffices: the vfio group's device owned "
		           "by it, LimitMEMLOCK=infinity");
	} else {
		doctor_found(check, DOCTOR_PASS, "not root%s",
		             raw ? "" : "; af_packet and interfaces of pcap need CAP_NET_RAW");
	}
}
