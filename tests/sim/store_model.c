/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's state in plain memory, to compare with what a store gives back. */

#include "tests/sim/store_model.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* Chunks of a slot, by part: from nothing but a few to more than a write of the disk. */
static const uint32_t chunks[MODEL_PARTS] = { 1, 2, 3, 40, 7 };
static const uint32_t chunks_small[MODEL_PARTS] = { 1, 1, 2, 3, 1 };
#define KIND_CHUNK 7u

static uint32_t
slot_chunks(const struct model *model, uint32_t part)
{
	return model->is_small ? chunks_small[part] : chunks[part];
}

/* Where a slot stands in the image, in chunks. */
static uint32_t
slot_at(const struct model *model, uint32_t part, uint32_t slot)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < part; i++) {
		at += slot_chunks(model, i) * MODEL_SLOTS;
	}
	return at + slot * slot_chunks(model, part);
}

static struct part_id
part_name(uint32_t part)
{
	return (struct part_id){ .op = part / 2, .slice = part % 2 };
}

void
model_begin(struct model *model, bool is_small)
{
	memset(model, 0, sizeof(*model));
	model->is_small = is_small;
	model->size = slot_at(model, MODEL_PARTS - 1, MODEL_SLOTS) * MODEL_CHUNK;
	model->now.bytes = calloc(1, model->size);
	model->is_dirty = calloc(1, model->size / MODEL_CHUNK);
	assert(model->now.bytes != NULL && model->is_dirty != NULL);
}

void
model_end(struct model *model)
{
	for (uint32_t i = 0; i < model->past_count; i++) {
		free(model->past[i].bytes);
	}
	free(model->past);
	free(model->now.bytes);
	free(model->is_dirty);
}

/* Half of the chunks become noise, the others something that packs well. */
static void
change_chunk(struct model *model, uint32_t chunk)
{
	uint8_t *bytes = model->now.bytes + (size_t)chunk * MODEL_CHUNK;
	uint64_t random = sim_random();

	for (uint32_t i = 0; i < MODEL_CHUNK; i += 8) {
		uint64_t value = random % 2 == 0 ? random : random * (i + 1);

		memcpy(bytes + i, &value, sizeof(value));
	}
	model->is_dirty[chunk] = 1;
}

void
model_change(struct model *model)
{
	for (uint32_t part = 0; part < MODEL_PARTS; part++) {
		uint32_t first = slot_at(model, part, 0);
		uint32_t count = slot_chunks(model, part) * MODEL_SLOTS;
		uint64_t share = sim_below(3); /* none, some or all of its chunks */

		model->now.has_part[part] |= sim_below(4) != 0;
		for (uint32_t i = 0; model->now.has_part[part] && i < count; i++) {
			if (share == 2 || (share == 1 && sim_below(5) == 0)) {
				change_chunk(model, first + i);
			}
		}
	}
	model->now.position = sim_random();
}

static bool
is_dirty(const struct model *model, uint32_t part)
{
	const uint8_t *first = model->is_dirty + slot_at(model, part, 0);

	return memchr(first, 1, slot_chunks(model, part) * MODEL_SLOTS) != NULL;
}

/* Runs of chunks, dirty ones only or all of them. */
static int
put_slot(struct model *model, struct part *put, uint32_t part, uint32_t slot, bool all)
{
	uint32_t first = slot_at(model, part, slot), count = slot_chunks(model, part);
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < count;) {
		uint32_t run = 0;

		while (i + run < count && (all || model->is_dirty[first + i + run] != 0)) {
			run++;
		}
		if (run > 0) {
			result = part_put(put, KIND_CHUNK, slot, (uint64_t)i * MODEL_CHUNK,
			                  model->now.bytes + (size_t)(first + i) * MODEL_CHUNK,
			                  (size_t)run * MODEL_CHUNK);
		}
		i += run + 1;
	}
	return result;
}

static int
try_part(struct model *model, struct store *store, uint32_t part, enum part_mode mode)
{
	struct part *put;
	int result = part_begin(store, part_name(part), mode, &put);

	if (result != 0) {
		return result;
	}
	for (uint32_t slot = 0; result == 0 && slot < MODEL_SLOTS; slot++) {
		result = put_slot(model, put, part, slot, mode == PART_FULL);
	}
	if (result != 0) {
		part_abort(put);
		return result;
	}
	return part_finish(put);
}

static int
write_part(struct model *model, struct store *store, uint32_t part)
{
	struct part_chain chain;
	bool builds = store_chain(store, part_name(part), &chain);
	enum part_mode mode = builds && chain.files < MANIFEST_CHAIN_MAX && sim_below(4) != 0
	                          ? PART_DELTA
	                          : PART_FULL;
	int result;

	if (builds && !is_dirty(model, part) && sim_below(4) != 0) {
		return store_keep(store, part_name(part));
	}
	result = try_part(model, store, part, mode);
	return result != 0 ? try_part(model, store, part, mode) : result;
}

