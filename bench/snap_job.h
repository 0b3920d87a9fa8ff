/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SNAP_JOB_H
#define SNAP_JOB_H

/*
 * The job that the benchmarks of snapshots run: a source of keys, a keyed count on the first lcore,
 * a sink. The count is the engine's own `aggregate`, each of its batches timed; each flip is timed,
 * too (state_flip, as the worker calls it). The source first brings every key once, so that the
 * state is as large as it will be, then what it is asked for.
 *
 *     good = snap_job_open(&job, &shape, &options);       options NULL: no snapshots
 *     good = snap_job_fill(&job);                         starts it; every key has come
 *     snap_job_feed(&job, SNAP_KEYS);                     goes on with the shape's keys
 *     snap_job_epoch(&job);                               a new epoch now
 *     snap_job_run(&job, seconds);                        keeps the engine's time
 *     snap_job_close(&job);                               also after open has failed
 *
 * Threads: one control thread, which is moved away from the first lcore's CPU, and with it the
 * copier. One job at a time.
 */

#include "bench/bench.h"
#include "core/engine.h"
#include "core/lm_stats.h"
#include "state/snapshot.h"

#define SNAP_INTERVALS_MAX 128u
#define SNAP_BUCKETS_MAX 600u
#define SNAP_BUCKET_MS 100u

struct snap_shape {
	uint64_t keys;
	bool is_uniform;    /* else Zipf 1.0 */
	uint32_t windows;   /* keys are counted by window, and all of these are open; 0: without */
	bool is_shared_out; /* rows come by key: there may be several slices that count */
	bool is_tally;      /* what counts is snap_tally, not the engine's aggregate */
	uint32_t batch_rows;
	uint64_t epoch_ns;
	uint32_t slots;   /* of the keys; 0: 1024, with windows 4096 */
	uint32_t slices;  /* that count, dealt to the workers; 0: one */
	uint32_t workers; /* all else of the job is on the first; 0: one */
	bool is_traced;   /* slices note when they had what in hand: snap_seen */
};
#define SNAP_WINDOW_NS 1000000000
/* Keys for a state of so many bytes. */
uint64_t snap_keys(uint64_t bytes);
/* State of this size, its log and the keys fit into memory; else a half, a quarter …, down to
 * `least`. */
uint64_t snap_bytes_that_fit(uint64_t wanted, uint64_t least);

enum snap_feed {
	SNAP_PAUSE,
	SNAP_FILL, /* every key once, then as SNAP_PAUSE */
	SNAP_KEYS,
	SNAP_SOME /* so many keys, uniform, then as SNAP_PAUSE */
};

/* What the worker notes between two flips. */
struct snap_interval {
	uint64_t flip_ns;
	struct lm_hist copying, idle; /* ns of a batch, while a copier was at work or not */
};

struct snap_bucket {
	uint64_t rows;
	struct lm_hist batch_ns;
};

/*
 * What the slice of this number that counts has noted. It crosses when its next batch is behind
 * another marker than the last one, on another lcore, or in another slice of this number.
 */
#define SNAP_SEEN_MAX 16u
struct snap_seen {
	uint64_t crossings;      /* so far */
	int64_t before_ns;       /* of the last crossing: the end of the batch before it … */
	int64_t first_ns;        /* … and the start of the one behind it */
	int64_t last_end_ns;     /* of the last batch so far */
	int64_t longest_gap_ns;  /* between two batches, since control set it to 0 */
	struct lm_hist batch_ns; /* how long batches took */
	uint64_t epoch;          /* the slice's own, as `worker` */
	const void *worker;
} __attribute__((aligned(64)));

/* The operator that counts, of the job's topology. */
#define SNAP_COUNT 1u

struct snap_job {
	struct snap_shape shape;
	char text[800];
	struct lm_topology *topology;
	struct lm_graph *graph;
	const struct lm_op_class *class; /* that counts in the beginning */
	struct lm_errors errors;
	struct lm_placement placement;
	struct lm_engine *engine;
	struct snapshots *snapshots; /* NULL: none */
	char why[SNAPSHOT_WHY];
};

bool snap_job_open(struct snap_job *job, const struct snap_shape *shape,
                   const struct snapshot_options *options);
bool snap_job_fill(struct snap_job *job);
/* Starts it as it is. */
bool snap_job_start(struct snap_job *job);
void snap_job_close(struct snap_job *job);

void snap_job_feed(struct snap_job *job, enum snap_feed feed, uint64_t some);
/* Waits until SNAP_FILL or SNAP_SOME is done and counted. */
void snap_job_drain(struct snap_job *job);
void snap_job_run(struct snap_job *job, double seconds);
/* With snapshots the epoch is one. Returns its number. */
uint64_t snap_job_epoch(struct snap_job *job);
/* An epoch with its snapshot, until that is durable. False: it was lost; why is said. */
bool snap_job_snapshot(struct snap_job *job, struct snapshot_status *status);
uint64_t snap_job_rows(const struct snap_job *job); /* counted so far */
/*
 * Asks for other code to count from the next epoch on, with the state, as many slices and on the
 * same lcores. Returns the number of the change; 0: refused, said why. It keeps the class.
 */
uint64_t snap_job_update(struct snap_job *job, const struct lm_op_class *class);
const struct state_space *snap_job_space(const struct snap_job *job);

/* The worker's notes: of intervals from here on; of buckets of time from here on. */
void snap_probe_reset(void);
const struct snap_interval *snap_probe_intervals(uint32_t *count);
const struct snap_bucket *snap_probe_buckets(uint32_t *count);

/* Any time. */
uint64_t snap_seen_crossings(uint32_t slice);
int64_t snap_seen_last_end(uint32_t slice); /* of one that is gone, or stands still */
/* The last crossing; false: it has not crossed since there were so many. */
bool snap_seen_crossed(uint32_t slice, uint64_t crossings, int64_t *before_ns, int64_t *first_ns);
/* The longest that any of them waited for its next batch since this was last called. */
int64_t snap_seen_longest_gap(void);
/* Adds how long batches took. */
void snap_seen_add(struct lm_hist *batch_ns);
/* Adds how long steps took in which state became another version's, and how long slots that rows
 * waited for (is_tally, one slice). */
void snap_steps_add(struct lm_hist *step_ns, struct lm_hist *slot_ns);

/* A folder for one benchmark, on the disk that is to be measured; removed with all that is in it.
 * False: said why. */
bool snap_folder_make(char folder[STORE_FOLDER_MAX]);
void snap_folder_remove(const char *folder);
/* Bytes of the files in it whose names start like this. */
uint64_t snap_folder_bytes(const char *folder, const char *prefix);
/* The path of the largest of them. False: there is none. */
bool snap_folder_largest(const char *folder, const char *prefix, char *path, size_t size);

#endif
