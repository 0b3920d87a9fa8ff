/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HOST_STRUCT_H
#define HOST_STRUCT_H

/* What the files of the host share: host.c (life), host_calls.c (what a manager may call),
 * host_probe.c (how samples become probes). */

#include "mgmt/host.h"
#include "mgmt/lm_manager.h"

struct host_probe {
	struct lm_probe probe; /* first: its functions find the rest behind it */
	const struct sample *sample;
	struct lm_probe_slice *slice; /* room for `room` */
	uint32_t room;
	struct lm_probe_lcore *lcore;
	uint64_t cpu_ns; /* of the process, at the probe before */
};

/* A manager, as it sees itself. */
struct lm_manager {
	const struct lm_manager_class *class;
	void *object; /* from dlopen */
	void *context;
	const char *argument;
	struct host_job job;
	bool is_open;

	uint64_t told;        /* completions */
	uint64_t period_ns;   /* of the timer; 0: none */
	int64_t due_ns;       /* … when next */
	bool is_changed;      /* what it remembers */
	bool is_save_failing; /* so that it is said once */
	struct view_loaded counts;
	struct host_probe probe;
};

/* host_probe.c: the probe between two samples, valid until the next. NULL: no memory. */
const struct lm_probe *host_probe_make(struct host_probe *probe, const struct sample *now,
                                       const struct sample *before);
void host_probe_free(struct host_probe *probe);

#endif
