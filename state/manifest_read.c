/* SPDX-License-Identifier: BSD-3-Clause */
/* A manifest from text that nobody vouches for: everything is checked, nothing is guessed. */

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/manifest.h"

#define SEAL "xxh3-128 "
#define SEAL_LINE (sizeof(SEAL) - 1 + DIGEST_TEXT) /* with its end */

/* The text being read: where the manifest goes, and the first thing found wrong. */
struct reading {
	struct manifest *manifest;
	char *why;
};

static bool wrong(struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool
wrong(struct reading *reading, const char *format, ...)
{
	va_list args;

	if (reading->why[0] == '\0') {
		va_start(args, format);
		vsnprintf(reading->why, MANIFEST_WHY, format, args);
		va_end(args);
	}
	return false;
}

static bool
get_number(struct reading *reading, const json_t *object, const char *key, uint64_t max,
           uint64_t *value)
{
	const json_t *number = json_object_get(object, key);

	*value = 0;
	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
	    (uint64_t)json_integer_value(number) > max) {
		return wrong(reading, "\"%s\" is not a number from 0 to %" PRIu64, key, max);
	}
	*value = (uint64_t)json_integer_value(number);
	return true;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 2 * size digits. */
static bool
hex_read(const char *text, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]);
		int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0) {
			return false;
		}
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Big-endian, as numbers are written. */
static uint64_t
hex_u64(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < 8; i++) {
		value = value << 8 | bytes[i];
	}
	return value;
}

static bool
get_hex(struct reading *reading, const json_t *object, const char *key, uint8_t *bytes, size_t size)
{
	const json_t *text = json_object_get(object, key);

	if (!json_is_string(text) || json_string_length(text) != 2 * size ||
	    !hex_read(json_string_value(text), bytes, size)) {
		return wrong(reading, "\"%s\" is not %zu hexadecimal digits", key, 2 * size);
	}
	return true;
}

static bool
get_u64(struct reading *reading, const json_t *object, const char *key, uint64_t *value)
{
	uint8_t bytes[8] = { 0 };
	bool good = get_hex(reading, object, key, bytes, sizeof(bytes));

	*value = hex_u64(bytes);
	return good;
}

static bool
get_digest(struct reading *reading, const json_t *object, const char *key, struct digest *digest)
{
	uint8_t bytes[16] = { 0 };
	bool good = get_hex(reading, object, key, bytes, sizeof(bytes));

	digest->high = hex_u64(bytes);
	digest->low = hex_u64(bytes + 8);
	return good;
}

static bool
get_array(struct reading *reading, const json_t *object, const char *key, const json_t **array)
{
	*array = json_object_get(object, key);
	if (!json_is_array(*array) || json_array_size(*array) > MANIFEST_FILES_MAX) {
		return wrong(reading, "\"%s\" is no array of a sensible size", key);
	}
	return true;
}

static bool
add(struct reading *reading, int result)
{
	return result == 0 || wrong(reading, "%s", strerror(-result));
}

static bool
read_file(struct reading *reading, const json_t *json)
{
	const json_t *name = json_object_get(json, "name");
	struct manifest_file file = { 0 };
	uint32_t index;

	if (!json_is_string(name) || json_string_length(name) >= sizeof(file.name) ||
	    !file_name_read(json_string_value(name), &file.epoch, &file.part)) {
		return wrong(reading, "a file has no name that a file of a part can have");
	}
	snprintf(file.name, sizeof(file.name), "%s", json_string_value(name));
	if (file.epoch > reading->manifest->epoch) {
		return wrong(reading, "%s is younger than its manifest", file.name);
	}
	return get_number(reading, json, "length", INT64_MAX, &file.length) &&
	       get_number(reading, json, "blocks", UINT32_MAX, &file.blocks) &&
	       get_number(reading, json, "bytes", INT64_MAX, &file.raw_bytes) &&
	       get_digest(reading, json, "digest", &file.digest) &&
	       add(reading, manifest_add_file(reading->manifest, &file, &index));
}

/* The files of a part are its own, and grow younger. */
static bool
read_chain(struct reading *reading, const json_t *files, struct manifest_part *part,
           uint8_t *is_taken)
{
	const struct manifest *manifest = reading->manifest;
	uint64_t epoch = 0;

	if (!json_is_array(files) || json_array_size(files) == 0 ||
	    json_array_size(files) > MANIFEST_CHAIN_MAX) {
		return wrong(reading, "a part is not of 1 to %u files", MANIFEST_CHAIN_MAX);
	}
	for (size_t i = 0; i < json_array_size(files); i++) {
		const json_t *index = json_array_get(files, i);
		json_int_t at = json_is_integer(index) ? json_integer_value(index) : -1;
		const struct manifest_file *file;

		if (at < 0 || at >= manifest->file_count || is_taken[at] != 0) {
			return wrong(reading, "a part names a file that is not there or taken");
		}
		file = &manifest->file[at];
		if (file->part.op != part->id.op || file->part.slice != part->id.slice ||
		    file->epoch <= epoch) {
			return wrong(reading, "%s is not in its place", file->name);
		}
		epoch = file->epoch;
		is_taken[at] = 1;
		part->chain[part->chain_count++] = (uint32_t)at;
	}
	return true;
}

