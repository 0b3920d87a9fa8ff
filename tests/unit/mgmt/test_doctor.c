/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mgmt/doctor.c: what is said of the recorded hosts, word for word
 * (tests/data/hosts/<name>/doctor.txt; when a check changes on purpose, LODEMILL_GOLDEN=write
 * writes those files anew), and the checks that need more.
 */
#include "mgmt/doctor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mgmt/dimms.h"
#include "mgmt/jitter.h"
#include "tests/unit/mgmt/host_source.h"

static struct doctor_report report;
static char why[200];

static struct doctor_options
options_of(const char *root)
{
	return (struct doctor_options){ .host = { .root = root },
		                        .dpdk_version = "DPDK 22.11.11",
		                        .compiled = ISA_V2 };
}

static const struct doctor_check *
check_of(const char *id)
{
	for (uint32_t i = 0; i < report.count; i++) {
		if (strcmp(report.check[i].id, id) == 0) {
			return &report.check[i];
		}
	}
	fail_msg("there is no check %s", id);
	return NULL;
}

static void
show(char *text, size_t size)
{
	size_t used = 0;

	for (uint32_t i = 0; i < report.count && used < size; i++) {
		const struct doctor_check *check = &report.check[i];

		used += (size_t)snprintf(text + used, size - used, "%s %s: %s\n", check->id,
		                         doctor_level_name(check->level), check->found);
		if (check->cost[0] != '\0') {
			used +=
			    (size_t)snprintf(text + used, size - used, "\tcost: %s\n", check->cost);
		}
		if (check->fix[0] != '\0') {
			used +=
			    (size_t)snprintf(text + used, size - used, "\tfix%s: %s\n",
			                     check->reboot ? ", with a restart" : "", check->fix);
		}
	}
	assert_true(used < size);
}

static void
check_host(const char *name)
{
	static char shown[16384], golden[16384];
	char root[512], path[600];
	const char *write = getenv("LODEMILL_GOLDEN");
	struct doctor_options options = options_of(host_source(name, root));
	size_t length = 0;
	FILE *file;

	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	show(shown, sizeof(shown));
	snprintf(path, sizeof(path), "%s/doctor.txt", root);
	if (write != NULL && strcmp(write, "write") == 0) {
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(shown, file);
		fclose(file);
	}
	file = fopen(path, "r");
	if (file == NULL) {
		fail_msg("%s cannot be read", path);
	}
	length = fread(golden, 1, sizeof(golden) - 1, file);
	golden[length] = '\0';
	fclose(file);
	assert_string_equal(shown, golden);
}

static void
test_vm(void **state)
{
	(void)state;
	check_host("vm");
	assert_int_equal(doctor_status(&report, false), 0);
	assert_int_equal(doctor_status(&report, true), 1);
}

static void
test_server(void **state)
{
	(void)state;
	check_host("server");
	assert_true(report.cores_chosen);
	assert_int_equal(cpus_count(&report.cores), 12);
}

static void
test_laptop(void **state)
{
	(void)state;
	check_host("laptop");
}

static void
test_container(void **state)
{
	(void)state;
	check_host("container");
	assert_int_equal(report.at_level[DOCTOR_WARN], 0);
	assert_int_equal(report.at_level[DOCTOR_FAIL], 0);
	assert_int_equal(doctor_status(&report, true), 0);
}

static void
test_cores_given(void **state)
{
	char root[512];
	struct doctor_options options = options_of(host_source("server", root));

	(void)state;
	options.cores = "3,19";
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	assert_int_equal(check_of("cpu.smt")->level, DOCTOR_WARN);
	assert_string_equal(check_of("cpu.smt")->found, "CPUs 3 and 19 are threads of one core");
	assert_int_equal(check_of("cpu.isolated")->level, DOCTOR_WARN);
	/* Only of nodes where something runs are pages wanted. */
	assert_int_equal(check_of("mem.huge.node")->level, DOCTOR_PASS);

	options.cores = "30-40";
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	assert_int_equal(check_of("cpu.count")->level, DOCTOR_FAIL);
	assert_string_equal(check_of("cpu.count")->found,
	                    "11 cores asked (30-40), 2 of them usable (0-31)");
	assert_int_equal(doctor_status(&report, false), 2);

	options.cores = "x";
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "--cores x is not a list of CPUs, such as 2-5,8");
}

