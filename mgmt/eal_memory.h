/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_MEMORY_H
#define EAL_MEMORY_H

/* Which memory EAL is to take: hugepages or normal pages, how much, and whether that can be had.
 * Pure. */

#include "mgmt/eal_args.h"
#include "mgmt/eal_options.h"

struct eal_memory {
	bool hugepages;
	uint64_t memory_mb; /* 0: EAL takes it as it needs it */
	bool add_no_huge, add_memory, add_in_memory, add_no_shconf;
};

void eal_memory_decide(struct eal_memory *memory, const struct eal_typed_list *typed,
                       const struct eal_needs *needs, const struct machine *machine,
                       struct eal_report *report);

#endif
