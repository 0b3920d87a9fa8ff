/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLI_TOP_H
#define CLI_TOP_H

/*
 * `lodemill top`: a running engine, live. argv[0] is "top". Returns the exit code: 0, 1 (there is
 * no such engine, or it cannot be read) or 2 (wrong arguments).
 */
int cli_top(int argc, char **argv);

#endif
