/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading all files of epochs, shared out among threads file by file, the longest first. */
#include "mgmt/state_verify.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "state/part_reader.h"

#define VERIFY_STEP_NS 2000000u

struct state_verify {
	const char *folder;
	struct state_verify_file *file;
	uint32_t file_count;
	uint64_t bytes_all;
	pthread_t *thread;
	uint32_t thread_count;

	/* Shared, atomic. */
	uint64_t bytes; /* read so far */
	uint32_t next;  /* file to take */
	uint32_t done;  /* files that were read */
	bool stop;
};

/* The same file is in the manifests of several epochs; two of one name need not be the same. */
static int
by_identity(const void *a, const void *b)
{
	const struct state_verify_file *left = a, *right = b;
	int order = strcmp(left->file->name, right->file->name);

	if (order == 0) {
		order = memcmp(&left->file->digest, &right->file->digest, sizeof(struct digest));
	}
	if (order == 0) {
		order = (left->file->length > right->file->length) -
		        (left->file->length < right->file->length);
	}
	return order != 0 ? order : (left->job > right->job) - (left->job < right->job);
}

static int
by_length(const void *a, const void *b)
{
	const struct state_verify_file *left = a, *right = b;

	return (left->file->length < right->file->length) -
	       (left->file->length > right->file->length);
}

/* Takes the files of all epochs together, each once. 0 or -ENOMEM. */
static int
collect(struct state_verify *verify, const struct store_epoch *epochs, uint32_t count)
{
	size_t room = 1;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		room += epochs[i].manifest == NULL ? 0 : epochs[i].manifest->file_count;
	}
	verify->file = calloc(room, sizeof(verify->file[0]));
	if (verify->file == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct manifest *manifest = epochs[i].manifest;

		for (uint32_t k = 0; manifest != NULL && k < manifest->file_count; k++) {
			verify->file[verify->file_count++] =
			    (struct state_verify_file){ .file = &manifest->file[k],
				                        .job = manifest->job };
		}
	}
	qsort(verify->file, verify->file_count, sizeof(verify->file[0]), by_identity);
	for (uint32_t i = 0; i < verify->file_count; i++) {
		if (i == 0 || by_identity(&verify->file[i], &verify->file[kept - 1]) != 0) {
			verify->file[kept++] = verify->file[i];
		}
	}
	verify->file_count = kept;
	qsort(verify->file, verify->file_count, sizeof(verify->file[0]), by_length);
	for (uint32_t i = 0; i < verify->file_count; i++) {
		verify->bytes_all += verify->file[i].file->length;
	}
	return 0;
}

/* One file to its end, or to where it is damaged. */
static int
read_file(struct state_verify *verify, struct state_verify_file *file)
{
	struct part_reader *reader;
	uint64_t counted = 0;
	size_t size;
	int result = part_reader_open(verify->folder, file->job, file->file, &reader, file->why);

	if (result == 0) {
		do {
			result = part_reader_check(reader, &size);
			counted += size;
			__atomic_fetch_add(&verify->bytes, size, __ATOMIC_RELAXED);
		} while (result > 0 && !__atomic_load_n(&verify->stop, __ATOMIC_RELAXED));
		part_reader_close(reader);
	}
	/* What fills its end, or what is not read because of the damage. */
	if (counted < file->file->length) {
		__atomic_fetch_add(&verify->bytes, file->file->length - counted, __ATOMIC_RELAXED);
	}
	return result;
}

static void *
read_files(void *arg)
{
	struct state_verify *verify = arg;

	while (!__atomic_load_n(&verify->stop, __ATOMIC_RELAXED)) {
		uint32_t i = __atomic_fetch_add(&verify->next, 1, __ATOMIC_RELAXED);
		int result;

		if (i >= verify->file_count) {
			break;
		}
		result = read_file(verify, &verify->file[i]);
		if (result != 0) {
			verify->file[i].health =
			    store_is_damage(result) ? STATE_DAMAGED : STATE_UNKNOWN;
		}
		__atomic_fetch_add(&verify->done, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

int
state_verify_begin(const struct store_epoch *epochs, uint32_t count, const char *folder,
                   uint32_t jobs, struct state_verify **verify)
{
	struct state_verify *v = calloc(1, sizeof(*v));
	int result = v == NULL ? -ENOMEM : collect(v, epochs, count);

	assert(jobs > 0);
	*verify = NULL;
	if (result == 0) {
		v->folder = folder;
		v->thread = calloc(jobs, sizeof(v->thread[0]));
		result = v->thread == NULL ? -ENOMEM : 0;
	}
	for (uint32_t i = 0; result == 0 && i < jobs && i < v->file_count; i++) {
		result = -pthread_create(&v->thread[i], NULL, read_files, v);
		v->thread_count += result == 0 ? 1 : 0;
	}
	/* One that works is enough. */
	if (result != 0 && (v == NULL || v->thread_count == 0)) {
		state_verify_end(v);
		return result;
	}
	*verify = v;
	return 0;
}

bool
state_verify_wait(struct state_verify *verify, uint64_t timeout_ns)
{
	/* By what was slept: without EAL there is no clock that nobody sets. */
	uint64_t slept_ns = 0;

	while (__atomic_load_n(&verify->done, __ATOMIC_ACQUIRE) < verify->file_count) {
		if (slept_ns >= timeout_ns) {
			return false;
		}
		env_sleep_ns(VERIFY_STEP_NS);
		slept_ns += VERIFY_STEP_NS;
	}
	return true;
}

struct state_verify_progress
state_verify_progress(const struct state_verify *verify)
{
	return (struct state_verify_progress){
		.bytes = __atomic_load_n(&verify->bytes, __ATOMIC_RELAXED),
		.bytes_all = verify->bytes_all,
		.files = __atomic_load_n(&verify->done, __ATOMIC_RELAXED),
		.files_all = verify->file_count,
	};
}

const struct state_verify_file *
state_verify_file(const struct state_verify *verify, uint32_t i)
{
	return i < verify->file_count ? &verify->file[i] : NULL;
}

enum state_health
state_verify_epoch(const struct state_verify *verify, const struct store_epoch *epoch,
                   const struct state_verify_file **file)
{
	enum state_health worst = state_health_of(epoch);

	*file = NULL;
	for (uint32_t k = 0; epoch->manifest != NULL && k < epoch->manifest->file_count; k++) {
		struct state_verify_file wanted = { .file = &epoch->manifest->file[k],
			                            .job = epoch->manifest->job };

		for (uint32_t i = 0; i < verify->file_count; i++) {
			const struct state_verify_file *one = &verify->file[i];

			if (one->health > STATE_COMPLETE && by_identity(one, &wanted) == 0) {
				*file = *file == NULL ? one : *file;
				worst = one->health > worst ? one->health : worst;
			}
		}
	}
	return worst;
}

void
state_verify_end(struct state_verify *verify)
{
	if (verify == NULL) {
		return;
	}
	__atomic_store_n(&verify->stop, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < verify->thread_count; i++) {
		pthread_join(verify->thread[i], NULL);
	}
	free(verify->thread);
	free(verify->file);
	free(verify);
}
