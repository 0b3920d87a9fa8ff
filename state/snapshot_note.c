/* SPDX-License-Identifier: BSD-3-Clause */
/* The note that goes into every epoch, and reading it before anything is opened. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "state/snapshot_run.h"

int
snapshots_set_note(struct snapshots *s, const void *bytes, size_t size)
{
	void *copy;

	if (CANARY(CANARY_NOTE_STALE) && s->note != NULL) {
		return 0;
	}
	copy = malloc(size + 1);
	if (copy == NULL) {
		return -ENOMEM;
	}
	memcpy(copy, bytes, size);
	free(s->note);
	s->note = copy;
	s->note_size = size;
	return 0;
}

/* ---- reading ---- */

static const struct manifest_record *
note_of(const struct store_epoch *epoch)
{
	return manifest_record(epoch->manifest, SNAPSHOT_RECORD_NOTE);
}

static bool
notes_equal(const struct manifest_record *a, const struct manifest_record *b)
{
	if (a == NULL || b == NULL) {
		return a == b;
	}
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Whether what stands behind the epoch, which has to do if this one turns out to be damaged, has
 * another note. */
static bool
differs_from_older(const struct store_list *list, uint32_t at)
{
	for (uint32_t i = at + 1; i < list->count; i++) {
		if (list->epoch[i].manifest != NULL &&
		    !notes_equal(note_of(&list->epoch[at]), note_of(&list->epoch[i]))) {
			return true;
		}
	}
	return false;
}

/* The one that snapshots_open will take; NULL: none is good. As store_pick, and farther. */
static int
find_good(const char *folder, struct store_list *list, const struct store_epoch **good)
{
	*good = NULL;
	for (uint32_t i = 0; *good == NULL && i < list->count; i++) {
		struct store_epoch *epoch = &list->epoch[i];
		int result = store_epoch_check(folder, STORE_LENGTHS, epoch);

		if (result == 0 && !epoch->is_damaged && differs_from_older(list, i)) {
			result = store_epoch_check(folder, STORE_ALL, epoch);
		}
		if (result != 0) {
			return result;
		}
		*good = epoch->is_damaged ? NULL : epoch;
	}
	return 0;
}

static int
take_note(const struct store_epoch *good, struct snapshot_note *note)
{
	const struct manifest_record *record = note_of(good);

	note->epoch = good->epoch;
	if (record == NULL) {
		return 0;
	}
	note->bytes = malloc(record->size + 1);
	if (note->bytes == NULL) {
		return -ENOMEM;
	}
	memcpy(note->bytes, record->bytes, record->size);
	((char *)note->bytes)[record->size] = '\0'; /* it is read as text */
	note->size = record->size;
	return 0;
}

int
snapshots_read_note(const char *folder, uint64_t job, struct snapshot_note *note,
                    char why[SNAPSHOT_WHY])
{
	const struct store_epoch *good;
	struct store_list list;
	int result = store_list_read(folder, &list);

	*note = (struct snapshot_note){ 0 };
	if (result == -ENOENT) {
		return 0;
	}
	if (result == 0) {
		result = find_good(folder, &list, &good);
		if (result == 0 && good != NULL && good->manifest->job == job) {
			result = take_note(good, note);
		}
		store_list_free(&list);
	}
	return result == 0 ? 0 : restore_say(why, result, "%s: %s", folder, strerror(-result));
}

int
snapshots_check_note(const struct snapshots *s, char why[SNAPSHOT_WHY])
{
	const struct snapshot_note *want = s->options.note;
	const struct manifest_record *record = note_of(s->good);
	struct manifest_record wanted = { .bytes = want == NULL ? NULL : want->bytes,
		                          .size = want == NULL ? 0 : want->size };

	if (want == NULL || notes_equal(record, want->bytes == NULL ? NULL : &wanted)) {
		return 0;
	}
	return restore_say(why, -ENOENT,
	                   "epoch %" PRIu64
	                   " in %s is of another topology than the one that was going to be gone "
	                   "on from: start it again",
	                   s->good_epoch, s->folder);
}
