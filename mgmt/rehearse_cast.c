/* SPDX-License-Identifier: BSD-3-Clause */
/* Engines that never run: who is opened, who stands in, and state from one to the other. */
#include "mgmt/rehearse_cast.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_serial.h"
#include "core/slice.h"
#include "core/state_ops.h"
#include "mgmt/config_load.h"

#define WHY_MAX 240u

/* For open and close, which have no argument of their own. */
static struct rehearse_cast *casts;
static bool is_hushed;

void
cast_hush(void)
{
	is_hushed = true;
}

void
cast_say(const char *format, ...)
{
	va_list args;

	if (is_hushed) {
		return;
	}
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void
cast_print_errors(const char *file, const struct lm_errors *errors)
{
	char line[1024];

	if (errors->count > 0) {
		config_errors_line(file, errors, line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
}

/* Whose slice it is. */
static struct rehearse_cast *
cast_of(const struct lm_op *op)
{
	struct rehearse_cast *cast = casts;

	while (op->class != &cast->class[op->op]) {
		cast = cast->next;
	}
	return cast;
}

/* As in a change of a job that runs (core/change_plan.c). */
static int
open_one(struct lm_op *op)
{
	const struct rehearse_cast *cast = cast_of(op);
	const struct lm_op_class *class = cast->real[op->op];
	uint32_t from = cast->from_version[op->op];

	cast_say("opening %s", op->name);
	if (cast->is_heir[op->op]) {
		op->state.from_version = from;
		op->state.is_newer = class->state_version > from;
		op->state.is_heir = class->state_version == from;
	}
	return class->open == NULL ? 0 : class->open(op);
}

static void
close_one(struct lm_op *op)
{
	const struct lm_op_class *class = cast_of(op)->real[op->op];

	cast_say("closing %s", op->name);
	if (class->close != NULL) {
		class->close(op);
	}
}

bool
cast_make(struct rehearse_cast *cast, const struct lm_graph *graph, const uint32_t *slices,
          const char *file)
{
	struct lm_errors errors = { 0 };

	cast->graph = graph_view(graph, slices, &errors);
	cast_print_errors(file, &errors);
	lm_errors_free(&errors);
	if (cast->graph == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		struct graph_operator *op = &cast->graph->op[i];

		cast->real[i] = op->class;
		cast->class[i] = *op->class;
		cast->class[i].open = cast->is_open[i] ? open_one : NULL;
		cast->class[i].close = cast->is_open[i] ? close_one : NULL;
		cast->opened += cast->is_open[i];
		op->class = &cast->class[i];
	}
	cast->next = casts;
	casts = cast;
	return true;
}

bool
cast_build(struct rehearse_cast *cast, const struct engine_origin *origin, const char *file)
{
	uint16_t *worker_of = calloc(cast->graph->slice_count + 1, sizeof(*worker_of));
	struct lm_placement placement = { .worker_count = 1, .worker_of = worker_of };
	struct lm_errors errors = { 0 };

	cast->engine =
	    worker_of == NULL ? NULL : engine_create(cast->graph, &placement, origin, &errors);
	cast_print_errors(file, &errors);
	if (cast->engine == NULL && errors.count == 0) {
		fprintf(stderr, "no memory for it\n");
	}
	lm_errors_free(&errors);
	free(worker_of);
	return cast->engine != NULL;
}

/* ---- state ---- */

static bool
say(const struct lm_op *op, const char *what, const char *why)
{
	fprintf(stderr, "%s/%u %s%s\n", op->name, op->index, what, why);
	return false;
}

/* Every slot, one after the other. */
static void
convert_all(struct rehearse_cast *cast, struct lm_op *op)
{
	uint32_t waiting = op->state.slots_waiting, left = waiting;
	int64_t from_ns = env_now_ns(), now_ns;
	bool more = waiting > 0;

	while (more && !op->state.convert_failed) {
		more = state_convert_some(op);
		if (op->state.slots_waiting == left) {
			continue; /* it has more steps */
		}
		left = op->state.slots_waiting;
		now_ns = env_now_ns();
		cast->convert_ns += now_ns - from_ns;
		cast->longest_ns =
		    now_ns - from_ns > cast->longest_ns ? now_ns - from_ns : cast->longest_ns;
		from_ns = now_ns;
	}
	cast->converted += waiting - left;
}

static bool
convert(struct rehearse_cast *cast, struct lm_op *op, struct lm_op *was, struct op_text *text)
{
	const char *why = state_can_convert(was, op);

	if (why != NULL) {
		return say(op, "", why);
	}
	if (state_prepare_conversion(was, op) != 0) {
		return say(op, "has no memory to convert its state", "");
	}
	if (!state_hand_over(was, text)) {
		return say(was, "wrote down more of itself than there is room for", "");
	}
	state_convert(op, was, text);
	convert_all(cast, op);
	return !op->state.convert_failed ||
	       say(op, "could not convert its state: ", op->state.convert_why);
}

static bool
take_over(struct lm_op *op, struct lm_op *was, struct op_text *text)
{
	if (!state_alike(was, op)) {
		return say(op,
		           "keeps its state in another form and does not say so: count up "
		           "state_version",
		           "");
	}
	if (!state_hand_over(was, text) || !state_take_over(op, was, text)) {
		return say(op, "cannot read what was written down", "");
	}
	return true;
}

/* A slice goes on where another one was; whatever comes of it, nothing of it is left for later. */
static bool
take_slice(struct rehearse_cast *cast, struct lm_op *op, struct lm_op *was)
{
	struct op_text text = { .bytes = malloc(LM_SERIAL_MAX), .max = LM_SERIAL_MAX };
	uint32_t slots = 1u << op->state.slot_bits;
	bool good;

	if (text.bytes == NULL || state_prepare_move(op, slots, 1) != 0) {
		free(text.bytes);
		return say(op, "has no memory for what it takes over", "");
	}
	good = op->class->state_version == was->class->state_version
	           ? take_over(op, was, &text)
	           : convert(cast, op, was, &text);
	while (!state_settle(op)) {
	}
	free(text.bytes);
	return good;
}

bool
cast_take_over(struct rehearse_cast *cast, uint32_t op, struct rehearse_cast *was, uint32_t old)
{
	const struct graph_operator *is = &cast->graph->op[op], *of = &was->graph->op[old];
	bool good = true;

	cast_say(cast->from_version[op] != cast->real[op]->state_version ? "converting %s"
	                                                                 : "handing over %s",
	         is->name);
	for (uint32_t i = 0; good && i < is->slices; i++) {
		struct lm_op *before = was->engine->slice[of->first_slice + i];

		good = before->had_ended ||
		       take_slice(cast, cast->engine->slice[is->first_slice + i], before);
	}
	return good;
}

bool
cast_check(struct rehearse_cast *cast, uint32_t op)
{
	const struct graph_operator *of = &cast->graph->op[op];
	const struct lm_op_class *class = cast->real[op];
	char why[WHY_MAX] = "";

	if (!cast->is_open[op] || class->check == NULL) {
		return true;
	}
	cast_say("checking %s", of->name);
	cast->checked++;
	for (uint32_t i = 0; i < of->slices; i++) {
		struct lm_op *slice = cast->engine->slice[of->first_slice + i];

		if (class->check(slice, why, sizeof(why)) != 0) {
			return say(slice, "finds its state wrong: ", why);
		}
	}
	return true;
}

void
cast_free(struct rehearse_cast *cast)
{
	struct rehearse_cast **link = &casts;

	lm_engine_free(cast->engine);
	if (cast->graph != NULL) {
		while (*link != cast) {
			link = &(*link)->next;
		}
		*link = cast->next;
		lm_graph_free(cast->graph);
	}
	*cast = (struct rehearse_cast){ 0 };
}
