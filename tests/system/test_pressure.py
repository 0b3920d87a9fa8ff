#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Backpressure with real processes: slow sinks lose nothing and take no memory; cycles and tiny edges end.

Nothing here asserts on time, but for generous ends of waiting. Prints TAP. Environment: see harness.py.
"""

import os
import select
import subprocess
import sys
import time

from harness import (LONG, Running, adds_up, check, command, equal, inside, named, need_root, network,
                     operator, run_job, tap, topology)

# What a process may grow by while its sink stands still: all it needs was taken before start.
GROWTH_KB = 4096

# Seconds that the sink is slow, and bytes it takes meanwhile, a piece at a time.
SLOW_SECONDS = 10.0 if LONG else 3.0
SLOW_BYTES, SLOW_PAUSE = 4096, 0.05

# Frames a second that arrive at a live port, and how much faster that is than its sink when slow.
FRAMES_PER_SECOND, SLOWER = 10000, 100


def read_until(pipe, end, bytes_max=1 << 20, pause=0.0):
    """Reads until a moment; returns what came."""
    pieces = []
    while time.monotonic() < end:
        if select.select([pipe], [], [], 0.2)[0]:
            pieces.append(os.read(pipe, bytes_max))
        time.sleep(pause)
    return b"".join(pieces)


def read_rest(pipe, seconds=60):
    """Reads until the other side has closed it."""
    pieces = [b"?"]
    end = time.monotonic() + seconds
    while pieces[-1]:
        check(time.monotonic() < end, "no end of rows")
        if select.select([pipe], [], [], 1)[0]:
            pieces.append(os.read(pipe, 1 << 20))
    return b"".join(pieces[1:])


def open_pipe(path, running):
    """The end to read from, once there is something: a run that ends before has failed."""
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while not select.select([pipe], [], [], 0.1)[0]:
            check(running.process.poll() is None, "ended: " + running.said()[-2000:])
    except AssertionError:
        os.close(pipe)
        raise
    return pipe


def settled(running):
    """The size of a process once it has all it takes at its start."""
    sizes = [0, running.memory()]
    while sizes[-1] > sizes[-2]:
        time.sleep(0.3)
        sizes.append(running.memory())
    return sizes[-1]


def wait_for_socket(running):
    """Until the driver has bound its packet socket: what arrives from now on is read or counted."""
    give_up = time.monotonic() + 60
    while True:
        with open("/proc/%d/net/packet" % running.process.pid, encoding="ascii") as file:
            if any(line.split()[4] != "0" for line in file.readlines()[1:]):
                return
        check(time.monotonic() < give_up, "no packet socket: " + running.said()[-2000:])
        time.sleep(0.05)


def check_lines(text, result):
    """A line of names, then numbers that grow by one: nothing lost, nothing twice, nothing torn."""
    lines = text.split(b"\n")
    equal(b"number,text", lines[0], "names")
    equal(b"", lines[-1], "behind the last line")
    numbers = [int(line.split(b",")[0]) for line in lines[1:-1]]
    check(numbers == list(range(len(numbers))), "rows are missing or out of order")
    out = operator(result, "out")
    equal(operator(result, "rows")["rows_out"], out["absorbed"], "rows made and written")
    equal(len(numbers), out["absorbed"], "rows read and written")
    equal({}, out["drops"], "drops")


def test_slow_then_fast(folder):
    """a sink that stalls for seconds: nothing lost, no memory taken, the old pace afterwards"""
    pipe = os.path.join(folder, "pipe")
    os.mkfifo(pipe)
    line = command(["run", topology("to_pipe.yaml"), "--json"], sets={"pipe": pipe, "text": "x" * 40})
    with Running(line, folder) as running:
        out = open_pipe(pipe, running)
        try:
            fast = read_until(out, time.monotonic() + 1)
            before = running.memory()
            begun = time.monotonic()
            slow = read_until(out, begun + SLOW_SECONDS / 2, SLOW_BYTES, SLOW_PAUSE)
            middle = running.memory()
            slow += read_until(out, begun + SLOW_SECONDS, SLOW_BYTES, SLOW_PAUSE)
            grown = running.memory()
            slow_rate = len(slow) / (time.monotonic() - begun)
            begun = time.monotonic()
            again = read_until(out, begun + 1)
            rate = len(again) / (time.monotonic() - begun)
            running.interrupt()
            rest = read_rest(out)
        finally:
            os.close(out)
        result = running.end()
    equal("stopped", result["status"], "status")
    check(grown - before < GROWTH_KB, "grew from %d to %d and %d kB" % (before, middle, grown))
    check(rate > 20 * slow_rate, "%d bytes a second, then only %d" % (slow_rate, rate))
    check_lines(fast + slow + again + rest, result)


def test_slow_sink(folder):
    """a sink that takes a hundredth of what the source could make: every row arrives"""
    rows = 100000 if LONG else 40000
    fast = run_job("slow.yaml", sets={"delay": "0s", "rows": rows})
    line = command(["run", topology("slow.yaml"), "--json"], sets={"delay": "100us", "rows": rows})
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")
        before = settled(running)
        time.sleep(rows * 100e-6 / 4)
        grown = running.memory()
        result = running.end()
    for outcome in fast, result:
        equal("complete", outcome["status"], "status")
        equal(rows, operator(outcome, "out")["absorbed"], "rows that arrived")
        adds_up(outcome)
    check(result["seconds"] >= rows * 100e-6, "%d rows of 100 us in %s s" % (rows, result["seconds"]))
    check(grown - before < GROWTH_KB, "grew from %d to %d kB" % (before, grown))


# Sends numbered frames at an even pace until its input ends; prints how many went out.
SENDER = """
import select, socket, sys, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("there", 0))
head = bytes.fromhex("ffffffffffff020000000001" "0800" "45000080000000004011" "0000" "c0000201" "c00002ff")
tail = (108).to_bytes(2, "big") + bytes(2 + 100)
rate, sent, begun = int(sys.argv[1]), 0, time.monotonic()
while not select.select([sys.stdin], [], [], 0.002)[0]:
    while sent < (time.monotonic() - begun) * rate:
        out.send(head + sent.to_bytes(4, "big") + tail)
        sent += 1
