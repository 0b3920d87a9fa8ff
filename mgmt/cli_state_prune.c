/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill state prune: removes old epochs of a job that does not run, and says what stays and why.
 */
#include "mgmt/cli_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/cli.h"
#include "mgmt/json_put.h"
#include "mgmt/text_table.h"
#include "mgmt/units.h"

/* What was decided about an epoch. */
struct prune_line {
	uint64_t epoch;
	bool goes;
	char why[MANIFEST_WHY + 40];
};

struct prune {
	const struct cli_state *self;
	struct store_list list; /* as it was before */
	struct store *store;    /* NULL: a dry run */
	struct store_range range;
	bool anything; /* may go at all */
	uint32_t good; /* good epochs among those that were read */
	struct prune_line *line;
	uint32_t epochs, files; /* that go */
	uint64_t bytes;
};

/*
 * Reads epochs in full until there are enough good ones: one that looks good and is not must not
 * push out the one that is. 0 or -errno.
 */
static int
prune_look(struct prune *prune)
{
	for (uint32_t i = 0; i < prune->list.count && prune->good < prune->self->keep; i++) {
		struct store_epoch *epoch = &prune->list.epoch[i];
		int result = store_epoch_check(prune->self->folder, STORE_ALL, epoch);

		if (result != 0) {
			return result;
		}
		prune->good += epoch->is_damaged ? 0 : 1;
		if (epoch->is_damaged && prune->store != NULL) {
			store_mark_damaged(prune->store, epoch->epoch, epoch->why);
		}
	}
	return 0;
}

static bool
is_within(const struct prune *prune, uint64_t number)
{
	return prune->anything && number > prune->range.above && number < prune->range.below;
}

static void
decide(const struct prune *prune, const struct store_epoch *epoch, struct prune_line *line)
{
	line->epoch = epoch->epoch;
	line->goes = is_within(prune, epoch->epoch);
	if (line->goes) {
		snprintf(line->why, sizeof(line->why), "older than the newest %u good ones",
		         prune->self->keep);
	} else if (epoch->manifest == NULL) {
		snprintf(line->why, sizeof(line->why), "it cannot be read: %s", epoch->why);
	} else if (prune->anything && epoch->epoch < prune->range.above) {
		snprintf(line->why, sizeof(line->why),
		         "epoch %" PRIu64 " cannot be read and may need what is not younger",
		         prune->range.above);
	} else if (epoch->is_damaged) {
		snprintf(line->why, sizeof(line->why), "damaged, but not older than a kept one: %s",
		         epoch->why);
	} else {
		snprintf(line->why, sizeof(line->why), "one of the newest %u good ones",
		         prune->self->keep);
	}
}

/* Files in the range that no epoch that stays names; counted before they go. */
static void
count_files(struct prune *prune)
{
	for (uint32_t i = 0; i < prune->list.file_count; i++) {
		const char *name = prune->list.file[i];
		struct part_id part;
		uint64_t epoch;
		bool needed = !file_name_read(name, &epoch, &part) || !is_within(prune, epoch);

		for (uint32_t k = 0; !needed && k < prune->list.count; k++) {
			const struct store_epoch *other = &prune->list.epoch[k];

			needed = !is_within(prune, other->epoch) && other->manifest != NULL &&
			         manifest_has_file(other->manifest, name);
		}
		if (!needed) {
			prune->files++;
			prune->bytes += state_folder_file_size(prune->self->folder, name);
		}
	}
}

static int
prune_decide(struct prune *prune)
{
	prune->anything = store_prune_range(&prune->list, prune->self->keep, &prune->range);
	prune->line = calloc(prune->list.count + 1ul, sizeof(prune->line[0]));
	if (prune->line == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < prune->list.count; i++) {
		decide(prune, &prune->list.epoch[i], &prune->line[i]);
		prune->epochs += prune->line[i].goes ? 1 : 0;
	}
	count_files(prune);
	return 0;
}

static int
prune_print(const struct prune *prune)
{
	const struct cli_state *self = prune->self;
	struct text_table *table = text_table_create(text_colour(self->out));
	int error;

	text_table_column(table, TEXT_RIGHT, "EPOCH");
	text_table_column(table, TEXT_LEFT, "");
	text_table_column(table, TEXT_LEFT, "WHY");
	for (uint32_t i = 0; i < prune->list.count; i++) {
		const struct prune_line *line = &prune->line[i];

		text_table_cell(table, TEXT_BOLD, "%" PRIu64, line->epoch);
		text_table_cell(table, line->goes ? TEXT_YELLOW : TEXT_GREEN, "%s",
		                !line->goes     ? "stays"
		                : self->dry_run ? "would go"
		                                : "is gone");
		text_table_cell(table, TEXT_PLAIN, "%s", line->why);
	}
	error = text_table_print(table, "", self->out);
	text_table_free(table);
	if (!prune->anything) {
		fprintf(self->out, "\nonly %u of %u are good, and %u are to stay: nothing goes\n",
		        prune->good, prune->list.count, self->keep);
		return error;
	}
	fprintf(self->out, "\nepochs: %u, files: %u with %s: %s\n", prune->epochs, prune->files,
	        units_bytes((double)prune->bytes).text,
	        self->dry_run ? "would go; nothing was removed" : "are gone");
	return error;
}

