/* SPDX-License-Identifier: BSD-3-Clause */
/* The key `settings:` of a topology file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/text.h"
#include "mgmt/config_build.h"

enum {
	SETTING_EPOCH,
	SETTING_BATCH_ROWS,
	SETTING_CREDIT,
	SETTING_SLOTS,
	SETTING_PARTIAL,
	SETTING_SEED,
	SETTING_FUSE,
	SETTING_IDLE,
	SETTINGS
};

static const char *const setting_keys[SETTINGS] = { "epoch",   "batch_rows", "credit", "slots",
	                                            "partial", "seed",       "fuse",   "idle" };

/* By enum lm_idle. */
static const char *const setting_idles[] = { "sleep", "spin", "pause", "yield" };

void
setting_fail(struct build *build, const struct config_node *node, const char *path,
             const char *hint, const char *what)
{
	lm_errors_add(build->errors, node->place, hint, "%s: \"%.60s\" is not %s", path, node->text,
	              what);
}

bool
setting_duration(struct build *build, const struct config_node *node, const char *path,
                 uint64_t *value)
{
	if (text_duration(node->text, value) != 0) {
		setting_fail(build, node, path, "write a duration like 20us, 100ms, 1.5s or 5m",
		             "a duration");
		return false;
	}
	return true;
}

/* A number from `min` to `max`, a power of two if both are. */
void
setting_number(struct build *build, const struct config_node *node, const char *path, uint32_t min,
               uint32_t max, uint32_t *value)
{
	bool power = (min & (min - 1)) == 0 && min > 1;
	char what[80];
	uint64_t number;

	snprintf(what, sizeof(what), "%s from %u to %u", power ? "a power of two" : "a number", min,
	         max);
	if (text_u64(node->text, &number) != 0 || number < min || number > max ||
	    (power && (number & (number - 1)) != 0)) {
		setting_fail(build, node, path, NULL, what);
		return;
	}
	*value = (uint32_t)number;
}

static void
setting_idle(struct build *build, const struct config_node *node, const char *path,
             struct lm_settings *settings)
{
	char hint[120];

	for (uint32_t i = 0; i <= LM_IDLE_YIELD; i++) {
		if (strcmp(node->text, setting_idles[i]) == 0) {
			settings->idle = i;
			return;
		}
	}
	text_hint(node->text, "policies", setting_idles, LM_IDLE_YIELD + 1, hint, sizeof(hint));
	setting_fail(build, node, path, hint, "an idle policy");
}

static void
build_setting(struct build *build, const struct config_node *node, uint32_t key)
{
	struct lm_settings *settings = lm_topology_settings(build->topology);
	char path[60];

	snprintf(path, sizeof(path), "settings.%s", setting_keys[key]);
	if (build_scalar(build, node, path) == NULL) {
		return;
	}
	switch (key) {
	case SETTING_EPOCH:
		setting_duration(build, node, path, &settings->epoch_ns);
		break;
	case SETTING_BATCH_ROWS:
		setting_number(build, node, path, 1, LM_BATCH_ROWS, &settings->batch_rows);
		break;
	case SETTING_CREDIT:
		setting_number(build, node, path, EDGE_CREDIT_MIN, EDGE_CREDIT_MAX,
		               &settings->credit);
		break;
	case SETTING_SLOTS:
		setting_number(build, node, path, SLOTS_MIN, SLOTS_MAX, &settings->slots);
		break;
	case SETTING_PARTIAL:
		setting_duration(build, node, path, &settings->partial_ns);
		break;
	case SETTING_SEED:
		if (text_u64(node->text, &settings->seed) != 0) {
			setting_fail(build, node, path, "write a number; 0 takes a random one",
			             "a whole number");
		}
		break;
	case SETTING_FUSE:
		if (text_bool(node->text, &settings->fuse) != 0) {
			setting_fail(build, node, path, "write true or false", "true or false");
		}
		break;
	default:
		setting_idle(build, node, path, settings);
		break;
	}
}

void
build_settings(struct build *build, const struct config_node *node)
{
	if (!build_is_map(build, node, "settings", "write settings: {credit: 64}")) {
		return;
	}
	for (uint32_t i = 0; i < node->child_count; i += 2) {
		uint32_t key = build_key(build, node, i, "settings", setting_keys, SETTINGS);

		if (key != LM_NONE) {
			build_setting(build, node->child[i + 1], key);
		}
	}
}
