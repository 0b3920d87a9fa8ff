/* SPDX-License-Identifier: BSD-3-Clause */
/* The key `elastic:` of a topology file: how many lcores, and who decides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/config_build.h"
#include "mgmt/config_load.h"

enum {
	ELASTIC_POLICY,
	ELASTIC_LCORES,
	ELASTIC_HIGH,
	ELASTIC_LOW,
	ELASTIC_TARGET,
	ELASTIC_GAIN,
	ELASTIC_INTERVAL,
	ELASTIC_GUARD,
	ELASTIC_HOLD,
	ELASTIC_MOVES,
	ELASTIC_DRY_RUN,
	ELASTIC_KEYS
};

static const char *const elastic_keys[ELASTIC_KEYS] = { "policy", "lcores", "high",     "low",
	                                                "target", "gain",   "interval", "guard",
	                                                "hold",   "moves",  "dry_run" };

/* By enum lm_elastic_policy. */
static const char *const elastic_policies[] = { "off", "static", "threshold", "model" };

#define INTERVAL_MIN_NS UINT64_C(10000000)

int
config_elastic_policy(const char *text, uint32_t *policy)
{
	for (uint32_t i = 0; i <= LM_ELASTIC_MODEL; i++) {
		if (strcmp(text, elastic_policies[i]) == 0) {
			*policy = i;
			return 0;
		}
	}
	return -1;
}

const char *
config_elastic_hint(const char *text, char *hint, size_t size)
{
	return text_hint(text, "policies", elastic_policies, LM_ELASTIC_MODEL + 1, hint, size);
}

/* A number of lcores; 0: it is none. */
static uint32_t
lcores_number(const char *text, size_t length)
{
	char digits[8] = "";
	uint64_t number;

	if (length == 0 || length >= sizeof(digits)) {
		return 0;
	}
	memcpy(digits, text, length);
	return text_u64(digits, &number) == 0 && number <= LM_WORKERS_MAX ? (uint32_t)number : 0;
}

/* "4": as many at most; "2-8": at least and at most. */
static void
elastic_lcores(struct build *build, const struct config_node *node, const char *path,
               struct lm_elastic *elastic)
{
	const char *dash = strchr(node->text, '-');
	const char *last = dash == NULL ? node->text : dash + 1;
	uint32_t min = dash == NULL ? 1 : lcores_number(node->text, (size_t)(dash - node->text));
	uint32_t max = lcores_number(last, strlen(last));

	if (min == 0 || max < min) {
		setting_fail(build, node, path, "write 8 or 2-8",
		             "a number of lcores, or the least and the most");
		return;
	}
	elastic->lcores_min = min;
	elastic->lcores_max = max;
}

/* Above 0, 1 at most. */
static void
elastic_share(struct build *build, const struct config_node *node, const char *path, double *value)
{
	double share;

	if (text_f64(node->text, &share) != 0 || !(share > 0) || !(share <= 1)) {
		setting_fail(build, node, path, "write a share of an lcore like 0.8",
		             "a number above 0, 1 at most");
		return;
	}
	*value = share;
}

static void
elastic_interval(struct build *build, const struct config_node *node, const char *path,
                 uint64_t *value)
{
	uint64_t ns;

	if (!setting_duration(build, node, path, &ns)) {
		return;
	}
	if (ns < INTERVAL_MIN_NS) {
		setting_fail(build, node, path, "counters say nothing about less", "10ms or more");
		return;
	}
	*value = ns;
}

static void
build_elastic_key(struct build *build, const struct config_node *node, uint32_t key)
{
	struct lm_elastic *elastic = lm_topology_elastic(build->topology);
	char path[60], hint[120];

	snprintf(path, sizeof(path), "elastic.%s", elastic_keys[key]);
	if (build_scalar(build, node, path) == NULL) {
		return;
	}
	switch (key) {
	case ELASTIC_POLICY:
		if (config_elastic_policy(node->text, &elastic->policy) != 0) {
			setting_fail(build, node, path,
			             config_elastic_hint(node->text, hint, sizeof(hint)),
			             "a policy");
		}
		break;
	case ELASTIC_LCORES:
		elastic_lcores(build, node, path, elastic);
		break;
	case ELASTIC_HIGH:
		elastic_share(build, node, path, &elastic->high);
		break;
	case ELASTIC_LOW:
		elastic_share(build, node, path, &elastic->low);
		break;
	case ELASTIC_TARGET:
		elastic_share(build, node, path, &elastic->target);
		break;
	case ELASTIC_GAIN:
		elastic_share(build, node, path, &elastic->gain);
		break;
	case ELASTIC_INTERVAL:
		elastic_interval(build, node, path, &elastic->interval_ns);
		break;
	case ELASTIC_GUARD:
		setting_duration(build, node, path, &elastic->guard_ns);
		break;
	case ELASTIC_HOLD:
		setting_number(build, node, path, 1, 1000, &elastic->hold);
		break;
	case ELASTIC_MOVES:
		setting_number(build, node, path, 1, 256, &elastic->moves);
		break;
	default:
		if (text_bool(node->text, &elastic->dry_run) != 0) {
			setting_fail(build, node, path, "write true or false", "true or false");
		}
		break;
	}
}

/* Marks that are not in order would let lcores come and go for ever. */
static void
check_marks(struct build *build, const struct config_node *node)
{
	const struct lm_elastic *elastic = &build->topology->elastic;

	if (elastic->low > elastic->target || elastic->target >= elastic->high) {
		lm_errors_add(build->errors, node->place, "write low: 0.6, target: 0.7, high: 0.85",
		              "elastic: low (%g) must not be above target (%g), and target must be "
		              "below high (%g)",
		              elastic->low, elastic->target, elastic->high);
	}
}

void
build_elastic(struct build *build, const struct config_node *node)
{
	struct lm_elastic *elastic = lm_topology_elastic(build->topology);
	uint32_t errors = build->errors->count;

	if (!build_is_map(build, node, "elastic", "write elastic: {policy: model}")) {
		return;
	}
	elastic->policy = LM_ELASTIC_MODEL;
	for (uint32_t i = 0; i < node->child_count; i += 2) {
		uint32_t key = build_key(build, node, i, "elastic", elastic_keys, ELASTIC_KEYS);

		if (key != LM_NONE) {
			build_elastic_key(build, node->child[i + 1], key);
		}
	}
	if (build->errors->count == errors) {
		check_marks(build, node);
	}
}
