/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill state dump: finds the epoch and the operator that are meant. */
#include "mgmt/cli_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/cli.h"
#include "mgmt/cli_dump.h"

bool
dump_wants_record(const struct dump *dump, const struct state_record *record)
{
	bool has_owner = record->kind == STATE_RECORD_SLICE || record->kind == STATE_RECORD_TXN;

	if (dump->has_op && (!has_owner || strcmp(record->op, dump->op) != 0)) {
		return false;
	}
	return !dump->self->has_slice || (has_owner && record->slice == dump->self->slice);
}

bool
dump_wants_part(const struct dump *dump, struct part_id id)
{
	if (dump->has_op && (!dump->has_number || id.op != dump->number)) {
		return false;
	}
	return !dump->self->has_slice || id.slice == dump->self->slice;
}

const struct state_record *
dump_slice_of(const struct dump *dump, struct part_id id)
{
	for (uint32_t i = 0; i < dump->epoch->manifest->record_count; i++) {
		const struct state_record *record = &dump->record[i];

		if (record->kind == STATE_RECORD_SLICE && record->is_whole &&
		    record->head.op == id.op && record->head.slice == id.slice) {
			return record;
		}
	}
	return NULL;
}

/* By its name in the records. */
static bool
find_by_name(struct dump *dump, const char *name)
{
	bool found = false;

	for (uint32_t i = 0; i < dump->epoch->manifest->record_count; i++) {
		const struct state_record *record = &dump->record[i];

		if (strcmp(record->op, name) != 0) {
			continue;
		}
		found = true;
		if (record->kind == STATE_RECORD_SLICE && record->is_whole) {
			dump->has_number = true;
			dump->number = record->head.op;
		}
	}
	snprintf(dump->op, sizeof(dump->op), "%s", name);
	return found;
}

/* By its number, as it stands in the names of files. */
static bool
find_by_number(struct dump *dump, uint32_t number)
{
	const struct manifest *manifest = dump->epoch->manifest;
	bool found = false;

	dump->has_number = true;
	dump->number = number;
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		found |= manifest->part[i].id.op == number;
	}
	for (uint32_t i = 0; i < manifest->record_count; i++) {
		const struct state_record *record = &dump->record[i];

		if (record->kind == STATE_RECORD_SLICE && record->is_whole &&
		    record->head.op == number) {
			snprintf(dump->op, sizeof(dump->op), "%s", record->op);
			found = true;
		}
	}
	return found;
}

/* Which operators there are, or the one that was meant. */
static void
no_operator(const struct dump *dump, struct state_trouble *trouble)
{
	const char *names[LM_OPERATORS_MAX];
	uint32_t count = 0;
	char hint[240];

	for (uint32_t i = 0; i < dump->epoch->manifest->record_count; i++) {
		const char *name = dump->record[i].op;
		bool known = name[0] == '\0' || count == LM_OPERATORS_MAX;

		for (uint32_t k = 0; !known && k < count; k++) {
			known = strcmp(names[k], name) == 0;
		}
		if (!known) {
			names[count++] = name;
		}
	}
	snprintf(trouble->what, sizeof(trouble->what),
	         "epoch %" PRIu64 " has nothing of an operator \"%.60s\"", dump->epoch->epoch,
	         dump->self->op);
	snprintf(trouble->help, sizeof(trouble->help), "%s",
	         text_hint(dump->self->op, "operators", names, count, hint, sizeof(hint)));
}

static bool
find_operator(struct dump *dump, struct state_trouble *trouble)
{
	const char *op = dump->self->op;
	uint64_t number;

	if (op == NULL) {
		return true;
	}
	dump->has_op = true;
	if (op[0] >= '0' && op[0] <= '9' && text_u64(op, &number) == 0 && number <= UINT32_MAX) {
		if (find_by_number(dump, (uint32_t)number)) {
			return true;
		}
	} else if (find_by_name(dump, op)) {
		return true;
	}
	no_operator(dump, trouble);
	return false;
}

