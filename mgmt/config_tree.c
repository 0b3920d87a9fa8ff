/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML or JSON -> a tree with places. The only file that knows the parser library. */
#include "mgmt/config_tree.h"

#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

/* The reading of one text: the nodes that are open, outermost first. */
struct reader {
	struct config_tree *tree;
	struct lm_errors *errors;
	const char *text;
	size_t size;
	struct config_node *open[CONFIG_DEPTH_MAX];
	uint32_t depth;
	uint32_t documents;
	struct lm_place last; /* of the last text, for what has no place */
};

/* What people mean by the mistakes that the parser library names. */
static const struct {
	const char *message, *hint;
} reader_hints[] = {
	{ "missing comma",
	  "put a comma between two entries, and quote a text that has { } [ ] or ," },
	{ "nested block mapping", "quote a text that has a colon, or begin a new line" },
	{ "multiline plain key",
	  "indent with spaces, and keys of one mapping alike; never with tabs" },
	{ "plain scalar cannot start", "quote the text" },
	{ "closing quote", "end the text with the quote it begins with" },
	{ "closing bracket", "end the list with ]" },
	{ "closing brace", "there is a } too many or too few" },
};

/* Line, column and what follows of the byte at `offset`. */
static struct lm_place
place_of(const char *text, size_t offset)
{
	struct lm_place place = { .line = 1, .column = 1, .length = 1 };

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			place.line++;
			place.column = 1;
		} else {
			place.column += ((unsigned char)text[i] & 0xc0u) != 0x80u;
		}
	}
	return place;
}

/* Bytes of the UTF-8 character at `at`, 0 if there is none. */
static size_t
character_size(const unsigned char *at, size_t size, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = 1;

	*code = at[0];
	if (at[0] >= 0x80) {
		length = at[0] < 0xc0   ? 0
		         : at[0] < 0xe0 ? 2
		         : at[0] < 0xf0 ? 3
		         : at[0] < 0xf8 ? 4
		                        : 0;
		*code = at[0] & (0x7fu >> length);
	}
	if (length == 0 || length > size) {
		return 0;
	}
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0u) != 0x80u) {
			return 0;
		}
		*code = *code << 6 | (at[i] & 0x3fu);
	}
	if (*code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)) {
		return 0;
	}
	return length;
}

/* What YAML forbids, and every end of a line but \n and \r\n: else lines would be counted two ways.
 */
static bool
is_control(uint32_t code, unsigned char next)
{
	if (code == '\n' || code == '\t') {
		return false;
	}
	if (code == '\r') {
		return next != '\n';
	}
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
	       code == 0xfeff;
}

/* The parser library would stop at the first of these without a word. */
static bool
check_characters(struct reader *reader)
{
	const unsigned char *bytes = (const unsigned char *)reader->text;
	size_t length;

	for (size_t i = 0; i < reader->size; i += length) {
		unsigned char next = i + 1 < reader->size ? bytes[i + 1] : 0;
		uint32_t code;

		length = character_size(&bytes[i], reader->size - i, &code);
		if (length == 0) {
			lm_errors_add(reader->errors, place_of(reader->text, i),
			              "save the file as UTF-8", "byte 0x%02x is not UTF-8",
			              bytes[i]);
			return false;
		}
		if (is_control(code, next)) {
			lm_errors_add(reader->errors, place_of(reader->text, i), "take it out",
			              "a control character, U+%04X", code);
			return false;
		}
	}
	return true;
}

/* Counted from 1, and in the text: what is missing at the end is missing on the last line. */
static struct lm_place
syntax_place(const struct reader *reader, const struct fy_diag_error *error)
{
	size_t end = reader->size;
	struct lm_place last;

	while (end > 0 && strchr("\r\n \t", reader->text[end - 1]) != NULL) {
		end--;
	}
	last = place_of(reader->text, end);
	if (error == NULL || error->line < 1 || error->column < 1 ||
	    (uint32_t)error->line > last.line) {
		return last;
	}
	return (struct lm_place){ (uint32_t)error->line, (uint32_t)error->column, 1 };
}

/* "${NAME}" inside {...}, which ends at the brace unless it is quoted. */
static bool
is_at_variable(const struct reader *reader, struct lm_place place)
{
	uint32_t line = 1;

	for (size_t i = 0; i + 1 < reader->size && line <= place.line; i++) {
		if (line == place.line && reader->text[i] == '$' && reader->text[i + 1] == '{') {
			return true;
		}
		line += reader->text[i] == '\n';
	}
	return false;
}

