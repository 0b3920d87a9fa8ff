/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `lodemill top`: finds the running engine by its statistics segment and shows it again and again,
 * on a screen of its own or, where the output is no terminal, as blocks of text or lines of JSON.
 */
#include "mgmt/cli_top.h"

#include "core/env.h"
#include "core/text.h"
#include "mgmt/json_put.h"
#include "mgmt/screen.h"
#include "mgmt/text_table.h"
#include "mgmt/top_frame.h"
#include "mgmt/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOP_INTERVAL_NS UINT64_C(1000000000)
#define TOP_INTERVAL_MIN_NS UINT64_C(100000000)
#define TOP_INTERVAL_MAX_NS UINT64_C(3600000000000)
/* Nothing new for so long is worth a line: the manager publishes at least once a second. */
#define TOP_SILENT_NS UINT64_C(3000000000)

enum { TOP_ENGINES_MAX = 64 };
enum { TOP_EXIT_OK, TOP_EXIT_FAILED, TOP_EXIT_USAGE };

static const char top_usage[] =
    "usage: lodemill top [--prefix NAME] [--once] [--json] [--interval TIME] [--folder PATH]\n"
    "\n"
    "Shows a running engine: rows per second, load, latency, and who holds up whom.\n"
    "\n"
    "  --prefix NAME    the engine with this file prefix; needed when several run\n"
    "  --once           one picture over one interval, then the end\n"
    "  --json           one line of JSON per picture\n"
    "  --interval TIME  between two pictures, 100ms to 1h (default 1s)\n"
    "  --folder PATH    where the statistics segments are (default /dev/shm)\n"
    "\n"
    "On the live screen, q ends it.\n";

static const char *const top_options[] = { "--prefix",   "--once",   "--json",
	                                   "--interval", "--folder", "--help" };

struct top {
	/* Options. */
	const char *prefix;
	const char *folder;
	bool once, json, help;
	uint64_t interval_ns;

	/* The engine that is shown. */
	struct stats_reader *reader;
	struct sample now, before;
	struct rates rates;
	enum stats_life life;
	bool has_before;
	uint64_t silent_ns; /* how long nothing new was there to read, by the intervals waited */
};

static const char *
top_folder(const struct top *top)
{
	return top->folder == NULL ? STATS_FOLDER : top->folder;
}

static int
top_parse_interval(struct top *top, const char *text)
{
	if (text_duration(text, &top->interval_ns) != 0 || top->interval_ns < TOP_INTERVAL_MIN_NS ||
	    top->interval_ns > TOP_INTERVAL_MAX_NS) {
		fprintf(stderr,
		        "lodemill top: --interval: \"%s\" is not a time from 100ms to 1h, such as "
		        "500ms or 2s\n",
		        text);
		return -EINVAL;
	}
	return 0;
}

/* A flag; true if it is one. */
static bool
top_parse_flag(struct top *top, const char *name)
{
	if (strcmp(name, "--once") == 0) {
		top->once = true;
	} else if (strcmp(name, "--json") == 0) {
		top->json = true;
	} else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		top->help = true;
	} else {
		return false;
	}
	return true;
}

static int
top_parse_value(struct top *top, const char *name, const char *value)
{
	if (strcmp(name, "--prefix") == 0) {
		if (!stats_prefix_valid(value)) {
			fprintf(stderr,
			        "lodemill top: --prefix: \"%s\" cannot be a prefix; use letters, "
			        "digits, \"_\", \"-\" and \".\"\n",
			        value);
			return -EINVAL;
		}
		top->prefix = value;
		return 0;
	}
	if (strcmp(name, "--folder") == 0) {
		top->folder = value;
		return 0;
	}
	return top_parse_interval(top, value);
}

static bool
top_takes_value(const char *name)
{
	return strcmp(name, "--prefix") == 0 || strcmp(name, "--folder") == 0 ||
	       strcmp(name, "--interval") == 0;
}

