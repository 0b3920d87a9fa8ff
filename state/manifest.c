/* SPDX-License-Identifier: BSD-3-Clause */
/* The manifest in memory and as text; manifest_read.c reads it back. */

#include "state/manifest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/xxh.h"

struct manifest *
manifest_new(void)
{
	return calloc(1, sizeof(struct manifest));
}

void
manifest_free(struct manifest *manifest)
{
	if (manifest == NULL) {
		return;
	}
	for (uint32_t i = 0; i < manifest->record_count; i++) {
		free(manifest->record[i].bytes);
	}
	free(manifest->record);
	free(manifest->part);
	free(manifest->file);
	free(manifest);
}

/* Room for one more of `size` bytes in an array; 0 or -errno. */
static int
grow(void *array, uint32_t count, uint32_t *room, size_t size)
{
	uint32_t wanted = *room == 0 ? 16 : 2 * *room;
	void *memory, *old;

	if (count < *room) {
		return 0;
	}
	if (count >= MANIFEST_FILES_MAX) {
		return -E2BIG;
	}
	memcpy(&old, array, sizeof(old));
	memory = realloc(old, wanted * size);
	if (memory == NULL) {
		return -ENOMEM;
	}
	memcpy(array, &memory, sizeof(memory));
	*room = wanted;
	return 0;
}

int
manifest_add_file(struct manifest *manifest, const struct manifest_file *file, uint32_t *index)
{
	int result = grow(&manifest->file, manifest->file_count, &manifest->file_room,
	                  sizeof(*manifest->file));

	if (result != 0) {
		return result;
	}
	*index = manifest->file_count;
	manifest->file[manifest->file_count++] = *file;
	return 0;
}

int
manifest_add_part(struct manifest *manifest, const struct manifest_part *part)
{
	int result = grow(&manifest->part, manifest->part_count, &manifest->part_room,
	                  sizeof(*manifest->part));

	if (result == 0) {
		manifest->part[manifest->part_count++] = *part;
	}
	return result;
}

/* Names are printable, so that people and JSON can have them. */
static bool
record_name_is_fine(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++) {
		if (name[i] < ' ' || name[i] > '~') {
			return false;
		}
	}
	return length > 0 && length < MANIFEST_RECORD_MAX;
}

int
manifest_add_record(struct manifest *manifest, const char *name, const void *bytes, size_t size)
{
	struct manifest_record *record;
	int result;

	if (!record_name_is_fine(name)) {
		return -EINVAL;
	}
	if (manifest_record(manifest, name) != NULL) {
		return -EEXIST;
	}
	if (size > MANIFEST_BYTES_MAX / 4) {
		return -E2BIG;
	}
	result = grow(&manifest->record, manifest->record_count, &manifest->record_room,
	              sizeof(*manifest->record));
	if (result != 0) {
		return result;
	}
	record = &manifest->record[manifest->record_count];
	snprintf(record->name, sizeof(record->name), "%s", name);
	record->bytes = malloc(size + 1);
	if (record->bytes == NULL) {
		return -ENOMEM;
	}
	if (size > 0) {
		memcpy(record->bytes, bytes, size);
	}
	record->size = size;
	manifest->record_count++;
	return 0;
}

const struct manifest_part *
manifest_part(const struct manifest *manifest, struct part_id id)
{
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		const struct manifest_part *part = &manifest->part[i];

		if (part->id.op == id.op && part->id.slice == id.slice) {
			return part;
		}
	}
	return NULL;
}

const struct manifest_record *
manifest_record(const struct manifest *manifest, const char *name)
{
	for (uint32_t i = 0; i < manifest->record_count; i++) {
		if (strcmp(manifest->record[i].name, name) == 0) {
			return &manifest->record[i];
		}
	}
	return NULL;
}

