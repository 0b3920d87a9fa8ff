/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports through ethdev: one queue per source slice, flows steered by a symmetric RSS hash so that
 * both directions meet one slice, offloads where the driver has them, and no more buffers out than
 * there are: what the engine cannot take stays at the port, which counts what it loses.
 */

#include "net/port.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_version.h>

#include "core/env.h"
#include "net/port_socket.h"

#define FRAMES_DEFAULT 16384u
#define DESCRIPTORS_DEFAULT 1024u
#define MBUF_CACHE 512u
/* Empty reads of a file in a row before it is at its end. */
#define EMPTY_READS_AT_END 2u

struct port_queue {
	uint32_t empty_reads;
	bool ended;
	uint64_t frames;
} __attribute__((aligned(64)));

struct port {
	uint16_t id;
	uint32_t users;
	uint32_t queues;
	uint32_t buffers; /* in the pool, beyond what the queues keep */
	uint32_t burst;   /* frames of one read: all queues reading at once leave most buffers */
	struct rte_mempool *pool;
	char label[96];
	bool is_file;  /* net_pcap reading a file: it has an end */
	bool has_time; /* capture times, microseconds since 1970 */
	bool told_errors;
	struct port_sockets sockets; /* AF_PACKET's */
	struct port_queue queue[PORT_QUEUES_MAX];
	uint64_t taken __attribute__((aligned(64)));    /* frames handed out, retained ones again */
	uint64_t returned __attribute__((aligned(64))); /* frames given back */
};

static struct port ports[PORTS_MAX];
static int time_offset = -1;
static uint64_t time_flag;

/* H. Woo, K. Park, "Scalable TCP Session Monitoring with Symmetric RSS" (2012): both ways hash
 * alike. */
static uint8_t symmetric_key[64];

static void
make_symmetric_key(void)
{
	for (size_t i = 0; i < sizeof(symmetric_key); i += 2) {
		symmetric_key[i] = 0x6d;
		symmetric_key[i + 1] = 0x5a;
	}
}

static void
list_ports(char *text, size_t size)
{
	size_t used = 0;
	uint16_t id;

	text[0] = '\0';
	RTE_ETH_FOREACH_DEV(id)
	{
		char name[RTE_ETH_NAME_MAX_LEN];

		if (rte_eth_dev_get_name_by_port(id, name) == 0 && used < size) {
			used += (size_t)snprintf(text + used, size - used, "%s%u (%s)",
			                         used == 0 ? "" : ", ", id, name);
		}
	}
}

static int
find_port(const char *name, uint16_t *id, char *why, size_t why_size)
{
	char *end, known[200];
	unsigned long number = strtoul(name, &end, 10);

	if (*name != '\0' && *end == '\0' && number < RTE_MAX_ETHPORTS &&
	    rte_eth_dev_is_valid_port((uint16_t)number)) {
		*id = (uint16_t)number;
		return 0;
	}
	if (rte_eth_dev_get_port_by_name(name, id) == 0) {
		return 0;
	}
	list_ports(known, sizeof(known));
	if (known[0] == '\0') {
		snprintf(why, why_size,
		         "there is no port \"%s\": EAL found none. Give one, as in --vdev "
		         "net_pcap0,rx_pcap=FILE or -a PCI-ADDRESS",
		         name);
	} else {
		snprintf(why, why_size, "there is no port \"%s\"; there are: %s", name, known);
	}
	return -ENODEV;
}

static int
create_pool(struct port *port, const struct port_needs *needs, int node)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t descriptors = needs->descriptors != 0 ? needs->descriptors : DESCRIPTORS_DEFAULT;
	uint32_t room = needs->frame_max != 0 ? needs->frame_max : RTE_MBUF_DEFAULT_DATAROOM;
	uint32_t count;

	port->buffers = needs->frames != 0 ? needs->frames : FRAMES_DEFAULT;
	port->burst = port->buffers / (4 * needs->queues);
	port->burst = RTE_MAX(1u, RTE_MIN(port->burst, PORT_BURST));
	count = port->buffers + descriptors * needs->queues + MBUF_CACHE * rte_lcore_count() * 2;
	room += RTE_PKTMBUF_HEADROOM;
	snprintf(name, sizeof(name), "port%u", port->id);
	port->pool = rte_pktmbuf_pool_create(name, count, MBUF_CACHE, 0, (uint16_t)room, node);
	if (port->pool == NULL && node >= 0) {
		port->pool = rte_pktmbuf_pool_create(name, count, MBUF_CACHE, 0, (uint16_t)room,
		                                     SOCKET_ID_ANY);
		if (port->pool != NULL) {
			env_log(4,
			        "port %s: NUMA node %d has no room for its buffers: memory of "
			        "another node is taken, which is slower",
			        needs->name, node);
		}
	}
	return port->pool == NULL ? -rte_errno : 0;
}

