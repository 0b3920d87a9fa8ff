/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast the store takes a snapshot and checks it: one part of so many MiB, as fast as the disk
 * takes it, then read back with every checksum. One JSON line. bench/store_fio runs it beside fio.
 *
 *     micro-store FOLDER MIB [none|lz4|zstd]
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/text.h"
#include "state/store.h"

/* What a copier hands over at a time. */
#define PUT_BYTES (1ul << 20)

struct rates {
	uint64_t bytes;
	double put_s, commit_s,
	    check_s; /* until all is handed over, until durable, to read it back */
};

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Noise, so that nobody on the way to the disk saves work. */
static uint8_t *
make_noise(void)
{
	uint8_t *bytes = malloc(PUT_BYTES);
	uint64_t random = 1;

	for (size_t i = 0; bytes != NULL && i < PUT_BYTES; i += 8) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		memcpy(bytes + i, &random, sizeof(random));
	}
	return bytes;
}

static int
write_part(struct store *store, uint64_t bytes, const uint8_t *noise)
{
	struct part *part;
	int result = store_begin(store, store_epoch_next(store));

	result =
	    result == 0 ? part_begin(store, (struct part_id){ 0, 0 }, PART_FULL, &part) : result;
	if (result != 0) {
		return result;
	}
	for (uint64_t at = 0; result == 0 && at < bytes; at += PUT_BYTES) {
		result = part_put(part, 1, 0, at, noise, PUT_BYTES);
	}
	if (result != 0) {
		part_abort(part);
		return result;
	}
	return part_finish(part);
}

static int
measure(struct store *store, struct rates *rates)
{
	struct store_list list;
	uint8_t *noise = make_noise();
	double begun_s = now_s();
	int result = noise == NULL ? -1 : write_part(store, rates->bytes, noise);

	free(noise);
	rates->put_s = now_s() - begun_s;
	result = result == 0 ? store_commit(store, 0) : result;
	rates->commit_s = now_s() - begun_s;
	result = result == 0 ? store_list_read(store_folder(store), &list) : result;
	if (result != 0) {
		return result;
	}
	begun_s = now_s();
	result = store_epoch_check(store_folder(store), STORE_ALL, &list.epoch[0]);
	rates->check_s = now_s() - begun_s;
	result = list.epoch[0].is_damaged ? -1 : result;
	store_list_free(&list);
	return result;
}

static enum block_codec
codec_of(const char *name)
{
	for (int i = 0; i < BLOCK_CODEC_COUNT; i++) {
		if (strcmp(block_codec_name((enum block_codec)i), name) == 0) {
			return (enum block_codec)i;
		}
	}
	return BLOCK_PLAIN;
}

int
main(int argc, char **argv)
{
	struct store_options options = { .job = 1, .keep = 1 };
	struct store_pick pick;
	struct rates rates = { 0 };
	struct store *store;
	char why[MANIFEST_WHY];
	uint64_t mib;
	int result;

	if (argc < 3 || text_u64(argv[2], &mib) != 0 || mib == 0) {
		fprintf(stderr, "usage: micro-store FOLDER MIB [none|lz4|zstd]\n");
		return 2;
	}
	options.codec = codec_of(argc > 3 ? argv[3] : "none");
	if (store_open(argv[1], &options, &store, why) != 0) {
		fprintf(stderr, "micro-store: %s\n", why);
		return 1;
	}
	rates.bytes = mib << 20;
	result = store_pick(store, STORE_ALL, &pick);
	result = result == 0 ? measure(store, &rates) : result;
	if (result != 0) {
		fprintf(stderr, "micro-store: %s\n", store_why(store));
	} else {
		printf("{\"bytes\": %lu, \"disk\": \"%s\", \"codec\": \"%s\", \"put_s\": %.4f, "
		       "\"durable_s\": %.4f, \"write_mib_s\": %.1f, \"check_mib_s\": %.1f}\n",
		       rates.bytes, store_disk(store), block_codec_name(options.codec), rates.put_s,
		       rates.commit_s, (double)mib / rates.commit_s, (double)mib / rates.check_s);
	}
	store_close(store);
	return result == 0 ? 0 : 1;
}
