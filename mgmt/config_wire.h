/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_WIRE_H
#define CONFIG_WIRE_H

/*
 * What a person writes behind `input:`, OPERATOR[.OUTPUT] [GROUPING], for instance "flows by src,
 * dst" or "split.late to one". Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lm_topology.h"

/* Bytes of a text, from the first. */
struct config_part {
	uint32_t at;
	uint32_t length;
};

struct config_wire {
	struct lm_wire
	    wire; /* from, output, grouping, columns, function; texts point to `buffer` */
	struct config_part from, output, function;
	struct config_part column[LM_KEY_FIELDS_MAX];
	/* When it could not be read: what and where. */
	struct config_part wrong;
	char message[160];
	char hint[200];
	char buffer[1024];
};

bool config_wire_parse(struct config_wire *parsed, const char *text);

#endif
