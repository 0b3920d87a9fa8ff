/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill-bench [EAL args] -- [NAME…] [--smoke] [--runs N]: one JSON line per benchmark. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "bench/bench.h"

static struct bench *const benches[] = {
	&bench_filter_count, &bench_keyed_count, &bench_state_log_idle, &bench_ysb,
	&bench_word_count,   &bench_exchange,    &bench_rx_decode,
};
#define BENCHES (sizeof(benches) / sizeof(benches[0]))

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
names_are_known(int count, char **names)
{
	for (int i = 0; i < count; i++) {
		bool known = names[i][0] == '-' || strcmp(names[i], "latency_load") == 0;

		if (strcmp(names[i], "--runs") == 0) {
			i++;
			continue;
		}
		for (size_t b = 0; b < BENCHES; b++) {
			known |= strcmp(benches[b]->name, names[i]) == 0;
		}
		if (!known) {
			fprintf(stderr,
			        "bench: there is no benchmark \"%s\"; there are:", names[i]);
			for (size_t b = 0; b < BENCHES; b++) {
				fprintf(stderr, " %s", benches[b]->name);
			}
			fprintf(stderr, " latency_load\n");
			return false;
		}
	}
	return true;
}

int
main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	uint32_t runs = 7;
	bool small = false, good = true;

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
		}
	}
	bench_register_classes();
	bench_pin(0);
	for (size_t b = 0; b < BENCHES; b++) {
		if (!is_wanted(benches[b]->name, argc, argv)) {
			continue;
		}
		if (rte_lcore_count() < benches[b]->lcores) {
			printf("{\"name\": \"%s\", \"skipped\": \"it needs %u lcores\"}\n",
			       benches[b]->name, benches[b]->lcores);
			continue;
		}
		good = bench_compare(benches[b], runs, small) && good;
	}
	if (is_wanted("latency_load", argc, argv)) {
		good = bench_latency(small) && good;
	}
	rte_eal_cleanup();
	return good ? 0 : 1;
}
