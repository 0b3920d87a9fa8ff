/* SPDX-License-Identifier: BSD-3-Clause */
/* Managers good and bad, for test_host: built once for each MANAGER_SAMPLE. */
#include "mgmt/lm_manager.h"

enum { SAMPLE_good, SAMPLE_major, SAMPLE_minor, SAMPLE_nameless, SAMPLE_half, SAMPLE_empty };

static void
sample_serialize(struct lm_manager *manager, struct lm_writer *writer)
{
	(void)manager;
	lm_write_u64(writer, 1);
}

static void
sample_deserialize(struct lm_manager *manager, struct lm_reader *reader, uint32_t version)
{
	(void)manager;
	(void)version;
	(void)lm_read_u64(reader);
}

static const struct lm_manager_class sample_class = {
	.abi_version = MANAGER_SAMPLE == SAMPLE_major   ? (LM_MANAGER_ABI_MAJOR + 1) << 16
	               : MANAGER_SAMPLE == SAMPLE_minor ? LM_MANAGER_ABI_VERSION + 1
	                                                : LM_MANAGER_ABI_VERSION,
	.name = MANAGER_SAMPLE == SAMPLE_nameless ? "Has Blanks" : "sample",
	.version = "2",
	.context_size = 100,
	.serialize_state = sample_serialize,
	.deserialize_state = MANAGER_SAMPLE == SAMPLE_half ? NULL : sample_deserialize,
};

const struct lm_manager_class *
lm_manager_plugin(void)
{
	return MANAGER_SAMPLE == SAMPLE_empty ? NULL : &sample_class;
}
