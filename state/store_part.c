/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing the parts of an epoch: blocks into buffers, buffers onto the disk, a file for each part.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "state/store_struct.h"

static_assert(STORE_PARTS_OPEN_MAX < ENV_DISK_DEPTH, "a part holds one buffer while it is filled");

bool
store_reap(struct store *store, bool wait)
{
	struct env_disk_done done;

	if (!env_disk_reap(store->disk, wait, &done)) {
		return false;
	}
	if (done.is_sync) {
		struct unsynced *unsynced = done.tag;

		unsynced->result = done.result;
		unsynced->is_done = true;
	} else {
		struct part *part = done.tag;

		assert(part->on_way > 0);
		part->on_way--;
		part->error = part->error == 0 ? done.result : part->error;
	}
	return true;
}

/* One handful of syncs, all at once. */
static void
sync_some(struct store *store, uint32_t first, uint32_t count)
{
	struct unsynced *unsynced = store->unsynced + first;

	for (uint32_t i = 0; i < count; i++) {
		unsynced[i].is_done = CANARY(CANARY_SKIP_SYNC);
		if (!unsynced[i].is_done) {
			env_disk_sync(store->disk, unsynced[i].file, &unsynced[i]);
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		while (!unsynced[i].is_done) {
			store_reap(store, true);
		}
		env_file_close(unsynced[i].file);
		if (unsynced[i].result != 0 && store->failed == 0) {
			store->failed = store_say(store, unsynced[i].result, unsynced[i].name);
		}
	}
}

int
store_sync_files(struct store *store)
{
	for (uint32_t i = 0; i < store->unsynced_count; i += ENV_DISK_DEPTH) {
		uint32_t left = store->unsynced_count - i;

		sync_some(store, i, left < ENV_DISK_DEPTH ? left : ENV_DISK_DEPTH);
	}
	store->unsynced_count = 0;
	return store->failed;
}

int
store_begin(struct store *store, uint64_t epoch)
{
	assert(store->is_picked);
	if (store->draft != NULL) {
		snprintf(store->why, sizeof(store->why), "epoch %" PRIu64 " is still open",
		         store->draft->epoch);
		return -EBUSY;
	}
	if (epoch <= store->list.newest || epoch > INT64_MAX) {
		snprintf(store->why, sizeof(store->why),
		         "there has been an epoch %" PRIu64 "; %" PRIu64 " is not behind it",
		         store->list.newest, epoch);
		return -EINVAL;
	}
	store->draft = manifest_new();
	if (store->draft == NULL) {
		return store_say(store, -ENOMEM, "an epoch");
	}
	store->draft->job = store->options.job;
	store->draft->epoch = epoch;
	store->draft->incarnation = store->incarnation;
	store->list.newest = epoch;
	store->failed = 0;
	store->names_given = 0;
	return 0;
}

bool
store_is_open(const struct store *store)
{
	return store->draft != NULL;
}

bool
store_chain(const struct store *store, struct part_id id, struct part_chain *chain)
{
	const struct manifest_part *part =
	    store->base == NULL ? NULL : manifest_part(store->base, id);

	memset(chain, 0, sizeof(*chain));
	for (uint32_t i = 0; part != NULL && i < part->chain_count; i++) {
		uint64_t length = store->base->file[part->chain[i]].length;

		chain->base_bytes += i == 0 ? length : 0;
		chain->delta_bytes += i == 0 ? 0 : length;
		chain->files++;
	}
	return part != NULL;
}

/* Whether a part may start now: 0 or why not. */
static int
check_begin(struct store *store, struct part_id id, enum part_mode mode)
{
	struct part_chain chain;

	if (store->draft == NULL) {
		return -EINVAL;
	}
	if (store->failed != 0) {
		return store->failed;
	}
	if (manifest_part(store->draft, id) != NULL) {
		return -EEXIST;
	}
	if (mode == PART_DELTA && !store_chain(store, id, &chain)) {
		return -ENOENT;
	}
	if (mode == PART_DELTA && chain.files >= MANIFEST_CHAIN_MAX) {
		return -E2BIG;
	}
	return store->parts_open < STORE_PARTS_OPEN_MAX ? 0 : -EBUSY;
}

/* A file of a name that never was. */
static int
create_file(struct part *part)
{
	struct store *store = part->store;
	char path[STORE_PATH_MAX];

	do {
		file_name(part->name, store->draft->epoch, part->id, ++store->names_given);
		store_path(path, store->folder, part->name);
		part->file = env_disk_create(path, 0600);
	} while (part->file == -EEXIST);
	return part->file < 0 ? part->file : 0;
}

int
part_begin(struct store *store, struct part_id id, enum part_mode mode, struct part **part)
{
	int result = check_begin(store, id, mode);
	struct part *p;

	*part = NULL;
	if (result != 0) {
		return store_say(store, result, "beginning a part");
	}
	p = aligned_alloc(64, (sizeof(*p) + 63) / 64 * 64);
	if (p == NULL) {
		return store_say(store, -ENOMEM, "a part");
	}
	memset(p, 0, sizeof(*p));
	p->store = store;
	p->id = id;
	p->mode = mode;
	XXH3_128bits_reset(&p->digest);
	result = create_file(p);
	if (result != 0) {
		store_say(store, result, p->name);
		free(p);
		return result;
	}
	store->parts_open++;
	*part = p;
	return 0;
}

static void
wait_for_buffer(struct part *part)
{
	while (part->buffer == NULL) {
		part->buffer = env_disk_buffer(part->store->disk);
		if (part->buffer == NULL && !store_reap(part->store, true)) {
			assert(!"a buffer is with a part or on its way");
		}
	}
}

/* Hands the buffer over, filled with zeros to whole sectors. */
static void
flush(struct part *part)
{
	uint32_t size = (part->filled + ENV_DISK_ALIGN - 1) / ENV_DISK_ALIGN * ENV_DISK_ALIGN;

	memset(part->buffer + part->filled, 0, size - part->filled);
	part->on_way++;
	env_disk_write(part->store->disk, part->file, part->buffer, size, part->written, part);
	part->written += size;
	part->buffer = NULL;
	part->filled = 0;
	while (store_reap(part->store, false)) {
	}
}

static void
append(struct part *part, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		uint32_t room = ENV_DISK_BYTES - part->filled;
		uint32_t taken = size < room ? (uint32_t)size : room;

		memcpy(part->buffer + part->filled, bytes, taken);
		part->filled += taken;
		bytes += taken;
		size -= taken;
		if (part->filled == ENV_DISK_BYTES) {
			flush(part);
			if (size > 0) {
				wait_for_buffer(part);
			}
		}
	}
}

