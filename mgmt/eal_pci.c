/* SPDX-License-Identifier: BSD-3-Clause */
/* What EAL makes of the PCI bus: addresses as people type them, devices it can take. */
#include "mgmt/eal_pci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
eal_pci_driver_in(const struct machine_nic *nic, const char *const *names)
{
	while (*names != NULL && strcmp(*names, nic->driver) != 0) {
		names++;
	}
	return *names != NULL;
}

bool
eal_pci_address(const char *text, char *pci, size_t size)
{
	unsigned long part[4] = { 0 };
	size_t length = strcspn(text, ",");
	uint32_t count = 0, colons = 0;

	if (length > 0 && strspn(text, "0123456789abcdefABCDEF:.") < length) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		colons += text[i] == ':';
	}
	/* The domain may be left out. */
	for (count = colons == 2 ? 0 : 1; count < 4; count++) {
		static const char ends[4] = { ':', ':', '.', '\0' };
		char *end;

		part[count] = strtoul(text, &end, 16);
		if (end == text ||
		    (count < 3 ? *end != ends[count] : *end != '\0' && *end != ',')) {
			return false;
		}
		text = end + 1;
	}
	snprintf(pci, size, "%04lx:%02lx:%02lx.%lx", part[0], part[1], part[2], part[3]);
	return colons == 1 || colons == 2;
}

bool
eal_pci_bound(const struct machine_nic *nic)
{
	static const char *const drivers[] = { "vfio-pci", "igb_uio", "uio_pci_generic", NULL };

	return eal_pci_driver_in(nic, drivers);
}

bool
eal_pci_bifurcated(const struct machine_nic *nic)
{
	static const char *const drivers[] = { "mlx4_core", "mlx5_core", "mana", NULL };

	return eal_pci_driver_in(nic, drivers);
}
