/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

/*
 * YAML or JSON -> a small tree of texts, lists and mappings, each with its place. Bounded in size,
 * depth and number of nodes; an alias shares the node of its anchor, so a walk needs a bound of its
 * own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lm_engine.h"

/* Bytes of a file, nodes of a tree, depth of nesting: at most. */
#define CONFIG_SIZE_MAX (1u << 20)
#define CONFIG_NODES_MAX 65536u
#define CONFIG_DEPTH_MAX 16u

enum config_kind { CONFIG_TEXT, CONFIG_LIST, CONFIG_MAP };

struct config_node {
	enum config_kind kind;
	bool key;    /* of a mapping */
	bool null;   /* nothing stands there, or null or ~ */
	bool broken; /* what is wrong with it or in it was reported */
	bool open;   /* not read to its end yet */
	bool seen;   /* by a walk that comes by once */
	char *text;  /* TEXT */
	char *anchor;
	struct lm_place place;
	struct config_node **child; /* MAP: key, value, key, value, … */
	uint32_t child_count;
};

struct config_tree {
	struct config_node *root;
	struct config_node **node; /* all of them, owned */
	uint32_t node_count;
};

/* False after reporting; the tree is to be freed either way. */
bool config_tree_parse(struct config_tree *tree, const char *text, size_t size, bool json,
                       struct lm_errors *errors);
void config_tree_free(struct config_tree *tree);

#endif
