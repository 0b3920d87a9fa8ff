/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * generator: a source that makes rows from a row counter. Everything random is a hash of seed, row
 * and field, so the same rows come out of any number of slices and of every replay; slice k of n
 * makes the rows k, k + n, … With a rate, row i of a slice is due at start + i / rate and carries
 * that moment as its ingress time, however late it is made: a stall shows up as latency, never as
 * missing load. The rate may change at moments that are given beforehand.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lm_op.h"
#include "core/lm_serial.h"
#include "core/registry_builtin.h"
#include "operators/generator_values.h"
#include "operators/value_text.h"

/* Longest constant string: a full batch of them has to fit. */
#define GENERATOR_TEXT_MAX 256u

struct generator_config {
	uint64_t rows;
	struct generator_paces paces; /* of a slice */
	uint64_t lag_ns;
	uint32_t batch;
	uint32_t time_field;
	struct generator_field field[LM_FIELDS_MAX];
	uint32_t field_count;
};

struct generator {
	uint64_t made;  /* rows of this slice so far */
	uint64_t total; /* of this slice; UINT64_MAX: endless */
	bool started;
	bool resumed; /* from a snapshot: what was due then is made */
	int64_t start_ns, start_wall_ns;
	int64_t time_max_ns; /* highest event time made */
	uint64_t value[LM_BATCH_ROWS];
};

static const struct lm_param generator_params[] = {
	{ .name = "fields",
	  .type = LM_PARAM_MAP,
	  .required = true,
	  .summary =
	      "columns: name to \"type = kind\", kinds: sequence [START [STEP]], constant V, "
	      "uniform LO HI, zipf N S, cycle N, intended time, time START STEP, text KIND" },
	{ .name = "rows",
	  .type = LM_PARAM_U64,
	  .fallback = "0",
	  .summary = "rows over all slices; 0: endless" },
	{ .name = "rate",
	  .type = LM_PARAM_RATE,
	  .fallback = "0",
	  .min = 0,
	  .max = 1e12,
	  .summary = "rows per second and slice, open loop; 0: as fast as possible" },
	{ .name = "steps",
	  .type = LM_PARAM_LIST,
	  .summary = "how the rate changes: times since the start and rates, [10s 200k, 20s 50k]" },
	{ .name = "seed",
	  .type = LM_PARAM_U64,
	  .fallback = "1",
	  .summary = "of everything random" },
	{ .name = "batch",
	  .type = LM_PARAM_U64,
	  .fallback = "1024",
	  .min = 1,
	  .max = LM_BATCH_ROWS,
	  .summary = "rows made at a time, at most" },
	{ .name = "lag",
	  .type = LM_PARAM_DURATION,
	  .fallback = "0s",
	  .summary = "how far event time stays behind the highest time made" },
	{ 0 }
};

static const char *const generator_outputs[] = { "rows", NULL };

/* ---- configure ---- */

/* What is being read: for messages. */
struct generator_reader {
	struct lm_setup *setup;
	uint32_t item;
	const char *text, *at;
	struct generator_field *field;
};

static int
generator_wrong(const struct generator_reader *reader, const char *at, const char *what)
{
	return lm_setup_error(
	    reader->setup, "fields", reader->item, (uint32_t)(at - reader->text),
	    "write \"type = kind\", as in \"u64 = uniform 1 100\"; kinds: sequence "
	    "[START [STEP]], constant V, uniform LO HI, zipf N S, cycle N, "
	    "intended time, time START STEP, text KIND",
	    "%s", what);
}

