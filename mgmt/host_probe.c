/* SPDX-License-Identifier: BSD-3-Clause */
/* How the samples of a job become the probes of a manager that was loaded. */
#include <stdlib.h>
#include <string.h>

#include "mgmt/host_struct.h"
#include "mgmt/process_use.h"

static const struct lm_probe_slice *
probe_slice(const struct lm_probe *probe, uint32_t index)
{
	return index < probe->slice_count ? &((const struct host_probe *)probe)->slice[index]
	                                  : NULL;
}

static const struct lm_probe_lcore *
probe_lcore(const struct lm_probe *probe, uint32_t index)
{
	return index < probe->lcore_count ? &((const struct host_probe *)probe)->lcore[index]
	                                  : NULL;
}

static const char *
probe_counter(const struct lm_probe *probe, uint32_t index, uint64_t *value)
{
	const struct sample *sample = ((const struct host_probe *)probe)->sample;

	if (index >= probe->counter_count) {
		return NULL;
	}
	*value = sample->counter[index].value;
	return sample->counter[index].name;
}

static double
share(uint64_t part, double whole)
{
	double value = whole <= 0 ? 0 : (double)part / whole;

	return value > 1 ? 1 : value;
}

static void
fill_slices(struct host_probe *probe, const struct sample *now, const struct sample *before)
{
	double for_ns = (double)(now->head->now_ns - before->head->now_ns);
	uint32_t first = 0;

	for (uint32_t i = 0; i < probe->probe.slice_count; i++) {
		const struct sample_slice *slice = &now->slice[i], *then = &before->slice[i];
		const struct sample_operator *op = &now->op[slice->op];

		first = i > 0 && now->slice[i - 1].op == slice->op ? first : i;
		probe->slice[i] = (struct lm_probe_slice){
			.op = op->name,
			.slice = i - first,
			.lcore = now->worker[slice->worker].lcore,
			.rows_in = slice->rows_in - then->rows_in,
			.rows_out = slice->rows_out - then->rows_out,
			.rows_dropped = slice->rows_dropped - then->rows_dropped,
			.bytes_in = slice->bytes_in - then->bytes_in,
			.bytes_out = slice->bytes_out - then->bytes_out,
			.busy = share(slice->busy_ns - then->busy_ns, for_ns),
			.blocked = slice->turns_blocked - then->turns_blocked,
			.waiting = slice->waiting,
			.room = slice->room,
			.oldest_ns = slice->watermark_ns,
			.state_bytes = slice->state_bytes,
			.epoch = slice->epoch,
			.rows = op->is_sink ? op->recent.count : 0,
			.p50_ns = op->is_sink ? op->recent.p50 : 0,
			.p99_ns = op->is_sink ? op->recent.p99 : 0,
		};
	}
}

static void
fill_lcores(struct host_probe *probe, const struct sample *now, const struct sample *before)
{
	for (uint32_t i = 0; i < probe->probe.lcore_count; i++) {
		const struct sample_worker *worker = &now->worker[i], *then = &before->worker[i];
		uint64_t busy_ns = worker->busy_ns - then->busy_ns;
		uint64_t idle_ns = worker->idle_ns - then->idle_ns;

		probe->lcore[i] =
		    (struct lm_probe_lcore){ .lcore = worker->lcore,
			                     .numa_node = worker->numa_node,
			                     .busy = share(busy_ns, (double)(busy_ns + idle_ns)) };
	}
}

static bool
have_room(struct host_probe *probe, const struct sample *now)
{
	uint32_t slices = now->shape.count[SAMPLE_SLICES];

	/* There may be more slices when the graph has changed; lcores stay. */
	if (probe->slice == NULL || slices > probe->room) {
		free(probe->slice);
		probe->slice = calloc(slices + 1, sizeof(*probe->slice));
		probe->room = slices;
	}
	if (probe->lcore == NULL) {
		probe->lcore = calloc(now->shape.count[SAMPLE_WORKERS] + 1, sizeof(*probe->lcore));
	}
	return probe->slice != NULL && probe->lcore != NULL;
}

const struct lm_probe *
host_probe_make(struct host_probe *probe, const struct sample *now, const struct sample *before)
{
	int64_t for_ns = now->head->now_ns - before->head->now_ns;
	uint64_t cpu_ns = process_cpu_ns();
	uint64_t rows = sample_rows(now) - sample_rows(before);

	if (!have_room(probe, now)) {
		return NULL;
	}
	probe->sample = now;
	probe->probe = (struct lm_probe){
		.number = probe->probe.number + 1,
		.interval_s = (double)for_ns / 1e9,
		.seconds = sample_seconds(now),
		.cpu = for_ns <= 0 || probe->cpu_ns == 0
		           ? 0
		           : (double)(cpu_ns - probe->cpu_ns) / (double)for_ns,
		.memory = process_resident_bytes(),
		.rows_per_s = for_ns <= 0 ? 0 : (double)rows * 1e9 / (double)for_ns,
		.slice_count = now->shape.count[SAMPLE_SLICES],
		.lcore_count = now->shape.count[SAMPLE_WORKERS],
		.counter_count = now->head->counter_count,
		.slice = probe_slice,
		.lcore = probe_lcore,
		.counter = probe_counter,
	};
	probe->cpu_ns = cpu_ns;
	fill_slices(probe, now, before);
	fill_lcores(probe, now, before);
	return &probe->probe;
}

void
host_probe_free(struct host_probe *probe)
{
	free(probe->slice);
	free(probe->lcore);
	memset(probe, 0, sizeof(*probe));
}
