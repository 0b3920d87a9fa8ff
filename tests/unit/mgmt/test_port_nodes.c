/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/port_nodes.c: the node of a port, from what was typed for EAL, before EAL runs. */
#include "mgmt/port_nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/config_load.h"
#include "tests/unit/mgmt/host_source.h"

#define WORDS_MAX 16
#define NONE MACHINE_NONE

/* A server with eno1 (ixgbe) on node 0, and bound to vfio-pci 3b:00.0 on node 0, af:00.0 on 1. */
static struct machine machine;

static int
set_up(void **state)
{
	char root[512];
	struct machine_source source = { .host = { .root = host_source("server", root) } };

	(void)state;
	return machine_read(&machine, &source);
}

static struct lm_graph *
graph_of(const char *operators, struct lm_topology **topology)
{
	struct lm_errors errors = { 0 };
	struct lm_graph *graph;
	char text[512];

	snprintf(text, sizeof(text), "name: t\noperators: {%s}\n", operators);
	*topology = config_load_text("t.yaml", text, strlen(text), NULL, &errors);
	graph = lm_graph_check(*topology, &errors);
	if (graph == NULL) {
		config_print_errors(stderr, "t.yaml", text, strlen(text), &errors, false);
	}
	lm_errors_free(&errors);
	assert_non_null(graph);
	return graph;
}

/* The nodes of all slices, "0 1 -"; and the home behind a slash. */
static const char *
nodes_of(const char *operators, const char *typed)
{
	static char shown[128];
	char text[256], *words[WORDS_MAX], *rest = text;
	struct lm_topology *topology;
	struct lm_graph *graph = graph_of(operators, &topology);
	uint32_t *node, home;
	size_t used = 0;
	int count = 0;

	snprintf(text, sizeof(text), "%s", typed);
	while (rest != NULL && *rest != '\0') {
		words[count++] = strsep(&rest, " ");
	}
	node = port_nodes_find(graph, count, words, &machine);
	assert_non_null(node);
	for (uint32_t s = 0; s < graph->slice_count; s++) {
		used +=
		    (size_t)(node[s] == NONE
		                 ? snprintf(shown + used, sizeof(shown) - used, "- ")
		                 : snprintf(shown + used, sizeof(shown) - used, "%u ", node[s]));
	}
	home = port_nodes_home(graph, node, &machine);
	snprintf(shown + used, sizeof(shown) - used, home == NONE ? "/ -" : "/ %u", home);
	free(node);
	lm_graph_free(graph);
	lm_topology_free(topology);
	return shown;
}

#define PORT(name) "a: {type: port_source, port: '" name "'}"

static void
test_by_number(void **state)
{
	(void)state;
	/* In the order of addresses, whatever the order of -a. */
	assert_string_equal(nodes_of(PORT("0"), ""), "0 / 0");
	assert_string_equal(nodes_of(PORT("1"), ""), "1 / 1");
	assert_string_equal(nodes_of(PORT("2"), ""), "- / -");
	assert_string_equal(nodes_of(PORT("1"), "-a af:00.0 -a 3b:00.0"), "1 / 1");
	assert_string_equal(nodes_of(PORT("0"), "-a 0000:af:00.0,x=1"), "1 / 1");
	assert_string_equal(nodes_of(PORT("0"), "-b 3b:00.0"), "1 / 1");
	assert_string_equal(nodes_of(PORT("0"), "--no-pci"), "- / -");
	/* A device of the kernel's is no port, named or not; one that shares is. */
	assert_string_equal(nodes_of(PORT("0"), "-a 18:00.0 -a af:00.0"), "1 / 1");
	snprintf(machine.nic[0].driver, sizeof(machine.nic[0].driver), "mlx5_core");
	machine.nic[0].node = 1;
	assert_string_equal(nodes_of(PORT("0"), ""), "1 / 1");
	assert_string_equal(nodes_of(PORT("1"), ""), "0 / 0");
	/* With none bound the bus is left alone. */
	machine.nic[1].driver[0] = machine.nic[2].driver[0] = '\0';
	assert_string_equal(nodes_of(PORT("0"), ""), "- / -");
	assert_string_equal(nodes_of(PORT("0"), "-a 18:00.0"), "1 / 1");
}

static void
test_by_name(void **state)
{
	(void)state;
	assert_string_equal(nodes_of(PORT("0000:af:00.0"), ""), "1 / 1");
	assert_string_equal(nodes_of(PORT("0000:af:00.0"), "-a 3b:00.0"), "- / -");
	assert_string_equal(nodes_of(PORT("0000:af:00.1"), ""), "- / -");
	assert_string_equal(nodes_of(PORT(""), ""), "- / -");
}

static void
test_virtual(void **state)
{
	(void)state;
	/* Behind the NICs; on a node when its interface is. */
	assert_string_equal(nodes_of(PORT("2"), "--vdev=net_af_packet0,iface=eno1,qpairs=2"),
	                    "0 / 0");
	assert_string_equal(nodes_of(PORT("1"), "-a af:00.0 --vdev net_af_xdp0,iface=eno1"),
	                    "0 / 0");
	assert_string_equal(nodes_of(PORT("net_af_xdp0"), "--vdev net_af_xdp0,iface=eno1"),
	                    "0 / 0");
	assert_string_equal(nodes_of(PORT("0"), "--no-pci --vdev net_af_xdp0,iface=eno11"),
	                    "- / -");
	assert_string_equal(nodes_of(PORT("0"), "--no-pci --vdev net_pcap0,rx_pcap=x"), "- / -");
	/* No port: it takes no number. */
	assert_string_equal(nodes_of(PORT("0"), "--no-pci --vdev crypto_null0 --vdev "
	                                        "net_af_packet0,iface=eno1"),
	                    "0 / 0");
}

static void
test_home(void **state)
{
	(void)state;
	assert_string_equal(nodes_of("a: {type: port_source, port: 0}, "
	                             "b: {type: port_source, port: 1, slices: 2}",
	                             ""),
	                    "0 1 1 / 1");
	assert_string_equal(nodes_of("a: {type: port_source, port: 1}, "
	                             "b: {type: port_source, port: 0}",
	                             ""),
	                    "1 0 / 0");
	assert_string_equal(nodes_of("a: {type: port_source, port: 1}, "
	                             "b: {type: port_source, port: 7, slices: 3}",
	                             ""),
	                    "1 - - - / 1");
}

/* EAL does not run here: there is no port to differ. */
static void
test_differ_without_eal(void **state)
{
	struct lm_topology *topology;
	struct lm_graph *graph = graph_of(PORT("0"), &topology);
	uint32_t node[] = { 1 };
	int now;

	(void)state;
	assert_null(port_nodes_differ(graph, node, &now));
	assert_int_equal(now, -1);
	lm_graph_free(graph);
	lm_topology_free(topology);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_by_number, set_up),
		cmocka_unit_test_setup(test_by_name, set_up),
		cmocka_unit_test_setup(test_virtual, set_up),
		cmocka_unit_test_setup(test_home, set_up),
		cmocka_unit_test_setup(test_differ_without_eal, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
