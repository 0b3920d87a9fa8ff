/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a manager that was loaded: found, opened, called and timed, remembered, closed. */
#include "mgmt/host.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "mgmt/host_struct.h"

/* The file beside the journal, and what stands in front of the manager's own bytes in it. */
#define STATE_NAME "loaded"
#define NAME_MAX_BYTES 32u

struct state_header {
	char name[NAME_MAX_BYTES];
	uint32_t version, zero;
};

typedef const struct lm_manager_class *manager_plugin_fn(void);

/* Loading. */

static bool
is_name(const char *name)
{
	size_t length = name == NULL ? 0 : strlen(name);

	if (length == 0 || length >= NAME_MAX_BYTES || !islower((unsigned char)name[0])) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    name[i] != '_') {
			return false;
		}
	}
	return true;
}

/* Why the class cannot be used; NULL: it can. */
static const char *
class_fault(const struct lm_manager_class *class)
{
	uint32_t major, minor;

	if (class == NULL) {
		return LM_MANAGER_ENTRY " returns NULL";
	}
	major = class->abi_version >> 16;
	minor = class->abi_version & 0xffffu;
	if (major != LM_MANAGER_ABI_MAJOR) {
		return "it is of another ABI: build it again with the headers of this lodemill";
	}
	if (minor > LM_MANAGER_ABI_MINOR) {
		return "it is of a newer ABI: build it with the headers of this lodemill, or run a "
		       "newer one";
	}
	if (!is_name(class->name) || class->version == NULL) {
		return "its class has no name of the form [a-z][a-z0-9_]*, or no version";
	}
	if ((class->serialize_state == NULL) != (class->deserialize_state == NULL)) {
		return "its class has one of serialize_state and deserialize_state, not both";
	}
	return NULL;
}

/* Finds the class. 0, or -errno and why. */
static int
find_class(struct lm_manager *manager, const char *path, char why[HOST_WHY])
{
	manager_plugin_fn *entry;
	const char *fault = NULL;

	manager->object = path[0] == '\0' ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (manager->object == NULL) {
		const char *error = path[0] == '\0' ? "name a shared object" : dlerror();

		snprintf(why, HOST_WHY, "cannot load \"%s\": %s", path,
		         error == NULL ? "unknown reason" : error);
		return -ENOENT;
	}
	*(void **)&entry = dlsym(manager->object, LM_MANAGER_ENTRY);
	if (entry == NULL) {
		fault = "it has no function " LM_MANAGER_ENTRY ", see mgmt/lm_manager.h";
	} else {
		manager->class = entry();
		fault = class_fault(manager->class);
	}
	if (fault != NULL) {
		snprintf(why, HOST_WHY, "\"%s\": %s", path, fault);
	}
	return fault == NULL ? 0 : -EINVAL;
}

int
host_load(const struct host_options *options, struct lm_manager **result, char why[HOST_WHY])
{
	struct lm_manager *manager;
	int error;

	*result = NULL;
	if (options->path == NULL) {
		return 0;
	}
	manager = calloc(1, sizeof(*manager));
	if (manager == NULL) {
		snprintf(why, HOST_WHY, "no memory");
		return -ENOMEM;
	}
	manager->argument = options->argument == NULL ? "" : options->argument;
	error = find_class(manager, options->path, why);
	if (error == 0) {
		manager->context = calloc(1, manager->class->context_size + 1);
		error = manager->context == NULL ? -ENOMEM : 0;
	}
	if (error != 0) {
		host_close(manager);
		return error;
	}
	*result = manager;
	return 0;
}

/* What it remembers. */

static void
save(struct lm_manager *manager)
{
	struct state_header header = { .version = manager->class->state_version };
	char bytes[sizeof(header) + LM_MANAGER_STATE_MAX];
	struct lm_writer writer = { .bytes = bytes + sizeof(header), .max = LM_MANAGER_STATE_MAX };
	int result;

	manager->is_changed = false;
	if (manager->class->serialize_state == NULL || manager->job.folder == NULL) {
		return;
	}
	snprintf(header.name, sizeof(header.name), "%s", manager->class->name);
	memcpy(bytes, &header, sizeof(header));
	manager->class->serialize_state(manager, &writer);
	result = writer.failed ? -E2BIG
	                       : journal_keep(manager->job.folder, STATE_NAME, manager->job.job,
	                                      bytes, (uint32_t)sizeof(header) + writer.size);
	if (result != 0 && !manager->is_save_failing) {
		env_log(3, "what manager %s remembers cannot be kept: %s", manager->class->name,
		        writer.failed ? "it is more than LM_MANAGER_STATE_MAX" : strerror(-result));
	}
	manager->is_save_failing = result != 0;
	manager->is_changed = result != 0;
}

/* What it remembered when it ran last. False: it cannot be read; said. */
static bool
restore(struct lm_manager *manager)
{
	struct state_header header;
	struct lm_reader reader;
	uint32_t size;
	void *bytes;
	int result;

	if (manager->class->deserialize_state == NULL || manager->job.folder == NULL) {
		return true;
	}
	result = journal_kept(manager->job.folder, STATE_NAME, manager->job.job, &bytes, &size);
	if (result != 0 && result != -EBADMSG) {
		fprintf(stderr, "error: %s/manager/" STATE_NAME ": %s\n", manager->job.folder,
		        strerror(-result));
		return false;
	}
	if (result == -EBADMSG) {
		fprintf(stderr,
		        "warning: %s/manager/" STATE_NAME
		        " is damaged: manager %s begins with nothing\n",
		        manager->job.folder, manager->class->name);
	}
	if (size >= sizeof(header)) {
		memcpy(&header, bytes, sizeof(header));
		header.name[sizeof(header.name) - 1] = '\0';
		if (strcmp(header.name, manager->class->name) == 0) {
			reader = (struct lm_reader){ .bytes = (char *)bytes + sizeof(header),
				                     .size = size - sizeof(header) };
			manager->class->deserialize_state(manager, &reader, header.version);
		}
	}
	free(bytes);
	return true;
}

