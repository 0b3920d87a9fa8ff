#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The packet decoder against tshark, frame by frame, over captures and what can be made of them.

    decode_differential.py --tool PCAP_FLOWS [--seeds N] [--first-seed N] [--cuts STEP] [CAPTURE…]

Without captures: the hand-made frames of odd_frames.py and those of the shared data folder
(LODEMILL_SHARED, default ../shared beside the project). Each is taken as it is; all of them, merged into
one, are also cut to lengths of 10 to 100 bytes, and have random errors. Every frame must give the same
flow, or the difference must be one of RULES. With tshark's reassembly on, only fragments may differ.
Status 1: something else differed; 77: tshark or one of the tools that come with it is missing.
"""

import argparse
import collections
import csv
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import flows_oracle  # pylint: disable=wrong-import-position
import odd_frames  # pylint: disable=wrong-import-position

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ETHERNET = "ether"

# Layers that tshark looks into and the decoder, on purpose, does not.
FOREIGN = {"trill", "nsh", "batadv", "cfp", "cmd", "osi", "vjc", "6lowpan", "mp", "isl"}

Here = collections.namedtuple("Here", "outcome flow anomaly fragment")


def rule_foreign(want, have, layers):
    """a link layer that the decoder does not look into; the row has no IP"""
    return want is not None and have.flow is None and bool(FOREIGN & set(layers))


def rule_pseudowire(want, have, layers):
    """an Ethernet pseudowire: tshark guesses by known vendors of MACs, the decoder by ethertypes"""
    del want, have
    return "pwethheuristic" in layers


def rule_bridged(want, have, layers):
    """LLC other than IP or SNAP ethertypes in unnumbered frames"""
    return want is not None and have.flow is None and "llc" in layers


def rule_isl(want, have, layers):
    """Cisco ISL, known by its destination MAC"""
    return want is not None and have.flow is None and layers[:2] == ["eth", "eth"]


def rule_routing(want, have, layers):
    """an IPv6 routing or shim6 header whose inside tshark refuses; the decoder goes on"""
    return (want is not None and have.flow is not None and want[:2] == have.flow[:2]
            and want[3:] == (0, 0) and layers[-1] in ("ipv6.routing", "shim6"))


def rule_option(want, have, layers):
    """an IP option whose contents tshark refuses: it goes no further, the decoder does"""
    stopped = want is not None and have.flow is not None and want[3:] == (0, 0)
    if layers[-1] == "ip":
        return stopped and want[:3] == have.flow[:3]
    return (stopped and want[:2] == have.flow[:2]
            and layers[-1] in ("ipv6.hopopts", "ipv6.dstopts"))


def rule_first_bytes(want, have, layers):
    """an IPv6 extension header cut in its first bytes: whether it says what follows"""
    return (want is not None and have.flow is not None and want[:2] == have.flow[:2]
            and layers[-1] in ("ipv6.routing", "shim6") and have.flow[3:] == (0, 0)
            and have.anomaly == "ipv6_extension_truncated")


RULES = (rule_first_bytes, rule_foreign, rule_isl, rule_pseudowire, rule_bridged, rule_routing,
         rule_option)


def explain(frame, have):
    """The rule that a difference falls under, or None."""
    layers = frame.protocols.split(":")
    return next((rule for rule in RULES if rule(frame.flow, have, layers)), None)


def decoder_frames(tool, path):
    """What the decoder makes of every frame."""
    lines = subprocess.run([tool, "--rows", path], check=True, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
    for cells in csv.reader(lines):
        flow = None
        if cells[1] == "row" and cells[2] != "0":
            flow = flows_oracle.Flow(flows_oracle.address(cells[3]),
                                     flows_oracle.address(cells[4]), *map(int, cells[5:8]))
        is_row = cells[1] == "row"
        yield Here(cells[1], flow, cells[12] if is_row else "none", is_row and cells[14] == "1")


class Tally:
    """Frames compared, and why they differed."""

    def __init__(self):
        self.captures = self.frames = self.with_ip = self.wrong = 0
        self.explained = collections.Counter()

    def compare(self, tool, path, label, shown_max=5):
        """Compares a capture; prints unexplained differences."""
        self.captures += 1
        wrong = 0
        decoded = decoder_frames(tool, path)
        for frame in flows_oracle.expected_frames(path):
            have = next(decoded)
            self.frames += 1
            self.with_ip += frame.flow is not None
            if frame.flow == have.flow:
                continue
            rule = explain(frame, have)
            if rule is not None:
                self.explained[rule.__doc__] += 1
                continue
            wrong += 1
            if wrong <= shown_max:
                print("%s frame %d: tshark %s\n    %s\n    here %s" % (
                    label, frame.number, frame.protocols, flow_text(frame.flow),
                    "%s %s (%s)" % (flow_text(have.flow), have.outcome, have.anomaly)))
        if next(decoded, None) is not None:
            print("%s: tshark sees fewer frames" % label)
            wrong += 1
        if wrong > shown_max:
            print("%s: %d frames differ" % (label, wrong))
        self.wrong += wrong

    def compare_reassembled(self, tool, path, label):
        """With reassembly tshark may only differ in fragments; see flows_oracle.py."""
        decoded = decoder_frames(tool, path)
        for frame in flows_oracle.expected_frames(path, True):
            have = next(decoded)
            if frame.flow == have.flow:
                continue
            if explain(frame, have) is not None:
                continue  # counted without reassembly already
            if frame.flow is None or have.flow is None or frame.flow[:2] != have.flow[:2] or (
                    not have.fragment):
                print("%s frame %d, reassembled: tshark %s, here %s" % (
                    label, frame.number, flow_text(frame.flow), flow_text(have.flow)))
                self.wrong += 1
            else:
                self.explained["a fragment: with reassembly the last one has the ports"] += 1

    def report(self):
        """Prints the sums. Returns the exit status."""
        for rule, count in self.explained.most_common():
            print("explained %6d: %s" % (count, rule))
        print("%d captures, %d frames, %d with IP: %d explained, %d wrong" % (
            self.captures, self.frames, self.with_ip, sum(self.explained.values()), self.wrong))
        return 1 if self.wrong else 0


def flow_text(flow):
    return "no flow" if flow is None else " ".join(map(str, flow))


def edit(source, target, *options):
    subprocess.run(["editcap", *options, source, target], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def is_ethernet(path):
    return ETHERNET in subprocess.run(["capinfos", "-Tmr", "-E", path], check=False,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      text=True).stdout.split(",")[-1]


def mutations(source, folder, cuts, seeds):
    """(label, path) of what is made of a capture; a path is there until the next one."""
    name = os.path.basename(source)
    target = os.path.join(folder, "mutation.pcap")
    for cut in cuts:
        edit(source, target, "-F", "pcap", "-s", str(cut))
        yield "%s cut to %d" % (name, cut), target
    for seed in seeds:
        rate = (0.002, 0.01, 0.05, 0.2)[seed % 4]
        edit(source, target, "-F", "pcap", "-E", str(rate), "--seed", str(seed))
        yield "%s errors %g seed %d" % (name, rate, seed), target
        # Errors in the headers only: the payload of long frames takes them all otherwise.
        short = os.path.join(folder, "short.pcap")
        edit(source, short, "-F", "pcap", "-s", "78")
        edit(short, target, "-F", "pcap", "-E", str(rate), "--seed", str(seed))
        yield "%s cut to 78, errors %g seed %d" % (name, rate, seed), target


def shared_captures():
    shared = os.environ.get("LODEMILL_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
    folder = os.path.join(shared, "data", "pcap")
    if not os.path.isdir(folder):
        print("no captures in %s: skipped" % folder)
        return []
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tool", required=True, help="the program of tests/tools/pcap_flows.c")
    parser.add_argument("--seeds", type=int, default=4, help="times that random errors are made")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--cuts", type=int, default=6, help="step between lengths of 10 to 100")
    parser.add_argument("capture", nargs="*")
    arguments = parser.parse_args()
    missing = [name for name in ("tshark", "editcap", "mergecap", "capinfos")
               if shutil.which(name) is None]
    if missing:
        print("skipped: no %s; install them" % ", ".join(missing))
        return 77
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        captures = arguments.capture
        if not captures:
            odd = os.path.join(folder, "odd_frames.pcap")
            odd_frames.write_pcap(odd, odd_frames.frames())
            captures = [odd, *shared_captures()]
        captures = [path for path in captures if is_ethernet(path)]
        if not captures:
            print("skipped: none of them is of Ethernet")
            return 77
        for source in captures:
            if not source.startswith(folder):
                tally.compare_reassembled(arguments.tool, source, os.path.basename(source))
            tally.compare(arguments.tool, source, os.path.basename(source))
        merged = os.path.join(folder, "merged.pcap")
        subprocess.run(["mergecap", "-F", "pcap", "-w", merged, *captures], check=True)
        tally.compare(arguments.tool, merged, "all merged")
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for label, path in mutations(merged, folder, range(10, 101, arguments.cuts), seeds):
            tally.compare(arguments.tool, path, label)
    return tally.report()


if __name__ == "__main__":
    sys.exit(main())
