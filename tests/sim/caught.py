#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes tests/sim/caught.c anew: runs scenarios with their planted bugs, and notes which seeds caught them.

    tests/sim/caught.py [SCENARIO…]    from the tree's folder, with build/tests/sim built; the rows of other
                                       scenarios stay as they are
"""

import concurrent.futures
import os
import re
import subprocess
import sys

FILE = os.path.join("tests", "sim", "caught.c")
ALL = ("graphs stops flows decoded words windows aging versions cycle csv tcp crash elastic store "
       "log").split()
ROW = re.compile(r'\{ "(\w+)", (CANARY_\w+), (\d+) \}')
HEAD = """/* SPDX-License-Identifier: BSD-3-Clause */
/* Written by tests/sim/caught.py. */

#include "tests/sim/caught.h"

#include <stddef.h>
#include <string.h>

static const struct {
\tconst char *scenario;
\tenum canary canary;
\tuint64_t seed;
} caught[] = {
"""
TAIL = """};

uint64_t
caught_before(const char *scenario, enum canary canary)
{
\tfor (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
\t\tif (caught[i].canary == canary && strcmp(caught[i].scenario, scenario) == 0) {
\t\t\treturn caught[i].seed;
\t\t}
\t}
\treturn 0;
}
"""


def names():
    """Of planted bugs, by number."""
    with open(os.path.join("core", "canary.h"), encoding="ascii") as file:
        text = file.read()
    body = re.sub(r"/\*.*?\*/", "", re.search(r"enum canary \{(.*?)\}", text, re.S).group(1), flags=re.S)
    return [name.strip() for name in body.split(",") if name.strip()]


def seeds(scenario):
    env = dict(os.environ, SIM_QUIET="1", LODEMILL_SOURCE=".")
    line = [os.path.join("build", "tests", "sim"), scenario, "--canaries", "--seeds", "400"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=env)
    found = re.findall(r"canary (\d+): caught by seed (\d+)", done.stdout)
    for number in re.findall(r"canary (\d+): NOT CAUGHT", done.stdout):
        print("%s: %s is not caught" % (scenario, names()[int(number)]), file=sys.stderr)
    return [(scenario, names()[int(number)], int(seed)) for number, seed in found]


def main(chosen):
    with open(FILE, encoding="ascii") as file:
        rows = [(scenario, name, int(seed)) for scenario, name, seed in ROW.findall(file.read())]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for scenario, found in zip(chosen or ALL, pool.map(seeds, chosen or ALL)):
            rows = [row for row in rows if row[0] != scenario] + found
            print("%s: %d" % (scenario, len(found)), flush=True)
    rows.sort(key=lambda row: (ALL.index(row[0]), names().index(row[1])))
    with open(FILE, "w", encoding="ascii") as file:
        file.write(HEAD + "".join('\t{ "%s", %s, %d },\n' % row for row in rows) + TAIL)
    subprocess.run(["clang-format-14", "-i", FILE], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
