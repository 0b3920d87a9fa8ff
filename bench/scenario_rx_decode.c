/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rx_decode: receive from a port, decode, count packets and bytes, beside the loop one writes by
 * hand on the same port: burst, decode each, count, free. On net_null, whose packets cost nothing,
 * and on a memif that testpmd fills from another CPU (rx_decode_memif).
 * rx_testpmd: the same job in the engine beside testpmd's rxonly, which decodes nothing.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "bench/bench.h"
#include "bench/peer.h"
#include "net/decode.h"
#include "net/port.h"

#define BURST 64u
#define MEMIF "net_memif0"
/* A port without a packet for so long is given up. */
#define SILENCE_S 10.0

struct rx {
	struct bench *bench;
	char port[RTE_ETH_NAME_MAX_LEN];
	uint64_t packets;
	char text[600];
	uint64_t port_packets;
	double port_seconds;
};

static void
write_topology(struct rx *rx)
{
	snprintf(
	    rx->text, sizeof(rx->text),
	    "name: rx_decode\n"
	    "operators:\n"
	    "  packets: {type: port_source, port: %s, limit: %lu, emit: [length, proto]}\n"
	    "  count:   {type: aggregate, input: packets, count: packets, sum: length, emit: end}\n"
	    "  out:     {type: bench_sink, input: count}\n",
	    rx->port, (unsigned long)rx->packets);
	rx->port_packets = 0;
	rx->port_seconds = 0;
}

static bool
run_engine(void *context, struct bench_run *run)
{
	struct rx *rx = context;

	run->from_first_row = true;
	return bench_topology(rx->text, NULL, 1, run);
}

/*
 * By hand.
 */

struct totals {
	uint64_t packets, bytes;
};

static void
decode_burst(struct rte_mbuf **mbuf, uint16_t count, struct totals *totals)
{
	for (uint16_t i = 0; i < count && i < 4; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(mbuf[i], void *));
	}
	for (uint16_t i = 0; i < count; i++) {
		struct decode_packet packet;

		if (i + 4 < count) {
			rte_prefetch0(rte_pktmbuf_mtod(mbuf[i + 4], void *));
		}
		if (decode_frame(rte_pktmbuf_mtod(mbuf[i], const uint8_t *), mbuf[i]->data_len,
		                 mbuf[i]->pkt_len, 0, &packet) == DECODE_ROW) {
			totals->packets++;
			totals->bytes += mbuf[i]->pkt_len;
		}
	}
}

/*
 * Receives `wanted` packets, decodes them unless `totals` is NULL, frees them. Returns the seconds
 * from the first to the last, or 0 when the port fell silent.
 */
static double
receive(uint16_t port, uint64_t wanted, struct totals *totals)
{
	double start = 0, quiet_since = bench_seconds();
	uint64_t received = 0;

	while (received < wanted) {
		struct rte_mbuf *mbuf[BURST];
		uint64_t left = wanted - received;
		uint16_t count =
		    rte_eth_rx_burst(port, 0, mbuf, (uint16_t)(left < BURST ? left : BURST));

		if (count == 0) {
			quiet_since = quiet_since == 0 ? bench_seconds() : quiet_since;
			if (bench_seconds() - quiet_since > SILENCE_S) {
				return 0;
			}
			continue;
		}
		quiet_since = 0;
		start = received == 0 ? bench_seconds() : start;
		if (totals != NULL) {
			decode_burst(mbuf, count, totals);
		}
		rte_pktmbuf_free_bulk(mbuf, count);
		received += count;
	}
	return bench_seconds() - start;
}

/* First what the port gives when nothing is decoded, a quarter as long; then the job. */
static bool
run_hand(void *context, struct bench_run *run)
{
	struct rx *rx = context;
	struct port_needs needs = { .name = rx->port, .queues = 1, .promiscuous = true };
	struct totals totals = { 0 };
	double port_seconds = 0;
	uint16_t id;
	char why[300];
	int port = port_open(&needs, why, sizeof(why));

	if (port < 0) {
		fprintf(stderr, "%s: %s\n", rx->bench->name, why);
		return false;
	}
	if (rte_eth_dev_get_port_by_name(rx->port, &id) == 0) {
		port_seconds = receive(id, rx->packets / 4, NULL);
	}
	if (port_seconds > 0) {
		run->seconds = receive(id, rx->packets, &totals);
		run->items = rx->packets;
		run->checksum = bench_mix(bench_mix(0, totals.packets), totals.bytes);
		rx->port_packets += rx->packets / 4;
		rx->port_seconds += port_seconds;
		rx->bench->port_value = (double)rx->port_packets / rx->port_seconds;
	}
	port_close(port);
	return port_seconds > 0 && run->seconds > 0;
}

/*
 * On the first port there is.
 */

static bool
prepare_first(struct bench *bench, bool small)
{
	struct rx *rx = bench->context;

	rx->bench = bench;
	if (rte_eth_dev_count_avail() == 0 || rte_eth_dev_get_name_by_port(0, rx->port) != 0) {
		snprintf(bench->note, sizeof(bench->note), "there is no port: give one by --vdev");
		return false;
	}
	rx->packets = small ? 100000 : 40000000;
	write_topology(rx);
	snprintf(bench->note, sizeof(bench->note), "port %s%s", rx->port,
	         strncmp(rx->port, "net_null", 8) == 0 ? ": frames of 64 zero bytes" : "");
	return true;
}

