/* SPDX-License-Identifier: BSD-3-Clause */
/* Read this first: the process from its arguments to one subcommand. */

#include <stdio.h>
#include <string.h>

#include <rte_version.h>

#include "mgmt/cli.h"
#include "mgmt/isa.h"

static const char usage[] =
    "usage: lodemill [EAL args] -- SUBCOMMAND [ARGS]\n"
    "       lodemill SUBCOMMAND [ARGS]\n"
    "\n"
    "  run TOPOLOGY      run it until its sources end or Ctrl-C\n"
    "                      --json           one JSON object at the end instead of tables\n"
    "                      --set NAME=VALUE what ${NAME} in the file stands for\n"
    "                      --duration TIME  end after so long (10s, 5m)\n"
    "                      --hgrm FILE      write the latency distribution (HdrHistogram text)\n"
    "                      --supervise      start it again when it crashes\n"
    "                      --fresh-topology begin with the file, whatever was applied since\n"
    "                      --state FOLDER   take snapshots, go on from the last; none: do not\n"
    "                      --control PATH   the socket for lodectl (default: in a folder\n"
    "                                       of the user); none: no socket\n"
    "                      --control-role WHO=ROLE  let USER or @GROUP view, operate or deploy\n"
    "                      --elastic POLICY threshold or model: take lcores as the load wants\n"
    "                                       it; static: only look; off\n"
    "                      --manager FILE.so  a manager of your own (mgmt/lm_manager.h)\n"
    "                      --manager-argument TEXT  what it is told\n"
    "                      --quiet          no notes\n"
    "  check TOPOLOGY    check the file, print every error, run nothing\n"
    "  plan TOPOLOGY     print slices, lcores, NUMA nodes, edges and memory, and why\n"
    "  rehearse TOPOLOGY open its operators, with the state of --state FOLDER, as `lodectl apply`\n"
    "                    does it in a child process; run nothing\n"
    "  operators [NAME]  the operators there are, with their parameters\n"
    "  doctor            check this machine for fast packet and stream work\n"
    "  top               watch a running engine\n"
    "  state WHAT FOLDER the snapshots of a job: ls, verify, dump, prune\n"
    "  --version, --help\n"
    "\n"
    "EAL args are DPDK's: -l 0-3, --vdev net_pcap0,rx_pcap=FILE, -a 0000:01:00.0, --no-huge …\n"
    "Without them, lcores and memory are chosen to fit the machine and what was chosen is said.\n";

struct subcommand {
	const char *name;
	int (*run)(const struct cli *cli);
};

static int
run_doctor(const struct cli *cli)
{
	return cli_doctor(cli->argc, cli->argv);
}

static int
run_top(const struct cli *cli)
{
	return cli_top(cli->argc, cli->argv);
}

static int
run_state(const struct cli *cli)
{
	return cli_state(cli->argc, cli->argv);
}

static int
print_version(const struct cli *cli)
{
	(void)cli;
	printf("lodemill %s\nbuilt for %s\n%s\n", LODEMILL_VERSION, isa_compiled(), rte_version());
	return CLI_OK;
}

static int
print_help(const struct cli *cli)
{
	(void)cli;
	fputs(usage, stdout);
	return CLI_OK;
}

static const struct subcommand subcommands[] = {
	{ "run", cli_run },
	{ "check", cli_check },
	{ "plan", cli_plan },
	{ "rehearse", cli_rehearse },
	{ "operators", cli_operators },
	{ "doctor", run_doctor },
	{ "top", run_top },
	{ "state", run_state },
	{ "--version", print_version },
	{ "--help", print_help },
	{ "-h", print_help },
	{ "help", print_help },
};

static const struct subcommand *
find_subcommand(const char *name)
{
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
		if (strcmp(subcommands[i].name, name) == 0) {
			return &subcommands[i];
		}
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	struct cli cli = { .program = argv[0], .eal_argv = argv + 1 };
	const struct subcommand *subcommand;
	int dashes = 1;

	while (dashes < argc && strcmp(argv[dashes], "--") != 0) {
		dashes++;
	}
	if (dashes == argc && argc > 1 && find_subcommand(argv[1]) != NULL) {
		dashes = 0; /* no EAL arguments at all */
	}
	cli.eal_argc = dashes > 1 ? dashes - 1 : 0;
	cli.argc = argc - dashes - 1;
	cli.argv = argv + dashes + 1;
	if (cli.argc < 1) {
		fputs(usage, stderr);
		return CLI_USAGE;
	}
	subcommand = find_subcommand(cli.argv[0]);
	if (subcommand == NULL) {
		fprintf(stderr, "error: there is no subcommand \"%s\"\n\n%s", cli.argv[0], usage);
		return CLI_USAGE;
	}
	return subcommand->run(&cli);
}
