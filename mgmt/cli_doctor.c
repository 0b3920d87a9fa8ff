/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill doctor: is this machine fit, and what would make it fitter? As a table or as JSON. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_version.h>

#include "mgmt/cli.h"
#include "mgmt/doctor.h"
#include "mgmt/json_put.h"
#include "mgmt/text_table.h"

#define DOCTOR_JITTER_SECONDS 1.0
#define DOCTOR_JITTER_SECONDS_MAX 600.0
#define DOCTOR_STATUS_ERROR 2
/* Columns left of the text: "  mem.huge.mount  UNKNOWN  ". */
#define DOCTOR_INDENT 27u
#define DOCTOR_WIDTH_MIN 40u

static const char cli_doctor_usage[] =
    "Usage: lodemill doctor [OPTIONS]\n"
    "Checks this machine for fast packet and stream work; changes nothing.\n"
    "\n"
    "  --cores LIST      the CPUs the engine is to run on, such as 2-5 (default: as `run` "
    "chooses)\n"
    "  --jitter SECONDS  how long to watch for stolen CPU time; 0: not at all (default: 1)\n"
    "  --json            for programs\n"
    "  --strict          exit with 1 when there is a WARN\n"
    "  --root DIR        a recording of another host: a folder with its proc, sys and etc\n"
    "  --help            this\n"
    "\n"
    "Exit status: 0 all well, 1 a WARN and --strict, 2 a FAIL or wrong arguments.\n";

struct cli_doctor {
	struct doctor_options options;
	bool json, strict;
};

static int
cli_doctor_wrong(const char *message, const char *value)
{
	fprintf(stderr, "error: %s%s%s\n", message, value != NULL ? " " : "",
	        value != NULL ? value : "");
	fprintf(stderr, "   = help: lodemill doctor --help\n");
	return DOCTOR_STATUS_ERROR;
}

/* Returns -1 to go on, else the status to exit with. */
static int
cli_doctor_arguments(struct cli_doctor *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "cores", required_argument, NULL, 'c' },
		{ "jitter", required_argument, NULL, 'j' },
		{ "json", no_argument, NULL, 'o' },
		{ "strict", no_argument, NULL, 's' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	optind = 0;
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		char *end;

		switch (letter) {
		case 'c':
			self->options.cores = optarg;
			break;
		case 'j':
			self->options.jitter_seconds = strtod(optarg, &end);
			if (end == optarg || (*end != '\0' && strcmp(end, "s") != 0) ||
			    !(self->options.jitter_seconds >= 0.0) ||
			    self->options.jitter_seconds > DOCTOR_JITTER_SECONDS_MAX) {
				return cli_doctor_wrong("--jitter takes 0 to 600 seconds, not",
				                        optarg);
			}
			break;
		case 'o':
			self->json = true;
			break;
		case 's':
			self->strict = true;
			break;
		case 'r':
			self->options.host.root = strcmp(optarg, "/") == 0 ? "" : optarg;
			break;
		case 'h':
			fputs(cli_doctor_usage, stdout);
			return 0;
		case ':':
			return cli_doctor_wrong("a value is missing after", argv[optind - 1]);
		default:
			return cli_doctor_wrong("unknown option", argv[optind - 1]);
		}
	}
	if (optind < argc) {
		return cli_doctor_wrong("unexpected argument", argv[optind]);
	}
	if (self->options.host.root[0] != '\0' &&
	    access(self->options.host.root, R_OK | X_OK) != 0) {
		return cli_doctor_wrong("there is no folder", self->options.host.root);
	}
	return -1;
}

/* Columns of the terminal; 0: no terminal, lines of any length. */
static size_t
cli_doctor_width(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) != 0) {
		return 0;
	}
	return size.ws_col > DOCTOR_INDENT + DOCTOR_WIDTH_MIN ? size.ws_col - DOCTOR_INDENT : 0;
}

/* The text as the last cell of a row, and of further rows as far as it does not fit. */
static void
cli_doctor_text(struct text_table *table, enum text_style style, const char *label,
                const char *text, size_t width)
{
	char whole[512];
	const char *at = whole;

	snprintf(whole, sizeof(whole), "%s%s", label, text);
	for (;;) {
		size_t length = strlen(at);

		if (width > 0 && length > width) {
			length = width;
			while (length > 0 && at[length] != ' ') {
				length--;
			}
			length = length > 0 ? length : width;
		}
		text_table_cell(table, style, "%.*s", (int)length, at);
		at += length + strspn(at + length, " ");
		if (*at == '\0') {
			return;
		}
		text_table_cell(table, TEXT_PLAIN, "%s", "");
		text_table_cell(table, TEXT_PLAIN, "%s", "");
	}
}

