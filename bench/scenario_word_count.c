/* SPDX-License-Identifier: BSD-3-Clause */
/* word_count: split lines into words by a space, keep a running count of each, emit every update.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/env.h"

#define TABLE (1u << 16)

static struct bench_data data;
static uint64_t times;
static uint64_t words;
static char text[600];

/* One line into the open batch; a new one when it is full. */
static bool
add_line(const char *line, uint32_t length)
{
	struct lm_batch *batch = data.count == 0 ? NULL : data.batch[data.count - 1];

	if (batch == NULL || batch->count == data.schema.capacity ||
	    !lm_batch_put_string(batch, 0, batch->count, line, length)) {
		batch = bench_data_add(&data);
		if (batch == NULL || !lm_batch_put_string(batch, 0, 0, line, length)) {
			return false;
		}
	}
	batch->count++;
	data.rows++;
	return true;
}

/* Words as in a book, when there is no book: short ones are frequent. */
static bool
add_made_up(void)
{
	uint64_t random = 5;
	char line[600];

	for (uint32_t l = 0; l < 2000; l++) {
		uint32_t length = 0;

		for (uint32_t w = 0; w < 42; w++) {
			uint64_t word =
			    bench_random(&random) % (1u + (bench_random(&random) & 4095));

			length +=
			    (uint32_t)snprintf(line + length, sizeof(line) - length, "%s%lx",
			                       w == 0 ? "" : " ", (unsigned long)(word * word));
		}
		if (!add_line(line, length)) {
			return false;
		}
	}
	return true;
}

static bool
add_book(FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool good = true;

	while (good && (length = getline(&line, &size, file)) >= 0) {
		length -= length > 0 && line[length - 1] == '\n' ? 1 : 0;
		good = add_line(line, (uint32_t)length);
	}
	free(line);
	return good;
}

static bool
prepare(struct bench *bench, bool small)
{
	static const struct lm_field fields[] = { { "line", LM_STRING, 256 * 1024 } };
	const char *shared = getenv("LODEMILL_SHARED");
	char path[512];
	FILE *file;
	bool good;

	lm_schema_init(&data.schema, fields, 1, LM_BATCH_ROWS);
	snprintf(path, sizeof(path), "%s/data/dspbench/book.dat",
	         shared == NULL ? "../shared" : shared);
	file = fopen(path, "r");
	good = file != NULL ? add_book(file) : add_made_up();
	snprintf(bench->note, sizeof(bench->note), "%s",
	         file != NULL ? "book.dat" : "made-up words: there is no book.dat");
	if (file != NULL) {
		fclose(file);
	}
	times = small ? 1 : 150;
	snprintf(text, sizeof(text),
	         "name: word_count\n"
	         "operators:\n"
	         "  lines: {type: bench_replay, times: %lu}\n"
	         "  words: {type: split, input: lines, column: line, by: \" \", as: word}\n"
	         "  count: {type: aggregate, input: words, by: word, count: count, emit: update, "
	         "keys: 65536}\n"
	         "  out:   {type: bench_sink, input: count}\n",
	         (unsigned long)times);
	return good;
}

static void
discard(struct bench *bench)
{
	(void)bench;
	bench_data_free(&data);
}

static bool
run_engine(void *context, struct bench_run *run)
{
	bool good;

	(void)context;
	bench_data_use(&data);
	good = bench_topology(text, NULL, 1, run);
	run->items = words * times;
	return good;
}

struct entry {
	const char *word; /* NULL: empty */
	uint32_t length;
	uint32_t hash;
	uint64_t count;
};

/* FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo) and linear probing; returns the new count. */
static uint64_t
count_word(struct entry *table, const char *word, uint32_t length)
{
	uint32_t hash = 2166136261u, slot;

	for (uint32_t i = 0; i < length; i++) {
		hash = (hash ^ (uint8_t)word[i]) * 16777619u;
	}
	slot = hash & (TABLE - 1);
	while (table[slot].word != NULL &&
	       (table[slot].hash != hash || table[slot].length != length ||
	        memcmp(table[slot].word, word, length) != 0)) {
		slot = (slot + 1) & (TABLE - 1);
	}
	table[slot].word = word;
	table[slot].length = length;
	table[slot].hash = hash;
	return ++table[slot].count;
}

static uint64_t
checksum_of(const char *word, uint32_t length, uint64_t count)
{
	uint64_t value = 0;

	memcpy(&value, word, length < 8 ? length : 8);
	return bench_mix(bench_mix(0, value ^ ((uint64_t)length << 56)), count);
}

static uint64_t
count_line(struct entry *table, const char *line, uint32_t length, uint64_t *checksum)
{
	uint32_t start = 0;
	uint64_t count = 0;

	for (uint32_t i = 0; i <= length; i++) {
		if (i == length || line[i] == ' ') {
			uint64_t seen = count_word(table, line + start, i - start);

			*checksum += checksum_of(line + start, i - start, seen);
			count++;
			start = i + 1;
		}
	}
	return count;
}

static bool
run_baseline(void *context, struct bench_run *run)
{
	struct entry *table = env_alloc(TABLE * sizeof(*table), 64, -1);
	double start = bench_seconds();
	uint64_t count = 0;

	(void)context;
	if (table == NULL) {
		return false;
	}
	for (uint64_t t = 0; t < times; t++) {
		for (uint32_t b = 0; b < data.count; b++) {
			const struct lm_batch *batch = data.batch[b];
			const uint32_t *offsets = lm_batch_offsets(batch, 0);

			for (uint32_t i = 0; i < batch->count; i++) {
				count += count_line(table, lm_batch_bytes(batch, 0) + offsets[i],
				                    offsets[i + 1] - offsets[i], &run->checksum);
			}
		}
	}
	run->seconds = bench_seconds() - start;
	run->items = count;
	env_free(table);
	return true;
}

/* How many words there are is known once the baseline has counted them. */
static bool
prepare_all(struct bench *bench, bool small)
{
	struct bench_run once = { 0 };
	bool good = prepare(bench, small) && run_baseline(NULL, &once);

	words = once.items / times;
	return good;
}

struct bench bench_word_count = {
	.name = "word_count",
	.unit = "words/s",
	.baseline_name = "C loop, FNV-1a and open addressing",
	.engine = run_engine,
	.baseline = run_baseline,
	.prepare = prepare_all,
	.discard = discard,
	.lcores = 1,
};
