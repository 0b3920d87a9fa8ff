/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * split: takes a string apart at a separator, a row for every part ("a b c" -> "a", "b", "c"). One
 * row may become any number of rows: it stops where the output has no more room and goes on from
 * that byte when it is called again.
 *
 * The bytes of a string column stand together, so splitting is copying them without the separators
 * and writing down where those stood: 64 bytes at a time where the CPU can compress bytes.
 */
#include <stdio.h>
#include <string.h>

#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "operators/row_copy.h"

#if defined(__AVX512VBMI2__) && defined(__AVX512BW__) && defined(__AVX512VL__) &&                  \
    defined(__BMI2__) && defined(__POPCNT__)
#define SPLIT_AVX512 1
#elif defined(__AVX2__)
#define SPLIT_AVX2 1
#endif
#if defined(SPLIT_AVX512) || defined(SPLIT_AVX2)
#include <immintrin.h>
#endif

#define SPLIT_BY_MAX 16u

enum { DROP_EMPTY };

struct split_keep {
	uint32_t field; /* of the input */
	bool is_string;
};

struct split_config {
	uint32_t field; /* the string that is split */
	char by[SPLIT_BY_MAX + 1];
	uint32_t by_length;
	bool drop_empty;
	/* The kept columns are the first ones of the output, the parts come last. */
	struct split_keep keep[LM_FIELDS_MAX];
	uint32_t keep_count;
	bool keeps_strings;
};

struct split {
	uint32_t row;                   /* of the batch in hand: the one to go on with */
	uint32_t at;                    /* byte of its string where the next part begins */
	uint32_t empty;                 /* rows of the batch that had none */
	uint16_t row_of[LM_BATCH_ROWS]; /* [part]: the input row it is of */
};

/* An output batch being filled with parts. */
struct split_fill {
	char *to;        /* byte area */
	uint32_t *ends;  /* [part]: where it ends in `to` */
	uint32_t length; /* bytes in use */
	uint32_t length_max;
	uint32_t parts;
	uint32_t parts_max;           /* a row's kept strings may allow fewer than the batch */
	uint32_t used[LM_FIELDS_MAX]; /* bytes of kept strings */
};

/* The rest of a row's string, and how much of it was taken. */
struct split_text {
	const char *from;
	uint32_t length;
	uint32_t taken;    /* up to the beginning of a part */
	uint32_t readable; /* bytes from `from` on that may be read, needed or not */
};

static const struct lm_param split_params[] = {
	{ .name = "column",
	  .type = LM_PARAM_COLUMN,
	  .required = true,
	  .summary = "the string to split" },
	{ .name = "by",
	  .type = LM_PARAM_TEXT,
	  .fallback = " ",
	  .summary = "what separates the parts, up to 16 bytes; \\t is a tab, \\n a line end" },
	{ .name = "as",
	  .type = LM_PARAM_TEXT,
	  .summary = "name of the new column; that of the old one if absent" },
	{ .name = "keep",
	  .type = LM_PARAM_COLUMNS,
	  .summary = "columns that every part gets a copy of" },
	{ .name = "empty",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "keep",
	  .choices = (const char *const[]){ "keep", "drop", NULL },
	  .summary = "parts of no length, as between two separators" },
	{ 0 }
};

static const char *const split_inputs[] = { "rows", NULL };
static const char *const split_outputs[] = { "rows", NULL };
static const char *const split_drops[] = { "empty", NULL };

/* ---- configure ---- */

static int
split_configure_by(struct lm_setup *setup, struct split_config *c)
{
	const char *by = lm_setup_text(setup, "by");

	by = strcmp(by, "\\t") == 0 ? "\t" : strcmp(by, "\\n") == 0 ? "\n" : by;
	if (strlen(by) == 0 || strlen(by) > SPLIT_BY_MAX) {
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE,
		                      "write a separator such as \" \" or \",\"",
		                      "a separator has 1 to %u bytes", SPLIT_BY_MAX);
	}
	c->by_length = (uint32_t)strlen(by);
	memcpy(c->by, by, c->by_length + 1);
	return 0;
}

static int
split_configure_keep(struct lm_setup *setup, struct split_config *c, struct lm_field *field)
{
	const struct lm_schema *in = lm_setup_input(setup, 0);
	uint32_t count = lm_setup_count(setup, "keep");

	if (count >= LM_FIELDS_MAX) {
		return lm_setup_error(setup, "keep", LM_FIELDS_MAX - 1, LM_NONE, NULL,
		                      "more than %u columns", LM_FIELDS_MAX);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = lm_setup_item_column(setup, "keep", i);

		if (in->field[index].type == LM_FRAME) {
			return lm_setup_error(setup, "keep", i, LM_NONE, "leave it out",
			                      "\"%s\" is a frame, which split cannot copy",
			                      in->field[index].name);
		}
		c->keep[i].field = index;
		c->keep[i].is_string = lm_type_width(in->field[index].type) == 0;
		c->keeps_strings |= c->keep[i].is_string;
		field[i] = in->field[index];
	}
	c->keep_count = count;
	return 0;
}

