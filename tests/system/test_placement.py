#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same results on any lcores, with any number of slices, fused or not, with and without hugepages.

Prints TAP. Environment: see harness.py.
"""

import collections
import contextlib
import os
import sys

import flows_oracle
from harness import (SAMPLE, Skip, adds_up, capture_port, check, equal, named, need_root, run_job,
                     rows_of, shared_captures, tap)

LCORES = (["-l", "0"], ["-l", "0,1"], ["--lcores", "0@0,1@1,2@0,3@1"], ["--lcores", "(0-3)@0"])
SLICES = (1, 2, 4, 16)
PAGES = "/proc/sys/vm/nr_hugepages"


def capture():
    """The largest there is, so that there is something to share out."""
    return max([SAMPLE] + shared_captures(), key=os.path.getsize)


def need_cpus(eal):
    if len(os.sched_getaffinity(0)) < 2 and "1" in eal[-1]:
        raise Skip("needs two CPUs")


def results(folder):
    """Flows and seconds, in an order of their own; what came late is added to its second."""
    flows = sorted(tuple(row.values()) for row in rows_of(os.path.join(folder, "flows.csv")))
    seconds = collections.Counter()
    for name in "seconds.csv", "late.csv":
        for row in rows_of(os.path.join(folder, name)):
            group = row["time"][:19], row["ip_version"]
            seconds[group, "packets"] += int(row.get("packets", 1))
            seconds[group, "bytes"] += int(row.get("bytes") or row["length"])
    return flows, seconds


def outcome(folder, eal, sets=None):
    """One run's results, with the sums checked."""
    result = run_job("flows.yaml", eal=[capture_port(capture()), *eal],
                     sets={"out": folder, **(sets or {})})
    equal("complete", result["status"], "status")
    adds_up(result)
    return results(folder), result


def reference(folder):
    if not hasattr(reference, "kept"):
        reference.kept, _ = outcome(folder, ["-l", "0"], {"fuse": "true", "slices": 1})
    return reference.kept


def same(folder, eal, sets):
    want = reference(folder)
    have, result = outcome(folder, eal, sets)
    where = "%s %s" % (" ".join(eal), sets)
    check(want[0] == have[0], "flows differ with " + where)
    check(want[1] == have[1], "seconds differ with " + where)
    return result


def test_reference(folder):
    """what the others are compared with is what tshark says"""
    if not flows_oracle.available():
        raise Skip("no tshark")
    reference(folder)
    expected = flows_oracle.expected_flows(capture())
    with open(os.path.join(folder, "flows.csv"), newline="", encoding="ascii") as file:
        wrong = flows_oracle.compare_flows(expected, flows_oracle.read_flows(file, "flows.csv"))
    check(not wrong, "\n".join(wrong[:10]))


def matrix(eal):
    def point(folder):
        need_cpus(eal)
        for slices in SLICES:
            for fuse in "true", "false":
                result = same(folder, eal, {"slices": slices, "fuse": fuse})
                equal(sum(len(range_of(part)) for part in parts_of(eal)), len(result["lcores"]),
                      "lcores at work")
    return "%s: slices %s, fused or not" % (" ".join(eal), SLICES), point


def parts_of(eal):
    """The lcores of an argument: "(0-3)@0" are four, "0@0,1@1" are two."""
    return [part.split("@")[0].strip("()") for part in eal[1].split(",")]


def range_of(part):
    ends = [int(end) for end in part.split("-")]
    return range(ends[0], ends[-1] + 1)


def test_small(folder):
    """the least credit and tiny batches"""
    for credit, rows in (2, 1), (2, 1024), (4, 7):
        same(folder, ["--lcores", "(0-3)@0"], {"slices": 3, "credit": credit, "rows": rows})


def test_queues(folder):
    """a receive queue for each slice of the source: every queue reads the capture"""
    _, one = outcome(folder, ["-l", "0"])
    sets = {"out": folder, "queues": 3, "slices": 2}
    result = run_job("flows.yaml", eal=[capture_port(capture(), 3), "-l", "0"], sets=sets)
    adds_up(result)
    equal(3 * one["packets"], result["packets"], "packets of three queues")
    equal(3 * one["bytes"], result["bytes"], "bytes of three queues")


@contextlib.contextmanager
def hugepages(count):
    """So many, if the kernel finds them; as before afterwards."""
    need_root()
    with open(PAGES, encoding="ascii") as file:
        before = file.read().strip()
    try:
        with open(PAGES, "w", encoding="ascii") as file:
            file.write(str(max(count, int(before))))
        with open(PAGES, encoding="ascii") as file:
            if int(file.read()) < count:
                raise Skip("the kernel has no %d hugepages" % count)
        yield
    except PermissionError:
        raise Skip("hugepages may not be reserved here") from None
    finally:
        with contextlib.suppress(OSError), open(PAGES, "w", encoding="ascii") as file:
            file.write(before)


def test_hugepages(folder):
    """with hugepages, and without them though there are some"""
    with hugepages(256):
        for eal in ["-l", "0"], ["--lcores", "(0-3)@0"]:
            result = same(folder, eal, {"slices": 2})
            check("--no-huge" not in result["stderr"], "the hugepages were not used")
        result = same(folder, ["-l", "0", "--no-huge", "-m", "256"], {"slices": 2})
        check("--no-huge" in result["stderr"], "--no-huge is not what it ran with")


def test_no_hugepages(folder):
    """--no-huge by hand"""
    same(folder, ["-l", "0", "--no-huge", "-m", "256"], {"slices": 2})


def main():
    return tap(named([test_reference]) + [matrix(eal) for eal in LCORES] +
               named([test_small, test_queues, test_hugepages, test_no_hugepages]))


if __name__ == "__main__":
    sys.exit(main())