bool
manifest_has_file(const struct manifest *manifest, const char *name)
{
	for (uint32_t i = 0; i < manifest->file_count; i++) {
		if (strcmp(manifest->file[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

uint64_t
manifest_bytes(const struct manifest *manifest, uint64_t *own)
{
	uint64_t all = 0;

	*own = 0;
	for (uint32_t i = 0; i < manifest->file_count; i++) {
		all += manifest->file[i].length;
		*own += manifest->file[i].epoch == manifest->epoch ? manifest->file[i].length : 0;
	}
	return all;
}

struct digest
digest_of(const void *bytes, size_t size)
{
	XXH128_hash_t hash = XXH3_128bits(bytes, size);
	struct digest digest = { .high = hash.high64, .low = hash.low64 };

	return digest;
}

bool
digest_equal(struct digest a, struct digest b)
{
	return a.high == b.high && a.low == b.low;
}

void
digest_format(struct digest digest, char text[DIGEST_TEXT])
{
	snprintf(text, DIGEST_TEXT, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
}

void
file_name(char name[MANIFEST_NAME_MAX], uint64_t epoch, struct part_id part, uint32_t n)
{
	snprintf(name, MANIFEST_NAME_MAX, "E%" PRIu64 "-O%" PRIu32 "-S%" PRIu32 "-%" PRIu32 ".part",
	         epoch, part.op, part.slice, n);
}

void
manifest_name(char name[MANIFEST_NAME_MAX], uint64_t epoch, char copy)
{
	snprintf(name, MANIFEST_NAME_MAX, "MANIFEST.%" PRIu64 ".%c", epoch, copy);
}

/* Digits at *text, no more than `max`; moves on behind them. */
static bool
read_number(const char **text, uint64_t max, uint64_t *value)
{
	const char *at = *text;

	*value = 0;
	if (*at < '0' || *at > '9') {
		return false;
	}
	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (*value > (max - digit) / 10) {
			return false;
		}
		*value = *value * 10 + digit;
	}
	*text = at;
	return true;
}

static bool
read_word(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length) != 0) {
		return false;
	}
	*text += length;
	return true;
}

/* Only what file_name writes, to the letter, is one of its names. */
bool
file_name_read(const char *name, uint64_t *epoch, struct part_id *part)
{
	char again[MANIFEST_NAME_MAX];
	const char *at = name;
	uint64_t op, slice, n;

	if (!read_word(&at, "E") || !read_number(&at, INT64_MAX, epoch) || !read_word(&at, "-O") ||
	    !read_number(&at, UINT32_MAX, &op) || !read_word(&at, "-S") ||
	    !read_number(&at, UINT32_MAX, &slice) || !read_word(&at, "-") ||
	    !read_number(&at, UINT32_MAX, &n)) {
		return false;
	}
	*part = (struct part_id){ .op = (uint32_t)op, .slice = (uint32_t)slice };
	file_name(again, *epoch, *part, (uint32_t)n);
	return *epoch > 0 && strcmp(again, name) == 0;
}

bool
manifest_name_read(const char *name, uint64_t *epoch, char *copy)
{
	char again[MANIFEST_NAME_MAX];
	const char *at = name;

	if (!read_word(&at, "MANIFEST.") || !read_number(&at, INT64_MAX, epoch) ||
	    !read_word(&at, ".") || (*at != 'a' && *at != 'b')) {
		return false;
	}
	*copy = *at;
	manifest_name(again, *epoch, *copy);
	return *epoch > 0 && strcmp(again, name) == 0;
}

void
incarnation_name(char name[MANIFEST_NAME_MAX], uint64_t n)
{
	snprintf(name, MANIFEST_NAME_MAX, "INCARNATION.%" PRIu64, n);
}

bool
incarnation_name_read(const char *name, uint64_t *n)
{
	char again[MANIFEST_NAME_MAX];
	const char *at = name;

	if (!read_word(&at, "INCARNATION.") || !read_number(&at, INT64_MAX - 1, n)) {
		return false;
	}
	incarnation_name(again, *n);
	return *n > 0 && strcmp(again, name) == 0;
}

/* Text. */

static json_t *
hex_of_u64(uint64_t value)
{
	return json_sprintf("%016" PRIx64, value);
}

static json_t *
hex_of_digest(struct digest digest)
{
	char text[DIGEST_TEXT];

	digest_format(digest, text);
	return json_string(text);
}

static json_t *
hex_of_bytes(const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * size + 1);
	json_t *json;

	if (text == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < size; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	json = json_stringn(text, 2 * size);
	free(text);
	return json;
}

static json_t *
write_files(const struct manifest *manifest)
{
	json_t *files = json_array();

	for (uint32_t i = 0; i < manifest->file_count; i++) {
		const struct manifest_file *file = &manifest->file[i];

		json_array_append_new(
		    files,
		    json_pack("{s:s, s:I, s:I, s:I, s:o}", "name", file->name, "length",
		              (json_int_t)file->length, "blocks", (json_int_t)file->blocks, "bytes",
		              (json_int_t)file->raw_bytes, "digest", hex_of_digest(file->digest)));
	}
	return files;
}

static json_t *
write_parts(const struct manifest *manifest)
{
	json_t *parts = json_array();

	for (uint32_t i = 0; i < manifest->part_count; i++) {
		const struct manifest_part *part = &manifest->part[i];
		json_t *chain = json_array();

		for (uint32_t k = 0; k < part->chain_count; k++) {
			json_array_append_new(chain, json_integer(part->chain[k]));
		}
		json_array_append_new(parts, json_pack("{s:I, s:I, s:o}", "operator",
		                                       (json_int_t)part->id.op, "slice",
		                                       (json_int_t)part->id.slice, "files", chain));
	}
	return parts;
}

static json_t *
write_records(const struct manifest *manifest)
{
	json_t *records = json_array();

	for (uint32_t i = 0; i < manifest->record_count; i++) {
		const struct manifest_record *record = &manifest->record[i];

		json_array_append_new(records,
		                      json_pack("{s:s, s:o}", "name", record->name, "hex",
		                                hex_of_bytes(record->bytes, record->size)));
	}
	return records;
}

static char *
write_json(const struct manifest *manifest)
{
	json_t *root = json_pack(
	    "{s:i, s:o, s:I, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "format", MANIFEST_FORMAT,
	    "job", hex_of_u64(manifest->job), "epoch", (json_int_t)manifest->epoch, "incarnation",
	    (json_int_t)manifest->incarnation, "topology", hex_of_u64(manifest->topology),
	    "wall_ns", (json_int_t)manifest->wall_ns, "previous_epoch",
	    (json_int_t)manifest->previous_epoch, "previous", hex_of_digest(manifest->previous),
	    "files", write_files(manifest), "parts", write_parts(manifest), "records",
	    write_records(manifest));
	char *text = NULL;

	if (root != NULL &&
	    json_array_size(json_object_get(root, "files")) == manifest->file_count &&
	    json_array_size(json_object_get(root, "parts")) == manifest->part_count &&
	    json_array_size(json_object_get(root, "records")) == manifest->record_count) {
		text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
	}
	json_decref(root);
	return text;
}

char *
manifest_write(struct manifest *manifest, size_t *size)
{
	char digest[DIGEST_TEXT];
	char *json = write_json(manifest);
	size_t length = json == NULL ? 0 : strlen(json);
	size_t room = length + DIGEST_TEXT + 16;
	char *text = json == NULL ? NULL : malloc(room);

	if (text != NULL) {
		memcpy(text, json, length);
		text[length++] = '\n';
		manifest->digest = digest_of(text, length);
		digest_format(manifest->digest, digest);
		*size = length +
		        (size_t)snprintf(text + length, room - length, "xxh3-128 %s\n", digest);
	}
	free(json);
	return text;
}
