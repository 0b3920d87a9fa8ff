/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/eal_args.c: what is added to what people type, and what is refused before EAL sees it. */
#include "mgmt/eal_args.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/mgmt/host_source.h"

#define WORDS_MAX 16

/* What every line ends with when nothing is said about these. */
#define TAIL "--file-prefix=lodemill-42 --log-level=lib.eal:error --log-level=lib.telemetry:error"

static struct machine machine;
static struct eal_args args;
static struct eal_report report;
static struct eal_needs needs;

static int
set_up(void **state)
{
	char root[512];
	struct machine_source source = { .host = { .root = host_source("vm", root) } };

	(void)state;
	needs = (struct eal_needs){ .program = "lodemill", .process = 42, .home = MACHINE_NONE };
	return machine_read(&machine, &source);
}

static int
tear_down(void **state)
{
	(void)state;
	eal_args_free(&args);
	return 0;
}

/* Builds from a line whose words are parted by one blank each. */
static int
build(const char *line)
{
	char text[512], *words[WORDS_MAX], *rest = text;
	int count = 0;

	eal_args_free(&args);
	memset(&report, 0, sizeof(report));
	snprintf(text, sizeof(text), "%s", line);
	while (rest != NULL && *rest != '\0') {
		words[count++] = strsep(&rest, " ");
	}
	return eal_args_build(&args, count, words, &needs, &machine, &report);
}

static const char *
line(void)
{
	static char text[2048];

	return eal_args_line(&args, text, sizeof(text));
}

/* What is built from the line, without the program's name. */
static void
check_built(const char *typed, const char *built)
{
	if (build(typed) != 0) {
		fail_msg("%s: %s", typed, report.finding[0].text);
	}
	assert_string_equal(line() + strlen("lodemill "), built);
	assert_null(args.argv[args.argc]);
}

static const struct eal_finding *
first(enum eal_level level)
{
	for (uint32_t i = 0; i < report.count; i++) {
		if (report.finding[i].level == level) {
			return &report.finding[i];
		}
	}
	return NULL;
}

static bool
noted(const char *text)
{
	for (uint32_t i = 0; i < report.count; i++) {
		if (report.finding[i].level == EAL_NOTE &&
		    strstr(report.finding[i].text, text) != NULL) {
			return true;
		}
	}
	return false;
}

/* The first error, and that it is the only one. */
static void
check_refused(const char *typed, const char *text, const char *help)
{
	const struct eal_finding *error;

	assert_int_equal(build(typed), -EINVAL);
	error = first(EAL_ERROR);
	assert_non_null(error);
	assert_string_equal(error->text, text);
	assert_string_equal(error->help, help);
	assert_int_equal(report.errors, 1);
}

static void
give_pages(uint32_t node, uint64_t pages)
{
	machine.node[node].huge[0].free = pages;
	machine.node[node].huge[0].total = pages;
}

static void
test_nothing_typed(void **state)
{
	(void)state;
	check_built("", "-l 0-1 --no-huge -m 512 --no-shconf --no-pci " TAIL);
	assert_int_equal(args.lcores.count, 2);
	assert_int_equal(args.lcores.main, 0);
	assert_false(args.hugepages);
	assert_false(args.pci);
	assert_int_equal(args.memory_mb, 512);
	assert_string_equal(args.file_prefix, "lodemill-42");
	assert_true(args.own_prefix);
	assert_true(noted("no hugepages are free: running on normal pages"));
	assert_true(noted("PCI devices are left alone"));
	for (uint32_t i = 0; i < report.count; i++) {
		if (strstr(report.finding[i].text, "hugepages") != NULL) {
			assert_string_equal(
			    report.finding[i].help,
			    "`echo 256 > /proc/sys/vm/nr_hugepages` makes it faster");
		}
	}
}

