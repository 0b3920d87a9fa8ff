/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_TOPOLOGY_H
#define LM_TOPOLOGY_H

/*
 * Declaring a topology: operators, their parameters, and the wires between them. What is declared
 * is only text and numbers; it is checked as a whole by lm_engine_load (core/lm_engine.h), which
 * reports all errors at once, each with the place that was current when the thing was declared.
 *
 *     struct lm_topology *t = lm_topology_create("count");
 *     lm_topology_operator(t, "source", "generator");
 *     lm_topology_param(t, "source", "rows", "1000000");
 *     lm_topology_operator(t, "out", "null_sink");
 *     lm_topology_wire(t, &(struct lm_wire){ .from = "source", .to = "out" });
 *
 * Threads: one at a time. Every text is copied. Calls that can fail return 0 or -errno: -ENOMEM,
 * -EEXIST (the name is taken), -ENOENT (no such operator), -E2BIG (over a bound below).
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LM_OPERATORS_MAX 256u
#define LM_WIRES_MAX 1024u
#define LM_SLICES_MAX 256u /* of an operator */
#define LM_KEY_FIELDS_MAX 8u

/* Groupings: which slice of the receiver gets a row. X-macro: enum suffix, text in a topology file.
 */
#define LM_GROUPINGS(X)                                                                            \
	X(FORWARD, "forward") /* slice i to slice i where the counts are equal, else local */      \
	X(LOCAL, "local or shuffle") /* a slice on the same lcore if there is one, else shuffle */ \
	X(SHUFFLE, "shuffle")        /* any, by load: the emptiest edge first */                   \
	X(ROUND_ROBIN, "round robin") /* batch by batch, in turn */                                \
	X(KEY, "by")                  /* hash of columns -> slot -> slice */                       \
	X(PARTIAL_KEY, "partly by")   /* the less loaded of two slices that the key allows */      \
	X(ALL, "to all")              /* every slice gets every row */                             \
	X(GLOBAL, "to one")           /* the first slice gets every row */                         \
	X(DIRECT, "direct by")        /* the column's value is the slice's index */                \
	X(CUSTOM, "using")            /* a function registered by a plugin */

enum lm_grouping {
#define LM_GROUPING_ENUM(suffix, text) LM_GROUP_##suffix,
	LM_GROUPINGS(LM_GROUPING_ENUM)
#undef LM_GROUPING_ENUM
	    LM_GROUPING_COUNT
};

/* What happens when an edge is full. */
#define LM_POLICIES(X)                                                                             \
	X(BLOCK, "block")             /* the producer waits; the default */                        \
	X(SHED_NEWEST, "shed newest") /* the arriving rows are dropped, counted */                 \
	X(SHED_OLDEST, "shed oldest") /* the oldest waiting batch is dropped, counted */           \
	X(THROTTLE, "throttle")       /* at most `rate` rows a second pass; the producer waits */

enum lm_policy {
#define LM_POLICY_ENUM(suffix, text) LM_POLICY_##suffix,
	LM_POLICIES(LM_POLICY_ENUM)
#undef LM_POLICY_ENUM
	    LM_POLICY_COUNT
};

/* Where a person wrote something. line 0: nowhere. Columns count from 1. */
struct lm_place {
	uint32_t line;
	uint32_t column;
	uint32_t length; /* characters meant, for the caret line; 0: unknown */
};

struct lm_topology;

struct lm_wire {
	const char *from;   /* operator */
	const char *output; /* its output; NULL: the first */
	const char *to;
	const char *input; /* NULL: the first */
	enum lm_grouping grouping;
	const char *columns[LM_KEY_FIELDS_MAX]; /* KEY, PARTIAL_KEY, DIRECT; NULL-filled */
	const char *function;                   /* CUSTOM */
	enum lm_policy policy;
	uint32_t credit; /* batches an edge holds, 2 to 4096, a power of two; 0: the default (64) */
	uint64_t rate;   /* THROTTLE: rows per second per edge */
};

struct lm_topology *lm_topology_create(const char *name);
void lm_topology_free(struct lm_topology *topology); /* NULL is fine */

/* The place that what is declared next stands at, in file `file` (kept by the topology). */
int lm_topology_file(struct lm_topology *topology, const char *file);
void lm_topology_place(struct lm_topology *topology, struct lm_place place);