static void
put_block(struct part *part, struct block *block, const uint8_t *bytes)
{
	struct store *store = part->store;
	uint8_t *out;
	size_t size;

	wait_for_buffer(part);
	/* Straight into the buffer where it surely fits. */
	if (ENV_DISK_BYTES - part->filled > BLOCK_HEADER + block->raw_size) {
		out = part->buffer + part->filled;
		size = block_encode(store->coder, block, bytes, out);
		part->filled += (uint32_t)size;
		XXH3_128bits_update(&part->digest, out, BLOCK_HEADER);
	} else {
		size = block_encode(store->coder, block, bytes, store->scratch);
		XXH3_128bits_update(&part->digest, store->scratch, BLOCK_HEADER);
		append(part, store->scratch, size);
	}
	part->blocks++;
	part->raw_bytes += block->raw_size;
}

void *
part_place(struct part *part, uint32_t *room)
{
	*room = 0;
	if (part->error != 0 || part->store->options.codec != BLOCK_PLAIN) {
		return NULL;
	}
	wait_for_buffer(part);
	/* As in put_block: what fits goes straight into the buffer. */
	if (ENV_DISK_BYTES - part->filled > BLOCK_HEADER + 1) {
		*room = ENV_DISK_BYTES - part->filled - BLOCK_HEADER - 1;
		*room = *room < BLOCK_RAW_MAX ? *room : BLOCK_RAW_MAX;
	}
	return part->buffer + part->filled + BLOCK_HEADER;
}

int
part_put(struct part *part, uint8_t kind, uint32_t slot, uint64_t offset, const void *bytes,
         size_t size)
{
	const uint8_t *at = bytes;

	do {
		struct block block = {
			.kind = kind,
			.job = part->store->options.job,
			.epoch = part->store->draft->epoch,
			.op = part->id.op,
			.slice = part->id.slice,
			.number = (uint32_t)part->blocks,
			.slot = slot,
			.offset = offset,
			.raw_size = size < BLOCK_RAW_MAX ? (uint32_t)size : BLOCK_RAW_MAX,
		};

		if (part->error == 0 && part->blocks == UINT32_MAX) {
			part->error = -EFBIG;
		}
		if (part->error != 0) {
			return store_say(part->store, part->error, part->name);
		}
		put_block(part, &block, at);
		at += block.raw_size;
		offset += block.raw_size;
		size -= block.raw_size;
	} while (size > 0);
	return 0;
}

