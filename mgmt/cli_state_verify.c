/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill state verify: reads every byte, says which file is damaged and what can be done. */
#include "mgmt/cli_state.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/env.h"
#include "mgmt/cli.h"
#include "mgmt/json_put.h"
#include "mgmt/state_verify.h"
#include "mgmt/text_table.h"
#include "mgmt/units.h"

#define VERIFY_PROGRESS_NS 200000000u
#define VERIFY_JOBS_DEFAULT_MAX 8

struct verify_run {
	const struct cli_state *self;
	struct store_list list;
	const struct store_epoch *epoch; /* the first of those to look at */
	uint32_t count;
	struct state_verify *verify;
	double seconds;
};

static uint32_t
verify_jobs(const struct cli_state *self)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (self->jobs > 0) {
		return self->jobs;
	}
	return cpus < 1                         ? 1
	       : cpus > VERIFY_JOBS_DEFAULT_MAX ? VERIFY_JOBS_DEFAULT_MAX
	                                        : (uint32_t)cpus;
}

/* Waits for all of it, with a line that moves where there is a terminal. */
static void
verify_watch(const struct verify_run *run)
{
	bool shown = !run->self->json && isatty(STDERR_FILENO) == 1;
	bool drawn = false;

	while (!state_verify_wait(run->verify, VERIFY_PROGRESS_NS)) {
		struct state_verify_progress now = state_verify_progress(run->verify);

		if (shown) {
			fprintf(stderr, "\r\033[K%u of %u files, %s of %s", now.files,
			        now.files_all, units_bytes((double)now.bytes).text,
			        units_bytes((double)now.bytes_all).text);
			drawn = true;
		}
	}
	if (drawn) {
		fprintf(stderr, "\r\033[K");
	}
}

/* What to do about an epoch that is not whole. */
static const char *
verify_advice(const struct verify_run *run, const struct store_epoch *epoch)
{
	const struct state_verify_file *file;

	for (uint32_t i = 0; i < run->count; i++) {
		if (&run->epoch[i] != epoch &&
		    state_verify_epoch(run->verify, &run->epoch[i], &file) == STATE_COMPLETE) {
			return run->epoch[i].epoch > epoch->epoch
			           ? "a newer one is good: this one is not needed, it goes when it "
			             "is old"
			           : "bring its files back from a backup, or look at the disk "
			             "(dmesg, smartctl); the next start goes on from the one "
			             "before, unless a sink has committed since";
		}
	}
	return "bring its files back from a backup, and look at the disk (dmesg, smartctl); remove "
	       "nothing: docs/state_files.md says what each message means";
}

/* Damaged or not: an epoch that went while it was read is no matter. */
static enum state_health
verify_health(const struct verify_run *run, const struct store_epoch *epoch,
              const struct state_verify_file **file)
{
	enum state_health health = state_verify_epoch(run->verify, epoch, file);

	return health != STATE_COMPLETE && state_folder_is_gone(run->self->folder, epoch->epoch)
	           ? STATE_COMPLETE
	           : health;
}

static const char *
verify_why(const struct store_epoch *epoch, const struct state_verify_file *file)
{
	return epoch->is_damaged || file == NULL ? epoch->why : file->why;
}

static void
verify_print_epoch(const struct verify_run *run, const struct store_epoch *epoch)
{
	static const enum text_style styles[] = { [STATE_COMPLETE] = TEXT_GREEN,
		                                  [STATE_UNKNOWN] = TEXT_YELLOW,
		                                  [STATE_DAMAGED] = TEXT_RED,
		                                  [STATE_UNREADABLE] = TEXT_RED };
	FILE *out = run->self->out;
	bool colour = text_colour(out);
	const struct state_verify_file *file;
	enum state_health health = verify_health(run, epoch, &file);

	if (health == STATE_COMPLETE && state_folder_is_gone(run->self->folder, epoch->epoch)) {
		fprintf(out, "epoch %" PRIu64 " was removed while it was read\n", epoch->epoch);
		return;
	}
	fprintf(out, "epoch %" PRIu64 " is %s%s%s", epoch->epoch,
	        text_style_on(colour, styles[health]),
	        health == STATE_COMPLETE ? "good" : state_health_name(health),
	        text_style_off(colour, styles[health]));
	if (health != STATE_COMPLETE) {
		fprintf(out, ": %s\n   = help: %s\n", verify_why(epoch, file),
		        health == STATE_UNKNOWN
		            ? "run this as the user of the job, with memory to spare"
		            : verify_advice(run, epoch));
	} else if (epoch->copies < 2) {
		fprintf(out, ", by one of its two manifests: %s\n", epoch->why);
	} else {
		fprintf(out, "\n");
	}
}