static int
top_parse(struct top *top, int argc, char **argv)
{
	char name[32], hint[240];

	for (int i = 1; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		size_t length = equals == NULL ? strlen(argv[i]) : (size_t)(equals - argv[i]);
		const char *value = equals == NULL ? argv[i + 1] : equals + 1;

		snprintf(name, sizeof(name), "%.*s", (int)length, argv[i]);
		if (equals == NULL && top_parse_flag(top, name)) {
			continue;
		}
		if (!top_takes_value(name)) {
			fprintf(stderr, "lodemill top: no option \"%s\"; %s\n", argv[i],
			        text_hint(name, "options", top_options,
			                  sizeof(top_options) / sizeof(top_options[0]), hint,
			                  sizeof(hint)));
			return -EINVAL;
		}
		if (value == NULL) {
			fprintf(stderr, "lodemill top: %s needs a value behind it\n", name);
			return -EINVAL;
		}
		if (top_parse_value(top, name, value) != 0) {
			return -EINVAL;
		}
		i += equals == NULL;
	}
	return 0;
}

static void
top_detach(struct top *top)
{
	stats_reader_close(top->reader);
	sample_free(&top->now);
	sample_free(&top->before);
	rates_free(&top->rates);
	top->reader = NULL;
	top->has_before = false;
}

static int
top_attach(struct top *top, const char *prefix)
{
	const struct sample_shape *shape;
	int error = stats_reader_open(&top->reader, top->folder, prefix);

	if (error != 0) {
		return error;
	}
	shape = stats_reader_shape(top->reader);
	error = sample_alloc(&top->now, shape);
	if (error == 0) {
		error = sample_alloc(&top->before, shape);
	}
	if (error == 0) {
		error = rates_init(&top->rates, shape);
	}
	if (error != 0) {
		top_detach(top);
		return error;
	}
	top->life = stats_reader_state(top->reader);
	return 0;
}

static void
top_complain_absent(const struct top *top, const char *prefix)
{
	char found[TOP_ENGINES_MAX][STATS_PREFIX_MAX];
	const char *names[TOP_ENGINES_MAX];
	int count = stats_list(top->folder, found, TOP_ENGINES_MAX);
	char hint[240];

	for (int i = 0; i < count; i++) {
		names[i] = found[i];
	}
	if (count > 0) {
		fprintf(stderr, "lodemill top: no engine with the prefix \"%s\" in %s; %s\n",
		        prefix, top_folder(top),
		        text_hint(prefix, "prefixes", names, (uint32_t)count, hint, sizeof(hint)));
	} else {
		fprintf(
		    stderr,
		    "lodemill top: no engine with the prefix \"%s\", nor any other, in %s; start "
		    "one with `lodemill run`\n",
		    prefix, top_folder(top));
	}
}

static void
top_complain(const struct top *top, const char *prefix, int error)
{
	const char *folder = top_folder(top);

	if (error == -ENOENT) {
		top_complain_absent(top, prefix);
	} else if (error == -EBADMSG) {
		fprintf(stderr,
		        "lodemill top: %s/%s%s is not a statistics segment, or it is damaged; "
		        "remove it "
		        "if no engine uses it\n",
		        folder, STATS_FILE_PREFIX, prefix);
	} else if (error == -EPROTO) {
		fprintf(stderr,
		        "lodemill top: %s/%s%s was written by another version of lodemill; use the "
		        "`lodemill top` of that version\n",
		        folder, STATS_FILE_PREFIX, prefix);
	} else {
		fprintf(stderr,
		        "lodemill top: %s/%s%s cannot be read: %s; try as the user who runs it\n",
		        folder, STATS_FILE_PREFIX, prefix, strerror(-error));
	}
}

/* One of several engines, as a row or as an entry of a list. */
static void
top_add_engine(struct text_table *table, json_t *list, const struct stats_info *info,
               enum stats_life life)
{
	json_t *entry = json_object();

	json_put_text(entry, "prefix", info->prefix);
	json_put_text(entry, "topology", info->topology);
	json_put_u64(entry, "pid", info->pid);
	json_put_text(entry, "state", top_life_text(life));
	json_array_append_new(list, entry);
	text_table_cell(table, TEXT_BOLD, "%s", info->prefix);
	text_table_cell(table, TEXT_PLAIN, "%s", info->topology);
	text_table_cell(table, TEXT_PLAIN, "%u", info->pid);
	text_table_cell(table, life == STATS_LIVES ? TEXT_GREEN : TEXT_RED, "%s",
	                top_life_text(life));
}

static struct text_table *
top_engine_table(void)
{
	struct text_table *table = text_table_create(text_colour(stdout));

	text_table_column(table, TEXT_LEFT, "PREFIX");
	text_table_column(table, TEXT_LEFT, "TOPOLOGY");
	text_table_column(table, TEXT_RIGHT, "PID");
	text_table_column(table, TEXT_LEFT, "STATE");
	return table;
}

