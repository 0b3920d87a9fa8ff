/* SPDX-License-Identifier: BSD-3-Clause */
/* Transactions of sinks: taken at the flip, secured before the epoch is durable, committed after.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "state/snapshot_run.h"

int
sinks_take(struct snapshots *s, struct lm_op *slice, uint64_t number, const struct op_text *text)
{
	struct txn *txn;

	if (text->size == 0) {
		return 0;
	}
	txn = malloc(sizeof(*txn) + text->size);
	if (txn == NULL) {
		return snapshots_fail(s, -ENOMEM, "a transaction");
	}
	*txn = (struct txn){ .slice = slice, .number = number, .size = text->size };
	memcpy(txn->bytes, text->bytes, text->size);
	*s->txn_end = txn;
	s->txn_end = &txn->next;
	return 0;
}

uint64_t
sinks_count(const struct snapshots *s)
{
	uint64_t count = 0;

	for (const struct txn *txn = s->txn; txn != NULL; txn = txn->next) {
		count++;
	}
	return count;
}

static void
describe(const struct snapshots *s, const struct txn *txn, struct lm_transaction *out)
{
	*out = (struct lm_transaction){ .op = txn->slice->name,
		                        .slice = txn->slice->index,
		                        .number = txn->number,
		                        .incarnation = s->engine->shared->incarnation,
		                        .bytes = txn->bytes,
		                        .size = txn->size,
		                        .attempts = txn->attempts };
}

static int
complain(struct snapshots *s, const struct lm_transaction *txn, int result)
{
	char text[SNAPSHOT_WHY];

	snprintf(text, sizeof(text), "%s: %s", txn->op,
	         txn->why[0] != '\0' ? txn->why : strerror(-result));
	return snapshots_fail(s, result, text);
}

int
sinks_secure(struct snapshots *s)
{
	for (struct txn *txn = s->txn; txn != NULL; txn = txn->next) {
		struct lm_transaction out;
		int result;

		if (txn->is_secure) {
			continue;
		}
		describe(s, txn, &out);
		result = txn->slice->class->secure(txn->slice->config, &out);
		if (result != 0) {
			txn->attempts++;
			return complain(s, &out, result);
		}
		txn->is_secure = true;
		if (CANARY(CANARY_EARLY_COMMIT)) {
			(void)txn->slice->class->commit(txn->slice->config, &out);
		}
	}
	return 0;
}

int
sinks_record(struct snapshots *s)
{
	for (const struct txn *txn = s->txn; txn != NULL; txn = txn->next) {
		char slice[MANIFEST_RECORD_MAX], name[MANIFEST_RECORD_MAX + 32];
		int result = snapshots_name(SNAPSHOT_RECORD_TXN, txn->slice, slice);

		snprintf(name, sizeof(name), "%s/%" PRIu64, slice, txn->number);
		result = result == 0 ? store_record(s->store, name, txn->bytes, txn->size) : result;
		if (result != 0) {
			return snapshots_fail(s, result, store_why(s->store));
		}
	}
	return 0;
}

static bool
slice_is_among(struct lm_op *const *slice, uint32_t count, const struct lm_op *wanted)
{
	for (uint32_t i = 0; i < count; i++) {
		if (slice[i] == wanted) {
			return true;
		}
	}
	return false;
}

/* Within a slice in the order of numbers: behind one that cannot be committed the others wait. */
int
sinks_commit(struct snapshots *s)
{
	struct lm_op *stuck[16];
	uint32_t stuck_count = 0;
	struct txn **at = &s->txn;
	int first = 0;

	while (*at != NULL) {
		struct txn *txn = *at;
		struct lm_transaction out;
		int result = 0;

		if (!txn->is_secure || stuck_count == 16 ||
		    slice_is_among(stuck, stuck_count, txn->slice)) {
			at = &txn->next;
			continue;
		}
		describe(s, txn, &out);
		result = txn->slice->class->commit(txn->slice->config, &out);
		if (result != 0) {
			first = first == 0 ? complain(s, &out, result) : first;
			stuck[stuck_count++] = txn->slice;
			at = &txn->next;
			continue;
		}
		*at = txn->next;
		free(txn);
	}
	s->txn_end = at;
	return first;
}

void
sinks_free(struct snapshots *s)
{
	while (s->txn != NULL) {
		struct txn *txn = s->txn;

		s->txn = txn->next;
		free(txn);
	}
	s->txn_end = &s->txn;
}