/* Every bad file once, with the epochs that need it. */
static void
verify_print_file(const struct verify_run *run, const struct state_verify_file *file)
{
	FILE *out = run->self->out;
	const char *comma = " ";

	if (file->health == STATE_COMPLETE) {
		return;
	}
	fprintf(out, "%s; needed by", file->why);
	for (uint32_t i = 0; i < run->count; i++) {
		if (run->epoch[i].manifest != NULL &&
		    manifest_has_file(run->epoch[i].manifest, file->file->name)) {
			fprintf(out, "%s%" PRIu64, comma, run->epoch[i].epoch);
			comma = ", ";
		}
	}
	fprintf(out, "\n");
}

static int
verify_print(const struct verify_run *run)
{
	struct state_verify_progress all = state_verify_progress(run->verify);
	const struct state_verify_file *file;

	for (uint32_t i = 0; (file = state_verify_file(run->verify, i)) != NULL; i++) {
		verify_print_file(run, file);
	}
	for (uint32_t i = 0; i < run->count; i++) {
		verify_print_epoch(run, &run->epoch[i]);
	}
	if (run->count == 0) {
		fprintf(run->self->out, "no epoch was committed yet\n");
	}
	fprintf(run->self->out, "files: %u with %s, read in %s\n", all.files_all,
	        units_bytes((double)all.bytes_all).text, units_duration(run->seconds).text);
	return 0;
}

static json_t *
verify_json_epoch(const struct verify_run *run, const struct store_epoch *epoch)
{
	const struct state_verify_file *file;
	enum state_health health = verify_health(run, epoch, &file);
	const char *why = verify_why(epoch, file);
	json_t *one = json_object();
	int failed = json_put_u64(one, "epoch", epoch->epoch);

	failed += json_put_text(one, "state", state_health_name(health));
	failed += json_put_text(one, "why", why[0] == '\0' ? NULL : why);
	failed += json_put_u64(one, "manifest_copies", epoch->copies);
	if (failed != 0) {
		json_decref(one);
		return NULL;
	}
	return one;
}

static json_t *
verify_json_file(const struct state_verify_file *file)
{
	json_t *one = json_object();
	int failed = json_put_text(one, "file", file->file->name);

	failed += json_put_text(one, "state", state_health_name(file->health));
	failed += json_put_text(one, "why", file->why);
	if (failed != 0) {
		json_decref(one);
		return NULL;
	}
	return one;
}

static int
verify_json(const struct verify_run *run)
{
	json_t *whole = json_object(), *epochs = json_array(), *bad = json_array();
	struct state_verify_progress all = state_verify_progress(run->verify);
	const struct state_verify_file *file;
	int failed = 0;

	for (uint32_t i = 0; i < run->count; i++) {
		failed += json_array_append_new(epochs, verify_json_epoch(run, &run->epoch[i]));
	}
	for (uint32_t i = 0; (file = state_verify_file(run->verify, i)) != NULL; i++) {
		if (file->health != STATE_COMPLETE) {
			failed += json_array_append_new(bad, verify_json_file(file));
		}
	}
	failed += json_put_text(whole, "folder", run->self->folder);
	failed += json_object_set_new(whole, "epochs", epochs);
	failed += json_object_set_new(whole, "bad_files", bad);
	failed += json_put_u64(whole, "files", all.files_all);
	failed += json_put_u64(whole, "bytes", all.bytes_all);
	failed += json_put_real(whole, "seconds", run->seconds);
	return json_put_line(run->self->out, whole, failed);
}

/* Reads all and says so; the exit status. */
static int
verify_all(struct verify_run *run)
{
	const struct state_verify_file *file;
	int64_t start_ns = env_wall_ns();
	int status = CLI_OK;
	int error = state_verify_begin(run->epoch, run->count, run->self->folder,
	                               verify_jobs(run->self), &run->verify);

	if (error != 0) {
		fprintf(stderr, "error: verifying: %s\n", strerror(-error));
		return CLI_FAILED;
	}
	verify_watch(run);
	run->seconds = (double)(env_wall_ns() - start_ns) / 1e9;
	for (uint32_t i = 0; i < run->count; i++) {
		if (verify_health(run, &run->epoch[i], &file) != STATE_COMPLETE) {
			status = CLI_FAILED;
		}
	}
	error = run->self->json ? verify_json(run) : verify_print(run);
	state_verify_end(run->verify);
	return cli_state_end(run->self, error, status);
}

int
cli_state_verify(const struct cli_state *self)
{
	struct verify_run run = { .self = self };
	struct state_trouble trouble;
	int status;

	if (state_folder_read(self->folder, &run.list, &trouble) != 0) {
		return cli_state_trouble(&trouble);
	}
	run.epoch = run.list.epoch;
	run.count = run.list.count;
	if (self->epoch != 0) {
		run.epoch = state_folder_epoch(self->folder, &run.list, self->epoch, &trouble);
		run.count = 1;
	}
	status =
	    run.count > 0 && run.epoch == NULL ? cli_state_trouble(&trouble) : verify_all(&run);
	store_list_free(&run.list);
	return status;
}
