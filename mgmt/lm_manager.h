/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_MANAGER_H
#define LM_MANAGER_H

/*
 * A manager of one's own: a shared object that `lodemill run --manager FILE.so` loads into a job.
 * It is told twice a second how every slice is doing, hears of each action that comes to its end,
 * has a timer, and may ask for any action that lodectl can ask for. What it remembers outlives a
 * crash where the job has a state folder.
 *
 *     static void
 *     on_probe(struct lm_manager *m, const struct lm_probe *probe)
 *     {
 *             if (probe->rows_per_s < 1000)
 *                     lm_manager_submit(m, "snapshot", NULL, why, sizeof(why));
 *     }
 *     static const struct lm_manager_class mine = { .abi_version = LM_MANAGER_ABI_VERSION,
 *                                                   .name = "mine", .version = "1",
 *                                                   .on_performance_probe = on_probe };
 *     const struct lm_manager_class *lm_manager_plugin(void) { return &mine; }
 *
 * Threads: all callbacks run on the job's control thread, one at a time, never on an lcore of the
 * stream; rows do not wait for them, but epochs, snapshots and the control socket do. So they must
 * not block: one that takes longer than LM_MANAGER_LATE_NS is counted (`manager.late` of
 * `lodectl status`) and said. Code of a manager is trusted as the engine is.
 */

#include "core/lm_serial.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As for operators (core/lm_op.h): a manager loads when the majors are equal and its minor is not
 * above the job's. Fields are only ever added at the end of a struct. */
#define LM_MANAGER_ABI_MAJOR 1u
#define LM_MANAGER_ABI_MINOR 0u
#define LM_MANAGER_ABI_VERSION ((LM_MANAGER_ABI_MAJOR << 16) | LM_MANAGER_ABI_MINOR)

#define LM_MANAGER_LATE_NS 10000000
/* Bytes that serialize_state may write. */
#define LM_MANAGER_STATE_MAX 60000u

struct lm_manager; /* a loaded one, as it sees itself */

/* An action that has come to its end: `done` or failed, for a reason. Texts end with the callback.
 */
struct lm_action {
	uint64_t id;      /* as lm_manager_submit returned it, if it was this manager that asked */
	const char *kind; /* the method that asked for it: "migrate" */
	const char *what; /* its parameters, for people; may be empty */
	bool done;
	const char *reason; /* why it failed; of one that is done a remark, or empty */
	uint64_t epoch;     /* that it waited for; 0: none */
	uint64_t pause_ns;  /* the longest that a slice which was moved stood still */
	uint64_t took_ns;   /* from the call to the end */
	uint32_t uid;       /* who asked */
};

/* A slice between two probes. */
struct lm_probe_slice {
	const char *op; /* the operator's name in the topology */
	uint32_t slice; /* its number in the operator */
	uint32_t lcore; /* that runs it */
	uint64_t rows_in, rows_out, rows_dropped;
	uint64_t bytes_in, bytes_out; /* over its rings */
	double busy;                  /* share of the time, 0 to 1, with those it calls directly */
	uint64_t blocked;             /* turns without room downstream */
	uint32_t waiting, room;       /* items in the rings before it, now; their credit */
	int64_t oldest_ns;            /* event time it has come to; INT64_MIN: none yet */
	uint64_t state_bytes;         /* that its maps and values take, now */
	uint64_t epoch;               /* the last marker it passed on */
	uint64_t rows;                /* of a sink: those that latency is of */
	uint64_t p50_ns, p99_ns;      /* of a sink, all its slices together; else 0 */
};

struct lm_probe_lcore {
	uint32_t lcore;
	int32_t numa_node; /* -1: unknown */
	double busy;       /* share of the time, 0 to 1 */
};