/* ---- after a crash ---- */

/* "txn/<operator>/<slice>/<number>" into its parts; the operator's name ends up in `name`. */
static bool
read_name(const char *record, char name[MANIFEST_RECORD_MAX], uint32_t *slice, uint64_t *number)
{
	const char *text = record + strlen(SNAPSHOT_RECORD_TXN);
	const char *last = strrchr(text, '/'), *before = last;
	char *end;

	while (before != NULL && before > text && *--before != '/') {
	}
	if (before == NULL || *before != '/' || before == text) {
		return false;
	}
	*slice = (uint32_t)strtoul(before + 1, &end, 10);
	if (end != last || end == before + 1) {
		return false;
	}
	*number = strtoull(last + 1, &end, 10);
	snprintf(name, MANIFEST_RECORD_MAX, "%.*s", (int)(before - text), text);
	return *end == '\0' && end != last + 1;
}

static int
recover_one(struct snapshots *s, const struct manifest_record *record, char why[SNAPSHOT_WHY])
{
	struct lm_transaction txn = { .bytes = record->bytes,
		                      .size = record->size,
		                      .incarnation = s->engine->shared->incarnation };
	const struct lm_graph *graph = s->engine->graph;
	const struct graph_operator *op;
	char name[MANIFEST_RECORD_MAX];
	uint32_t number;
	int result;

	if (!read_name(record->name, name, &txn.slice, &txn.number)) {
		snprintf(why, SNAPSHOT_WHY, "the record %s makes no sense", record->name);
		return -EINVAL;
	}
	txn.op = name;
	number = graph_find_operator(graph, name);
	if (number == LM_NONE || graph->op[number].class->commit == NULL) {
		snprintf(why, SNAPSHOT_WHY,
		         "the sink %s has rows that are durable and must be committed, but the "
		         "topology has no such sink any more: run it once as it was",
		         name);
		return -ENOENT;
	}
	op = &graph->op[number];
	result = op->class->commit(op->config, &txn);
	if (result != 0) {
		snprintf(why, SNAPSHOT_WHY, "%s cannot commit what is durable: %s", name,
		         txn.why[0] != '\0' ? txn.why : strerror(-result));
	}
	return result;
}

/* Slices that a sink has, or had in the epoch if those were more. */
static uint32_t
slices_to_fence(const struct manifest *manifest, const struct graph_operator *op)
{
	const struct manifest_record *record = NULL;
	char name[MANIFEST_RECORD_MAX];
	struct snapshot_slice head;

	if (manifest != NULL && snprintf(name, sizeof(name), SNAPSHOT_RECORD_SLICE "%s/0",
	                                 op->name) < (int)sizeof(name)) {
		record = manifest_record(manifest, name);
	}
	if (record == NULL || record->size < sizeof(head)) {
		return op->slices;
	}
	memcpy(&head, record->bytes, sizeof(head));
	return head.slices > op->slices && head.slices <= LM_SLICES_MAX ? head.slices : op->slices;
}

static int
fence_op(struct snapshots *s, const struct manifest *manifest, const struct graph_operator *op,
         char why[SNAPSHOT_WHY])
{
	uint32_t slices = op->class->fence == NULL ? 0 : slices_to_fence(manifest, op);
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < slices; i++) {
		struct lm_transaction txn = { .op = op->name,
			                      .slice = i,
			                      .incarnation = s->engine->shared->incarnation };

		result = op->class->fence(op->config, &txn);
		if (result != 0) {
			snprintf(why, SNAPSHOT_WHY, "%s: %s", op->name,
			         txn.why[0] != '\0' ? txn.why : strerror(-result));
		}
	}
	return result;
}

int
sinks_recover(struct snapshots *s, const struct manifest *manifest, char why[SNAPSHOT_WHY])
{
	size_t prefix = strlen(SNAPSHOT_RECORD_TXN);
	int result = 0;

	/* Records stand in the order in which they were made: by number within a slice. */
	for (uint32_t i = 0; manifest != NULL && result == 0 && i < manifest->record_count; i++) {
		if (strncmp(manifest->record[i].name, SNAPSHOT_RECORD_TXN, prefix) == 0) {
			result = recover_one(s, &manifest->record[i], why);
		}
	}
	for (uint32_t i = 0; result == 0 && i < s->engine->graph->operator_count; i++) {
		result = fence_op(s, manifest, &s->engine->graph->op[i], why);
	}
	return result;
}
