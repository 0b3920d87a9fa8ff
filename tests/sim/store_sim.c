/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store on a disk that fails: epochs are written, the power goes in the middle, calls fail,
 * bits flip, blocks land in wrong places, files shrink and vanish, old epochs go. After each
 * restart the epoch that the store picks must be, byte for byte, what the model remembers: the
 * newest one whose commit returned, or a later one, unless the disk has spoilt it; then it must be
 * said to be damaged, and the one before it be found. What nobody spoilt must never be called
 * damaged.
 */

#include "tests/sim/store_sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/store.h"
#include "state/verify.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/store_model.h"

#define SPOILT_MAX 64u
#define PATH_BYTES 200u

struct run {
	struct model model;
	struct store *store;
	uint32_t keep;
	enum block_codec codec;
	uint64_t committed; /* the newest epoch whose commit returned; 0: none */
	char spoilt[SPOILT_MAX][PATH_BYTES];
	uint32_t spoilt_count;
	bool is_silent; /* the disk has lied: anything but a wrong result may come */
};

static bool
wrong(const char *what, uint64_t epoch)
{
	fprintf(stderr, "store: %s (epoch %" PRIu64 ")\n", what, epoch);
	return false;
}

static bool
is_spoilt(const struct run *run, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), MODEL_FOLDER "/%s", name);
	for (uint32_t i = 0; i < run->spoilt_count; i++) {
		if (strcmp(run->spoilt[i], path) == 0) {
			return true;
		}
	}
	return false;
}

static bool
is_epoch_spoilt(const struct run *run, const struct store_epoch *epoch)
{
	for (uint32_t i = 0; epoch->manifest != NULL && i < epoch->manifest->file_count; i++) {
		if (is_spoilt(run, epoch->manifest->file[i].name)) {
			return true;
		}
	}
	return epoch->manifest == NULL;
}

/* Whether an epoch whose manifest cannot be read has the test to blame. */
static bool
is_manifest_spoilt(const struct run *run, uint64_t epoch)
{
	char a[MANIFEST_NAME_MAX], b[MANIFEST_NAME_MAX];

	manifest_name(a, epoch, 'a');
	manifest_name(b, epoch, 'b');
	return is_spoilt(run, a) || is_spoilt(run, b);
}

/* What the store found against what was done to the disk. */
static bool
check_pick(const struct run *run, const struct store_pick *pick)
{
	uint32_t count;
	const struct store_epoch *epoch = store_epochs(run->store, &count);
	const struct store_epoch *expected = NULL;

	if (pick->good != NULL && !model_check(&run->model, pick->good)) {
		return wrong("what is called good is not", pick->good->epoch);
	}
	if (run->is_silent) {
		return true;
	}
	for (uint32_t i = count; i-- > 0;) {
		if (epoch[i].manifest == NULL && !is_manifest_spoilt(run, epoch[i].epoch)) {
			return wrong("a manifest is damaged and nobody did it", epoch[i].epoch);
		}
		expected = is_epoch_spoilt(run, &epoch[i]) ? expected : &epoch[i];
	}
	if (pick->good != expected) {
		return wrong("this is the newest good one, and it was not taken",
		             expected == NULL ? 0 : expected->epoch);
	}
	if (run->spoilt_count == 0 && run->committed > 0 &&
	    (expected == NULL || expected->epoch < run->committed)) {
		return wrong("a committed epoch is gone", run->committed);
	}
	return true;
}

/* Spoilt names of numbers that nothing on the disk has any more: they may come again, and well. */
static void
forget_spoilt(struct run *run)
{
	for (uint32_t i = run->spoilt_count; i-- > 0;) {
		const char *name = strrchr(run->spoilt[i], '/') + 1;
		struct part_id part;
		uint64_t epoch;
		char copy;

		if ((file_name_read(name, &epoch, &part) ||
		     manifest_name_read(name, &epoch, &copy)) &&
		    epoch >= store_epoch_next(run->store)) {
			memmove(run->spoilt[i], run->spoilt[--run->spoilt_count], PATH_BYTES);
		}
	}
}

/* Opens, checks, and goes on from what is there. */
static bool
start(struct run *run)
{
	struct store_pick pick;

	if (model_open(&run->store, run->keep, run->codec) != 0 ||
	    store_pick(run->store, STORE_ALL, &pick) != 0) {
		return wrong("a folder that cannot be opened", run->committed);
	}
	forget_spoilt(run);
	if (!check_pick(run, &pick)) {
		return false;
	}
	model_restart(&run->model, pick.good == NULL ? 0 : pick.good->epoch);
	run->committed = pick.good == NULL ? 0 : pick.good->epoch;
	return true;
}