/* Waits for its writes, gives its buffer back. The file stays open. */
static void
drain(struct part *part)
{
	if (part->buffer != NULL && part->error == 0 && part->filled > 0) {
		flush(part);
	}
	if (part->buffer != NULL) {
		env_disk_give_back(part->store->disk, part->buffer);
		part->buffer = NULL;
	}
	while (part->on_way > 0) {
		store_reap(part->store, true);
	}
}

void
part_abort(struct part *part)
{
	struct store *store;
	char path[STORE_PATH_MAX];

	if (part == NULL) {
		return;
	}
	store = part->store;
	part->error = part->error == 0 ? -ECANCELED : part->error;
	drain(part);
	env_file_close(part->file);
	/* Nobody names it. If it cannot go now, it goes when it is old. */
	store_path(path, store->folder, part->name);
	env_file_unlink(path);
	assert(store->parts_open > 0);
	store->parts_open--;
	free(part);
}

/* A file of the epoch before, taken over as it is. */
static int
take_over(struct store *store, uint32_t index, struct manifest_part *part)
{
	uint32_t taken;
	int result = manifest_add_file(store->draft, &store->base->file[index], &taken);

	if (result == 0) {
		part->chain[part->chain_count++] = taken;
	}
	return result;
}

static int
take_chain(struct store *store, struct manifest_part *part)
{
	const struct manifest_part *before = manifest_part(store->base, part->id);
	int result = 0;

	assert(before != NULL);
	for (uint32_t i = 0; result == 0 && i < before->chain_count; i++) {
		result = take_over(store, before->chain[i], part);
	}
	return result;
}

/* Enters a part whose file is written. On -ENOMEM the draft is half done: the epoch has failed. */
static int
enter(struct part *part)
{
	struct store *store = part->store;
	struct manifest_part entry = { .id = part->id };
	struct manifest_file file = { .part = part->id,
		                      .epoch = store->draft->epoch,
		                      .length = part->written,
		                      .blocks = part->blocks,
		                      .raw_bytes = part->raw_bytes };
	XXH128_hash_t hash = XXH3_128bits_digest(&part->digest);
	uint32_t index;
	int result = part->mode == PART_DELTA ? take_chain(store, &entry) : 0;

	file.digest = (struct digest){ .high = hash.high64, .low = hash.low64 };
	memcpy(file.name, part->name, sizeof(file.name));
	result = result == 0 ? manifest_add_file(store->draft, &file, &index) : result;
	if (result == 0) {
		entry.chain[entry.chain_count++] = index;
		result = manifest_add_part(store->draft, &entry);
	}
	store->failed = result;
	return store_say(store, result, part->name);
}

int
part_finish(struct part *part)
{
	struct store *store = part->store;
	struct unsynced *unsynced;
	int result;

	if (store->unsynced_count == STORE_UNSYNCED_MAX) {
		store_sync_files(store);
	}
	drain(part);
	result = part->error != 0 ? store_say(store, part->error, part->name) : store->failed;
	result = result == 0 ? enter(part) : result;
	if (result != 0) {
		part_abort(part);
		return result;
	}
	unsynced = &store->unsynced[store->unsynced_count++];
	*unsynced = (struct unsynced){ .file = part->file };
	memcpy(unsynced->name, part->name, sizeof(unsynced->name));
	store->parts_open--;
	free(part);
	return 0;
}

int
store_keep(struct store *store, struct part_id id)
{
	struct manifest_part part = { .id = id };
	struct part_chain chain;
	int result = check_begin(store, id, PART_FULL);

	result = result == 0 && !store_chain(store, id, &chain) ? -ENOENT : result;
	if (result != 0) {
		return store_say(store, result, "keeping a part");
	}
	result = take_chain(store, &part);
	result = result == 0 ? manifest_add_part(store->draft, &part) : result;
	store->failed = result;
	return store_say(store, result, "keeping a part");
}

int
store_record(struct store *store, const char *name, const void *bytes, size_t size)
{
	if (store->draft == NULL) {
		return store_say(store, -EINVAL, name);
	}
	return store_say(store, manifest_add_record(store->draft, name, bytes, size), name);
}
