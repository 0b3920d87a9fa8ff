/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * null_sink: the end of a way that leads nowhere. Can add up a checksum of the rows that does not
 * depend on their order, and can pretend to be slow.
 */
#include <string.h>

#include "core/lm_op.h"
#include "core/registry_builtin.h"

struct null_config {
	bool checksum;
	uint64_t delay_ns; /* a row; 0: none */
};

struct null_sink {
	uint64_t sum;
	uint64_t hash[LM_BATCH_ROWS];
	/* With a delay: */
	bool working;    /* on the batch in hand */
	uint32_t done;   /* rows of it */
	int64_t free_ns; /* when the last row that was begun is through */
};

static const struct lm_param null_params[] = {
	{ .name = "checksum",
	  .type = LM_PARAM_BOOL,
	  .fallback = "false",
	  .summary =
	      "add up a hash of every row; shown as a gauge, equal for equal rows in any order" },
	{ .name = "delay",
	  .type = LM_PARAM_DURATION,
	  .fallback = "0s",
	  .min = 0,
	  .max = 1e9,
	  .summary = "time that a row takes, as if the sink were slow; at most 1 s" },
	{ 0 }
};

static const char *const null_inputs[] = { "rows", NULL };

static int
null_configure(struct lm_setup *setup, void *config)
{
	struct null_config *c = config;

	c->checksum = lm_setup_bool(setup, "checksum");
	c->delay_ns = lm_setup_u64(setup, "delay");
	return 0;
}

/* ---- checksum ---- */

static inline uint64_t
null_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9fb21c651e98df25);
	return hash ^ (hash >> 29);
}

#define NULL_HASH(name, ctype)                                                                     \
	static void null_hash_##name(uint64_t *hash, const ctype *value, uint32_t count)           \
	{                                                                                          \
		for (uint32_t i = 0; i < count; i++) {                                             \
			hash[i] = null_mix(hash[i], value[i]);                                     \
		}                                                                                  \
	}
NULL_HASH(u8, uint8_t)
NULL_HASH(u16, uint16_t)
NULL_HASH(u32, uint32_t)
NULL_HASH(u64, uint64_t)
#undef NULL_HASH

static uint64_t
null_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const char *at = bytes;
	uint64_t word;

	hash = null_mix(hash, length);
	for (; length >= 8; length -= 8, at += 8) {
		memcpy(&word, at, 8);
		hash = null_mix(hash, word);
	}
	word = 0;
	memcpy(&word, at, length);
	return null_mix(hash, word);
}

static void
null_hash_strings(uint64_t *hash, const struct lm_batch *in, uint32_t field)
{
	const uint32_t *offsets = lm_batch_offsets(in, field);
	const char *bytes = lm_batch_bytes(in, field);

	for (uint32_t i = 0; i < in->count; i++) {
		hash[i] = null_hash_bytes(hash[i], bytes + offsets[i], offsets[i + 1] - offsets[i]);
	}
}

/* Addresses, and frames by what can be read of them. */
static void
null_hash_wide(uint64_t *hash, const struct lm_batch *in, uint32_t field)
{
	for (uint32_t i = 0; i < in->count; i++) {
		if (in->schema->field[field].type == LM_IP6) {
			hash[i] = null_hash_bytes(hash[i], &lm_batch_ip6(in, field)[i], 16);
		} else {
			const struct lm_frame *frame = &lm_batch_frame(in, field)[i];

			hash[i] = null_hash_bytes(hash[i], frame->data, frame->contiguous);
			hash[i] = null_mix(hash[i], frame->length);
		}
	}
}

/* The hash of every row, over all columns in their order. */
static void
null_hash(uint64_t *hash, const struct lm_batch *in)
{
	memset(hash, 0, in->count * sizeof(*hash));
	for (uint32_t f = 0; f < in->schema->field_count; f++) {
		const void *column = lm_batch_column(in, f);

		switch (lm_type_width(in->schema->field[f].type)) {
		case 0:
			null_hash_strings(hash, in, f);
			break;
		case 1:
			null_hash_u8(hash, column, in->count);
			break;
		case 2:
			null_hash_u16(hash, column, in->count);
			break;
		case 4:
			null_hash_u32(hash, column, in->count);
			break;
		case 8:
			null_hash_u64(hash, column, in->count);
			break;
		default:
			null_hash_wide(hash, in, f);
			break;
		}
	}
}

static void
null_checksum(struct lm_op *op, struct null_sink *n, const struct lm_batch *in,
              const uint16_t *rows, uint32_t count)
{
	null_hash(n->hash, in);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = n->hash[rows == NULL ? i : rows[i]];

		/* Once more, so that the sum of two rows says nothing about their parts. */
		n->sum += null_mix(hash ^ (hash >> 32), UINT64_C(0x9e3779b97f4a7c15));
	}
	lm_op_gauge(op, 0, "checksum", n->sum);
}

/* ---- rows ---- */

/* How many more of `count` rows are through by now. */
static uint32_t
null_rows_through(const struct null_config *c, struct null_sink *n, int64_t now_ns, uint32_t count)
{
	uint64_t through = (uint64_t)(now_ns - n->free_ns) / c->delay_ns;

	if (now_ns < n->free_ns) {
		return 0;
	}
	through = through < count - n->done ? through : count - n->done;
	n->free_ns += (int64_t)(through * c->delay_ns);
	return (uint32_t)through;
}

/* Never waits: it is called again, with the same rows, until time has passed for all of them. */
static void
null_slowly(struct lm_op *op, const struct null_config *c, struct null_sink *n, uint32_t count)
{
	int64_t now_ns = lm_op_now_ns(op);
	uint32_t through;

	if (!n->working) {
		n->working = true;
		n->done = 0;
		n->free_ns = n->free_ns < now_ns ? now_ns : n->free_ns;
	}
	through = null_rows_through(c, n, now_ns, count);
	lm_op_absorb(op, through);
	n->done += through;
	n->working = n->done < count;
	if (n->working) {
		lm_op_again(op);
	}
}

static void
null_rows(struct lm_op *op, const struct lm_batch *in, const uint16_t *rows, uint32_t count)
{
	const struct null_config *c = lm_op_config(op);
	struct null_sink *n = lm_op_context(op);

	if (c->checksum && !n->working) {
		null_checksum(op, n, in, rows, count);
	}
	if (c->delay_ns != 0) {
		null_slowly(op, c, n, count);
	} else {
		lm_op_absorb(op, count);
	}
}

static void
null_process(struct lm_op *op, const struct lm_batch *in)
{
	null_rows(op, in, NULL, in->count);
}

static void
null_process_select(struct lm_op *op, const struct lm_select *in)
{
	null_rows(op, in->batch, in->row, in->count);
}

static const struct lm_op_class null_sink_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_SINK | LM_OP_RESCALES,
	.name = "null_sink",
	.version = "1.0.0",
	.summary = "counts rows and forgets them; can check them and can be slow",
	.params = null_params,
	.inputs = null_inputs,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct null_config),
	.context_size = sizeof(struct null_sink),
	.configure = null_configure,
	.process = null_process,
	.process_select = null_process_select,
};

REGISTER_CLASS(null_sink_class)