/* Several engines: what there is to choose from. */
static int
top_print_engines(const struct top *top, char (*found)[STATS_PREFIX_MAX], int count)
{
	struct text_table *table = top_engine_table();
	json_t *list = json_array();
	int error;

	for (int i = 0; i < count; i++) {
		struct stats_reader *reader;

		if (stats_reader_open(&reader, top->folder, found[i]) == 0) {
			top_add_engine(table, list, stats_reader_info(reader),
			               stats_reader_state(reader));
			stats_reader_close(reader);
		}
	}
	if (top->json) {
		json_t *object = json_object();

		error = json_put_line(stdout, object, json_object_set(object, "engines", list));
	} else {
		printf("Several engines; choose one with `lodemill top --prefix NAME`:\n\n");
		error = text_table_print(table, "  ", stdout);
	}
	json_decref(list);
	text_table_free(table);
	return error == 0 ? TOP_EXIT_OK : TOP_EXIT_FAILED;
}

/* Which of the engines found is meant without a prefix: the only one that lives, else the only one.
 */
static const char *
top_only_engine(const struct top *top, char (*found)[STATS_PREFIX_MAX], int count)
{
	const char *only = count == 1 ? found[0] : NULL;
	int living = 0;

	for (int i = 0; i < count; i++) {
		struct stats_reader *reader;

		if (stats_reader_open(&reader, top->folder, found[i]) != 0) {
			continue;
		}
		if (stats_reader_state(reader) == STATS_LIVES) {
			only = ++living == 1 ? found[i] : NULL;
		}
		stats_reader_close(reader);
	}
	return only;
}

/* What there is under the name now takes the place of what was shown; false: it cannot be read. */
static bool
top_attach_anew(struct top *top, const char *prefix)
{
	struct top fresh = *top;

	fresh.reader = NULL;
	memset(&fresh.now, 0, sizeof(fresh.now));
	memset(&fresh.before, 0, sizeof(fresh.before));
	memset(&fresh.rates, 0, sizeof(fresh.rates));
	fresh.has_before = false;
	fresh.silent_ns = 0;
	if (top_attach(&fresh, prefix) != 0) {
		return false;
	}
	top_detach(top);
	*top = fresh;
	return true;
}

/* The graph has changed: operators, slices and their counters are others. */
static void
top_follow_change(struct top *top)
{
	char prefix[STATS_PREFIX_MAX];

	top->life = stats_reader_state(top->reader);
	if (top->life == STATS_ELSEWHERE) {
		memcpy(prefix, stats_reader_info(top->reader)->prefix, sizeof(prefix));
		if (!top_attach_anew(top, prefix)) {
			top->life = STATS_STOPPED;
		}
	}
}

/* Reads what is new. True if there is something to show that was not there before. */
static bool
top_read(struct top *top)
{
	int64_t shown_ns;

	top_follow_change(top);
	shown_ns = top->now.head->now_ns;
	if (top->has_before) {
		memcpy(top->before.block, top->now.block, top->now.size);
	}
	if (stats_reader_read(top->reader, &top->now) != 0) {
		memcpy(top->now.block, top->before.block, top->now.size);
		top->silent_ns += top->interval_ns;
		return false;
	}
	if (top->has_before && top->now.head->now_ns == shown_ns) {
		top->silent_ns += top->interval_ns;
		return false;
	}
	rates_compute(&top->rates, &top->now, top->has_before ? &top->before : NULL);
	top->has_before = true;
	top->silent_ns = 0;
	return true;
}

static bool
top_is_silent(const struct top *top)
{
	return top->silent_ns >= TOP_SILENT_NS && top->silent_ns > 2 * top->interval_ns;
}

static int
top_write(const struct top *top, FILE *out, bool colour)
{
	bool silent = top->life == STATS_LIVES && top_is_silent(top);
	const struct top_view view = { .info = stats_reader_info(top->reader),
		                       .life = top->life,
		                       .now = &top->now,
		                       .rates = &top->rates,
		                       .silent_s = silent ? (double)top->silent_ns / 1e9 : 0 };

	return top->json ? top_frame_json(out, &view) : top_frame_text(out, &view, colour);
}

/* Waits until the engine has published anything. False: it ended without. */
static bool
top_read_first(struct top *top)
{
	while (!top_read(top)) {
		if (top->life != STATS_LIVES) {
			fprintf(stderr,
			        "lodemill top: the engine ended before it published anything\n");
			return false;
		}
		env_sleep_ns(top->interval_ns);
	}
	return true;
}

