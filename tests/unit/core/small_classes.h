/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SMALL_CLASSES_H
#define SMALL_CLASSES_H

/*
 * Operator classes that do nothing but have tables: for tests of what is checked before anything
 * runs. Include once a program; small_classes_register makes them known.
 */

#include <assert.h>
#include <string.h>

#include "core/lm_op.h"
#include "core/registry.h"

/* What is configured and not unconfigured yet, and how often configure was called. */
static int small_configured;
static int small_configures;

struct small_config {
	const char *text; /* to see that it stays valid, and as long as it was */
	size_t length;
};

static enum lm_poll
small_poll(struct lm_op *op)
{
	(void)op;
	return LM_POLL_END;
}

static void
small_process(struct lm_op *op, const struct lm_batch *in)
{
	(void)op;
	(void)in;
}

static void
small_unconfigure(void *config)
{
	const struct small_config *small = config;

	small_configured--;
	assert(small->text == NULL || strlen(small->text) == small->length);
}

static void
small_keep(struct small_config *small, const char *text)
{
	small->text = text;
	small->length = text == NULL ? 0 : strlen(text);
}

static int
small_done(int rc)
{
	small_configures++;
	small_configured += rc == 0;
	return rc;
}

static int
small_source_configure(struct lm_setup *setup, void *config)
{
	static const struct lm_field fields[] = {
		{ "time", LM_TIME, 0 }, { "src", LM_IP4, 0 },   { "dst", LM_IP4, 0 },
		{ "proto", LM_U8, 0 },  { "bytes", LM_U32, 0 }, { "name", LM_STRING, 0 },
		{ "x", LM_F64, 0 },
	};

	(void)config;
	return small_done(lm_setup_output(setup, 0, fields, 7));
}

static int
small_port_configure(struct lm_setup *setup, void *config)
{
	static const struct lm_field fields[] = { { "time", LM_TIME, 0 },
		                                  { "frame", LM_FRAME, 0 } };

	(void)config;
	return small_done(lm_setup_output(setup, 0, fields, 2));
}

/* Emits a u32 column for each name asked for. */
static int
small_decode_configure(struct lm_setup *setup, void *config)
{
	struct lm_field fields[LM_FIELDS_MAX] = { 0 };
	uint32_t count = lm_setup_count(setup, "emit");

	(void)config;
	for (uint32_t i = 0; i < count && i < LM_FIELDS_MAX; i++) {
		strncpy(fields[i].name, lm_setup_item(setup, "emit", i), LM_NAME_MAX - 1);
		fields[i].type = strcmp(fields[i].name, "time") == 0 ? LM_TIME : LM_U32;
	}
	return small_done(lm_setup_output(setup, 0, fields, count));
}

/* Finds fault with "nope" where it stands, and with "later" once its output is declared. */
static int
small_filter_configure(struct lm_setup *setup, void *config)
{
	const char *where = lm_setup_text(setup, "where"), *nope = strstr(where, "nope");

	small_keep(config, where);
	if (nope != NULL) {
		return small_done(lm_setup_error(setup, "where", LM_NONE, (uint32_t)(nope - where),
		                                 "say yes", "\"nope\" is no column"));
	}
	lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
	return small_done(strcmp(where, "later") == 0
	                      ? lm_setup_error(setup, "where", LM_NONE, LM_NONE, NULL, "too late")
	                      : 0);
}

static int
small_aggregate_configure(struct lm_setup *setup, void *config)
{
	const struct lm_schema *in = lm_setup_input(setup, 0);
	struct lm_field fields[2] = { { "key", LM_U64, 0 }, { "bytes", LM_U64, 0 } };
	uint32_t sum = lm_setup_column(setup, "sum");

	small_keep(config, lm_setup_text(setup, "window"));
	if (sum != LM_NONE) {
		memcpy(fields[1].name, in->field[sum].name, LM_NAME_MAX);
	}
	return small_done(lm_setup_output(setup, 0, fields, 2));
}

static int
small_split_configure(struct lm_setup *setup, void *config)
{
	(void)config;
	lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
	return small_done(lm_setup_output_like(setup, 1, lm_setup_input(setup, 0)));
}

static const char *const small_in[] = { "in", NULL };
static const char *const small_sides[] = { "left", "right", NULL };
static const char *const small_out[] = { "out", NULL };
static const char *const small_outs[] = { "out", "late", NULL };
static const char *const small_formats[] = { "csv", "json", "table", NULL };