/* Calling it. */

static void
call_end(struct lm_manager *manager, int64_t begun_ns, const char *name)
{
	int64_t took_ns = env_now_ns() - begun_ns;
	struct view_loaded *counts = &manager->counts;

	counts->calls++;
	counts->longest_ns = took_ns > counts->longest_ns ? took_ns : counts->longest_ns;
	if (took_ns > LM_MANAGER_LATE_NS) {
		counts->late++;
		env_log(4,
		        "manager %s: %s took %.1f ms: it holds up epochs and the control socket; "
		        "it must not take more than %d ms",
		        manager->class->name, name, (double)took_ns / 1e6,
		        LM_MANAGER_LATE_NS / 1000000);
	}
}

static void
save_if_changed(struct lm_manager *manager)
{
	if (manager->is_changed) {
		save(manager);
	}
}

bool
host_open(struct lm_manager *manager, const struct host_job *job)
{
	if (manager == NULL) {
		return true;
	}
	manager->job = *job;
	manager->told = control_completed_before(job->control);
	if (manager->class->open != NULL && manager->class->open(manager) != 0) {
		fprintf(stderr, "error: manager %s does not open\n", manager->class->name);
		return false;
	}
	manager->is_open = true;
	return restore(manager);
}

static void
tell_completed(struct lm_manager *manager, const struct action *action)
{
	struct lm_action told = { .id = action->id,
		                  .kind = action_kind_text(action->kind),
		                  .what = action->what,
		                  .done = action->state == ACTION_DONE,
		                  .reason = action->reason,
		                  .epoch = action->epoch,
		                  .pause_ns = action->pause_ns,
		                  .took_ns = (uint64_t)(action->ended_ns - action->asked_ns),
		                  .uid = action->uid };
	int64_t begun_ns;

	begun_ns = env_now_ns();
	manager->class->on_action_completed(manager, &told);
	call_end(manager, begun_ns, "on_action_completed");
}

static void
run_timer(struct lm_manager *manager)
{
	int64_t begun_ns;

	begun_ns = env_now_ns();
	if (manager->period_ns == 0 || begun_ns < manager->due_ns) {
		return;
	}
	/* What was missed is not made up. */
	manager->due_ns += (int64_t)manager->period_ns;
	if (manager->due_ns <= begun_ns) {
		manager->due_ns = begun_ns + (int64_t)manager->period_ns;
	}
	manager->class->on_timer(manager);
	call_end(manager, begun_ns, "on_timer");
}

void
host_step(struct lm_manager *manager)
{
	struct action action;

	if (manager == NULL || !manager->is_open) {
		return;
	}
	while (manager->class->on_action_completed != NULL &&
	       control_completed(manager->job.control, &manager->told, &action)) {
		tell_completed(manager, &action);
	}
	if (manager->class->on_timer != NULL) {
		run_timer(manager);
	}
	save_if_changed(manager);
}

/* Every gauge of every slice. */
static void
tell_custom(struct lm_manager *manager, const struct sample *now, const struct sample *before)
{
	for (uint32_t i = 0; i < manager->probe.probe.slice_count; i++) {
		const struct sample_operator *op = &now->op[now->slice[i].op];

		for (uint32_t gauge = 0; gauge < SAMPLE_GAUGES; gauge++) {
			struct lm_custom_probe custom = {
				.op = op->name,
				.slice = manager->probe.slice[i].slice,
				.name = op->gauge_name[gauge],
				.value = now->slice[i].gauges[gauge],
				.before = before->slice[i].gauges[gauge],
			};
			int64_t begun_ns;

			if (custom.name[0] == '\0') {
				continue;
			}
			begun_ns = env_now_ns();
			manager->class->on_custom_probe(manager, &custom);
			call_end(manager, begun_ns, "on_custom_probe");
		}
	}
}

void
host_probe(struct lm_manager *manager, const struct sample *now, const struct sample *before)
{
	const struct lm_probe *probe;
	int64_t begun_ns;

	if (manager == NULL || !manager->is_open) {
		return;
	}
	probe = host_probe_make(&manager->probe, now, before);
	if (probe != NULL && manager->class->on_performance_probe != NULL) {
		begun_ns = env_now_ns();
		manager->class->on_performance_probe(manager, probe);
		call_end(manager, begun_ns, "on_performance_probe");
	}
	if (probe != NULL && manager->class->on_custom_probe != NULL) {
		tell_custom(manager, now, before);
	}
	save_if_changed(manager);
}

const char *
host_name(const struct lm_manager *manager)
{
	return manager == NULL ? "" : manager->class->name;
}

const char *
host_version(const struct lm_manager *manager)
{
	return manager == NULL ? "" : manager->class->version;
}

void
host_counts(const struct lm_manager *manager, struct view_loaded *counts)
{
	*counts = manager == NULL ? (struct view_loaded){ 0 } : manager->counts;
}

void
host_close(struct lm_manager *manager)
{
	if (manager == NULL) {
		return;
	}
	if (manager->is_open) {
		save(manager);
		manager->is_open = false;
		if (manager->class->close != NULL) {
			manager->class->close(manager);
		}
	}
	host_probe_free(&manager->probe);
	free(manager->context);
	if (manager->object != NULL) {
		dlclose(manager->object);
	}
	free(manager);
}
