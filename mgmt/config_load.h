/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

/*
 * A topology file, YAML or JSON, -> a declared topology with the place of everything in it.
 *
 *     text = config_read(path, &size, &errors);
 *     topology = config_load_text(path, text, size, set, &errors);
 *     graph = lm_graph_check(topology, &errors);
 *     if (graph == NULL)
 *             config_print_errors(stderr, path, text, size, &errors, isatty(2));
 *
 * Loading goes on behind an error so that one run shows all: a topology may come back with errors
 * reported. It is good for lm_graph_check and nothing else then, which adds what it finds and
 * returns NULL. NULL comes back when there is nothing to check.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/lm_engine.h"

/* The bytes of a file, to be freed; NULL after reporting. */
char *config_read(const char *path, size_t *size, struct lm_errors *errors);
/*
 * `name` is the file's: it gives the folder that plugins are relative to, the topology's name if
 * the file has none, and JSON by its end. `set` holds "NAME=value" for ${NAME}, ended by NULL; may
 * be NULL.
 */
struct lm_topology *config_load_text(const char *name, const char *text, size_t size,
                                     const char *const *set, struct lm_errors *errors);
struct lm_topology *config_load(const char *path, const char *const *set, struct lm_errors *errors);

/* enum lm_elastic_policy of a name; 0, or -1: it is none, and what to say then. */
int config_elastic_policy(const char *text, uint32_t *policy);
const char *config_elastic_hint(const char *text, char *hint, size_t size);

/* As compilers do: place, message, the line, a caret under what is meant, what to do. `text` may be
 * NULL. */
void config_print_errors(FILE *to, const char *file, const char *text, size_t size,
                         const struct lm_errors *errors, bool colour);
/* The first of them as one line, and how many more: "job.yaml:7:3: no column "kay"; did you mean
 * "key"? (and 2 more)". Without a file: what is behind its place. */
void config_errors_line(const char *file, const struct lm_errors *errors, char *text, size_t size);

#endif