static void
choose_rss(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, uint32_t queues)
{
	uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

	if (queues == 1) {
		return;
	}
	conf->rx_adv_conf.rss_conf.rss_hf = wanted & info->flow_type_rss_offloads;
	if (conf->rx_adv_conf.rss_conf.rss_hf != 0) {
		make_symmetric_key();
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_key = symmetric_key;
		conf->rx_adv_conf.rss_conf.rss_key_len =
		    info->hash_key_size != 0 ? info->hash_key_size : 40;
	}
}

static int
start_port(struct port *port, const struct port_needs *needs, char *why, size_t why_size)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	uint16_t descriptors =
	    (uint16_t)(needs->descriptors != 0 ? needs->descriptors : DESCRIPTORS_DEFAULT);
	uint16_t tx = 0;
	int result = rte_eth_dev_info_get(port->id, &info);

	if (result == 0 && needs->queues > info.max_rx_queues) {
		snprintf(
		    why, why_size,
		    "port %s has %u receive queue%s, but %u slices were asked; a file or device "
		    "per queue adds some, or use `slices: %u`",
		    needs->name, info.max_rx_queues, info.max_rx_queues == 1 ? "" : "s",
		    needs->queues, info.max_rx_queues);
		return -EINVAL;
	}
	choose_rss(&conf, &info, needs->queues);
	conf.rxmode.offloads =
	    info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_CHECKSUM |
	                            RTE_ETH_RX_OFFLOAD_RSS_HASH);
	/* Memory drivers want as many transmit queues as receive queues, or at least one. */
	tx = info.max_tx_queues > 0 ? 1 : 0;
	result = result != 0 ? result
	                     : rte_eth_dev_configure(port->id, (uint16_t)needs->queues, tx, &conf);
	for (uint16_t q = 0; result == 0 && q < needs->queues; q++) {
		uint16_t tx_descriptors = descriptors;

		rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &descriptors, &tx_descriptors);
		result = rte_eth_rx_queue_setup(port->id, q, descriptors,
		                                (unsigned int)rte_eth_dev_socket_id(port->id), NULL,
		                                port->pool);
		if (result == 0 && q < tx) {
			result = rte_eth_tx_queue_setup(
			    port->id, q, tx_descriptors,
			    (unsigned int)rte_eth_dev_socket_id(port->id), NULL);
		}
	}
	result = result != 0 ? result : rte_eth_dev_start(port->id);
	if (result != 0) {
		snprintf(why, why_size, "port %s could not be started: %s", needs->name,
		         strerror(-result));
	}
	return result;
}

/* Of an AF_PACKET device, whose arguments name its interface: what the kernel drops counts, too. */
static void
find_sockets(struct port *port, const char *args)
{
	const char *at = strstr(args, "iface=");
	char interface[64];

	if (at != NULL) {
		at += strlen("iface=");
		snprintf(interface, sizeof(interface), "%.*s", (int)strcspn(at, ","), at);
		port_sockets_find(&port->sockets, interface);
	}
}

static void
describe_port(struct port *port)
{
	struct rte_eth_dev_info info;
	char name[RTE_ETH_NAME_MAX_LEN] = "?";
	const char *driver = "?";
	const char *args = "";

	rte_eth_dev_get_name_by_port(port->id, name);
	if (rte_eth_dev_info_get(port->id, &info) == 0 && info.driver_name != NULL) {
		driver = info.driver_name;
#if RTE_VERSION >= RTE_VERSION_NUM(22, 11, 0, 0)
		if (rte_dev_devargs(info.device) != NULL &&
		    rte_dev_devargs(info.device)->args != NULL) {
			args = rte_dev_devargs(info.device)->args;
		}
#endif
	}
	snprintf(port->label, sizeof(port->label), "%s (%s)", name, driver);
	port->has_time = strcmp(driver, "net_pcap") == 0;
	port->is_file = port->has_time && strstr(args, "rx_pcap=") != NULL &&
	                strstr(args, "infinite_rx=1") == NULL;
	if (strcmp(driver, "net_af_packet") == 0) {
		find_sockets(port, args);
	}
}

