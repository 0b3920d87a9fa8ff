/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RPC_DECODE_H
#define RPC_DECODE_H

/*
 * From a line of JSON-RPC 2.0 to a call with checked parameters, or to an error that names the
 * field and the way out. Pure; the tables come from mgmt/control.json. Any bytes may come in.
 *
 *     if (rpc_decode(line, size, &call, &error)) …    call.method, call.params.snapshot.deadline_ms
 *     rpc_call_free(&call);                           in both cases
 */

#include <jansson.h>
#include <stddef.h>

#include "mgmt/control_table.h"

/* A line with its end; what is longer is refused unread. */
#define RPC_LINE_MAX 65536u
#define RPC_ID_MAX 128u

struct rpc_error {
	enum control_error code;
	char field[96];    /* "params.deadline_ms"; empty: the whole */
	char message[256]; /* what is wrong */
	char hint[256];    /* what to do */
};

struct rpc_call {
	enum control_method method;
	union control_params params;
	json_t *id;     /* NULL: unknown, which is answered with null */
	bool is_silent; /* a notification: nobody waits for an answer */
};

bool rpc_decode(const char *line, size_t size, struct rpc_call *call, struct rpc_error *error);
void rpc_call_free(struct rpc_call *call);

/* Fills in an error; returns false. */
bool rpc_refuse(struct rpc_error *error, enum control_error code, const char *field,
                const char *hint, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
