/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading "OPERATOR[.OUTPUT] [GROUPING]". */
#include "mgmt/config_wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define WIRE_BLANKS " \t\n"
#define WIRE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct wire_phrase {
	const char *text;
	enum lm_grouping grouping;
};

static const struct wire_phrase wire_phrases[] = {
#define WIRE_PHRASE(suffix, text) { text, LM_GROUP_##suffix },
	LM_GROUPINGS(WIRE_PHRASE)
#undef WIRE_PHRASE
	    { "all to one", LM_GROUP_GLOBAL },
};

static const char wire_forms[] =
    "by COLUMN, partly by COLUMN, shuffle, round robin, local or shuffle, forward, to all, "
    "to one, direct by COLUMN, using FUNCTION";

static bool __attribute__((format(printf, 4, 5)))
wire_fail(struct config_wire *parsed, struct config_part wrong, const char *hint,
          const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(parsed->message, sizeof(parsed->message), format, arguments);
	va_end(arguments);
	snprintf(parsed->hint, sizeof(parsed->hint), "%s", hint);
	parsed->wrong = wrong;
	return false;
}

static uint32_t
skip_blanks(const char *text, uint32_t at)
{
	return at + (uint32_t)strspn(text + at, WIRE_BLANKS);
}

/* From `at` to the end, without the blanks there. */
static struct config_part
rest_from(const char *text, uint32_t at)
{
	uint32_t length = (uint32_t)strlen(text + at);

	while (length > 0 && strchr(WIRE_BLANKS, text[at + length - 1]) != NULL) {
		length--;
	}
	return (struct config_part){ at, length };
}

/* Ends a part where it stands in the buffer. */
static const char *
cut(struct config_wire *parsed, struct config_part part)
{
	parsed->buffer[part.at + part.length] = '\0';
	return parsed->buffer + part.at;
}

/* OPERATOR[.OUTPUT]; returns what follows in *at. */
static bool
read_from(struct config_wire *parsed, const char *text, uint32_t *at)
{
	struct config_part word = { skip_blanks(text, 0), 0 };
	const char *dot;

	word.length = (uint32_t)strcspn(text + word.at, WIRE_BLANKS);
	*at = word.at + word.length;
	if (word.length == 0) {
		return wire_fail(parsed, word, "write OPERATOR, or OPERATOR by COLUMN",
		                 "the operator that the rows come from is missing");
	}
	if (memchr(text + word.at, ',', word.length) != NULL) {
		return wire_fail(parsed, word, "write several as a list: inputs: [a, b by x]",
		                 "\"%.*s\" cannot be the name of an operator", (int)word.length,
		                 text + word.at);
	}
	parsed->from = word;
	dot = memchr(text + word.at, '.', word.length);
	if (dot != NULL) {
		parsed->from.length = (uint32_t)(dot - (text + word.at));
		parsed->output.at = word.at + parsed->from.length + 1;
		parsed->output.length = *at - parsed->output.at;
		if (parsed->from.length == 0 || parsed->output.length == 0 ||
		    memchr(dot + 1, '.', parsed->output.length) != NULL) {
			return wire_fail(parsed, word, "write OPERATOR.OUTPUT",
			                 "\"%.*s\" names no operator's output", (int)word.length,
			                 text + word.at);
		}
	}
	return true;
}

/* Bytes of `text` that are the words of `phrase`, with any blanks between them; 0 if they are not.
 */
static uint32_t
match_phrase(const char *text, const char *phrase)
{
	uint32_t at = 0;

	for (;;) {
		size_t word = strcspn(phrase, " ");

		if (strncmp(text + at, phrase, word) != 0) {
			return 0;
		}
		at += (uint32_t)word;
		phrase += word;
		if (text[at] != '\0' && strchr(WIRE_BLANKS, text[at]) == NULL) {
			return 0;
		}
		if (*phrase == '\0') {
			return at;
		}
		phrase++;
		at = skip_blanks(text, at);
	}
}

/* The grouping that the first words of `text` resemble, or NULL. */
static const char *
nearest_phrase(const char *text)
{
	const char *phrases[WIRE_COUNT(wire_phrases)];
	const char *nearest = NULL;
	char words[32];
	size_t end = 0;

	for (size_t i = 0; i < WIRE_COUNT(wire_phrases); i++) {
		phrases[i] = wire_phrases[i].text;
	}
	/* The longest beginning of one to three words that resembles one. */
	for (uint32_t count = 0; count < 3 && text[end] != '\0'; count++) {
		const char *near;

		end += strspn(text + end, WIRE_BLANKS);
		end += strcspn(text + end, WIRE_BLANKS);
		if (end >= sizeof(words)) {
			break;
		}
		snprintf(words, sizeof(words), "%.*s", (int)end, text);
		near = text_nearest(words, phrases, WIRE_COUNT(wire_phrases));
		nearest = near == NULL ? nearest : near;
	}
	return nearest;
}

