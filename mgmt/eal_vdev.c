/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks what --vdev asks for: the driver, its parameters, the files and interfaces they name. */
#include "mgmt/eal_vdev.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "mgmt/eal_capture.h"

#define VDEV_KEYS_MAX 16u
#define VDEV_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VDEV_CAP_NET_ADMIN 12u
#define VDEV_CAP_NET_RAW 13u

enum vdev_flags {
	VDEV_IFACE = 1,    /* iface= names an interface of the kernel that must be there */
	VDEV_NET_RAW = 2,  /* opens a packet socket */
	VDEV_NET_ADMIN = 4 /* makes an interface, or loads a program into one */
};

/* The virtual drivers of DPDK 22.11. No keys: they are not checked. */
struct vdev_driver {
	const char *name, *alias;
	uint32_t flags;
	const char *keys[VDEV_KEYS_MAX];
	const char *example;
};

static const struct vdev_driver vdev_drivers[] = {
	{ "net_pcap",
	  "eth_pcap",
	  VDEV_IFACE,
	  { "rx_pcap", "tx_pcap", "rx_iface", "rx_iface_in", "tx_iface", "iface", "phy_mac",
	    "infinite_rx" },
	  "net_pcap0,rx_pcap=FILE" },
	{ "net_null", "eth_null", 0, { "size", "copy", "no-rx" }, "net_null0,size=64" },
	{ "net_ring", "eth_ring", 0, { "nodeaction", "internal" }, "net_ring0" },
	{ "net_tap",
	  "eth_tap",
	  VDEV_NET_ADMIN,
	  { "iface", "mac", "remote" },
	  "net_tap0,iface=tap0" },
	{ "net_tun", NULL, VDEV_NET_ADMIN, { "iface" }, "net_tun0,iface=tun0" },
	{ "net_af_packet",
	  "eth_af_packet",
	  VDEV_IFACE | VDEV_NET_RAW,
	  { "iface", "qpairs", "blocksz", "framesz", "framecnt", "qdisc_bypass" },
	  "net_af_packet0,iface=IF" },
	{ "net_af_xdp",
	  NULL,
	  VDEV_IFACE | VDEV_NET_ADMIN,
	  { "iface", "start_queue", "queue_count", "shared_umem", "xdp_prog", "busy_budget",
	    "force_copy" },
	  "net_af_xdp0,iface=IF" },
	{ "net_memif",
	  NULL,
	  0,
	  { "id", "role", "bsize", "rsize", "socket", "socket-abstract", "mac", "zero-copy",
	    "secret" },
	  "net_memif0,role=client,socket=/run/memif.sock,socket-abstract=no" },
	{ "net_virtio_user",
	  "virtio_user",
	  0,
	  { "path", "mac", "cq", "queue_size", "queues", "iface", "server", "mrg_rxbuf", "in_order",
	    "packed_vq", "speed", "vectorized" },
	  "net_virtio_user0,path=/dev/vhost-net" },
	{ "net_vhost",
	  "eth_vhost",
	  0,
	  { "iface", "queues", "client", "iommu-support", "postcopy-support", "tso",
	    "linear-buffer", "ext-buffer" },
	  "net_vhost0,iface=/run/vhost.sock" },
	{ "net_bonding", "eth_bond", 0, { NULL }, "net_bonding0,mode=0,slave=PCI" },
	{ "net_failsafe", NULL, 0, { NULL }, "net_failsafe0,dev(PCI)" },
	{ "net_softnic",
	  NULL,
	  0,
	  { "firmware", "conn_port", "cpu_id", "sc" },
	  "net_softnic0,firmware=FILE" },
	{ "net_vdev_netvsc", "eth_vdev_netvsc", 0, { "iface", "mac", "force", "ignore" }, NULL },
	{ "net_pfe", NULL, 0, { NULL }, NULL },
	{ "net_enetfec", NULL, 0, { NULL }, NULL },
};

/* Virtual devices that are not ports: none of our business. */
static const char *const vdev_others[] = { "crypto_", "event_", "compress_", "baseband_",
	                                   "dma_",    "regex_", "raw",       "skeleton",
	                                   "ioat_",   "dpaa",   "cdx_",      "mempool_" };

struct vdev_check {
	const struct eal_typed *typed;
	const struct machine *machine;
	struct eal_report *report;
	const struct vdev_driver *driver;
};

static bool
vdev_begins(const char *text, const char *with)
{
	return with != NULL && strncmp(text, with, strlen(with)) == 0;
}

/*
 * EAL takes a driver whose name the device's begins with; the longest one, as net_tap is not
 * net_ta. What follows is the number, so "net_pcapx" is a slip though EAL would take it.
 */