/* A whole number of the field's type, addresses and times included, as 64 bits. */
static bool
generator_whole(const struct generator_field *field, const char *word, size_t length,
                uint64_t *value)
{
	uint64_t wide = 0;

	*value = 0;
	switch (field->type) {
	case LM_F32:
	case LM_F64:
	case LM_STRING:
		return value_parse_u64(word, length, value);
	case LM_I8:
	case LM_I16:
	case LM_I32:
	case LM_I64: {
		int64_t number;

		if (!value_parse_i64(word, length, &number)) {
			return false;
		}
		*value = (uint64_t)number;
		return value_fits(field->type, number < 0, number < 0 ? -*value : *value);
	}
	case LM_IP6:
		return false;
	case LM_IP4:
	case LM_MAC:
		if (value_parse_u64(word, length, value)) {
			return value_fits(field->type, false, *value);
		}
		break;
	default:
		break;
	}
	/* Little endian: a narrower value fills the low bytes. */
	if (!value_parse(field->type, 1, word, length, &wide)) {
		return false;
	}
	*value = wide;
	return true;
}

static int
generator_read_whole(struct generator_reader *reader, uint64_t *value, const char *what)
{
	size_t length;
	const char *word = value_word(&reader->at, &length);

	return word != NULL && generator_whole(reader->field, word, length, value)
	           ? 0
	           : generator_wrong(reader, word == NULL ? reader->at : word, what);
}

static int
generator_read_sequence(struct generator_reader *reader)
{
	struct generator_field *field = reader->field;
	const char *rest = reader->at;
	size_t length;

	field->kind = GENERATOR_SEQUENCE;
	field->base = 0;
	field->step = 1;
	if (value_word(&rest, &length) == NULL) {
		return 0;
	}
	if (generator_read_whole(reader, &field->base, "START is not a value of the type") != 0) {
		return -1;
	}
	rest = reader->at;
	if (value_word(&rest, &length) == NULL) {
		return 0;
	}
	return generator_read_whole(reader, &field->step, "STEP is not a value of the type");
}

static int
generator_read_constant(struct generator_reader *reader)
{
	struct generator_field *field = reader->field;
	const char *word = reader->at + strspn(reader->at, " \t");

	field->kind = GENERATOR_CONSTANT;
	reader->at = word + strlen(word);
	if (strlen(word) > GENERATOR_TEXT_MAX) {
		return generator_wrong(reader, word, "the constant is longer than 256 bytes");
	}
	if (field->type == LM_STRING || field->type == LM_BYTES) {
		field->text = strdup(word);
		field->text_length = (uint32_t)strlen(word);
		return field->text != NULL ? 0 : generator_wrong(reader, word, "no memory");
	}
	return value_parse(field->type, 1, word, strlen(word), &field->constant)
	           ? 0
	           : generator_wrong(reader, word, "the constant is not a value of the type");
}

static int
generator_read_real(struct generator_reader *reader)
{
	struct generator_field *field = reader->field;
	double high;
	size_t length;
	const char *word = value_word(&reader->at, &length);

	field->kind = GENERATOR_REAL;
	if (word == NULL || !value_parse_f64(word, length, &field->real_low)) {
		return generator_wrong(reader, word == NULL ? reader->at : word,
		                       "LO is not a number");
	}
	word = value_word(&reader->at, &length);
	if (word == NULL || !value_parse_f64(word, length, &high) || !(high >= field->real_low) ||
	    isinf(high - field->real_low)) {
		return generator_wrong(reader, word == NULL ? reader->at : word,
		                       "HI is not a number from LO on");
	}
	field->real_range = high - field->real_low;
	return 0;
}

static int
generator_read_uniform(struct generator_reader *reader)
{
	struct generator_field *field = reader->field;
	uint64_t high;
	bool ordered, is_signed = field->type <= LM_I64 || field->type == LM_TIME;
	const char *start;

	if (field->type == LM_F32 || field->type == LM_F64) {
		return generator_read_real(reader);
	}
	field->kind = GENERATOR_UNIFORM;
	if (generator_read_whole(reader, &field->base, "LO is not a value of the type") != 0) {
		return -1;
	}
	start = reader->at + strspn(reader->at, " \t");
	if (generator_read_whole(reader, &high, "HI is not a value of the type") != 0) {
		return -1;
	}
	ordered = is_signed ? (int64_t)field->base <= (int64_t)high : field->base <= high;
	field->range = high - field->base + 1;
	return ordered ? 0 : generator_wrong(reader, start, "HI is below LO");
}

