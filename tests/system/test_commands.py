#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The other subcommands, Ctrl-C, exit statuses, a live interface, a plugin of somebody else's.

Prints TAP. Environment: see harness.py.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from harness import (BUILD, SAMPLE, SECONDS, SOURCE, Running, Skip, adds_up, capture_port, check,
                     command, equal, execute, inside, lodemill, named, need_root, network, one_object,
                     operator, rows_of, run_job, tap, topology, until)

FLOWS = os.path.join(SOURCE, "examples", "top_talkers_flows.yaml")
EXAMPLES = ("top_talkers.yaml", "top_talkers_flows.yaml", "word_count.yaml", "ysb.yaml")

# Runs until it is stopped; what is under way then is soon through.
ENDLESS = {"rows": 0, "delay": "0s"}


def until_rows(running, path, name, field, count):
    """Until an operator of the job behind the socket has so many rows."""
    line = [sys.executable, os.path.join(BUILD, "mgmt", "lodectl"), "--socket", path, "--json", "stats",
            "--operator", name]
    give_up = time.monotonic() + SECONDS
    while True:
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode == 0 and json.loads(done.stdout)["operators"][0][field] >= count:
            return
        check(running.process.poll() is None, "ended too early: " + running.said()[-2000:])
        check(time.monotonic() < give_up, "%s has no %d rows" % (name, count))
        time.sleep(0.05)


def test_check(folder):
    """check says that the examples are good, and how large they are"""
    for name in EXAMPLES:
        done = lodemill(["check", os.path.join(SOURCE, "examples", name)])
        check(": good: " in done.stdout and " operators, " in done.stdout, done.stdout)
        equal("", done.stderr, "standard error")
    out = os.path.join(folder, "out.csv")
    lodemill(["run", FLOWS, "--check"], sets={"flows_path": out})
    check(not os.path.exists(out), "run --check has run")


def test_plan(folder):
    """plan places every slice on an lcore that was given, says why, and runs nothing"""
    out = os.path.join(folder, "out.csv")
    eal = ["--lcores", "(0-2)@0", "--no-huge"]
    plan = one_object(lodemill(["plan", FLOWS, "--json"], eal=eal,
                               sets={"flows_path": out, "slices": 4}).stdout)
    slices = {(entry["operator"], entry["slice"]): entry for entry in plan["slices"]}
    equal(7, len(slices), "slices")
    equal({0, 1, 2, 3}, {number for name, number in slices if name == "flows"}, "slices of flows")
    check({entry["lcore"] for entry in slices.values()} <= {0, 1, 2}, "lcores that were not given")
    check(all(entry["why"] for entry in slices.values()), "a slice without a reason")
    equal({"forward", "by", "to one"}, {edge["grouping"] for edge in plan["edges"]}, "groupings")
    text = lodemill(["plan", FLOWS], eal=eal, sets={"flows_path": out, "slices": 4}).stdout
    for words in "Slices", "Wires", "Memory", "flows.3", "known before start":
        check(words in text, "%r is missing in:\n%s" % (words, text))
    check(not os.path.exists(out), "plan has run")


def test_plan_holds(folder):
    """what plan places is where the slices then run"""
    sets = {"flows_path": os.path.join(folder, "out.csv"), "slices": 4}
    eal = [capture_port(SAMPLE), "--lcores", "(0-2)@0"]
    plan = one_object(lodemill(["plan", FLOWS, "--json"], eal=eal, sets=sets).stdout)
    result = run_job(FLOWS, eal=eal, sets=sets)
    used = {entry["lcore"] for entry in plan["slices"]}
    equal({0, 1, 2}, {entry["lcore"] for entry in result["lcores"]}, "lcores")
    busy = {entry["lcore"] for entry in result["lcores"] if entry["busy_share"] > 0.01}
    check(busy <= used, "lcores %s were busy, planned were %s" % (busy, used))


