/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

/*
 * The socket file of a running job: where it is, who may open it, what becomes of an old one.
 *
 * By default it is <folder>/<file prefix>.sock, the folder of one user alone: /run/lodemill for
 * root, $XDG_RUNTIME_DIR/lodemill where that is set, else /tmp/lodemill-<uid>.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_PATH_MAX 100u

struct control_socket {
	int listener; /* -1: none */
	char path[CONTROL_PATH_MAX];
	dev_t device; /* of the file, to know it again */
	ino_t inode;
};

/* The default path; makes its folder. 0, or -errno and a sentence in `why`. */
int control_socket_path(char path[CONTROL_PATH_MAX], const char *prefix, char why[256]);
/*
 * Listens at `path`. What a dead job left there is replaced; -EADDRINUSE: a running one answers.
 * `others`: not only the owner may connect (and is asked for a role). 0, or -errno and why.
 */
int control_socket_open(struct control_socket *socket, const char *path, bool others,
                        char why[256]);
/* Removes the file if it is still this one. Not open: nothing. */
void control_socket_close(struct control_socket *socket);

#endif