/* How many values there are: 1 to what the type can count. */
static int
generator_read_count(struct generator_reader *reader, const char *what)
{
	struct generator_field *field = reader->field;
	enum lm_type type = field->type == LM_STRING ? LM_U64 : field->type;
	size_t length;
	const char *word = value_word(&reader->at, &length);

	if (word == NULL || !value_parse_u64(word, length, &field->range) || field->range == 0 ||
	    !value_fits(type, false, field->range - 1)) {
		return generator_wrong(reader, word == NULL ? reader->at : word, what);
	}
	return 0;
}

static int
generator_read_zipf(struct generator_reader *reader)
{
	const char *word;
	size_t length;
	double s;

	reader->field->kind = GENERATOR_ZIPF;
	if (generator_read_count(reader, "N is not a count that the type can hold") != 0) {
		return -1;
	}
	word = value_word(&reader->at, &length);
	if (word == NULL || !value_parse_f64(word, length, &s) || !(s > 0) || s > 20 ||
	    reader->field->range > UINT64_C(1) << 52) {
		return generator_wrong(reader, word == NULL ? reader->at : word,
		                       "S is not an exponent above 0, up to 20");
	}
	generator_zipf_init(&reader->field->zipf, reader->field->range, s);
	return 0;
}

static int
generator_read_time(struct generator_reader *reader)
{
	struct generator_field *field = reader->field;
	int64_t start;
	size_t length;
	const char *word = value_word(&reader->at, &length);

	field->kind = GENERATOR_SEQUENCE;
	if (field->type != LM_TIME) {
		return generator_wrong(reader, reader->text,
		                       "only a column of type time has times");
	}
	if (word == NULL || !value_parse_time(word, length, 1, &start)) {
		return generator_wrong(reader, word == NULL ? reader->at : word,
		                       "START is not a time such as 2020-01-31T10:00:00Z or 0");
	}
	field->base = (uint64_t)start;
	word = value_word(&reader->at, &length);
	if (word == NULL || !value_parse_duration(word, length, &field->step)) {
		return generator_wrong(reader, word == NULL ? reader->at : word,
		                       "STEP is not a duration such as 10us");
	}
	return 0;
}

static int
generator_read_intended(struct generator_reader *reader)
{
	size_t length;
	const char *rest = reader->at, *word = value_word(&rest, &length);

	reader->field->kind = GENERATOR_INTENDED;
	if (word != NULL && value_word_is(word, length, "time")) {
		reader->at = rest;
	}
	return reader->field->type == LM_TIME
	           ? 0
	           : generator_wrong(reader, reader->text, "only a column of type time has times");
}

static int
generator_read_kind(struct generator_reader *reader, bool as_text)
{
	size_t length;
	const char *word = value_word(&reader->at, &length);
	bool text = reader->field->type == LM_STRING;

	if (word == NULL) {
		return generator_wrong(reader, reader->at, "the kind is missing");
	}
	if (value_word_is(word, length, "constant")) {
		return generator_read_constant(reader);
	}
	if (text && !as_text && value_word_is(word, length, "text")) {
		return generator_read_kind(reader, true);
	}
	if (text != as_text || reader->field->type == LM_IP6 || reader->field->type == LM_BYTES) {
		return generator_wrong(reader, word,
		                       text ? "a string is constant V or text KIND"
		                            : "a column of this type can only be constant");
	}
	if (value_word_is(word, length, "sequence")) {
		return generator_read_sequence(reader);
	}
	if (as_text && value_word_is(word, length, "uniform")) {
		reader->field->kind = GENERATOR_UNIFORM;
		return generator_read_count(reader, "N is not a count of texts");
	}
	if (value_word_is(word, length, "uniform")) {
		return generator_read_uniform(reader);
	}
	if (value_word_is(word, length, "zipf")) {
		return generator_read_zipf(reader);
	}
	if (value_word_is(word, length, "cycle")) {
		reader->field->kind = GENERATOR_CYCLE;
		return generator_read_count(reader, "N is not a count that the type can hold");
	}
	if (value_word_is(word, length, "time")) {
		return generator_read_time(reader);
	}
	if (value_word_is(word, length, "intended")) {
		return generator_read_intended(reader);
	}
	return generator_wrong(reader, word, "no such kind");
}

