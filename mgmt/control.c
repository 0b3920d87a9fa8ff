/* SPDX-License-Identifier: BSD-3-Clause */
/* The control interface: its life, and what its two threads hand over to each other. */
#include "mgmt/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mgmt/control_struct.h"

int
control_open(struct control **result, const char *path, const struct peer_grants *grants,
             char why[256])
{
	struct control *control = calloc(1, sizeof(*control));
	int error;

	*result = NULL;
	if (control == NULL) {
		snprintf(why, 256, "no memory");
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		control->client[i].socket = -1;
	}
	control->grants = *grants;
	control->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&control->lock, NULL);
	manager_init(&control->shared.manager);
	control->socket.listener = -1;
	error =
	    path == NULL ? 0 : control_socket_open(&control->socket, path, grants->count > 0, why);
	if (error != 0) {
		control_close(control);
		return error;
	}
	*result = control;
	return 0;
}

const char *
control_path(const struct control *control)
{
	return control->socket.path;
}

int
control_journal(struct control *control, const struct journal_options *options,
                char why[JOURNAL_WHY])
{
	struct journal_options whole = *options;

	whole.moved_by = control->kept.moved_by;
	return journal_open(&whole, &control->shared.manager, &control->journal, why);
}

int
control_settings(struct control *control, const char *folder, uint64_t job, char why[JOURNAL_WHY])
{
	return kept_open(&control->kept, folder, job, why);
}

struct kept *
control_kept(struct control *control)
{
	return &control->kept;
}

/* It holds all the same. */
static void
write_kept(struct control *control)
{
	int result = kept_write(&control->kept);

	if (result != 0) {
		env_log(4,
		        "%s/manager/settings cannot be written, the next start does not know: %s",
		        control->kept.folder, strerror(-result));
	}
}

void
control_moved(struct control *control, uint64_t action, const struct kept_place *place,
              uint32_t count)
{
	struct kept *kept = &control->kept;

	pthread_mutex_lock(&control->lock);
	for (uint32_t i = 0; i < count; i++) {
		(void)kept_place(kept, place[i].op, place[i].slice, place[i].lcore);
	}
	kept->moved_by = action > kept->moved_by ? action : kept->moved_by;
	write_kept(control);
	pthread_mutex_unlock(&control->lock);
}

void
control_prune(struct control *control,
              bool (*stays)(const struct kept_place *place, const void *arg), const void *arg)
{
	uint32_t before;

	pthread_mutex_lock(&control->lock);
	before = control->kept.place_count;
	kept_prune(&control->kept, stays, arg);
	if (control->kept.place_count != before) {
		write_kept(control);
	}
	pthread_mutex_unlock(&control->lock);
}

void
control_levels(struct control *control)
{
	pthread_mutex_lock(&control->lock);
	write_kept(control);
	pthread_mutex_unlock(&control->lock);
}

static int
picture_init(struct picture *picture, const struct sample *sample)
{
	int error = sample_alloc(&picture->sample, &sample->shape);

	error = error != 0 ? error : sample_alloc(&picture->probe, &sample->shape);
	if (error != 0) {
		return error;
	}
	memcpy(picture->sample.block, sample->block, sample->size);
	memcpy(picture->probe.block, sample->block, sample->size);
	return 0;
}

static void
picture_free(struct picture *picture)
{
	sample_free(&picture->sample);
	sample_free(&picture->probe);
}

int
control_start(struct control *control, const struct view_about *about, const struct sample *sample)
{
	int error = picture_init(&control->shared, sample);

	control->about = *about;
	error = error != 0 ? error : picture_init(&control->mine, sample);
	error = error != 0 ? error : sample_alloc(&control->before, &sample->shape);
	error = error != 0 ? error : rates_init(&control->rates, &sample->shape);
	if (error != 0) {
		return error;
	}
	control->shared.version = 1;
	control->shared.bottleneck = control->mine.bottleneck = LM_NONE;
	memcpy(control->before.block, sample->block, sample->size);
	control->mine.manager = control->shared.manager;
	return control->socket.listener < 0
	           ? 0
	           : env_thread_start(&control->thread, "lm-control", control_serve, control);
}

static void
wake_up(const struct control *control)
{
	uint64_t one = 1;

	/* Full is as good: it wakes up. */
	(void)!write(control->wake, &one, sizeof(one));
}

