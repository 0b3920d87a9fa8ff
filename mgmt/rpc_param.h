/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RPC_PARAM_H
#define RPC_PARAM_H

/*
 * How a method of the control interface and its parameters are described. The tables themselves
 * are made from mgmt/control.json.
 */

#include <stdbool.h>
#include <stdint.h>

enum rpc_type {
	RPC_INTEGER, /* uint64_t, min to max */
	RPC_TEXT,    /* char[size] */
	RPC_FLAG,    /* bool */
	RPC_SET,     /* uint64_t: bit i is values[i] */
};

struct rpc_param {
	const char *name;
	enum rpc_type type;
	uint32_t offset;  /* in the method's struct */
	uint32_t size;    /* TEXT: bytes with its end */
	bool is_required; /* else: */
	uint64_t initial;
	const char *text; /* TEXT: its default */
	uint64_t min, max;
	const char *const *values;
	uint32_t value_count;
};

struct rpc_method {
	const char *name;
	uint32_t role; /* enum control_role: the least that may call it */
	uint32_t param_count;
	const struct rpc_param *params;
};

#endif
