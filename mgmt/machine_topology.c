/* SPDX-License-Identifier: BSD-3-Clause */
/* Cores, caches and NUMA nodes of a machine, by hwloc. */
#include "mgmt/machine_topology.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPOLOGY_DISTANCE_SELF 10u
#define TOPOLOGY_DISTANCE_OTHER 20u

/* Tells hwloc where to look. Returns whether the file system root in the environment was set. */
static int
topology_set_source(hwloc_topology_t topology, const struct machine_source *source, bool *fsroot)
{
	char path[HOSTFS_PATH_MAX], text[256];

	*fsroot = false;
	if (source->topology != NULL) {
		return hwloc_topology_set_synthetic(topology, source->topology);
	}
	if (hostfs_live(&source->host)) {
		return 0;
	}
	if (hostfs_exists(&source->host, "topology.xml")) {
		return hwloc_topology_set_xml(topology,
		                              hostfs_path(&source->host, path, "topology.xml"));
	}
	if (hostfs_read(&source->host, text, sizeof(text), "topology") > 0) {
		return hwloc_topology_set_synthetic(topology, text);
	}
	if (!hostfs_exists(&source->host, "sys/devices/system/cpu/cpu0/topology")) {
		return -1;
	}
	/* hwloc takes another root through its environment only. */
	*fsroot = setenv("HWLOC_FSROOT", source->host.root, 1) == 0;
	return *fsroot ? 0 : -1;
}

static int
topology_load(hwloc_topology_t *topology, const struct machine_source *source)
{
	bool fsroot = false;
	int error = 0;

	if (hwloc_topology_init(topology) != 0) {
		return -ENOMEM;
	}
	/* Also what this process may not use: it is there, and a message can say so. */
	hwloc_topology_set_flags(*topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	if (topology_set_source(*topology, source, &fsroot) != 0 ||
	    hwloc_topology_load(*topology) != 0) {
		error = -EINVAL;
	}
	if (fsroot) {
		unsetenv("HWLOC_FSROOT");
	}
	if (error != 0) {
		hwloc_topology_destroy(*topology);
	}
	return error;
}

/* The index of the object of this type and depth that holds the CPU. */
static uint32_t
topology_index(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_obj_t pu)
{
	hwloc_obj_t object = hwloc_get_ancestor_obj_by_type(topology, type, pu);

	return object != NULL ? object->logical_index : MACHINE_NONE;
}

static uint32_t
topology_node_of(const struct machine *machine, uint32_t cpu)
{
	for (uint32_t i = 0; i < machine->node_count; i++) {
		if (cpus_has(&machine->node[i].cpus, cpu)) {
			return i;
		}
	}
	return 0;
}

static void
topology_read_nodes(struct machine *machine, hwloc_topology_t topology)
{
	int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);

	for (int i = 0; i < count && machine->node_count < MACHINE_NODES_MAX; i++) {
		struct machine_node *node = &machine->node[machine->node_count];
		hwloc_obj_t object =
		    hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, (unsigned)i);

		node->number = object->os_index;
		node->memory_bytes = object->attr->numanode.local_memory;
		CPU_ZERO(&node->cpus);
		for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
			if (hwloc_bitmap_isset(object->cpuset, cpu)) {
				CPU_SET(cpu, &node->cpus);
			}
		}
		/* A node of memory only (CXL, HBM beside DRAM) would claim CPUs twice: it is last.
		 */
		machine->node_count++;
	}
}

static void
topology_read_distances(struct machine *machine, hwloc_topology_t topology)
{
	struct hwloc_distances_s *distances = NULL;
	unsigned count = 1;

	for (uint32_t a = 0; a < machine->node_count; a++) {
		for (uint32_t b = 0; b < machine->node_count; b++) {
			machine->node[a].distance[b] =
			    a == b ? TOPOLOGY_DISTANCE_SELF : TOPOLOGY_DISTANCE_OTHER;
		}
	}
	if (hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &count, &distances,
	                                HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
	    count == 0) {
		return;
	}
	for (unsigned a = 0; a < distances->nbobjs; a++) {
		for (unsigned b = 0; b < distances->nbobjs; b++) {
			uint32_t from = distances->objs[a]->logical_index;
			uint32_t to = distances->objs[b]->logical_index;

			if (from < machine->node_count && to < machine->node_count) {
				machine->node[from].distance[to] =
				    (uint32_t)distances->values[a * distances->nbobjs + b];
			}
		}
	}
	hwloc_distances_release(topology, distances);
}

static void
topology_read_cpus(struct machine *machine, hwloc_topology_t topology)
{
	int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);

	for (int i = 0; i < count; i++) {
		hwloc_obj_t pu = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, (unsigned)i);
		hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
		struct machine_cpu *cpu;

		if (pu->os_index >= CPUS_MAX) {
			continue;
		}
		cpu = &machine->cpu[pu->os_index];
		cpu->online = true;
		cpu->core = core != NULL ? core->logical_index : pu->logical_index;
		cpu->smt = core != NULL ? pu->sibling_rank : 0;
		cpu->l2 = topology_index(topology, HWLOC_OBJ_L2CACHE, pu);
		cpu->l3 = topology_index(topology, HWLOC_OBJ_L3CACHE, pu);
		cpu->node = topology_node_of(machine, pu->os_index);
	}
}

int
machine_topology_read(struct machine *machine, const struct machine_source *source)
{
	hwloc_topology_t topology;
	int error = topology_load(&topology, source);

	if (error != 0) {
		return error;
	}
	topology_read_nodes(machine, topology);
	topology_read_distances(machine, topology);
	topology_read_cpus(machine, topology);
	hwloc_topology_destroy(topology);
	return 0;
}
