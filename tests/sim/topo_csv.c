/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A CSV file through file_source, filter, map, lookup and file_sink: the lines of the files that
 * were written, sorted, against those that must be there. Some rows are broken, and must be counted
 * as such. In some runs the disk is full at times: then what is missing was dropped, by name.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/classes.h"
#include "tests/sim/sim.h"
#include "tests/sim/topologies.h"

#define ROWS_MAX 1500u
#define NAME_SIZE 320u
#define SINKS_MAX 16u

/* By the reasons that file_source drops them for. */
enum bad { GOOD, BAD_COUNT, BAD_VALUE, BAD_QUOTES, BADS };
static const char *const bad_texts[] = { "", "rows with too few cells", "rows with a bad value",
	                                 "rows with bad quotes" };

struct csv_line {
	enum bad bad;
	int64_t at_ms, price;
	uint32_t kind;
	double ratio;
	char name[NAME_SIZE];
};

struct csv {
	struct csv_line row[ROWS_MAX];
	uint64_t bad[BADS];
	uint32_t count;
	bool header, drop_missing, disk_fails, long_names;
	char separator;
	char path[128];
};

/* NULL: not in the table. As csv.yaml has them. */
static const char *const csv_labels[] = { "zero",       "one, or so", "two", NULL,
	                                  "a \"four\"", "five",       "" };

static const char *
csv_label(uint32_t kind)
{
	return kind < sizeof(csv_labels) / sizeof(csv_labels[0]) ? csv_labels[kind] : NULL;
}

static void
csv_invent_row(struct csv *csv, struct csv_line *row)
{
	static const char letters[] = "abc \",;\n\xc3\xa9\xe2\x82\xac'|x";
	/* Line ends would tear the sorted lines apart on the way out. */
	uint64_t length = csv->long_names ? 200 + sim_below(NAME_SIZE - 201) : sim_below(30);
	size_t at = 0;

	row->bad = sim_below(25) == 0 ? (enum bad)(1 + sim_below(BADS - 1)) : GOOD;
	csv->bad[row->bad]++;
	row->at_ms = 1500000000000 + (int64_t)sim_below(3000000);
	row->price = (int64_t)sim_below(2000) - 1000;
	row->kind = (uint32_t)sim_below(9);
	row->ratio = (double)(int64_t)(sim_below(2000000) - 1000000) / 64.0;
	while (at < length) {
		char letter = letters[sim_below(sizeof(letters) - 1)];

		if (letter != '\n' && (letter & 0x80) == 0) {
			row->name[at++] = letter;
		} else if (length - at >= 2) {
			memcpy(row->name + at, "\xc3\xa9", 2);
			at += 2;
		} else {
			break;
		}
	}
	row->name[at] = '\0';
}

/* A cell in quotes where it must be, at times where it need not. */
static void
csv_put_cell(FILE *file, const char *text, char separator, bool quotes)
{
	if (!quotes && strchr(text, separator) == NULL && strpbrk(text, "\"\n\r") == NULL) {
		fputs(text, file);
		return;
	}
	fputc('"', file);
	for (; *text != '\0'; text++) {
		fputs(*text == '"' ? "\"" : "", file);
		fputc(*text, file);
	}
	fputc('"', file);
}

static void
csv_put_row(FILE *file, const struct csv *csv, uint32_t number)
{
	const struct csv_line *row = &csv->row[number];
	char s = csv->separator;
	bool two_lines;

	fprintf(file, "%u%c%lld%c", number, s, (long long)row->at_ms, s);
	/* Behind a broken row the next line is the next row: its second line would be one. */
	two_lines = row->bad != BAD_QUOTES && sim_below(5) == 0;
	csv_put_cell(file, two_lines ? "two\nlines, \"each\"" : "-", s, false);
	if (row->bad == BAD_VALUE) {
		fprintf(file, "%c%u", s, 256 + row->kind);
	} else {
		fprintf(file, "%c%u", s, row->kind);
	}
	fprintf(file, "%c%lld", s, (long long)row->price);
	if (row->bad != BAD_COUNT) {
		fprintf(file, "%c%.17g", s, row->ratio);
	}
	fputc(s, file);
	if (row->bad == BAD_QUOTES) {
		fputs("\"x\"y", file);
	} else {
		csv_put_cell(file, row->name, s, sim_below(4) == 0);
	}
}

