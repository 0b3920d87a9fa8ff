/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap_flows: the flows of a capture by the decoder alone, without the engine, as CSV.
 *
 *     pcap_flows [--inner] [--seconds | --totals | --rows] CAPTURE
 *
 * --rows prints a line for every frame: number, outcome and, of a row, ip_version, src, dst, proto,
 * sport, dport, ethertype, vlan, mpls, tunnel, anomaly, payload_length, fragment. Counts of drops
 * and anomalies go to standard error. Every frame is copied to a block of its own size, so that
 * ASan sees an overread.
 */
#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/decode.h"

enum mode { MODE_FLOWS, MODE_SECONDS, MODE_TOTALS, MODE_ROWS };

struct flow {
	uint8_t src[16], dst[16];
	uint8_t proto;
	uint16_t sport, dport;
	uint64_t packets, bytes;
};

struct second {
	int64_t second;
	uint64_t packets, bytes, ip_packets, ip_bytes;
};

struct totals {
	struct flow *flow;
	size_t flow_count, flow_capacity;
	struct second *second;
	size_t second_count;
	struct second all;
	uint64_t outcomes[DECODE_OUTCOME_COUNT], anomalies[DECODE_ANOMALY_COUNT];
};

static void *
grow(void *memory, size_t size)
{
	memory = realloc(memory, size);
	if (memory == NULL) {
		fprintf(stderr, "pcap_flows: no memory left\n");
		exit(1);
	}
	return memory;
}

static int
flow_compare(const void *left, const void *right)
{
	const struct flow *a = left, *b = right;
	int order = memcmp(a->src, b->src, 16);

	order = order != 0 ? order : memcmp(a->dst, b->dst, 16);
	order = order != 0 ? order : a->proto - b->proto;
	order = order != 0 ? order : a->sport - b->sport;
	return order != 0 ? order : a->dport - b->dport;
}

/* One flow a packet; those alike are added up at the end. */
static void
flow_add(struct totals *totals, const struct decode_packet *packet)
{
	struct flow *flow;

	if (totals->flow_count == totals->flow_capacity) {
		totals->flow_capacity =
		    totals->flow_capacity == 0 ? 1024 : totals->flow_capacity * 2;
		totals->flow = grow(totals->flow, totals->flow_capacity * sizeof(*flow));
	}
	flow = &totals->flow[totals->flow_count++];
	decode_src6(packet, flow->src);
	decode_dst6(packet, flow->dst);
	flow->proto = packet->proto;
	flow->sport = packet->sport;
	flow->dport = packet->dport;
	flow->packets = 1;
	flow->bytes = packet->captured;
}

static void
flow_merge(struct totals *totals)
{
	size_t kept = 0;

	if (totals->flow_count > 0) {
		qsort(totals->flow, totals->flow_count, sizeof(*totals->flow), flow_compare);
	}
	for (size_t i = 0; i < totals->flow_count; i++) {
		if (kept > 0 && flow_compare(&totals->flow[kept - 1], &totals->flow[i]) == 0) {
			totals->flow[kept - 1].packets += totals->flow[i].packets;
			totals->flow[kept - 1].bytes += totals->flow[i].bytes;
		} else {
			totals->flow[kept++] = totals->flow[i];
		}
	}
	totals->flow_count = kept;
}

static void
second_count(struct second *second, uint32_t bytes, bool has_ip)
{
	second->packets++;
	second->bytes += bytes;
	second->ip_packets += has_ip;
	second->ip_bytes += has_ip ? bytes : 0;
}

static void
second_add(struct totals *totals, int64_t at, uint32_t bytes, bool has_ip)
{
	for (size_t i = totals->second_count; i-- > 0;) {
		if (totals->second[i].second == at) {
			second_count(&totals->second[i], bytes, has_ip);
			return;
		}
	}
	totals->second = grow(totals->second, (totals->second_count + 1) * sizeof(*totals->second));
	totals->second[totals->second_count] = (struct second){ .second = at };
	second_count(&totals->second[totals->second_count++], bytes, has_ip);
}

static int
second_compare(const void *left, const void *right)
{
	const struct second *a = left, *b = right;

	return a->second < b->second ? -1 : a->second > b->second;
}

static void
address_text(const uint8_t *address, char *text, size_t size)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(address, mapped, sizeof(mapped)) == 0) {
		inet_ntop(AF_INET, address + 12, text, (socklen_t)size);
	} else {
		inet_ntop(AF_INET6, address, text, (socklen_t)size);
	}
}

static void
print_row(uint64_t number, enum decode_outcome outcome, const struct decode_packet *packet)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	uint8_t address[16];

	printf("%llu,%s", (unsigned long long)number, decode_outcome_text(outcome));
	if (outcome == DECODE_ROW) {
		decode_src6(packet, address);
		address_text(address, src, sizeof(src));
		decode_dst6(packet, address);
		address_text(address, dst, sizeof(dst));
		printf(",%u,%s,%s,%u,%u,%u,%04x,%u,%u,%s,%s,%u,%u", packet->ip_version, src, dst,
		       packet->proto, packet->sport, packet->dport, packet->ethertype, packet->vlan,
		       packet->mpls, decode_tunnel_text(packet->tunnel),
		       decode_anomaly_text(packet->anomaly), packet->payload_length,
		       packet->fragment);
	}
	printf("\n");
}

