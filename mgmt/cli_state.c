/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill state: words to options, options to ls, verify, dump or prune. */
#include "mgmt/cli_state.h"

#include <getopt.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/cli.h"

static const char state_usage[] =
    "usage: lodemill state ls     FOLDER [--json]\n"
    "       lodemill state verify FOLDER [--epoch N] [--jobs N] [--json]\n"
    "       lodemill state dump   FOLDER [--epoch N] [--operator NAME] [--slice N] [--slots]\n"
    "                                    [--hex | --json]\n"
    "       lodemill state prune  FOLDER --keep N [--dry-run] [--json]\n"
    "\n"
    "Looks at the folder that a job keeps its snapshots in (run --state FOLDER).\n"
    "\n"
    "  ls      the epochs that are there, and whether their files have the right lengths\n"
    "  verify  reads every byte and names what is damaged\n"
    "  dump    what an epoch holds; never the secret of the job's hash\n"
    "  prune   removes all but the newest N good epochs; not while a job runs\n"
    "\n"
    "  --epoch N        that one; verify: otherwise all, dump: the newest\n"
    "  --jobs N         threads that read (default: one for each CPU, at most 8)\n"
    "  --operator NAME  of the topology; or its number, as in the names of files\n"
    "  --slice N        that slice\n"
    "  --slots          a line for each slot\n"
    "  --hex            all bytes\n"
    "  --keep N         good epochs that stay, at least 1; they are read in full first\n"
    "  --dry-run        says what would go, removes nothing\n"
    "  --json           one JSON object, for programs\n"
    "\n"
    "Exit status: 0 good, 1 damaged or failed, 2 wrong arguments or nothing to look at.\n";

struct state_command {
	const char *name;
	const char *letters; /* of the options it takes */
	int (*run)(const struct cli_state *self);
};

static const struct state_command state_commands[] = {
	{ "ls", "j", cli_state_ls },
	{ "verify", "jet", cli_state_verify },
	{ "dump", "jeolxs", cli_state_dump },
	{ "prune", "jkn", cli_state_prune },
};

static const struct option state_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "epoch", required_argument, NULL, 'e' },
	{ "jobs", required_argument, NULL, 't' },
	{ "operator", required_argument, NULL, 'o' },
	{ "slice", required_argument, NULL, 'l' },
	{ "hex", no_argument, NULL, 'x' },
	{ "slots", no_argument, NULL, 's' },
	{ "keep", required_argument, NULL, 'k' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int
state_wrong(const char *message, const char *value)
{
	fprintf(stderr, "error: %s%s%s\n   = help: lodemill state --help\n", message,
	        value != NULL ? " " : "", value != NULL ? value : "");
	return CLI_USAGE;
}

int
cli_state_trouble(const struct state_trouble *trouble)
{
	fprintf(stderr, "error: %s\n", trouble->what);
	if (trouble->help[0] != '\0') {
		fprintf(stderr, "   = help: %s\n", trouble->help);
	}
	return CLI_USAGE;
}

int
cli_state_end(const struct cli_state *self, int error, int status)
{
	if (error != 0 || fflush(self->out) != 0 || ferror(self->out)) {
		fprintf(stderr, "error: the result cannot be written\n");
		return CLI_FAILED;
	}
	return status;
}

/* A number from `least` to `most`; false after saying that it is none. */
static bool
state_number(const char *name, uint64_t least, uint64_t most, uint64_t *value)
{
	char message[120];

	if (text_u64(optarg, value) == 0 && *value >= least && *value <= most) {
		return true;
	}
	snprintf(message, sizeof(message), "--%s takes a number from %llu to %llu, not", name,
	         (unsigned long long)least, (unsigned long long)most);
	state_wrong(message, optarg);
	return false;
}

/* An option that takes a value. */
static bool
state_value(struct cli_state *self, int letter)
{
	uint64_t value = 0;
	bool good = true;

	switch (letter) {
	case 'e':
		good = state_number("epoch", 1, UINT64_MAX, &self->epoch);
		break;
	case 't':
		good = state_number("jobs", 1, CLI_STATE_JOBS_MAX, &value);
		self->jobs = (uint32_t)value;
		break;
	case 'l':
		good = state_number("slice", 0, UINT32_MAX, &value);
		self->slice = (uint32_t)value;
		self->has_slice = true;
		break;
	case 'k':
		good = state_number("keep", 1, UINT32_MAX, &value);
		self->keep = (uint32_t)value;
		break;
	default:
		self->op = optarg;
		break;
	}
	return good;
}

/* Returns -1 to go on, else the status to exit with. */
static int
state_arguments(struct cli_state *self, const struct state_command *command, int argc, char **argv)
{
	int letter;

	optind = 0;
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":h", state_options, NULL)) != -1) {
		if (letter == 'h') {
			fputs(state_usage, stdout);
			return CLI_OK;
		}
		if (letter == ':') {
			return state_wrong("a value is missing after", argv[optind - 1]);
		}
		if (letter == '?') {
			return state_wrong("unknown option", argv[optind - 1]);
		}
		if (strchr(command->letters, letter) == NULL) {
			char message[80];

			snprintf(message, sizeof(message), "state %s has no option", command->name);
			return state_wrong(message, argv[optind - 1]);
		}
		if (letter == 'j') {
			self->json = true;
		} else if (letter == 'x') {
			self->hex = true;
		} else if (letter == 's') {
			self->slots = true;
		} else if (letter == 'n') {
			self->dry_run = true;
		} else if (!state_value(self, letter)) {
			return CLI_USAGE;
		}
	}
	if (optind == argc) {
		return state_wrong("which folder? the one of run --state", NULL);
	}
	if (optind + 1 < argc) {
		return state_wrong("unexpected argument", argv[optind + 1]);
	}
	self->folder = argv[optind];
	return -1;
}

static const struct state_command *
state_find(const char *name)
{
	for (size_t i = 0; i < sizeof(state_commands) / sizeof(state_commands[0]); i++) {
		if (strcmp(state_commands[i].name, name) == 0) {
			return &state_commands[i];
		}
	}
	return NULL;
}

int
cli_state(int argc, char **argv)
{
	struct cli_state self = { .out = stdout };
	const struct state_command *command;
	int status;

	if (argc < 2) {
		fputs(state_usage, stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(state_usage, stdout);
		return CLI_OK;
	}
	command = state_find(argv[1]);
	if (command == NULL) {
		return state_wrong("state does ls, verify, dump and prune, not", argv[1]);
	}
	status = state_arguments(&self, command, argc - 1, argv + 1);
	if (status >= 0) {
		return status;
	}
	if (self.hex && self.json) {
		return state_wrong("--hex is for people, and --json has the bytes of records in "
		                   "hexadecimal anyway: choose one",
		                   NULL);
	}
	return command->run(&self);
}