static bool
csv_begin(struct topo *topo)
{
	struct csv *csv = calloc(1, sizeof(*csv));
	const char *line_end = sim_below(3) == 0 ? "\r\n" : "\n";
	FILE *file;

	if (csv == NULL) {
		abort();
	}
	/* Every broken row would be told. */
	setenv("SIM_QUIET", "1", 0);
	topo->data = csv;
	csv->count = (uint32_t)sim_below(sim_below(2) == 0 ? 60 : ROWS_MAX);
	csv->header = sim_below(2) == 0;
	csv->drop_missing = sim_below(2) == 0;
	csv->disk_fails = sim_below(3) == 0;
	csv->long_names = sim_below(3) == 0;
	csv->separator = ",;|"[sim_below(3)];
	snprintf(csv->path, sizeof(csv->path), "%s/in.csv", topo->folder);
	file = fopen(csv->path, "w");
	if (file == NULL) {
		perror(csv->path);
		return false;
	}
	if (csv->header) {
		char s = csv->separator;

		fprintf(file, "number%cat%cnote%ckind%cprice%cratio%cname%s", s, s, s, s, s, s,
		        line_end);
	}
	for (uint32_t i = 0; i < csv->count; i++) {
		csv_invent_row(csv, &csv->row[i]);
		csv_put_row(file, csv, i);
		/* The last line may lack its end. */
		fputs(i + 1 == csv->count && sim_below(2) == 0 ? "" : line_end, file);
	}
	return fclose(file) == 0;
}

static void
csv_part(const struct topo *topo, uint32_t slice, char *path, size_t size)
{
	snprintf(path, size, "%s/part%u.csv", topo->folder, slice);
}

static void
csv_end(struct topo *topo)
{
	struct csv *csv = topo->data;
	char path[256];

	if (csv != NULL) {
		unlink(csv->path);
		free(csv);
	}
	for (uint32_t slice = 0; slice < SINKS_MAX; slice++) {
		csv_part(topo, slice, path, sizeof(path));
		unlink(path);
	}
}

static void
csv_draw(struct topo *topo)
{
	const struct csv *csv = topo->data;

	sim_fail_writes(csv->disk_fails ? 2 + sim_below(80) : 0);
	topo_set(topo, "in", "%s", csv->path);
	topo_set(topo, "out", "%s/part%%s.csv", topo->folder);
	topo_set(topo, "header", "%s", csv->header ? "true" : "false");
	topo_set(topo, "separator", "%c", csv->separator);
	topo_set(topo, "missing", "%s", csv->drop_missing ? "drop" : "default");
	topo_set_slices(topo, "goods");
	topo_set_slices(topo, "maps");
	topo_set_slices(topo, "lookups");
	topo_set_slices(topo, "sinks");
	topo_set_spread(topo, "to_good");
	topo_set_spread(topo, "to_sums");
	topo_set_spread(topo, "to_names");
	topo_set_spread(topo, "to_out");
}

/* A cell as file_sink writes it: always with commas between, in quotes only where it must be. */
static void
csv_quoted(const char *text, char *cell)
{
	bool quotes = strpbrk(text, ",\"\n\r") != NULL;

	if (quotes) {
		*cell++ = '"';
	}
	for (; *text != '\0'; text++) {
		if (*text == '"') {
			*cell++ = '"';
		}
		*cell++ = *text;
	}
	if (quotes) {
		*cell++ = '"';
	}
	*cell = '\0';
}

