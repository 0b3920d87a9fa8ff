/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_STRUCT_H
#define CONTROL_STRUCT_H

/*
 * What the files of the control interface share: control.c (life, hand-over between the threads),
 * control_serve.c (the thread: clients and bytes), control_call.c (what calls do).
 */

#include <pthread.h>

#include "core/env.h"
#include "mgmt/control.h"
#include "mgmt/control_conn.h"
#include "mgmt/control_socket.h"
#include "mgmt/rpc_decode.h"

/* A single answer. */
#define CONTROL_REPLY_MAX (1u << 20)

/* The job at one moment, whole. */
struct picture {
	uint64_t version; /* of the numbers; counts up */
	struct sample sample;
	struct snapshot_status snapshots;
	struct view_loaded loaded;
	struct plugin_counts plugins;
	struct engine_pages pages;
	struct manager manager;
	struct elastic_view elastic;
	uint32_t bottleneck;
	struct sample probe;
	uint64_t probe_number;
};

struct control_client {
	int socket; /* -1: free */
	struct conn conn;
	struct peer peer;
	enum control_role role;
	uint64_t events;  /* CONTROL_SUBSCRIBE_EVENTS_* */
	uint64_t told;    /* completions, of all there were */
	int64_t moved_ns; /* when it last took something, or had nothing to take */
	bool has_more;    /* lines wait in its buffer */
	bool is_leaving;  /* once everything is sent */
};

/* An answer that many calls get. */
struct control_cache {
	char *text;
	size_t size;
	uint64_t version, actions;
};

struct control {
	struct control_socket socket;
	struct peer_grants grants;
	struct view_about about;
	struct env_thread *thread;
	int wake; /* eventfd */
	bool stopping;

	/* Both threads', under the lock. */
	pthread_mutex_t lock;
	struct picture shared;
	struct journal *journal; /* NULL: nothing is written down */
	struct kept kept;
	bool has_freeze, freeze; /* asked for, and not taken yet */

	/* The serving thread's. */
	struct picture mine;
	struct sample before; /* the probe before the last, of the same graph */
	struct rates rates;   /* between the two */
	bool is_base;         /* the last has none before it: its graph is new */
	struct control_client client[CONTROL_CLIENTS_MAX];
	struct view_counts counts;
	struct control_cache status, stats;
	uint64_t cpu_ns;
	int64_t leave_ns; /* when it is over, whoever still reads; 0: it is not stopping */
	bool is_nice;
};

/* control.c: brings `mine` up to date. */
void control_look(struct control *control);
/* False: it is not elastic. */
bool control_freeze(struct control *control, bool is_frozen);
/* Log levels are other ones: they are written down. */
void control_levels(struct control *control);
/* A number that changes whenever an action does. */
uint64_t control_actions_version(const struct manager *manager);

/* control_serve.c: one round of the thread. */
bool control_serve(void *control);

/* control_call.c: a line from a client is answered into its buffer; false: it is to be cut off. */
bool control_line(struct control *control, struct control_client *client, const char *line,
                  size_t size);
/* A line that was too long. */
bool control_oversized(struct control *control, struct control_client *client);
bool control_refuse(struct control_client *client, const json_t *id, const struct rpc_error *error);
/* {"jsonrpc": "2.0", "method": …, "params": …} as a line; to be freed; NULL: no memory. */
char *control_note(const char *method, json_t *params, size_t *size);

#endif