static const struct vdev_driver *
vdev_find(const char *device)
{
	for (size_t i = 0; i < VDEV_COUNT(vdev_drivers); i++) {
		const struct vdev_driver *driver = &vdev_drivers[i];
		const char *rest = NULL;

		if (vdev_begins(device, driver->name)) {
			rest = device + strlen(driver->name);
		} else if (vdev_begins(device, driver->alias)) {
			rest = device + strlen(driver->alias);
		}
		if (rest != NULL && (*rest == '\0' || isdigit((unsigned char)*rest) ||
		                     *rest == '_' || *rest == '-')) {
			return driver;
		}
	}
	return NULL;
}

static void
vdev_unknown_driver(const struct vdev_check *check, const char *device)
{
	struct eal_finding *finding;
	const char *names[VDEV_COUNT(vdev_drivers)];
	const char *near;
	char stem[64];
	size_t length;

	snprintf(stem, sizeof(stem), "%s", device);
	length = strlen(stem);
	while (length > 0 && isdigit((unsigned char)stem[length - 1])) {
		stem[--length] = '\0';
	}
	for (size_t i = 0; i < VDEV_COUNT(vdev_drivers); i++) {
		names[i] = vdev_drivers[i].name;
	}
	finding = eal_report_add(check->report, EAL_ERROR, check->typed->where,
	                         "DPDK has no virtual driver \"%s\"", stem);
	near = text_nearest(stem, names, VDEV_COUNT(names));
	if (near == NULL && strcmp(stem, "pcap") == 0) {
		near = "net_pcap";
	}
	if (near != NULL) {
		eal_report_help(finding, "did you mean %s%s?", near, device + length);
	} else {
		eal_report_help(finding, "there are net_pcap (files, interfaces), net_null, "
		                         "net_ring, net_tap, net_memif, net_af_packet, net_af_xdp, "
		                         "net_virtio_user, net_vhost, net_bonding, net_failsafe, "
		                         "net_softnic");
	}
}

static void
vdev_check_interface(const struct vdev_check *check, const char *name)
{
	const struct machine *machine = check->machine;
	const char *names[MACHINE_INTERFACES_MAX];
	struct eal_finding *finding;
	const char *near;

	for (uint32_t i = 0; i < machine->interface_count; i++) {
		names[i] = machine->interface[i];
		if (strcmp(names[i], name) == 0) {
			return;
		}
	}
	/* Nothing readable: no ground to complain. */
	if (machine->interface_count == 0) {
		return;
	}
	finding = eal_report_add(check->report, EAL_ERROR, check->typed->where,
	                         "there is no interface \"%s\"", name);
	near = text_nearest(name, names, machine->interface_count);
	if (near != NULL) {
		eal_report_help(finding, "did you mean %s?", near);
	}
	snprintf(finding->detail, sizeof(finding->detail), "there are ");
	for (uint32_t i = 0; i < machine->interface_count; i++) {
		size_t used = strlen(finding->detail);

		snprintf(finding->detail + used, sizeof(finding->detail) - used, "%s%s",
		         i > 0 ? ", " : "", names[i]);
	}
}

static void
vdev_check_rx_file(const struct vdev_check *check, const char *path)
{
	char why[160], help[160];
	struct eal_finding *finding;

	if (eal_capture_check(path, why, sizeof(why), help, sizeof(help)) != 0) {
		finding = eal_report_add(check->report, EAL_ERROR, check->typed->where, "%.160s %s",
		                         path, why);
		if (help[0] != '\0') {
			eal_report_help(finding, "%s", help);
		} else if (path[0] != '/') {
			eal_report_detail(finding, "looked for in the current folder");
		}
	}
}

static void
vdev_check_tx_file(const struct vdev_check *check, const char *path)
{
	char folder[256];
	const char *slash = strrchr(path, '/');

	snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
	         slash != NULL ? path : ".");
	if (access(path, W_OK) != 0 && (errno != ENOENT || access(folder, W_OK) != 0)) {
		eal_report_add(check->report, EAL_ERROR, check->typed->where,
		               "%.128s cannot be written: %s", path, strerror(errno));
	}
}

static void
vdev_check_key(const struct vdev_check *check, const char *key)
{
	const struct vdev_driver *driver = check->driver;
	uint32_t count = 0;
	struct eal_finding *finding;
	const char *near;

	while (count < VDEV_KEYS_MAX && driver->keys[count] != NULL) {
		if (strcmp(driver->keys[count++], key) == 0) {
			return;
		}
	}
	if (count == 0) {
		return;
	}
	finding = eal_report_add(check->report, EAL_ERROR, check->typed->where,
	                         "%s has no parameter \"%s\"", driver->name, key);
	near = text_nearest(key, driver->keys, count);
	if (near != NULL) {
		eal_report_help(finding, "did you mean %s?", near);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		size_t used = strlen(finding->help);

		snprintf(finding->help + used, sizeof(finding->help) - used, "%s%s",
		         i > 0 ? ", " : "it has ", driver->keys[i]);
	}
}