static void
discard_nothing(struct bench *bench)
{
	(void)bench;
}

/*
 * Beside testpmd.
 */

static bool
prepare_testpmd(struct bench *bench, bool small)
{
	const struct rx *rx = bench->context;

	if (!prepare_first(bench, small)) {
		return false;
	}
	if (!peer_exists() || strncmp(rx->port, "net_null", 8) != 0) {
		snprintf(bench->note, sizeof(bench->note),
		         peer_exists() ? "the port is not a net_null, which testpmd could have too"
		                       : "there is no dpdk-testpmd (Debian: dpdk-dev)");
		return false;
	}
	snprintf(bench->note, sizeof(bench->note),
	         "a net_null each; testpmd receives and frees, the engine decodes and counts too");
	return true;
}

/* testpmd tells how many packets came, and nothing that could be added up. */
static bool
run_engine_unchecked(void *context, struct bench_run *run)
{
	bool good = run_engine(context, run);

	run->checksum = 0;
	return good;
}

static bool
run_testpmd(void *context, struct bench_run *run)
{
	struct rx *rx = context;
	struct peer peer = { 0 };
	double rate = -1;

	/* On the CPU of the engine's lcore, while the engine is not running. */
	if (peer_start(&peer, bench_cpu(0), "net_null0", "rxonly")) {
		rate = peer_rate(&peer, false);
	}
	peer_stop(&peer);
	run->items = rx->packets;
	run->seconds = (double)rx->packets / rate;
	return rate > 0;
}

/*
 * On a memif. Each run has a sender of its own: one that loses its peer while it sends may crash.
 */

static void
write_devargs(char *text, size_t size, const char *head)
{
	snprintf(text, size, "%s,socket=lodemill-bench-%d", head, (int)getpid());
}

static bool
run_with_sender(struct rx *rx, bench_fn *receiver, struct bench_run *run)
{
	struct peer sender = { 0 };
	char server[200];
	bool good;

	write_devargs(server, sizeof(server), MEMIF ",role=server");
	/* Its first report says that it is there to be connected to. */
	good = peer_start(&sender, bench_cpu(1), server, "txonly") &&
	       peer_rate(&sender, true) >= 0 && receiver(rx, run);
	peer_stop(&sender);
	return good;
}

static bool
run_engine_memif(void *context, struct bench_run *run)
{
	return run_with_sender(context, run_engine, run);
}

static bool
run_hand_memif(void *context, struct bench_run *run)
{
	return run_with_sender(context, run_hand, run);
}

static void
discard_memif(struct bench *bench)
{
	(void)bench;
	rte_eal_hotplug_remove("vdev", MEMIF);
}

static bool
prepare_memif(struct bench *bench, bool small)
{
	struct rx *rx = bench->context;
	char client[200];

	rx->bench = bench;
	if (!peer_exists()) {
		snprintf(bench->note, sizeof(bench->note),
		         "there is no dpdk-testpmd to send (Debian: dpdk-dev)");
		return false;
	}
	if (bench_cpu(1) < 0 || bench_cpu(1) == bench_cpu(0)) {
		snprintf(bench->note, sizeof(bench->note),
		         "sender and receiver both poll: it needs two CPUs");
		return false;
	}
	write_devargs(client, sizeof(client), "role=client");
	if (rte_eal_hotplug_add("vdev", MEMIF, client) != 0) {
		snprintf(bench->note, sizeof(bench->note), "there is no memif driver");
		return false;
	}
	snprintf(rx->port, sizeof(rx->port), MEMIF);
	rx->packets = small ? 100000 : 2000000;
	write_topology(rx);
	snprintf(bench->note, sizeof(bench->note),
	         "memif, testpmd sends UDP of 64 bytes from another CPU");
	return true;
}

static struct rx first, memif;

struct bench bench_rx_decode = {
	.name = "rx_decode",
	.unit = "packets/s",
	.baseline_name = "hand-written receive and decode loop",
	.engine = run_engine,
	.baseline = run_hand,
	.prepare = prepare_first,
	.discard = discard_nothing,
	.context = &first,
	.lcores = 1,
};

struct bench bench_rx_testpmd = {
	.name = "rx_testpmd",
	.unit = "packets/s",
	.baseline_name = "testpmd rxonly",
	.engine = run_engine_unchecked,
	.baseline = run_testpmd,
	.prepare = prepare_testpmd,
	.discard = discard_nothing,
	.context = &first,
	.lcores = 1,
};

struct bench bench_rx_decode_memif = {
	.name = "rx_decode_memif",
	.unit = "packets/s",
	.baseline_name = "hand-written receive and decode loop",
	.engine = run_engine_memif,
	.baseline = run_hand_memif,
	.prepare = prepare_memif,
	.discard = discard_memif,
	.context = &memif,
	.lcores = 2,
};
