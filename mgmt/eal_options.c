/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of EAL 22.11, and reading an argument vector the way EAL does. */
#include "mgmt/eal_options.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

struct options_entry {
	const char *name;
	char letter;
	enum eal_value value;
};

static const struct options_entry options_table[EAL_OPTION_COUNT] = {
#define OPTIONS_ENTRY(suffix, name, letter, value) { name, letter, value },
	EAL_OPTION_LIST(OPTIONS_ENTRY)
#undef OPTIONS_ENTRY
};

static void
options_add(struct eal_typed_list *list, uint32_t option, const char *value,
            struct eal_report *report)
{
	const struct options_entry *entry = &options_table[option];
	struct eal_typed *typed = &list->typed[list->count];

	if (list->count == EAL_TYPED_MAX) {
		eal_report_add(report, EAL_ERROR, NULL, "more than %u EAL options", EAL_TYPED_MAX);
		return;
	}
	list->count++;
	typed->option = (enum eal_option)option;
	typed->value = value;
	if (entry->letter != 0) {
		snprintf(typed->where, sizeof(typed->where), "-%c%s%s", entry->letter,
		         value != NULL ? " " : "", value != NULL ? value : "");
	} else {
		snprintf(typed->where, sizeof(typed->where), "--%s%s%s", entry->name,
		         value != NULL ? "=" : "", value != NULL ? value : "");
	}
}

/* The option that `name` (of `length`) is, or begins and no other begins; -1 none, -2 several. */
static int
options_long(const char *name, size_t length)
{
	int found = -1;

	for (int i = 0; i < EAL_OPTION_COUNT; i++) {
		const char *known = options_table[i].name;

		if (known == NULL || strncmp(known, name, length) != 0) {
			continue;
		}
		if (known[length] == '\0') {
			return i;
		}
		found = found == -1 ? i : -2;
	}
	return found;
}

static int
options_short(char letter)
{
	for (int i = 0; i < EAL_OPTION_COUNT; i++) {
		if (letter != 0 && options_table[i].letter == letter) {
			return i;
		}
	}
	return -1;
}

static void
options_unknown_long(const char *word, const char *name, int found, struct eal_report *report)
{
	const char *names[EAL_OPTION_COUNT];
	struct eal_finding *finding;
	const char *near;
	uint32_t count = 0;

	for (int i = 0; i < EAL_OPTION_COUNT; i++) {
		if (options_table[i].name != NULL) {
			names[count++] = options_table[i].name;
		}
	}
	if (found == -2) {
		finding =
		    eal_report_add(report, EAL_ERROR, word, "--%s could be several options", name);
		for (uint32_t i = 0; i < count; i++) {
			size_t used = strlen(finding->help);

			if (strncmp(names[i], name, strlen(name)) == 0) {
				snprintf(finding->help + used, sizeof(finding->help) - used,
				         "%s--%s", used > 0 ? ", " : "one of ", names[i]);
			}
		}
		return;
	}
	finding = eal_report_add(report, EAL_ERROR, word, "EAL has no option --%s", name);
	near = text_nearest(name, names, count);
	if (near != NULL) {
		eal_report_help(finding, "did you mean --%s?", near);
	} else {
		eal_report_help(finding,
		                "options of the engine itself stand elsewhere: see --help");
	}
}

/* --name, --name=value, --name value. Returns how many words were used. */
static int
options_read_long(struct eal_typed_list *list, int argc, char *const *argv,
                  struct eal_report *report)
{
	const char *name = argv[0] + 2;
	const char *equals = strchr(name, '=');
	size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
	int option = options_long(name, length);
	enum eal_value takes;
	char shown[64];

