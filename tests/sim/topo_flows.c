/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures through port_source, packet_decode, filter, aggregate and window_aggregate; and without
 * packet_decode, where the source decodes. What must come out is computed here: every frame decoded
 * once, sorted, added up.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/decode.h"
#include "tests/sim/classes.h"
#include "tests/sim/sim.h"
#include "tests/sim/topologies.h"

#define CAPTURES_MAX 64u
#define SECOND_NS INT64_C(1000000000)
/* Characters of a time up to its seconds, as in 2020-01-31T10:00:00. */
#define SECOND_TEXT 19

/* A frame with IP, or several of the same flow or second added up. */
struct flow {
	struct {
		uint8_t src[16], dst[16];
		uint16_t sport, dport;
		uint32_t proto;
	} key;
	int64_t second;
	uint64_t packets, bytes;
};

struct flows {
	struct flow *frame; /* those with IP */
	uint64_t count;
	uint64_t taken;  /* frames that pass the filter in front of all */
	uint32_t leaves; /* one in so many microseconds is left out; 0: none */
	uint64_t drops[DECODE_OUTCOME_COUNT];
	struct flow *by_flow, *by_second, *by_proto;
	uint64_t flow_count, second_count, proto_count;
};

static struct {
	char path[CAPTURES_MAX][512];
	uint32_t count;
} captures;

