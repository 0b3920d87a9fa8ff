/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MANIFEST_H
#define MANIFEST_H

/*
 * The manifest: what a complete epoch is made of. Its files with their lengths and digests, the
 * parts and which files each of them is, and the records that others need to go on from here
 * (source positions, transactions of sinks). Pure: text in memory, no file.
 *
 * On disk it is JSON, so that a person can read it in a bad hour, and a last line
 * "xxh3-128 <32 hex digits>", the digest of all before it. That digest is also the manifest's own:
 * the next one names it as `previous`.
 *
 * A part's chain are files, the oldest first: a full one, then those of later epochs that say what
 * has changed since.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_FORMAT 1u
#define MANIFEST_NAME_MAX 80u    /* of a file, with the NUL */
#define MANIFEST_RECORD_MAX 120u /* of a record's name, with the NUL */
#define MANIFEST_FILES_MAX (1u << 20)
#define MANIFEST_CHAIN_MAX 64u
#define MANIFEST_BYTES_MAX (256u << 20)
#define MANIFEST_WHY 200u /* room for a sentence that says what is wrong */

struct digest {
	uint64_t high, low;
};

/* All state of one slice of an operator. */
struct part_id {
	uint32_t op, slice;
};

struct manifest_file {
	char name[MANIFEST_NAME_MAX]; /* as file_name writes it */
	struct part_id part;
	uint64_t epoch;  /* that wrote it */
	uint64_t length; /* bytes, with the zeros at its end */
	uint64_t blocks;
	uint64_t raw_bytes;   /* of what was put */
	struct digest digest; /* of the headers of its blocks, one after the other: they hold the
	                         payloads' checksums */
};

struct manifest_part {
	struct part_id id;
	uint32_t chain[MANIFEST_CHAIN_MAX]; /* indexes of files, the oldest first */
	uint32_t chain_count;
};

struct manifest_record {
	char name[MANIFEST_RECORD_MAX];
	uint8_t *bytes;
	size_t size;
};

struct manifest {
	uint64_t job, epoch, incarnation, topology;
	int64_t wall_ns;         /* when it was committed */
	uint64_t previous_epoch; /* 0: there is none */
	struct digest previous;
	struct manifest_file *file;
	uint32_t file_count, file_room;
	struct manifest_part *part;
	uint32_t part_count, part_room;
	struct manifest_record *record;
	uint32_t record_count, record_room;
	struct digest digest; /* its own; set by manifest_write and manifest_read */
};

struct manifest *manifest_new(void);
void manifest_free(struct manifest *manifest);

/* Building. 0, -ENOMEM, -E2BIG; for a record also -EEXIST and -EINVAL (its name). */
int manifest_add_file(struct manifest *manifest, const struct manifest_file *file, uint32_t *index);
int manifest_add_part(struct manifest *manifest, const struct manifest_part *part);
int manifest_add_record(struct manifest *manifest, const char *name, const void *bytes,
                        size_t size);

/* NULL: there is none. */
const struct manifest_part *manifest_part(const struct manifest *manifest, struct part_id id);
const struct manifest_record *manifest_record(const struct manifest *manifest, const char *name);
/* Whether a file of that name belongs to the epoch. */
bool manifest_has_file(const struct manifest *manifest, const char *name);
/* Bytes of all its files; of those that the epoch itself wrote. */
uint64_t manifest_bytes(const struct manifest *manifest, uint64_t *own);

/* The text; the caller frees it. NULL: no memory. Sets `digest`. */
char *manifest_write(struct manifest *manifest, size_t *size);
/* NULL and a sentence in `why` if the bytes are no whole, sensible manifest. */
struct manifest *manifest_read(const char *bytes, size_t size, char why[MANIFEST_WHY]);
/* The same for the text before the last line: for those who have no right digest to show. */
struct manifest *manifest_read_json(const char *bytes, size_t size, char why[MANIFEST_WHY]);

#define DIGEST_TEXT 33u
struct digest digest_of(const void *bytes, size_t size);
bool digest_equal(struct digest a, struct digest b);
void digest_format(struct digest digest, char text[DIGEST_TEXT]);

/*
 * Names. A part's file is "E<epoch>-O<op>-S<slice>-<n>.part", where n tells attempts apart; a
 * manifest is "MANIFEST.<epoch>.a" and the same once more as ".b".
 */
void file_name(char name[MANIFEST_NAME_MAX], uint64_t epoch, struct part_id part, uint32_t n);
bool file_name_read(const char *name, uint64_t *epoch, struct part_id *part);
void manifest_name(char name[MANIFEST_NAME_MAX], uint64_t epoch, char copy);
bool manifest_name_read(const char *name, uint64_t *epoch, char *copy);
/* "INCARNATION.<n>": how often the folder has been taken. */
void incarnation_name(char name[MANIFEST_NAME_MAX], uint64_t n);
bool incarnation_name_read(const char *name, uint64_t *n);

#endif
