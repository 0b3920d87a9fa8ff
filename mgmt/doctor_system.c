/* SPDX-License-Identifier: BSD-3-Clause */
/* doctor: the checks of DPDK's own files, of io_uring, of the clock on the wall, of watchdogs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "mgmt/doctor_checks.h"

/* The first release of 22.11 with all fixes that the engine counts on. */
#define SYSTEM_DPDK_WANTED 221111u
#define SYSTEM_STAT_INTERVAL 10u

/* "DPDK 22.11.4" -> 221104; 0: not of that form. */
static unsigned long
system_version(const char *text)
{
	unsigned long number = 0;

	if (text == NULL || strncmp(text, "DPDK ", 5) != 0) {
		return 0;
	}
	text += 5;
	for (int part = 0; part < 3; part++) {
		char *end;
		unsigned long value = strtoul(text, &end, 10);

		if (end == text || value > 99 || (part < 2 && *end != '.')) {
			return 0;
		}
		number = number * 100 + value;
		text = end + 1;
	}
	return number;
}

void
doctor_dpdk_version(const struct doctor *doctor, struct doctor_check *check)
{
	const char *text = doctor->options->dpdk_version;
	unsigned long version = system_version(text);

	if (version == 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "not told");
	} else if (version < SYSTEM_DPDK_WANTED) {
		doctor_found(check, DOCTOR_WARN, "%s", text);
		doctor_cost(check, "known errors that 22.11.11 repairs");
		doctor_fix(check, false, "apt-get install --only-upgrade 'librte-*' dpdk");
	} else {
		doctor_found(check, DOCTOR_PASS, "%s", text);
	}
}

/* A socket in the folder that is bound by a process shows that its owner lives. */
static bool
system_prefix_lives(const struct doctor *doctor, const char *sockets, const char *prefix)
{
	char path[160];

	snprintf(path, sizeof(path), "/dpdk/%s/", prefix);
	if (sockets != NULL && strstr(sockets, path) != NULL) {
		return true;
	}
	if (hostfs_live(doctor->host)) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		char file[HOSTFS_PATH_MAX];
		int config;
		bool held;

		snprintf(file, sizeof(file), "/var/run/dpdk/%s/config", prefix);
		config = open(file, O_RDWR | O_CLOEXEC);
		held = config >= 0 && fcntl(config, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
		if (config >= 0) {
			close(config);
		}
		return held;
	}
	return false;
}

void
doctor_dpdk_stale(const struct doctor *doctor, struct doctor_check *check)
{
	struct hostfs_names names;
	char *sockets = hostfs_read_all(doctor->host, "proc/net/unix");
	uint32_t stale = 0, alive = 0;
	char first[HOSTFS_NAME_MAX] = "";

	if (hostfs_list(doctor->host, &names, "var/run/dpdk") != 0 &&
	    hostfs_list(doctor->host, &names, "run/dpdk") != 0) {
		doctor_found(check, DOCTOR_PASS, "no DPDK program has left anything");
		free(sockets);
		return;
	}
	for (uint32_t i = 0; i < names.count; i++) {
		if (system_prefix_lives(doctor, sockets, names.name[i])) {
			alive++;
			continue;
		}
		if (stale++ == 0) {
			memcpy(first, names.name[i], sizeof(first));
		}
	}
	hostfs_names_free(&names);
	free(sockets);
	if (stale == 0) {
		doctor_found(check, DOCTOR_PASS,
		             alive == 0 ? "no leftovers" : "no leftovers; %u run", alive);
		return;
	}
	doctor_found(check, DOCTOR_WARN, "%u folder%s of DPDK programs that ended (%s%s)", stale,
	             stale > 1 ? "s" : "", first, stale > 1 ? ", ..." : "");
	doctor_cost(check, "hugepages may stay taken, and a new program of that name waits");
	doctor_fix(check, false, "rm -r /var/run/dpdk/%s; rm -f /dev/hugepages/%smap_*", first,
	           first);
}

/* Whether files of the current folder can be read past the page cache. */
static bool
system_direct(void)
{
	int file = open(".", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);

	if (file < 0) {
		return errno != EINVAL;
	}
	close(file);
	return true;
}

void
doctor_io_uring(const struct doctor *doctor, struct doctor_check *check)
{
	uint64_t disabled;
	int error = hostfs_u64(doctor->host, &disabled, "proc/sys/kernel/io_uring_disabled");

	if (error == -ENOENT && hostfs_exists(doctor->host, "proc/sys/kernel")) {
		/* Kernels before 6.6 have no switch. */
		disabled = 0;
	} else if (error != 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel does not say");
		return;
	}
	if (disabled != 0) {
		doctor_found(check, DOCTOR_WARN, "io_uring is %s",
		             disabled == 1 ? "for root only" : "switched off");
		doctor_cost(check, "snapshots are written by plain calls, more slowly");
		doctor_fix(check, false, "sysctl kernel.io_uring_disabled=0");
	} else if (hostfs_live(doctor->host) && !system_direct()) {
		doctor_found(check, DOCTOR_INFO,
		             "io_uring is there; this folder's file system has no O_DIRECT");
		doctor_cost(check, "snapshots go through the page cache");
	} else {
		doctor_found(check, DOCTOR_PASS, "io_uring is there");
	}
}

void
doctor_time(const struct doctor *doctor, struct doctor_check *check)
{
	struct timex state = { 0 };
	int result;

	if (!hostfs_live(doctor->host)) {
		doctor_found(check, DOCTOR_UNKNOWN, "a recording does not say");
		return;
	}
	result = adjtimex(&state);
	if (result < 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel does not say");
	} else if (result == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
		doctor_found(check, DOCTOR_INFO, "the clock is not synchronised by this kernel");
		doctor_cost(check, "event times of other hosts may be ahead of ours or behind");
		doctor_fix(check, false,
		           "apt-get install chrony (a virtual machine may be "
		           "synchronised by its host)");
	} else {
		doctor_found(check, DOCTOR_PASS, "the clock is synchronised, to about %ld us",
		             state.esterror);
	}
}

void
doctor_watchdogs(const struct doctor *doctor, struct doctor_check *check)
{
	uint64_t watchdog, interval;
	int error = hostfs_u64(doctor->host, &watchdog, "proc/sys/kernel/nmi_watchdog");

	if (error != 0 || hostfs_u64(doctor->host, &interval, "proc/sys/vm/stat_interval") != 0) {
		doctor_found(check, DOCTOR_UNKNOWN, "the kernel does not say");
		return;
	}
	doctor_found(
	    check, watchdog == 0 && interval >= SYSTEM_STAT_INTERVAL ? DOCTOR_PASS : DOCTOR_INFO,
	    "kernel.nmi_watchdog is %" PRIu64 ", vm.stat_interval is %" PRIu64, watchdog, interval);
	if (check->level == DOCTOR_INFO) {
		doctor_cost(check, "small interruptions, once a second or so");
		doctor_fix(check, false, "sysctl kernel.nmi_watchdog=0 vm.stat_interval=%u",
		           SYSTEM_STAT_INTERVAL);
	}
}
