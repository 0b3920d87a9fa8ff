/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUMMARY_H
#define SUMMARY_H

/*
 * The closing summary of a run: tables for people, or one line of JSON for programs. Made from the
 * last sample of the engine and from what only the caller knows.
 *
 * The JSON object, one line, keys in this order:
 *   status         "complete", "stopped" or "failed"
 *   topology, version, isa
 *   seconds        of the run
 *   packets, bytes as the caller gave them
 *   rows           that the sources sent
 *   rows_per_s
 *   drops          {"<operator>.<reason>": rows, "port0.imissed": packets}; only what is not 0
 *   latency_ns     {p50, p90, p99, p99_9, p99_99, max, count} at the sinks, rows weighed
 *   operators      [{name, type, slices, rows_in, rows_out, absorbed, drops {reason: rows},
 *                    batches_in, fill, errors}]; fill: rows per batch as a share of a full one
 *   removed        [{name, type, slices, rows_in, rows_out, absorbed, dropped, errors}] of
 * operators that a change of the graph took out; only where there are some; `rows` has those of
 * sources lcores         [{lcore, numa_node (if known), busy_share, turns, longest_turn_ns}]
 *   snapshots      {durable, lost, epoch, bytes, last_ms, uncommitted}; only where they are taken
 *   warnings       [text]
 */

#include "mgmt/sample.h"
#include "state/snapshot.h"

#include <stdio.h>

#define SUMMARY_STATUSES(X)                                                                        \
	X(COMPLETE, "complete")                                                                    \
	X(STOPPED, "stopped")                                                                      \
	X(FAILED, "failed")

enum summary_status {
#define SUMMARY_STATUS_ENUM(suffix, text) SUMMARY_##suffix,
	SUMMARY_STATUSES(SUMMARY_STATUS_ENUM)
#undef SUMMARY_STATUS_ENUM
};

struct summary {
	const char *topology, *version, *isa;
	enum summary_status status;
	double seconds;
	uint64_t packets, bytes; /* both 0: not shown to people */
	const char *const *warnings;
	uint32_t warning_count;
	const struct sample *sample;        /* the last one */
	const struct sample_operator *gone; /* that were removed while it ran: what they counted */
	uint32_t gone_count;
	const struct snapshot_status *snapshots; /* NULL: none are taken */
};

/* For people. 0 or -ENOMEM or -EIO. */
int summary_print(FILE *out, const struct summary *summary, bool colour);
/* For programs, one line. 0 or -ENOMEM or -EIO. */
int summary_json(FILE *out, const struct summary *summary);

#endif
