/* SPDX-License-Identifier: BSD-3-Clause */
/* The key `state:` of a topology file: where snapshots go, and how. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/config_build.h"

enum {
	STATE_FOLDER,
	STATE_KEEP,
	STATE_COMPRESS,
	STATE_LEVEL,
	STATE_PACE,
	STATE_TIMEOUT,
	STATE_FULL_AFTER,
	STATE_VERIFY,
	STATE_KEYS
};

static const char *const state_keys[STATE_KEYS] = { "folder", "keep",    "compress",   "level",
	                                            "pace",   "timeout", "full_after", "verify" };

/* By enum lm_state_codec. */
static const char *const state_codecs[] = { "none", "lz4", "zstd", "zeroes" };
#define STATE_CODECS (sizeof(state_codecs) / sizeof(state_codecs[0]))
static_assert(STATE_CODECS == LM_STATE_ZEROES + 1, "a name for each");

static void
state_codec(struct build *build, const struct config_node *node, const char *path,
            struct lm_state *state)
{
	char hint[120];

	for (uint32_t i = 0; i < STATE_CODECS; i++) {
		if (strcmp(node->text, state_codecs[i]) == 0) {
			state->codec = i;
			return;
		}
	}
	text_hint(node->text, "codecs", state_codecs, STATE_CODECS, hint, sizeof(hint));
	setting_fail(build, node, path, hint, "a way to compress");
}

/* Bytes per second; "none" and 0: none, or no bound. */
static void
state_rate(struct build *build, const struct config_node *node, const char *path, uint64_t *value)
{
	if (strcmp(node->text, "none") == 0) {
		*value = 0;
	} else if (text_size(node->text, value) != 0) {
		setting_fail(build, node, path, "write bytes per second like 500MB, or none",
		             "a size");
	}
}

static void
build_state_key(struct build *build, const struct config_node *node, uint32_t key)
{
	struct lm_state *state = lm_topology_state(build->topology);
	uint32_t level = 0;
	char path[60];

	snprintf(path, sizeof(path), "state.%s", state_keys[key]);
	if (build_scalar(build, node, path) == NULL) {
		return;
	}
	switch (key) {
	case STATE_FOLDER:
		build_result(build, lm_topology_state_folder(build->topology, node->text), node,
		             path);
		break;
	case STATE_KEEP:
		setting_number(build, node, path, 1, 1000, &state->keep);
		break;
	case STATE_COMPRESS:
		state_codec(build, node, path, state);
		break;
	case STATE_LEVEL:
		setting_number(build, node, path, 1, 19, &level);
		state->level = (int)level;
		break;
	case STATE_PACE:
		state_rate(build, node, path, &state->pace);
		break;
	case STATE_TIMEOUT:
		setting_duration(build, node, path, &state->timeout_ns);
		break;
	case STATE_FULL_AFTER:
		setting_number(build, node, path, 1, 60, &state->full_after);
		break;
	default:
		state_rate(build, node, path, &state->verify);
		break;
	}
}

void
build_state(struct build *build, const struct config_node *node)
{
	if (!build_is_map(build, node, "state", "write state: {folder: PATH}")) {
		return;
	}
	build->topology->state_place = node->place;
	for (uint32_t i = 0; i < node->child_count; i += 2) {
		uint32_t key = build_key(build, node, i, "state", state_keys, STATE_KEYS);

		if (key != LM_NONE) {
			build_state_key(build, node->child[i + 1], key);
		}
	}
}
