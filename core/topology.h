/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TOPOLOGY_H
#define TOPOLOGY_H

/*
 * A declared topology as core/graph.c reads it: only text, numbers and places. See lm_topology.h.
 * Who knows places more exactly than lm_topology_place can say (mgmt/config_load.c) writes them
 * here.
 */

#include "core/lm_engine.h"

struct topology_item {
	char *key; /* of a map entry, else NULL */
	char *text;
	struct lm_place place;
};

enum topology_shape { TOPOLOGY_TEXT, TOPOLOGY_LIST, TOPOLOGY_MAP };

struct topology_param {
	char *name;
	enum topology_shape shape;
	struct lm_place place;      /* of the name */
	struct topology_item *item; /* TEXT: one */
	uint32_t item_count;
};

/* A text stands in the file letter by letter where its place is as long as it has characters. */

struct topology_operator {
	char *name;
	char *type;            /* NULL: what is wrong with it was reported */
	bool inputs_reported;  /* something is wrong with its inputs and was reported */
	struct lm_place place; /* of the name */
	struct lm_place type_place;
	uint32_t slices; /* 0: not said */
	/* That it may come to have by itself; most 0: it keeps its number. */
	uint32_t slices_least, slices_most;
	struct lm_place slices_place;
	uint32_t *pin; /* lcores */
	uint32_t pin_count;
	struct lm_place pin_place;
	struct topology_param *param;
	uint32_t param_count;
};

struct topology_wire {
	struct lm_wire wire;   /* its texts are the topology's copies */
	struct lm_place place; /* of the whole; of its parts: */
	struct lm_place from_place, output_place, input_place, function_place;
	struct lm_place policy_place, credit_place, rate_place;
	struct lm_place column_place[LM_KEY_FIELDS_MAX];
};

struct topology_text {
	char *text;
	struct lm_place place;
};

/* What tells the content of a plugin from any other: hex digits. */
#define PLUGIN_DIGEST 33u

struct topology_plugin {
	char *text; /* its path */
	struct lm_place place;
	/* What is to be loaded is exactly that, from this copy or from where it stands; NULL:
	 * whatever stands there. */
	char *copy;
	char digest[PLUGIN_DIGEST];
};

struct lm_topology {
	char *name;
	struct lm_place name_place;
	char *file;   /* NULL: declared in C */
	char *source; /* what the file held; NULL: declared in C */
	size_t source_size;
	struct lm_place place; /* the current one */
	struct lm_settings settings;
	struct lm_state state;
	char *state_folder; /* state.folder */
	struct lm_place state_place;
	struct lm_elastic elastic;
	struct topology_operator *op;
	uint32_t operator_count;
	struct topology_wire *wire;
	uint32_t wire_count;
	struct topology_plugin *plugin;
	uint32_t plugin_count;
};

/* Parameters of an operator, items of a parameter, plugins, characters of a text: at most. */
#define TOPOLOGY_PARAMS_MAX 128u
#define TOPOLOGY_ITEMS_MAX 4096u
#define TOPOLOGY_PLUGINS_MAX 64u
#define TOPOLOGY_TEXT_MAX 65536u

struct topology_operator *topology_find(const struct lm_topology *topology, const char *name);
/* The plugin with this number is to be that of the digest, which has a copy. 0 or -ENOMEM. */
int topology_plugin_want(struct lm_topology *topology, uint32_t index, const char *digest,
                         const char *copy);
/* As lm_topology_operator; `type` NULL: what is wrong with it was reported. */
int topology_operator_add(struct lm_topology *topology, const char *name, const char *type);
/* One more parameter, without items yet; NULL when there are too many or there is no memory. */
struct topology_param *topology_param_add(struct lm_topology *topology,
                                          struct topology_operator *op, const char *name,
                                          enum topology_shape shape);
/* One more item of it; `key` NULL except of a map. */
int topology_item_add(struct lm_topology *topology, struct topology_param *param, const char *key,
                      const char *text);

#endif
