/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_PEER_H
#define CONTROL_PEER_H

/*
 * Who is at the other end of a control socket, by the kernel's word, and what that one may do. The
 * user who runs the job and root have every role; others have what --control-role grants them.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "mgmt/control_table.h"

#define PEER_GRANTS_MAX 32u
#define PEER_GROUPS_MAX 64u

struct peer {
	uid_t uid;
	pid_t pid;
	gid_t group[PEER_GROUPS_MAX]; /* the effective one first */
	uint32_t group_count;
};

struct peer_grant {
	bool is_group;
	uint32_t number; /* uid or gid */
	enum control_role role;
};

struct peer_grants {
	struct peer_grant grant[PEER_GRANTS_MAX];
	uint32_t count;
};

/* USER=ROLE or @GROUP=ROLE, names or numbers. 0, or -EINVAL and a sentence in `why`. */
int peer_grant_add(struct peer_grants *grants, const char *text, char why[256]);
/* Asks the kernel. 0 or -errno. */
int peer_of(int socket, struct peer *peer);
/* The best that is granted. Pure. */
enum control_role peer_role(const struct peer *peer, const struct peer_grants *grants, uid_t owner);

#endif