static bool
has_slice(const struct dump *dump, struct state_trouble *trouble)
{
	const struct manifest *manifest = dump->epoch->manifest;
	bool found = !dump->self->has_slice;

	for (uint32_t i = 0; i < manifest->record_count; i++) {
		found |= dump_wants_record(dump, &dump->record[i]);
	}
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		found |= dump_wants_part(dump, manifest->part[i].id);
	}
	snprintf(trouble->what, sizeof(trouble->what), "epoch %" PRIu64 " has no slice %u%s%s",
	         manifest->epoch, dump->self->slice, dump->has_op ? " of " : "",
	         dump->has_op ? dump->self->op : "");
	snprintf(trouble->help, sizeof(trouble->help), "slices count from 0");
	return found;
}

static int
by_number(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* The job, slices by operator, transactions. */
static int
by_owner(const void *a, const void *b)
{
	const struct state_record *left = a, *right = b;
	int order = by_number(left->kind, right->kind);

	order = order != 0 ? order : strcmp(left->op, right->op);
	order = order != 0 ? order : by_number(left->slice, right->slice);
	order = order != 0 ? order : by_number(left->number, right->number);
	return order != 0 ? order : strcmp(left->record->name, right->record->name);
}

static int
by_part(const void *a, const void *b)
{
	const struct manifest_part *const *left = a, *const *right = b;
	int order = by_number((*left)->id.op, (*right)->id.op);

	return order != 0 ? order : by_number((*left)->id.slice, (*right)->id.slice);
}

/* False: no memory. */
static bool
take_apart(struct dump *dump)
{
	const struct manifest *manifest = dump->epoch->manifest;

	dump->record = calloc(manifest->record_count + 1ul, sizeof(dump->record[0]));
	dump->part = calloc(manifest->part_count + 1ul, sizeof(dump->part[0]));
	if (dump->record == NULL || dump->part == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < manifest->record_count; i++) {
		dump->record[i] = state_record_read(&manifest->record[i]);
	}
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		dump->part[i] = &manifest->part[i];
	}
	qsort(dump->record, manifest->record_count, sizeof(dump->record[0]), by_owner);
	qsort(dump->part, manifest->part_count, sizeof(dump->part[0]), by_part);
	return true;
}

static int
dump_epoch(const struct cli_state *self, const struct store_epoch *epoch)
{
	struct dump dump = { .self = self, .epoch = epoch };
	struct state_trouble trouble = { 0 };
	bool good = true;
	int status;

	if (!take_apart(&dump)) {
		fprintf(stderr, "error: no memory left\n");
		status = CLI_FAILED;
	} else if (!find_operator(&dump, &trouble) || !has_slice(&dump, &trouble)) {
		status = cli_state_trouble(&trouble);
	} else {
		int error = self->json ? dump_json(&dump, &good) : dump_text(&dump, &good);

		if (!good && state_folder_is_gone(self->folder, epoch->epoch)) {
			fprintf(stderr,
			        "error: epoch %" PRIu64 " was removed while it was read: the job "
			        "has newer ones\n",
			        epoch->epoch);
		}
		status = cli_state_end(self, error, good ? CLI_OK : CLI_FAILED);
	}
	free(dump.record);
	free(dump.part);
	return status;
}

int
cli_state_dump(const struct cli_state *self)
{
	const struct store_epoch *epoch;
	struct state_trouble trouble;
	struct store_list list;
	int status;

	if (state_folder_read(self->folder, &list, &trouble) != 0) {
		return cli_state_trouble(&trouble);
	}
	epoch = state_folder_epoch(self->folder, &list, self->epoch, &trouble);
	if (epoch == NULL) {
		status = cli_state_trouble(&trouble);
	} else if (epoch->manifest == NULL) {
		fprintf(stderr,
		        "error: epoch %" PRIu64 " cannot be read: %s\n   = help: nobody knows what "
		        "it holds; bring MANIFEST.%" PRIu64 ".a or .b back from a backup\n",
		        epoch->epoch, epoch->why, epoch->epoch);
		status = CLI_FAILED;
	} else {
		status = dump_epoch(self, epoch);
	}
	store_list_free(&list);
	return status;
}