static void
print_flows(const struct totals *totals)
{
	printf("src,dst,proto,sport,dport,packets,bytes\n");
	for (size_t i = 0; i < totals->flow_count; i++) {
		const struct flow *flow = &totals->flow[i];
		char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

		address_text(flow->src, src, sizeof(src));
		address_text(flow->dst, dst, sizeof(dst));
		printf("%s,%s,%u,%u,%u,%llu,%llu\n", src, dst, flow->proto, flow->sport,
		       flow->dport, (unsigned long long)flow->packets,
		       (unsigned long long)flow->bytes);
	}
}

static void
print_counts(const struct second *counts)
{
	printf("%llu,%llu,%llu,%llu\n", (unsigned long long)counts->packets,
	       (unsigned long long)counts->bytes, (unsigned long long)counts->ip_packets,
	       (unsigned long long)counts->ip_bytes);
}

static void
print_seconds(struct totals *totals)
{
	if (totals->second_count > 0) {
		qsort(totals->second, totals->second_count, sizeof(*totals->second),
		      second_compare);
	}
	printf("second,packets,bytes,ip_packets,ip_bytes\n");
	for (size_t i = 0; i < totals->second_count; i++) {
		printf("%lld,", (long long)totals->second[i].second);
		print_counts(&totals->second[i]);
	}
}

static void
print_problems(const struct totals *totals)
{
	for (int i = 1; i < DECODE_OUTCOME_COUNT; i++) {
		if (totals->outcomes[i] != 0) {
			fprintf(stderr, "drop %s: %llu\n",
			        decode_outcome_text((enum decode_outcome)i),
			        (unsigned long long)totals->outcomes[i]);
		}
	}
	for (int i = 1; i < DECODE_ANOMALY_COUNT; i++) {
		if (totals->anomalies[i] != 0) {
			fprintf(stderr, "anomaly %s: %llu\n",
			        decode_anomaly_text((enum decode_anomaly)i),
			        (unsigned long long)totals->anomalies[i]);
		}
	}
}

static void
count_frame(struct totals *totals, const struct pcap_pkthdr *header, const u_char *bytes,
            uint32_t options, enum mode mode)
{
	uint8_t *copy = grow(NULL, header->caplen == 0 ? 1 : header->caplen);
	struct decode_packet packet;
	enum decode_outcome outcome;
	bool has_ip;

	memcpy(copy, bytes, header->caplen);
	outcome = decode_frame(copy, header->caplen, header->caplen, options, &packet);
	has_ip = outcome == DECODE_ROW && packet.ip_version != 0;
	totals->outcomes[outcome]++;
	second_count(&totals->all, header->caplen, has_ip);
	if (outcome == DECODE_ROW) {
		totals->anomalies[packet.anomaly]++;
	}
	if (has_ip && mode == MODE_FLOWS) {
		flow_add(totals, &packet);
	} else if (mode == MODE_SECONDS) {
		second_add(totals, header->ts.tv_sec, header->caplen, has_ip);
	} else if (mode == MODE_ROWS) {
		print_row(totals->all.packets, outcome, &packet);
	}
	free(copy);
}

static int
run(const char *path, uint32_t options, enum mode mode)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, error);
	struct totals totals = { 0 };
	struct pcap_pkthdr *header;
	const u_char *bytes;

	if (capture == NULL) {
		fprintf(stderr, "pcap_flows: %s\n", error);
		return 1;
	}
	if (pcap_datalink(capture) != DLT_EN10MB) {
		fprintf(stderr, "pcap_flows: %s is not a capture of Ethernet\n", path);
		pcap_close(capture);
		return 1;
	}
	while (pcap_next_ex(capture, &header, &bytes) == 1) {
		count_frame(&totals, header, bytes, options, mode);
	}
	if (mode == MODE_FLOWS) {
		flow_merge(&totals);
		print_flows(&totals);
	} else if (mode == MODE_SECONDS) {
		print_seconds(&totals);
	} else if (mode == MODE_TOTALS) {
		printf("packets,bytes,ip_packets,ip_bytes\n");
		print_counts(&totals.all);
	}
	print_problems(&totals);
	free(totals.flow);
	free(totals.second);
	pcap_close(capture);
	return 0;
}

int
main(int argc, char **argv)
{
	enum mode mode = MODE_FLOWS;
	uint32_t options = 0;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--inner") == 0) {
			options |= DECODE_INNER;
		} else if (strcmp(argv[at], "--seconds") == 0) {
			mode = MODE_SECONDS;
		} else if (strcmp(argv[at], "--totals") == 0) {
			mode = MODE_TOTALS;
		} else if (strcmp(argv[at], "--rows") == 0) {
			mode = MODE_ROWS;
		} else {
			break;
		}
	}
	if (at + 1 != argc) {
		fprintf(stderr,
		        "usage: pcap_flows [--inner] [--seconds | --totals | --rows] CAPTURE\n");
		return 2;
	}
	return run(argv[at], options, mode);
}
