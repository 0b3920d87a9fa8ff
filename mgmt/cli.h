/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_H
#define CLI_H

/*
 * The subcommands: lodemill [EAL args] -- SUBCOMMAND [ARGS]. Each returns the process's exit
 * status.
 */

enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1, /* it started and went wrong, or a check found something */
	CLI_USAGE = 2,  /* arguments, EAL arguments or the topology: nothing was started */
};

struct cli {
	const char *program;
	int eal_argc; /* what stood before "--" */
	char **eal_argv;
	int argc; /* what stood behind it: argv[0] is the subcommand */
	char **argv;
};

int cli_run(const struct cli *cli);
int cli_check(const struct cli *cli);
int cli_plan(const struct cli *cli);
int cli_operators(const struct cli *cli);
int cli_rehearse(const struct cli *cli);
int cli_doctor(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_state(int argc, char **argv);

#endif