int lm_topology_operator(struct lm_topology *topology, const char *name, const char *type);
/* How many slices (1 to LM_SLICES_MAX; default 1), and the lcores they are pinned to, in turn. */
int lm_topology_slices(struct lm_topology *topology, const char *name, uint32_t slices);
/* `least` to begin with, and elasticity may change that, up to `most`. */
int lm_topology_slices_between(struct lm_topology *topology, const char *name, uint32_t least,
                               uint32_t most);
int lm_topology_pin(struct lm_topology *topology, const char *name, const uint32_t *lcores,
                    uint32_t count);
/* Parameters: a text, one more item of a list, one more entry of a map. */
int lm_topology_param(struct lm_topology *topology, const char *name, const char *param,
                      const char *value);
int lm_topology_param_item(struct lm_topology *topology, const char *name, const char *param,
                           const char *value);
int lm_topology_param_entry(struct lm_topology *topology, const char *name, const char *param,
                            const char *key, const char *value);
int lm_topology_wire(struct lm_topology *topology, const struct lm_wire *wire);

/* Settings of the whole topology. X-macro: field, type, default, what. */
struct lm_settings {
	uint64_t epoch_ns;   /* between two epoch markers; 0: none; default 1 s */
	uint32_t batch_rows; /* rows of a batch, at most; default LM_BATCH_ROWS */
	uint32_t credit;     /* of an edge without its own; default 64 */
	uint32_t slots;      /* of a keyed operator, a power of two; default 1024 */
	uint64_t partial_ns; /* a partial batch waits at most; default 20 us */
	uint64_t seed;       /* of the generators and of the hash; 0: random */
	bool fuse;           /* direct calls where possible; default true */
	uint32_t idle;       /* enum lm_idle */
};
enum lm_idle { LM_IDLE_SLEEP, LM_IDLE_SPIN, LM_IDLE_PAUSE, LM_IDLE_YIELD };
struct lm_settings *lm_topology_settings(struct lm_topology *topology);

/* Snapshots of its state: whether, where to, and how. */
struct lm_state {
	const char *folder;  /* NULL: none are taken. Set by lm_topology_state_folder */
	uint32_t keep;       /* complete ones; default 2 */
	uint32_t codec;      /* enum lm_state_codec; default LM_STATE_ZEROES */
	int level;           /* of the codec; 0: its default */
	uint64_t pace;       /* bytes of state per second that are copied at most; 0: no bound */
	uint64_t timeout_ns; /* one that takes longer is given up; default 10 s */
	uint32_t full_after; /* increments until the next full one; default 16 */
	uint64_t
	    verify; /* bytes per second that are read back and checked; 0: none; default 64 MB */
};
enum lm_state_codec { LM_STATE_PLAIN, LM_STATE_LZ4, LM_STATE_ZSTD, LM_STATE_ZEROES };
struct lm_state *lm_topology_state(struct lm_topology *topology);
int lm_topology_state_folder(struct lm_topology *topology, const char *folder);

/* How many lcores it uses while it runs, and who decides. Shares are of an lcore, 0 to 1. */
struct lm_elastic {
	uint32_t policy;                 /* enum lm_elastic_policy */
	uint32_t lcores_min, lcores_max; /* of those there are; max 0: all; default 1 and 0 */
	double high;                     /* an lcore that is busier is too busy; default 0.85 */
	double low;           /* lcores that are less busy, on average, are too many; 0.6 */
	double target;        /* what each is to have at most when there are more or fewer; 0.7 */
	double gain;          /* a change takes so much from the busiest lcore; default 0.05 */
	uint64_t interval_ns; /* between two looks; default 100 ms */
	uint64_t guard_ns;    /* from a change until the next one; default 300 ms */
	uint32_t hold;        /* looks in a row that must want more; three times that: fewer; 2 */
	uint32_t moves;       /* slices that are moved per interval, at most; default 16 */
	bool dry_run;         /* only say it; default false */
};
enum lm_elastic_policy {
	LM_ELASTIC_OFF,
	LM_ELASTIC_STATIC,    /* nothing is moved; the load is shown */
	LM_ELASTIC_THRESHOLD, /* by how busy lcores are */
	LM_ELASTIC_MODEL,     /* by what the sources would send if they could */
};
struct lm_elastic *lm_topology_elastic(struct lm_topology *topology);

/* A shared object to load operator classes from. */
int lm_topology_plugin(struct lm_topology *topology, const char *path);

#ifdef __cplusplus
}
#endif

#endif