/* The line that a row becomes, if it does; returns whether its key was missing. */
static bool
csv_expect_row(const struct csv *csv, uint32_t number, struct sim_lines *lines)
{
	const struct csv_line *row = &csv->row[number];
	int64_t at_ns = row->at_ms * 1000000;
	double half = row->ratio / 2.0;
	char at[64], half_text[64], name[2 * NAME_SIZE + 2], label[64];
	const char *found = csv_label(row->kind);

	if (row->bad != GOOD || row->kind == 3 || row->price <= -500) {
		return false;
	}
	if (found == NULL && csv->drop_missing) {
		return true;
	}
	csv_quoted(found == NULL ? "" : found, label);
	csv_quoted(row->name, name);
	topo_expect(lines, "%u,%s,%u,%s,%lld,%s,%s,%s", number,
	            topo_text(LM_TIME, &at_ns, at, sizeof(at)), row->kind, name,
	            (long long)row->price * 3 - 7,
	            topo_text(LM_F64, &half, half_text, sizeof(half_text)),
	            row->price > 100 ? "true" : "false", label);
	return found == NULL;
}

static bool
csv_read_part(const char *path, struct sim_lines *lines, bool may_be_short)
{
	static const char names[] = "number,at,kind,name,cost,half,big,label";
	FILE *file = fopen(path, "r");
	char line[1024] = "";
	bool good = false;

	if (file == NULL) {
		return true; /* fewer slices */
	}
	/* A line without its end is one that the disk had no room for. */
	while (fgets(line, sizeof(line), file) != NULL && strchr(line, '\n') != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (good) {
			sim_lines_add(lines, line);
		} else if (strcmp(line, names) == 0) {
			good = true;
		} else {
			break;
		}
	}
	fclose(file);
	if (!good && !may_be_short) {
		fprintf(stderr, "%s begins with %s, not the names of its columns\n", path, line);
	}
	return good || may_be_short;
}

/* Every line that was written is one of the expected, and as many as are missing were dropped. */
static bool
csv_compare_some(struct sim_lines *expected, struct sim_lines *got, uint64_t dropped)
{
	bool good = topo_equal(expected->count, got->count + dropped, "lines written and dropped");
	uint32_t at = 0;

	sim_lines_sort(expected);
	sim_lines_sort(got);
	for (uint32_t i = 0; good && i < got->count; i++) {
		while (at < expected->count && strcmp(expected->line[at], got->line[i]) < 0) {
			at++;
		}
		good = at < expected->count && strcmp(expected->line[at++], got->line[i]) == 0;
		if (!good) {
			fprintf(stderr, "unexpected: %s\n", got->line[i]);
		}
	}
	sim_lines_clear(expected);
	return good;
}

static bool
csv_check(struct topo *topo, const struct lm_engine *engine)
{
	const struct csv *csv = topo->data;
	struct sim_lines expected = { 0 }, got = { 0 };
	uint64_t missing = 0;
	char path[256];
	bool good = true;

	for (uint32_t i = 0; i < csv->count; i++) {
		missing += csv_expect_row(csv, i, &expected) ? 1 : 0;
	}
	for (uint32_t slice = 0; slice < SINKS_MAX; slice++) {
		csv_part(topo, slice, path, sizeof(path));
		good &= csv_read_part(path, &got, csv->disk_fails);
	}
	for (uint32_t bad = GOOD + 1; bad < BADS; bad++) {
		good &= topo_equal(csv->bad[bad], topo_drops(engine, "rows", bad), bad_texts[bad]);
	}
	good &= topo_equal(csv->drop_missing ? missing : 0, topo_drops(engine, "names", 0),
	                   "missing keys");
	if (csv->disk_fails) {
		good &= csv_compare_some(&expected, &got, topo_drops(engine, "out", 0));
	} else {
		good &= topo_compare(&expected, &got, "lines written");
	}
	sim_lines_clear(&got);
	return good;
}

static const struct topo_scenario csv_scenario = { "csv.yaml", csv_begin, csv_draw,
	                                           csv_check,  csv_end,   NULL };

bool
topo_csv_run(uint64_t seed)
{
	return topo_run(&csv_scenario, seed);
}
