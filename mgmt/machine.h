/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MACHINE_H
#define MACHINE_H

/*
 * What the process knows of the machine it runs on: CPUs with the core, the caches and the NUMA
 * node they belong to, memory and hugepages by node, network interfaces and where they hang. Read
 * once, on a control thread; plain data afterwards, so that everything decided from it is a pure
 * function.
 *
 *     struct machine *m = malloc(sizeof(*m));
 *     machine_read(m, &(struct machine_source){ .host = { .root = "" } });
 *
 * A recording of another host (tests, `doctor --root`) is a folder with its proc/, sys/, etc/. Its
 * topology is that of the file topology.xml (as hwloc writes it), else of the file topology (a line
 * of hwloc's synthetic form: "numa:2 l3:1 core:4 pu:2"), else of its sys/ as hwloc reads that.
 */

#include "mgmt/cpus.h"
#include "mgmt/hostfs.h"

#define MACHINE_NONE UINT32_MAX
#define MACHINE_NODES_MAX 32u /* as EAL's */
#define MACHINE_HUGE_SIZES_MAX 4u
#define MACHINE_NICS_MAX 64u
#define MACHINE_INTERFACES_MAX 64u

struct machine_cpu {
	bool online;
	bool usable;     /* online, and the cgroup lets the process use it */
	bool allowed;    /* usable, and in the process's affinity */
	bool isolated;   /* kept free of other tasks: isolcpus or an isolated cgroup partition */
	uint32_t core;   /* counted over the whole machine */
	uint32_t smt;    /* 0: the first thread of its core */
	uint32_t l2, l3; /* which cache, counted over the machine; MACHINE_NONE: none or unknown */
	uint32_t node;   /* index in `node` */
};

struct machine_huge {
	uint64_t page_bytes, total, free; /* pages */
};

struct machine_node {
	uint32_t number; /* the kernel's and EAL's */
	uint64_t memory_bytes;
	cpu_set_t cpus;
	struct machine_huge huge[MACHINE_HUGE_SIZES_MAX]; /* in order of size */
	uint32_t huge_count;
	uint32_t distance[MACHINE_NODES_MAX]; /* to the node at the index; 10 is the node itself */
};

/* A network device on the PCI bus. */
struct machine_nic {
	char pci[16];       /* 0000:01:00.0 */
	char interface[16]; /* eth0; empty when the kernel has none */
	char driver[32];    /* vfio-pci, ixgbe; empty: none */
	uint32_t node;      /* index in `node`, or MACHINE_NONE */
};

struct machine {
	struct machine_cpu cpu[CPU_SETSIZE];
	uint32_t cpu_end; /* one past the highest CPU that is online */
	uint32_t cpu_count, core_count, usable_count, allowed_count;
	struct machine_node node[MACHINE_NODES_MAX];
	uint32_t node_count;                      /* at least 1 */
	struct machine_nic nic[MACHINE_NICS_MAX]; /* in the order of their addresses, as EAL's */
	uint32_t nic_count;
	char interface[MACHINE_INTERFACES_MAX][16]; /* of the kernel, PCI or not */
	uint32_t interface_count;
	uint64_t memory_bytes, available_bytes; /* 0: unknown */
	uint64_t capabilities;                  /* effective, as bits */
	bool root;                              /* effective user 0 */
	bool topology_known; /* false: every CPU is taken for a core of its own on one node */
};

struct machine_source {
	struct hostfs host;
	const char *topology; /* a synthetic form that wins over all else; NULL: none */
};

/* Never fails for what cannot be read, only when no CPU at all is found (-ENODEV) or memory ends.
 */
int machine_read(struct machine *machine, const struct machine_source *source);

/* CPUs by what holds for them. */
void machine_allowed(const struct machine *machine, cpu_set_t *set);
void machine_usable(const struct machine *machine, cpu_set_t *set);
/* The node (its index) that all CPUs of the set are of; MACHINE_NONE if they are of several. */
uint32_t machine_node_of(const struct machine *machine, const cpu_set_t *set);
/* The index of the node the kernel calls `number`, or MACHINE_NONE. */
uint32_t machine_node_index(const struct machine *machine, uint32_t number);
/* Free hugepages of a node (its index), or of all (MACHINE_NONE), in bytes. */
uint64_t machine_huge_free(const struct machine *machine, uint32_t node);

/* How far two CPUs are from each other; each step costs more than the one before. */
enum machine_distance {
	MACHINE_SAME_CPU,
	MACHINE_SAME_CORE,
	MACHINE_SAME_L2,
	MACHINE_SAME_L3,
	MACHINE_SAME_NODE,
	MACHINE_OTHER_NODE
};
enum machine_distance machine_distance(const struct machine *machine, uint32_t a, uint32_t b);

/*
 * The CPUs that `count` workers take when nobody says: allowed ones, isolated before others, on the
 * node `home` (its index; MACHINE_NONE: no matter which) before others, on as few NUMA nodes as
 * will do, and whole cores before SMT siblings. Writes them in the order of preference and returns
 * how many there were.
 */
uint32_t machine_pick(const struct machine *machine, uint32_t home, uint32_t *cpu, uint32_t count);

#endif
