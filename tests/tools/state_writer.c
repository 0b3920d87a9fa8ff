/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder of epochs as a job would leave it. */
#include "tests/tools/state_writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "state/snapshot_format.h"

enum { OP_PACKETS, OP_FLOWS, OP_OUT };

/* The first error, and what was tried. */
struct writing {
	struct store *store;
	uint64_t epoch;
	int result;
};

static void
took(struct writing *writing, int result)
{
	writing->result = writing->result == 0 ? result : writing->result;
}

/* Bytes that are not all the same and pack well enough. */
static void
fill(uint8_t *bytes, size_t size, uint64_t seed)
{
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)(i / 64 * 7 + seed * 31);
	}
}

static void
put_full(struct writing *writing, struct part *part, uint32_t slice)
{
	uint8_t bytes[WRITER_ARENA];

	for (uint32_t slot = 0; slot < WRITER_SLOTS; slot++) {
		fill(bytes, sizeof(bytes), slice * 100ul + slot);
		took(writing, part_put(part, SNAPSHOT_BYTES, slot, SNAPSHOT_PLACE(0, 0), bytes,
		                       sizeof(bytes)));
	}
	fill(bytes, ARENA_GRANULE, slice);
	took(writing,
	     part_put(part, SNAPSHOT_BYTES, 0, SNAPSHOT_PLACE(1, 0), bytes, ARENA_GRANULE));
}

static void
put_delta(struct writing *writing, struct part *part)
{
	struct snapshot_granule granule[2] = { { .part = 0, .slot = 3, .offset = 128 },
		                               { .part = 1, .slot = 0, .offset = 0 } };
	uint8_t bytes[ARENA_CHUNK];

	fill(bytes, sizeof(bytes), writing->epoch);
	took(writing, part_put(part, SNAPSHOT_BYTES, 2, SNAPSHOT_PLACE(0, ARENA_CHUNK), bytes,
	                       sizeof(bytes)));
	fill((uint8_t *)granule[0].bytes, ARENA_GRANULE, writing->epoch + 1);
	fill((uint8_t *)granule[1].bytes, ARENA_GRANULE, writing->epoch + 2);
	took(writing, part_put(part, SNAPSHOT_GRANULES, 0, 0, granule, sizeof(granule)));
}

static void
write_part(struct writing *writing, uint32_t slice, bool full)
{
	struct part_id id = { .op = OP_FLOWS, .slice = slice };
	struct part *part;
	int result = part_begin(writing->store, id, full ? PART_FULL : PART_DELTA, &part);

	took(writing, result);
	if (result != 0) {
		return;
	}
	if (full) {
		put_full(writing, part, slice);
	} else {
		put_delta(writing, part);
	}
	took(writing, part_finish(part));
}

static void
write_slice(struct writing *writing, const char *name, uint32_t op, uint32_t slice)
{
	bool is_flows = op == OP_FLOWS;
	struct snapshot_shape shape[2] = { { .arena_size = WRITER_ARENA,
		                             .arena_count = WRITER_SLOTS },
		                           { .arena_size = 64, .arena_count = 1 } };
	struct snapshot_slice head = {
		.format = SNAPSHOT_FORMAT,
		.flags = is_flows           ? SNAPSHOT_HAS_PART
		         : op == OP_PACKETS ? SNAPSHOT_ENDED
		                            : 0,
		.op = op,
		.slice = slice,
		.slices = is_flows ? 2 : 1,
		.slots = WRITER_SLOTS,
		.state_version = 3,
		.engine_size = 5,
		.class_size = is_flows ? 0 : 3,
		.shape_size = is_flows ? sizeof(shape) : 0,
	};
	uint8_t record[sizeof(head) + 8 + sizeof(shape)];
	size_t size = sizeof(head);
	char label[MANIFEST_RECORD_MAX];

	memcpy(record, &head, sizeof(head));
	memcpy(record + size, "\x01\x02\x03\xfe\xff", head.engine_size);
	size += head.engine_size;
	memcpy(record + size, "abc", head.class_size);
	size += head.class_size;
	memcpy(record + size, shape, head.shape_size);
	size += head.shape_size;
	snprintf(label, sizeof(label), SNAPSHOT_RECORD_SLICE "%s/%u", name, slice);
	took(writing, store_record(writing->store, label, record, size));
}

static void
write_records(struct writing *writing, bool has_ended)
{
	struct snapshot_job job = { .format = SNAPSHOT_FORMAT, .secret = WRITER_SECRET };
	char text[64];

	took(writing, store_record(writing->store, SNAPSHOT_RECORD_JOB, &job, sizeof(job)));
	write_slice(writing, "packets", OP_PACKETS, 0);
	write_slice(writing, "flows", OP_FLOWS, 0);
	write_slice(writing, "flows", OP_FLOWS, 1);
	write_slice(writing, "out", OP_OUT, 0);
	snprintf(text, sizeof(text), "rows.%u.csv \"of epoch\"\n", (unsigned int)writing->epoch);
	took(writing,
	     store_record(writing->store, SNAPSHOT_RECORD_TXN "out/0/0", text, strlen(text)));
	took(writing, store_record(writing->store, SNAPSHOT_RECORD_TXN "out/0/1", "\0\x80", 2));
	if (has_ended) {
		took(writing, store_record(writing->store, SNAPSHOT_RECORD_END, "", 0));
	}
}

static void
write_epoch(struct writing *writing, bool has_ended)
{
	struct part_id second = { .op = OP_FLOWS, .slice = 1 };
	struct part_chain chain;
	bool is_first = !store_chain(writing->store, second, &chain);

	writing->epoch = store_epoch_next(writing->store);
	took(writing, store_begin(writing->store, writing->epoch));
	if (writing->result != 0) {
		return;
	}
	write_part(writing, 0, is_first);
	if (is_first) {
		write_part(writing, 1, true);
	} else {
		took(writing, store_keep(writing->store, second));
	}
	write_records(writing, has_ended);
	took(writing, writing->result == 0 ? store_commit(writing->store, WRITER_TOPOLOGY) : 0);
}

struct store *
state_writer_add(const struct state_writer *writer, uint32_t epochs, char why[MANIFEST_WHY])
{
	struct store_options options = { .job = WRITER_JOB,
		                         .keep = writer->keep,
		                         .codec = writer->codec };
	struct writing writing = { 0 };
	struct store_pick pick;

	if (store_open(writer->folder, &options, &writing.store, why) != 0) {
		return NULL;
	}
	writing.result = store_pick(writing.store, STORE_ALL, &pick);
	for (uint32_t i = 0; writing.result == 0 && i < epochs; i++) {
		write_epoch(&writing, writer->is_last && i + 1 == epochs);
	}
	if (writing.result != 0) {
		snprintf(why, MANIFEST_WHY, "%s", store_why(writing.store));
		store_close(writing.store);
		return NULL;
	}
	return writing.store;
}
