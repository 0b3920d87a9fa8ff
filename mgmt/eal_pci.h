/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_PCI_H
#define EAL_PCI_H

/* What EAL makes of the PCI bus: addresses as people type them, devices it can take. Pure. */

#include "mgmt/machine.h"

/* "3:00.0" and "0000:03:00.0,opt=1" -> "0000:03:00.0"; false: not an address on the PCI bus. */
bool eal_pci_address(const char *text, char *pci, size_t size);
/* Whether its driver hands it to a user-space program. */
bool eal_pci_bound(const struct machine_nic *nic);
/* Whether its kernel driver is one beside which DPDK's own works. */
bool eal_pci_bifurcated(const struct machine_nic *nic);

#endif
