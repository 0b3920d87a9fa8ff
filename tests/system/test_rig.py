#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A server with two NUMA nodes, an IOMMU and a NIC on each node: places, memory, packets off a real driver.

The server is emulated (tests/rig/rig): one boot, in which rig_guest.sh does everything; the points below
judge what it left. Prints TAP. Environment: see harness.py; LODEMILL_BUILD is one for x86-64-v3.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import test_run
from harness import (BUILD, HERE, PROGRAM, SAMPLE, SOURCE, Skip, adds_up, check, equal, named, one_object,
                     operator, rows_of, tap, topology)

RIG = os.path.join(SOURCE, "tests", "rig", "rig")
CLIENT = os.path.join(BUILD, "mgmt", "lodemill_client.py")
NOT_THERE = 77
# One boot takes two minutes; four when others keep the machine busy.
BOOT_SECONDS = 1100
NEAR, FAR = "0000:09:00.0", "0000:11:00.0"
# Sent by a NIC, a frame is padded to this.
FRAME_MIN = 60
HUGE_PAGE = 2 << 20
PORT_BUFFERS = 16384 * 2048


class Guest:
    """What the guest left."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(dir=BUILD if os.path.isdir(BUILD) else None)
        self.status, self.said = None, ""

    def boot(self):
        """Once; the points that come later find it done."""
        if self.status is not None:
            return
        with open(topology("rig.yaml"), encoding="utf-8") as file:
            plain = file.read()
        self.write("rig.yaml", plain)
        self.write("pinned.yaml", plain.replace("type: port_source,", "type: port_source, lcores: 0,"))
        self.write("pinned_all.yaml", re.sub(r"{type: (\w+),", r"{type: \1, lcores: '${lcore}',", plain))
        for path in (PROGRAM, SAMPLE, CLIENT, topology("far.yaml"), os.path.join(HERE, "rig_guest.sh"),
                     os.path.join(HERE, "rig_follow.py")):
            shutil.copy(path, self.folder)
        line = [RIG, self.folder, "bash rig_guest.sh %d" % len(test_run.frames_of(SAMPLE))]
        done = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False,
                              env=dict(os.environ, RIG_TIMEOUT_S=str(BOOT_SECONDS)))
        self.status, self.said = done.returncode, done.stdout + done.stderr
        for mark in re.findall(r"(\d\S* s since boot: .*)", self.said):
            print("# " + mark.strip())

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        check(os.path.exists(self.path(name)), "no %s; the guest said: %s" % (name, self.said[-2000:]))
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def result(self, name):
        """The JSON of a step that ended well."""
        if self.text(name + ".status").strip() != "0":
            raise AssertionError("%s ended with %s: %s" % (name, self.text(name + ".status").strip(),
                                                          self.text(name + ".err")[-2000:]))
        return one_object(self.text(name + ".out"))

    def huge_bytes(self, name):
        """Bytes of hugepages by node that an engine had."""
        return self.mapped(name, lambda line: " huge " in line)

    def mapped(self, name, wanted):
        found = {0: 0, 1: 0}
        for line in self.text(name + ".maps").splitlines():
            if wanted(line):
                size = int(re.search(r"kernelpagesize_kB=(\d+)", line)[1]) * 1024
                for node, pages in re.findall(r" N(\d+)=(\d+)", line):
                    found[int(node)] += int(pages) * size
        return found


GUEST = Guest()


def finding(name):
    """What doctor found, by the name of the check."""
    checks = GUEST.result("doctor")["checks"]
    return next(entry["found"] for entry in checks if entry["id"] == name)


def places(plan):
    """{"packets.0": (lcore, node, why)}"""
    return {"%s.%d" % (entry["operator"], entry["slice"]):
            (entry["lcore"], entry["numa_node"], entry["why"]) for entry in plan["slices"]}


def on_node(name, node, reason):
    """All slices and pools of a plan are on a node, the port's slice for this reason."""
    plan = GUEST.result(name)
    found = places(plan)
    for slice_name, (lcore, where, _) in found.items():
        equal(node, where, "%s: node of %s" % (name, slice_name))
        equal(node, lcore // 2, "%s: node of lcore %d" % (name, lcore))
    check(plan["pools"], "there are pools")
    for pool in plan["pools"]:
        equal(node, pool["numa_node"], "%s: node of the pool of %s" % (name, pool["fields"]))
    equal(reason, found["packets.0"][2], name + ": why")
    return plan


def test_machine(_):
    """it is what the other points take it for"""
    GUEST.boot()
    if GUEST.status == NOT_THERE:
        raise Skip(GUEST.said.strip())
    equal(0, GUEST.status, "status of the guest, which said %s" % GUEST.said[-2000:])
    equal(["/sys/devices/system/node/node0", "/sys/devices/system/node/node1", NEAR + " 0 vfio-pci",
           FAR + " 1 vfio-pci"], GUEST.text("machine.out").splitlines(), "nodes and NICs")


def test_doctor(_):
    """sees the nodes and their hugepages, the IOMMU, and the NICs with driver and node"""
    equal("node 0: 512 MiB free, node 1: 512 MiB free", finding("mem.huge.node"), "hugepages")
    equal("%s: vfio-pci (node 0), %s: vfio-pci (node 1)" % (NEAR, FAR), finding("nic.bind"), "NICs")
    check(re.fullmatch(r"\d+ groups, iommu=pt", finding("iommu")), finding("iommu"))


def test_lcores(_):
    """lcores that nobody names are those of the port's node"""
    plan = on_node("plan_choose", 1, "on NUMA node 1, where its port is")
    check(" -l 2-3 " in plan["eal"], plan["eal"])


def test_places(_):
    """of lcores on both nodes, those of the port's are taken, whichever port, whatever it is called"""
    for name in "plan_far", "plan_name", "plan_allowed":
        on_node(name, 1, "on NUMA node 1, where its port is")
    on_node("plan_near", 0, "on NUMA node 0, where its port is")


def test_pinned(_):
    """`lcores:` in the file wins"""
    found = places(GUEST.result("plan_pinned"))
    equal((0, 0, "pinned to lcore 0 in the topology"), found["packets.0"], "the port's slice")


def test_away(_):
    """without an lcore on the port's node it says so"""
    on_node("plan_away", 0, "away from its port on NUMA node 1: there is no better lcore there")


def test_shifted(_):
    """a number that turns out to be another NIC's is told when EAL runs: the first is another program's"""
    GUEST.result("shifted")
    check("packets: its port is on NUMA node 1, not where it was placed for" in GUEST.text("shifted.err"),
          GUEST.text("shifted.err")[-2000:])


def test_flows(_):
    """a capture sent by one NIC and received by the other: the file's flows, each packet accounted for"""
    result = GUEST.result("traffic")
    frames = test_run.frames_of(SAMPLE)
    check(re.search(r"TX-packets: %d +TX-errors: 0 " % len(frames), GUEST.text("sender.out")),
          "not all was sent: " + GUEST.text("sender.out")[-2000:])
    equal(len(frames), result["packets"], "packets")
    equal(sum(max(length, FRAME_MIN) for _, _, length in frames), result["bytes"], "bytes")
    decode = operator(result, "decode")
    equal(result["packets"], decode["rows_out"] + sum(decode["drops"].values()), "packets decoded")
    adds_up(result)
    expected = {}
    for _, frame, length in frames:
        flow = test_run.flow_of(frame)
        if flow is not None:
            packets, size = expected.get(flow, (0, 0))
            expected[flow] = packets + 1, size + max(length, FRAME_MIN)
    check(len(expected) > 100, "the capture has flows")
    test_run.check_flows(GUEST.path("flows.csv"), expected)


def test_counters(_):
    """the port's counters show, and what they count was not lost"""
    counters = one_object(GUEST.text("traffic.top"))["counters"]
    packets = len(test_run.frames_of(SAMPLE))
    totals = {name: counters[name]["total"] for name in counters}
    equal(packets, totals["port0.ipackets"], "packets of the port")
    for name in "port0.imissed", "port0.ierrors", "port0.rx_nombuf":
        equal(0, totals[name], name)


def test_nodes(_):
    """the summary and top tell the node of each lcore"""
    want = {0: 0, 1: 0, 2: 1, 3: 1}
    for seen in GUEST.result("traffic"), one_object(GUEST.text("traffic.top")):
        equal(want, {entry["lcore"]: entry["numa_node"] for entry in seen["lcores"]}, "nodes")
        busy = [entry["lcore"] for entry in seen["lcores"] if entry["busy_share"] > 0.02]
        check(set(busy) <= {2, 3}, "lcores at work: %s" % busy)


def test_memory(_):
    """batches, rings, state and buffers are hugepages of the node of lcores and port"""
    found = GUEST.huge_bytes("traffic")
    planned = GUEST.result("plan_far")["bytes"]
    check(found[1] >= planned + PORT_BUFFERS, "of %d bytes planned, and buffers: %s" % (planned, found))
    check(found[0] <= 4 * HUGE_PAGE, "more than EAL's own on the other node: %s" % found)


def test_memory_pinned(_):
    """pinned away from its port: the batches are with the lcore, the buffers with the port"""
    GUEST.result("pinned")
    found = GUEST.huge_bytes("pinned")
    check(found[0] >= 16 << 20, "batches on node 0: %s" % found)
    check(PORT_BUFFERS <= found[1] <= 2 * PORT_BUFFERS, "buffers on node 1: %s" % found)


def test_memory_plain(_):
    """normal pages are bound to the lcore's node, too"""
    GUEST.result("plain")
    equal({0: 0, 1: 0}, GUEST.huge_bytes("plain"), "hugepages")
    for node in 0, 1:
        found = GUEST.mapped("plain", lambda line, node=node: " bind:%d " % node in line)
        check((found[node] > 1 << 20) == (node == 1) and found[1 - node] == 0,
              "pages bound to node %d: %s" % (node, found))


def test_memory_short(_):
    """a node without hugepages left: memory of the other one, and a word about it"""
    GUEST.result("short")
    said = GUEST.text("short.err")
    check(said.count("NUMA node 1 is short of free hugepages") == 1, said[-2000:])
    check(said.count("port 0: NUMA node 1 has no room for its buffers") == 1, said[-2000:])
    check(GUEST.huge_bytes("short")[0] > 16 << 20, "hugepages: %s" % GUEST.huge_bytes("short"))


def followed(name, wanted):
    """Two slices on node 0 went to node 1, and one came back: bytes of their state there and then."""
    result = GUEST.result(name)
    for line in GUEST.text(name + ".migrate").splitlines():
        equal("done", one_object(line)["state"], line)
    check("followed their slices to other NUMA nodes" in GUEST.text(name + ".err"),
          GUEST.text(name + ".err")[-2000:])
    before, there, back = (GUEST.mapped(name + when, wanted) for when in (".before", ".there", ""))
    adds_up(result)
    rows = operator(result, "rows")["rows_out"]
    equal(rows, sum(int(row["rows"]) for row in rows_of(GUEST.path(name + ".csv"))), "rows in the sums")
    check(rows >= 10000, "there were rows")
    pages = one_object(GUEST.text(name + ".there"))["pages"]
    equal(0, pages["left"], "bytes to go")
    return before, there, back, pages


def test_follow(_):
    """state follows slices to another node, and no page of it stays; one slice comes back, with its own"""
    before, there, back, pages = followed("follow", lambda line: " local " in line)
    equal((0, ""), (pages["far"], pages["why"]), "bytes that are far")
    equal({0: 0, 1: 0}, before, "pages that go where they are touched, before")
    equal(0, there[0], "bytes on node 0 behind the move")
    check(there[1] >= pages["moved"] >= 4 << 20, "%d bytes moved, on node 1 are %s" % (pages["moved"], there))
    check(back[0] >= 1 << 20 and back[1] >= 1 << 20, "one slice on each node: %s" % back)


def test_follow_huge(_):
    """so do hugepages, whole ones"""
    before, there, back, pages = followed("follow_huge", lambda line: " huge " in line)
    moved = pages["moved"]
    check(moved > 0 and moved % HUGE_PAGE == 0, "bytes that moved: %d" % moved)
    equal(before[0] + before[1], there[0] + there[1], "bytes of hugepages")
    equal(moved, there[1] - before[1], "bytes that came to node 1")
    check(back[1] < there[1], "hugepages that came back: %s, then %s" % (there, back))
    check(pages["far"] == 0 or "share" in pages["why"], "what is in pages of others: %s" % pages)


def test_follow_held(_):
    """what a NIC may use stays, is counted, and said once with what to do"""
    GUEST.result("follow_held")
    pages = one_object(GUEST.text("follow_held.there"))["pages"]
    check(pages["far"] > 0 and pages["moved"] == 0, str(pages))
    check("vfio-pci" in pages["why"], str(pages))
    equal(1, GUEST.text("follow_held.err").count("stay on another NUMA node"), "times that it is said")


def point(function):
    """Behind the first one, nothing can be said without a guest."""
    def judge(folder):
        GUEST.boot()
        if GUEST.status == NOT_THERE:
            raise Skip("no emulated server")
        function(folder)
    judge.__name__, judge.__doc__ = function.__name__, function.__doc__
    return judge


def main():
    if not os.path.exists(PROGRAM):
        print("1..0 # SKIP no %s: meson setup build-rig -Dmarch=x86-64-v3" % PROGRAM)
        return NOT_THERE
    try:
        return tap(named([test_machine]) + named(map(point, [
            test_doctor, test_lcores, test_places, test_pinned, test_away, test_shifted, test_flows,
            test_counters, test_nodes, test_follow, test_follow_huge, test_follow_held, test_memory,
            test_memory_pinned, test_memory_plain, test_memory_short])))
    finally:
        if os.environ.get("RIG_KEEP") is None:
            shutil.rmtree(GUEST.folder)


if __name__ == "__main__":
    sys.exit(main())
