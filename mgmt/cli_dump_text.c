/* SPDX-License-Identifier: BSD-3-Clause */
/* An epoch for people: records taken apart, parts summed up, bytes where they were asked for. */
#include "mgmt/cli_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/env.h"
#include "mgmt/hex.h"
#include "mgmt/text_table.h"
#include "mgmt/units.h"

/* Bytes of a record that are shown without --hex. */
#define DUMP_BYTES_SHORT 48u

static void
print_head(const struct dump *dump)
{
	const struct manifest *manifest = dump->epoch->manifest;
	char when[STATE_TIME_MAX], age[STATE_TIME_MAX];
	FILE *out = dump->self->out;
	uint64_t own, all = manifest_bytes(manifest, &own);

	fprintf(out,
	        "epoch %" PRIu64 " of job %016" PRIx64 ", committed %s, %s ago, by incarnation "
	        "%" PRIu64 "\n",
	        manifest->epoch, manifest->job, state_time(manifest->wall_ns, when),
	        state_age(manifest->wall_ns, env_wall_ns(), age), manifest->incarnation);
	if (manifest->previous_epoch == 0) {
		fprintf(out, "the first one; ");
	} else {
		fprintf(out, "built on epoch %" PRIu64 "; ", manifest->previous_epoch);
	}
	fprintf(out, "topology %016" PRIx64 "; %u files with %s, %s of its own\n",
	        manifest->topology, manifest->file_count, units_bytes((double)all).text,
	        units_bytes((double)own).text);
	if (dump->epoch->why[0] != '\0') {
		fprintf(out, "%s: %s\n", dump->epoch->is_damaged ? "damaged" : "note",
		        dump->epoch->why);
	}
}

/* All of them, or how they begin. */
static void
print_bytes(const struct dump *dump, const char *label, const uint8_t *bytes, size_t size)
{
	FILE *out = dump->self->out;

	if (size == 0) {
		return;
	}
	fprintf(out, "    %s, %zu bytes", label, size);
	if (dump->self->hex) {
		fprintf(out, "\n");
		hex_dump(out, "      ", 0, bytes, size);
		return;
	}
	fprintf(out, ": ");
	for (size_t i = 0; i < size && i < DUMP_BYTES_SHORT; i++) {
		fprintf(out, "%02x", bytes[i]);
	}
	fprintf(out, "%s\n", size > DUMP_BYTES_SHORT ? "…  (--hex shows all)" : "");
}

static void
print_slice(const struct dump *dump, const struct state_record *record)
{
	const struct snapshot_slice *head = &record->head;
	uint32_t opened = state_record_shapes(record);
	uint64_t bytes = 0;
	FILE *out = dump->self->out;

	for (uint32_t i = 0; i < opened; i++) {
		struct snapshot_shape shape = state_record_shape(record, i);

		bytes += shape.arena_size * shape.arena_count;
	}
	fprintf(out, "slice %u of %u, %u slots, state version %u", record->slice, head->slices,
	        head->slots, head->state_version);
	if (opened > 0) {
		fprintf(out, ", maps and values: %u with %s", opened,
		        units_bytes((double)bytes).text);
	}
	if (head->flags & SNAPSHOT_HAS_PART) {
		fprintf(out, ", part O%u-S%u", head->op, head->slice);
	}
	fprintf(out, "%s\n", head->flags & SNAPSHOT_ENDED ? ", it had ended" : "");
	print_bytes(dump, "of the engine", record->engine, head->engine_size);
	print_bytes(dump, "of the operator", record->class, head->class_size);
}

static void
print_text(const struct dump *dump, const struct state_record *record)
{
	FILE *out = dump->self->out;

	if (hex_is_text(record->record->bytes, record->record->size)) {
		hex_quote(out, record->record->bytes, record->record->size);
		fprintf(out, "\n");
	} else {
		fprintf(out, "not a text\n");
		print_bytes(dump, "in it", record->record->bytes, record->record->size);
	}
}

static void
print_record(const struct dump *dump, const struct state_record *record)
{
	FILE *out = dump->self->out;

	fprintf(out, "  %s: ", record->record->name);
	if (record->kind == STATE_RECORD_JOB) {
		/* Not its bytes either: the secret is among them. */
		fprintf(out, "%s, the secret of its hash is not shown\n",
		        record->is_whole ? "format 1" : "of another format");
	} else if (record->kind == STATE_RECORD_END) {
		fprintf(out, "every slice has ended, there is nothing to go on with\n");
	} else if (record->kind == STATE_RECORD_TXN || record->kind == STATE_RECORD_TOPOLOGY) {
		print_text(dump, record);
	} else if (record->kind == STATE_RECORD_SLICE && record->is_whole) {
		print_slice(dump, record);
	} else {
		fprintf(out, "%s\n",
		        record->kind == STATE_RECORD_SLICE
		            ? "of another format, or cut short"
		            : "of a kind that this program does not know");
		print_bytes(dump, "in it", record->record->bytes, record->record->size);
	}
}

/* What is known of the shape of a map or value. */
static void
print_shape(struct text_table *table, const struct state_record *slice, uint32_t opened)
{
	if (slice != NULL && opened < state_record_shapes(slice)) {
		struct snapshot_shape shape = state_record_shape(slice, opened);

		text_table_cell(table, TEXT_PLAIN, "%u", shape.arena_count);
		text_table_cell(table, TEXT_PLAIN, "%s",
		                units_bytes((double)shape.arena_size).text);
	} else {
		text_table_cell(table, TEXT_DIM, "?");
		text_table_cell(table, TEXT_DIM, "?");
	}
}

