/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill-bench [EAL args] -- [NAME…] [--smoke] [--runs N] [--state MIB]: one JSON line per
 * benchmark. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "bench/bench.h"
#include "bench/snap_classes.h"

/* In the order in which they run: scenarios, those that print a line of their own, micros. */
static struct bench *const scenarios[] = {
	&bench_filter_count, &bench_keyed_count, &bench_state_log_idle,
	&bench_ysb,          &bench_word_count,  &bench_exchange,
	&bench_rx_decode,    &bench_rx_testpmd,  &bench_rx_decode_memif,
};
static struct bench *const micros[] = {
	&bench_micro_batch, &bench_micro_gather, &bench_micro_edge,
	&bench_micro_route, &bench_micro_hash,   &bench_micro_hash_text,
	&bench_micro_map,   &bench_micro_decode, &bench_micro_mail,
};
#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static const struct own {
	const char *name;
	bool (*run)(uint32_t runs, bool small);
	uint32_t lcores;
} owns[] = {
	{ "latency_load", bench_latency, 1 },
	{ "snapshot_throughput", bench_snapshot_throughput, 2 },
	{ "snapshot_throughput_uniform", bench_snapshot_throughput_uniform, 2 },
	{ "snapshot_p99_us", bench_snapshot_p99, 2 },
	{ "snapshot_write", bench_snapshot_write, 2 },
	{ "snapshot_incremental", bench_snapshot_incremental, 2 },
	{ "restore", bench_restore, 2 },
	{ "migrate_pause_us", bench_migrate_pause, 2 },
	{ "rescale_pause_us", bench_rescale_pause, 2 },
	{ "rescale_windows_us", bench_rescale_windows, 2 },
	{ "change_throughput", bench_change_throughput, 2 },
	{ "update_pause_us", bench_update_pause, 2 },
	{ "update_convert_us", bench_update_convert, 2 },
};

uint64_t bench_state_bytes;

static bool
is_wanted(const char *name, int count, char **names)
{
	bool any = false;

	for (int i = 0; i < count; i++) {
		if (names[i][0] != '-') {
			any = true;
			if (strcmp(names[i], name) == 0) {
				return true;
			}
		}
	}
	return !any;
}

static bool
is_in(struct bench *const *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool
is_own(const char *name)
{
	for (size_t i = 0; i < COUNT(owns); i++) {
		if (strcmp(owns[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void
print_names(struct bench *const *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(stderr, " %s", table[i]->name);
	}
}

static bool
names_are_known(int count, char **names)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], "--runs") == 0 || strcmp(names[i], "--state") == 0) {
			i++;
		} else if (names[i][0] != '-' && !is_own(names[i]) &&
		           !is_in(scenarios, COUNT(scenarios), names[i]) &&
		           !is_in(micros, COUNT(micros), names[i])) {
			fprintf(stderr,
			        "bench: there is no benchmark \"%s\"; there are:", names[i]);
			print_names(scenarios, COUNT(scenarios));
			for (size_t k = 0; k < COUNT(owns); k++) {
				fprintf(stderr, " %s", owns[k].name);
			}
			print_names(micros, COUNT(micros));
			fprintf(stderr, "\n");
			return false;
		}
	}
	return true;
}

/* Runs those of a table that are wanted. */
static bool
run_table(struct bench *const *table, size_t count, uint32_t runs, bool small, int argc,
          char **argv)
{
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		if (!is_wanted(table[i]->name, argc, argv)) {
			continue;
		}
		if (rte_lcore_count() < table[i]->lcores) {
			printf("{\"name\": \"%s\", \"skipped\": \"it needs %u lcores\"}\n",
			       table[i]->name, table[i]->lcores);
			continue;
		}
		good = bench_compare(table[i], runs, small) && good;
	}
	return good;
}

static bool
run_owns(uint32_t runs, bool small, int argc, char **argv)
{
	bool good = true;

	for (size_t i = 0; i < COUNT(owns); i++) {
		if (!is_wanted(owns[i].name, argc, argv)) {
			continue;
		}
		if (rte_lcore_count() < owns[i].lcores) {
			printf("{\"name\": \"%s\", \"skipped\": \"it needs %u lcores\"}\n",
			       owns[i].name, owns[i].lcores);
			continue;
		}
		good = owns[i].run(runs, small) && good;
	}
	return good;
}

int
main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	uint32_t runs = 7;
	bool small = false, good;

	if (used < 0) {
		return 2;
	}
	argc -= used + 1;
	argv += used + 1;
	if (!names_are_known(argc, argv)) {
		return 2;
	}
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--smoke") == 0) {
			small = true;
			runs = 1;
		} else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
			runs = (uint32_t)strtoul(argv[++i], NULL, 10);
			argv[i] = (char *)(uintptr_t) "-";
		} else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc) {
			bench_state_bytes = strtoull(argv[++i], NULL, 10) << 20;
			argv[i] = (char *)(uintptr_t) "-";
		}
	}
	runs = runs > BENCH_RUNS_MAX ? BENCH_RUNS_MAX : runs;
	bench_register_classes();
	snap_register_classes();
	bench_pin(0);
	good = run_table(scenarios, COUNT(scenarios), runs, small, argc, argv);
	good = run_owns(runs, small, argc, argv) && good;
	good = run_table(micros, COUNT(micros), runs, small, argc, argv) && good;
	rte_eal_cleanup();
	return good ? 0 : 1;
}