/* How the job is doing. What there are many of is read by number, from 0. */
struct lm_probe {
	uint64_t number;   /* counts up */
	double interval_s; /* since the probe before */
	double seconds;    /* since the start */
	double cpu;        /* CPUs that the process took: 1.5 is one and a half */
	uint64_t memory;   /* resident bytes of the process */
	double rows_per_s; /* by the sources */
	uint32_t slice_count, lcore_count, counter_count;
	const struct lm_probe_slice *(*slice)(const struct lm_probe *probe, uint32_t index);
	const struct lm_probe_lcore *(*lcore)(const struct lm_probe *probe, uint32_t index);
	/* Counters of NICs since the start: "port0.imissed". NULL: none of that number. */
	const char *(*counter)(const struct lm_probe *probe, uint32_t index, uint64_t *value);
};

/* What a slice counts of its own (lm_op_gauge). */
struct lm_custom_probe {
	const char *op;
	uint32_t slice;
	const char *name;
	uint64_t value;  /* now */
	uint64_t before; /* at the probe before; 0: there was none */
};

/* What a manager is. All functions but on… of those it wants are optional. */
struct lm_manager_class {
	uint32_t abi_version; /* LM_MANAGER_ABI_VERSION */
	uint32_t flags;       /* 0 */
	const char *name;     /* [a-z][a-z0-9_]*, at most 31 characters */
	const char *version;
	const char *summary; /* one sentence for people; may be NULL */
	size_t context_size; /* of lm_manager_context, zeroed before open */

	/* Before the job runs. 0, or -1 after lm_manager_log has said why: then nothing is run. */
	int (*open)(struct lm_manager *manager);
	void (*close)(struct lm_manager *manager);

	/* Once for each action, whoever asked for it. */
	void (*on_action_completed)(struct lm_manager *manager, const struct lm_action *action);
	/* Every 500 ms. */
	void (*on_performance_probe)(struct lm_manager *manager, const struct lm_probe *probe);
	/* Right behind it, for every gauge of every slice. */
	void (*on_custom_probe)(struct lm_manager *manager, const struct lm_custom_probe *probe);
	/* As lm_manager_timer asks for it. */
	void (*on_timer)(struct lm_manager *manager);

	/*
	 * What is to outlive the process, at most LM_MANAGER_STATE_MAX bytes: asked for behind a
	 * callback that has called lm_manager_save, and at the end.
	 */
	void (*serialize_state)(struct lm_manager *manager, struct lm_writer *writer);
	/* The opposite, behind open, if there is something. `version`: state_version of the class
	 * that wrote it. */
	void (*deserialize_state)(struct lm_manager *manager, struct lm_reader *reader,
	                          uint32_t version);
	uint32_t state_version;
};

void *lm_manager_context(const struct lm_manager *manager);
/* What stands behind --manager-argument; empty: nothing. */
const char *lm_manager_argument(const struct lm_manager *manager);
/* The topology's name. */
const char *lm_manager_topology(const struct lm_manager *manager);
/* The clock: monotonic. */
int64_t lm_manager_now_ns(const struct lm_manager *manager);

/*
 * Asks for an action: a method of docs/control.md that returns one, its parameters as an object of
 * JSON (NULL: none), such as "migrate", {"operator": "sums", "slice": 1, "lcore": 3}. Returns its
 * number, which on_action_completed brings back once, never within this call; 0: it is not taken
 * in, and `why` (may be NULL) says so in a sentence.
 */
uint64_t lm_manager_submit(struct lm_manager *manager, const char *method, const char *params,
                           char *why, size_t why_size);
/* Calls on_timer every `period_ns` from now, at most a hundred times a second; 0: no more. */
void lm_manager_timer(struct lm_manager *manager, uint64_t period_ns);
/* What serialize_state writes has changed and is to be kept, when this callback is through. */
void lm_manager_save(struct lm_manager *manager);
/* A line for people, with the manager's name in front. */
void lm_manager_log(struct lm_manager *manager, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A manager (shared object) exports one function of this name and type. */
#define LM_MANAGER_ENTRY "lm_manager_plugin"
const struct lm_manager_class *lm_manager_plugin(void);

#ifdef __cplusplus
}
#endif

#endif