static bool
read_part(struct reading *reading, const json_t *json, uint8_t *is_taken)
{
	struct manifest_part part = { 0 };
	uint64_t op, slice;

	if (!get_number(reading, json, "operator", UINT32_MAX, &op) ||
	    !get_number(reading, json, "slice", UINT32_MAX, &slice)) {
		return false;
	}
	part.id = (struct part_id){ .op = (uint32_t)op, .slice = (uint32_t)slice };
	/* No part stands here twice: it would need the files of the first one. */
	return read_chain(reading, json_object_get(json, "files"), &part, is_taken) &&
	       add(reading, manifest_add_part(reading->manifest, &part));
}

static bool
read_record(struct reading *reading, const json_t *json)
{
	const json_t *name = json_object_get(json, "name");
	const json_t *hex = json_object_get(json, "hex");
	size_t size = json_string_length(hex) / 2;
	uint8_t *bytes;
	bool good;

	if (!json_is_string(name) || !json_is_string(hex) || json_string_length(hex) % 2 != 0) {
		return wrong(reading, "a record is no name and hexadecimal digits");
	}
	bytes = malloc(size + 1);
	if (bytes == NULL) {
		return wrong(reading, "no memory");
	}
	good = hex_read(json_string_value(hex), bytes, size)
	           ? add(reading, manifest_add_record(reading->manifest, json_string_value(name),
	                                              bytes, size))
	           : wrong(reading, "a record is not hexadecimal digits");
	free(bytes);
	return good;
}

static bool
read_head(struct reading *reading, const json_t *root)
{
	struct manifest *manifest = reading->manifest;
	uint64_t format, wall_ns;

	if (!get_number(reading, root, "format", UINT32_MAX, &format)) {
		return false;
	}
	if (format != MANIFEST_FORMAT) {
		return wrong(reading, "it is of format %" PRIu64 "; this build reads %u", format,
		             MANIFEST_FORMAT);
	}
	if (!get_u64(reading, root, "job", &manifest->job) ||
	    !get_u64(reading, root, "topology", &manifest->topology) ||
	    !get_number(reading, root, "epoch", INT64_MAX, &manifest->epoch) ||
	    !get_number(reading, root, "incarnation", INT64_MAX, &manifest->incarnation) ||
	    !get_number(reading, root, "wall_ns", INT64_MAX, &wall_ns) ||
	    !get_number(reading, root, "previous_epoch", INT64_MAX, &manifest->previous_epoch) ||
	    !get_digest(reading, root, "previous", &manifest->previous)) {
		return false;
	}
	manifest->wall_ns = (int64_t)wall_ns;
	return manifest->epoch > manifest->previous_epoch ||
	       wrong(reading, "its epoch is not behind the previous one");
}

static bool
read_body(struct reading *reading, const json_t *root)
{
	const json_t *files, *parts, *records;
	uint8_t *is_taken;
	bool good = true;

	if (!get_array(reading, root, "files", &files) ||
	    !get_array(reading, root, "parts", &parts) ||
	    !get_array(reading, root, "records", &records)) {
		return false;
	}
	for (size_t i = 0; good && i < json_array_size(files); i++) {
		good = read_file(reading, json_array_get(files, i));
	}
	is_taken = calloc(1, json_array_size(files) + 1);
	good = good && (is_taken != NULL || wrong(reading, "no memory"));
	for (size_t i = 0; good && i < json_array_size(parts); i++) {
		good = read_part(reading, json_array_get(parts, i), is_taken);
	}
	for (uint32_t i = 0; good && i < reading->manifest->file_count; i++) {
		good = is_taken[i] != 0 ||
		       wrong(reading, "%s belongs to no part", reading->manifest->file[i].name);
	}
	free(is_taken);
	for (size_t i = 0; good && i < json_array_size(records); i++) {
		good = read_record(reading, json_array_get(records, i));
	}
	return good;
}

struct manifest *
manifest_read_json(const char *bytes, size_t size, char why[MANIFEST_WHY])
{
	struct reading reading = { .manifest = manifest_new(), .why = why };
	json_error_t error;
	json_t *root = NULL;
	bool good;

	why[0] = '\0';
	if (reading.manifest == NULL) {
		wrong(&reading, "no memory");
		return NULL;
	}
	root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
	good = root != NULL || wrong(&reading, "line %d: %.120s", error.line, error.text);
	good = good && read_head(&reading, root) && read_body(&reading, root);
	json_decref(root);
	if (!good) {
		manifest_free(reading.manifest);
		return NULL;
	}
	reading.manifest->digest = digest_of(bytes, size);
	return reading.manifest;
}

struct manifest *
manifest_read(const char *bytes, size_t size, char why[MANIFEST_WHY])
{
	struct digest digest;
	uint8_t stored[16];
	const char *seal;

	if (size < SEAL_LINE || size > MANIFEST_BYTES_MAX) {
		snprintf(why, MANIFEST_WHY, "it has %zu bytes", size);
		return NULL;
	}
	seal = bytes + size - SEAL_LINE;
	if (memcmp(seal, SEAL, sizeof(SEAL) - 1) != 0 || bytes[size - 1] != '\n' ||
	    !hex_read(seal + sizeof(SEAL) - 1, stored, sizeof(stored))) {
		snprintf(why, MANIFEST_WHY, "its last line, the digest, is not there");
		return NULL;
	}
	digest = digest_of(bytes, size - SEAL_LINE);
	if (digest.high != hex_u64(stored) || digest.low != hex_u64(stored + 8)) {
		snprintf(why, MANIFEST_WHY, "its digest is not that of its text");
		return NULL;
	}
	return manifest_read_json(bytes, size - SEAL_LINE, why);
}
