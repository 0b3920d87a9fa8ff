/* SPDX-License-Identifier: BSD-3-Clause */
/* Which NUMA node the port of each source slice is on, foretold before EAL starts. */
#include "mgmt/port_nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/eal_options.h"
#include "mgmt/eal_pci.h"
#include "net/port.h"
#include "net/port_source.h"

/* The ports that EAL will have, in the order of their numbers. */
struct port_nodes {
	const struct machine *machine;
	const struct eal_typed_list *typed;
	struct {
		char name[64];
		uint32_t node; /* the kernel's number, or MACHINE_NONE */
	} port[PORTS_MAX];
	uint32_t count;
};

static void
port_nodes_add(struct port_nodes *self, const char *name, size_t length, uint32_t node_index)
{
	if (self->count == PORTS_MAX || length >= sizeof(self->port[0].name)) {
		return;
	}
	memcpy(self->port[self->count].name, name, length);
	self->port[self->count].name[length] = '\0';
	self->port[self->count++].node =
	    node_index == MACHINE_NONE ? MACHINE_NONE : self->machine->node[node_index].number;
}

/* Whether the device is named by an option, -a or -b. */
static bool
port_nodes_named(const struct port_nodes *self, enum eal_option option, const char *pci)
{
	for (uint32_t i = 0; i < self->typed->count; i++) {
		const struct eal_typed *typed = &self->typed->typed[i];
		char named[32];

		if (typed->option == option && typed->value != NULL &&
		    eal_pci_address(typed->value, named, sizeof(named)) &&
		    strcmp(named, pci) == 0) {
			return true;
		}
	}
	return false;
}

static void
port_nodes_add_pci(struct port_nodes *self)
{
	bool allow = eal_options_find(self->typed, EAL_ALLOW) != NULL;
	bool looked_at = allow || eal_options_find(self->typed, EAL_BLOCK) != NULL;

	for (uint32_t i = 0; i < self->machine->nic_count; i++) {
		looked_at = looked_at || eal_pci_bound(&self->machine->nic[i]);
	}
	if (!looked_at || eal_options_find(self->typed, EAL_NO_PCI) != NULL) {
		return;
	}
	for (uint32_t i = 0; i < self->machine->nic_count; i++) {
		const struct machine_nic *nic = &self->machine->nic[i];
		bool named = port_nodes_named(self, allow ? EAL_ALLOW : EAL_BLOCK, nic->pci);

		if (named == allow && (eal_pci_bound(nic) || eal_pci_bifurcated(nic))) {
			port_nodes_add(self, nic->pci, strlen(nic->pci), nic->node);
		}
	}
}

/* The node of the interface in a virtual device's arguments: "net_af_xdp0,iface=eth1,queues=2". */
static uint32_t
port_nodes_interface(const struct machine *machine, const char *arguments)
{
	const char *at = strstr(arguments, ",iface=");
	size_t length;

	if (at == NULL) {
		return MACHINE_NONE;
	}
	at += strlen(",iface=");
	length = strcspn(at, ",");
	for (uint32_t i = 0; i < machine->nic_count; i++) {
		const char *interface = machine->nic[i].interface;

		if (strlen(interface) == length && strncmp(interface, at, length) == 0) {
			return machine->nic[i].node;
		}
	}
	return MACHINE_NONE;
}

static void
port_nodes_add_virtual(struct port_nodes *self)
{
	for (uint32_t i = 0; i < self->typed->count; i++) {
		const struct eal_typed *typed = &self->typed->typed[i];

		if (typed->option == EAL_VDEV && typed->value != NULL &&
		    (strncmp(typed->value, "net_", 4) == 0 ||
		     strncmp(typed->value, "eth_", 4) == 0)) {
			port_nodes_add(self, typed->value, strcspn(typed->value, ","),
			               port_nodes_interface(self->machine, typed->value));
		}
	}
}

/* The node of a port as a topology names it: by number, or by name. */
static uint32_t
port_nodes_of(const struct port_nodes *self, const char *name)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);

	if (*name != '\0' && *end == '\0') {
		return number < self->count ? self->port[number].node : MACHINE_NONE;
	}
	for (uint32_t i = 0; i < self->count; i++) {
		if (strcmp(self->port[i].name, name) == 0) {
			return self->port[i].node;
		}
	}
	return MACHINE_NONE;
}

uint32_t *
port_nodes_find(const struct lm_graph *graph, int argc, char *const *argv,
                const struct machine *machine)
{
	struct eal_typed_list *typed = calloc(1, sizeof(*typed));
	struct eal_report *report = calloc(1, sizeof(*report)); /* is told by who builds the line */
	uint32_t *node = calloc(graph->slice_count + 1, sizeof(*node));
	struct port_nodes self = { .machine = machine, .typed = typed };

	if (typed != NULL && report != NULL && node != NULL) {
		eal_options_read(typed, argc, argv, report);
		port_nodes_add_pci(&self);
		port_nodes_add_virtual(&self);
		for (uint32_t s = 0; s < graph->slice_count; s++) {
			const struct graph_operator *op = &graph->op[graph_operator_of(graph, s)];
			const char *port = port_source_port(op->class, op->config);

			node[s] = port != NULL ? port_nodes_of(&self, port) : MACHINE_NONE;
		}
	} else {
		free(node);
		node = NULL;
	}
	free(typed);
	free(report);
	return node;
}

uint32_t
port_nodes_home(const struct lm_graph *graph, const uint32_t *port_node,
                const struct machine *machine)
{
	uint32_t slices[MACHINE_NODES_MAX] = { 0 };
	uint32_t home = MACHINE_NONE;

	for (uint32_t s = 0; s < graph->slice_count; s++) {
		uint32_t node = machine_node_index(machine, port_node[s]);

		if (node != MACHINE_NONE) {
			slices[node]++;
		}
	}
	for (uint32_t n = 0; n < machine->node_count; n++) {
		if (slices[n] > 0 && (home == MACHINE_NONE || slices[n] > slices[home])) {
			home = n;
		}
	}
	return home;
}

const struct graph_operator *
port_nodes_differ(const struct lm_graph *graph, const uint32_t *port_node, int *node)
{
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		const struct graph_operator *op = &graph->op[o];
		const char *port = port_source_port(op->class, op->config);
		uint32_t foretold = port_node[op->first_slice];

		*node = port != NULL ? port_find_node(port) : -1;
		if (*node >= 0 && foretold != MACHINE_NONE && (uint32_t)*node != foretold) {
			return op;
		}
	}
	return NULL;
}
