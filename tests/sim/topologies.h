/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_TOPOLOGIES_H
#define SIM_TOPOLOGIES_H

/*
 * Topology files under the simulator: the operators that people use, loaded as people write them,
 * with slices, batches, credit, fusion, epochs, groupings and placement drawn from the seed. A
 * scenario says how it draws its variables and what must have come out:
 *
 *     static const struct topo_scenario words = { "words.yaml", words_begin, words_draw,
 * words_check, words_end }; good = topo_run(&words, seed);
 *
 * The files are those of tests/sim/topologies, below the folder that LODEMILL_SOURCE names
 * (default: the current one).
 */

#include "core/lm_engine.h"

struct sim_lines;

#define TOPO_SETS_MAX 40u
#define TOPO_TEXT_MAX 200u

/* One run: the variables of the file, and a folder of its own for the files that operators use. */
struct topo {
	uint64_t seed;
	char set[TOPO_SETS_MAX][TOPO_TEXT_MAX]; /* NAME=value */
	uint32_t set_count;
	char folder[TOPO_TEXT_MAX / 2];
	void *data; /* the scenario's */
};

struct topo_scenario {
	const char *file;
	/* Makes the input; once. False: the run cannot be made, said on stderr. May be NULL. */
	bool (*begin)(struct topo *topo);
	/* Sets the variables; again if what they make takes too much memory. */
	void (*draw)(struct topo *topo);
	/* After the end: false, with the reason on stderr, if anything is wrong. */
	bool (*check)(struct topo *topo, const struct lm_engine *engine);
	void (*end)(struct topo *topo); /* frees what begin made; may be NULL */
	/* Operators that may get other numbers of slices while it runs; NULL: none. */
	bool (*may_rescale)(const struct lm_graph *graph, uint32_t op);
};

bool topo_run(const struct topo_scenario *scenario, uint64_t seed);
/* Those that keep state by key. */
struct lm_graph;
bool topo_may_rescale_keyed(const struct lm_graph *graph, uint32_t op);
/* Whether other code of its class may go on where it is. */
bool topo_may_renew(const struct lm_graph *graph, uint32_t op);

/* Drawing. A number of slices, 1 to 16; a grouping's words from those that spread rows freely. */
void topo_set(struct topo *topo, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void topo_set_slices(struct topo *topo, const char *name);
void topo_set_spread(struct topo *topo, const char *name);

/* For runs that topo_run is not made for: the settings that every file leaves open, the file with
 * the variables set, and whether a run would take little enough memory. */
void topo_draw_settings(struct topo *topo, bool has_epochs);
struct lm_topology *topo_load(const char *file, const struct topo *topo, struct lm_errors *errors);
bool topo_is_affordable(const struct lm_graph *graph, const struct lm_placement *placement);

/* Checking. An operator's rows dropped for a reason (its index), and all rows that came in. */
uint64_t topo_drops(const struct lm_engine *engine, const char *name, uint32_t reason);
uint64_t topo_rows_in(const struct lm_engine *engine, const char *name);
uint64_t topo_rows_absorbed(const struct lm_engine *engine, const char *name);
uint64_t topo_gauge(const struct lm_engine *engine, const char *name, uint32_t gauge);
/* One more line of text. */
void topo_expect(struct sim_lines *lines, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sorts both and compares; false after saying what differs. Frees `expected`. */
bool topo_compare(struct sim_lines *expected, struct sim_lines *got, const char *what);
/* True if `want` equals `got`, else says so. */
bool topo_equal(uint64_t want, uint64_t got, const char *what);
/* A value as sim_collect writes it. */
const char *topo_text(enum lm_type type, const void *value, char *text, size_t size);

/* The scenarios, a file each: topo_flows.c, … */
bool topo_flows_run(uint64_t seed);
bool topo_decoded_run(uint64_t seed);
/* The same without the filter in front: every frame counts. Seeds take the captures in turn. */
bool topo_captures_run(uint64_t seed);
uint32_t topo_captures(void);
/*
 * What every run on a capture must come to, on standard output: a line for each flow, and behind
 * them one for each second with frames of IP (seconds since 1970, packets, bytes).
 */
bool topo_flows_print(const char *path);
bool topo_words_run(uint64_t seed);
bool topo_windows_run(uint64_t seed);
bool topo_cycle_run(uint64_t seed);
bool topo_csv_run(uint64_t seed);
bool topo_tcp_run(uint64_t seed);
bool topo_aging_run(uint64_t seed);

#endif
