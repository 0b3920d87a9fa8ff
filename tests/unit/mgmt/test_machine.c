/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/machine.c: recorded hosts, synthetic topologies, this machine, and nothing at all. */
#include "mgmt/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/mgmt/host_source.h"

static struct machine machine;

static void
read_host(const char *name)
{
	char root[512];
	struct machine_source source = { .host = { .root = host_source(name, root) } };

	assert_int_equal(machine_read(&machine, &source), 0);
}

static void
read_synthetic(const char *topology)
{
	struct machine_source source = { .host = { .root = "/nonexistent" }, .topology = topology };

	assert_int_equal(machine_read(&machine, &source), 0);
}

static const char *
picked_near(uint32_t home, uint32_t count)
{
	static char text[256];
	uint32_t cpu[64];
	size_t used = 0;

	count = machine_pick(&machine, home, cpu, count);
	text[0] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", i > 0 ? " " : "",
		                         cpu[i]);
	}
	return text;
}

static const char *
picked(uint32_t count)
{
	return picked_near(MACHINE_NONE, count);
}

static void
test_vm(void **state)
{
	(void)state;
	read_host("vm");
	assert_true(machine.topology_known);
	assert_int_equal(machine.cpu_count, 2);
	assert_int_equal(machine.core_count, 2);
	assert_int_equal(machine.allowed_count, 2);
	assert_int_equal(machine.node_count, 1);
	assert_int_equal(machine_distance(&machine, 0, 1), MACHINE_SAME_L3);
	assert_true(machine.root);
	assert_int_equal(machine.node[0].huge_count, 2);
	assert_int_equal(machine.node[0].huge[0].page_bytes, 2u << 20);
	assert_int_equal(machine_huge_free(&machine, MACHINE_NONE), 0);
	assert_int_equal(machine.nic_count, 1);
	assert_string_equal(machine.nic[0].pci, "0000:00:03.0");
	/* A virtio device keeps its interface one level down. */
	assert_string_equal(machine.nic[0].interface, "eth0");
	assert_string_equal(machine.nic[0].driver, "virtio-pci");
	assert_int_equal(machine.nic[0].node, MACHINE_NONE);
	assert_int_equal(machine.interface_count, 4);
	assert_string_equal(picked(2), "0 1");
}

static void
test_server(void **state)
{
	cpu_set_t set;
	char text[128];

	(void)state;
	read_host("server");
	assert_int_equal(machine.cpu_count, 32);
	assert_int_equal(machine.core_count, 16);
	assert_int_equal(machine.usable_count, 32);
	assert_int_equal(machine.allowed_count, 20);
	assert_int_equal(machine.node_count, 2);
	assert_int_equal(machine.node[0].distance[1], 21);
	assert_string_equal(cpus_format(&machine.node[1].cpus, text, sizeof(text)), "8-15,24-31");
	assert_int_equal(machine_distance(&machine, 0, 16), MACHINE_SAME_CORE);
	assert_int_equal(machine.cpu[16].smt, 1);
	assert_int_equal(machine_distance(&machine, 0, 7), MACHINE_SAME_L3);
	assert_int_equal(machine_distance(&machine, 0, 8), MACHINE_OTHER_NODE);
	assert_true(machine.cpu[2].isolated);
	assert_false(machine.cpu[2].allowed);
	assert_false(machine.root);
	assert_int_equal(machine_huge_free(&machine, 0), 8ull << 30);
	assert_int_equal(machine_huge_free(&machine, 1), 0);
	assert_int_equal(machine_huge_free(&machine, MACHINE_NONE), 8ull << 30);
	assert_int_equal(machine.nic_count, 3);
	assert_string_equal(machine.nic[0].pci, "0000:18:00.0");
	assert_string_equal(machine.nic[1].pci, "0000:3b:00.0");
	for (uint32_t i = 0; i < 3; i++) {
		bool second = strcmp(machine.nic[i].pci, "0000:af:00.0") == 0;

		assert_int_equal(machine.nic[i].node, second ? 1 : 0);
	}
	/* Nobody narrowed the affinity: the isolated CPUs come first, one node before the other. */
	assert_string_equal(picked(8), "2 3 4 5 6 7 10 11");
	/* Where the ports are before where most of them are; isolated ones all the same. */
	assert_string_equal(picked_near(0, 3), "2 3 4");
	assert_string_equal(picked_near(1, 3), "10 11 12");
	assert_string_equal(picked_near(1, 8), "10 11 12 13 14 15 2 3");
	machine_usable(&machine, &set);
	assert_int_equal(cpus_count(&set), 32);
	machine_allowed(&machine, &set);
	assert_int_equal(cpus_count(&set), 20);
	assert_int_equal(machine_node_of(&machine, &set), MACHINE_NONE);
}

