/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plugin whose only class, update_oracle, sees every row that the operators of updating.c have
 * made, and says at the end what was wrong. The nth row of a key must be the nth, with the count
 * and the sum that its key has come to by then; the code that made it and the code that took it are
 * of one update, never of an earlier one than the row before; the same holds for the operator
 * that is now and then put in between, which writes its update's number into `via`.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/lm_op.h"

#define KEYS 4096u

enum { KEY, AT, VIA, ROWS, SUM, MADE, TAKEN, COLUMNS };
static const char *const column_name[COLUMNS] = {
	"key", "at", "via", "rows", "sum", "made", "taken"
};
/* At the end. */
static const struct lm_field fields[] = {
	{ "rows", LM_U64, 0 },           { "wrong", LM_U64, 0 },      { "keys", LM_U64, 0 },
	{ "digest", LM_U64, 0 },         /* of the keys' counts and sums */
	{ "switches_least", LM_U64, 0 }, /* from one update's code to another's, of a key */
	{ "switches_most", LM_U64, 0 },  { "vias_least", LM_U64, 0 }, /* the operator in between
	                                                                 came, or went */
	{ "vias_most", LM_U64, 0 },
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

struct key {
	uint64_t rows, sum;
	uint64_t made, via, last_via; /* last_via: the last that was not 0 */
	uint64_t switches, vias;
};

struct oracle {
	uint64_t rows, wrong;
	struct key *key;
};

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static int
oracle_configure(struct lm_setup *setup, void *config)
{
	uint32_t *column = config;

	for (uint32_t i = 0; i < COLUMNS; i++) {
		column[i] = lm_schema_find(lm_setup_input(setup, 0), column_name[i]);
	}
	return lm_setup_output(setup, 0, fields, FIELDS);
}

static int
oracle_open(struct lm_op *op)
{
	struct oracle *oracle = lm_op_context(op);

	oracle->key = lm_op_alloc(op, KEYS * sizeof(*oracle->key));
	return oracle->key == NULL ? -ENOMEM : 0;
}

/* Whether the row is the one that must come, of code that may. */
static bool
is_right(struct key *key, const uint64_t row[COLUMNS])
{
	bool good = row[AT] == key->rows && row[MADE] == row[TAKEN] && row[MADE] >= key->made;

	key->rows++;
	key->sum += mix(row[KEY] << 40 ^ row[AT]);
	good &= row[ROWS] == key->rows && row[SUM] == key->sum;
	key->switches += row[MADE] != key->made;
	key->made = row[MADE];
	if (row[VIA] != key->via) {
		good &= row[VIA] == 0 || row[VIA] > key->last_via;
		key->last_via = row[VIA] == 0 ? key->last_via : row[VIA];
		key->via = row[VIA];
		key->vias++;
	}
	return good;
}

static void
tell(struct oracle *oracle, const struct key *key, const uint64_t row[COLUMNS])
{
	if (oracle->wrong++ < 10) {
		fprintf(stderr, "# wrong: row %" PRIu64 " of its key, sum %" PRIx64 ", is",
		        key->rows, key->sum);
		for (uint32_t i = 0; i < COLUMNS; i++) {
			fprintf(stderr, " %s %" PRIx64, column_name[i], row[i]);
		}
		fprintf(stderr, "\n");
	}
}

static void
oracle_process(struct lm_op *op, const struct lm_batch *in)
{
	const uint32_t *column = lm_op_config(op);
	struct oracle *oracle = lm_op_context(op);

	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t row[COLUMNS];
		struct key *key;

		for (uint32_t c = 0; c < COLUMNS; c++) {
			row[c] = lm_batch_u64(in, column[c])[i];
		}
		key = &oracle->key[row[KEY] % KEYS];
		if (!is_right(key, row)) {
			tell(oracle, key, row);
		}
	}
	oracle->rows += in->count;
	lm_op_absorb(op, in->count);
}

static void
oracle_end(struct lm_op *op)
{
	const struct oracle *oracle = lm_op_context(op);
	uint64_t said[FIELDS] = { oracle->rows, oracle->wrong, 0, 0, UINT64_MAX, 0, UINT64_MAX, 0 };
	struct lm_batch *to;
	uint32_t first;

	for (uint32_t k = 0; k < KEYS; k++) {
		const struct key *key = &oracle->key[k];

		said[2] += key->rows > 0;
		said[3] += mix(mix(k + mix(key->rows)) + key->sum);
		said[4] = key->switches < said[4] ? key->switches : said[4];
		said[5] = key->switches > said[5] ? key->switches : said[5];
		said[6] = key->vias < said[6] ? key->vias : said[6];
		said[7] = key->vias > said[7] ? key->vias : said[7];
	}
	to = lm_op_reserve(op, 0, 1, &first);
	for (uint32_t i = 0; i < FIELDS; i++) {
		lm_batch_u64(to, i)[first] = said[i];
	}
	lm_op_emit(op, 0, 1);
}

static const char *const inputs[] = { "in", NULL };
static const char *const outputs[] = { "out", NULL };
static const struct lm_op_class oracle_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_GLOBAL,
	.name = "update_oracle",
	.version = "1.0",
	.summary = "no row is lost, doubled, late or of two versions",
	.inputs = inputs,
	.outputs = outputs,
	.rows = LM_ROWS_ABSORB,
	.config_size = COLUMNS * sizeof(uint32_t),
	.context_size = sizeof(struct oracle),
	.configure = oracle_configure,
	.open = oracle_open,
	.process = oracle_process,
	.end = oracle_end,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &oracle_class : NULL;
}
