/* SPDX-License-Identifier: BSD-3-Clause */
/* What a snapshot would be for other code: restored beside the process that has the folder. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "state/snapshot_run.h"

/* The newest that is whole as far as its manifest and the lengths of its files tell; NULL: none. */
static const struct store_epoch *
newest_whole(struct snapshots *s)
{
	for (uint32_t i = 0; i < s->aside.count; i++) {
		struct store_epoch *epoch = &s->aside.epoch[i];

		if (epoch->manifest != NULL &&
		    store_epoch_check(s->folder, STORE_LENGTHS, epoch) == 0 && !epoch->is_damaged) {
			return epoch;
		}
	}
	return NULL;
}

int
snapshots_look(const char *folder, struct snapshots **snapshots, char why[SNAPSHOT_WHY])
{
	struct snapshots *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);
	const struct store_epoch *epoch;
	int result;

	*snapshots = NULL;
	if (s == NULL) {
		return restore_say(why, -ENOMEM, "no memory for snapshots");
	}
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	snprintf(s->folder, sizeof(s->folder), "%s", folder);
	result = store_list_read(folder, &s->aside);
	if (result != 0) {
		restore_say(why, result, "%s: %s", folder, strerror(-result));
	}
	epoch = result == 0 ? newest_whole(s) : NULL;
	result = epoch == NULL ? result : restore_choose(s, epoch, why);
	if (result != 0) {
		snapshots_close(s);
		return result;
	}
	*snapshots = s;
	return 0;
}

/* Whether the job has pruned it. */
static bool
is_gone(const struct snapshots *s)
{
	struct store_list list = { 0 };
	bool is_there = true;

	if (store_list_read(s->folder, &list) == 0) {
		is_there = false;
		for (uint32_t i = 0; i < list.count; i++) {
			is_there |= list.epoch[i].epoch == s->good_epoch;
		}
	}
	store_list_free(&list);
	return !is_there;
}

int
snapshots_try(struct snapshots *s, struct lm_engine *engine, const bool *wanted,
              char why[SNAPSHOT_WHY])
{
	int64_t from_ns = env_now_ns();
	int result;

	s->engine = engine;
	s->wanted = wanted;
	s->slice_count = engine->slice_count;
	s->slice = calloc(engine->slice_count + 1, sizeof(*s->slice));
	if (s->slice == NULL) {
		return restore_say(why, -ENOMEM, "no memory for snapshots");
	}
	for (uint32_t i = 0; i < s->slice_count; i++) {
		s->slice[i].slice = engine->slice[i];
		s->slice[i].phase = SLICE_FREE;
	}
	if (s->good == NULL || s->had_ended) {
		return 0;
	}
	result = restore_epoch(s, why);
	s->restored.took_ns = env_now_ns() - from_ns;
	return result != 0 && is_gone(s) ? -EAGAIN : result;
}

const void *
snapshots_note(const struct snapshots *s, size_t *size)
{
	const struct manifest_record *record =
	    s->good == NULL ? NULL : manifest_record(s->good->manifest, SNAPSHOT_RECORD_NOTE);

	*size = record == NULL ? 0 : record->size;
	return record == NULL ? NULL : record->bytes;
}
