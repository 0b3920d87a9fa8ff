/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading epochs back in the background, in bounded steps. */

#include "state/verify.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "state/part_reader.h"

/* What a step looks at before it comes back. */
#define STEP_BYTES (256u << 10)

enum verify_state {
	VERIFY_IDLE, /* nothing was asked for */
	VERIFY_FILE, /* the next file of the epoch is to be opened */
	VERIFY_READ, /* one is being read */
	VERIFY_DONE, /* the result waits to be taken */
};

struct verify {
	struct store *store;
	uint64_t bytes_per_s;
	int64_t next_ns; /* no step before */
	enum verify_state state;
	uint32_t next_file;
	struct part_reader *reader;
	struct manifest_file file; /* a copy: the epoch may go while it is read */
	struct verified result;
};

struct verify *
verify_open(struct store *store, uint64_t bytes_per_s)
{
	struct verify *verify = calloc(1, sizeof(*verify));

	if (verify != NULL) {
		verify->store = store;
		verify->bytes_per_s = bytes_per_s;
	}
	return verify;
}

static void
close_file(struct verify *verify)
{
	part_reader_close(verify->reader);
	verify->reader = NULL;
}

void
verify_close(struct verify *verify)
{
	if (verify != NULL) {
		close_file(verify);
		free(verify);
	}
}

void
verify_begin(struct verify *verify, uint64_t epoch)
{
	close_file(verify);
	memset(&verify->result, 0, sizeof(verify->result));
	verify->result.epoch = epoch;
	verify->next_file = 0;
	verify->state = VERIFY_FILE;
}

bool
verify_take(struct verify *verify, struct verified *verified)
{
	if (verify->state != VERIFY_DONE) {
		return false;
	}
	*verified = verify->result;
	verify->state = VERIFY_IDLE;
	return true;
}

/* The end of a file or of a try: damage is said, trouble of this process is no damage. */
static void
finish_file(struct verify *verify, int result)
{
	close_file(verify);
	verify->state = VERIFY_FILE;
	if (result == 0) {
		verify->result.files++;
		return;
	}
	verify->state = VERIFY_DONE;
	if (store_is_damage(result)) {
		verify->result.is_damaged = true;
		store_mark_damaged(verify->store, verify->result.epoch, verify->result.why);
		env_log(3, "epoch %" PRIu64 " is damaged: %s", verify->result.epoch,
		        verify->result.why);
	} else {
		verify->result.is_gone = true;
	}
}

static void
open_file(struct verify *verify)
{
	const struct store_epoch *epoch;
	const struct manifest *manifest = NULL;
	uint32_t count;
	int result;

	epoch = store_epochs(verify->store, &count);
	for (uint32_t i = 0; i < count; i++) {
		manifest = epoch[i].epoch == verify->result.epoch ? epoch[i].manifest : manifest;
	}
	if (manifest == NULL || verify->next_file == manifest->file_count) {
		verify->result.is_gone = manifest == NULL;
		verify->state = VERIFY_DONE;
		return;
	}
	verify->file = manifest->file[verify->next_file++];
	result = part_reader_open(store_folder(verify->store), manifest->job, &verify->file,
	                          &verify->reader, verify->result.why);
	if (result != 0) {
		finish_file(verify, result);
	} else {
		verify->state = VERIFY_READ;
	}
}

static void
read_some(struct verify *verify)
{
	size_t looked = 0, size;
	int result;

	do {
		result = part_reader_check(verify->reader, &size);
		looked += size;
	} while (result > 0 && looked < STEP_BYTES);
	verify->result.bytes += looked;
	if (verify->bytes_per_s > 0) {
		int64_t now_ns = env_now_ns();
		int64_t from_ns = verify->next_ns > now_ns ? verify->next_ns : now_ns;

		verify->next_ns = from_ns + (int64_t)(looked * 1000000000u / verify->bytes_per_s);
	}
	if (result <= 0) {
		finish_file(verify, result);
	}
}

bool
verify_step(struct verify *verify)
{
	if (verify->state == VERIFY_IDLE || verify->state == VERIFY_DONE ||
	    env_now_ns() < verify->next_ns) {
		return false;
	}
	if (verify->state == VERIFY_FILE) {
		open_file(verify);
	} else {
		read_some(verify);
	}
	return true;
}