void
control_publish(struct control *control, const struct control_picture *picture)
{
	struct picture *shared = &control->shared;

	pthread_mutex_lock(&control->lock);
	if (sample_copy(&shared->sample, picture->sample) != 0) {
		pthread_mutex_unlock(&control->lock);
		env_log(4, "no memory to show what the job is like now");
		return;
	}
	if (picture->snapshots != NULL) {
		shared->snapshots = *picture->snapshots;
	}
	if (picture->loaded != NULL) {
		shared->loaded = *picture->loaded;
	}
	shared->plugins = picture->plugins;
	shared->pages = picture->pages;
	if (picture->elastic != NULL && picture->elastic->version != shared->elastic.version) {
		shared->elastic = *picture->elastic;
		/* Who has asked and looks again finds what was asked for. */
		shared->elastic.is_frozen =
		    control->has_freeze ? control->freeze : shared->elastic.is_frozen;
	}
	shared->bottleneck = picture->bottleneck;
	shared->version++;
	pthread_mutex_unlock(&control->lock);
}

void
control_publish_probe(struct control *control, const struct sample *sample)
{
	pthread_mutex_lock(&control->lock);
	if (sample_copy(&control->shared.probe, sample) == 0) {
		control->shared.probe_number++;
	}
	pthread_mutex_unlock(&control->lock);
	wake_up(control);
}

enum manager_order
control_step(struct control *control, const struct manager_facts *facts,
             const struct snapshot_status *snapshots)
{
	struct manager *manager = &control->shared.manager;
	struct snapshot_status *shown = &control->shared.snapshots;
	enum manager_order order;
	uint64_t completed;

	pthread_mutex_lock(&control->lock);
	if (facts->has_snapshots &&
	    (shown->durable != snapshots->durable || shown->lost != snapshots->lost)) {
		*shown = *snapshots;
		control->shared.version++;
	}
	completed = manager->completed_count;
	order = manager_step(manager, facts);
	completed = manager->completed_count - completed;
	pthread_mutex_unlock(&control->lock);
	if (completed > 0) {
		wake_up(control);
	}
	return order;
}

void
control_report(struct control *control, const struct manager_report *report)
{
	pthread_mutex_lock(&control->lock);
	manager_report(&control->shared.manager, report, env_now_ns());
	pthread_mutex_unlock(&control->lock);
	wake_up(control);
}

bool
control_completed(struct control *control, uint64_t *told, struct action *action)
{
	const struct manager *manager = &control->shared.manager;
	const struct action *next = NULL;

	pthread_mutex_lock(&control->lock);
	/* Those that are forgotten already are passed over. */
	while (next == NULL && *told < manager->completed_count) {
		next = manager_completed(manager, (*told)++);
	}
	if (next != NULL) {
		*action = *next;
	}
	pthread_mutex_unlock(&control->lock);
	return next != NULL;
}

uint64_t
control_completed_before(struct control *control)
{
	uint64_t count;

	pthread_mutex_lock(&control->lock);
	count = control->shared.manager.completed_count;
	pthread_mutex_unlock(&control->lock);
	return count;
}

bool
control_is_inactive(struct control *control)
{
	bool is_inactive;

	pthread_mutex_lock(&control->lock);
	is_inactive = control->shared.manager.is_inactive;
	pthread_mutex_unlock(&control->lock);
	return is_inactive;
}

bool
control_current(struct control *control, struct action *action)
{
	const struct action *current;

	pthread_mutex_lock(&control->lock);
	current = manager_current(&control->shared.manager);
	if (current != NULL) {
		*action = *current;
	}
	pthread_mutex_unlock(&control->lock);
	return current != NULL;
}

bool
control_end_waits(struct control *control)
{
	bool waits;

	pthread_mutex_lock(&control->lock);
	waits = manager_end_waits(&control->shared.manager);
	pthread_mutex_unlock(&control->lock);
	return waits;
}

void
control_ending(struct control *control, int64_t now_ns)
{
	pthread_mutex_lock(&control->lock);
	manager_ending(&control->shared.manager, now_ns);
	pthread_mutex_unlock(&control->lock);
	wake_up(control);
}

void
control_end(struct control *control, const struct manager_facts *facts,
            enum manager_outcome outcome)
{
	pthread_mutex_lock(&control->lock);
	manager_end(&control->shared.manager, facts, outcome);
	pthread_mutex_unlock(&control->lock);
	wake_up(control);
}

