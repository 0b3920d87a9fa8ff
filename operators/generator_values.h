/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GENERATOR_VALUES_H
#define GENERATOR_VALUES_H

/*
 * The values of a generator's columns, from row numbers alone: value = f(seed, row, field). Pure,
 * so any number of slices and every replay make the same rows. Private to operators/generator.c.
 */

#include <stdint.h>

#include "core/lm_op.h"

#define GENERATOR_NS_PER_S 1000000000u
/* Rates are kept in thousandths of a row per second. */
#define GENERATOR_RATE_SCALE 1000u
/* Longest decimal text of a number. */
#define GENERATOR_DIGITS_MAX 20u

enum generator_kind {
	GENERATOR_SEQUENCE, /* base + row * step */
	GENERATOR_CONSTANT,
	GENERATOR_UNIFORM, /* base + one of `range` whole numbers */
	GENERATOR_REAL,    /* real_low + a share of real_range */
	GENERATOR_ZIPF,
	GENERATOR_CYCLE,   /* row % range */
	GENERATOR_INTENDED /* when the row was due, wall clock */
};

/* Ranks 1 to n with weights rank^-s, as generator_zipf_init leaves it. */
struct generator_zipf {
	double n, s;
	double low, high; /* of the integral of the hat */
	double accept;    /* a sample this near below its rank needs no second look */
};

struct generator_field {
	enum generator_kind kind;
	enum lm_type type;
	uint64_t key;               /* of the hash: see generator_key */
	uint64_t base, step, range; /* range 0: all 64 bits */
	double real_low, real_range;
	struct generator_zipf zipf;
	union { /* CONSTANT, as wide as the type */
		uint64_t whole;
		struct lm_ip6 ip6;
		float f32;
		double f64;
	} constant;
	char *text; /* CONSTANT of a string, owned */
	uint32_t text_length;
};

/* A pace of a slice: from a moment on so many rows a second, behind those made before. */
struct generator_pace {
	uint64_t at_ns; /* from the start */
	uint64_t rate;  /* thousandths of a row per second; 0, of the first: no limit */
	uint64_t rows;  /* due before it */
};

/* All of them, the first at 0 ns. */
#define GENERATOR_PACES_MAX 256u
struct generator_paces {
	struct generator_pace pace[GENERATOR_PACES_MAX];
	uint32_t count; /* 1 at least */
};

/* The rows of one emission. */
struct generator_rows {
	uint64_t first, stride; /* numbers over all slices */
	uint64_t made;          /* number of the first in its slice */
	const struct generator_paces *paces;
	int64_t wall_ns; /* of row 0 of the slice; of all rows when there is no rate */
	uint32_t count;
};

uint64_t generator_key(uint64_t seed, uint32_t field);
void generator_zipf_init(struct generator_zipf *zipf, uint64_t n, double s);
/* Bytes of the texts of a full batch, at most. */
uint32_t generator_bytes_max(const struct generator_field *field);
/* One more pace, `at_ns` behind the one before; there is room. */
void generator_pace_add(struct generator_paces *paces, uint64_t at_ns, uint64_t rate);
/* ns from the start until row `made` of a slice is due; 0 without a rate. */
int64_t generator_due_ns(const struct generator_paces *paces, uint64_t made);
/* Rows of a slice that are due within so long from the start; there is a rate. */
uint64_t generator_rows_until(const struct generator_paces *paces, uint64_t elapsed_ns);
/* Writes column `index` of the rows from row `first` of `out` on. `scratch` holds LM_BATCH_ROWS. */
void generator_write(const struct generator_field *field, const struct generator_rows *rows,
                     uint64_t *scratch, struct lm_batch *out, uint32_t index, uint32_t first);

#endif