static void
test_hugepages(void **state)
{
	(void)state;
	give_pages(0, 1024);
	check_built("", "-l 0-1 --in-memory --no-pci " TAIL);
	assert_true(args.hugepages);
	check_built("--socket-mem=512", "--socket-mem=512 -l 0-1 --in-memory --no-pci " TAIL);
	assert_int_equal(args.memory_mb, 512);
	check_built("-m 2048", "-m 2048 -l 0-1 --in-memory --no-pci " TAIL);
	/* What excludes --in-memory, or makes no sense with it. */
	check_built("--legacy-mem", "--legacy-mem -l 0-1 --no-pci " TAIL);
	check_built("--huge-dir /dev/hugepages", "--huge-dir /dev/hugepages -l 0-1 --no-pci " TAIL);
	check_built("--huge-unlink=never", "--huge-unlink=never -l 0-1 --no-pci " TAIL);
	check_built("--proc-type primary", "--proc-type primary -l 0-1 --no-pci " TAIL);
	/* Fewer than needed: better all on normal pages than a failure in the middle. */
	give_pages(0, 100);
	check_built("", "-l 0-1 --no-huge -m 512 --no-shconf --no-pci " TAIL);
	assert_true(noted("200 MB of hugepages are free, 512 MB are needed"));
	needs.memory_mb = 150;
	check_built("", "-l 0-1 --in-memory --no-pci " TAIL);
}

static void
test_hugepages_missing(void **state)
{
	(void)state;
	check_refused("-m 4096", "hugepages are asked for, none are free",
	              "`echo 2048 > /proc/sys/vm/nr_hugepages`, or run on normal pages: --no-huge");
	check_refused("--in-memory", "hugepages are asked for, none are free",
	              "`echo 256 > /proc/sys/vm/nr_hugepages`, or run on normal pages: --no-huge");
	check_refused("--socket-mem 64", "64 MB asked on node 0, 0 MB of hugepages free there",
	              "`echo 32 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
	              "nr_hugepages`");
	give_pages(0, 32);
	check_refused("-m 100", "100 MB asked, 64 MB of hugepages free",
	              "`echo 50 > /proc/sys/vm/nr_hugepages`, or run on normal pages: --no-huge");
	check_refused("--socket-mem 32,32", "there is no NUMA node 1",
	              "this machine has 1: give as many numbers");
	/* Pages that others hold are to be added to. */
	machine.node[0].huge[0].total = 132;
	check_refused("-m 100", "100 MB asked, 64 MB of hugepages free",
	              "`echo 150 > /proc/sys/vm/nr_hugepages`, or run on normal pages: --no-huge");
}

static void
test_normal_pages_typed(void **state)
{
	(void)state;
	check_built("--no-huge", "--no-huge -l 0-1 -m 512 --no-shconf --no-pci " TAIL);
	check_built("--no-huge -m 64", "--no-huge -m 64 -l 0-1 --no-shconf --no-pci " TAIL);
	assert_int_equal(args.memory_mb, 64);
	machine.available_bytes = 1000ull << 20;
	check_refused("--no-huge -m 2000", "2000 MB asked, 1000 MB of memory available",
	              "use -m 875 at most");
	check_refused("-m x --no-huge", "\"x\" is not a number of megabytes",
	              "EAL takes a plain number: -m 1024");
	check_refused("--no-huge -m 1G", "\"1G\" is not a number of megabytes",
	              "EAL takes a plain number: -m 1024");
	/* EAL would speak of --legacy-mem, which nobody typed. */
	check_refused("--no-huge --in-memory", "--in-memory does not go with --no-huge",
	              "leave --in-memory out, or drop --no-huge to run on hugepages");
	check_refused("-m 1 --socket-mem 1", "-m and --socket-mem exclude each other",
	              "--socket-mem says how much on each NUMA node, -m how much in all");
}

static void
test_lcores_typed(void **state)
{
	(void)state;
	check_built("-l 1", "-l 1 --no-huge -m 512 --no-shconf --no-pci " TAIL);
	assert_int_equal(args.lcores.lcore[0].number, 1);
	assert_int_equal(args.lcores.main, 1);
	check_built("--lcores (0-3)@0",
	            "--lcores '(0-3)@0' --no-huge -m 512 --no-shconf --no-pci " TAIL);
	assert_int_equal(args.lcores.count, 4);
	assert_true(args.lcores.lcore[3].shares_cpu);
	assert_true(noted("4 lcores share CPUs"));
	check_built("-c 0x3 --main-lcore 1",
	            "-c 0x3 --main-lcore 1 --no-huge -m 512 --no-shconf --no-pci " TAIL);
	assert_int_equal(args.lcores.main, 1);
	assert_int_equal(build("--lcores (0,1)@(0-1)"), 0);
	assert_true(noted("2 lcores may be moved between CPUs by the kernel"));
}

