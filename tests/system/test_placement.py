#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same results on 1, 2 and 4 lcores, with 1 to 16 slices, fused or not, with and without hugepages.

Every capture's reference is compared with tshark, all other runs of it with the reference, to the last
byte. A point is one run. Each capture takes its share of the combinations, drawn from a seed, so that all
of them are met; with LODEMILL_LONG=1 each capture takes them all. LODEMILL_SEED=N draws others.

Prints TAP. Environment: see harness.py.
"""

import collections
import contextlib
import functools
import itertools
import os
import random
import re
import sys

import flows_oracle
import test_flows
from harness import (LONG, SAMPLE, SANITIZED, Skip, adds_up, capture_port, captures, check, equal, named,
                     run_job, rows_of, tap)

SLICES = (1, 2, 3, 5, 8, 16)
# A capture's share at least; a build with sanitizers repeats a part of them.
SHARE = 1 if SANITIZED else 4
SEED = int(os.environ.get("LODEMILL_SEED", "1"))

NO_HUGE = ["--no-huge", "-m", "256"]
PAGES = "/proc/sys/vm/nr_hugepages"
PAGES_WANTED = 256
# Kilobytes that must stay available to the machine.
MEMORY_LEFT = 1 << 20

Way = collections.namedtuple("Way", "lcores slices fuse hugepages")
WAYS = [Way(*way) for way in itertools.product((1, 2, 4), SLICES, ("true", "false"), (True, False))]


def describe(way):
    return "%d lcores, %d slices, %s, %s" % (
        way.lcores, way.slices, "fused" if way.fuse == "true" else "not fused",
        "hugepages" if way.hugepages else "no hugepages")


def lcore_words(count):
    """So many lcores, in turn on the first two CPUs that there are."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    return ["--lcores", ",".join("%d@%d" % (i, cpus[i % len(cpus)]) for i in range(count))]


# Hugepages: reserved where root may and memory is left, given back at the end.

def memory(name):
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(name + r": *(\d+)", file.read()).group(1))


def write_pages(count):
    with open(PAGES, "w", encoding="ascii") as file:
        file.write(str(count))


@contextlib.contextmanager
def hugepages():
    """As many as are wanted are free inside, if the machine has them; outside it is as it was."""
    before, more = memory("HugePages_Total"), PAGES_WANTED - memory("HugePages_Free")
    if more <= 0:
        yield
        return
    fits = memory("MemAvailable") - more * memory("Hugepagesize") > MEMORY_LEFT
    if os.geteuid() == 0 and fits:
        with contextlib.suppress(OSError):
            write_pages(before + more)
    try:
        yield
    finally:
        if memory("HugePages_Total") != before:
            write_pages(before)


def need_hugepages():
    if memory("HugePages_Free") < PAGES_WANTED // 2:
        raise Skip("no hugepages, and none may be reserved")


# Runs.

def results(folder):
    """Flows and seconds, in an order of their own; what came late is added to its second."""
    with open(os.path.join(folder, "flows.csv"), "rb") as file:
        flows = sorted(file.read().splitlines())
    seconds = collections.Counter()
    for name in "seconds.csv", "late.csv":
        for row in rows_of(os.path.join(folder, name)):
            group = row["time"][:19], row["ip_version"]
            seconds[group, "packets"] += int(row.get("packets", 1))
            seconds[group, "bytes"] += int(row.get("bytes") or row["length"])
    return flows, seconds


def outcome(path, folder, eal, sets=None):
    """One run's results, with the sums checked."""
    result = run_job("flows.yaml", eal=[capture_port(path), *eal], sets={"out": folder, **(sets or {})})
    equal("complete", result["status"], "status")
    adds_up(result)
    return results(folder), result


kept = {}


def reference(path, folder):
    if path not in kept:
        kept[path] = outcome(path, folder, ["-l", "0", *NO_HUGE], {"fuse": "true", "slices": 1})
    return kept[path]


def same(path, folder, eal, sets):
    (flows, seconds), reference_run = reference(path, folder)
    have, result = outcome(path, folder, eal, sets)
    check(flows == have[0], "flows differ")
    check(seconds == have[1], "seconds differ")
    for name in "packets", "bytes":
        equal(reference_run[name], result[name], name)
    return result


def test_reference(path, folder):
    """what the other runs are compared with is what tshark says"""
    if not flows_oracle.available():
        raise Skip("no tshark")
    _, result = reference(path, folder)
    test_flows.check_written(path, folder, result)


def test_way(path, way, folder):
    if way.hugepages:
        need_hugepages()
    eal = lcore_words(way.lcores) + ([] if way.hugepages else NO_HUGE)
    flows, seconds = reference(path, folder)[0]
    # No more state and batches than it takes, since each slice has as much.
    result = same(path, folder, eal, {"slices": way.slices, "fuse": way.fuse, "rows": 256,
                                      "keys": len(flows), "windows": len(seconds) // 2 + 1})
    equal(way.lcores, len(result["lcores"]), "lcores at work")
    equal(way.hugepages, "--no-huge" not in result["stderr"], "hugepages in use")


def largest():
    """The largest capture there is, so that there is something to share out."""
    return max(captures(), key=os.path.getsize)


def test_small(folder):
    """the least credit and tiny batches, on four lcores of one CPU"""
    for credit, rows in (2, 1), (2, 1024), (4, 7):
        same(largest(), folder, ["--lcores", "(0-3)@0"], {"slices": 3, "credit": credit, "rows": rows})


def test_queues(folder):
    """a receive queue for each slice of the source: every queue reads the capture"""
    _, one = outcome(SAMPLE, folder, ["-l", "0"])
    sets = {"out": folder, "queues": 3, "slices": 2}
    result = run_job("flows.yaml", eal=[capture_port(SAMPLE, 3), "-l", "0"], sets=sets)
    adds_up(result)
    equal(3 * one["packets"], result["packets"], "packets of three queues")
    equal(3 * one["bytes"], result["bytes"], "bytes of three queues")


def shares(paths):
    """[(capture, ways)]: all of them, or to each its share, none left over."""
    if LONG:
        return [(path, WAYS) for path in paths]
    dealt = random.Random(SEED).sample(WAYS, len(WAYS))
    share = max(SHARE, -(-len(WAYS) // len(paths)))
    endless = itertools.cycle(dealt)
    return [(path, list(itertools.islice(endless, share))) for path in paths]


def main():
    points = []
    for path, ways in shares(captures()):
        name = os.path.basename(path)
        points.append((name + ": " + test_reference.__doc__, functools.partial(test_reference, path)))
        points += [("%s: %s" % (name, describe(way)), functools.partial(test_way, path, way))
                   for way in ways]
    with hugepages():
        return tap(points + named([test_small, test_queues]))


if __name__ == "__main__":
    sys.exit(main())
