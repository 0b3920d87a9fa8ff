/* SPDX-License-Identifier: BSD-3-Clause */
/* Printing errors with the line they stand on, as compilers do. */
#include <string.h>

#include "mgmt/config_load.h"

/* Characters of a line that are shown, and of those before the caret where it does not fit. */
#define ERRORS_WIDTH 120u
#define ERRORS_BEFORE 60u

struct colours {
	const char *bold, *red, *green, *end;
};

static bool
continues(char byte)
{
	return ((unsigned char)byte & 0xc0u) == 0x80u;
}

/* Control characters could do things to a terminal. */
static void
print_plain(FILE *to, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)text[i];
		bool c1 = byte == 0xc2 && i + 1 < size && (unsigned char)text[i + 1] < 0xa0;

		if (c1) {
			i++;
		}
		fputc(c1 || byte < 0x20 || byte == 0x7f ? '?' : byte, to);
	}
}

/* The line numbered `number` from 1; false if there is none. */
static bool
find_line(const char *text, size_t size, uint32_t number, const char **line, size_t *length)
{
	const char *at = text, *end, *stop;

	if (text == NULL || number == 0) {
		return false;
	}
	end = text + size;
	for (uint32_t i = 1; i < number; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (at == NULL) {
			return false;
		}
		at++;
	}
	stop = memchr(at, '\n', (size_t)(end - at));
	*line = at;
	*length = (size_t)((stop == NULL ? end : stop) - at);
	if (*length > 0 && at[*length - 1] == '\r') {
		(*length)--;
	}
	return true;
}

/* Goes `characters` on, at most to the end. */
static size_t
advance(const char *line, size_t length, size_t at, uint32_t characters)
{
	while (characters > 0 && at < length) {
		at++;
		while (at < length && continues(line[at])) {
			at++;
		}
		characters--;
	}
	return at;
}

/* The line, or the part of a long one around the place, and under it "^~~~". */
static void
print_line(FILE *to, const char *line, size_t length, struct lm_place place,
           const struct colours *colours)
{
	uint32_t before = place.column == 0 ? 0 : place.column - 1, marks = place.length;
	size_t caret = advance(line, length, 0, before), begin = 0, end;

	if (before >= ERRORS_WIDTH - 20) {
		begin = advance(line, length, 0, before - ERRORS_BEFORE);
	}
	end = advance(line, length, begin, ERRORS_WIDTH);
	fprintf(to, "  %s", begin > 0 ? "..." : "");
	for (size_t i = begin; i < end; i++) {
		if (line[i] == '\t') {
			fputc('\t', to);
		} else {
			print_plain(to, &line[i], 1);
		}
	}
	fprintf(to, "%s\n  %s", end < length ? "..." : "", begin > 0 ? "   " : "");
	for (size_t i = begin; i < caret; i++) {
		if (!continues(line[i])) {
			fputc(line[i] == '\t' ? '\t' : ' ', to);
		}
	}
	fprintf(to, "%s^", colours->green);
	for (size_t i = advance(line, length, caret, 1); marks > 1 && i < end; marks--) {
		fputc('~', to);
		i = advance(line, length, i, 1);
	}
	fprintf(to, "%s\n", colours->end);
}

static void
print_error(FILE *to, const char *file, const char *text, size_t size, const struct lm_error *error,
            const struct colours *colours)
{
	const char *line = NULL;
	size_t length = 0;
	bool found = find_line(text, size, error->place.line, &line, &length);

	fputs(colours->bold, to);
	print_plain(to, file, strlen(file));
	if (found || (text == NULL && error->place.line != 0)) {
		fprintf(to, ":%u:%u", error->place.line, error->place.column);
	}
	fprintf(to, ": %serror: %s%s", colours->red, colours->end, colours->bold);
	print_plain(to, error->message, strlen(error->message));
	fprintf(to, "%s\n", colours->end);
	if (found) {
		print_line(to, line, length, error->place, colours);
	}
	if (error->hint[0] != '\0') {
		fputs("  hint: ", to);
		print_plain(to, error->hint, strlen(error->hint));
		fputc('\n', to);
	}
}

void
config_print_errors(FILE *to, const char *file, const char *text, size_t size,
                    const struct lm_errors *errors, bool colour)
{
	static const struct colours plain = { "", "", "", "" };
	static const struct colours ansi = { "\033[1m", "\033[31m", "\033[32m", "\033[0m" };

	for (uint32_t i = 0; i < errors->count; i++) {
		print_error(to, file, text, size, &errors->error[i], colour ? &ansi : &plain);
	}
}

void
config_errors_line(const char *file, const struct lm_errors *errors, char *text, size_t size)
{
	const struct lm_error *error = &errors->error[0];
	char place[40] = "", more[40] = "";

	if (error->place.line > 0) {
		snprintf(place, sizeof(place), ":%u:%u", error->place.line, error->place.column);
	}
	if (errors->count > 1) {
		snprintf(more, sizeof(more), " (and %u more)", errors->count - 1);
	}
	snprintf(text, size, "%s%s%s%s%s%s%s", file, place, file[0] == '\0' ? "" : ": ",
	         error->message, error->hint[0] == '\0' ? "" : "; ", error->hint, more);
}
