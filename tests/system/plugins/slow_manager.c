/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A manager that says all it hears, asks for what its argument says (METHOD PARAMETERS) once a
 * second, and takes too long at every third tick of its timer. It counts its ticks over all lives.
 */
#include "mgmt/lm_manager.h"

#include <stdio.h>
#include <string.h>

struct slow {
	uint64_t ticks, probes, custom;
};

static int
slow_open(struct lm_manager *manager)
{
	if (strcmp(lm_manager_argument(manager), "no") == 0) {
		lm_manager_log(manager, "it is told not to");
		return -1;
	}
	lm_manager_timer(manager, 100000000);
	lm_manager_log(manager, "opens for %s", lm_manager_topology(manager));
	return 0;
}

static void
slow_close(struct lm_manager *manager)
{
	char why[200];

	if (lm_manager_submit(manager, "synchronize", NULL, why, sizeof(why)) == 0) {
		lm_manager_log(manager, "closes: %s", why);
	}
}

static void
slow_timer(struct lm_manager *manager)
{
	struct slow *slow = lm_manager_context(manager);
	const char *argument = lm_manager_argument(manager);
	const char *params = strchr(argument, ' ');
	char method[100], why[300];
	int64_t until_ns = lm_manager_now_ns(manager);

	slow->ticks++;
	lm_manager_save(manager);
	if (slow->ticks % 3 == 0) {
		until_ns += 2 * LM_MANAGER_LATE_NS;
	}
	while (lm_manager_now_ns(manager) < until_ns) {
	}
	if (argument[0] == '\0' || slow->ticks % 10 != 0) {
		return;
	}
	snprintf(method, sizeof(method), "%.*s", (int)strcspn(argument, " "), argument);
	if (lm_manager_submit(manager, method, params, why, sizeof(why)) == 0) {
		lm_manager_log(manager, "refused: %s", why);
	}
}

static void
slow_completed(struct lm_manager *manager, const struct lm_action *action)
{
	lm_manager_log(manager, "hears: %s %s %s: %s", action->kind, action->what,
	               action->done ? "done" : "failed", action->reason);
}

static void
slow_probe(struct lm_manager *manager, const struct lm_probe *probe)
{
	struct slow *slow = lm_manager_context(manager);
	const struct lm_probe_slice *last = probe->slice(probe, probe->slice_count - 1);

	if (++slow->probes == 3) {
		lm_manager_log(manager,
		               "probe %s/%u in %d rows %d bytes, %u lcores, cpu %d memory %d%s",
		               last->op, last->slice, last->rows_in > 0, last->bytes_in > 0,
		               probe->lcore_count, probe->cpu > 0, probe->memory > 0,
		               probe->slice(probe, probe->slice_count) == NULL ? "" : " and more");
	}
}

static void
slow_custom(struct lm_manager *manager, const struct lm_custom_probe *probe)
{
	struct slow *slow = lm_manager_context(manager);

	/* Generators count something of their own, too. */
	if (strcmp(probe->name, "late") == 0 && slow->custom++ == 0) {
		lm_manager_log(manager, "custom %s/%u %s", probe->op, probe->slice, probe->name);
	}
}

static void
slow_serialize(struct lm_manager *manager, struct lm_writer *writer)
{
	const struct slow *slow = lm_manager_context(manager);

	lm_write_u64(writer, slow->ticks);
}

static void
slow_deserialize(struct lm_manager *manager, struct lm_reader *reader, uint32_t version)
{
	struct slow *slow = lm_manager_context(manager);

	slow->ticks = lm_read_u64(reader);
	lm_manager_log(manager, "version %u remembers %llu ticks", version,
	               (unsigned long long)slow->ticks);
}

static const struct lm_manager_class slow_class = {
	.abi_version = LM_MANAGER_ABI_VERSION,
	.name = "slow",
	.version = "3.1",
	.context_size = sizeof(struct slow),
	.open = slow_open,
	.close = slow_close,
	.on_action_completed = slow_completed,
	.on_performance_probe = slow_probe,
	.on_custom_probe = slow_custom,
	.on_timer = slow_timer,
	.serialize_state = slow_serialize,
	.deserialize_state = slow_deserialize,
	.state_version = 7,
};

const struct lm_manager_class *
lm_manager_plugin(void)
{
	return &slow_class;
}
