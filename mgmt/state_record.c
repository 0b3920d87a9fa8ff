/* SPDX-License-Identifier: BSD-3-Clause */
/* The records of an epoch, taken apart. */
#include "mgmt/state_record.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "core/text.h"

const char *
state_record_kind_name(enum state_record_kind kind)
{
	static const char *const names[] = {
		[STATE_RECORD_JOB] = "job",           [STATE_RECORD_END] = "end",
		[STATE_RECORD_SLICE] = "slice",       [STATE_RECORD_TXN] = "transaction",
		[STATE_RECORD_TOPOLOGY] = "topology", [STATE_RECORD_OTHER] = "other"
	};

	return names[kind];
}

/* A number at *text, up to `end` (a character of the text or NUL), which is stepped over. */
static bool
take_number(const char **text, char end, uint64_t *number)
{
	char digits[24];
	const char *stop = strchr(*text, end);
	size_t length = stop == NULL ? 0 : (size_t)(stop - *text);

	if (length == 0 || length >= sizeof(digits) || strspn(*text, "0123456789") != length) {
		return false;
	}
	memcpy(digits, *text, length);
	digits[length] = '\0';
	*text = stop + (end == '\0' ? 0 : 1);
	return text_u64(digits, number) == 0;
}

/* "<operator>/<slice>", and "/<n>" of a transaction. */
static bool
take_owner(struct state_record *out, const char *text, bool has_number)
{
	const char *slash = strchr(text, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - text);
	uint64_t slice;

	if (length == 0 || length >= sizeof(out->op)) {
		return false;
	}
	memcpy(out->op, text, length);
	out->op[length] = '\0';
	text = slash + 1;
	if (!take_number(&text, has_number ? '/' : '\0', &slice) || slice > UINT32_MAX) {
		return false;
	}
	out->slice = (uint32_t)slice;
	return !has_number || take_number(&text, '\0', &out->number);
}

static void
take_slice(struct state_record *out)
{
	const struct manifest_record *record = out->record;
	uint64_t size = sizeof(out->head);

	if (record->size < sizeof(out->head)) {
		return;
	}
	memcpy(&out->head, record->bytes, sizeof(out->head));
	out->format = out->head.format;
	size += (uint64_t)out->head.engine_size + out->head.class_size + out->head.shape_size;
	if (out->head.format != SNAPSHOT_FORMAT || size != record->size ||
	    out->head.shape_size % sizeof(struct snapshot_shape) != 0) {
		return;
	}
	out->engine = record->bytes + sizeof(out->head);
	out->class = out->engine + out->head.engine_size;
	out->shape = out->class + out->head.class_size;
	out->is_whole = true;
}

struct state_record
state_record_read(const struct manifest_record *record)
{
	struct state_record out = { .kind = STATE_RECORD_OTHER, .record = record };
	const char *name = record->name;
	size_t slice = strlen(SNAPSHOT_RECORD_SLICE), txn = strlen(SNAPSHOT_RECORD_TXN);

	if (strcmp(name, SNAPSHOT_RECORD_JOB) == 0) {
		out.kind = STATE_RECORD_JOB;
		if (record->size == sizeof(struct snapshot_job)) {
			memcpy(&out.format, record->bytes, sizeof(out.format));
			out.is_whole = out.format == SNAPSHOT_FORMAT;
		}
	} else if (strcmp(name, SNAPSHOT_RECORD_END) == 0) {
		out.kind = STATE_RECORD_END;
		out.is_whole = true;
	} else if (strcmp(name, SNAPSHOT_RECORD_NOTE) == 0) {
		out.kind = STATE_RECORD_TOPOLOGY;
		out.is_whole = true;
	} else if (strncmp(name, SNAPSHOT_RECORD_SLICE, slice) == 0 &&
	           take_owner(&out, name + slice, false)) {
		out.kind = STATE_RECORD_SLICE;
		take_slice(&out);
	} else if (strncmp(name, SNAPSHOT_RECORD_TXN, txn) == 0 &&
	           take_owner(&out, name + txn, true)) {
		out.kind = STATE_RECORD_TXN;
		out.is_whole = true;
	}
	return out;
}

uint32_t
state_record_shapes(const struct state_record *slice)
{
	assert(slice->kind == STATE_RECORD_SLICE);
	return slice->is_whole ? slice->head.shape_size / (uint32_t)sizeof(struct snapshot_shape)
	                       : 0;
}

struct snapshot_shape
state_record_shape(const struct state_record *slice, uint32_t i)
{
	struct snapshot_shape shape;

	assert(i < state_record_shapes(slice));
	memcpy(&shape, slice->shape + i * sizeof(shape), sizeof(shape));
	return shape;
}
