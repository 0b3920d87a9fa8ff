/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and removing the socket file of a running job. */
#include "mgmt/control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static int
fail(int error, char why[256], const char *what, const char *path)
{
	snprintf(why, 256, "%.150s: %s: %s", path, what, strerror(error));
	return -error;
}

/* The user's own folder. One that others could write to would let them take a job's place. */
static int
own_folder(const char *folder, char why[256])
{
	struct stat status;

	if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
		return fail(errno, why, "cannot be made", folder);
	}
	if (lstat(folder, &status) != 0) {
		return fail(errno, why, "cannot be looked at", folder);
	}
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 022) != 0) {
		snprintf(why, 256,
		         "%.100s: it is not a folder of this user alone; remove it, or name a "
		         "socket with --control PATH",
		         folder);
		return -EPERM;
	}
	return 0;
}

int
control_socket_path(char path[CONTROL_PATH_MAX], const char *prefix, char why[256])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char folder[CONTROL_PATH_MAX];
	int length, result;

	if (geteuid() == 0) {
		length = snprintf(folder, sizeof(folder), "/run/lodemill");
	} else if (runtime != NULL && runtime[0] == '/') {
		length = snprintf(folder, sizeof(folder), "%s/lodemill", runtime);
	} else {
		length = snprintf(folder, sizeof(folder), "/tmp/lodemill-%u", geteuid());
	}
	if (length > 0 && (size_t)length < sizeof(folder)) {
		result = own_folder(folder, why);
		if (result != 0) {
			return result;
		}
		length = snprintf(path, CONTROL_PATH_MAX, "%s/%s.sock", folder, prefix);
	}
	if (length < 0 || (size_t)length >= CONTROL_PATH_MAX) {
		snprintf(why, 256, "the path would be too long for a socket: use --control PATH");
		return -ENAMETOOLONG;
	}
	return 0;
}

static void
set_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
}

/* Whether somebody answers there. */
static bool
is_live(const char *path)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	bool live;

	if (probe < 0) {
		return false;
	}
	set_address(&address, path);
	/* -EAGAIN: its backlog is full, so it has one. */
	live = connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	       errno == EAGAIN || errno == EACCES;
	close(probe);
	return live;
}

/* What stands at the path may be replaced. */
static int
check_place(const char *path, char why[256])
{
	struct stat status;

	if (lstat(path, &status) != 0) {
		return errno == ENOENT ? 0 : fail(errno, why, "cannot be looked at", path);
	}
	if (!S_ISSOCK(status.st_mode)) {
		snprintf(why, 256,
		         "%.150s: there is something that is no socket; name another path", path);
		return -EEXIST;
	}
	if (is_live(path)) {
		snprintf(why, 256,
		         "%.99s: a running job answers there; end it with lodectl --socket, or "
		         "name another path with --control",
		         path);
		return -EADDRINUSE;
	}
	return 0;
}

/* Under another name first: nobody meets a socket that does not listen yet or is not protected. */
static int
listen_there(struct control_socket *made, bool others, char why[256])
{
	char temporary[CONTROL_PATH_MAX + 8];
	struct sockaddr_un address;
	struct stat status;
	mode_t before;
	int result;

	snprintf(temporary, sizeof(temporary), "%s.%x", made->path,
	         (unsigned int)getpid() & 0xffffff);
	set_address(&address, temporary);
	unlink(temporary);
	before = umask(0177);
	result = bind(made->listener, (const struct sockaddr *)&address, sizeof(address));
	umask(before);
	if (result != 0) {
		return fail(errno, why, "cannot be made", made->path);
	}
	if (listen(made->listener, BACKLOG) != 0 || (others && chmod(temporary, 0666) != 0) ||
	    lstat(temporary, &status) != 0 || rename(temporary, made->path) != 0) {
		result = fail(errno, why, "cannot be made", made->path);
		unlink(temporary);
		return result;
	}
	made->device = status.st_dev;
	made->inode = status.st_ino;
	return 0;
}

int
control_socket_open(struct control_socket *made, const char *path, bool others, char why[256])
{
	int result;

	*made = (struct control_socket){ .listener = -1 };
	if (strlen(path) >= CONTROL_PATH_MAX) {
		snprintf(why, 256, "the path is too long for a socket: at most %u bytes",
		         CONTROL_PATH_MAX - 1);
		return -ENAMETOOLONG;
	}
	memcpy(made->path, path, strlen(path) + 1);
	result = check_place(path, why);
	if (result != 0) {
		return result;
	}
	made->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (made->listener < 0) {
		return fail(errno, why, "no socket", path);
	}
	result = listen_there(made, others, why);
	if (result != 0) {
		close(made->listener);
		made->listener = -1;
	}
	return result;
}

void
control_socket_close(struct control_socket *made)
{
	struct stat status;

	if (made->listener < 0) {
		return;
	}
	if (lstat(made->path, &status) == 0 && status.st_dev == made->device &&
	    status.st_ino == made->inode) {
		unlink(made->path);
	}
	close(made->listener);
	made->listener = -1;
}
