/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

/* What the files that build a topology from a config tree share: config_load.c and its parts. */

#include "core/topology.h"
#include "mgmt/config_tree.h"

/* Values of a topology, those of an alias counted each time. */
#define CONFIG_VALUES_MAX 131072u
/* Keys of a mapping whose keys are known. */
#define CONFIG_KEYS_MAX 256u

struct build {
	const char *file;
	struct lm_topology *topology;
	struct lm_errors *errors;
	uint32_t values;
};

/* config_load.c. `path` says where: "settings.credit". */
/* Counts a value; false, reported once, when there are too many. */
bool build_count(struct build *build, const struct config_node *node);
bool build_is_map(struct build *build, const struct config_node *node, const char *path,
                  const char *form);
/* The text of a value, or NULL: after reporting, or because that was done before. */
const char *build_scalar(struct build *build, const struct config_node *node, const char *path);
/* The place of `length` bytes at byte `at` of a text, if it stands there letter by letter. */
struct lm_place build_place(const struct config_node *node, uint32_t at, uint32_t length);
/* Which of `keys` stands at child `index` of a mapping; LM_NONE after reporting. */
uint32_t build_key(struct build *build, const struct config_node *map, uint32_t index,
                   const char *path, const char *const *keys, uint32_t count);
/* Reports what a function of lm_topology.h could not take in. */
void build_result(struct build *build, int rc, const struct config_node *node, const char *path);

/* config_settings.c */
void build_settings(struct build *build, const struct config_node *node);
/* The value of a setting into *value, or a report of what is wrong with it. */
bool setting_duration(struct build *build, const struct config_node *node, const char *path,
                      uint64_t *value);
void setting_number(struct build *build, const struct config_node *node, const char *path,
                    uint32_t min, uint32_t max, uint32_t *value);
void setting_fail(struct build *build, const struct config_node *node, const char *path,
                  const char *hint, const char *what);
/* config_state.c: the key `state:` */
void build_state(struct build *build, const struct config_node *node);
/* config_elastic.c: the key `elastic:` */
void build_elastic(struct build *build, const struct config_node *node);
/* config_operators.c */
void build_operators(struct build *build, const struct config_node *node);
/* config_inputs.c: what stands behind `input:` or `inputs:` of an operator. */
void build_inputs(struct build *build, struct topology_operator *op, const struct config_node *node,
                  bool named);

#endif