static int
same_port(uint16_t id, const struct port_needs *needs, char *why, size_t why_size)
{
	for (uint32_t i = 0; i < PORTS_MAX; i++) {
		if (ports[i].users == 0 || ports[i].id != id) {
			continue;
		}
		if (ports[i].queues != needs->queues || ports[i].users >= needs->queues) {
			snprintf(why, why_size, "port %s is in use by another operator already",
			         needs->name);
			return -EBUSY;
		}
		ports[i].users++;
		return (int)i;
	}
	return -ENOENT;
}

int
port_open(const struct port_needs *needs, char *why, size_t why_size)
{
	struct port *port = NULL;
	uint16_t id;
	int result = find_port(needs->name, &id, why, why_size);

	if (result != 0) {
		return result;
	}
	result = same_port(id, needs, why, why_size);
	if (result != -ENOENT) {
		return result;
	}
	for (uint32_t i = 0; i < PORTS_MAX && port == NULL; i++) {
		port = ports[i].users == 0 ? &ports[i] : NULL;
	}
	if (port == NULL) {
		snprintf(why, why_size, "more than %u ports are open", PORTS_MAX);
		return -E2BIG;
	}
	memset(port, 0, sizeof(*port));
	port->id = id;
	port->queues = needs->queues;
	if (time_offset < 0) {
		rte_mbuf_dyn_rx_timestamp_register(&time_offset, &time_flag);
	}
	result = create_pool(port, needs, rte_eth_dev_socket_id(id));
	if (result != 0) {
		snprintf(why, why_size,
		         "no memory for the %u buffers of port %s: give EAL more (-m MiB) or lower "
		         "`buffers`",
		         port->buffers, needs->name);
		return result;
	}
	result = start_port(port, needs, why, why_size);
	if (result != 0) {
		rte_mempool_free(port->pool);
		return result;
	}
	if (needs->promiscuous) {
		rte_eth_promiscuous_enable(id);
	}
	describe_port(port);
	port->users = 1;
	return (int)(port - ports);
}

void
port_close(int index)
{
	struct port *port = &ports[index];

	if (--port->users > 0) {
		return;
	}
	/* Stopped, not closed: a virtual device that is closed is gone, and may be opened again. */
	rte_eth_dev_stop(port->id);
	rte_mempool_free(port->pool);
}

static struct port *
port_of(const struct rte_mbuf *mbuf)
{
	for (uint32_t i = 0; i < PORTS_MAX; i++) {
		if (ports[i].pool == mbuf->pool) {
			return &ports[i];
		}
	}
	return NULL;
}

static void
frames_retain(void *const *handles, uint32_t count)
{
	if (count == 0) {
		return;
	}
	__atomic_add_fetch(&port_of(handles[0])->taken, count, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < count; i++) {
		for (struct rte_mbuf *part = handles[i]; part != NULL; part = part->next) {
			rte_mbuf_refcnt_update(part, 1);
		}
	}
}

static void
frames_release(void *const *handles, uint32_t count)
{
	if (count == 0) {
		return;
	}
	/* A batch may hold frames of several ports only behind a union; then the sums still meet.
	 */
	__atomic_add_fetch(&port_of(handles[0])->returned, count, __ATOMIC_RELAXED);
	rte_pktmbuf_free_bulk((struct rte_mbuf **)(uintptr_t)handles, count);
}

static const struct lm_external frames_external = { frames_retain, frames_release };

const struct lm_external *
port_external(int port)
{
	(void)port;
	return &frames_external;
}

/* Whether the driver has met what is no frame; told once. */
static bool
file_is_damaged(struct port *port)
{
	struct rte_eth_stats stats;

	if (rte_eth_stats_get(port->id, &stats) != 0 || stats.ierrors == 0) {
		return false;
	}
	if (!port->told_errors) {
		port->told_errors = true;
		env_log(4,
		        "%s: the capture is cut short or damaged after %" PRIu64
		        " frames; those were processed",
		        port->label, stats.ipackets);
	}
	return true;
}

/*
 * A file ends where no more comes, or where it is damaged: the driver would read on behind that,
 * somewhere, and take anything for frames. A read of less than `max` shows both.
 */
static void
look_for_end(struct port *port, struct port_queue *queue, uint32_t count, uint32_t max)
{
	queue->empty_reads = count > 0 ? 0 : queue->empty_reads + 1;
	if (port->is_file && count < max) {
		queue->ended = file_is_damaged(port) || queue->empty_reads >= EMPTY_READS_AT_END;
	}
}