static void
test_lcores_refused(void **state)
{
	(void)state;
	check_refused("-l 0-7", "8 cores asked, 2 usable",
	              "use -l 0-1, or let lcores share a CPU: --lcores '(0-7)@0'");
	assert_string_equal(first(EAL_ERROR)->where, "-l 0-7");
	assert_string_equal(first(EAL_ERROR)->detail, "CPU 2-7: not there (usable: 0-1)");
	check_refused("-l 5", "CPU 5 cannot be used", "use -l 0");
	check_refused("-l 0,0", "lcore 0 is named twice", "name each one once");
	check_refused("--lcores 0-1@0-1", "a range of lcores before \"@\"",
	              "put the range in parentheses: '(0-3)@0'");
	check_refused("-c 0xff", "8 cores asked, 2 usable",
	              "use -l 0-1, or let lcores share a CPU: --lcores '(0-7)@0'");
	check_refused("-l 0 --lcores 0@1", "lcores are named twice: -l 0 and --lcores=0@1",
	              "leave one of them out");
	check_refused("-l 0 --main-lcore 1", "the main lcore is none of the lcores",
	              "the lcores are 0");
	check_refused("-l 130", "lcore 130 is too high: the highest is 127",
	              "number lcores from 0 and say the CPU: --lcores 0@128,1@129");
	needs.lcores = 129;
	check_refused("", "129 lcores asked; this DPDK has 128 at most", "");
}

static void
test_lcores_of_a_container(void **state)
{
	(void)state;
	machine.cpu[1].usable = machine.cpu[1].allowed = false;
	machine.usable_count = machine.allowed_count = 1;
	check_built("", "-l 0 --no-huge -m 512 --no-shconf --no-pci " TAIL);
	check_refused("-l 1", "CPU 1 cannot be used", "use -l 0");
	assert_string_equal(first(EAL_ERROR)->detail,
	                    "CPU 1: there, but closed to this process's cgroup (open: 0)");
	/* Outside the affinity only: EAL pins there all the same. */
	machine.cpu[1].usable = true;
	machine.usable_count = 2;
	assert_int_equal(build("-l 1"), 0);
	assert_true(noted("CPU 1 is outside the affinity"));
}

static void
test_lcores_wanted(void **state)
{
	(void)state;
	needs.lcores = 1;
	check_built("", "-l 0 --no-huge -m 512 --no-shconf --no-pci " TAIL);
	needs.lcores = 4;
	check_built("", "--lcores 0@0,1@1,2@0,3@1 --no-huge -m 512 --no-shconf --no-pci " TAIL);
	assert_int_equal(args.lcores.count, 4);
	/* A CPU past the numbers of lcores. */
	machine.cpu[200] = machine.cpu[1];
	machine.cpu[1].usable = machine.cpu[1].allowed = machine.cpu[1].online = false;
	machine.cpu_end = 201;
	needs.lcores = 2;
	check_built("", "--lcores 0@0,1@200 --no-huge -m 512 --no-shconf --no-pci " TAIL);
}