static void
remember(struct model *model, uint64_t epoch)
{
	struct model_image *image;

	/* A number comes again if nothing of it was left on the disk. */
	for (uint32_t i = 0; i < model->past_count; i++) {
		if (model->past[i].epoch == epoch) {
			free(model->past[i].bytes);
			model->past[i] = model->past[--model->past_count];
		}
	}
	if (model->past_count == model->past_room) {
		model->past_room = model->past_room == 0 ? 16 : 2 * model->past_room;
		model->past = realloc(model->past, model->past_room * sizeof(model->past[0]));
		assert(model->past != NULL);
	}
	image = &model->past[model->past_count++];
	*image = model->now;
	image->epoch = epoch;
	image->bytes = malloc(model->size);
	assert(image->bytes != NULL);
	memcpy(image->bytes, model->now.bytes, model->size);
}

int
model_write(struct model *model, struct store *store, uint64_t *epoch)
{
	int result;

	*epoch = store_epoch_next(store);
	result = store_begin(store, *epoch);
	for (uint32_t part = 0; result == 0 && part < MODEL_PARTS; part++) {
		if (model->now.has_part[part]) {
			result = write_part(model, store, part);
		}
	}
	if (result == 0) {
		result = store_record(store, "source/packets/0", &model->now.position,
		                      sizeof(model->now.position));
	}
	result = result == 0 ? store_record(store, "sink/nothing", NULL, 0) : result;
	if (result != 0) {
		return result;
	}
	remember(model, *epoch);
	result = store_commit(store, MODEL_TOPOLOGY);
	if (result == 0) {
		memset(model->is_dirty, 0, model->size / MODEL_CHUNK);
		model->base = *epoch;
	}
	return result;
}

const struct model_image *
model_find(const struct model *model, uint64_t epoch)
{
	for (uint32_t i = 0; i < model->past_count; i++) {
		if (model->past[i].epoch == epoch) {
			return &model->past[i];
		}
	}
	return NULL;
}

void
model_restart(struct model *model, uint64_t epoch)
{
	const struct model_image *image = model_find(model, epoch);
	uint8_t *bytes = model->now.bytes;

	if (image == NULL) {
		memset(bytes, 0, model->size);
		memset(&model->now, 0, sizeof(model->now));
	} else {
		memcpy(bytes, image->bytes, model->size);
		model->now = *image;
	}
	model->now.bytes = bytes;
	model->base = epoch;
	memset(model->is_dirty, 0, model->size / MODEL_CHUNK);
}

/* Blocks of one part, laid into an image. */
struct laying {
	const struct model *model;
	uint32_t part;
	uint8_t *bytes;
};

static int
lay_block(void *arg, const struct block *block, const uint8_t *payload)
{
	struct laying *laying = arg;
	uint64_t room = (uint64_t)slot_chunks(laying->model, laying->part) * MODEL_CHUNK;

	if (block->kind != KIND_CHUNK || block->slot >= MODEL_SLOTS || block->offset > room ||
	    block->raw_size > room - block->offset) {
		return -ERANGE;
	}
	memcpy(laying->bytes +
	           (size_t)slot_at(laying->model, laying->part, block->slot) * MODEL_CHUNK +
	           block->offset,
	       payload, block->raw_size);
	return 0;
}

static bool
check_record(const struct model_image *image, const struct store_epoch *epoch)
{
	const struct manifest_record *record = manifest_record(epoch->manifest, "source/packets/0");

	return record != NULL && record->size == sizeof(image->position) &&
	       memcmp(record->bytes, &image->position, sizeof(image->position)) == 0 &&
	       manifest_record(epoch->manifest, "sink/nothing") != NULL &&
	       epoch->manifest->record_count == 2 && epoch->manifest->topology == MODEL_TOPOLOGY;
}

bool
model_check(const struct model *model, const struct store_epoch *epoch)
{
	const struct model_image *image = model_find(model, epoch->epoch);
	struct laying laying = { .model = model, .bytes = calloc(1, model->size) };
	bool good = image != NULL && check_record(image, epoch);

	assert(laying.bytes != NULL);
	for (uint32_t part = 0; good && part < MODEL_PARTS; part++) {
		bool found = manifest_part(epoch->manifest, part_name(part)) != NULL;
		char why[MANIFEST_WHY] = "";
		int result = 0;

		laying.part = part;
		if (found) {
			result = store_part_read(MODEL_FOLDER, epoch->manifest, part_name(part),
			                         lay_block, &laying, why);
		}
		if (result != 0 || found != image->has_part[part]) {
			fprintf(stderr, "epoch %" PRIu64 ", part %u: %s, %s\n", epoch->epoch, part,
			        found ? "there" : "not there", why);
			good = false;
		}
	}
	if (good && memcmp(laying.bytes, image->bytes, model->size) != 0) {
		good = false;
	}
	free(laying.bytes);
	if (!good) {
		fprintf(stderr, "epoch %" PRIu64 " is not what was written%s\n", epoch->epoch,
		        image == NULL ? ": it never was" : "");
	}
	return good;
}

int
model_open(struct store **store, uint32_t keep, enum block_codec codec)
{
	struct store_options options = { .job = MODEL_JOB, .keep = keep, .codec = codec };
	char why[MANIFEST_WHY] = "";

	return store_open(MODEL_FOLDER, &options, store, why);
}
