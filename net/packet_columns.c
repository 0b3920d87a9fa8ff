/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Columns of packets: which there are, how each is written, how an operator is told which to write.
 * Used by packet_decode and by port_source, which can decode what it receives itself.
 */
#include "net/packet_columns.h"

#include <string.h>

#include "core/text.h"

/*
 * The columns: name, type, type in C, what writes a value. `p` is the packet, `i` its place in the
 * chunk and in the column `out`.
 */
#define PACKET_DECODE_COLUMNS(X)                                                                   \
	X(time, TIME, int64_t, out[i] = chunk->time_ns[chunk->row[i]])                             \
	X(length, U32, uint32_t, out[i] = p->captured)                                             \
	X(eth_src, MAC, uint64_t, out[i] = decode_eth_src(p))                                      \
	X(eth_dst, MAC, uint64_t, out[i] = decode_eth_dst(p))                                      \
	X(ethertype, U16, uint16_t, out[i] = p->ethertype)                                         \
	X(vlan, U16, uint16_t, out[i] = p->vlan)                                                   \
	X(mpls, U32, uint32_t, out[i] = p->mpls)                                                   \
	X(ip_version, U8, uint8_t, out[i] = p->ip_version)                                         \
	X(src, IP6, struct lm_ip6, decode_src6(p, out[i].byte))                                    \
	X(dst, IP6, struct lm_ip6, decode_dst6(p, out[i].byte))                                    \
	X(src4, IP4, uint32_t, out[i] = decode_src4(p))                                            \
	X(dst4, IP4, uint32_t, out[i] = decode_dst4(p))                                            \
	X(proto, U8, uint8_t, out[i] = p->proto)                                                   \
	X(sport, U16, uint16_t, out[i] = p->sport)                                                 \
	X(dport, U16, uint16_t, out[i] = p->dport)                                                 \
	X(tcp_flags, U8, uint8_t, out[i] = decode_tcp_flags(p))                                    \
	X(tcp_seq, U32, uint32_t, out[i] = decode_tcp_seq(p))                                      \
	X(icmp_type, U8, uint8_t, out[i] = decode_icmp_type(p))                                    \
	X(icmp_code, U8, uint8_t, out[i] = decode_icmp_code(p))                                    \
	X(ttl, U8, uint8_t, out[i] = decode_ttl(p))                                                \
	X(dscp, U8, uint8_t, out[i] = decode_dscp(p))                                              \
	X(fragment, BOOL, uint8_t, out[i] = p->fragment)                                           \
	X(ip_length, U16, uint16_t, out[i] = p->ip_length)                                         \
	X(payload_length, U32, uint32_t, out[i] = p->payload_length)                               \
	X(tunnel, U8, uint8_t, out[i] = p->tunnel)                                                 \
	X(anomaly, U8, uint8_t, out[i] = p->anomaly)

/* One leaf a column: writes it for all packets of a chunk. */
#define STORE(name, type, ctype, write)                                                            \
	static void store_##name(const struct packet_chunk *chunk, void *column, uint32_t first)   \
	{                                                                                          \
		ctype *out = (ctype *)column + first;                                              \
		const uint32_t count = chunk->count;                                               \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			const struct decode_packet *p = &chunk->packet[i];                         \
                                                                                                   \
			(void)p;                                                                   \
			write;                                                                     \
		}                                                                                  \
	}
PACKET_DECODE_COLUMNS(STORE)
#undef STORE

struct packet_column {
	const char *name;
	enum lm_type type;
	packet_store_fn *store;
};

static const struct packet_column all_columns[] = {
#define COLUMN(name, type, ctype, write) { #name, LM_##type, store_##name },
	PACKET_DECODE_COLUMNS(COLUMN)
#undef COLUMN
};

static const char *const column_names[] = {
#define NAME(name, type, ctype, write) #name,
	PACKET_DECODE_COLUMNS(NAME)
#undef NAME
};

#define COLUMN_COUNT (sizeof(all_columns) / sizeof(all_columns[0]))
_Static_assert(COLUMN_COUNT <= LM_FIELDS_MAX, "all columns must fit into one schema");

static const char *const emit_default[] = { "time", "length", "ip_version", "src",
	                                    "dst",  "proto",  "sport",      "dport" };
#define EMIT_DEFAULT_COUNT (sizeof(emit_default) / sizeof(emit_default[0]))

static const struct packet_column *
packet_column_find(const char *name)
{
	for (uint32_t i = 0; i < COLUMN_COUNT; i++) {
		if (strcmp(all_columns[i].name, name) == 0) {
			return &all_columns[i];
		}
	}
	return NULL;
}

/* Takes item `item` of emit, called `name`, as the next column. */
static int
packet_columns_add(struct lm_setup *setup, struct packet_columns *columns, bool has_time,
                   struct lm_field *fields, const char *name, uint32_t item)
{
	const struct packet_column *column = packet_column_find(name);
	char hint[512];

	if (column == NULL) {
		text_hint(name, "columns", column_names, COLUMN_COUNT, hint, sizeof(hint));
		return lm_setup_error(setup, "emit", item, LM_NONE, hint,
		                      "packets have no column \"%s\"", name);
	}
	for (uint32_t i = 0; i < columns->count; i++) {
		if (columns->store[i] == column->store) {
			return lm_setup_error(setup, "emit", item, LM_NONE, "keep one of them",
			                      "column \"%s\" is there twice", name);
		}
	}
	if (column->type == LM_TIME && !has_time) {
		return lm_setup_error(setup, "emit", item, LM_NONE,
		                      "leave it out of emit, or wire a source that has one",
		                      "the input has no time");
	}
	/* Names of columns are shorter than LM_NAME_MAX, which lm_schema_init checks. */
	strncpy(fields[columns->count].name, column->name, LM_NAME_MAX - 1);
	fields[columns->count].type = column->type;
	columns->needs_time |= column->type == LM_TIME;
	columns->store[columns->count++] = column->store;
	return 0;
}

int
packet_columns_configure(struct lm_setup *setup, struct packet_columns *columns, bool has_time)
{
	bool given = lm_setup_has(setup, "emit");
	uint32_t count = given ? lm_setup_count(setup, "emit") : EMIT_DEFAULT_COUNT;
	struct lm_field fields[LM_FIELDS_MAX];

	memset(fields, 0, sizeof(fields));
	columns->options = lm_setup_bool(setup, "inner") ? DECODE_INNER : 0;
	if (count == 0) {
		return lm_setup_error(setup, "emit", LM_NONE, LM_NONE,
		                      "name columns, or leave emit out", "it names no column");
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *name = given ? lm_setup_item(setup, "emit", i) : emit_default[i];

		if (packet_columns_add(setup, columns, has_time, fields, name, i) != 0) {
			return -1;
		}
	}
	return lm_setup_output(setup, 0, fields, columns->count);
}

void
packet_columns_write(const struct packet_columns *columns, const struct packet_chunk *chunk,
                     struct lm_batch *out, uint32_t first)
{
	for (uint32_t i = 0; i < columns->count; i++) {
		columns->store[i](chunk, lm_batch_column(out, i), first);
	}
}

void
packet_count_drops(struct lm_op *op, const uint32_t outcomes[DECODE_OUTCOME_COUNT])
{
	for (uint32_t i = DECODE_ROW + 1; i < DECODE_OUTCOME_COUNT; i++) {
		if (outcomes[i] != 0) {
			lm_op_drop(op, i - 1, outcomes[i]);
		}
	}
}
