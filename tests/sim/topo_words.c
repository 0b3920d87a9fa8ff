/* SPDX-License-Identifier: BSD-3-Clause */
/* Word counts of a text made from the seed: file_source, split, aggregate against a plain count. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/classes.h"
#include "tests/sim/sim.h"
#include "tests/sim/topologies.h"

#define WORDS_MAX 300u
#define WORD_SIZE 64u

struct words {
	char word[WORDS_MAX][WORD_SIZE];
	uint64_t times[WORDS_MAX]; /* in the text, read once */
	uint64_t empty;            /* parts of no length */
	uint32_t count;
	uint32_t repeat;
	bool drop_empty;
	char by[4];
	char path[128];
};

/* Different words: a number in them sees to that. */
static void
words_invent(struct words *words)
{
	uint64_t limit = sim_below(4) == 0 ? 50 : 8;

	words->count = 1 + (uint32_t)sim_below(sim_below(2) == 0 ? 10 : WORDS_MAX);
	for (uint32_t i = 0; i < words->count; i++) {
		int length = snprintf(words->word[i], WORD_SIZE, "w%u", i);

		for (uint64_t more = sim_below(limit); more > 0; more--) {
			words->word[i][length++] = (char)('a' + sim_below(26));
		}
	}
}

/* A line of some words, often few, at times none at all; two separators in a row make an empty one.
 */
static void
words_write_line(struct words *words, FILE *file)
{
	uint64_t parts = 1 + sim_below(sim_below(10) == 0 ? 300 : 12);

	for (uint64_t i = 0; i < parts; i++) {
		fputs(i == 0 ? "" : words->by, file);
		if (sim_below(20) == 0) {
			words->empty++;
		} else {
			/* The lower numbers more often. */
			uint64_t word = sim_below(1 + sim_below(words->count));

			words->times[word]++;
			fputs(words->word[word], file);
		}
	}
}

static bool
words_begin(struct topo *topo)
{
	static const char *const by[] = { " ", "; ", "--" };
	struct words *words = calloc(1, sizeof(*words));
	uint64_t lines = sim_below(sim_below(3) == 0 ? 600 : 100);
	bool crlf = sim_below(4) == 0;
	FILE *file;

	if (words == NULL) {
		abort();
	}
	topo->data = words;
	words_invent(words);
	strcpy(words->by, by[sim_below(3)]);
	words->repeat = 1 + (uint32_t)sim_below(3);
	words->drop_empty = sim_below(2) == 0;
	snprintf(words->path, sizeof(words->path), "%s/text", topo->folder);
	file = fopen(words->path, "w");
	if (file == NULL) {
		perror(words->path);
		return false;
	}
	for (uint64_t i = 0; i < lines; i++) {
		words_write_line(words, file);
		/* What stands behind the last line end is a line if there is anything. */
		if (i + 1 < lines) {
			fputs(crlf ? "\r\n" : "\n", file);
		}
	}
	if (lines > 0) {
		fprintf(file, "%s%s", words->by, words->word[0]);
		words->times[0]++;
		fputs(sim_below(2) == 0 ? "\n" : "", file);
	}
	return fclose(file) == 0;
}

static void
words_end(struct topo *topo)
{
	struct words *words = topo->data;

	if (words != NULL) {
		unlink(words->path);
		free(words);
	}
}

static void
words_draw(struct topo *topo)
{
	const struct words *words = topo->data;

	topo_set(topo, "text", "%s", words->path);
	topo_set(topo, "by", "%s", words->by);
	topo_set(topo, "repeat", "%u", words->repeat);
	topo_set(topo, "empty", "%s", words->drop_empty ? "drop" : "keep");
	topo_set(topo, "keys", "%u", words->count + 1);
	topo_set_slices(topo, "splits");
	topo_set_slices(topo, "counters");
	topo_set_slices(topo, "runners");
	topo_set_slices(topo, "timers");
	topo_set_slices(topo, "outs");
	topo_set(topo, "period", "%lluus", (unsigned long long)(1 + sim_below(300)));
	topo_set_spread(topo, "to_words");
	topo_set_spread(topo, "to_out");
}

/* Of one word: its count at the end, and each count on the way there. */
static void
words_expect(const struct words *words, const char *word, uint64_t times, struct sim_lines *counts,
             struct sim_lines *running)
{
	times *= words->repeat;
	if (times > 0) {
		topo_expect(counts, "%s,%llu", word, (unsigned long long)times);
	}
	for (uint64_t i = 1; i <= times; i++) {
		topo_expect(running, "%s,%llu", word, (unsigned long long)i);
	}
}

/*
 * Counts that were told now and then: of each word the greatest must be that of the end, and none
 * is told twice.
 */
static bool
words_check_some(const struct sim_lines *counts)
{
	const struct sim_lines *some = sim_collected("some");
	struct sim_lines greatest = { 0 }, copy = { 0 };
	bool good = true;

	for (uint32_t i = 0; i < some->count;) {
		const char *line = some->line[i];
		size_t length = (size_t)(strrchr(line, ',') - line) + 1;
		unsigned long long most = 0;
		uint32_t first = i;

		/* Sorted: those of a word stand together, and equal lines next to each other. */
		for (; i < some->count && strncmp(some->line[i], line, length) == 0; i++) {
			unsigned long long count = strtoull(some->line[i] + length, NULL, 10);

			good &= i == first || strcmp(some->line[i], some->line[i - 1]) != 0;
			most = count > most ? count : most;
		}
		topo_expect(&greatest, "%.*s%llu", (int)length, line, most);
	}
	for (uint32_t i = 0; i < counts->count; i++) {
		sim_lines_add(&copy, counts->line[i]);
	}
	if (!good) {
		fprintf(stderr, "a count was told twice\n");
	}
	good &= topo_compare(&copy, &greatest, "last of the counts now and then");
	sim_lines_clear(&greatest);
	return good;
}

static bool
words_check(struct topo *topo, const struct lm_engine *engine)
{
	const struct words *words = topo->data;
	struct sim_lines counts = { 0 }, running = { 0 };
	bool good;

	for (uint32_t i = 0; i < words->count; i++) {
		words_expect(words, words->word[i], words->times[i], &counts, &running);
	}
	if (!words->drop_empty) {
		words_expect(words, "", words->empty, &counts, &running);
	}
	good = topo_equal(0, topo_drops(engine, "counts", 0), "words refused");
	good &= words_check_some(&counts);
	good &= topo_compare(&counts, sim_collected("counts"), "counts at the end");
	good &= topo_compare(&running, sim_collected("running"), "running counts");
	return good;
}

static const struct topo_scenario words_scenario = { "words.yaml", words_begin,
	                                             words_draw,   words_check,
	                                             words_end,    topo_may_rescale_keyed };

bool
topo_words_run(uint64_t seed)
{
	return topo_run(&words_scenario, seed);
}
