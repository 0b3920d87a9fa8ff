/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree of a topology file -> a declared topology: top-level keys, operators, parameters. */
#include "mgmt/config_load.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/config_build.h"
#include "mgmt/config_vars.h"

static const struct lm_place config_nowhere;

bool
build_count(struct build *build, const struct config_node *node)
{
	if (build->values == CONFIG_VALUES_MAX) {
		lm_errors_add(build->errors, node->place, "repeat less by aliases",
		              "more than %u values, those of aliases counted each time",
		              CONFIG_VALUES_MAX);
	}
	return build->values++ < CONFIG_VALUES_MAX;
}

bool
build_is_map(struct build *build, const struct config_node *node, const char *path,
             const char *form)
{
	if (node->kind == CONFIG_MAP) {
		return true;
	}
	if (!node->broken) {
		lm_errors_add(build->errors, node->place, form, "%s: it must be a mapping", path);
	}
	return false;
}

const char *
build_scalar(struct build *build, const struct config_node *node, const char *path)
{
	if (node->kind != CONFIG_TEXT) {
		lm_errors_add(build->errors, node->place, NULL, "%s: it takes one value, not a %s",
		              path, node->kind == CONFIG_LIST ? "list" : "mapping");
		return NULL;
	}
	if (node->null && !node->broken) {
		lm_errors_add(build->errors, node->place,
		              "write a value behind it, or leave it out", "%s: it has no value",
		              path);
		return NULL;
	}
	return node->broken ? NULL : node->text;
}

struct lm_place
build_place(const struct config_node *node, uint32_t at, uint32_t length)
{
	struct lm_place place = node->place;
	size_t size = strlen(node->text);

	if (place.length != text_characters(node->text, size) || at > size || length > size - at) {
		return place;
	}
	place.column += text_characters(node->text, at);
	place.length = text_characters(node->text + at, length);
	return place;
}

uint32_t
build_key(struct build *build, const struct config_node *map, uint32_t index, const char *path,
          const char *const *keys, uint32_t count)
{
	const struct config_node *key = map->child[index];
	char hint[220];

	if (index >= 2 * CONFIG_KEYS_MAX) {
		if (index == 2 * CONFIG_KEYS_MAX) {
			lm_errors_add(build->errors, key->place, "leave out what is not needed",
			              "%s%smore than %u keys", path, path[0] == '\0' ? "" : ": ",
			              CONFIG_KEYS_MAX);
		}
		return LM_NONE;
	}
	if (key->kind != CONFIG_TEXT) {
		lm_errors_add(build->errors, key->place, "write NAME: VALUE",
		              "%s: a key must be a plain text", path);
		return LM_NONE;
	}
	for (uint32_t i = 0; i < index; i += 2) {
		if (map->child[i]->kind == CONFIG_TEXT &&
		    strcmp(map->child[i]->text, key->text) == 0) {
			lm_errors_add(build->errors, key->place, "keep one of them",
			              "%s%s%.60s: it is given twice", path,
			              path[0] == '\0' ? "" : ".", key->text);
			return LM_NONE;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(keys[i], key->text) == 0) {
			return i;
		}
	}
	lm_errors_add(build->errors, key->place,
	              text_hint(key->text, "keys", keys, count, hint, sizeof(hint)),
	              "%s%sunknown key \"%.60s\"", path, path[0] == '\0' ? "" : ": ", key->text);
	return LM_NONE;
}

void
build_result(struct build *build, int rc, const struct config_node *node, const char *path)
{
	if (rc == -ENOMEM) {
		lm_errors_add(build->errors, node->place, NULL, "no memory left");
	} else if (rc != 0) {
		lm_errors_add(build->errors, node->place, "use fewer, or shorter texts",
		              "%s: more than an engine takes", path);
	}
}

/* The folder that `file` is in, and `path`, which is relative to it. */
static char *
join_path(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	size_t folder = slash == NULL ? 0 : (size_t)(slash + 1 - file);
	char *joined;

	if (path[0] == '/' || path[0] == '\0') {
		return strdup(path);
	}
	/* With a slash in it, so that the loader does not search for it elsewhere. */
	joined = malloc(folder + strlen(path) + 3);
	if (joined != NULL) {
		memcpy(joined, folder == 0 ? "./" : file, folder == 0 ? 2 : folder);
		memcpy(joined + (folder == 0 ? 2 : folder), path, strlen(path) + 1);
	}
	return joined;
}

static void
load_plugin(struct build *build, const struct config_node *node)
{
	const char *path = build_scalar(build, node, "plugins");
	char *joined;

	if (path == NULL || !build_count(build, node)) {
		return;
	}
	joined = join_path(build->file, path);
	lm_topology_place(build->topology, node->place);
	build_result(build, joined == NULL ? -ENOMEM : lm_topology_plugin(build->topology, joined),
	             node, "plugins");
	free(joined);
}

static void
load_plugins(struct build *build, const struct config_node *node)
{
	if (node->kind == CONFIG_TEXT) {
		load_plugin(build, node);
		return;
	}
	if (node->kind == CONFIG_MAP) {
		lm_errors_add(build->errors, node->place, "write plugins: [PATH, PATH]",
		              "plugins: it takes a list of paths, not a mapping");
		return;
	}
	for (uint32_t i = 0; i < node->child_count; i++) {
		load_plugin(build, node->child[i]);
	}
}