static void
report_syntax(struct reader *reader, struct fy_diag *diag)
{
	void *iterator = NULL;
	const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &iterator);
	const char *message = error == NULL ? "something is wrong before this" : error->msg;
	struct lm_place place = syntax_place(reader, error);
	const char *hint = NULL;

	for (size_t i = 0; i < sizeof(reader_hints) / sizeof(reader_hints[0]); i++) {
		if (hint == NULL && strstr(message, reader_hints[i].message) != NULL) {
			hint = reader_hints[i].hint;
		}
	}
	if (strstr(message, "missing comma") != NULL && is_at_variable(reader, place)) {
		hint = "inside {...} a variable is quoted: \"${NAME}\"";
	}
	lm_errors_add(reader->errors, place, hint, "not well formed: %s", message);
}

static bool
reader_refuse(struct reader *reader, const char *hint, const char *message)
{
	lm_errors_add(reader->errors, reader->last, hint, "%s", message);
	return false;
}

static bool
reader_no_memory(struct reader *reader)
{
	return reader_refuse(reader, NULL, "no memory left");
}

/* A text's place: to the end of its first line, if it has several. */
static struct lm_place
event_place(const struct reader *reader, struct fy_event *event)
{
	const struct fy_mark *start = fy_event_start_mark(event), *end = fy_event_end_mark(event);
	struct lm_place place;
	size_t at;

	if (start == NULL || end == NULL || start->input_pos > reader->size) {
		return reader->last;
	}
	place = (struct lm_place){ (uint32_t)start->line + 1, (uint32_t)start->column + 1, 0 };
	at = start->input_pos;
	if (start->line != end->line) {
		while (at < reader->size && reader->text[at] == ' ') {
			at++;
			place.column++;
		}
	}
	while (at < end->input_pos && at < reader->size && reader->text[at] != '\n' &&
	       reader->text[at] != '\r') {
		place.length += ((unsigned char)reader->text[at] & 0xc0u) != 0x80u;
		at++;
	}
	return place;
}

/* Room for one more behind `count` elements; capacities are powers of two. */
static bool
grow(struct config_node ***array, uint32_t count)
{
	struct config_node **grown;

	if ((count & (count - 1)) != 0) {
		return true;
	}
	grown =
	    realloc(*array, (count == 0 ? 1 : 2 * (size_t)count) * sizeof(struct config_node *));
	if (grown == NULL) {
		return false;
	}
	*array = grown;
	return true;
}

static struct config_node *
add_node(struct reader *reader, enum config_kind kind, struct lm_place place)
{
	struct config_tree *tree = reader->tree;
	struct config_node *node;

	if (tree->node_count == CONFIG_NODES_MAX) {
		reader_refuse(reader, "split it, or generate rows in an operator",
		              "the file has more than 65536 values");
		return NULL;
	}
	node = calloc(1, sizeof(*node));
	if (node == NULL || !grow(&tree->node, tree->node_count)) {
		free(node);
		reader_no_memory(reader);
		return NULL;
	}
	tree->node[tree->node_count++] = node;
	node->kind = kind;
	node->place = place;
	return node;
}

/* Puts a node where it belongs: in what is open, or at the root. */
static bool
attach(struct reader *reader, struct config_node *node)
{
	struct config_node *parent = reader->depth == 0 ? NULL : reader->open[reader->depth - 1];

	if (parent == NULL) {
		reader->tree->root = node;
		return true;
	}
	if (!grow(&parent->child, parent->child_count)) {
		return reader_no_memory(reader);
	}
	node->key |= parent->kind == CONFIG_MAP && parent->child_count % 2 == 0;
	parent->child[parent->child_count++] = node;
	return true;
}

static bool
name_anchor(struct reader *reader, struct config_node *node, struct fy_event *event)
{
	struct fy_token *token = fy_event_get_anchor_token(event);
	const char *text;
	size_t length;

	if (token == NULL) {
		return true;
	}
	text = fy_token_get_text(token, &length);
	node->anchor = text == NULL ? NULL : strndup(text, length);
	return node->anchor != NULL || reader_no_memory(reader);
}

static bool
read_text(struct reader *reader, struct fy_event *event)
{
	struct fy_token *token = fy_event_get_token(event);
	struct lm_place place = event_place(reader, event);
	struct config_node *node = add_node(reader, CONFIG_TEXT, place);
	size_t length = 0;
	const char *text = token == NULL ? "" : fy_token_get_text(token, &length);

	reader->last = place;
	if (node == NULL || text == NULL) {
		return node != NULL && reader_no_memory(reader);
	}
	if (memchr(text, '\0', length) != NULL) {
		return reader_refuse(reader, "take it out", "a text with the character 0");
	}
	node->text = strndup(text, length);
	if (node->text == NULL) {
		return reader_no_memory(reader);
	}
	if (token == NULL || fy_token_scalar_style(token) == FYSS_PLAIN) {
		node->null =
		    length == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0;
	}
	if (node->null) {
		node->text[0] = '\0';
	}
	return name_anchor(reader, node, event) && attach(reader, node);
}