print(sent)
"""


def check_numbers(text, result, sent):
    """Of the frames sent each is a row or was missed at the port, where it is counted."""
    lines = text.split(b"\n")
    equal((b"sport,dport", b""), (lines[0], lines[-1]), "first and last line")
    numbers = [int(line.split(b",")[0]) << 16 | int(line.split(b",")[1]) for line in lines[1:-1]]
    check(all(a < b for a, b in zip(numbers, numbers[1:])), "rows twice or out of order")
    missed = result["drops"].get("port0.imissed", 0)
    equal(sent, result["packets"] + missed, "frames sent: read or missed at the port")
    equal(result["packets"], len(numbers), "frames read and rows written")
    equal({"port0.imissed": missed}, result["drops"], "drops")
    check(missed > 0, "the sink was never slow enough")
    adds_up(result)


def read_in_phases(out, running):
    """Reads fast for a second, then slowly, then fast again: the text, rates, and sizes of the process."""
    text, rates, sizes = b"", [], []
    slow_bytes = FRAMES_PER_SECOND * len("12345,12345\n") // SLOWER // 10
    for seconds, size, pause in (1.0, 1 << 20, 0.01), (SLOW_SECONDS, slow_bytes, 0.1), (2.0, 1 << 20, 0.01):
        begun, before = time.monotonic(), len(text)
        text += read_until(out, begun + seconds, size, pause)
        rates.append((len(text) - before) / (time.monotonic() - begun))
        sizes.append(running.memory())
    return text, rates, sizes


def test_slow_port(folder):
    """a sink 100 times slower than a live port: no memory taken, what is lost is counted at the port"""
    need_root("ip")
    pipe = os.path.join(folder, "pipe")
    os.mkfifo(pipe)
    with network("lmslow%d" % os.getpid()) as space:
        line = command(["run", topology("live.yaml"), "--json"], sets={"pipe": pipe},
                       eal=["--vdev=net_af_packet0,iface=here"], before=inside(space))
        sender = inside(space, sys.executable, "-c", SENDER, str(FRAMES_PER_SECOND))
        with Running(line, folder) as running:
            running.wait_for("Ctrl-C ends it")
            wait_for_socket(running)
            with subprocess.Popen(sender, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sending:
                out = open_pipe(pipe, running)
                try:
                    text, rates, sizes = read_in_phases(out, running)
                    sent = int(sending.communicate()[0])
                    while last := read_until(out, time.monotonic() + 1):
                        text += last
                    running.interrupt()
                    text += read_rest(out)
                finally:
                    os.close(out)
                    sending.kill()
            result = running.end()
    fast, slow, again = rates
    check(max(sizes) - sizes[0] < GROWTH_KB, "grew: %s kB" % sizes)
    check(again > fast / 2 > slow, "bytes a second: %d, then %d, then only %d" % tuple(rates))
    check_numbers(text, result, sent)


def test_slow_drain(folder):
    """Ctrl-C before a slow sink: what is under way still arrives"""
    line = command(["run", topology("slow.yaml"), "--json"], sets={"rows": 0, "delay": "2us"})
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")
        time.sleep(0.5)
        running.interrupt()
        result = running.end()
    equal("stopped", result["status"], "status")
    equal(operator(result, "rows")["rows_out"], operator(result, "out")["absorbed"], "rows that arrived")
    adds_up(result)


def test_cycle(folder):
    """a cycle whose wire back sheds ends, and loses nothing that comes by for the first time"""
    del folder
    for policy in "shed newest", "shed oldest":
        for fuse in "true", "false":
            for batch in 1, 1024:
                result = run_job("cycle.yaml", eal=["--lcores", "(0-2)@0"],
                                 sets={"policy": policy, "fuse": fuse, "batch": batch})
                equal("complete", result["status"], "status")
                equal(20000, operator(result, "out")["absorbed"], "numbers seen for the first time")
                loop, everything = operator(result, "loop"), operator(result, "all")
                equal(loop["rows_in"], everything["absorbed"], "rows that went round")
                check(20000 <= loop["rows_in"] <= 5 * 20000, "went round %d times" % loop["rows_in"])
                adds_up(result)


def test_tiny(folder):
    """one row a batch and two batches an edge: ends, on one lcore, on two, on five that share one"""
    del folder
    for eal in ["-l", "0"], ["--lcores", "0@0,1@1"], ["--lcores", "(0-4)@0"]:
        if "@1" in eal[1] and 1 not in os.sched_getaffinity(0):
            continue
        for fuse in "true", "false":
            result = run_job("tiny.yaml", eal=eal, sets={"fuse": fuse})
            equal("complete", result["status"], "status")
            equal(10000, operator(result, "texts")["rows_in"], "rows")
            equal(0, operator(result, "late")["absorbed"], "late rows")
            equal({}, result["drops"], "drops")
            adds_up(result)


if __name__ == "__main__":
    sys.exit(tap(named([test_slow_then_fast, test_slow_sink, test_slow_port, test_slow_drain,
                        test_cycle, test_tiny])))
