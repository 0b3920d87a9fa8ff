/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plugins that test_plugin.c loads: this file, built as a shared object once for each of the
 * names below, -DPLUGIN_SAMPLE=SAMPLE_good and so on, to plugin_good.so and so on.
 */
#include <stddef.h>
#include <string.h>

#include "core/lm_op.h"

#define SAMPLE_good 1      /* two classes and a grouping */
#define SAMPLE_other 2     /* a class of another name */
#define SAMPLE_major 4     /* of the next major ABI */
#define SAMPLE_minor 5     /* of a later minor one */
#define SAMPLE_endless 6   /* a table without an end */
#define SAMPLE_empty 7     /* a table without a class */
#define SAMPLE_malformed 8 /* a class that lacks process */
#define SAMPLE_entryless 9 /* no entry at all */
#define SAMPLE_newer 10    /* as the good one, of another version */
#define SAMPLE_older 11    /* of the first minor ABI; what it does not know is noise */
#define SAMPLE_twice 12    /* two classes of one name */
#define SAMPLE_needy 13    /* needs a function that nobody has */
#define SAMPLE_stack 14    /* linked with a stack that code can run on */
#define SAMPLE_beside 15   /* linked to look for others beside itself */
#define SAMPLE_stays 16    /* linked so that it cannot be unloaded */
#define SAMPLE_turns 17    /* a class of another name, the good one's grouping */
#define SAMPLE_frames 18   /* a source of frames; another one */
#define SAMPLE_frames_too 19

#if PLUGIN_SAMPLE == SAMPLE_needy
void nobody_has_this(void);
#endif

static void
sample_process(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_forward(op, in);
}

/* Eight frames at a time, which nobody but this code can give back. */

static void
frames_held(void *const *handles, uint32_t count)
{
	(void)handles;
	(void)count;
}

static const struct lm_external frames_external = { frames_held, frames_held };
static const struct lm_field frames_out[] = { { .name = "frame", .type = LM_FRAME } };

static int
frames_configure(struct lm_setup *setup, void *config)
{
	(void)config;
	return lm_setup_output(setup, 0, frames_out, 1);
}

static enum lm_poll
frames_poll(struct lm_op *op)
{
	static uint8_t bytes[64];
	struct lm_batch *batch;
	uint32_t first;

	lm_op_set_external(op, &frames_external);
	batch = lm_op_reserve(op, 0, 8, &first);
	for (uint32_t i = 0; i < 8; i++) {
		lm_batch_frame(batch, 0)[first + i] = (struct lm_frame){ bytes, 64, 64 };
		lm_batch_handles(batch)[first + i] = bytes;
	}
	lm_op_emit(op, 0, 8);
	return LM_POLL_BUSY;
}

static const char *const sample_in[] = { "in", NULL };
static const char *const sample_out[] = { "out", NULL };

static struct lm_op_class sample_classes[2] = {
	{ .abi_version = LM_ABI_VERSION,
	  .name = "sample_one",
	  .version = PLUGIN_SAMPLE == SAMPLE_newer ? "1.1" : "1.0",
	  .inputs = sample_in,
	  .outputs = sample_out,
	  .rows = LM_ROWS_PASS,
	  .process = sample_process },
	{ .abi_version = LM_ABI_VERSION,
	  .name = "sample_two",
	  .inputs = sample_in,
	  .outputs = sample_out,
	  .rows = LM_ROWS_PASS,
	  .process = sample_process },
};

static const struct lm_op_class *
sample_class(uint32_t index)
{
	switch (PLUGIN_SAMPLE) {
	case SAMPLE_other:
	case SAMPLE_turns:
		sample_classes[0].name = "sample_other";
		return index == 0 ? &sample_classes[0] : NULL;
	case SAMPLE_older:
		sample_classes[0].abi_version = LM_ABI_MAJOR << 16;
		memset(&sample_classes[0].serialize, 0x5a,
		       sizeof(sample_classes[0]) - offsetof(struct lm_op_class, serialize));
		break;
	case SAMPLE_frames:
	case SAMPLE_frames_too:
		sample_classes[0] =
		    (struct lm_op_class){ .abi_version = LM_ABI_VERSION,
			                  .name = "sample_frames",
			                  .version = PLUGIN_SAMPLE == SAMPLE_frames ? "1.0" : "1.1",
			                  .outputs = sample_out,
			                  .rows = LM_ROWS_SOURCE,
			                  .configure = frames_configure,
			                  .poll = frames_poll };
		return index == 0 ? &sample_classes[0] : NULL;
	case SAMPLE_twice:
		sample_classes[1].name = "sample_one";
		break;
#if PLUGIN_SAMPLE == SAMPLE_needy
	case SAMPLE_needy:
		nobody_has_this();
		break;
#endif
	case SAMPLE_major:
		sample_classes[0].abi_version = (LM_ABI_MAJOR + 1) << 16;
		break;
	case SAMPLE_minor:
		sample_classes[0].abi_version = LM_ABI_VERSION + 7;
		break;
	case SAMPLE_endless: {
		static struct lm_op_class classes[80];
		static char names[80][8];

		index %= 80;
		classes[index] = sample_classes[0];
		names[index][0] = 'e';
		names[index][1] = (char)('a' + index % 26);
		names[index][2] = (char)('a' + index / 26);
		classes[index].name = names[index];
		return &classes[index];
	}
	case SAMPLE_empty:
		return NULL;
	case SAMPLE_malformed:
		sample_classes[1].process = NULL;
		break;
	default:
		break;
	}
	return index < 2 ? &sample_classes[index] : NULL;
}

#if PLUGIN_SAMPLE == SAMPLE_entryless
const struct lm_op_class *sample_hidden_class(uint32_t index);

const struct lm_op_class *
sample_hidden_class(uint32_t index)
#else
const struct lm_op_class *
lm_plugin_class(uint32_t index)
#endif
{
	return sample_class(index);
}

#if PLUGIN_SAMPLE == SAMPLE_good || PLUGIN_SAMPLE == SAMPLE_turns
static void
sample_destinations(const struct lm_batch *in, const struct lm_select *rows, uint32_t destinations,
                    uint16_t *destination)
{
	uint32_t count = rows == NULL ? in->count : rows->count;

	for (uint32_t i = 0; i < count; i++) {
		destination[i] = (uint16_t)(i % destinations);
	}
}

static const struct lm_grouping_function sample_grouping = { "sample_turns", sample_destinations };

const struct lm_grouping_function *
lm_plugin_grouping(uint32_t index)
{
	return index == 0 ? &sample_grouping : NULL;
}
#endif
