/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rx_decode: receive from a port, decode, count packets and bytes. The baseline is the loop one
 * writes by hand on the same port: burst, decode each, count, free. bench/run adds what testpmd's
 * rxonly reaches.
 */

#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "bench/bench.h"
#include "net/decode.h"
#include "net/port.h"

#define BURST 64u

static uint64_t packets;
static char text[600];
static char port_name[RTE_ETH_NAME_MAX_LEN];

/* What the port alone gives, as testpmd's rxonly takes it: burst, free. */
static double
port_rate(void)
{
	struct port_needs needs = { .name = port_name, .queues = 1, .promiscuous = true };
	char why[300];
	int port = port_open(&needs, why, sizeof(why));
	uint64_t received = 0;
	double start = bench_seconds();

	while (port >= 0 && received < packets) {
		struct rte_mbuf *mbuf[BURST];
		uint16_t count = rte_eth_rx_burst(0, 0, mbuf, BURST);

		rte_pktmbuf_free_bulk(mbuf, count);
		received += count;
	}
	if (port >= 0) {
		port_close(port);
	}
	return (double)received / (bench_seconds() - start);
}

static bool
prepare(struct bench *bench, bool small)
{
	if (rte_eth_dev_count_avail() == 0 || rte_eth_dev_get_name_by_port(0, port_name) != 0) {
		snprintf(bench->note, sizeof(bench->note), "there is no port: give one by --vdev");
		return false;
	}
	packets = small ? 100000 : 40000000;
	snprintf(
	    text, sizeof(text),
	    "name: rx_decode\n"
	    "operators:\n"
	    "  packets: {type: port_source, port: 0, limit: %lu, emit: [length, proto]}\n"
	    "  count:   {type: aggregate, input: packets, count: packets, sum: length, emit: end}\n"
	    "  out:     {type: bench_sink, input: count}\n",
	    (unsigned long)packets);
	port_rate();
	snprintf(bench->note, sizeof(bench->note), "port %s, which alone gives %.1f M packets/s",
	         port_name, port_rate() * 1e-6);
	return true;
}

static void
discard(struct bench *bench)
{
	(void)bench;
}

static bool
run_engine(void *context, struct bench_run *run)
{
	(void)context;
	return bench_topology(text, NULL, 1, run);
}

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

static bool
run_baseline(void *context, struct bench_run *run)
{
	struct port_needs needs = { .name = port_name, .queues = 1, .promiscuous = true };
	struct totals totals = { 0 };
	char why[300];
	int port = port_open(&needs, why, sizeof(why));
	uint64_t received = 0;
	double start;

	(void)context;
	if (port < 0) {
		fprintf(stderr, "rx_decode: %s\n", why);
		return false;
	}
	start = bench_seconds();
	while (received < packets) {
		struct rte_mbuf *mbuf[BURST];
		uint64_t left = packets - received;
		uint16_t count =
		    rte_eth_rx_burst(0, 0, mbuf, (uint16_t)(left < BURST ? left : BURST));

		decode_burst(mbuf, count, &totals);
		rte_pktmbuf_free_bulk(mbuf, count);
		received += count;
	}
	run->seconds = bench_seconds() - start;
	run->items = received;
	run->checksum = bench_mix(bench_mix(0, totals.packets), totals.bytes);
	port_close(port);
	return true;
}

struct bench bench_rx_decode = {
	.name = "rx_decode",
	.unit = "packets/s",
	.baseline_name = "hand-written receive and decode loop",
	.engine = run_engine,
	.baseline = run_baseline,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