static void
test_laptop(void **state)
{
	(void)state;
	read_host("laptop");
	assert_int_equal(machine.core_count, 4);
	assert_int_equal(machine.cpu_count, 8);
	/* Whole cores before the second threads of any. */
	assert_string_equal(picked(6), "0 1 2 3 4 5");
	assert_int_equal(machine.cpu[4].smt, 1);
}

static void
test_container(void **state)
{
	char root[512];
	struct machine_source source = { .host = { .root = host_source("container", root) } };

	(void)state;
	assert_int_equal(machine_read(&machine, &source), -ENODEV);
	assert_false(machine.topology_known);
}

static void
write_file(const char *root, const char *file, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", root, file);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* A container that shows /proc but no topology: each CPU counts as a core. */
static void
test_limits_without_topology(void **state)
{
	char root[] = "/tmp/lodemill-machine-XXXXXX", command[64];
	struct machine_source source = { .host = { .root = root } };

	(void)state;
	assert_non_null(mkdtemp(root));
	write_file(root, "sys/devices/system/cpu/online", "0-7\n");
	write_file(root, "proc/self/status", "Uid:\t0\t1000\t0\t0\nCpus_allowed_list:\t2-5\n");
	write_file(root, "proc/self/cgroup", "3:cpuset:/docker/abc\n0::/docker/abc\n");
	write_file(root, "sys/fs/cgroup/cpuset/cpuset.effective_cpus", "0-4\n");
	assert_int_equal(machine_read(&machine, &source), 0);
	assert_false(machine.topology_known);
	assert_int_equal(machine.cpu_count, 8);
	assert_int_equal(machine.core_count, 8);
	assert_int_equal(machine.usable_count, 5);
	assert_int_equal(machine.allowed_count, 3);
	assert_false(machine.root);
	/* The affinity was narrowed by somebody, so it is kept to. */
	assert_string_equal(picked(4), "2 3 4");

	/* The group's own file, where it is visible, wins over the one above. */
	write_file(root, "sys/fs/cgroup/docker/abc/cpuset.cpus.effective", "3\n");
	write_file(root, "proc/self/cgroup", "0::/docker/abc/inner\n");
	assert_int_equal(machine_read(&machine, &source), 0);
	assert_int_equal(machine.usable_count, 1);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void
test_synthetic(void **state)
{
	(void)state;
	read_synthetic("numa:2 l3:2 l2:2 core:1 pu:2");
	assert_int_equal(machine.cpu_count, 16);
	assert_int_equal(machine_distance(&machine, 0, 0), MACHINE_SAME_CPU);
	assert_int_equal(machine_distance(&machine, 0, 1), MACHINE_SAME_CORE);
	assert_int_equal(machine_distance(&machine, 0, 2), MACHINE_SAME_L3);
	assert_int_equal(machine_distance(&machine, 0, 4), MACHINE_SAME_NODE);
	assert_int_equal(machine_distance(&machine, 0, 8), MACHINE_OTHER_NODE);
	read_synthetic("numa:1 l3:1 l2:2 core:2 pu:1");
	assert_int_equal(machine_distance(&machine, 0, 1), MACHINE_SAME_L2);
	assert_int_equal(machine_distance(&machine, 0, 2), MACHINE_SAME_L3);
}

static void
test_this_machine(void **state)
{
	struct machine_source source = { .host = { .root = "" } };
	cpu_set_t affinity, allowed;

	(void)state;
	assert_int_equal(machine_read(&machine, &source), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(affinity), &affinity), 0);
	machine_allowed(&machine, &allowed);
	assert_true(CPU_EQUAL(&affinity, &allowed));
	assert_int_equal(machine.root, geteuid() == 0);
	assert_true(machine.memory_bytes > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_laptop),
		cmocka_unit_test(test_container),
		cmocka_unit_test(test_limits_without_topology),
		cmocka_unit_test(test_synthetic),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
