/* SPDX-License-Identifier: BSD-3-Clause */
/* Credentials of clients and the roles that are granted to them. */
#include "mgmt/control_peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/text.h"

/* The number of a user or a group by name; false: there is none. */
static bool
find_number(const char *name, bool is_group, uint32_t *number)
{
	const struct passwd *user = is_group ? NULL : getpwnam(name);
	const struct group *group = is_group ? getgrnam(name) : NULL;
	uint64_t value;

	if (user != NULL) {
		*number = user->pw_uid;
		return true;
	}
	if (group != NULL) {
		*number = group->gr_gid;
		return true;
	}
	if (name[0] < '0' || name[0] > '9' || text_u64(name, &value) != 0 || value >= UINT32_MAX) {
		return false;
	}
	*number = (uint32_t)value;
	return true;
}

static enum control_role
find_role(const char *name)
{
	for (int role = CONTROL_ROLE_NONE + 1; role < CONTROL_ROLE_COUNT; role++) {
		if (strcmp(control_role_names[role], name) == 0) {
			return (enum control_role)role;
		}
	}
	return CONTROL_ROLE_NONE;
}

int
peer_grant_add(struct peer_grants *grants, const char *text, char why[256])
{
	const char *equals = text == NULL ? NULL : strchr(text, '=');
	struct peer_grant *grant = &grants->grant[grants->count];
	char name[128];

	if (equals == NULL || equals - text >= (long)sizeof(name)) {
		snprintf(why, 256, "takes USER=ROLE or @GROUP=ROLE, such as @monitor=view");
		return -EINVAL;
	}
	if (grants->count == PEER_GRANTS_MAX) {
		snprintf(why, 256, "can be given %u times at most", PEER_GRANTS_MAX);
		return -EINVAL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	*grant = (struct peer_grant){ .is_group = name[0] == '@', .role = find_role(equals + 1) };
	if (grant->role == CONTROL_ROLE_NONE) {
		snprintf(why, 256, "\"%.60s\" is no role: view, operate or deploy", equals + 1);
		return -EINVAL;
	}
	if (!find_number(name + grant->is_group, grant->is_group, &grant->number)) {
		snprintf(why, 256, "there is no %s \"%.60s\" here: a name or a number",
		         grant->is_group ? "group" : "user", name + grant->is_group);
		return -EINVAL;
	}
	grants->count++;
	return 0;
}

int
peer_of(int socket, struct peer *peer)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	gid_t more[PEER_GROUPS_MAX - 1];

	*peer = (struct peer){ .group_count = 1 };
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
		return -errno;
	}
	peer->uid = credentials.uid;
	peer->pid = credentials.pid;
	peer->group[0] = credentials.gid;
	/* Who is in more groups than this is asked for by name of a user instead. */
	size = sizeof(more);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, more, &size) == 0) {
		memcpy(&peer->group[1], more, size);
		peer->group_count += (uint32_t)(size / sizeof(gid_t));
	}
	return 0;
}

static bool
peer_is_in(const struct peer *peer, uint32_t group)
{
	for (uint32_t i = 0; i < peer->group_count; i++) {
		if (peer->group[i] == group) {
			return true;
		}
	}
	return false;
}

enum control_role
peer_role(const struct peer *peer, const struct peer_grants *grants, uid_t owner)
{
	enum control_role role = CONTROL_ROLE_NONE;

	if (peer->uid == owner || peer->uid == 0) {
		return CONTROL_ROLE_COUNT - 1;
	}
	for (uint32_t i = 0; i < grants->count; i++) {
		const struct peer_grant *grant = &grants->grant[i];
		bool is_meant =
		    grant->is_group ? peer_is_in(peer, grant->number) : peer->uid == grant->number;

		if (is_meant && grant->role > role) {
			role = grant->role;
		}
	}
	return role;
}
