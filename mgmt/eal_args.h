/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_ARGS_H
#define EAL_ARGS_H

/*
 * From what a person typed for EAL (often nothing) to the whole argument vector for rte_eal_init,
 * with everything that can be found wrong found before EAL starts, and a note for everything that
 * was added.
 *
 *     struct eal_report report = { 0 };
 *     struct eal_args args;
 *
 *     if (eal_args_build(&args, count, words, &needs, machine, &report) != 0) {
 *             eal_report_print(&report, true, text_colour(stderr), stderr);
 *     } else {
 *             rte_eal_init(args.argc, args.argv);
 *     }
 *     …
 *     rte_eal_cleanup();
 *     eal_args_clean(&args, rte_eal_get_runtime_dir());
 *     eal_args_free(&args);
 *
 * Decides from its arguments alone, but for captures named by --vdev, whose heads are read. Control
 * thread. args.lcores is what EAL will make of it, for those who plan without starting EAL.
 */

#include "mgmt/eal_report.h"
#include "mgmt/lcores.h"
#include "mgmt/machine.h"

#define EAL_ARGS_MEMORY_MB 512u /* when the caller does not say */
#define EAL_ARGS_LCORES 2u
#define EAL_ARGS_MAX 512u

struct eal_needs {
	const char *program; /* argv[0] */
	uint32_t process;    /* number of this process, for the file prefix */
	uint64_t memory_mb;  /* 0: EAL_ARGS_MEMORY_MB */
	uint32_t lcores; /* wanted when none are named; 0: what there is, EAL_ARGS_LCORES at most */
	uint32_t home;   /* NUMA node (its index) that they are wanted on; MACHINE_NONE: any */
};

struct eal_args {
	char *argv[EAL_ARGS_MAX + 1]; /* for EAL, which reorders and overwrites it */
	char *word[EAL_ARGS_MAX];     /* the same, owned, and left alone */
	int argc;
	struct lcores lcores;
	uint64_t memory_mb; /* what EAL takes; 0: as it needs it */
	bool hugepages;     /* false: normal pages */
	bool pci;           /* the PCI bus is looked at */
	char file_prefix[64];
	bool own_prefix; /* made here, so that its folder is ours to remove */
};

/* Returns 0, -EINVAL (the report has errors) or -ENOMEM. Free with eal_args_free in every case. */
int eal_args_build(struct eal_args *args, int argc, char *const *argv,
                   const struct eal_needs *needs, const struct machine *machine,
                   struct eal_report *report);
void eal_args_free(struct eal_args *args);
/* The whole line as one would type it, quoted for a shell. Returns `text`. */
char *eal_args_line(const struct eal_args *args, char *text, size_t size);
/* Removes the folder EAL leaves in its run-time folder, if its name was made here. */
void eal_args_clean(const struct eal_args *args, const char *runtime_dir);

#endif