static int
generator_read_field(struct generator_reader *reader, struct lm_field *column)
{
	struct generator_field *field = reader->field;
	const char *word, *name = lm_setup_item_name(reader->setup, "fields", reader->item);
	char type[16];
	size_t length;

	word = value_word(&reader->at, &length);
	if (word == NULL || length >= sizeof(type)) {
		return generator_wrong(reader, reader->text, "the type is missing");
	}
	memcpy(type, word, length);
	type[length] = '\0';
	field->type = lm_type_find(type);
	if (field->type == LM_TYPE_COUNT || field->type == LM_FRAME) {
		return generator_wrong(reader, word, "no such type");
	}
	word = value_word(&reader->at, &length);
	if (word == NULL || !value_word_is(word, length, "=")) {
		return generator_wrong(reader, word == NULL ? reader->at : word,
		                       "\" = \" is missing behind the type");
	}
	if (generator_read_kind(reader, false) != 0) {
		return -1;
	}
	word = value_word(&reader->at, &length);
	if (word != NULL) {
		return generator_wrong(reader, word, "there is more than the kind takes");
	}
	if (strlen(name) >= LM_NAME_MAX) {
		return generator_wrong(reader, reader->text, "the name is too long");
	}
	snprintf(column->name, LM_NAME_MAX, "%s", name);
	column->type = field->type;
	column->bytes_max = lm_type_width(field->type) == 0 ? generator_bytes_max(field) : 0;
	return 0;
}

static void
generator_unconfigure(void *config)
{
	struct generator_config *c = config;

	for (uint32_t i = 0; i < c->field_count; i++) {
		free(c->field[i].text);
	}
}

static int
generator_configure_fields(struct lm_setup *setup, struct generator_config *c)
{
	struct lm_field column[LM_FIELDS_MAX] = { 0 };
	uint64_t seed = lm_setup_u64(setup, "seed");

	uint32_t count = lm_setup_count(setup, "fields");

	if (count == 0 || count > LM_FIELDS_MAX) {
		return lm_setup_error(setup, "fields", LM_NONE, LM_NONE, NULL,
		                      "1 to %u columns are possible, not %u", LM_FIELDS_MAX, count);
	}
	c->field_count = count;
	c->time_field = LM_NONE;
	for (uint32_t i = 0; i < c->field_count; i++) {
		const char *text = lm_setup_item(setup, "fields", i);
		struct generator_reader reader = { setup, i, text, text, &c->field[i] };

		c->field[i].key = generator_key(seed, i);
		if (generator_read_field(&reader, &column[i]) != 0) {
			return -1;
		}
		if (c->time_field == LM_NONE && c->field[i].type == LM_TIME) {
			c->time_field = i;
		}
	}
	return lm_setup_output(setup, 0, column, c->field_count);
}

/* 1500, 200k, 1.5M, 2G */
static bool
generator_parse_rate(const char *text, size_t length, double *rate)
{
	static const char suffixes[] = "kMG";
	const char *suffix = length == 0 ? NULL : strchr(suffixes, text[length - 1]);
	double unit = 1;

	for (const char *at = suffixes; suffix != NULL && at <= suffix; at++) {
		unit *= 1000;
	}
	if (!value_parse_f64(text, length - (suffix != NULL), rate)) {
		return false;
	}
	*rate *= unit;
	return *rate > 0 && *rate <= 1e12;
}

static uint64_t
generator_scaled(double rate)
{
	return (uint64_t)(rate * GENERATOR_RATE_SCALE + 0.5);
}