uint64_t
control_actions_version(const struct manager *manager)
{
	return manager->changes;
}

/* The first of another graph: there is nothing to compare it with. */
static void
take_base(struct control *control, const struct sample *probe)
{
	struct rates rates;

	control->is_base = true;
	if (rates_init(&rates, &probe->shape) != 0) {
		return;
	}
	if (sample_copy(&control->before, probe) != 0) {
		rates_free(&rates);
		return;
	}
	(void)sample_copy(&control->mine.probe, probe); /* else it is tried with the next one */
	rates_free(&control->rates);
	control->rates = rates;
}

/* Only what was published has another shape than what is here. */
static void
take_probe(struct control *control, const struct sample *probe)
{
	struct picture *mine = &control->mine;

	if (!sample_compares(&mine->probe, probe)) {
		take_base(control, probe);
		return;
	}
	control->is_base = false;
	memcpy(control->before.block, mine->probe.block, probe->size);
	memcpy(mine->probe.block, probe->block, probe->size);
}

void
control_look(struct control *control)
{
	struct picture *mine = &control->mine;
	const struct picture *shared = &control->shared;

	pthread_mutex_lock(&control->lock);
	if (mine->version != shared->version) {
		if (sample_copy(&mine->sample, &shared->sample) == 0) {
			mine->elastic = shared->elastic;
			mine->bottleneck = shared->bottleneck;
			mine->version = shared->version;
		}
		mine->snapshots = shared->snapshots;
		mine->loaded = shared->loaded;
		mine->plugins = shared->plugins;
		mine->pages = shared->pages;
	}
	if (control_actions_version(&mine->manager) != control_actions_version(&shared->manager)) {
		mine->manager = shared->manager;
	}
	if (mine->probe_number != shared->probe_number) {
		take_probe(control, &shared->probe);
		mine->probe_number = shared->probe_number;
	}
	pthread_mutex_unlock(&control->lock);
}

uint64_t
control_submit(struct control *control, const struct action_ask *ask, struct action *action,
               enum manager_refusal *refusal)
{
	struct manager *manager = &control->shared.manager;
	uint64_t id;

	pthread_mutex_lock(&control->lock);
	id = manager_submit(manager, ask, env_now_ns(), refusal);
	if (id != 0) {
		*action = *manager_find(manager, id);
	}
	pthread_mutex_unlock(&control->lock);
	return id;
}

bool
control_find(struct control *control, uint64_t id, struct action *action)
{
	const struct action *found;

	pthread_mutex_lock(&control->lock);
	found = manager_find(&control->shared.manager, id);
	if (found != NULL) {
		*action = *found;
	}
	pthread_mutex_unlock(&control->lock);
	return found != NULL;
}

bool
control_freeze(struct control *control, bool is_frozen)
{
	struct elastic_view *elastic = &control->shared.elastic;
	bool is_elastic;

	pthread_mutex_lock(&control->lock);
	is_elastic = elastic->rules.policy > LM_ELASTIC_STATIC;
	if (is_elastic) {
		control->has_freeze = true;
		control->freeze = is_frozen;
		elastic->is_frozen = is_frozen;
		control->shared.version++;
		control->kept.is_frozen = is_frozen;
		if (!is_frozen) {
			kept_forget_places(&control->kept); /* they may go anywhere again */
		}
		write_kept(control);
	}
	pthread_mutex_unlock(&control->lock);
	return is_elastic;
}

bool
control_take_freeze(struct control *control, bool *is_frozen)
{
	bool has;

	pthread_mutex_lock(&control->lock);
	has = control->has_freeze;
	*is_frozen = control->freeze;
	control->has_freeze = false;
	pthread_mutex_unlock(&control->lock);
	return has;
}

void
control_close(struct control *control)
{
	if (control == NULL) {
		return;
	}
	__atomic_store_n(&control->stopping, true, __ATOMIC_RELEASE);
	if (control->wake >= 0) {
		wake_up(control);
	}
	env_thread_join(control->thread);
	control_socket_close(&control->socket);
	if (control->wake >= 0) {
		close(control->wake);
	}
	journal_close(control->journal);
	kept_close(&control->kept);
	picture_free(&control->shared);
	picture_free(&control->mine);
	sample_free(&control->before);
	rates_free(&control->rates);
	free(control->status.text);
	free(control->stats.text);
	pthread_mutex_destroy(&control->lock);
	free(control);
}
