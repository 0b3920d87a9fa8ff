/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_ASK_H
#define CONTROL_ASK_H

/*
 * From a checked call to what it asks of the manager. A method is an action if an action has its
 * name (ACTION_KINDS); parameters go by name: operator, slice, slices, lcore, file, drop_state,
 * dry_run, deadline_ms. Pure.
 */

#include "mgmt/manager.h"
#include "mgmt/rpc_decode.h"

/* False: the method is no action. */
bool control_ask(const struct rpc_call *call, uint32_t uid, struct action_ask *ask);

#endif
