#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every capture through the engine, compared with tshark: flows, totals, seconds; and conservation.

So is what the simulator compares its runs with. Where tshark reassembles, it is told not to: see
flows_oracle.py. Which other lcores, slices and pages give the same is test_placement.py's business.
Prints TAP. Environment: see harness.py.
"""

import calendar
import collections
import functools
import itertools
import os
import sys
import time

import flows_oracle
from harness import (BUILD, LONG, SAMPLE, SANITIZED, SOURCE, Skip, adds_up, capture_port, check, equal,
                     execute, one_object, operator, rows_of, run_job, shared_captures, tap)


@functools.lru_cache(maxsize=2)
def frames(path):
    """Every frame as tshark sees it."""
    if not flows_oracle.available():
        raise Skip("no tshark")
    return list(flows_oracle.expected_frames(path))


def check_flows(path, written):
    expected = {}
    for frame in frames(path):
        if frame.flow is not None:
            packets, size = expected.get(frame.flow, (0, 0))
            expected[frame.flow] = (packets + 1, size + frame.length)
    with open(written, newline="", encoding="ascii") as file:
        found = flows_oracle.read_flows(file, written)
    wrong = flows_oracle.compare_flows(expected, found)
    check(not wrong, "%d of %d flows differ:\n%s" % (len(wrong), len(expected),
                                                   "\n".join(wrong[:10])))


def check_totals(path, result):
    equal(len(frames(path)), result["packets"], "packets")
    equal(sum(frame.length for frame in frames(path)), result["bytes"], "bytes")


def check_conserved(result):
    """packets = decoded + dropped by reason, and so on down to the last operator."""
    names = [entry["name"] for entry in result["operators"]]
    decode = operator(result, "decode" if "decode" in names else "packets")
    equal(result["packets"], decode["rows_out"] + sum(decode["drops"].values()), "packets decoded")
    adds_up(result)


def second_of(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def test_flows(path, folder):
    """./run --flows, as a person would: every flow, totals, conservation"""
    out = os.path.join(folder, "flows.csv")
    done = execute([os.path.join(SOURCE, "run"), "--pcap", path, "--flows", out, "--json"])
    result = one_object(done.stdout)
    equal("complete", result["status"], "status")
    check_conserved(result)
    check_totals(path, result)
    check_flows(path, out)


def seconds_of(path, ip_only):
    """{second: [packets, bytes]}"""
    seconds = collections.defaultdict(lambda: [0, 0])
    for frame in frames(path):
        if frame.flow is not None or not ip_only:
            seconds[frame.second][0] += 1
            seconds[frame.second][1] += frame.length
    return seconds


def check_written(path, folder, result):
    """The files that flows.yaml has written to a folder, and the sums of the run."""
    check_conserved(result)
    check_totals(path, result)
    # Which frames the decoder dropped is its own business; those with IP can always be told.
    ip_only = bool(operator(result, "decode")["drops"])
    seconds = collections.defaultdict(lambda: [0, 0])
    for name in "seconds.csv", "late.csv":
        for row in rows_of(os.path.join(folder, name)):
            if ip_only and row["ip_version"] == "0":
                continue
            sums = seconds[second_of(row["time"])]
            sums[0] += int(row.get("packets", 1))
            sums[1] += int(row.get("bytes") or row["length"])
    expected = seconds_of(path, ip_only)
    wrong = [s for s in sorted(expected.keys() | seconds.keys()) if expected[s] != seconds[s]]
    check(not wrong, "%d of %d seconds differ: %s" %
          (len(wrong), len(expected), [(s, expected[s], seconds[s]) for s in wrong[:5]]))
    check_flows(path, os.path.join(folder, "flows.csv"))


def test_seconds(path, folder):
    """packets and bytes of every second, on time and late together"""
    result = run_job("flows.yaml", eal=[capture_port(path)], sets={"out": folder, "slices": 2})
    check_written(path, folder, result)


def test_simulator(path, folder):
    """what each of the simulator's runs must come to: flows and seconds"""
    program = os.path.join(BUILD, "tests", "sim")
    if not os.path.exists(program):
        raise Skip("the simulator is not built")
    written = os.path.join(folder, "flows.csv")
    lines = execute([program, "expected", path]).stdout.splitlines()
    with open(written, "w", encoding="ascii") as file:
        file.writelines(line + "\n" for line in lines if line.count(",") > 2)
    check_flows(path, written)
    cells = [list(map(int, line.split(","))) for line in lines if line.count(",") == 2]
    equal(dict(seconds_of(path, True)), {second: sums for second, *sums in cells}, "seconds")


def test_reassembly(path, folder):
    """a tshark that reassembles gives another flow to fragments only, and only by ports and protocol"""
    del folder
    for plain, whole in itertools.zip_longest(frames(path), flows_oracle.expected_frames(path, True)):
        equal(plain[:3], whole[:3], "number, second and length of a frame")
        if plain.flow != whole.flow:
            check(plain.fragment, "frame %d is no fragment: %s, %s" % (plain.number, plain.flow, whole.flow))
            equal(plain.flow[:2], whole.flow[:2], "addresses of frame %d" % plain.number)


def absent(folder):
    raise Skip("no captures beside the tree")


def main():
    points = []
    tests = [test_flows, test_seconds]
    if not SANITIZED:
        tests += [test_simulator, test_reassembly] # these run nothing of that build
    beside = shared_captures()
    if SANITIZED and not LONG:
        beside = beside[::5] # the decoder is also fuzzed and compared frame by frame, with sanitizers
    for path in [SAMPLE] + beside:
        for test in tests:
            name = "%s %s: %s" % (test.__name__[5:], os.path.basename(path), test.__doc__)
            points.append((name, functools.partial(test, path)))
    if not shared_captures():
        points.append(("flows of other captures", absent))
    return tap(points)


if __name__ == "__main__":
    sys.exit(main())