static int
generator_configure_step(struct lm_setup *setup, struct generator_config *c, uint32_t step)
{
	const char *at = lm_setup_item(setup, "steps", step);
	size_t length;
	const char *word = value_word(&at, &length);
	uint64_t at_ns;
	double rows;

	if (word == NULL || !value_parse_duration(word, length, &at_ns) ||
	    at_ns <= c->paces.pace[c->paces.count - 1].at_ns) {
		return lm_setup_error(setup, "steps", step, LM_NONE,
		                      "write [10s 200k, 20s 50k], in the order of time",
		                      "there is no time behind that of the step before");
	}
	word = value_word(&at, &length);
	if (word == NULL || !generator_parse_rate(word, length, &rows) ||
	    generator_scaled(rows) == 0 || value_word(&at, &length) != NULL) {
		return lm_setup_error(setup, "steps", step, LM_NONE,
		                      "write rows per second and slice, like 1500, 200k or 1.5M",
		                      "there is no rate from 0.001 to 1e12 behind the time");
	}
	generator_pace_add(&c->paces, at_ns, generator_scaled(rows));
	return 0;
}

static int
generator_configure_steps(struct lm_setup *setup, struct generator_config *c)
{
	uint32_t count = lm_setup_count(setup, "steps");

	if (count > 0 && c->paces.pace[0].rate == 0) {
		return lm_setup_error(setup, "steps", LM_NONE, LM_NONE, "give a rate to begin with",
		                      "there is no rate to change");
	}
	if (count >= GENERATOR_PACES_MAX) {
		return lm_setup_error(setup, "steps", LM_NONE, LM_NONE, NULL,
		                      "%u steps are possible, not %u", GENERATOR_PACES_MAX - 1,
		                      count);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (generator_configure_step(setup, c, i) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
generator_configure(struct lm_setup *setup, void *config)
{
	struct generator_config *c = config;

	lm_setup_trait(setup, LM_TRAIT_REPLAYS);
	c->rows = lm_setup_u64(setup, "rows");
	generator_pace_add(&c->paces, 0, generator_scaled(lm_setup_f64(setup, "rate")));
	c->lag_ns = lm_setup_u64(setup, "lag");
	c->batch = (uint32_t)lm_setup_u64(setup, "batch");
	if (c->paces.pace[0].rate == 0 && lm_setup_f64(setup, "rate") > 0) {
		return lm_setup_error(setup, "rate", LM_NONE, LM_NONE,
		                      "the lowest rate is 0.001 rows per second", "%g is too low",
		                      lm_setup_f64(setup, "rate"));
	}
	if (generator_configure_steps(setup, c) != 0 || generator_configure_fields(setup, c) != 0) {
		generator_unconfigure(c);
		return -1;
	}
	return 0;
}

/* ---- running ---- */

static bool
generator_has_rate(const struct generator_config *c)
{
	return c->paces.pace[0].rate != 0;
}

static int
generator_open(struct lm_op *op)
{
	const struct generator_config *c = lm_op_config(op);
	struct generator *g = lm_op_context(op);
	uint64_t slice = lm_op_slice(op), slices = lm_op_slices(op);

	g->total = c->rows == 0      ? UINT64_MAX
	           : c->rows > slice ? (c->rows - slice - 1) / slices + 1
	                             : 0;
	g->time_max_ns = INT64_MIN;
	if (generator_has_rate(c)) {
		lm_op_gauge(op, 0, "offered", 0);
	}
	return 0;
}

/* Rows that are due but not made. Whoever looks may see how many were due in all. */
static uint64_t
generator_rows_due(struct lm_op *op, const struct generator_config *c, const struct generator *g)
{
	uint64_t until = g->total;

	if (generator_has_rate(c)) {
		uint64_t elapsed_ns = (uint64_t)(lm_op_now_ns(op) - g->start_ns);

		until = generator_rows_until(&c->paces, elapsed_ns);
		until = until < g->total ? until : g->total;
		lm_op_gauge(op, 0, "offered", until);
	}
	return until > g->made ? until - g->made : 0;
}

/* No row at or before this event time follows. */
static void
generator_watermark(struct lm_op *op, const struct generator_config *c, struct generator *g,
                    const struct lm_batch *out, uint32_t first, uint32_t count)
{
	const struct generator_field *field = &c->field[c->time_field];
	const int64_t *time_ns = lm_batch_i64(out, c->time_field) + first;
	int64_t reached;

	for (uint32_t i = 0; i < count; i++) {
		g->time_max_ns = time_ns[i] > g->time_max_ns ? time_ns[i] : g->time_max_ns;
	}
	reached = g->time_max_ns;
	if (field->kind == GENERATOR_SEQUENCE && (int64_t)field->step > 0) {
		/* The next row's time is known: everything before it is over. */
		uint64_t next = lm_op_slice(op) + g->made * lm_op_slices(op);

		reached = (int64_t)(field->base + next * field->step);
	}
	if (!__builtin_sub_overflow(reached, (int64_t)c->lag_ns + 1, &reached)) {
		lm_op_watermark(op, reached);
	}
}

static void
generator_emit(struct lm_op *op, const struct generator_config *c, struct generator *g,
               uint32_t count)
{
	struct generator_rows rows = { .first = lm_op_slice(op) + g->made * lm_op_slices(op),
		                       .stride = lm_op_slices(op),
		                       .made = g->made,
		                       .paces = &c->paces,
		                       .count = count,
		                       .wall_ns = generator_has_rate(c) ? g->start_wall_ns
		                                                        : lm_op_wall_ns(op) };
	uint32_t first;
	struct lm_batch *out;

	lm_op_set_ingress(op, generator_has_rate(c)
	                          ? g->start_ns + generator_due_ns(&c->paces, g->made)
	                          : lm_op_now_ns(op));
	out = lm_op_reserve(op, 0, count, &first);
	for (uint32_t i = 0; i < c->field_count; i++) {
		generator_write(&c->field[i], &rows, g->value, out, i, first);
	}
	g->made += count;
	lm_op_emit(op, 0, count);
	if (c->time_field != LM_NONE) {
		generator_watermark(op, c, g, out, first, count);
	}
}

static enum lm_poll
generator_poll(struct lm_op *op)
{
	const struct generator_config *c = lm_op_config(op);
	struct generator *g = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;
	uint64_t count;

	if (!g->started) {
		g->started = true;
		g->start_ns = lm_op_now_ns(op) - generator_due_ns(&c->paces, g->made);
		g->start_wall_ns = g->resumed ? g->start_wall_ns : lm_op_wall_ns(op);
	}
	count = generator_rows_due(op, c, g);
	if (count == 0) {
		return g->made == g->total ? LM_POLL_END : LM_POLL_IDLE;
	}
	count = count < c->batch ? count : c->batch;
	count = count < capacity ? count : capacity;
	generator_emit(op, c, g, (uint32_t)count);
	return g->made == g->total ? LM_POLL_END : LM_POLL_BUSY;
}

/* ---- snapshots ---- */

static void
generator_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct generator *g = lm_op_context(op);

	lm_write_u64(writer, g->made);
	lm_write_u64(writer, g->started);
	lm_write_i64(writer, g->start_wall_ns);
	lm_write_i64(writer, g->time_max_ns);
}

/* Rows go on where they were; the pace begins anew, so that nothing is made up for. */
static void
generator_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct generator *g = lm_op_context(op);

	(void)version;
	g->made = lm_read_u64(reader);
	g->resumed = lm_read_u64(reader) != 0;
	g->start_wall_ns = lm_read_i64(reader);
	g->time_max_ns = lm_read_i64(reader);
	reader->failed |= g->made > g->total;
}

static const struct lm_op_class generator_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "generator",
	.version = "1.0.0",
	.summary = "makes rows from a row counter: sequences, random values, skewed keys, texts",
	.params = generator_params,
	.outputs = generator_outputs,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(struct generator_config),
	.context_size = sizeof(struct generator),
	.configure = generator_configure,
	.unconfigure = generator_unconfigure,
	.open = generator_open,
	.poll = generator_poll,
	.serialize = generator_serialize,
	.deserialize = generator_deserialize,
};

REGISTER_CLASS(generator_class)