static void
vdev_check_pair(const struct vdev_check *check, const char *key, const char *value)
{
	bool pcap = strcmp(check->driver->name, "net_pcap") == 0;

	vdev_check_key(check, key);
	if (pcap && strcmp(key, "rx_pcap") == 0) {
		vdev_check_rx_file(check, value);
	} else if (pcap && strcmp(key, "tx_pcap") == 0) {
		vdev_check_tx_file(check, value);
	} else if (((check->driver->flags & VDEV_IFACE) != 0 && strstr(key, "iface") != NULL) ||
	           strcmp(key, "remote") == 0) {
		vdev_check_interface(check, value);
	}
}

/* Walks "key=value,key=value"; a value may hold commas inside parentheses or brackets. */
static void
vdev_check_pairs(const struct vdev_check *check, const char *text)
{
	while (*text != '\0') {
		char key[64], value[HOSTFS_PATH_MAX];
		size_t length = 0;
		const char *equals;
		int depth = 0;

		while (text[length] != '\0' && (text[length] != ',' || depth > 0)) {
			depth += text[length] == '(' || text[length] == '[';
			depth -= text[length] == ')' || text[length] == ']';
			length++;
		}
		equals = memchr(text, '=', length);
		if (equals == NULL) {
			snprintf(key, sizeof(key), "%.*s", (int)length, text);
			value[0] = '\0';
		} else {
			snprintf(key, sizeof(key), "%.*s", (int)(equals - text), text);
			snprintf(value, sizeof(value), "%.*s", (int)(text + length - equals - 1),
			         equals + 1);
		}
		if (length > 0) {
			vdev_check_pair(check, key, value);
		}
		text += length + (text[length] == ',');
	}
}

static void
vdev_check_rights(const struct vdev_check *check, const char *pairs)
{
	uint64_t have = check->machine->capabilities;
	uint32_t flags = check->driver->flags;

	/* net_pcap opens a packet socket for interfaces only, not for files. */
	if (strcmp(check->driver->name, "net_pcap") == 0 && strstr(pairs, "iface") != NULL) {
		flags |= VDEV_NET_RAW;
	}
	if ((flags & VDEV_NET_RAW) != 0 && (have >> VDEV_CAP_NET_RAW & 1) == 0) {
		eal_report_help(eal_report_add(check->report, EAL_ERROR, check->typed->where,
		                               "%s needs the right to open packet sockets",
		                               check->driver->name),
		                "run as root, or give the program CAP_NET_RAW: "
		                "setcap cap_net_raw+ep FILE");
	}
	if ((flags & VDEV_NET_ADMIN) != 0 && (have >> VDEV_CAP_NET_ADMIN & 1) == 0) {
		eal_report_help(eal_report_add(check->report, EAL_ERROR, check->typed->where,
		                               "%s needs the right to change interfaces",
		                               check->driver->name),
		                "run as root, or give the program CAP_NET_ADMIN: "
		                "setcap cap_net_admin,cap_net_raw+ep FILE");
	}
}

/* EAL starts without a port when the only parameter that makes sense of a driver is missing. */
static void
vdev_check_missing(const struct vdev_check *check, const char *pairs)
{
	bool wants_iface = (check->driver->flags & VDEV_IFACE) != 0;

	if (wants_iface && strstr(pairs, "iface") == NULL && strstr(pairs, "pcap=") == NULL) {
		eal_report_help(eal_report_add(check->report, EAL_ERROR, check->typed->where,
		                               "%s is not told what to read from",
		                               check->driver->name),
		                "write --vdev %s", check->driver->example);
	}
}

void
eal_vdev_check(const struct eal_typed *typed, const struct machine *machine, bool plugins,
               struct eal_report *report)
{
	struct vdev_check check = { .typed = typed, .machine = machine, .report = report };
	size_t length = strcspn(typed->value, ",");
	const char *pairs = typed->value[length] == ',' ? typed->value + length + 1 : "";
	char device[64];

	snprintf(device, sizeof(device), "%.*s", (int)length, typed->value);
	for (size_t i = 0; i < VDEV_COUNT(vdev_others); i++) {
		if (vdev_begins(device, vdev_others[i])) {
			return;
		}
	}
	check.driver = vdev_find(device);
	if (check.driver == NULL) {
		if (!plugins) {
			vdev_unknown_driver(&check, device);
		}
		return;
	}
	vdev_check_pairs(&check, pairs);
	vdev_check_missing(&check, pairs);
	vdev_check_rights(&check, pairs);
}