/* No file of an epoch that is kept has gone, and none stays that is old and that nobody needs. */
static bool
check_files(const struct run *run)
{
	uint32_t count;
	const struct store_epoch *epoch = store_epochs(run->store, &count);
	char path[PATH_BYTES];

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; epoch[i].manifest != NULL && k < epoch[i].manifest->file_count;
		     k++) {
			const struct manifest_file *file = &epoch[i].manifest->file[k];

			snprintf(path, sizeof(path), MODEL_FOLDER "/%s", file->name);
			if (disk_size(path) != (int64_t)file->length &&
			    !is_spoilt(run, file->name)) {
				return wrong("a file of it has gone", epoch[i].epoch);
			}
		}
	}
	return true;
}

/* Files of a folder that are younger than the oldest epoch or needed: the others are litter. */
struct litter {
	const struct run *run;
	uint64_t oldest;
	bool found;
};

static void
look_for_litter(void *arg, const char *path)
{
	struct litter *litter = arg;
	const char *name = strrchr(path, '/') + 1;
	uint64_t number;
	struct part_id part;
	uint32_t count;
	const struct store_epoch *epoch = store_epochs(litter->run->store, &count);
	bool needed = false;

	if (!file_name_read(name, &number, &part) || number >= litter->oldest) {
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		needed |= epoch[i].manifest == NULL || manifest_has_file(epoch[i].manifest, name);
	}
	litter->found |= !needed;
}

static bool
check_litter(const struct run *run)
{
	struct litter litter = { .run = run };
	uint32_t count, good = 0;
	const struct store_epoch *epoch = store_epochs(run->store, &count);

	for (uint32_t i = 0; i < count && good < run->keep; i++) {
		good += epoch[i].is_damaged ? 0 : 1;
		litter.oldest = epoch[i].epoch;
	}
	if (good == run->keep) {
		disk_walk(MODEL_FOLDER, look_for_litter, &litter);
	}
	return !litter.found || wrong("old files stay that nobody needs", litter.oldest);
}

static bool
check_verify(struct run *run, uint64_t epoch)
{
	struct verify *verify = verify_open(run->store, 1u << 30);
	struct verified verified = { 0 };

	verify_begin(verify, epoch);
	while (!verify_take(verify, &verified)) {
		if (!verify_step(verify)) {
			sim_advance(1000000);
		}
	}
	verify_close(verify);
	if (verified.is_gone) {
		return wrong("it could not be verified", epoch);
	}
	return !verified.is_damaged || run->is_silent || run->spoilt_count > 0 ||
	       wrong("it is verified to be damaged and is not", epoch);
}

static bool
write_epoch(struct run *run)
{
	uint64_t epoch = 0;

	model_change(&run->model);
	if (model_write(&run->model, run->store, &epoch) != 0) {
		return wrong("it could not be written on a disk that is well", epoch);
	}
	run->committed = epoch;
	return check_files(run) && check_litter(run) &&
	       (sim_below(3) != 0 || check_verify(run, epoch));
}

/* The power goes within the next calls, or between two epochs. */
static bool
crash(struct run *run)
{
	uint64_t epoch = 0;

	model_change(&run->model);
	disk_fail_at(1 + sim_below(150), DISK_CRASH);
	if (model_write(&run->model, run->store, &epoch) == 0) {
		run->committed = epoch;
	}
	store_close(run->store);
	run->store = NULL;
	disk_crash();
	return start(run);
}

/* Calls fail, and say so. */
static bool
fail(struct run *run)
{
	uint32_t one_in[DISK_FAULT_COUNT] = { 0 };
	uint64_t epoch = 0;
	int result;

	one_in[DISK_EIO] = 100;
	one_in[DISK_ENOSPC] = 150;
	one_in[DISK_SYNC_LOST] = 100;
	one_in[DISK_SHORT] = 5;
	one_in[DISK_SLOW] = 50;
	model_change(&run->model);
	disk_faults(one_in);
	result = model_write(&run->model, run->store, &epoch);
	memset(one_in, 0, sizeof(one_in));
	disk_faults(one_in);
	if (result == 0) {
		run->committed = epoch;
	} else if (store_abandon(run->store) != 0) {
		return wrong("it cannot be abandoned on a disk that is well", epoch);
	}
	return check_files(run);
}

/* Calls spoil bytes and do not say so; from then on it is only certain that nothing wrong is read.
 */
static bool
lie(struct run *run)
{
	uint64_t epoch = 0;

	run->is_silent = true;
	model_change(&run->model);
	disk_fail_at(1 + sim_below(60), sim_below(2) == 0 ? DISK_FLIP : DISK_MISDIRECT);
	if (model_write(&run->model, run->store, &epoch) != 0) {
		return wrong("a lie was taken for a failure", epoch);
	}
	disk_fail_at(0, DISK_GOOD);
	run->committed = epoch;
	return true;
}