	snprintf(shown, sizeof(shown), "%.*s", (int)length, name);
	if (option < 0) {
		options_unknown_long(argv[0], shown, option, report);
		/* The word after it is most likely its value: one error is enough. */
		return equals == NULL && argc > 1 && argv[1][0] != '-' ? 2 : 1;
	}
	takes = options_table[option].value;
	if (equals != NULL && takes == EAL_VALUE_NO) {
		eal_report_help(eal_report_add(report, EAL_ERROR, argv[0], "--%s takes no value",
		                               options_table[option].name),
		                "write --%s alone", options_table[option].name);
	} else if (equals != NULL || takes != EAL_VALUE_YES) {
		options_add(list, (uint32_t)option, equals != NULL ? equals + 1 : NULL, report);
	} else if (argc < 2) {
		eal_report_help(eal_report_add(report, EAL_ERROR, argv[0], "--%s needs a value",
		                               options_table[option].name),
		                "write --%s=VALUE", options_table[option].name);
	} else {
		options_add(list, (uint32_t)option, argv[1], report);
		return 2;
	}
	return 1;
}

/* -v, -vh, -l0, -l 0. Returns how many words were used. */
static int
options_read_short(struct eal_typed_list *list, int argc, char *const *argv,
                   struct eal_report *report)
{
	for (const char *at = argv[0] + 1; *at != '\0'; at++) {
		int option = options_short(*at);

		if (option < 0) {
			struct eal_finding *finding = eal_report_add(report, EAL_ERROR, argv[0],
			                                             "EAL has no option -%c", *at);
			int whole = options_long(argv[0] + 1, strcspn(argv[0] + 1, "="));

			if (whole >= 0) {
				eal_report_help(finding, "did you mean -%s?", argv[0]);
			}
			return 1;
		}
		if (options_table[option].value == EAL_VALUE_NO) {
			options_add(list, (uint32_t)option, NULL, report);
			continue;
		}
		if (at[1] != '\0') {
			options_add(list, (uint32_t)option, at + 1, report);
			return 1;
		}
		if (argc < 2) {
			eal_report_add(report, EAL_ERROR, argv[0], "-%c needs a value", *at);
			return 1;
		}
		options_add(list, (uint32_t)option, argv[1], report);
		return 2;
	}
	return 1;
}

/*
 * "-vdev" is read by getopt as -v -d ev: the name of a long option after one dash is a slip.
 * Returns how many words it took; 0: it is none.
 */
static int
options_lost_dash(int argc, char *const *argv, struct eal_report *report)
{
	const char *word = argv[0];
	size_t length = strcspn(word + 1, "=");
	int option = length > 2 ? options_long(word + 1, length) : -1;

	if (option < 0 || options_table[option].name[length] != '\0') {
		return 0;
	}
	eal_report_help(eal_report_add(report, EAL_ERROR, word, "\"%s\" has one dash only", word),
	                "write -%s", word);
	return word[1 + length] == '\0' && argc > 1 && argv[1][0] != '-' ? 2 : 1;
}

void
eal_options_read(struct eal_typed_list *list, int argc, char *const *argv,
                 struct eal_report *report)
{
	list->count = 0;
	for (int i = 0; i < argc;) {
		const char *word = argv[i];

		if (strncmp(word, "--", 2) == 0 && word[2] != '\0') {
			i += options_read_long(list, argc - i, argv + i, report);
		} else if (word[0] == '-' && word[1] != '\0' && word[1] != '-') {
			int used = options_lost_dash(argc - i, argv + i, report);

			i += used > 0 ? used : options_read_short(list, argc - i, argv + i, report);
		} else {
			eal_report_help(eal_report_add(report, EAL_ERROR, NULL,
			                               "\"%s\" is not an option of EAL", word),
			                "EAL's options and the rest of the command line are "
			                "separated by \"--\"");
			i++;
		}
	}
}

const struct eal_typed *
eal_options_find(const struct eal_typed_list *list, enum eal_option option)
{
	for (uint32_t i = list->count; i > 0; i--) {
		if (list->typed[i - 1].option == option) {
			return &list->typed[i - 1];
		}
	}
	return NULL;
}
