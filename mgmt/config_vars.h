/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_VARS_H
#define CONFIG_VARS_H

/*
 * Variables in the texts of a topology file: ${NAME} and ${NAME:-what else}, from a table of
 * "NAME=value" (the last one of a name holds). "$${" stands for "${".
 */

#include "mgmt/config_tree.h"

/* Replaces them in all texts but keys; reports each that is not set, and marks its text as broken.
 */
void config_vars_expand(struct config_tree *tree, const char *const *set, struct lm_errors *errors);

#endif