/* One picture: of an engine that runs over one interval, of one that ended over its whole life. */
static int
top_run_once(struct top *top)
{
	if (!top_read_first(top)) {
		return TOP_EXIT_FAILED;
	}
	while (top->life == STATS_LIVES) {
		env_sleep_ns(top->interval_ns);
		if (top_read(top) || top_is_silent(top)) {
			break;
		}
	}
	return top_write(top, stdout, text_colour(stdout)) == 0 ? TOP_EXIT_OK : TOP_EXIT_FAILED;
}

/* Picture after picture, until the engine ends or nobody reads any more. */
static int
top_run_blocks(struct top *top)
{
	bool first = true;

	if (!top_read_first(top)) {
		return TOP_EXIT_FAILED;
	}
	while (true) {
		if (!first && !top->json) {
			fputc('\n', stdout);
		}
		first = false;
		if (top_write(top, stdout, text_colour(stdout)) != 0 || fflush(stdout) != 0) {
			return TOP_EXIT_FAILED;
		}
		if (top->life != STATS_LIVES) {
			return TOP_EXIT_OK;
		}
		env_sleep_ns(top->interval_ns);
		top_read(top);
	}
}

/* When the engine is gone, another may have started under its name. */
static void
top_follow(struct top *top, const char *prefix)
{
	struct stats_reader *reader;
	bool lives;

	if (top->life == STATS_LIVES || stats_reader_open(&reader, top->folder, prefix) != 0) {
		return;
	}
	lives = stats_reader_state(reader) == STATS_LIVES;
	stats_reader_close(reader);
	if (lives) {
		(void)top_attach_anew(top, prefix);
	}
}

static void
top_draw(struct top *top, bool colour)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		return;
	}
	if (top->has_before) {
		top_write(top, out, colour);
	} else {
		fprintf(out, "waiting for the engine's first numbers ...\n");
	}
	if (fclose(out) == 0) {
		screen_draw(text);
	}
	free(text);
}

static int
top_run_screen(struct top *top, const char *prefix)
{
	bool colour = text_colour(stdout);
	enum screen_event event = SCREEN_TIMEOUT;

	if (screen_open() != 0) {
		return top_run_blocks(top);
	}
	while (event != SCREEN_QUIT) {
		if (event == SCREEN_TIMEOUT) {
			top_follow(top, prefix);
			top_read(top);
		}
		top_draw(top, colour);
		event = screen_wait((int)(top->interval_ns / 1000000));
	}
	screen_close();
	return TOP_EXIT_OK;
}

static int
top_run(struct top *top, const char *prefix)
{
	int error = top_attach(top, prefix);
	int exit_code;

	if (error != 0) {
		top_complain(top, prefix, error);
		return TOP_EXIT_FAILED;
	}
	if (top->once) {
		exit_code = top_run_once(top);
	} else if (top->json || isatty(STDOUT_FILENO) != 1) {
		exit_code = top_run_blocks(top);
	} else {
		exit_code = top_run_screen(top, prefix);
	}
	top_detach(top);
	return exit_code;
}

int
cli_top(int argc, char **argv)
{
	char found[TOP_ENGINES_MAX][STATS_PREFIX_MAX];
	struct top top = { .interval_ns = TOP_INTERVAL_NS };
	const char *prefix;
	int count;

	if (top_parse(&top, argc, argv) != 0) {
		return TOP_EXIT_USAGE;
	}
	if (top.help) {
		fputs(top_usage, stdout);
		return TOP_EXIT_OK;
	}
	if (top.prefix != NULL) {
		return top_run(&top, top.prefix);
	}
	count = stats_list(top.folder, found, TOP_ENGINES_MAX);
	if (count < 0) {
		fprintf(stderr, "lodemill top: %s cannot be listed: %s\n", top_folder(&top),
		        strerror(-count));
		return TOP_EXIT_FAILED;
	}
	if (count == 0) {
		fprintf(
		    stderr,
		    "lodemill top: no engine is running (nothing named %s* in %s); start one with "
		    "`lodemill run`\n",
		    STATS_FILE_PREFIX, top_folder(&top));
		return TOP_EXIT_FAILED;
	}
	prefix = top_only_engine(&top, found, count);
	return prefix == NULL ? top_print_engines(&top, found, count) : top_run(&top, prefix);
}
