/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill operators: the classes there are, their ports, parameters and drop reasons. */

#include <stdio.h>
#include <string.h>

#include "core/registry.h"
#include "mgmt/cli.h"
#include "mgmt/text_table.h"

static const char *const param_types[] = { "number",           "number",  "true or false", "text",
	                                   "choice",           "time",    "size",          "rate",
	                                   "column",           "columns", "expression",    "list",
	                                   "names with values" };

static void
print_names(const char *label, const char *const *names)
{
	if (names == NULL) {
		return;
	}
	printf("  %-8s", label);
	for (uint32_t i = 0; names[i] != NULL; i++) {
		printf("%s%s", i == 0 ? "" : ", ", names[i]);
	}
	printf("\n");
}

static void
print_params(const struct lm_op_class *class)
{
	struct text_table *table = text_table_create(text_colour(stdout));

	text_table_column(table, TEXT_LEFT, "parameter");
	text_table_column(table, TEXT_LEFT, "is a");
	text_table_column(table, TEXT_LEFT, "default");
	text_table_column(table, TEXT_LEFT, "what");
	for (const struct lm_param *p = class->params; p != NULL && p->name != NULL; p++) {
		text_table_cell(table, TEXT_BOLD, "%s", p->name);
		text_table_cell(table, TEXT_PLAIN, "%s", param_types[p->type]);
		text_table_cell(table, TEXT_DIM, "%s",
		                p->required ? "(required)"
		                            : (p->fallback == NULL ? "-" : p->fallback));
		text_table_cell(table, TEXT_PLAIN, "%s", p->summary == NULL ? "" : p->summary);
	}
	text_table_print(table, "  ", stdout);
	text_table_free(table);
}

static void
print_class(const struct lm_op_class *class)
{
	printf("%s %s: %s\n", class->name, class->version, class->summary);
	print_names("inputs", class->inputs);
	print_names("outputs", class->outputs);
	print_names("drops", class->drops);
	if (class->params != NULL) {
		print_params(class);
	}
}

static void
print_list(void)
{
	struct text_table *table = text_table_create(text_colour(stdout));
	const struct lm_op_class *class;

	text_table_column(table, TEXT_LEFT, "operator");
	text_table_column(table, TEXT_LEFT, "what it does");
	for (uint32_t i = 0; (class = registry_at(i)) != NULL; i++) {
		text_table_cell(table, TEXT_BOLD, "%s", class->name);
		text_table_cell(table, TEXT_PLAIN, "%s", class->summary);
	}
	text_table_print(table, "", stdout);
	text_table_free(table);
	printf("\nlodemill operators NAME shows its parameters.\n");
}

int
cli_operators(const struct cli *cli)
{
	const struct lm_op_class *class;

	if (cli->argc < 2) {
		print_list();
		return CLI_OK;
	}
	class = registry_find(cli->argv[1]);
	if (class == NULL) {
		const char *near = registry_nearest(cli->argv[1]);

		fprintf(stderr, "error: there is no operator \"%s\"%s%s%s\n", cli->argv[1],
		        near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near,
		        near == NULL ? "" : "\"?");
		return CLI_USAGE;
	}
	print_class(class);
	return CLI_OK;
}
