/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting, reading and ending dpdk-testpmd. */

#define _GNU_SOURCE
#include "bench/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#define PROGRAM "dpdk-testpmd"
/* It gets so long to stop its port before it is killed. */
#define STOP_MS 3000

bool
peer_exists(void)
{
	const char *path = getenv("PATH");
	char *copy = strdup(path == NULL ? "/usr/bin" : path), *rest = copy, *folder;
	char file[600];
	bool found = false;

	while (!found && (folder = strsep(&rest, ":")) != NULL) {
		snprintf(file, sizeof(file), "%s/" PROGRAM, folder);
		found = access(file, X_OK) == 0;
	}
	free(copy);
	return found;
}

/* In the new process. Memory of the same kind as ours; the burst of the loops it stands beside. */
static void
become(int out, pid_t parent, int cpu, const char *vdev, const char *mode)
{
	bool huge = rte_eal_has_hugepages() != 0;
	char lcores[60], prefix[60], device[300], forward[60];
	const char *args[] = {
		PROGRAM,
		"--lcores",
		lcores,
		"-m",
		"256",
		huge ? "--huge-unlink" : "--no-huge",
		"--no-pci",
		"--no-shconf",
		prefix,
		device,
		"--log-level=lib.eal:error",
		"--log-level=lib.telemetry:error",
		"--",
		forward,
		"--burst=64",
		"--total-num-mbufs=32768",
		"--stats-period=1",
		"--disable-link-check",
		NULL,
	};
	int null = open("/dev/null", O_RDWR);

	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", cpu, cpu);
	snprintf(prefix, sizeof(prefix), "--file-prefix=peer%d", (int)parent);
	snprintf(device, sizeof(device), "--vdev=%s", vdev);
	snprintf(forward, sizeof(forward), "--forward-mode=%s", mode);
	dup2(null, STDIN_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(out, STDOUT_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent) {
		execvp(PROGRAM, (char **)(uintptr_t)args);
	}
	_exit(127);
}

bool
peer_start(struct peer *peer, int cpu, const char *vdev, const char *mode)
{
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		return false;
	}
	peer->pid = fork();
	if (peer->pid == 0) {
		become(ends[1], parent, cpu, vdev, mode);
	}
	close(ends[1]);
	peer->out = fdopen(ends[0], "r");
	return peer->pid > 0 && peer->out != NULL;
}

double
peer_rate(struct peer *peer, bool sent)
{
	const char *label = sent ? "Tx-pps:" : "Rx-pps:";
	char line[300];

	while (fgets(line, sizeof(line), peer->out) != NULL) {
		const char *at = strstr(line, label);
		double rate = at == NULL ? 0 : strtod(at + strlen(label), NULL);

		if (rate > 0 || (at != NULL && sent)) {
			return rate;
		}
	}
	return -1;
}

void
peer_stop(struct peer *peer)
{
	const struct timespec step = { .tv_nsec = 10000000 };

	if (peer->pid > 0) {
		kill(peer->pid, SIGINT);
		for (int ms = 0; ms < STOP_MS; ms += 10) {
			if (waitpid(peer->pid, NULL, WNOHANG) == peer->pid) {
				peer->pid = 0;
				break;
			}
			nanosleep(&step, NULL);
		}
	}
	if (peer->pid > 0) {
		kill(peer->pid, SIGKILL);
		waitpid(peer->pid, NULL, 0);
		peer->pid = 0;
	}
	if (peer->out != NULL) {
		fclose(peer->out);
		peer->out = NULL;
	}
}
