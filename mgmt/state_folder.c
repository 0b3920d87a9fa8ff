/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder of epochs for people: what is there, who uses it, and what to do where it cannot be
 * read.
 */
#include "mgmt/state_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mgmt/units.h"

#define NS_PER_S INT64_C(1000000000)

const char *
state_health_name(enum state_health health)
{
	static const char *const names[] = { [STATE_COMPLETE] = "complete",
		                             [STATE_UNKNOWN] = "unknown",
		                             [STATE_DAMAGED] = "damaged",
		                             [STATE_UNREADABLE] = "unreadable" };

	return names[health];
}

enum state_health
state_health_of(const struct store_epoch *epoch)
{
	if (epoch->manifest == NULL) {
		return STATE_UNREADABLE;
	}
	return epoch->is_damaged ? STATE_DAMAGED : STATE_COMPLETE;
}

/* The user that the folder belongs to, by name where there is one. */
static void
owner_of(const char *folder, char *text, size_t size)
{
	struct stat about;
	const struct passwd *user;

	if (stat(folder, &about) != 0) {
		snprintf(text, size, "its owner");
		return;
	}
	user = getpwuid(about.st_uid);
	if (user != NULL) {
		snprintf(text, size, "%s", user->pw_name);
	} else {
		snprintf(text, size, "user %u", about.st_uid);
	}
}

static void
explain(const char *folder, int result, struct state_trouble *trouble)
{
	char owner[64];

	snprintf(trouble->what, sizeof(trouble->what), "%s: %s", folder, strerror(-result));
	switch (result) {
	case -ENOENT:
		snprintf(trouble->help, sizeof(trouble->help),
		         "name the folder that `run --state` was given");
		break;
	case -ENOTDIR:
		snprintf(trouble->help, sizeof(trouble->help),
		         "name the folder, not a file that is in it");
		break;
	case -EACCES:
	case -EPERM:
		owner_of(folder, owner, sizeof(owner));
		snprintf(trouble->help, sizeof(trouble->help),
		         "state is for the user of the job alone: run this as %s", owner);
		break;
	case -ENAMETOOLONG:
		snprintf(trouble->help, sizeof(trouble->help),
		         "at most %u bytes; go nearer to it and use a shorter name",
		         STORE_FOLDER_MAX - 1);
		break;
	default:
		trouble->help[0] = '\0';
		break;
	}
}

int
state_folder_read(const char *folder, struct store_list *list, struct state_trouble *trouble)
{
	int result = store_list_read(folder, list);

	if (result != 0) {
		explain(folder, result, trouble);
		return result;
	}
	if (list->count == 0 && list->file_count == 0 && list->incarnation == 0) {
		snprintf(trouble->what, sizeof(trouble->what), "%s: there is no state in it",
		         folder);
		snprintf(trouble->help, sizeof(trouble->help),
		         "a job that runs with `--state` leaves files MANIFEST.<epoch>.a and "
		         "INCARNATION.<n> behind");
		store_list_free(list);
		return -ENODATA;
	}
	return 0;
}

bool
state_folder_in_use(const char *folder)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[STORE_FOLDER_MAX + 8];
	int file;
	bool in_use;

	snprintf(path, sizeof(path), "%s/LOCK", folder);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		return false;
	}
	in_use = fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(file);
	return in_use;
}

struct store_epoch *
state_folder_epoch(const char *folder, const struct store_list *list, uint64_t number,
                   struct state_trouble *trouble)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct store_epoch *epoch = &list->epoch[i];

		if (number == 0 ? epoch->manifest != NULL : epoch->epoch == number) {
			return epoch;
		}
	}
	trouble->help[0] = '\0';
	if (list->count == 0) {
		snprintf(trouble->what, sizeof(trouble->what),
		         "%s: no epoch was ever committed in it", folder);
	} else if (number == 0) {
		snprintf(trouble->what, sizeof(trouble->what), "%s: no manifest in it can be read",
		         folder);
		snprintf(trouble->help, sizeof(trouble->help),
		         "lodemill state ls says what is wrong with each");
	} else {
		snprintf(trouble->what, sizeof(trouble->what), "%s: there is no epoch %" PRIu64,
		         folder, number);
		snprintf(trouble->help, sizeof(trouble->help),
		         "there are %u, from %" PRIu64 " to %" PRIu64 ": lodemill state ls",
		         list->count, list->epoch[list->count - 1].epoch, list->epoch[0].epoch);
	}
	return NULL;
}

bool
state_folder_is_gone(const char *folder, uint64_t epoch)
{
	static const char copies[] = { 'a', 'b' };

	for (uint32_t i = 0; i < sizeof(copies); i++) {
		char path[STORE_FOLDER_MAX + MANIFEST_NAME_MAX + 2], name[MANIFEST_NAME_MAX];

		manifest_name(name, epoch, copies[i]);
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (access(path, F_OK) == 0 || errno != ENOENT) {
			return false;
		}
	}
	return true;
}

uint64_t
state_folder_file_size(const char *folder, const char *name)
{
	char path[STORE_FOLDER_MAX + MANIFEST_NAME_MAX + 2];
	struct stat about;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return stat(path, &about) == 0 ? (uint64_t)about.st_size : 0;
}

const char *
state_time(int64_t wall_ns, char text[STATE_TIME_MAX])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL ||
	    strftime(text, STATE_TIME_MAX, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
		snprintf(text, STATE_TIME_MAX, "-");
	}
	return text;
}

const char *
state_age(int64_t wall_ns, int64_t now_ns, char text[STATE_TIME_MAX])
{
	double seconds = (double)(now_ns - wall_ns) / (double)NS_PER_S;

	snprintf(text, STATE_TIME_MAX, "%s", now_ns < wall_ns ? "-" : units_duration(seconds).text);
	return text;
}