static int
split_configure(struct lm_setup *setup, void *config)
{
	struct split_config *c = config;
	const struct lm_schema *in = lm_setup_input(setup, 0);
	struct lm_field field[LM_FIELDS_MAX];
	const char *as = lm_setup_text(setup, "as");

	c->field = lm_setup_column(setup, "column");
	c->drop_empty = lm_setup_choice(setup, "empty") == 1;
	if (lm_type_width(in->field[c->field].type) != 0) {
		return lm_setup_error(setup, "column", LM_NONE, LM_NONE,
		                      "name a column of type string or bytes",
		                      "\"%s\" is of type %s", in->field[c->field].name,
		                      lm_type_text(in->field[c->field].type));
	}
	if (split_configure_by(setup, c) != 0 || split_configure_keep(setup, c, field) != 0) {
		return -1;
	}
	/* No part is longer than its string, so every part fits into an empty batch. */
	field[c->keep_count] = in->field[c->field];
	if (as != NULL) {
		if (strlen(as) >= LM_NAME_MAX) {
			return lm_setup_error(setup, "as", LM_NONE, LM_NONE, NULL,
			                      "the name is longer than %u characters",
			                      LM_NAME_MAX - 1);
		}
		memset(field[c->keep_count].name, 0, LM_NAME_MAX);
		snprintf(field[c->keep_count].name, LM_NAME_MAX, "%s", as);
	}
	return lm_setup_output(setup, 0, field, c->keep_count + 1);
}

/* ---- splitting a string ---- */

/* Short parts are copied as 16 bytes where that many may be read and written. */
static inline void
split_copy(struct split_fill *fill, const struct split_text *text, uint32_t start, uint32_t length)
{
	char *to = fill->to + fill->length;

	if (length <= 16 && text->readable - start >= 16 && fill->length_max - fill->length >= 16) {
		memcpy(to, text->from + start, 16);
	} else {
		memcpy(to, text->from + start, length);
	}
}

/* Adds the part from `start` to `end`; false when there is no room for it. */
static inline bool
split_part(struct split_fill *fill, struct split_text *text, uint32_t start, uint32_t end,
           bool drop_empty)
{
	uint32_t length = end - start;

	if (drop_empty && length == 0) {
		return true;
	}
	if (fill->parts == fill->parts_max || length > fill->length_max - fill->length) {
		text->taken = start;
		return false;
	}
	split_copy(fill, text, start, length);
	fill->length += length;
	fill->ends[fill->parts++] = fill->length;
	return true;
}