static void
test_lcores_of_a_server(void **state)
{
	char root[512];
	struct machine_source source = { .host = { .root = host_source("server", root) } };

	(void)state;
	assert_int_equal(machine_read(&machine, &source), 0);
	/* Isolated cores first; vfio-pci devices are there, so PCI stays on. */
	check_built("", "-l 2-3 --in-memory " TAIL);
	assert_true(args.pci);
	assert_int_equal(args.lcores.lcore[0].node, 0);
	needs.home = 1;
	check_built("", "-l 10-11 --in-memory " TAIL);
	assert_int_equal(args.lcores.lcore[0].node, 1);
	check_built("-l 2", "-l 2 --in-memory " TAIL);
	needs.home = MACHINE_NONE;
	needs.lcores = 8;
	check_built("-a af:00.0", "-a af:00.0 -l 2-7,10-11 --in-memory " TAIL);
	assert_int_equal(args.lcores.lcore[7].node, 1);
	check_built("--no-pci", "--no-pci -l 2-7,10-11 --in-memory " TAIL);
	check_built("-b 0000:3b:00.0", "-b 0000:3b:00.0 -l 2-7,10-11 --in-memory " TAIL);
	check_refused("-a 0000:18:00.0",
	              "0000:18:00.0 belongs to the kernel (driver ixgbe, interface eno1)",
	              "dpdk-devbind.py -b vfio-pci 0000:18:00.0; the kernel loses it, so never the "
	              "one you are connected through");
	check_refused("-a 18:0.0,x=1",
	              "0000:18:00.0 belongs to the kernel (driver ixgbe, interface eno1)",
	              "dpdk-devbind.py -b vfio-pci 0000:18:00.0; the kernel loses it, so never the "
	              "one you are connected through");
	/* Not on the PCI bus: not looked at. */
	assert_int_equal(build("-a auxiliary:mlx5_core.sf.1"), 0);
	assert_int_equal(build("-a 18:00"), 0);
	assert_int_equal(build("-a 0000:99:00.0"), 0);
	assert_true(noted("there is no network device at 0000:99:00.0"));
	assert_int_equal(build("-a 0000:3b:00.0 -b 0000:af:00.0"), -EINVAL);
}

static void
test_unknown_options(void **state)
{
	(void)state;
	check_refused("--file-prefx a", "EAL has no option --file-prefx",
	              "did you mean --file-prefix?");
	check_refused("--vdevs=net_null0", "EAL has no option --vdevs", "did you mean --vdev?");
	check_refused("-x", "EAL has no option -x", "");
	check_refused("-vdev net_null0", "\"-vdev\" has one dash only", "write --vdev");
	check_refused("--l 0", "--l could be several options",
	              "one of --lcores, --log-level, --legacy-mem");
	check_refused("--vdev", "--vdev needs a value", "write --vdev=VALUE");
	check_refused("-l", "-l needs a value", "");
	check_refused("--no-pci=1", "--no-pci takes no value", "write --no-pci alone");
	check_refused("job.yaml", "\"job.yaml\" is not an option of EAL",
	              "EAL's options and the rest of the command line are separated by \"--\"");
	check_refused("--proc-type=secondary", "the engine runs as a primary process only",
	              "leave --proc-type out");
	check_refused("--iova-mode=xa", "\"xa\" is not a value of this option", "one of pa, va");
	check_refused("--file-prefix a/b", "a file prefix is a name without \"/\"", "");
}

/* Names may be shortened, short options bundled, values glued on: as getopt_long does. */
static void
test_ways_to_type(void **state)
{
	(void)state;
	assert_int_equal(build("-l0 -vm64 --no-hu --file-pref=x --lo=lib.eal:8"), 0);
	assert_int_equal(args.memory_mb, 64);
	assert_int_equal(args.lcores.count, 1);
	assert_string_equal(args.file_prefix, "x");
	assert_false(args.own_prefix);
	assert_string_equal(line(), "lodemill -l0 -vm64 --no-hu --file-pref=x --lo=lib.eal:8 "
	                            "--no-shconf --no-pci");
}

static void
test_vdevs(void **state)
{
	(void)state;
	assert_int_equal(build("--vdev net_null0,size=64,copy=1"), 0);
	assert_int_equal(build("--vdev eth_null"), 0);
	assert_int_equal(build("--vdev virtio_user0,path=/x"), 0);
	assert_int_equal(build("--vdev crypto_null0"), 0);
	assert_int_equal(build("--vdev net_bonding0,slave=0000:01:00.0,anything=1"), 0);
	check_refused("--vdev net_pacp0", "DPDK has no virtual driver \"net_pacp\"",
	              "did you mean net_pcap0?");
	check_refused("--vdev=pcap0,iface=lo", "DPDK has no virtual driver \"pcap\"",
	              "did you mean net_pcap0?");
	/* It may come from a library of the user's own. */
	assert_int_equal(build("-d libmine.so --vdev net_mine0"), 0);
	check_refused("--vdev net_null0,sze=3", "net_null has no parameter \"sze\"",
	              "did you mean size?");
	check_refused("--vdev net_ring0,x=3", "net_ring has no parameter \"x\"",
	              "it has nodeaction, internal");
	check_refused("--vdev net_af_packet0", "net_af_packet is not told what to read from",
	              "write --vdev net_af_packet0,iface=IF");
}