static bool
unknown_grouping(struct config_wire *parsed, const char *text, uint32_t at)
{
	struct config_part rest = rest_from(text, at);
	const char *nearest = nearest_phrase(text + at);
	char hint[200];

	if (text[at] == ',') {
		return wire_fail(parsed, rest, "write several as a list: inputs: [a, b by x]",
		                 "a comma where a grouping may stand");
	}
	if (nearest != NULL) {
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest);
	} else {
		snprintf(hint, sizeof(hint), "groupings: %s", wire_forms);
	}
	return wire_fail(parsed, rest, hint, "no grouping \"%.*s\"",
	                 (int)(rest.length > 60 ? 60 : rest.length), text + at);
}

/* COLUMN[, COLUMN]... to the end. */
static bool
read_columns(struct config_wire *parsed, const char *text, uint32_t at)
{
	for (uint32_t count = 0;; count++) {
		struct config_part part = { skip_blanks(text, at), 0 };
		uint32_t next;

		part.length = (uint32_t)strcspn(text + part.at, WIRE_BLANKS ",");
		next = skip_blanks(text, part.at + part.length);
		if (part.length == 0) {
			return wire_fail(parsed, part, "write by COLUMN, or by COLUMN, COLUMN",
			                 "the name of a column is missing");
		}
		if (count == LM_KEY_FIELDS_MAX) {
			return wire_fail(parsed, part, "group by fewer",
			                 "more than %u columns to group by", LM_KEY_FIELDS_MAX);
		}
		if (text[next] != '\0' && text[next] != ',') {
			return wire_fail(
			    parsed, rest_from(text, next), "put a comma between two columns",
			    "more stands behind column \"%.*s\"",
			    (int)(part.length > 40 ? 40 : part.length), text + part.at);
		}
		parsed->column[count] = part;
		if (text[next] == '\0') {
			return true;
		}
		at = next + 1;
	}
}

static bool
read_function(struct config_wire *parsed, const char *text, uint32_t at)
{
	parsed->function.at = skip_blanks(text, at);
	parsed->function.length = (uint32_t)strcspn(text + parsed->function.at, WIRE_BLANKS);
	if (parsed->function.length == 0) {
		return wire_fail(parsed, parsed->function, "write using FUNCTION",
		                 "the name of a function is missing");
	}
	at = skip_blanks(text, parsed->function.at + parsed->function.length);
	if (text[at] != '\0') {
		return wire_fail(parsed, rest_from(text, at), "leave it out",
		                 "more stands behind the function");
	}
	return true;
}

static bool
read_grouping(struct config_wire *parsed, const char *text, uint32_t at)
{
	const struct wire_phrase *phrase = NULL;
	uint32_t length = 0;

	at = skip_blanks(text, at);
	if (text[at] == '\0') {
		return true;
	}
	for (size_t i = 0; i < WIRE_COUNT(wire_phrases) && length == 0; i++) {
		phrase = &wire_phrases[i];
		length = match_phrase(text + at, phrase->text);
	}
	if (length == 0) {
		return unknown_grouping(parsed, text, at);
	}
	parsed->wire.grouping = phrase->grouping;
	at = at + length;
	switch (phrase->grouping) {
	case LM_GROUP_KEY:
	case LM_GROUP_PARTIAL_KEY:
	case LM_GROUP_DIRECT:
		return read_columns(parsed, text, at);
	case LM_GROUP_CUSTOM:
		return read_function(parsed, text, at);
	default:
		at = skip_blanks(text, at);
		return text[at] == '\0' || wire_fail(parsed, rest_from(text, at), "leave it out",
		                                     "more stands behind \"%s\"", phrase->text);
	}
}

bool
config_wire_parse(struct config_wire *parsed, const char *text)
{
	size_t size = strlen(text);
	uint32_t at = 0;

	*parsed = (struct config_wire){ .wrong = { 0, 0 } };
	if (size >= sizeof(parsed->buffer)) {
		return wire_fail(parsed, parsed->wrong, "shorten its names", "too long an input");
	}
	memcpy(parsed->buffer, text, size + 1);
	if (!read_from(parsed, text, &at) || !read_grouping(parsed, text, at)) {
		return false;
	}
	parsed->wire.from = cut(parsed, parsed->from);
	parsed->wire.output = parsed->output.length == 0 ? NULL : cut(parsed, parsed->output);
	parsed->wire.function = parsed->function.length == 0 ? NULL : cut(parsed, parsed->function);
	for (uint32_t i = 0; i < LM_KEY_FIELDS_MAX && parsed->column[i].length > 0; i++) {
		parsed->wire.columns[i] = cut(parsed, parsed->column[i]);
	}
	return true;
}