static void
cli_doctor_row(struct text_table *table, const struct doctor_check *check, size_t width)
{
	static const enum text_style styles[] = { [DOCTOR_PASS] = TEXT_GREEN,
		                                  [DOCTOR_INFO] = TEXT_CYAN,
		                                  [DOCTOR_UNKNOWN] = TEXT_DIM,
		                                  [DOCTOR_WARN] = TEXT_YELLOW,
		                                  [DOCTOR_FAIL] = TEXT_RED };

	text_table_cell(table, TEXT_PLAIN, "%s", check->id);
	text_table_cell(table, styles[check->level], "%s", doctor_level_name(check->level));
	cli_doctor_text(table, TEXT_PLAIN, "", check->found, width);
	if (check->cost[0] != '\0') {
		text_table_cell(table, TEXT_PLAIN, "%s", "");
		text_table_cell(table, TEXT_PLAIN, "%s", "");
		cli_doctor_text(table, TEXT_DIM, "cost: ", check->cost, width);
	}
	if (check->fix[0] != '\0') {
		text_table_cell(table, TEXT_PLAIN, "%s", "");
		text_table_cell(table, TEXT_PLAIN, "%s", "");
		cli_doctor_text(table, TEXT_DIM,
		                check->reboot ? "fix, with a restart: " : "fix: ", check->fix,
		                width);
	}
}

static int
cli_doctor_table(const struct doctor_report *report, FILE *out)
{
	struct text_table *table = text_table_create(text_colour(out));
	size_t width = cli_doctor_width(out);
	char cores[256];
	int error;

	if (table == NULL) {
		return -1;
	}
	text_table_column(table, TEXT_LEFT, "CHECK");
	text_table_column(table, TEXT_LEFT, "RESULT");
	text_table_column(table, TEXT_LEFT, "FOUND");
	for (uint32_t i = 0; i < report->count; i++) {
		cli_doctor_row(table, &report->check[i], width);
	}
	cpus_format(&report->cores, cores, sizeof(cores));
	fprintf(out, "For cores %s%s\n\n", cores[0] != '\0' ? cores : "unknown",
	        report->cores_chosen ? ", as the engine would choose (others: --cores LIST)" : "");
	error = text_table_print(table, "", out);
	text_table_free(table);
	fprintf(out, "\n%u pass, %u info, %u unknown, %u warn, %u fail\n",
	        report->at_level[DOCTOR_PASS], report->at_level[DOCTOR_INFO],
	        report->at_level[DOCTOR_UNKNOWN], report->at_level[DOCTOR_WARN],
	        report->at_level[DOCTOR_FAIL]);
	return error;
}

static int
cli_doctor_json(const struct doctor_report *report, bool strict, FILE *out)
{
	json_t *whole = json_object(), *checks = json_array(), *summary = json_object();
	char cores[256];
	int failed = 0;

	for (uint32_t i = 0; i < report->count; i++) {
		const struct doctor_check *check = &report->check[i];
		json_t *one = json_object();

		failed += json_put_text(one, "id", check->id);
		failed += json_put_text(one, "level", doctor_level_name(check->level));
		failed += json_put_text(one, "found", check->found);
		failed += json_put_text(one, "cost", check->cost);
		failed += json_put_text(one, "fix", check->fix);
		failed += json_object_set_new(one, "reboot", json_boolean(check->reboot));
		failed += json_array_append_new(checks, one);
	}
	for (uint32_t level = 0; level <= DOCTOR_FAIL; level++) {
		failed += json_put_u64(summary, doctor_level_name((enum doctor_level)level),
		                       report->at_level[level]);
	}
	failed += json_put_text(whole, "cores", cpus_format(&report->cores, cores, sizeof(cores)));
	failed += json_object_set_new(whole, "checks", checks);
	failed += json_object_set_new(whole, "summary", summary);
	failed += json_put_u64(whole, "status", (uint64_t)doctor_status(report, strict));
	return json_put_line(out, whole, failed);
}

int
cli_doctor(int argc, char **argv)
{
	struct cli_doctor self = { .options = { .host = { .root = "" },
		                                .jitter_seconds = DOCTOR_JITTER_SECONDS,
		                                .dpdk_version = rte_version(),
		                                .compiled = isa_compiled_level() } };
	struct doctor_report *report;
	int status = cli_doctor_arguments(&self, argc, argv), error;
	char why[200];

	if (status >= 0) {
		return status;
	}
	report = calloc(1, sizeof(*report));
	if (report == NULL) {
		return cli_doctor_wrong("no memory left", NULL);
	}
	if (doctor_run(report, &self.options, why, sizeof(why)) != 0) {
		free(report);
		return cli_doctor_wrong(why, NULL);
	}
	error = self.json ? cli_doctor_json(report, self.strict, stdout)
	                  : cli_doctor_table(report, stdout);
	status = doctor_status(report, self.strict);
	free(report);
	if (error != 0 || fflush(stdout) != 0) {
		return cli_doctor_wrong("the result cannot be written", NULL);
	}
	return status;
}