static int
flows_order_paths(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The sample, and what the shared folder has. */
static void
flows_find_captures(void)
{
	const char *source = getenv("LODEMILL_SOURCE"), *shared = getenv("LODEMILL_SHARED");
	char folder[256], beside[256];
	struct dirent *entry;
	DIR *dir;

	source = source == NULL ? "." : source;
	snprintf(beside, sizeof(beside), "%.200s/../shared", source);
	snprintf(folder, sizeof(folder), "%.200s/data/pcap", shared == NULL ? beside : shared);
	snprintf(captures.path[captures.count++], sizeof(captures.path[0]),
	         "%.200s/examples/captures/sample.pcap", source);
	dir = opendir(folder);
	while (dir != NULL && captures.count < CAPTURES_MAX && (entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, ".pcap") != NULL) {
			snprintf(captures.path[captures.count++], sizeof(captures.path[0]),
			         "%s/%.200s", folder, entry->d_name);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	qsort(captures.path + 1, captures.count - 1, sizeof(captures.path[0]), flows_order_paths);
}

uint32_t
topo_captures(void)
{
	if (captures.count == 0) {
		flows_find_captures();
	}
	return captures.count;
}

static void
flows_take_frame(struct flows *flows, uint64_t index)
{
	struct flow *flow = &flows->frame[flows->count];
	struct decode_packet packet;
	enum decode_outcome outcome;
	const uint8_t *bytes;
	uint32_t length;
	int64_t time_ns;

	bytes = sim_port_frame(index, &length, &time_ns);
	if (flows->leaves != 0 && (uint64_t)time_ns / 1000 % flows->leaves == 0) {
		return;
	}
	flows->taken++;
	outcome = decode_frame(bytes, length, length, 0, &packet);
	flows->drops[outcome]++;
	if (outcome != DECODE_ROW || packet.ip_version == 0) {
		return;
	}
	memset(flow, 0, sizeof(*flow));
	decode_src6(&packet, flow->key.src);
	decode_dst6(&packet, flow->key.dst);
	flow->key.proto = packet.proto;
	flow->key.sport = packet.sport;
	flow->key.dport = packet.dport;
	flow->second = time_ns / SECOND_NS - (time_ns % SECOND_NS < 0);
	flow->packets = 1;
	flow->bytes = length;
	flows->count++;
}

static int
flows_order_flows(const void *a, const void *b)
{
	return memcmp(&((const struct flow *)a)->key, &((const struct flow *)b)->key,
	              sizeof(((const struct flow *)a)->key));
}

static int
flows_order_seconds(const void *a, const void *b)
{
	int64_t one = ((const struct flow *)a)->second, other = ((const struct flow *)b)->second;

	return (one > other) - (one < other);
}

static int
flows_order_protos(const void *a, const void *b)
{
	uint32_t one = ((const struct flow *)a)->key.proto;
	uint32_t other = ((const struct flow *)b)->key.proto;

	return one != other ? (one > other) - (one < other) : flows_order_seconds(a, b);
}

/* The frames sorted, and equal ones added up. */
static struct flow *
flows_add_up(const struct flows *flows, int (*order)(const void *a, const void *b), uint64_t *count)
{
	struct flow *sum = malloc((flows->count + 1) * sizeof(*sum));

	if (sum == NULL) {
		abort();
	}
	memcpy(sum, flows->frame, flows->count * sizeof(*sum));
	qsort(sum, flows->count, sizeof(*sum), order);
	*count = 0;
	for (uint64_t i = 0; i < flows->count; i++) {
		if (*count > 0 && order(&sum[*count - 1], &sum[i]) == 0) {
			sum[*count - 1].packets++;
			sum[*count - 1].bytes += sum[i].bytes;
		} else {
			sum[(*count)++] = sum[i];
		}
	}
	return sum;
}

static void
flows_free(struct flows *flows)
{
	if (flows != NULL) {
		free(flows->frame);
		free(flows->by_flow);
		free(flows->by_second);
		free(flows->by_proto);
		free(flows);
	}
}

/* What must come of a capture, in which one frame in so many microseconds is left out; 0: none. */
static struct flows *
flows_expect(const char *path, uint32_t leaves)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (flows == NULL || sim_port_load(path) != 0) {
		fprintf(stderr, "cannot read %s\n", path);
		free(flows);
		return NULL;
	}
	flows->leaves = leaves;
	flows->frame = malloc((sim_port_frames() + 1) * sizeof(*flows->frame));
	if (flows->frame == NULL) {
		abort();
	}
	for (uint64_t i = 0; i < sim_port_frames(); i++) {
		flows_take_frame(flows, i);
	}
	flows->by_flow = flows_add_up(flows, flows_order_flows, &flows->flow_count);
	flows->by_second = flows_add_up(flows, flows_order_seconds, &flows->second_count);
	flows->by_proto = flows_add_up(flows, flows_order_protos, &flows->proto_count);
	return flows;
}

static const char *
flows_capture_of(uint64_t seed)
{
	return captures.path[seed % topo_captures()];
}

static bool
flows_begin(struct topo *topo)
{
	uint32_t leaves = sim_below(3) == 0 ? 2 + (uint32_t)sim_below(6) : 0;

	topo->data = flows_expect(flows_capture_of(topo->seed), leaves);
	return topo->data != NULL;
}

static bool
flows_begin_whole(struct topo *topo)
{
	topo->data = flows_expect(flows_capture_of(topo->seed), 0);
	return topo->data != NULL;
}

static void
flows_end(struct topo *topo)
{
	flows_free(topo->data);
}

/* What both topologies have. */
static void
decoded_draw(struct topo *topo)
{
	static const char *const lags[] = { "0s", "1s", "1m", "20000d" };
	const struct flows *flows = topo->data;

	topo_set_slices(topo, "queues");
	topo_set_slices(topo, "filters");
	topo_set_slices(topo, "aggregates");
	topo_set_slices(topo, "windowers");
	topo_set_slices(topo, "outs");
	topo_set_spread(topo, "to_ip");
	topo_set_spread(topo, "to_out");
	topo_set(topo, "lag", "%s", lags[sim_below(4)]);
	topo_set(topo, "windows", "%u", 1u << sim_below(7));
	/* As many as there are: whatever the slices, none may be refused. */
	topo_set(topo, "keys", "%llu", (unsigned long long)flows->flow_count + 1);
}

static void
flows_draw(struct topo *topo)
{
	const struct flows *flows = topo->data;

	decoded_draw(topo);
	topo_set_slices(topo, "somes");
	topo_set_slices(topo, "decoders");
	topo_set_spread(topo, "to_some");
	topo_set_spread(topo, "to_decode");
	if (flows->leaves == 0) {
		topo_set(topo, "where", "queue < 64");
	} else {
		topo_set(topo, "where", "u64(time) / 1000 %% %u != 0", flows->leaves);
	}
}

static void
flows_expect_flows(const struct flows *flows, struct sim_lines *lines)
{
	char src[64], dst[64];

	for (uint64_t i = 0; i < flows->flow_count; i++) {
		const struct flow *flow = &flows->by_flow[i];

		topo_expect(lines, "%s,%s,%u,%u,%u,%llu,%llu",
		            topo_text(LM_IP6, flow->key.src, src, sizeof(src)),
		            topo_text(LM_IP6, flow->key.dst, dst, sizeof(dst)), flow->key.proto,
		            flow->key.sport, flow->key.dport, (unsigned long long)flow->packets,
		            (unsigned long long)flow->bytes);
	}
}

static bool
flows_check_flows(const struct flows *flows)
{
	struct sim_lines expected = { 0 };

	flows_expect_flows(flows, &expected);
	return topo_compare(&expected, sim_collected("flows"), "flows");
}

/* One row that came late, time,length,ip_version,proto,…, added to its second's sums. */
static void
flows_add_late(const char *line, struct sim_lines *sums, bool by_proto)
{
	unsigned int length, version, proto;

	if (sscanf(strchr(line, ','), ",%u,%u,%u,", &length, &version, &proto) != 3) {
		abort();
	}
	if (by_proto) {
		topo_expect(sums, "%.*sZ,%u,1,%u", SECOND_TEXT, line, proto, length);
	} else {
		topo_expect(sums, "%.*sZ,1,%u", SECOND_TEXT, line, length);
	}
}

/*
 * Lines "group,packets,bytes", of one group several perhaps, added up to one a group. `lines` is
 * sorted: those of a group stand together.
 */
static void
flows_merge(struct sim_lines *lines, struct sim_lines *merged)
{
	char group[128] = "";
	unsigned long long packets = 0, bytes = 0;

	for (uint32_t i = 0; i <= lines->count; i++) {
		const char *line = i < lines->count ? lines->line[i] : "end,0,0";
		const char *at = strrchr(line, ',');
		unsigned long long more[2];

		do {
			at--;
		} while (*at != ',');
		if (sscanf(at, ",%llu,%llu", &more[0], &more[1]) != 2) {
			abort();
		}
		if (strlen(group) != (size_t)(at - line) ||
		    memcmp(group, line, strlen(group)) != 0) {
			if (i > 0) {
				topo_expect(merged, "%s,%llu,%llu", group, packets, bytes);
			}
			snprintf(group, sizeof(group), "%.*s", (int)(at - line), line);
			packets = bytes = 0;
		}
		packets += more[0];
		bytes += more[1];
	}
}

/* What was on time and what was late, together, in a form to compare. */
static void
flows_gather(const char *name, const char *late, bool by_proto, struct sim_lines *merged)
{
	const struct sim_lines *on_time = sim_collected(name), *too_late = sim_collected(late);
	struct sim_lines all = { 0 };

	for (uint32_t i = 0; i < on_time->count; i++) {
		sim_lines_add(&all, on_time->line[i]);
	}
	for (uint32_t i = 0; i < too_late->count; i++) {
		flows_add_late(too_late->line[i], &all, by_proto);
	}
	sim_lines_sort(&all);
	flows_merge(&all, merged);
	sim_lines_clear(&all);
}

static bool
flows_check_seconds(const struct flows *flows)
{
	struct sim_lines expected = { 0 }, merged = { 0 };
	char time[64];
	bool good;

	for (uint64_t i = 0; i < flows->second_count; i++) {
		const struct flow *second = &flows->by_second[i];
		int64_t time_ns = second->second * SECOND_NS;

		topo_expect(&expected, "%s,%llu,%llu",
		            topo_text(LM_TIME, &time_ns, time, sizeof(time)),
		            (unsigned long long)second->packets, (unsigned long long)second->bytes);
	}
	flows_gather("seconds", "late", false, &merged);
	good = topo_compare(&expected, &merged, "seconds, late ones included");
	sim_lines_clear(&merged);
	return good;
}

/* Of window_aggregate: groups that found no place when slots moved. */
#define FLOWS_GAUGE_LOST 1u

/* Where windows were refused, only the number of packets can be told. */
static bool
flows_check_protos(const struct flows *flows, uint64_t refused, uint64_t lost)
{
	struct sim_lines expected = { 0 }, merged = { 0 };
	uint64_t packets = refused;
	char time[64];
	bool good;

	flows_gather("mix", "lates", true, &merged);
	for (uint32_t i = 0; i < merged.count; i++) {
		const char *at = strchr(strchr(merged.line[i], ',') + 1, ',') + 1;

		packets += strtoull(at, NULL, 10);
	}
	/* A slice that got slots may have had no window left for their groups. */
	good = lost > 0 ? packets < flows->count
	                : topo_equal(flows->count, packets,
	                             "packets by protocol, late and refused included");
	refused += lost;
	for (uint64_t i = 0; refused == 0 && i < flows->proto_count; i++) {
		const struct flow *proto = &flows->by_proto[i];
		int64_t time_ns = proto->second * SECOND_NS;

		topo_expect(&expected, "%s,%u,%llu,%llu",
		            topo_text(LM_TIME, &time_ns, time, sizeof(time)), proto->key.proto,
		            (unsigned long long)proto->packets, (unsigned long long)proto->bytes);
	}
	good = good && (refused > 0 || topo_compare(&expected, &merged, "protocols by second"));
	sim_lines_clear(&merged);
	return good;
}

/* What came of the frames that `decoder` decoded. */
static bool
flows_check_rows(const struct flows *flows, const struct lm_engine *engine, const char *decoder)
{
	bool good = true;

	for (uint32_t i = DECODE_ROW + 1; i < DECODE_OUTCOME_COUNT; i++) {
		good &= topo_equal(flows->drops[i], topo_drops(engine, decoder, i - 1),
		                   decode_outcome_text((enum decode_outcome)i));
	}
	return good && flows_check_flows(flows) && flows_check_seconds(flows) &&
	       topo_equal(0, topo_drops(engine, "flows", 0), "flows refused") &&
	       flows_check_protos(flows, topo_drops(engine, "protos", 1),
	                          topo_gauge(engine, "protos", FLOWS_GAUGE_LOST));
}

static bool
flows_check(struct topo *topo, const struct lm_engine *engine)
{
	const struct flows *flows = topo->data;

	return topo_equal(flows->taken, topo_rows_in(engine, "decode"), "frames") &&
	       flows_check_rows(flows, engine, "decode");
}

static bool
decoded_check(struct topo *topo, const struct lm_engine *engine)
{
	const struct flows *flows = topo->data;

	return topo_equal(flows->taken, topo_rows_absorbed(engine, "packets"), "frames") &&
	       flows_check_rows(flows, engine, "packets");
}

static const struct topo_scenario flows_scenario = { "flows.yaml", flows_begin,
	                                             flows_draw,   flows_check,
	                                             flows_end,    topo_may_rescale_keyed };
static const struct topo_scenario captures_scenario = { "flows.yaml", flows_begin_whole,
	                                                flows_draw,   flows_check,
	                                                flows_end,    topo_may_rescale_keyed };
static const struct topo_scenario decoded_scenario = { "decoded.yaml", flows_begin_whole,
	                                               decoded_draw,   decoded_check,
	                                               flows_end,      topo_may_rescale_keyed };

bool
topo_flows_run(uint64_t seed)
{
	return topo_run(&flows_scenario, seed);
}

bool
topo_captures_run(uint64_t seed)
{
	return topo_run(&captures_scenario, seed);
}

bool
topo_decoded_run(uint64_t seed)
{
	return topo_run(&decoded_scenario, seed);
}

bool
topo_flows_print(const char *path)
{
	struct flows *flows = flows_expect(path, 0);
	struct sim_lines lines = { 0 };

	if (flows == NULL) {
		return false;
	}
	flows_expect_flows(flows, &lines);
	for (uint64_t i = 0; i < flows->second_count; i++) {
		const struct flow *second = &flows->by_second[i];

		topo_expect(&lines, "%lld,%llu,%llu", (long long)second->second,
		            (unsigned long long)second->packets, (unsigned long long)second->bytes);
	}
	for (uint32_t i = 0; i < lines.count; i++) {
		puts(lines.line[i]);
	}
	sim_lines_clear(&lines);
	flows_free(flows);
	return true;
}