/* One file of the folder at random. */
struct choice {
	uint64_t seen;
	char path[PATH_BYTES];
};

static void
choose(void *arg, const char *path)
{
	struct choice *choice = arg;
	const char *name = strrchr(path, '/') + 1;

	/* After a crash in a rename, a file may have its temporary name and the other one. */
	if ((name[0] != 'E' && name[0] != 'M') || strstr(name, ".tmp") != NULL) {
		return;
	}
	if (sim_below(++choice->seen) == 0) {
		snprintf(choice->path, sizeof(choice->path), "%s", path);
	}
}

/* Bytes of one place in another: a block that went astray, in the file or from another one. */
static void
move_bytes(uint8_t *bytes, uint64_t size)
{
	struct choice from = { 0 };
	uint64_t length = 64 + sim_below(5000), source, target;
	uint64_t other;

	disk_walk(MODEL_FOLDER, choose, &from);
	other = (uint64_t)disk_size(from.path);
	length = length < size ? length : size;
	length = length < other ? length : other;
	source = sim_below(other - length + 1);
	target = sim_below(2) == 0 ? source : sim_below(size - length + 1);
	target = target + length <= size ? target : 0;
	if (length > 0) {
		memmove(bytes + target, disk_bytes(from.path) + source, length);
	}
}

static void
spoil_bytes(const char *path, uint64_t size)
{
	uint8_t *bytes = disk_bytes(path);

	if (size > 0 && sim_below(2) == 0) {
		bytes[sim_below(size)] ^= (uint8_t)(1u << sim_below(8));
	} else if (size > 0) {
		move_bytes(bytes, size);
	}
}

/* Damage at rest, then a restart. */
static bool
spoil(struct run *run)
{
	struct choice choice = { 0 };
	uint64_t size;
	uint8_t *before;
	bool changed = true;

	disk_walk(MODEL_FOLDER, choose, &choice);
	if (choice.seen == 0 || run->spoilt_count == SPOILT_MAX) {
		return true;
	}
	store_close(run->store);
	run->store = NULL;
	size = (uint64_t)disk_size(choice.path);
	before = malloc(size + 1);
	if (size > 0) {
		memcpy(before, disk_bytes(choice.path), size);
	}
	switch (sim_below(5)) {
	case 0:
		disk_lose(choice.path);
		break;
	case 1:
		changed = size > 0;
		disk_truncate(choice.path, size > 0 ? sim_below(size) : 0);
		break;
	default:
		spoil_bytes(choice.path, size);
		changed = size > 0 && memcmp(before, disk_bytes(choice.path), size) != 0;
		disk_settle(choice.path);
		break;
	}
	free(before);
	if (changed) {
		snprintf(run->spoilt[run->spoilt_count++], PATH_BYTES, "%s", choice.path);
	}
	return start(run);
}

static bool
prune(struct run *run)
{
	struct store_pruned pruned;

	return (store_prune(run->store, run->keep, &pruned) == 0 ||
	        wrong("old epochs cannot be removed", run->committed)) &&
	       check_files(run);
}

static bool
act(struct run *run)
{
	switch (sim_below(10)) {
	case 0:
	case 1:
		return crash(run);
	case 2:
		return fail(run);
	case 3:
		return run->model.past_count < 3 || spoil(run);
	case 4:
		return sim_below(4) != 0 || lie(run);
	case 5:
		return prune(run);
	default:
		return write_epoch(run);
	}
}

bool
sim_store_run(uint64_t seed)
{
	static const enum block_codec codecs[] = { BLOCK_PLAIN, BLOCK_LZ4, BLOCK_ZSTD,
		                                   BLOCK_ZEROES };
	struct run run = { .keep = 1 };
	uint64_t actions, calls;
	bool good;

	sim_reset(seed);
	disk_reset();
	run.keep += (uint32_t)sim_below(3);
	run.codec = codecs[sim_below(4)];
	run.codec = block_codec_has(run.codec) ? run.codec : BLOCK_LZ4;
	model_begin(&run.model, sim_below(4) != 0);
	good = start(&run);
	actions = 5 + sim_below(20);
	for (uint64_t i = 0; good && i < actions; i++) {
		good = act(&run);
		calls = disk_calls();
		sim_note(&calls, sizeof(calls));
	}
	if (good) {
		store_close(run.store);
		run.store = NULL;
		disk_crash();
		good = start(&run);
	}
	store_close(run.store);
	model_end(&run.model);
	disk_reset();
	return good;
}