def test_top(folder):
    """top shows a running engine, as JSON and as text; without one it says so"""
    line = command(["run", topology("slow.yaml"), "--json"], sets={**ENDLESS, "delay": "2us"})
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")
        words = ["top", "--once", "--interval", "300ms", "--prefix",
                 "lodemill-%d" % running.process.pid]

        def picture():
            """Once there is something to see, and what is slow has filled what is in front of it."""
            line = command([*words, "--json"])
            done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS,
                                  check=False)
            if done.returncode != 0 or one_object(done.stdout)["backpressure_root"] != "out":
                return None
            return one_object(done.stdout)
        frame = until(picture, "out is the root of backpressure")
        text = lodemill(words).stdout
        running.interrupt()
        running.end()
    equal(("running", "slow", running.process.pid),
          (frame["state"], frame["topology"], frame["pid"]), "the engine")
    equal(["rows", "ahead", "sums", "out"], [entry["name"] for entry in frame["operators"]], "operators")
    check(frame["rows_per_s"] > 0, "no rows: %s" % frame)
    equal("out", frame["backpressure_root"], "what holds up the others")
    check("OPERATOR" in text and "null_sink" in text, text)
    done = lodemill(words, code=1)
    check("no engine" in done.stderr, done.stderr)


def test_interrupt(folder):
    """SIGINT and SIGTERM drain, print the summary, and end well"""
    path = os.path.join(folder, "socket")
    for number in signal.SIGINT, signal.SIGTERM:
        line = command(["run", topology("slow.yaml"), "--json", "--control", path], sets=ENDLESS)
        with Running(line, folder) as running:
            running.wait_for("Ctrl-C ends it")
            until_rows(running, path, "out", "rows_in", 1)
            running.process.send_signal(number)
            result = running.end()
        equal("stopped", result["status"], "status")
        check(operator(result, "out")["absorbed"] > 0, "nothing arrived")
        adds_up(result)


def test_interrupt_twice(folder):
    """a second SIGINT ends at once what would take long to drain"""
    path = os.path.join(folder, "socket")
    line = command(["run", topology("slow.yaml"), "--json", "--control", path],
                   sets={"rows": 0, "delay": "1s"})
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")
        until_rows(running, path, "out", "rows_in", 1)
        running.interrupt()
        time.sleep(0.3)
        check(running.process.poll() is None, "was there nothing to drain?")
        running.interrupt()
        result = running.end()
        check("stopped before everything was drained" in running.said(), running.said()[-500:])
    equal("stopped", result["status"], "status")


def test_duration(folder):
    """--duration ends it; the summary for people names operators and drops"""
    del folder
    done = lodemill(["run", topology("slow.yaml"), "--duration", "300ms"], sets=ENDLESS)
    for words in "slow: stopped after", "OPERATOR", "null_sink", "nothing was dropped", "LCORE":
        check(words in done.stdout, "%r is missing in:\n%s" % (words, done.stdout))


def test_statuses(folder):
    """0 good, 1 it ran and went wrong, 2 nothing was started"""
    lodemill(["--version"])
    lodemill(["--help"])
    lodemill(["operators"])
    lodemill(["operators", "filter"])
    lodemill(["operators", "nosuch"], code=2)
    lodemill(["frob"], code=2)
    lodemill([], code=2)
    lodemill(["run"], code=2)
    lodemill(["run", FLOWS, "--frob"], code=2)
    lodemill(["run", FLOWS, "--duration", "soon"], code=2)
    lodemill(["run", os.path.join(folder, "none.yaml")], code=2)
    lodemill(["run", FLOWS], code=1, sets={"flows_path": os.path.join(folder, "out.csv")})


def test_hgrm(folder):
    """--hgrm writes the distribution of latencies, up to the row that took longest"""
    path = os.path.join(folder, "latency.hgrm")
    result = run_job("slow.yaml", sets={"delay": "0s"}, words=["--hgrm", path])
    with open(path, encoding="ascii") as file:
        text = file.read()
    check("Percentile" in text and "1.000000" in text, text[:500])
    check("20000" in text, text[-500:])
    equal(20000, result["latency_ns"]["count"], "rows with a latency")


def test_two_at_once(folder):
    """two engines side by side do not meet"""
    line = command(["run", topology("slow.yaml"), "--json"], sets=ENDLESS)
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")
        result = run_job("slow.yaml", sets={"delay": "0s"})
        equal(20000, operator(result, "out")["absorbed"], "rows of the second")
        running.interrupt()
        adds_up(running.end())


# A live interface.