static void
test_interfaces(void **state)
{
	(void)state;
	assert_int_equal(build("--vdev net_af_packet0,iface=eth0"), 0);
	check_refused("--vdev net_pcap0,iface=eth1", "there is no interface \"eth1\"",
	              "did you mean eth0?");
	assert_string_equal(first(EAL_ERROR)->detail, "there are eth0, ifb0, ifb1, lo");
	/* These make the interface. */
	assert_int_equal(build("--vdev net_tap0,iface=tap7"), 0);
	assert_int_equal(build("--vdev net_failsafe0,dev(net_tap0,remote=eth0),mac=1"), 0);
	check_refused("--vdev net_tap0,remote=eth7", "there is no interface \"eth7\"",
	              "did you mean eth0?");
	machine.capabilities = 0;
	check_refused("--vdev net_af_packet0,iface=eth0",
	              "net_af_packet needs the right to open packet sockets",
	              "run as root, or give the program CAP_NET_RAW: setcap cap_net_raw+ep FILE");
	assert_int_equal(build("--vdev net_tap0"), -EINVAL);
}

static void
test_captures(void **state)
{
	static const uint32_t head[6] = { 0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1 };
	char path[] = "/tmp/lodemill-args-XXXXXX", typed[128], text[128];
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	snprintf(typed, sizeof(typed), "--vdev=net_pcap0,rx_pcap=%s", path);
	snprintf(text, sizeof(text), "%s is empty", path);
	check_refused(typed, text, "");
	assert_int_equal(write(file, head, sizeof(head)), sizeof(head));
	close(file);
	assert_int_equal(build(typed), 0);
	/* Every one of several is looked at. */
	snprintf(typed, sizeof(typed), "--vdev=net_pcap0,rx_pcap=%s,rx_pcap=none.pcap", path);
	check_refused(typed, "none.pcap does not exist", "");
	assert_string_equal(first(EAL_ERROR)->detail, "looked for in the current folder");
	unlink(path);
	check_refused("--vdev=net_pcap0,rx_iface=lo,tx_pcap=/nonexistent/x.pcap",
	              "/nonexistent/x.pcap cannot be written: No such file or directory", "");
}

static void
test_printed(void **state)
{
	char text[1024] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_int_equal(build("-l 0-7"), -EINVAL);
	eal_report_print(&report, false, false, out);
	fclose(out);
	assert_string_equal(
	    text, "error: 8 cores asked, 2 usable\n"
		  "  --> EAL option -l 0-7\n"
		  "   |  CPU 2-7: not there (usable: 0-1)\n"
		  "   = help: use -l 0-1, or let lcores share a CPU: --lcores '(0-7)@0'\n");
}

static void
test_too_many_findings(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	for (uint32_t i = 0; i < EAL_FINDINGS_MAX + 5; i++) {
		eal_report_add(&report, EAL_ERROR, NULL, "%u", i);
	}
	assert_int_equal(report.count, EAL_FINDINGS_MAX);
	assert_int_equal(report.lost, 5);
	assert_int_equal(report.errors, EAL_FINDINGS_MAX + 5);
}

static void
test_clean(void **state)
{
	char root[] = "/tmp/lodemill-clean-XXXXXX", folder[64], file[192];

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(build(""), 0);
	snprintf(folder, sizeof(folder), "%s/lodemill-42", root);
	snprintf(file, sizeof(file), "mkdir %s && touch %s/config", folder, folder);
	assert_int_equal(system(file), 0);
	/* Not its own folder: left alone. */
	eal_args_clean(&args, root);
	assert_int_equal(access(folder, F_OK), 0);
	eal_args_clean(&args, folder);
	assert_int_equal(access(folder, F_OK), -1);
	assert_int_equal(rmdir(root), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_typed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hugepages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hugepages_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_normal_pages_typed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lcores_typed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lcores_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lcores_of_a_container, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lcores_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lcores_of_a_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_options, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ways_to_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_vdevs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_interfaces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_captures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_printed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_findings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clean, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
