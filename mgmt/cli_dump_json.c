/* SPDX-License-Identifier: BSD-3-Clause */
/* An epoch as one JSON object. Numbers of 64 bits that mean nothing but themselves (job, topology)
 * and bytes are hexadecimal texts. */
#include "mgmt/cli_dump.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/hex.h"
#include "mgmt/json_put.h"

/* What was put together, or NULL after letting it go. */
static json_t *
json_whole(json_t *value, int failed)
{
	if (failed != 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static int
put_hex_u64(json_t *object, const char *key, uint64_t value)
{
	char text[20];

	snprintf(text, sizeof(text), "%016" PRIx64, value);
	return json_put_text(object, key, text);
}

static int
put_bytes(json_t *object, const char *key, const uint8_t *bytes, size_t size)
{
	char *text = hex_digits(bytes, size);
	int failed = text == NULL ? -1 : json_put_text(object, key, text);

	free(text);
	return failed;
}

static json_t *
json_part_id(struct part_id id)
{
	json_t *one = json_object();
	int failed = json_put_u64(one, "operator", id.op);

	failed += json_put_u64(one, "slice", id.slice);
	return json_whole(one, failed);
}

static int
put_slice(json_t *one, const struct state_record *record)
{
	const struct snapshot_slice *head = &record->head;
	struct part_id id = { .op = head->op, .slice = head->slice };
	json_t *shapes = json_array();
	int failed = json_put_u64(one, "format", head->format);

	failed += json_object_set_new(one, "ended", json_boolean(head->flags & SNAPSHOT_ENDED));
	failed += json_object_set_new(
	    one, "part", head->flags & SNAPSHOT_HAS_PART ? json_part_id(id) : json_null());
	failed += json_put_u64(one, "slices", head->slices);
	failed += json_put_u64(one, "slots", head->slots);
	failed += json_put_u64(one, "state_version", head->state_version);
	for (uint32_t i = 0; i < state_record_shapes(record); i++) {
		struct snapshot_shape shape = state_record_shape(record, i);
		json_t *entry = json_object();
		int bad = json_put_u64(entry, "arenas", shape.arena_count);

		bad += json_put_u64(entry, "arena_bytes", shape.arena_size);
		failed += json_array_append_new(shapes, json_whole(entry, bad));
	}
	failed += json_object_set_new(one, "opened", shapes);
	failed += put_bytes(one, "engine_bytes", record->engine, head->engine_size);
	return failed + put_bytes(one, "operator_bytes", record->class, head->class_size);
}

static json_t *
json_record(const struct state_record *record)
{
	const struct manifest_record *raw = record->record;
	json_t *one = json_object();
	int failed = json_put_text(one, "name", raw->name);

	failed += json_put_text(one, "kind", state_record_kind_name(record->kind));
	failed += json_object_set_new(one, "whole", json_boolean(record->is_whole));
	if (record->kind == STATE_RECORD_JOB) {
		/* Not its bytes: the secret is among them. */
		failed += json_put_u64(one, "format", record->format);
		return json_whole(one, failed);
	}
	if (record->kind == STATE_RECORD_SLICE || record->kind == STATE_RECORD_TXN) {
		failed += json_put_text(one, "operator", record->op);
		failed += json_put_u64(one, "slice", record->slice);
	}
	if (record->kind == STATE_RECORD_SLICE && record->is_whole) {
		return json_whole(one, failed + put_slice(one, record));
	}
	if (record->kind == STATE_RECORD_TXN) {
		failed += json_put_u64(one, "number", record->number);
	}
	if (record->kind == STATE_RECORD_TXN || record->kind == STATE_RECORD_TOPOLOGY) {
		if (hex_is_text(raw->bytes, raw->size)) {
			failed += json_object_set_new(
			    one, "text", json_stringn((const char *)raw->bytes, raw->size));
		}
	}
	return json_whole(one, failed + put_bytes(one, "bytes", raw->bytes, raw->size));
}

static json_t *
json_slot(const struct state_part_slot *slot)
{
	json_t *one = json_object();
	int failed = json_put_u64(one, "opened", slot->opened);

	failed += json_put_u64(one, "slot", slot->slot);
	failed += json_put_u64(one, "blocks", slot->blocks);
	failed += json_put_u64(one, "granules", slot->granules);
	failed += json_put_u64(one, "bytes", slot->bytes);
	return json_whole(one, failed);
}

static json_t *
json_part(const struct dump *dump, const struct manifest_part *part, bool *good)
{
	const struct manifest *manifest = dump->epoch->manifest;
	const struct state_record *slice = dump_slice_of(dump, part->id);
	json_t *one = json_part_id(part->id), *files = json_array(), *slots = json_array();
	struct state_part sum = { 0 };
	char why[MANIFEST_WHY] = "";
	int result =
	    store_part_read(dump->self->folder, manifest, part->id, state_part_block, &sum, why);
	int failed = json_put_text(one, "name", slice == NULL ? NULL : slice->op);

	*good &= result == 0;
	failed += json_put_text(one, "state",
	                        state_health_name(result == 0               ? STATE_COMPLETE
	                                          : store_is_damage(result) ? STATE_DAMAGED
	                                                                    : STATE_UNKNOWN));
	failed += json_put_text(one, "why", result == 0 ? NULL : why);
	for (uint32_t i = 0; i < part->chain_count; i++) {
		failed +=
		    json_array_append_new(files, json_string(manifest->file[part->chain[i]].name));
	}
	failed += json_object_set_new(one, "files", files);
	failed += json_put_u64(one, "blocks", sum.blocks);
	failed += json_put_u64(one, "bytes", sum.bytes);
	failed += json_put_u64(one, "unknown_blocks", sum.unknown);
	for (uint32_t i = 0; i < sum.slot_count; i++) {
		failed += json_array_append_new(slots, json_slot(&sum.slot[i]));
	}
	failed += json_object_set_new(one, "slots", slots);
	state_part_free(&sum);
	return json_whole(one, failed);
}

static int
put_head(json_t *whole, const struct dump *dump)
{
	const struct manifest *manifest = dump->epoch->manifest;
	uint64_t own, all = manifest_bytes(manifest, &own);
	const char *why = dump->epoch->why;
	int failed = json_put_text(whole, "folder", dump->self->folder);

	failed += json_put_u64(whole, "epoch", manifest->epoch);
	failed += put_hex_u64(whole, "job", manifest->job);
	failed += put_hex_u64(whole, "topology", manifest->topology);
	failed += json_object_set_new(whole, "committed_ns", json_integer(manifest->wall_ns));
	failed += json_put_u64(whole, "incarnation", manifest->incarnation);
	failed += json_put_u64(whole, "previous_epoch", manifest->previous_epoch);
	failed += json_put_u64(whole, "files", manifest->file_count);
	failed += json_put_u64(whole, "bytes", all);
	failed += json_put_u64(whole, "own_bytes", own);
	return failed + json_put_text(whole, "why", why[0] == '\0' ? NULL : why);
}

int
dump_json(const struct dump *dump, bool *good)
{
	const struct manifest *manifest = dump->epoch->manifest;
	json_t *whole = json_object(), *records = json_array(), *parts = json_array();
	int failed = put_head(whole, dump);

	for (uint32_t i = 0; i < manifest->record_count; i++) {
		if (dump_wants_record(dump, &dump->record[i])) {
			failed += json_array_append_new(records, json_record(&dump->record[i]));
		}
	}
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		if (dump_wants_part(dump, dump->part[i]->id)) {
			failed +=
			    json_array_append_new(parts, json_part(dump, &manifest->part[i], good));
		}
	}
	failed += json_object_set_new(whole, "records", records);
	failed += json_object_set_new(whole, "parts", parts);
	return json_put_line(dump->self->out, whole, failed);
}