/* A line for each slot, or for each map or value. */
static void
print_slots(const struct dump *dump, const struct state_record *slice,
            const struct state_part *part)
{
	struct text_table *table = text_table_create(text_colour(dump->self->out));
	uint32_t i = 0;

	text_table_column(table, TEXT_RIGHT, "MAP OR VALUE");
	text_table_column(table, TEXT_RIGHT, dump->self->slots ? "SLOT" : "SLOTS");
	text_table_column(table, TEXT_RIGHT, "OF");
	text_table_column(table, TEXT_RIGHT, "EACH");
	text_table_column(table, TEXT_RIGHT, "BLOCKS");
	text_table_column(table, TEXT_RIGHT, "GRANULES");
	text_table_column(table, TEXT_RIGHT, "BYTES");
	while (i < part->slot_count) {
		struct state_part_slot sum = part->slot[i++];
		uint32_t slots = 1;

		while (!dump->self->slots && i < part->slot_count &&
		       part->slot[i].opened == sum.opened) {
			sum.blocks += part->slot[i].blocks;
			sum.granules += part->slot[i].granules;
			sum.bytes += part->slot[i].bytes;
			slots++;
			i++;
		}
		text_table_cell(table, TEXT_PLAIN, "%u", sum.opened);
		text_table_cell(table, TEXT_PLAIN, "%u", dump->self->slots ? sum.slot : slots);
		print_shape(table, slice, sum.opened);
		text_table_cell(table, TEXT_PLAIN, "%" PRIu64, sum.blocks);
		text_table_cell(table, TEXT_PLAIN, "%" PRIu64, sum.granules);
		text_table_cell(table, TEXT_PLAIN, "%s", units_exact(sum.bytes).text);
	}
	text_table_print(table, "    ", dump->self->out);
	text_table_free(table);
}

static int
print_block(void *arg, const struct block *block, const uint8_t *payload)
{
	const struct dump *dump = arg;
	FILE *out = dump->self->out;
	struct snapshot_granule granule;

	fprintf(out, "    epoch %" PRIu64 ", block %u: ", block->epoch, block->number);
	if (block->kind == SNAPSHOT_BYTES) {
		fprintf(out, "map or value %u, slot %u, %u bytes at %" PRIu64 "\n",
		        SNAPSHOT_PLACE_PART(block->offset), block->slot, block->raw_size,
		        (uint64_t)SNAPSHOT_PLACE_OFFSET(block->offset));
		hex_dump(out, "      ", SNAPSHOT_PLACE_OFFSET(block->offset), payload,
		         block->raw_size);
		return 0;
	}
	if (block->kind != SNAPSHOT_GRANULES || block->raw_size % sizeof(granule) != 0) {
		fprintf(out, "kind %u, slot %u, %u bytes\n", block->kind, block->slot,
		        block->raw_size);
		hex_dump(out, "      ", block->offset, payload, block->raw_size);
		return 0;
	}
	fprintf(out, "%zu granules\n", block->raw_size / sizeof(granule));
	for (uint32_t at = 0; at < block->raw_size; at += (uint32_t)sizeof(granule)) {
		memcpy(&granule, payload + at, sizeof(granule));
		fprintf(out, "      map or value %u, slot %u\n", granule.part, granule.slot);
		hex_dump(out, "      ", granule.offset, granule.bytes, sizeof(granule.bytes));
	}
	return 0;
}

static void
print_part(const struct dump *dump, const struct manifest_part *part, bool *good)
{
	const struct manifest *manifest = dump->epoch->manifest;
	const struct state_record *slice = dump_slice_of(dump, part->id);
	struct state_part sum = { 0 };
	FILE *out = dump->self->out;
	char why[MANIFEST_WHY] = "";
	int result =
	    store_part_read(dump->self->folder, manifest, part->id, state_part_block, &sum, why);

	fprintf(out, "  O%u-S%u", part->id.op, part->id.slice);
	if (slice != NULL) {
		fprintf(out, ", slice %u of %s", slice->slice, slice->op);
	}
	fprintf(out, ": %" PRIu64 " blocks, %s", sum.blocks, units_bytes((double)sum.bytes).text);
	for (uint32_t i = 0; i < part->chain_count; i++) {
		fprintf(out, "%s%s", i == 0 ? ", in " : ", ", manifest->file[part->chain[i]].name);
	}
	fprintf(out, "\n");
	if (result != 0) {
		fprintf(out, "    %s: %s; what follows is what stands before that\n",
		        store_is_damage(result) ? "damaged" : "cannot be read",
		        why[0] != '\0' ? why : strerror(-result));
		*good = false;
	}
	if (sum.unknown > 0) {
		fprintf(out, "    %" PRIu64 " blocks of a kind that this program does not know\n",
		        sum.unknown);
	}
	if (sum.slot_count > 0) {
		print_slots(dump, slice, &sum);
	}
	state_part_free(&sum);
	if (dump->self->hex) {
		store_part_read(dump->self->folder, manifest, part->id, print_block, (void *)dump,
		                why);
	}
}

int
dump_text(const struct dump *dump, bool *good)
{
	const struct manifest *manifest = dump->epoch->manifest;
	FILE *out = dump->self->out;
	uint32_t shown = 0;

	print_head(dump);
	fprintf(out, "\nRecords\n");
	for (uint32_t i = 0; i < manifest->record_count; i++) {
		if (dump_wants_record(dump, &dump->record[i])) {
			print_record(dump, &dump->record[i]);
			shown++;
		}
	}
	fprintf(out, "%s\nParts\n", shown == 0 ? "  none\n" : "");
	shown = 0;
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		if (dump_wants_part(dump, dump->part[i]->id)) {
			print_part(dump, dump->part[i], good);
			shown++;
		}
	}
	fprintf(out, "%s", shown == 0 ? "  none\n" : "");
	return ferror(out) ? -EIO : 0;
}
