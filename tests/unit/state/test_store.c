/* SPDX-License-Identifier: BSD-3-Clause */
/* The store: its order of calls, what it keeps, what it refuses, what it says. */
#include "state/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/store_model.h"

static struct store *store;
static struct store_pick pick;
static char why[MANIFEST_WHY];

static int
fresh(void **state)
{
	(void)state;
	sim_reset(1);
	disk_reset();
	assert_int_equal(model_open(&store, 2, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	return 0;
}

static int
done(void **state)
{
	(void)state;
	store_close(store);
	store = NULL;
	disk_reset();
	return 0;
}

static const struct part_id id = { 1, 2 };

static void
put(struct part_id part_id, enum part_mode mode, const char *text)
{
	struct part *part;

	assert_int_equal(part_begin(store, part_id, mode, &part), 0);
	assert_int_equal(part_put(part, 1, 0, 0, text, strlen(text)), 0);
	assert_int_equal(part_finish(part), 0);
}

static uint64_t
write_epoch(enum part_mode mode, const char *text)
{
	uint64_t epoch = store_epoch_next(store);

	assert_int_equal(store_begin(store, epoch), 0);
	put(id, mode, text);
	assert_int_equal(store_commit(store, 1), 0);
	return epoch;
}

/* Payloads one after the other. */
static int
collect(void *arg, const struct block *block, const uint8_t *payload)
{
	char *text = arg;
	size_t length = strlen(text);

	memcpy(text + length, payload, block->raw_size);
	text[length + block->raw_size] = '\0';
	return 0;
}

static char read_why[MANIFEST_WHY];

/* A part of the epoch that was picked. */
static int
read_good(struct part_id part, store_block_fn *block, void *arg)
{
	return store_part_read(MODEL_FOLDER, pick.good->manifest, part, block, arg, read_why);
}

static void
reopen(void)
{
	store_close(store);
	assert_int_equal(model_open(&store, 2, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
}

static void
test_chain_comes_base_first(void **state)
{
	char text[100] = "";
	struct part_chain chain;

	(void)state;
	assert_false(store_chain(store, id, &chain));
	write_epoch(PART_FULL, "one ");
	write_epoch(PART_DELTA, "two ");
	write_epoch(PART_DELTA, "three");
	assert_true(store_chain(store, id, &chain));
	assert_int_equal(chain.files, 3);
	assert_int_equal(chain.base_bytes, ENV_DISK_ALIGN);
	assert_int_equal(chain.delta_bytes, 2 * ENV_DISK_ALIGN);
	reopen();
	assert_int_equal(pick.good->epoch, 3);
	assert_int_equal(read_good(id, collect, text), 0);
	assert_string_equal(text, "one two three");
	assert_int_equal(read_good((struct part_id){ 9, 9 }, collect, text), -ENOENT);
	write_epoch(PART_FULL, "four");
	assert_true(store_chain(store, id, &chain));
	assert_int_equal(chain.files, 1);
}

static void
test_kept_part_writes_nothing(void **state)
{
	char text[100] = "";
	uint64_t used;

	(void)state;
	write_epoch(PART_FULL, "as it was");
	used = disk_used();
	assert_int_equal(store_begin(store, 2), 0);
	assert_int_equal(store_keep(store, id), 0);
	assert_int_equal(store_keep(store, id), -EEXIST);
	assert_int_equal(store_keep(store, (struct part_id){ 9, 9 }), -ENOENT);
	assert_int_equal(store_commit(store, 1), 0);
	assert_true(disk_used() < used + ENV_DISK_ALIGN);
	reopen();
	assert_int_equal(read_good(id, collect, text), 0);
	assert_string_equal(text, "as it was");
}

static void
test_illegal_order(void **state)
{
	struct part *part, *more;

	(void)state;
	assert_int_equal(part_begin(store, id, PART_FULL, &part), -EINVAL);
	assert_int_equal(store_commit(store, 1), -EINVAL);
	assert_int_equal(store_abandon(store), -EINVAL);
	assert_int_equal(store_record(store, "a", "", 0), -EINVAL);
	assert_int_equal(store_begin(store, 0), -EINVAL);
	assert_int_equal(store_begin(store, 5), 0);
	assert_int_equal(store_begin(store, 6), -EBUSY);
	assert_int_equal(part_begin(store, id, PART_DELTA, &part), -ENOENT);
	assert_int_equal(part_begin(store, id, PART_FULL, &part), 0);
	assert_int_equal(store_commit(store, 1), -EINVAL);
	assert_int_equal(store_abandon(store), -EINVAL);
	part_abort(part);
	put(id, PART_FULL, "x");
	assert_int_equal(part_begin(store, id, PART_FULL, &more), -EEXIST);
	assert_int_equal(store_abandon(store), 0);
	/* Its number is gone for good. */
	assert_int_equal(store_begin(store, 5), -EINVAL);
	assert_int_equal(store_epoch_next(store), 6);
	assert_int_equal(disk_size(MODEL_FOLDER "/E5-O1-S2-2.part"), -1);
}

static void
test_chain_has_a_bound(void **state)
{
	struct part *part;

	(void)state;
	write_epoch(PART_FULL, "base");
	for (uint32_t i = 1; i < MANIFEST_CHAIN_MAX; i++) {
		write_epoch(PART_DELTA, "more");
	}
	assert_int_equal(store_begin(store, store_epoch_next(store)), 0);
	assert_int_equal(part_begin(store, id, PART_DELTA, &part), -E2BIG);
	assert_int_equal(store_abandon(store), 0);
	reopen();
	assert_int_equal(pick.good->epoch, MANIFEST_CHAIN_MAX);
}

/* More parts than syncs and buffers at once, and one of more bytes than all buffers. */
static void
test_many_parts(void **state)
{
	size_t size = (ENV_DISK_DEPTH + 3) * (size_t)ENV_DISK_BYTES + 12345;
	uint8_t *bytes = calloc(1, size);
	struct part *open[STORE_PARTS_OPEN_MAX], *part;

	(void)state;
	assert_int_equal(store_begin(store, 1), 0);
	for (uint32_t i = 0; i < 150; i++) {
		put((struct part_id){ 2, i }, PART_FULL, "small");
	}
	for (uint32_t i = 0; i < STORE_PARTS_OPEN_MAX; i++) {
		assert_int_equal(part_begin(store, (struct part_id){ 3, i }, PART_FULL, &open[i]),
		                 0);
	}
	assert_int_equal(part_begin(store, id, PART_FULL, &part), -EBUSY);
	for (uint32_t i = 0; i < STORE_PARTS_OPEN_MAX; i++) {
		assert_int_equal(part_put(open[i], 1, i, 0, bytes, size), 0);
	}
	for (uint32_t i = 0; i < STORE_PARTS_OPEN_MAX; i++) {
		assert_int_equal(part_finish(open[i]), 0);
	}
	assert_int_equal(store_commit(store, 1), 0);
	disk_crash();
	reopen();
	assert_int_equal(pick.good->epoch, 1);
	assert_int_equal(pick.good->manifest->part_count, 150 + STORE_PARTS_OPEN_MAX);
	free(bytes);
}

static void
test_empty_epoch_and_part(void **state)
{
	struct part *part;
	char text[10] = "";

	(void)state;
	assert_int_equal(store_begin(store, 1), 0);
	assert_int_equal(store_commit(store, 1), 0);
	assert_int_equal(store_begin(store, 2), 0);
	assert_int_equal(part_begin(store, id, PART_FULL, &part), 0);
	assert_int_equal(part_finish(part), 0);
	assert_int_equal(part_begin(store, (struct part_id){ 5, 5 }, PART_FULL, &part), 0);
	assert_int_equal(part_put(part, 1, 0, 0, NULL, 0), 0);
	assert_int_equal(part_finish(part), 0);
	assert_int_equal(store_commit(store, 1), 0);
	reopen();
	assert_int_equal(pick.good->epoch, 2);
	assert_int_equal(read_good(id, collect, text), 0);
	assert_int_equal(read_good((struct part_id){ 5, 5 }, collect, text), 0);
	assert_string_equal(text, "");
}

static void
test_one_process_one_job(void **state)
{
	struct store_options options = { .job = MODEL_JOB };
	struct store *other;

	(void)state;
	write_epoch(PART_FULL, "x");
	assert_int_equal(store_open(MODEL_FOLDER, &options, &other, why), -EAGAIN);
	assert_non_null(strstr(why, "in use"));
	assert_null(other);
	store_close(store);
	store = NULL;
	options.job = 5;
	assert_int_equal(store_open(MODEL_FOLDER, &options, &other, why), -EPERM);
	assert_non_null(strstr(why, "belongs to job"));
}

static void
test_incarnation_grows(void **state)
{
	uint64_t incarnation = store_incarnation(store);

	(void)state;
	reopen();
	assert_int_equal(store_incarnation(store), incarnation + 1);
	store_close(store);
	disk_crash();
	assert_int_equal(model_open(&store, 2, BLOCK_PLAIN), 0);
	assert_int_equal(store_incarnation(store), incarnation + 2);
}

static void
test_retention(void **state)
{
	uint32_t count;
	struct store_pruned pruned;

	(void)state;
	write_epoch(PART_FULL, "one");
	write_epoch(PART_DELTA, "two");
	write_epoch(PART_DELTA, "three");
	write_epoch(PART_DELTA, "four");
	store_epochs(store, &count);
	assert_int_equal(count, 2);
	assert_int_equal(disk_size(MODEL_FOLDER "/MANIFEST.2.a"), -1);
	/* The base is as old as can be and needed. */
	assert_int_equal(disk_size(MODEL_FOLDER "/E1-O1-S2-1.part"), ENV_DISK_ALIGN);
	write_epoch(PART_FULL, "five");
	assert_int_equal(disk_size(MODEL_FOLDER "/E1-O1-S2-1.part"), ENV_DISK_ALIGN);
	assert_int_equal(store_prune(store, 1, &pruned), 0);
	assert_int_equal(pruned.epochs, 1);
	assert_int_equal(pruned.files, 4);
	assert_int_equal(disk_size(MODEL_FOLDER "/E1-O1-S2-1.part"), -1);
}

static void
test_pruning_later(void **state)
{
	struct store_options options = { .job = MODEL_JOB, .keep = 1, .prunes_later = true };

	(void)state;
	store_close(store);
	assert_int_equal(store_open(MODEL_FOLDER, &options, &store, why), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	write_epoch(PART_FULL, "one");
	write_epoch(PART_FULL, "two");
	assert_int_equal(disk_size(MODEL_FOLDER "/E1-O1-S2-1.part"), ENV_DISK_ALIGN);
	store_prune_old(store);
	assert_int_equal(disk_size(MODEL_FOLDER "/E1-O1-S2-1.part"), -1);
	assert_int_equal(disk_size(MODEL_FOLDER "/E2-O1-S2-1.part"), ENV_DISK_ALIGN);
}

/* What is told in order: byte after byte of a counter. */
static int
check_places(void *arg, const struct block *block, const uint8_t *payload)
{
	uint64_t *seen = arg;

	assert_int_equal(block->offset, *seen);
	for (uint32_t i = 0; i < block->raw_size; i++) {
		assert_int_equal(payload[i], (uint8_t)((*seen + i) / 7));
	}
	*seen += block->raw_size;
	return 0;
}

/* Blocks written in their place, over several buffers, with others of odd sizes in between. */
static void
test_places(void **state)
{
	uint64_t written = 0, seen = 0, in_place = 0;
	uint8_t bytes[999], *place;
	struct part *part;
	uint32_t room;

	(void)state;
	assert_int_equal(store_begin(store, 1), 0);
	assert_int_equal(part_begin(store, id, PART_FULL, &part), 0);
	for (uint32_t n = 0; n < 60; n++) {
		place = part_place(part, &room);
		assert_non_null(place);
		assert_true(room <= BLOCK_RAW_MAX);
		in_place += room > sizeof(bytes);
		if (room <= sizeof(bytes) || n % 5 == 4) {
			place = bytes;
			room = sizeof(bytes);
		}
		for (uint32_t i = 0; i < room; i++) {
			place[i] = (uint8_t)((written + i) / 7);
		}
		assert_int_equal(part_put(part, 1, 0, written, place, room), 0);
		written += room;
	}
	assert_true(in_place > 40);
	assert_int_equal(part_finish(part), 0);
	assert_int_equal(store_commit(store, 1), 0);
	reopen();
	assert_int_equal(read_good(id, check_places, &seen), 0);
	assert_int_equal(seen, written);
}

/* Nothing stands in its place before it is packed. */
static void
test_no_place_where_it_is_packed(void **state)
{
	struct part *part;
	uint32_t room;

	(void)state;
	store_close(store);
	assert_int_equal(model_open(&store, 2, BLOCK_LZ4), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	assert_int_equal(store_begin(store, 1), 0);
	assert_int_equal(part_begin(store, id, PART_FULL, &part), 0);
	assert_null(part_place(part, &room));
	part_abort(part);
	assert_int_equal(store_abandon(store), 0);
}

/* A manifest that cannot be read may need any file that is not younger. */
static void
test_unreadable_manifest_keeps_all(void **state)
{
	struct store_pruned pruned;
	uint64_t used;

	(void)state;
	write_epoch(PART_FULL, "one");
	write_epoch(PART_DELTA, "two");
	disk_bytes(MODEL_FOLDER "/MANIFEST.2.a")[10] ^= 1;
	disk_settle(MODEL_FOLDER "/MANIFEST.2.a");
	reopen();
	/* One copy is enough. */
	assert_int_equal(pick.good->epoch, 2);
	assert_int_equal(pick.good->copies, 1);
	disk_lose(MODEL_FOLDER "/MANIFEST.2.b");
	used = disk_used();
	reopen();
	assert_int_equal(pick.good->epoch, 1);
	assert_int_equal(pick.newest->epoch, 2);
	assert_non_null(strstr(pick.newest->why, "MANIFEST.2"));
	for (uint32_t i = 0; i < 4; i++) {
		write_epoch(PART_FULL, "more");
	}
	assert_int_equal(store_prune(store, 1, &pruned), 0);
	assert_int_equal(pruned.blocked_by, 2);
	assert_true(disk_used() >= used);
	assert_true(disk_size(MODEL_FOLDER "/E2-O1-S2-1.part") > 0);
	/* What is younger goes as ever. */
	assert_int_equal(disk_size(MODEL_FOLDER "/E3-O1-S2-1.part"), -1);
	assert_true(disk_size(MODEL_FOLDER "/E6-O1-S2-1.part") > 0);
}

/* Files that nobody names may be what is left of an epoch whose manifests are lost. */
static void
test_orphans_stay_while_they_are_young(void **state)
{
	(void)state;
	write_epoch(PART_FULL, "one");
	write_epoch(PART_FULL, "two");
	disk_lose(MODEL_FOLDER "/MANIFEST.2.a");
	disk_lose(MODEL_FOLDER "/MANIFEST.2.b");
	reopen();
	assert_int_equal(pick.good->epoch, 1);
	assert_int_equal(store_epoch_next(store), 3);
	write_epoch(PART_FULL, "three");
	assert_true(disk_size(MODEL_FOLDER "/E2-O1-S2-1.part") > 0);
	write_epoch(PART_FULL, "four");
	assert_int_equal(disk_size(MODEL_FOLDER "/E2-O1-S2-1.part"), -1);
}

static void
test_damaged_epoch_is_not_counted(void **state)
{
	uint32_t count;

	(void)state;
	write_epoch(PART_FULL, "one");
	write_epoch(PART_FULL, "two");
	store_mark_damaged(store, 2, "somebody looked");
	write_epoch(PART_FULL, "three");
	store_epochs(store, &count);
	assert_int_equal(count, 3);
	write_epoch(PART_FULL, "four");
	assert_int_equal(store_epochs(store, &count)[1].epoch, 3);
	assert_int_equal(count, 2);
}

/* Looked at in a hurry, found damaged while it is restored, picked again. */
static void
test_pick_by_lengths(void **state)
{
	char text[100] = "";

	(void)state;
	write_epoch(PART_FULL, "one");
	write_epoch(PART_FULL, "two");
	disk_bytes(MODEL_FOLDER "/E2-O1-S2-1.part")[BLOCK_HEADER] ^= 1;
	disk_settle(MODEL_FOLDER "/E2-O1-S2-1.part");
	store_close(store);
	assert_int_equal(model_open(&store, 2, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_LENGTHS, &pick), 0);
	assert_int_equal(pick.good->epoch, 2);
	assert_int_equal(read_good(id, collect, text), -EBADMSG);
	assert_non_null(strstr(read_why, "damaged payload"));
	store_mark_damaged(store, 2, read_why);
	assert_int_equal(store_pick(store, STORE_LENGTHS, &pick), 0);
	assert_int_equal(pick.good->epoch, 1);
	assert_int_equal(pick.newest->epoch, 2);
	assert_int_equal(read_good(id, collect, text), 0);
	assert_string_equal(text, "one");
	assert_int_equal(write_epoch(PART_DELTA, " more"), 3);
	disk_truncate(MODEL_FOLDER "/E3-O1-S2-1.part", 4095);
	store_close(store);
	assert_int_equal(model_open(&store, 2, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_LENGTHS, &pick), 0);
	assert_int_equal(pick.newest->epoch, 3);
	assert_true(pick.newest->is_damaged);
}

/* The trouble of a process says nothing about an epoch. */
static void
test_failed_reading_is_no_damage(void **state)
{
	(void)state;
	assert_true(store_is_damage(-EIO));
	assert_true(store_is_damage(-EBADMSG));
	assert_true(store_is_damage(-ENOENT));
	assert_false(store_is_damage(-ENOMEM));
	assert_false(store_is_damage(-EMFILE));
	assert_false(store_is_damage(-EACCES));
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh, done)
	const struct CMUnitTest tests[] = {
		CASE(test_chain_comes_base_first),
		CASE(test_kept_part_writes_nothing),
		CASE(test_illegal_order),
		CASE(test_chain_has_a_bound),
		CASE(test_many_parts),
		CASE(test_empty_epoch_and_part),
		CASE(test_one_process_one_job),
		CASE(test_incarnation_grows),
		CASE(test_retention),
		CASE(test_pruning_later),
		CASE(test_places),
		CASE(test_no_place_where_it_is_packed),
		CASE(test_unreadable_manifest_keeps_all),
		CASE(test_orphans_stay_while_they_are_young),
		CASE(test_damaged_epoch_is_not_counted),
		CASE(test_pick_by_lengths),
		CASE(test_failed_reading_is_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