/* Event times: net_pcap tells microseconds since 1970, others nothing that could be used. */
static void
read_times(const struct port *port, struct rte_mbuf *const *mbuf, uint16_t count, int64_t wall_ns,
           struct port_burst *burst)
{
	burst->newest_ns = wall_ns;
	if (!port->has_time) {
		for (uint16_t i = 0; i < count && burst->time_ns != NULL; i++) {
			burst->time_ns[i] = wall_ns;
		}
		return;
	}
	burst->newest_ns = INT64_MIN;
	for (uint16_t i = 0; i < count; i++) {
		int64_t time_ns = (mbuf[i]->ol_flags & time_flag) != 0
		                      ? *RTE_MBUF_DYNFIELD(mbuf[i], time_offset, int64_t *) * 1000
		                      : wall_ns;

		if (burst->time_ns != NULL) {
			burst->time_ns[i] = time_ns;
		}
		burst->newest_ns = time_ns > burst->newest_ns ? time_ns : burst->newest_ns;
	}
}

static uint64_t
read_frames(struct rte_mbuf *const *mbuf, uint16_t count, struct lm_frame *frame)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < count; i++) {
		frame[i] = port_frame(mbuf[i]);
		rte_prefetch0(frame[i].data);
		bytes += frame[i].length;
	}
	return bytes;
}

uint32_t
port_read(int index, uint32_t queue_index, uint32_t max, int64_t wall_ns, struct port_burst *burst)
{
	struct port *port = &ports[index];
	struct port_queue *queue = &port->queue[queue_index];
	struct rte_mbuf **mbuf = (struct rte_mbuf **)burst->handle;
	uint64_t out = port->taken - __atomic_load_n(&port->returned, __ATOMIC_RELAXED);
	uint16_t count;

	burst->end = queue->ended;
	max = max < port->burst ? max : port->burst;
	if (queue->ended || out + max * port->queues > port->buffers) {
		return 0;
	}
	count = rte_eth_rx_burst(port->id, (uint16_t)queue_index, mbuf, (uint16_t)max);
	look_for_end(port, queue, count, max);
	if (count == 0) {
		burst->end = queue->ended;
		return 0;
	}
	queue->frames += count;
	if (port->queues == 1) {
		port->taken += count;
	} else {
		__atomic_add_fetch(&port->taken, count, __ATOMIC_RELAXED);
	}
	if (burst->frame != NULL) {
		burst->bytes = read_frames(mbuf, count, burst->frame);
	}
	read_times(port, mbuf, count, wall_ns, burst);
	return count;
}

void
port_give_back(int index, uint32_t queue, struct port_burst *burst, uint32_t count)
{
	struct port *port = &ports[index];

	(void)queue;
	if (port->queues == 1) {
		port->taken -= count;
	} else {
		__atomic_sub_fetch(&port->taken, count, __ATOMIC_RELAXED);
	}
	rte_pktmbuf_free_bulk((struct rte_mbuf **)burst->handle, count);
}

bool
port_is_recording(int port)
{
	return ports[port].is_file;
}

const char *
port_label(int port)
{
	return ports[port].label;
}

int
port_find_node(const char *name)
{
	char why[300];
	uint16_t id;

	return find_port(name, &id, why, sizeof(why)) == 0 ? rte_eth_dev_socket_id(id) : -1;
}

static uint32_t
add_counter(struct port_counter *counters, uint32_t count, uint32_t max, uint16_t id,
            const char *name, uint64_t value, bool is_drop)
{
	if (count < max) {
		snprintf(counters[count].name, sizeof(counters[count].name), "port%u.%s", id, name);
		counters[count].value = value;
		counters[count].is_drop = is_drop;
		count++;
	}
	return count;
}

uint32_t
port_counters(struct port_counter *counters, uint32_t max)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < PORTS_MAX; i++) {
		struct rte_eth_stats s;
		uint16_t id = ports[i].id;

		if (ports[i].users == 0 || rte_eth_stats_get(id, &s) != 0) {
			continue;
		}
		count = add_counter(counters, count, max, id, "ipackets", s.ipackets, false);
		count = add_counter(counters, count, max, id, "ibytes", s.ibytes, false);
		s.imissed += port_sockets_dropped(&ports[i].sockets);
		count = add_counter(counters, count, max, id, "imissed", s.imissed, true);
		count = add_counter(counters, count, max, id, "ierrors", s.ierrors, true);
		count = add_counter(counters, count, max, id, "rx_nombuf", s.rx_nombuf, true);
	}
	return count;
}
