/* SPDX-License-Identifier: BSD-3-Clause */
/* The note of what runs, written and read. */
#include "mgmt/resume_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/xxh.h"
#include "mgmt/json_put.h"

void
resume_digest(const char *text, size_t size, const char *const *set, char digest[DIGEST_TEXT])
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash = { 0 };

	if (state != NULL) {
		XXH3_128bits_reset(state);
		XXH3_128bits_update(state, text, size);
		for (; set != NULL && *set != NULL; set++) {
			XXH3_128bits_update(state, "", 1);
			XXH3_128bits_update(state, *set, strlen(*set));
		}
		hash = XXH3_128bits_digest(state);
		XXH3_freeState(state);
	}
	digest_format((struct digest){ .high = hash.high64, .low = hash.low64 }, digest);
}

/* Where plugins are relative to, wherever the next start is made; links stay links, since a name
 * may come from that of the file. NULL: no memory. */
static char *
absolute(const char *path)
{
	char folder[4096], *whole;

	if (path[0] == '/' || getcwd(folder, sizeof(folder)) == NULL) {
		return strdup(path);
	}
	return asprintf(&whole, "%s/%s", folder, path) < 0 ? NULL : whole;
}

static char *
write_head(const struct resume_running *running)
{
	const struct lm_topology *topology = running->topology;
	json_t *head = json_object(), *slices = json_object(), *code = json_array();
	char *name = absolute(topology->file), digest[DIGEST_TEXT], *text = NULL;
	int failed = name == NULL;

	resume_digest(topology->source, topology->source_size, running->set, digest);
	for (uint32_t i = 0; i < running->graph->operator_count; i++) {
		failed +=
		    json_put_u64(slices, running->graph->op[i].name, running->graph->op[i].slices);
	}
	for (uint32_t i = 0; i < running->graph->code_count; i++) {
		failed += json_array_append_new(code, json_string(running->graph->code[i]));
	}
	failed += json_put_text(head, "name", name);
	failed += json_put_text(head, "file", running->file);
	failed += json_put_text(head, "digest", digest);
	failed += json_put_u64(head, "action", running->changed_by);
	failed += json_object_set_new(head, "slices", slices);
	failed += json_object_set_new(head, "code", code);
	if (failed == 0) {
		text = json_dumps(head, JSON_COMPACT);
	}
	json_decref(head);
	free(name);
	return text;
}

char *
resume_write(const struct resume_running *running, size_t *size)
{
	const struct lm_topology *topology = running->topology;
	char *head = write_head(running);
	size_t length = head == NULL ? 0 : strlen(head);
	char *note = head == NULL ? NULL : malloc(length + 1 + topology->source_size);

	*size = length + 1 + topology->source_size;
	if (note != NULL) {
		memcpy(note, head, length);
		note[length] = '\n';
		memcpy(note + length + 1, topology->source, topology->source_size);
	}
	free(head);
	return note;
}

static bool
read_slices(json_t *slices, struct resume_read *read)
{
	const char *name;
	json_t *value;

	read->slices = calloc(json_object_size(slices) + 1, sizeof(*read->slices));
	if (read->slices == NULL) {
		return false;
	}
	json_object_foreach(slices, name, value)
	{
		struct resume_slices *one = &read->slices[read->slices_count];
		json_int_t count = json_integer_value(value);

		if (strlen(name) >= sizeof(one->op) || count < 1 || count > LM_SLICES_MAX) {
			return false;
		}
		snprintf(one->op, sizeof(one->op), "%s", name);
		one->slices = (uint32_t)count;
		read->slices_count++;
	}
	return true;
}

/* Notes of older versions have none. */
static bool
read_code(json_t *code, struct resume_read *read)
{
	json_t *value;
	size_t i;

	read->code = calloc(json_array_size(code) + 1, sizeof(*read->code));
	json_array_foreach(code, i, value)
	{
		const char *digest = json_string_value(value);

		if (read->code == NULL || digest == NULL || strlen(digest) != PLUGIN_DIGEST - 1 ||
		    strspn(digest, "0123456789abcdef") != PLUGIN_DIGEST - 1) {
			return false;
		}
		memcpy(read->code[i], digest, PLUGIN_DIGEST);
		read->code_count++;
	}
	return read->code != NULL;
}

static bool
read_head(json_t *head, struct resume_read *read)
{
	const char *name, *file, *digest;
	json_int_t action;
	json_t *slices, *code = NULL;

	if (json_unpack(head, "{s:s, s:s, s:s, s:I, s:o, s?o}", "name", &name, "file", &file,
	                "digest", &digest, "action", &action, "slices", &slices, "code",
	                &code) != 0 ||
	    strlen(file) >= DIGEST_TEXT || strlen(digest) >= DIGEST_TEXT || action < 0) {
		return false;
	}
	snprintf(read->file, sizeof(read->file), "%s", file);
	snprintf(read->digest, sizeof(read->digest), "%s", digest);
	read->changed_by = (uint64_t)action;
	read->name = strdup(name);
	return read->name != NULL && read_slices(slices, read) && read_code(code, read);
}

bool
resume_read(const void *bytes, size_t size, struct resume_read *read)
{
	const char *end = memchr(bytes, '\n', size);
	json_t *head;
	bool good;

	*read = (struct resume_read){ 0 };
	if (end == NULL) {
		return false;
	}
	head = json_loadb(bytes, (size_t)(end - (const char *)bytes), JSON_REJECT_DUPLICATES, NULL);
	good = head != NULL && read_head(head, read);
	read->text = end + 1;
	read->text_size = size - (size_t)(end + 1 - (const char *)bytes);
	json_decref(head);
	return good;
}

void
resume_read_free(struct resume_read *read)
{
	free(read->name);
	free(read->slices);
	free(read->code);
	*read = (struct resume_read){ 0 };
}