static bool
read_begin(struct reader *reader, struct fy_event *event, enum config_kind kind)
{
	struct config_node *node;

	reader->last = event_place(reader, event);
	if (reader->depth == CONFIG_DEPTH_MAX) {
		return reader_refuse(reader, "a topology needs five levels at most",
		                     "nested deeper than 16 levels");
	}
	node = add_node(reader, kind, reader->last);
	if (node == NULL || !name_anchor(reader, node, event) || !attach(reader, node)) {
		return false;
	}
	node->open = true;
	reader->open[reader->depth++] = node;
	return true;
}

/* The node of the last anchor of that name. */
static bool
read_alias(struct reader *reader, struct fy_event *event)
{
	const char *name = fy_token_get_text0(fy_event_get_token(event));

	reader->last = event_place(reader, event);
	if (name == NULL) {
		return reader_no_memory(reader);
	}
	for (uint32_t i = reader->tree->node_count; i > 0; i--) {
		struct config_node *node = reader->tree->node[i - 1];

		if (node->anchor == NULL || strcmp(node->anchor, name) != 0) {
			continue;
		}
		if (node->open) {
			return reader_refuse(reader, "write it out",
			                     "an alias inside its own anchor");
		}
		return attach(reader, node);
	}
	return reader_refuse(reader, "put an anchor, &NAME, before what it repeats",
	                     "an alias of an anchor that is not there");
}

static bool
read_event(struct reader *reader, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (reader->documents++ > 0) {
			reader->last = event_place(reader, event);
			return reader_refuse(reader,
			                     "put the second topology into a file of its own",
			                     "a second document begins here");
		}
		return true;
	case FYET_SCALAR:
		return read_text(reader, event);
	case FYET_SEQUENCE_START:
		return read_begin(reader, event, CONFIG_LIST);
	case FYET_MAPPING_START:
		return read_begin(reader, event, CONFIG_MAP);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		reader->open[--reader->depth]->open = false;
		return true;
	case FYET_ALIAS:
		return read_alias(reader, event);
	default:
		return true;
	}
}

static bool
read_events(struct reader *reader, struct fy_parser *parser, struct fy_diag *diag)
{
	bool sound = true, ended = false;

	while (sound && !ended) {
		struct fy_event *event = fy_parser_parse(parser);

		if (event == NULL) {
			report_syntax(reader, diag);
			return false;
		}
		ended = event->type == FYET_STREAM_END;
		sound = read_event(reader, event);
		fy_parser_event_free(parser, event);
	}
	return sound;
}

static void
keep_quiet(struct fy_diag *diag, void *user, const char *text, size_t size)
{
	(void)diag;
	(void)user;
	(void)text;
	(void)size;
}

bool
config_tree_parse(struct config_tree *tree, const char *text, size_t size, bool json,
                  struct lm_errors *errors)
{
	struct reader reader = {
		.tree = tree, .errors = errors, .text = text, .size = size, .last = { 1, 1, 0 }
	};
	struct fy_parse_cfg config = { .flags = FYPCF_QUIET | FYPCF_DISABLE_MMAP_OPT |
		                                (json ? FYPCF_JSON_FORCE : FYPCF_JSON_NONE) };
	struct fy_diag_cfg diag_config;
	struct fy_parser *parser = NULL;
	struct fy_diag *diag;
	bool sound = false;

	*tree = (struct config_tree){ 0 };
	if (size > CONFIG_SIZE_MAX) {
		return reader_refuse(&reader, "a topology is at most 1 MiB long",
		                     "too long a file");
	}
	if (!check_characters(&reader)) {
		return false;
	}
	fy_diag_cfg_default(&diag_config);
	diag_config.fp = NULL;
	diag_config.output_fn = keep_quiet;
	diag = fy_diag_create(&diag_config);
	if (diag != NULL) {
		fy_diag_set_collect_errors(diag, true);
		config.diag = diag;
		parser = fy_parser_create(&config);
	}
	if (parser == NULL || fy_parser_set_string(parser, text, size) != 0) {
		reader_no_memory(&reader);
	} else {
		sound = read_events(&reader, parser, diag);
	}
	if (parser != NULL) {
		fy_parser_destroy(parser);
	}
	if (diag != NULL) {
		fy_diag_destroy(diag);
	}
	return sound;
}

void
config_tree_free(struct config_tree *tree)
{
	for (uint32_t i = 0; i < tree->node_count; i++) {
		free(tree->node[i]->child);
		free(tree->node[i]->anchor);
		free(tree->node[i]->text);
		free(tree->node[i]);
	}
	free(tree->node);
	*tree = (struct config_tree){ 0 };
}
