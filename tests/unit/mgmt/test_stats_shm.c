/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mgmt/stats_shm.c and mgmt/stats_read.c: what is written is read, whole, beside a fast writer,
 * after a crash, and never from a file that lies.
 */
#include "mgmt/stats_read.h"
#include "tests/unit/mgmt/fake_engine.h"
#include "tests/unit/mgmt/print_to_text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

struct fixture {
	char folder[64];
	char path[PATH_MAX];
	struct lm_engine *engine;
	struct sample written, read;
	struct stats_about about;
	struct stats_shm *shm;
	struct stats_reader *reader;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/stats_test_XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(stats_path(f->path, sizeof(f->path), f->folder, "rte"), 0);
	f->engine = fake_engine_chain();
	assert_int_equal(sample_init(&f->written, f->engine, &fake_about), 0);
	f->about = (struct stats_about){ .folder = f->folder,
		                         .prefix = "rte",
		                         .topology = "top-talkers",
		                         .version = "0.1.0",
		                         .start_wall_ns = 1700000000 * SECOND };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	stats_shm_close(f->shm, false);
	stats_reader_close(f->reader);
	sample_free(&f->written);
	sample_free(&f->read);
	free(f->engine);
	unlink(f->path);
	rmdir(f->path);
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

static void
create(struct fixture *f)
{
	assert_int_equal(stats_shm_create(&f->shm, &f->about, &f->written.shape), 0);
}

static void
publish(struct fixture *f, int64_t now_ns)
{
	struct sample_counter counter = { .name = "port0.imissed", .value = 7 };

	sample_read(&f->written, f->engine, NULL, now_ns, &counter, 1);
	stats_shm_write(f->shm, &f->written);
}

static void
open_reader(struct fixture *f)
{
	assert_int_equal(stats_reader_open(&f->reader, f->folder, "rte"), 0);
	assert_int_equal(sample_alloc(&f->read, stats_reader_shape(f->reader)), 0);
}

static void
test_what_is_written_is_read(void **state)
{
	struct fixture *f = *state;

	create(f);
	open_reader(f);
	assert_int_equal(stats_reader_read(f->reader, &f->read), -EAGAIN); /* nothing yet */
	for (int64_t i = 2; i < 7; i++) {
		fake_engine_second(f->engine, 1000);
		lm_hist_record(&f->engine->latency, 14200, 10);
		publish(f, i * SECOND);
		assert_int_equal(stats_reader_read(f->reader, &f->read), 0);
		assert_int_equal(f->read.size, f->written.size);
		assert_memory_equal(f->read.block, f->written.block, f->read.size);
	}
	assert_string_equal(stats_reader_info(f->reader)->prefix, "rte");
	assert_string_equal(stats_reader_info(f->reader)->topology, "top-talkers");
	assert_string_equal(stats_reader_info(f->reader)->version, "0.1.0");
	assert_int_equal(stats_reader_info(f->reader)->pid, getpid());
	assert_int_equal(stats_reader_state(f->reader), STATS_LIVES);
}

static void
test_the_end(void **state)
{
	struct fixture *f = *state;

	create(f);
	publish(f, 2 * SECOND);
	open_reader(f);
	stats_shm_close(f->shm, true);
	f->shm = NULL;
	assert_int_equal(access(f->path, F_OK), 0);
	assert_int_equal(stats_reader_state(f->reader), STATS_STOPPED);
	assert_int_equal(stats_reader_read(f->reader, &f->read), 0);
	create(f);
	stats_shm_close(f->shm, false);
	f->shm = NULL;
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(stats_reader_read(f->reader, &f->read), 0); /* the old file, still open */
}

/* When the graph changes, the segment of the new shape takes the name; readers of the old one are
 * told. */
static void
test_another_shape_takes_the_name(void **state)
{
	struct fixture *f = *state;
	struct stats_reader *old;
	struct stats_shm *before;

	create(f);
	publish(f, 2 * SECOND);
	open_reader(f);
	old = f->reader;
	before = f->shm;
	sample_free(&f->written);
	sample_free(&f->read);
	f->engine->slice_count--;
	assert_int_equal(sample_init(&f->written, f->engine, &fake_about), 0);
	create(f);
	assert_int_equal(stats_reader_state(old), STATS_LIVES);
	stats_shm_move(before);
	assert_int_equal(stats_reader_state(old), STATS_ELSEWHERE);
	stats_reader_close(old);
	publish(f, 3 * SECOND);
	open_reader(f);
	assert_int_equal(stats_reader_state(f->reader), STATS_LIVES);
	assert_int_equal(f->read.shape.count[SAMPLE_SLICES], FAKE_SLICES - 1);
	assert_int_equal(stats_reader_read(f->reader, &f->read), 0);
	assert_memory_equal(f->read.block, f->written.block, f->read.size);
	stats_shm_move(NULL);
}

static void
test_closing_leaves_a_successors_file(void **state)
{
	struct fixture *f = *state;
	struct stats_shm *old;

	create(f);
	old = f->shm;
	create(f); /* the same process may */
	stats_shm_close(old, false);
	assert_int_equal(access(f->path, F_OK), 0);
}

/* A child that publishes two samples and then waits to be killed; returns when it has published. */
static pid_t
start_child(struct fixture *f)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		create(f);
		publish(f, 2 * SECOND);
		publish(f, 3 * SECOND);
		if (write(ready[1], "x", 1) == 1) {
			pause();
		}
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void
test_a_crashed_engine_can_be_read(void **state)
{
	struct fixture *f = *state;
	pid_t pid = start_child(f);

	open_reader(f);
	assert_int_equal(stats_reader_state(f->reader), STATS_LIVES);
	assert_int_equal(stats_shm_create(&f->shm, &f->about, &f->written.shape), -EBUSY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(stats_reader_state(f->reader), STATS_CRASHED);
	assert_int_equal(stats_reader_read(f->reader, &f->read), 0);
	assert_int_equal(f->read.head->now_ns, 3 * SECOND);
	create(f); /* what is left of it is replaced */
}

static void
test_a_pid_used_again_is_not_the_engine(void **state)
{
	struct fixture *f = *state;
	uint64_t other = stats_pid_start(1) + 1;
	int file;

	create(f);
	file = open(f->path, O_WRONLY);
	assert_int_equal(pwrite(file, &other, 8, offsetof(struct stats_header, pid_start)), 8);
	close(file);
	open_reader(f);
	assert_int_equal(stats_reader_state(f->reader), STATS_CRASHED);
}

/* A writer that dies half way leaves the bank that readers are told of as it is. */
static void
test_death_half_way(void **state)
{
	struct fixture *f = *state;
	struct stats_header header;
	char *junk;
	int file;

	create(f);
	publish(f, 2 * SECOND);
	publish(f, 3 * SECOND);
	open_reader(f);
	file = open(f->path, O_RDWR);
	assert_int_equal(pread(file, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(header.published, 2);
	junk = malloc(header.bank_size);
	memset(junk, 0xee, header.bank_size);
	assert_int_equal(pwrite(file, junk, 100, (off_t)header.bank_offset[1]), 100);
	assert_int_equal(stats_reader_read(f->reader, &f->read), 0);
	assert_int_equal(f->read.head->now_ns, 3 * SECOND);
	/* In the other bank it would be damage. */
	assert_int_equal(pwrite(file, junk, 100, (off_t)header.bank_offset[0]), 100);
	assert_int_equal(stats_reader_read(f->reader, &f->read), -EBADMSG);
	free(junk);
	close(file);
}

static void
test_prefixes(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", ".x", "a/b", "../x", "a b", "a\n", "\377"
	};
	struct fixture *f = *state;
	char longest[STATS_PREFIX_MAX + 1];

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f->about.prefix = bad[i];
		assert_int_equal(stats_shm_create(&f->shm, &f->about, &f->written.shape), -EINVAL);
		assert_int_equal(stats_reader_open(&f->reader, f->folder, bad[i]), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	longest[STATS_PREFIX_MAX] = '\0';
	assert_false(stats_prefix_valid(longest));
	assert_true(stats_prefix_valid(longest + 1));
	assert_int_equal(stats_reader_open(&f->reader, f->folder, "absent"), -ENOENT);
	f->about.prefix = "rte";
	f->about.folder = "/nonexistent";
	assert_int_equal(stats_shm_create(&f->shm, &f->about, &f->written.shape), -ENOENT);
}

static void
test_list(void **state)
{
	static const char *const names[] = { "zeta", "alpha", "mid" };
	struct fixture *f = *state;
	char prefix[4][STATS_PREFIX_MAX];
	struct stats_shm *shm[3];
	char junk[128];

	assert_int_equal(stats_list(f->folder, prefix, 4), 0);
	for (uint32_t i = 0; i < 3; i++) {
		f->about.prefix = names[i];
		assert_int_equal(stats_shm_create(&shm[i], &f->about, &f->written.shape), 0);
	}
	snprintf(junk, sizeof(junk), "%s/lodemill-junk", f->folder);
	close(open(junk, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(stats_list(f->folder, prefix, 4), 3);
	assert_string_equal(prefix[0], "alpha");
	assert_string_equal(prefix[1], "mid");
	assert_string_equal(prefix[2], "zeta");
	assert_int_equal(stats_list(f->folder, prefix, 2), 2);
	assert_int_equal(stats_list("/nonexistent", prefix, 2), -ENOENT);
	for (uint32_t i = 0; i < 3; i++) {
		stats_shm_close(shm[i], false);
	}
	unlink(junk);
}

/* Sample n has n in every number of every slice, so a torn copy does not add up. */
struct writer {
	struct fixture *f;
	bool stop;
	uint64_t number;
};

static void *
writer_run(void *arg)
{
	struct writer *writer = arg;
	struct sample *sample = &writer->f->written;

	while (!__atomic_load_n(&writer->stop, __ATOMIC_RELAXED)) {
		uint64_t n = ++writer->number;

		for (uint32_t i = 0; i < sample->shape.count[SAMPLE_SLICES]; i++) {
			sample->slice[i].rows_in = n;
			sample->slice[i].busy_ns = n;
		}
		sample->head->now_ns = sample->head->start_ns + (int64_t)n;
		sample->worker[2].sleeps = n;
		stats_shm_write(writer->f->shm, sample);
		if (n % 64 == 0) {
			usleep(50); /* else two CPUs leave the reader no chance at all */
		}
	}
	return NULL;
}

static bool
is_whole(const struct sample *sample)
{
	uint64_t n = (uint64_t)(sample->head->now_ns - sample->head->start_ns);

	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_SLICES]; i++) {
		if (sample->slice[i].rows_in != n || sample->slice[i].busy_ns != n) {
			return false;
		}
	}
	return sample->worker[2].sleeps == n;
}

static void
test_no_torn_reads(void **state)
{
	struct fixture *f = *state;
	struct writer writer = { .f = f };
	uint32_t whole = 0;
	int64_t last = 0;
	pthread_t thread;

	create(f);
	open_reader(f);
	assert_int_equal(pthread_create(&thread, NULL, writer_run, &writer), 0);
	for (uint32_t i = 0; i < 200000 && whole < 5000; i++) {
		int error = stats_reader_read(f->reader, &f->read);

		if (error == 0) {
			assert_true(is_whole(&f->read));
			assert_true(f->read.head->now_ns >= last);
			last = f->read.head->now_ns;
			whole++;
		} else {
			assert_int_equal(error, -EAGAIN);
		}
	}
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(whole >= 1000);
}

static char *
read_file(const char *path, size_t *size)
{
	struct stat status;
	int file = open(path, O_RDONLY);
	char *bytes;

	assert_int_equal(fstat(file, &status), 0);
	*size = (size_t)status.st_size;
	bytes = malloc(*size);
	assert_int_equal(read(file, bytes, *size), *size);
	close(file);
	return bytes;
}

static void
write_file(const char *path, const char *bytes, size_t size)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(file, bytes, size), size);
	close(file);
}

/* Opens and reads whatever is there; an answer of any kind will do. */
static int
try_read(struct fixture *f)
{
	struct stats_reader *reader;
	struct sample sample;
	int error = stats_reader_open(&reader, f->folder, "rte");

	if (error != 0) {
		return error;
	}
	assert_int_equal(sample_alloc(&sample, stats_reader_shape(reader)), 0);
	error = stats_reader_read(reader, &sample);
	(void)stats_reader_state(reader);
	sample_free(&sample);
	stats_reader_close(reader);
	return error;
}

static char *
leave_segment(struct fixture *f, size_t *size)
{
	create(f);
	publish(f, 2 * SECOND);
	publish(f, 3 * SECOND);
	stats_shm_close(f->shm, true);
	f->shm = NULL;
	assert_int_equal(try_read(f), 0);
	return read_file(f->path, size);
}

static void
test_files_that_are_too_short(void **state)
{
	struct fixture *f = *state;
	size_t size, end;
	char *bytes = leave_segment(f, &size);

	end = ((struct stats_header *)bytes)->bank_offset[0] + f->written.size +
	      sizeof(struct stats_trailer);
	for (size_t length = 0; length < end; length += length < 1000 ? 1 : 97) {
		write_file(f->path, bytes, length);
		assert_int_equal(try_read(f), -EBADMSG);
	}
	write_file(f->path, bytes, end - 1);
	assert_int_equal(try_read(f), -EBADMSG);
	free(bytes);
}

/* Every field of the header that could send a reader astray, set to all ones. */
static void
test_headers_that_lie(void **state)
{
	struct fixture *f = *state;
	size_t size;
	char *bytes = leave_segment(f, &size);
	struct stats_header *header = (struct stats_header *)bytes;
	struct {
		void *at;
		size_t size;
		int error;
	} lies[] = {
		{ header->magic, 8, -EBADMSG },
		{ &header->version, 4, -EPROTO },
		{ &header->header_size, 4, -EPROTO },
		{ &header->size, 8, -EBADMSG },
		{ &header->pid, 4, -EBADMSG },
		{ &header->state, 4, -EBADMSG },
		{ &header->bank_size, 8, -EBADMSG },
		{ &header->bank_offset[0], 8, -EBADMSG },
		{ &header->bank_offset[1], 8, -EBADMSG },
		{ header->topology, SAMPLE_NAME, -EBADMSG },
		{ header->program_version, SAMPLE_NAME, -EBADMSG },
		{ &header->part[SAMPLE_HEAD].count, 4, -EBADMSG },
		{ &header->part[SAMPLE_SLICES].count, 4, -EBADMSG },
		{ &header->part[SAMPLE_SLICES].offset, 4, -EBADMSG },
		{ &header->part[SAMPLE_SLICES].entry_size, 4, -EBADMSG },
		{ &header->published, 8, -EBADMSG },
	};

	for (uint32_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char kept[SAMPLE_NAME];

		memcpy(kept, lies[i].at, lies[i].size);
		memset(lies[i].at, 0xff, lies[i].size);
		write_file(f->path, bytes, size);
		assert_int_equal(try_read(f), lies[i].error);
		memcpy(lies[i].at, kept, lies[i].size);
	}
	write_file(f->path, bytes, size);
	assert_int_equal(try_read(f), 0);
	free(bytes);
}

/* A liar who computes the checksum: indices out of bounds, names that never end or move the cursor.
 */
static void
test_contents_that_lie(void **state)
{
	struct fixture *f = *state;
	size_t size;
	char *bytes = leave_segment(f, &size);
	struct stats_header *header = (struct stats_header *)bytes;
	char *bank = bytes + header->bank_offset[0];
	struct stats_trailer *trailer = (struct stats_trailer *)(bank + f->written.size);
	struct sample_slice *slice = (void *)(bank + header->part[SAMPLE_SLICES].offset);
	struct sample_operator *op = (void *)(bank + header->part[SAMPLE_OPERATORS].offset);

	slice[5].op = 4;
	trailer->checksum = stats_checksum(bank, f->written.size, 2);
	write_file(f->path, bytes, size);
	assert_int_equal(try_read(f), -EBADMSG);

	slice[5].op = 3;
	strcpy(op[0].name, "\033[2J\377x");
	trailer->checksum = stats_checksum(bank, f->written.size, 2);
	write_file(f->path, bytes, size);
	open_reader(f);
	assert_int_equal(stats_reader_read(f->reader, &f->read), 0);
	assert_string_equal(f->read.op[0].name, "?[2J?x");
	free(bytes);
}

/* Random damage; with sanitizers, this is where a missing check shows. */
static void
test_random_damage(void **state)
{
	struct fixture *f = *state;
	size_t size;
	char *bytes = leave_segment(f, &size);
	uint64_t random = 88172645463325252u;

	for (uint32_t round = 0; round < 2000; round++) {
		char kept[8];
		size_t at[8];

		for (uint32_t i = 0; i < 8; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			at[i] = (random >> 8) % (i < 4 ? sizeof(struct stats_header) : size);
			kept[i] = bytes[at[i]];
			bytes[at[i]] = (char)random;
		}
		write_file(f->path, bytes, size);
		(void)try_read(f);
		for (uint32_t i = 8; i-- > 0;) {
			bytes[at[i]] = kept[i];
		}
	}
	write_file(f->path, bytes, size);
	assert_int_equal(try_read(f), 0);
	free(bytes);
}

static void
test_what_is_no_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(try_read(f), -EBADMSG);
	unlink(f->path);
	assert_int_equal(symlink("/etc/passwd", f->path), 0);
	assert_int_equal(try_read(f), -EBADMSG);
	create(f); /* replaces the link, not what it points to */
	stats_shm_close(f->shm, false);
	f->shm = NULL;
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(try_read(f), -EBADMSG);
	assert_int_equal(stats_shm_create(&f->shm, &f->about, &f->written.shape), -EISDIR);
}

static void
test_process_start(void **state)
{
	(void)state;
	assert_true(stats_pid_start((uint32_t)getpid()) > 0);
	assert_int_equal(stats_pid_start(0x7fffffff), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_written_is_read),
		TEST(test_the_end),
		TEST(test_another_shape_takes_the_name),
		TEST(test_closing_leaves_a_successors_file),
		TEST(test_a_crashed_engine_can_be_read),
		TEST(test_a_pid_used_again_is_not_the_engine),
		TEST(test_death_half_way),
		TEST(test_prefixes),
		TEST(test_list),
		TEST(test_no_torn_reads),
		TEST(test_files_that_are_too_short),
		TEST(test_headers_that_lie),
		TEST(test_contents_that_lie),
		TEST(test_random_damage),
		TEST(test_what_is_no_file),
		cmocka_unit_test(test_process_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
