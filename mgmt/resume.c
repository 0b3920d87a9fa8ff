/* SPDX-License-Identifier: BSD-3-Clause */
/* Which topology a job goes on with. */
#include "mgmt/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plugin.h"
#include "mgmt/durability.h"
#include "mgmt/plugin_copies.h"

static uint32_t
slices_of(const struct topology_operator *op)
{
	return op->slices == 0 ? 1 : op->slices;
}

static uint32_t
slices_in(const struct resume_read *read, const char *op, uint32_t otherwise)
{
	for (uint32_t i = 0; i < read->slices_count; i++) {
		if (strcmp(read->slices[i].op, op) == 0) {
			return read->slices[i].slices;
		}
	}
	return otherwise;
}

/* Whether the topology that was read is what ran. */
static bool
is_same(const struct resume_read *read, const struct resume *resume, const struct job *job)
{
	for (uint32_t i = 0; i < job->topology->operator_count; i++) {
		const struct topology_operator *op = &job->topology->op[i];
		uint32_t slices = slices_of(op);

		if (slices_in(read, op->name, slices) != slices) {
			return false;
		}
	}
	return strcmp(read->digest, resume->file) == 0;
}

/* Whether the file is what it was at the start, or what was applied since. */
static bool
is_unchanged(const struct resume_read *read, const struct resume *resume)
{
	return strcmp(read->file, resume->file) == 0 || strcmp(read->digest, resume->file) == 0;
}

/* "flows: 4 slices, sums: 2 slices": where there are others than the text says, as far as there is
 * room. */
static void
take_slices(const struct resume_read *read, struct job *job, char text[200])
{
	size_t length = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < job->topology->operator_count; i++) {
		struct topology_operator *op = &job->topology->op[i];
		uint32_t slices = slices_in(read, op->name, slices_of(op));

		if (slices == slices_of(op)) {
			continue;
		}
		op->slices = slices;
		if (length < 100) {
			length += (size_t)snprintf(text + length, 200 - length, "%s%s: %u slices",
			                           length == 0 ? "" : ", ", op->name, slices);
		}
	}
}

/* Says which plugins are other ones now where they stand. */
static void
tell_code(const struct resume_options *options, const struct lm_topology *topology)
{
	char digest[PLUGIN_DIGEST];

	for (uint32_t i = 0; i < topology->plugin_count; i++) {
		const struct topology_plugin *plugin = &topology->plugin[i];
		bool is_there = plugin_digest_at(plugin->text, digest);

		if (plugin->copy != NULL && (!is_there || strcmp(digest, plugin->digest) != 0)) {
			fprintf(stderr,
			        "%s %s: going on with the code that ran, from %s; apply, or "
			        "--fresh-topology with %s, takes what is there\n",
			        plugin->text,
			        is_there ? "has other code by now" : "cannot be read any more",
			        plugin->copy, options->request->path);
		}
	}
}

static void
tell_way_out(const struct resume_options *options)
{
	fprintf(stderr,
	        "error: that is the topology that ran, as the snapshot has it; %s begins "
	        "anew with --fresh-topology\n",
	        options->request->path);
}

/* The topology that was read is what ran: with the code that it had. */
static bool
check_kept(const struct resume_read *read, const struct resume_options *options, struct job *job)
{
	struct lm_topology *topology = job->topology;
	const char *folder = durability_folder(topology, options->folder);
	char copy[PLUGIN_COPIES_PATH];
	bool good = true;

	for (uint32_t i = 0; good && i < topology->plugin_count && i < read->code_count; i++) {
		plugin_copies_path(folder, read->code[i], copy);
		good = topology_plugin_want(topology, i, read->code[i], copy) == 0;
	}
	if (!good || !job_check(job)) {
		tell_way_out(options);
		return false;
	}
	tell_code(options, topology);
	return true;
}

static bool
load_note(const struct resume_read *read, const struct resume_options *options, struct job *job)
{
	const char *path = options->request->path;
	char slices[200] = "", action[60] = "";

	if (!job_read_text(job, options->request, read->name, read->text, read->text_size)) {
		tell_way_out(options);
		return false;
	}
	take_slices(read, job, slices);
	if (!check_kept(read, options, job)) {
		return false;
	}
	if (read->changed_by != 0) {
		snprintf(action, sizeof(action), ", since action %" PRIu64, read->changed_by);
	}
	fprintf(stderr,
	        "going on with the topology that ran: %s as it was%s%s%s; --fresh-topology begins "
	        "with %s as it is\n",
	        read->name, action, slices[0] == '\0' ? "" : ", with ", slices, path);
	return true;
}

static void
pass_over(struct resume *resume, const struct resume_options *options)
{
	options->starts->passed_over = resume->note.epoch;
	resume->is_kept = false;
	resume->is_forgotten = true;
	resume->changed_by = 0;
}

/* The note is there and makes sense. */
static bool
choose(struct resume *resume, const struct resume_options *options, struct job *job,
       const struct resume_read *read)
{
	const char *path = options->request->path;
	bool is_told = strcmp(read->file, read->digest) != 0 || read->changed_by != 0;

	resume->is_kept = true;
	resume->changed_by = read->changed_by;
	if (is_same(read, resume, job)) {
		return check_kept(read, options, job);
	}
	if (is_unchanged(read, resume) || options->starts->count > 1) {
		return load_note(read, options, job);
	}
	if (is_told) {
		fprintf(stderr,
		        "%s has changed since the job ran: it is gone by, and what was applied or "
		        "rescaled meanwhile is forgotten\n",
		        path);
	}
	pass_over(resume, options);
	return true;
}

static bool
is_forgotten(struct resume *resume, const struct resume_options *options)
{
	if (options->is_fresh && options->starts->count <= 1) {
		fprintf(stderr, "--fresh-topology: what was applied or rescaled is forgotten\n");
		pass_over(resume, options);
	}
	return resume->note.epoch <= options->starts->passed_over;
}

/* False: reported. */
static bool
go_by_note(struct resume *resume, const struct resume_options *options, struct job *job,
           const char *folder)
{
	char why[SNAPSHOT_WHY];
	struct resume_read read;
	bool good;

	if (snapshots_read_note(folder, durability_job(job->topology->name), &resume->note, why) !=
	    0) {
		fprintf(stderr, "error: snapshots in %s\n", why);
		return false;
	}
	if (resume->note.bytes == NULL || is_forgotten(resume, options)) {
		return true;
	}
	good = resume_read(resume->note.bytes, resume->note.size, &read);
	if (good) {
		good = choose(resume, options, job, &read);
	} else {
		fprintf(stderr,
		        "error: snapshots in %s: the topology of epoch %" PRIu64
		        " was written by another version of lodemill: run that one, or begin with "
		        "%s by --fresh-topology\n",
		        folder, resume->note.epoch, options->request->path);
	}
	resume_read_free(&read);
	return good;
}

bool
resume_choose(struct resume *resume, const struct resume_options *options, struct job *job)
{
	const char *folder = durability_folder(job->topology, options->folder);

	*resume = (struct resume){ 0 };
	resume_digest(job->topology->source, job->topology->source_size, options->request->set,
	              resume->file);
	if (folder != NULL && !go_by_note(resume, options, job, folder)) {
		return false;
	}
	return job->graph != NULL || job_check(job);
}

const struct snapshot_note *
resume_note(const struct resume *resume)
{
	return resume->is_kept ? &resume->note : NULL;
}

void
resume_free(struct resume *resume)
{
	free(resume->note.bytes);
	*resume = (struct resume){ 0 };
}