static const char *const load_keys[] = { "name",  "operators", "settings",   "plugins",
	                                 "state", "elastic",   "description" };
enum {
	LOAD_NAME,
	LOAD_OPERATORS,
	LOAD_SETTINGS,
	LOAD_PLUGINS,
	LOAD_STATE,
	LOAD_ELASTIC,
	LOAD_DESCRIPTION,
	LOAD_KEYS
};

/* The topology's name: as it is said, else that of the file without what may not be in one. */
static char *
choose_name(struct build *build, const struct config_node *node)
{
	const char *base = strrchr(build->file, '/');
	const char *given = node == NULL ? NULL : build_scalar(build, node, "name");
	char *name;

	if (given != NULL) {
		return strdup(given);
	}
	base = base == NULL ? build->file : base + 1;
	name = strndup(base, 60);
	if (name == NULL) {
		return NULL;
	}
	if (strrchr(name, '.') != NULL && strrchr(name, '.') != name) {
		*strrchr(name, '.') = '\0';
	}
	for (char *at = name; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && strchr("_.-", *at) == NULL) {
			*at = '_';
		}
	}
	if (name[0] == '.' || name[0] == '-' || name[0] == '\0') {
		free(name);
		return strdup("topology");
	}
	return name;
}

/* False when there is no memory. */
static bool
create_topology(struct build *build, const struct config_node *node)
{
	char *name = choose_name(build, node);

	build->topology = name == NULL ? NULL : lm_topology_create(name);
	free(name);
	if (build->topology != NULL && node != NULL) {
		build->topology->name_place = node->place;
	}
	return build->topology != NULL && lm_topology_file(build->topology, build->file) == 0;
}

static void
load_root(struct build *build, const struct config_node *root)
{
	const struct config_node *found[LOAD_KEYS] = { NULL };

	if (!build_is_map(build, root, "the file", "begin with name: NAME and operators:")) {
		return;
	}
	for (uint32_t i = 0; i < root->child_count; i += 2) {
		uint32_t key = build_key(build, root, i, "", load_keys, LOAD_KEYS);

		if (key != LM_NONE) {
			found[key] = root->child[i + 1];
		}
	}
	if (!create_topology(build, found[LOAD_NAME])) {
		lm_errors_add(build->errors, config_nowhere, NULL, "no memory left");
		return;
	}
	if (found[LOAD_SETTINGS] != NULL) {
		build_settings(build, found[LOAD_SETTINGS]);
	}
	if (found[LOAD_PLUGINS] != NULL) {
		load_plugins(build, found[LOAD_PLUGINS]);
	}
	if (found[LOAD_STATE] != NULL) {
		build_state(build, found[LOAD_STATE]);
	}
	if (found[LOAD_ELASTIC] != NULL) {
		build_elastic(build, found[LOAD_ELASTIC]);
	}
	if (found[LOAD_OPERATORS] == NULL) {
		lm_errors_add(build->errors, root->place, "write operators: and a line for each",
		              "there is no key \"operators\"");
	} else {
		build_operators(build, found[LOAD_OPERATORS]);
	}
}

static bool
is_json(const char *name)
{
	size_t length = strlen(name);

	return length >= 5 && strcmp(name + length - 5, ".json") == 0;
}

static bool
keep_source(struct lm_topology *topology, const char *text, size_t size)
{
	topology->source = malloc(size + 1);
	if (topology->source == NULL) {
		return false;
	}
	memcpy(topology->source, text, size);
	topology->source[size] = '\0';
	topology->source_size = size;
	return true;
}

struct lm_topology *
config_load_text(const char *name, const char *text, size_t size, const char *const *set,
                 struct lm_errors *errors)
{
	struct build build = { .file = name, .errors = errors };
	size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	struct config_tree tree;

	if (config_tree_parse(&tree, text + mark, size - mark, is_json(name), errors)) {
		if (tree.root == NULL) {
			lm_errors_add(errors, (struct lm_place){ 1, 1, 0 },
			              "begin with name: NAME and operators:", "the file is empty");
		} else {
			config_vars_expand(&tree, set, errors);
			load_root(&build, tree.root);
		}
	}
	config_tree_free(&tree);
	if (build.topology != NULL && !keep_source(build.topology, text, size)) {
		lm_errors_add(errors, config_nowhere, NULL, "no memory left");
	}
	return build.topology;
}

char *
config_read(const char *path, size_t *size, struct lm_errors *errors)
{
	/* One byte more, to see that there is more. */
	size_t room = CONFIG_SIZE_MAX + 1;
	FILE *file = fopen(path, "rb");
	char *text = malloc(room);
	bool sound = file != NULL && text != NULL;

	if (sound) {
		*size = fread(text, 1, room, file);
		sound = ferror(file) == 0;
	}
	if (!sound) {
		lm_errors_add(errors, config_nowhere, "check the path and who may read it",
		              "cannot read it: %s", strerror(errno));
		free(text);
		text = NULL;
	}
	if (file != NULL) {
		fclose(file);
	}
	return text;
}

struct lm_topology *
config_load(const char *path, const char *const *set, struct lm_errors *errors)
{
	struct lm_topology *topology = NULL;
	size_t size = 0;
	char *text = config_read(path, &size, errors);

	if (text != NULL) {
		topology = config_load_text(path, text, size, set, errors);
	}
	free(text);
	return topology;
}