static int
prune_json(const struct prune *prune)
{
	json_t *whole = json_object(), *epochs = json_array();
	int failed = json_put_text(whole, "folder", prune->self->folder);

	for (uint32_t i = 0; i < prune->list.count; i++) {
		json_t *one = json_object();

		failed += json_put_u64(one, "epoch", prune->line[i].epoch);
		failed += json_object_set_new(one, "removed", json_boolean(prune->line[i].goes));
		failed += json_put_text(one, "why", prune->line[i].why);
		failed += json_array_append_new(epochs, one);
	}
	failed += json_object_set_new(whole, "dry_run", json_boolean(prune->self->dry_run));
	failed += json_put_u64(whole, "keep", prune->self->keep);
	failed += json_object_set_new(whole, "epochs", epochs);
	failed += json_put_u64(whole, "removed_epochs", prune->epochs);
	failed += json_put_u64(whole, "removed_files", prune->files);
	failed += json_put_u64(whole, "removed_bytes", prune->bytes);
	failed += json_object_set_new(
	    whole, "blocked_by",
	    prune->range.above == 0 ? json_null() : json_integer((json_int_t)prune->range.above));
	return json_put_line(prune->self->out, whole, failed);
}

static int
prune_failed(const char *what, const char *help)
{
	fprintf(stderr, "error: %s\n", what);
	if (help != NULL) {
		fprintf(stderr, "   = help: %s\n", help);
	}
	return CLI_FAILED;
}

/* Takes the folder in the name of its job. CLI_OK, or the status after saying why not. */
static int
prune_take(struct prune *prune)
{
	struct store_options options = { .keep = prune->self->keep };
	char why[MANIFEST_WHY];
	int result;

	for (uint32_t i = 0; options.job == 0 && i < prune->list.count; i++) {
		const struct manifest *manifest = prune->list.epoch[i].manifest;

		options.job = manifest == NULL ? 0 : manifest->job;
	}
	if (options.job == 0) {
		return prune_failed("no manifest in the folder can be read: nobody knows which "
		                    "files are needed, so nothing is removed",
		                    "lodemill state ls says what is wrong with each");
	}
	result = store_open(prune->self->folder, &options, &prune->store, why);
	if (result == -EAGAIN) {
		return prune_failed(why, "a job removes old epochs itself; stop it first, or ask "
		                         "with --dry-run");
	}
	return result == 0 ? CLI_OK
	                   : prune_failed(why, result == -EACCES ? "run this as the user of the job"
	                                                         : NULL);
}

static int
prune_remove(struct prune *prune)
{
	struct store_pruned pruned;
	int result = store_prune(prune->store, prune->self->keep, &pruned);

	if (result != 0) {
		return prune_failed(store_why(prune->store), "what is left is whole; try again");
	}
	/* What is told is what was done. */
	prune->files = pruned.files;
	if (pruned.epochs != prune->epochs) {
		return prune_failed("other epochs are gone than those that were to go", NULL);
	}
	return CLI_OK;
}

static int
prune_all(struct prune *prune)
{
	int status = prune->self->dry_run ? CLI_OK : prune_take(prune);
	int result = 0;

	if (status != CLI_OK) {
		return status;
	}
	if (prune->store != NULL) {
		/* Nobody else changes it from here on. */
		store_list_free(&prune->list);
		result = store_list_read(prune->self->folder, &prune->list);
	}
	result = result == 0 ? prune_look(prune) : result;
	result = result == 0 ? prune_decide(prune) : result;
	if (result != 0) {
		return prune_failed(strerror(-result), "nothing was removed");
	}
	if (prune->store != NULL) {
		status = prune_remove(prune);
	}
	if (status != CLI_OK) {
		return status;
	}
	result = prune->self->json ? prune_json(prune) : prune_print(prune);
	return cli_state_end(prune->self, result, CLI_OK);
}

int
cli_state_prune(const struct cli_state *self)
{
	struct prune prune = { .self = self };
	struct state_trouble trouble;
	int status;

	if (self->keep == 0) {
		fprintf(stderr, "error: how many good epochs are to stay? --keep N\n"
		                "   = help: a job keeps 2 unless its topology says otherwise\n");
		return CLI_USAGE;
	}
	if (state_folder_read(self->folder, &prune.list, &trouble) != 0) {
		return cli_state_trouble(&trouble);
	}
	if (prune.list.count == 0) {
		fprintf(stderr, "error: %s: no epoch was ever committed in it\n", self->folder);
		store_list_free(&prune.list);
		return CLI_USAGE;
	}
	status = prune_all(&prune);
	store_close(prune.store);
	store_list_free(&prune.list);
	free(prune.line);
	return status;
}