SENDER = """
import socket, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("there", 0))
head = bytes.fromhex("ffffffffffff020000000001" "0800")
for i in range(600):
    ports = (1000 + i % 3).to_bytes(2, "big") + (9).to_bytes(2, "big")
    ip = bytes.fromhex("45000080000000004011" "0000" "c0000201" "c00002ff")
    out.send(head + ip + ports + (108).to_bytes(2, "big") + bytes(2 + 100))
    if i % 20 == 19:
        time.sleep(0.01)
"""


def test_af_packet(folder):
    """an interface through net_af_packet: every frame that was sent, flow by flow"""
    need_root("ip")
    out, path = os.path.join(folder, "out.csv"), os.path.join(folder, "socket")
    with network("lmsys%d" % os.getpid()) as space:
        # All frames have room in its ring, in case nobody reads for a while.
        line = command(["run", FLOWS, "--json", "--control", path],
                       eal=["--vdev=net_af_packet0,iface=here,framecnt=1024", "-l", "0"],
                       sets={"flows_path": out}, before=inside(space))
        with Running(line, folder) as running:
            running.wait_for("Ctrl-C ends it")
            until_rows(running, path, "packets", "rows_out", 0)
            execute(inside(space, sys.executable, "-c", SENDER))
            until_rows(running, path, "packets", "rows_out", 600)
            # It became the program itself: `ip netns exec` does not fork.
            running.interrupt()
            result = running.end()
    flows = {int(row["sport"]): (int(row["packets"]), int(row["bytes"])) for row in rows_of(out)
             if row["src"] == "192.0.2.1"}
    equal({port: (200, 200 * 142) for port in (1000, 1001, 1002)}, flows, "flows")
    check(result["packets"] >= 600, "packets: %d" % result["packets"])
    adds_up(result)


# A plugin, as an author elsewhere builds it.

def test_plugin_outside(folder):
    """examples/plugin builds against what is installed and nothing else, and runs"""
    if shutil.which("cc") is None or shutil.which("pkg-config") is None:
        raise Skip("no compiler")
    env = dict(os.environ, DESTDIR=folder)
    done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild"], env=env,
                          capture_output=True, text=True, timeout=SECONDS, check=False)
    equal(0, done.returncode, done.stdout[-500:] + done.stderr[-1500:])
    found = subprocess.run(["find", folder, "-name", "lodemill.pc"], capture_output=True, text=True,
                           check=True).stdout.split()
    equal(1, len(found), "files lodemill.pc")
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(found[0]), PKG_CONFIG_SYSROOT_DIR=folder)
    flags = subprocess.run(["pkg-config", "--cflags", "lodemill"], env=env, capture_output=True,
                           text=True, check=True).stdout.split()
    for name in "dedup.c", "dedup.yaml":
        shutil.copy(os.path.join(SOURCE, "examples", "plugin", name), folder)
    execute(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", *flags,
             "dedup.c", "-o", "dedup.so"], cwd=folder)
    done = lodemill(["run", "dedup.yaml", "--json"], cwd=folder)
    # What print printed stands before the object.
    result = json.loads(done.stdout[done.stdout.index('{"status"'):])
    first = operator(result, "first")
    equal((10000, "dedup"), (first["rows_in"], first["type"]), "rows in")
    equal(10000, first["rows_out"] + sum(first["drops"].values()), "rows passed and dropped")
    check(0 < first["rows_out"] < 10000, "passed %d" % first["rows_out"])
    equal(dedup_expected(), first["rows_out"], "rows passed")


def mix(x):
    """SplitMix64's finalizer, as the generator's values are made."""
    mask = (1 << 64) - 1
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
    return x ^ (x >> 31)


def dedup_expected():
    """How many rows pass: 100 users at random, a row a microsecond, the first of each within 1 ms."""
    mask = (1 << 64) - 1
    key = mix((mix(1) + 0xD1B54A32D192ED03) & mask)
    until, passed = {}, 0
    for row in range(10000):
        user = mix((key + row * 0x9E3779B97F4A7C15) & mask) * 100 >> 64
        if row * 1000 >= until.get(user, 0):
            until[user] = row * 1000 + 1000000
            passed += 1
    return passed


if __name__ == "__main__":
    sys.exit(tap(named([test_check, test_plan, test_plan_holds, test_top, test_interrupt,
                        test_interrupt_twice, test_duration, test_statuses, test_hgrm,
                        test_two_at_once, test_af_packet, test_plugin_outside])))
