/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOOKUP_TABLE_H
#define LOOKUP_TABLE_H

/*
 * The table of a lookup: keys with typed values, filled from text once, then read-only and shared
 * by all slices. Keys that are small whole numbers index arrays directly; others are found by
 * hashing. Looking up gives entry numbers for a whole batch, which the columns are then gathered
 * by. Private to operators/lookup.c.
 *
 *     lookup_table_add … lookup_table_index        configure
 *     lookup_table_find, lookup_table_put          process
 *     lookup_table_free                            unconfigure, also after a failure
 */

#include "operators/value_text.h"

/* Keys below this are looked up by indexing. */
#define LOOKUP_DIRECT_MAX 65536u
/* Entries, and bytes of a value that is a string. */
#define LOOKUP_ENTRIES_MAX (1u << 26)
#define LOOKUP_STRING_MAX 255u

/* Strings, one behind the other. */
struct lookup_strings {
	uint32_t *offsets; /* [count + 1], once there is one */
	char *bytes;
	uint32_t count;
	uint32_t offsets_room, bytes_room;
	uint32_t longest;
};

struct lookup_column {
	struct value_spec spec;
	void *values; /* [entry], as wide as the type; NULL for strings */
	struct lookup_strings strings;
};

struct lookup_table {
	enum lm_type key_type;
	struct lookup_column column[LM_FIELDS_MAX];
	uint32_t column_count;
	uint32_t count;   /* entries; entry `count` stands for a missing key and has the defaults */
	uint8_t *present; /* [entry]: 0 for that one and, where keys index, for holes */
	uint32_t direct;  /* not 0: entry of key k is k, if below this */

	/* While filling, and for keys that are hashed. */
	uint64_t *key;                     /* [entry] */
	struct lookup_strings key_strings; /* of keys that are strings or wide */
	uint32_t *line;                    /* [entry]: where it was written */
	uint32_t mask;                     /* of the slots: a power of two less 1 */
	uint32_t *slot;                    /* entry + 1, or 0 */
};

/* A piece of text; not ended by a zero. */
struct lookup_text {
	const char *text;
	uint32_t length;
};

enum lookup_result {
	LOOKUP_OK,
	LOOKUP_BAD_KEY,
	LOOKUP_BAD_VALUE, /* `*wrong` is the column */
	LOOKUP_TOO_LONG,  /* a string; `*wrong` is the column */
	LOOKUP_TOO_MANY,
	LOOKUP_NO_MEMORY,
	LOOKUP_TWICE /* lookup_table_index: `*wrong` is the entry that repeats a key */
};

/* Whether keys of this type can be looked up. */
bool lookup_key_type(enum lm_type type);

/* Adds an entry with a value for every column. */
enum lookup_result lookup_table_add(struct lookup_table *table, struct lookup_text key,
                                    const struct lookup_text *values, uint32_t line,
                                    uint32_t *wrong);
enum lookup_result lookup_table_index(struct lookup_table *table, uint32_t *wrong);
void lookup_table_free(struct lookup_table *table);

/* The entry of the key in each of `count` rows: those in `rows`, or the first ones if that is NULL.
 */
void lookup_table_find(const struct lookup_table *table, const struct lm_batch *in, uint32_t field,
                       const uint16_t *rows, uint32_t count, uint32_t *entry);
/* Writes the values of a column for `count` entries into `out` from row `first` on. */
void lookup_table_put(const struct lookup_table *table, uint32_t column, const uint32_t *entry,
                      uint32_t count, struct lm_batch *out, uint32_t field, uint32_t first);

#endif