static void
test_nic_on_the_other_node(void **state)
{
	char root[512];
	struct doctor_options options = options_of(host_source("server", root));

	(void)state;
	options.cores = "2-3";
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	assert_string_equal(check_of("mem.numa")->found,
	                    "NIC 0000:af:00.0 is on node 1, where none of the cores is");
	/* 4,711 interrupts on CPU 3 are still sent there; the 9,000 on CPU 4 no longer. */
	assert_int_equal(check_of("cpu.irq")->level, DOCTOR_WARN);
	options.cores = "4-5";
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	assert_int_equal(check_of("cpu.irq")->level, DOCTOR_PASS);
}

static void
test_built_for_another_cpu(void **state)
{
	char root[512];
	struct doctor_options options = options_of(host_source("laptop", root));

	(void)state;
	options.compiled = ISA_V4;
	options.dpdk_version = "DPDK 22.11.4";
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	assert_int_equal(check_of("cpu.flags")->level, DOCTOR_FAIL);
	assert_int_equal(check_of("dpdk.version")->level, DOCTOR_WARN);
	options.compiled = ISA_V3;
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	assert_int_equal(check_of("cpu.flags")->level, DOCTOR_PASS);
}

/* The interface that the host is reached through is never offered for DPDK. */
static void
test_management_nic(void **state)
{
	static const char *const hosts[] = { "vm", "server", "laptop" };
	static const char *const used[] = { "0000:00:03.0", "0000:18:00.0", "0000:00:14.3" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char root[512];
		struct doctor_options options = options_of(host_source(hosts[i], root));

		assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
		assert_null(strstr(check_of("nic.bind")->fix, used[i]));
		assert_non_null(strstr(check_of("nic.inuse")->found, used[i]));
	}
}

static void
test_dimms(void **state)
{
	struct hostfs host;
	struct dimms dimms;
	char root[512];

	(void)state;
	host.root = host_source("server", root);
	assert_int_equal(dimms_read(&dimms, &host), 0);
	assert_int_equal(dimms.slots, 12);
	assert_int_equal(dimms.filled, 5);
	assert_int_equal(dimms.channels, 6);
	assert_int_equal(dimms.channels_filled, 5);
	assert_string_equal(dimms.empty, "CPU2_DIMM_C");
	host.root = host_source("laptop", root);
	assert_int_not_equal(dimms_read(&dimms, &host), 0);
}

static void
test_jitter(void **state)
{
	struct jitter result[JITTER_CPUS_MAX];
	cpu_set_t set;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (uint32_t cpu = cpus_first(&set) + 1; cpu < CPUS_MAX; cpu++) {
		CPU_CLR(cpu, &set);
	}
	assert_int_equal(jitter_measure(&set, 0.02, result), 1);
	assert_true(result[0].measured);
	assert_int_equal(result[0].cpu, cpus_first(&set));
	assert_true(result[0].total_ns >= 19999999u);
	assert_true(result[0].lost_ns <= result[0].total_ns);
	assert_true(result[0].gap_ns_max <= result[0].lost_ns);
	/* A CPU that is not there. */
	CPU_ZERO(&set);
	CPU_SET(1023, &set);
	assert_int_equal(jitter_measure(&set, 0.01, result), 1);
	assert_false(result[0].measured);
}

/* This very machine, whatever it is: every check answers, and the probe ran. */
static void
test_this_machine(void **state)
{
	struct doctor_options options = options_of("");

	(void)state;
	options.jitter_seconds = 0.02;
	assert_int_equal(doctor_run(&report, &options, why, sizeof(why)), 0);
	for (uint32_t i = 0; i < report.count; i++) {
		assert_true(report.check[i].found[0] != '\0');
		assert_false(report.check[i].level == DOCTOR_WARN &&
		             report.check[i].cost[0] == '\0');
	}
	assert_int_not_equal(check_of("cpu.jitter")->level, DOCTOR_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_laptop),
		cmocka_unit_test(test_container),
		cmocka_unit_test(test_cores_given),
		cmocka_unit_test(test_nic_on_the_other_node),
		cmocka_unit_test(test_built_for_another_cpu),
		cmocka_unit_test(test_management_nic),
		cmocka_unit_test(test_dimms),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