/* A bit for each of up to 64 bytes: whether it is the separator. */
static inline uint64_t
split_mask(const char *from, uint32_t count, char by)
{
	uint64_t mask = 0;

#if defined(SPLIT_AVX2)
	if (count == 64) {
		__m256i all = _mm256_set1_epi8(by);
		__m256i low = _mm256_loadu_si256((const __m256i *)from);
		__m256i high = _mm256_loadu_si256((const __m256i *)(from + 32));

		low = _mm256_cmpeq_epi8(low, all);
		high = _mm256_cmpeq_epi8(high, all);
		return (uint32_t)_mm256_movemask_epi8(low) |
		       (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
	}
#elif defined(SPLIT_AVX512)
	return _mm512_cmpeq_epi8_mask(
		   _mm512_maskz_loadu_epi8(count == 64 ? ~0ull : (1ull << count) - 1, from),
		   _mm512_set1_epi8(by)) &
	       (count == 64 ? ~0ull : (1ull << count) - 1);
#endif
	for (uint32_t i = 0; i < count; i++) {
		mask |= (uint64_t)(from[i] == by) << i;
	}
	return mask;
}

/* Part by part; true when the string is through. */
static bool
split_by_byte(struct split_fill *fill, struct split_text *text, char by, bool drop_empty)
{
	uint32_t start = 0;

	for (uint32_t at = 0; at < text->length; at += 64) {
		uint32_t count = text->length - at < 64 ? text->length - at : 64;
		uint64_t mask = split_mask(text->from + at, count, by);

		for (; mask != 0; mask &= mask - 1) {
			uint32_t end = at + (uint32_t)__builtin_ctzll(mask);

			if (!split_part(fill, text, start, end, drop_empty)) {
				return false;
			}
			start = end + 1;
		}
	}
	return split_part(fill, text, start, text->length, drop_empty);
}

static bool
split_by_text(struct split_fill *fill, struct split_text *text, const char *by, uint32_t by_length,
              bool drop_empty)
{
	uint32_t start = 0;
	const char *found;

	while ((found = memmem(text->from + start, text->length - start, by, by_length)) != NULL) {
		uint32_t end = (uint32_t)(found - text->from);

		if (!split_part(fill, text, start, end, drop_empty)) {
			return false;
		}
		start = end + by_length;
	}
	return split_part(fill, text, start, text->length, drop_empty);
}

#if defined(SPLIT_AVX512)

/* Where the parts end that the separators at `seps` close: their places, less the separators
 * before. */
static inline void
split_ends(uint32_t *ends, uint32_t length, uint64_t seps)
{
	const __m512i bytes = _mm512_set_epi8(
	    63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42,
	    41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,
	    19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	const __m512i ordinal =
	    _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i places = _mm512_maskz_compress_epi8(seps, bytes);
	uint32_t count = (uint32_t)__builtin_popcountll(seps);

	for (uint32_t done = 0; done < count; done += 16) {
		__mmask16 some =
		    count - done >= 16 ? 0xffff : (__mmask16)((1u << (count - done)) - 1);
		__m512i place = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
		__m512i end = _mm512_add_epi32(_mm512_sub_epi32(place, ordinal),
		                               _mm512_set1_epi32((int)(length - done)));

		_mm512_mask_storeu_epi32(ends + done, some, end);
		places = _mm512_alignr_epi32(_mm512_setzero_si512(), places, 4);
	}
}

/*
 * The same as split_by_byte with empty parts kept, for strings that fit into the byte area: every
 * block is compressed onto the parts before it, also the beginning of one that ends in a later
 * block.
 */
static bool
split_by_byte_fast(struct split_fill *fill, struct split_text *text, char by)
{
	const __m512i all = _mm512_set1_epi8(by);

	for (uint32_t at = 0; at < text->length; at += 64) {
		uint32_t count = text->length - at, left = fill->parts_max - fill->parts, kept;
		uint64_t valid = count >= 64 ? ~0ull : (1ull << count) - 1;
		__m512i block = _mm512_maskz_loadu_epi8(valid, text->from + at);
		uint64_t seps = _mm512_mask_cmpeq_epi8_mask(valid, block, all);
		bool last = (uint32_t)__builtin_popcountll(seps) >= left;

		if (last) {
			/* Up to the separator that closes the last part there is room for. */
			uint64_t bit = _pdep_u64(1ull << (left - 1), seps);

			valid = bit | (bit - 1);
			seps &= valid;
			text->taken = at + (uint32_t)__builtin_ctzll(bit) + 1;
		}
		block = _mm512_maskz_compress_epi8(valid & ~seps, block);
		kept = (uint32_t)__builtin_popcountll(valid & ~seps);
		if (fill->length_max - fill->length >= 64) {
			_mm512_storeu_si512(fill->to + fill->length, block);
		} else {
			_mm512_mask_storeu_epi8(fill->to + fill->length,
			                        kept == 64 ? ~0ull : (1ull << kept) - 1, block);
		}
		split_ends(fill->ends + fill->parts, fill->length, seps);
		fill->length += kept;
		fill->parts += (uint32_t)__builtin_popcountll(seps);
		if (last) {
			return false;
		}
	}
	fill->ends[fill->parts++] = fill->length;
	return true;
}

#endif

/* Takes parts off the string; true when it is through. There is room for one part at least. */
static bool
split_string(const struct split_config *c, struct split_fill *fill, struct split_text *text)
{
	if (c->by_length > 1) {
		return split_by_text(fill, text, c->by, c->by_length, c->drop_empty);
	}
#if defined(SPLIT_AVX512)
	if (!c->drop_empty && text->length <= fill->length_max - fill->length) {
		return split_by_byte_fast(fill, text, c->by[0]);
	}
#endif
	return split_by_byte(fill, text, c->by[0], c->drop_empty);
}

/* ---- filling batches ---- */

static void
split_fill_begin(const struct split_config *c, struct split_fill *fill, struct lm_batch *out,
                 uint32_t first)
{
	uint32_t field = c->keep_count;
	uint32_t *offsets = lm_batch_offsets(out, field);

	for (uint32_t i = 0; i < c->keep_count && c->keeps_strings; i++) {
		if (c->keep[i].is_string) {
			fill->used[i] = first == 0 ? 0 : lm_batch_offsets(out, i)[first];
		}
	}
	if (first == 0) {
		offsets[0] = 0;
	}
	fill->to = lm_batch_bytes(out, field);
	fill->ends = offsets + first + 1;
	fill->length = offsets[first];
	fill->length_max = out->schema->field[field].bytes_max;
	fill->parts = 0;
}

static uint32_t
split_kept_length(const struct split_config *c, uint32_t i, const struct lm_batch *in, uint32_t row)
{
	const uint32_t *offsets = lm_batch_offsets(in, c->keep[i].field);

	return c->keep[i].is_string ? offsets[row + 1] - offsets[row] : 0;
}

/* How many parts of this row there is room for, its kept strings considered. */
static uint32_t
split_parts_max(const struct split_config *c, const struct split_fill *fill,
                const struct lm_batch *in, const struct lm_batch *out, uint32_t row, uint32_t most)
{
	for (uint32_t i = 0; i < c->keep_count; i++) {
		uint32_t length = split_kept_length(c, i, in, row);

		if (length > 0) {
			uint32_t fit = (out->schema->field[i].bytes_max - fill->used[i]) / length;

			most = most - fill->parts < fit ? most : fill->parts + fit;
		}
	}
	return most;
}

/* What the parts of a row added since `before` need beside themselves. */
static void
split_note(const struct split_config *c, struct split *s, struct split_fill *fill,
           const struct lm_batch *in, uint32_t row, uint32_t before)
{
	for (uint32_t part = before; part < fill->parts; part++) {
		s->row_of[part] = (uint16_t)row;
	}
	for (uint32_t i = 0; i < c->keep_count && c->keeps_strings; i++) {
		fill->used[i] += split_kept_length(c, i, in, row) * (fill->parts - before);
	}
}

/* Goes on with the row in hand as far as there is room; true when it is through. */
static bool
split_row(const struct split_config *c, struct split *s, struct split_fill *fill,
          const struct lm_batch *in, uint32_t row)
{
	const uint32_t *offsets = lm_batch_offsets(in, c->field);
	uint32_t start = offsets[row] + s->at, before = fill->parts;
	struct split_text text = { .from = lm_batch_bytes(in, c->field) + start,
		                   .length = offsets[row + 1] - start,
		                   .readable = in->schema->field[c->field].bytes_max - start };
	bool through = split_string(c, fill, &text);

	if (c->keep_count > 0) {
		split_note(c, s, fill, in, row, before);
	}
	if (!through) {
		s->at += text.taken;
		return false;
	}
	/* One that was left before had a part to come, so this is all of it. */
	s->empty += fill->parts == before;
	s->at = 0;
	s->row++;
	return true;
}

/* Fills up to `most` rows of `out`; returns how many there are. */
static uint32_t
split_fill(const struct split_config *c, struct split *s, const struct lm_batch *in,
           const struct row_range *range, struct lm_batch *out, uint32_t first, uint32_t most)
{
	struct split_fill fill;

	split_fill_begin(c, &fill, out, first);
	fill.parts_max = most;
	while (s->row < range->count && fill.parts < most) {
		uint32_t row = range->rows == NULL ? s->row : range->rows[s->row];

		if (c->keeps_strings) {
			fill.parts_max = split_parts_max(c, &fill, in, out, row, most);
			if (fill.parts_max == fill.parts) {
				break;
			}
		}
		if (!split_row(c, s, &fill, in, row)) {
			break;
		}
	}
	for (uint32_t i = 0; i < c->keep_count && fill.parts > 0; i++) {
		row_copy(in, c->keep[i].field, &(struct row_range){ s->row_of, 0, fill.parts }, out,
		         i, first);
	}
	return fill.parts;
}

static void
split_rows(struct lm_op *op, const struct lm_batch *in, const struct row_range *range)
{
	const struct split_config *c = lm_op_config(op);
	struct split *s = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;

	while (s->row < range->count) {
		uint32_t room = lm_op_room(op, 0), first, parts;
		struct lm_batch *out;

		if (room == 0) {
			lm_op_again(op);
			return;
		}
		room = room < capacity ? room : capacity;
		out = lm_op_reserve(op, 0, room, &first);
		parts = split_fill(c, s, in, range, out, first, room);
		lm_op_emit(op, 0, parts);
	}
	lm_op_absorb(op, range->count - s->empty);
	lm_op_drop(op, DROP_EMPTY, s->empty);
	s->row = 0;
	s->empty = 0;
}

static void
split_process(struct lm_op *op, const struct lm_batch *in)
{
	split_rows(op, in, &(struct row_range){ NULL, 0, in->count });
}

static void
split_process_select(struct lm_op *op, const struct lm_select *in)
{
	split_rows(op, in->batch, &(struct row_range){ in->row, 0, in->count });
}

static const struct lm_op_class split_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_AMPLIFIES | LM_OP_RESCALES,
	.name = "split",
	.version = "1.0.0",
	.summary = "takes a string apart at a separator, a row for every part",
	.params = split_params,
	.inputs = split_inputs,
	.outputs = split_outputs,
	.drops = split_drops,
	.rows = LM_ROWS_SPLIT,
	.config_size = sizeof(struct split_config),
	.context_size = sizeof(struct split),
	.configure = split_configure,
	.process = split_process,
	.process_select = split_process_select,
};

REGISTER_CLASS(split_class)