static const struct lm_param small_source_params[] = {
	{ .name = "port", .type = LM_PARAM_U64 },
	{ .name = "queues", .type = LM_PARAM_U64, .fallback = "1", .min = 1, .max = 64 },
	{ .name = "rate", .type = LM_PARAM_RATE },
	{ .name = "path", .type = LM_PARAM_TEXT },
	{ .name = NULL },
};
static const struct lm_param small_decode_params[] = {
	{ .name = "emit", .type = LM_PARAM_LIST, .required = true, .summary = "columns to emit" },
	{ .name = NULL },
};
static const struct lm_param small_filter_params[] = {
	{ .name = "where", .type = LM_PARAM_EXPR, .required = true, .summary = "rows to keep" },
	{ .name = NULL },
};
static const struct lm_param small_aggregate_params[] = {
	{ .name = "window", .type = LM_PARAM_TEXT, .required = true, .summary = "tumbling 1s" },
	{ .name = "sum", .type = LM_PARAM_COLUMN },
	{ .name = "count", .type = LM_PARAM_TEXT },
	{ .name = NULL },
};
static const struct lm_param small_top_params[] = {
	{ .name = "by", .type = LM_PARAM_COLUMN, .required = true },
	{ .name = "k", .type = LM_PARAM_U64, .fallback = "10", .min = 1, .max = 1000 },
	{ .name = NULL },
};
static const struct lm_param small_print_params[] = {
	{ .name = "format", .type = LM_PARAM_CHOICE, .fallback = "csv", .choices = small_formats },
	{ .name = "every", .type = LM_PARAM_DURATION, .min = 1e6, .max = 3600e9 },
	{ .name = "names", .type = LM_PARAM_MAP },
	{ .name = "columns", .type = LM_PARAM_COLUMNS },
	{ .name = NULL },
};

#define SMALL_SOURCE                                                                               \
	.abi_version = LM_ABI_VERSION, .rows = LM_ROWS_SOURCE, .outputs = small_out,               \
	.poll = small_poll, .params = small_source_params, .unconfigure = small_unconfigure,       \
	.config_size = sizeof(struct small_config)
#define SMALL_CLASS                                                                                \
	.abi_version = LM_ABI_VERSION, .process = small_process,                                   \
	.config_size = sizeof(struct small_config), .unconfigure = small_unconfigure

static const struct lm_op_class small_classes[] = {
	{ SMALL_SOURCE, .name = "source", .configure = small_source_configure },
	{ SMALL_SOURCE, .name = "port_source", .configure = small_port_configure },
	{ SMALL_CLASS, .name = "packet_decode", .inputs = small_in, .outputs = small_out,
	  .rows = LM_ROWS_SPLIT, .params = small_decode_params,
	  .configure = small_decode_configure },
	{ SMALL_CLASS, .name = "filter", .inputs = small_in, .outputs = small_out,
	  .rows = LM_ROWS_PASS, .params = small_filter_params,
	  .configure = small_filter_configure },
	{ SMALL_CLASS, .name = "pass", .flags = LM_OP_RESCALES, .inputs = small_in,
	  .outputs = small_out, .rows = LM_ROWS_PASS },
	{ SMALL_CLASS, .name = "split", .inputs = small_in, .outputs = small_outs,
	  .rows = LM_ROWS_SPLIT, .configure = small_split_configure },
	{ SMALL_CLASS, .name = "window_aggregate", .inputs = small_in, .outputs = small_out,
	  .rows = LM_ROWS_ABSORB, .flags = LM_OP_KEYED, .params = small_aggregate_params,
	  .configure = small_aggregate_configure },
	{ SMALL_CLASS, .name = "join", .inputs = small_sides, .outputs = small_out,
	  .rows = LM_ROWS_SPLIT, .flags = LM_OP_KEYED },
	{ SMALL_CLASS, .name = "top", .inputs = small_in, .outputs = small_out,
	  .rows = LM_ROWS_ABSORB, .flags = LM_OP_GLOBAL, .params = small_top_params },
	{ SMALL_CLASS, .name = "print", .inputs = small_in, .rows = LM_ROWS_ABSORB,
	  .flags = LM_OP_SINK, .params = small_print_params },
};

static inline void
small_classes_register(void)
{
	for (size_t i = 0; i < sizeof(small_classes) / sizeof(small_classes[0]); i++) {
		const char *why = "";
		int rc = registry_add(&small_classes[i], &why);

		assert(rc == 0);
		(void)rc;
	}
}

#endif
