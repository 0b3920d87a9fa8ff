#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Managers of one's own: one loaded into a job, one on its socket, the examples of both, and bad ones.

Prints TAP. Environment: see harness.py.
"""

import os
import signal
import subprocess
import sys
import time

from harness import BUILD, SECONDS, SOURCE, check, equal, lodemill, named, tap, topology, until
from test_control import EAL, Job, guarded, lodectl, two_inputs
from test_control_actions import done, places

sys.dont_write_bytecode = True

SLOW = os.path.join(BUILD, "tests", "slow_manager.so")
SPREAD = os.path.join(BUILD, "examples", "spread.so")


def one(client, counts):
    """The manager, if that count of it is above 0; what status shows may be half a second old."""
    manager = client.status()["manager"]
    return manager if manager[counts] > 0 else None


def test_loaded(folder):
    """it hears of probes, gauges and ends, asks for actions, is timed, and remembers over kill -9"""
    words = ["--state", os.path.join(folder, "state"), "--manager", SLOW, "--manager-argument"]
    with Job(folder, [*words, 'migrate {"operator": "sums", "slice": 1, "lcore": 9}']) as job, \
            job.client() as client:
        job.wait_for("manager slow: opens for slow")
        job.wait_for("manager slow: probe out/0 in 1 rows 1 bytes, 3 lcores, cpu 1 memory 1\n")
        job.wait_for("manager slow: hears: migrate sums/1 to lcore 9 failed: lcore 9 is not one of this job")
        done(client.finish("synchronize"))
        job.wait_for("manager slow: hears: synchronize  done: ")
        manager = until(lambda: one(client, "asked"), "what it asked for is counted")
        equal(("slow", "3.1"), (manager["name"], manager["version"]), "who it is")
        check(manager["late"] > 0 and manager["longest_ms"] > 19, str(manager))
        check(manager["calls"] > manager["late"], str(manager))
        check("took" in job.said() and "it must not take more than 10 ms" in job.said(), job.said())
        check("manager    slow 3.1" in lodectl(["--socket", job.path, "status"]).stdout, "lodectl status")
        job.process.send_signal(signal.SIGKILL)
        job.process.wait()
    with Job(folder, [*words, "stop {"]) as job, job.client() as client:
        job.wait_for("manager slow: version 7 remembers ")
        ticks = int(job.said().split("remembers ")[1].split()[0])
        check(ticks > 9, "%d ticks" % ticks)
        job.wait_for("refused: the parameters are no JSON")
        until(lambda: one(client, "refused"), "it is counted")
        client.finish("stop")
        job.end()
        check("manager slow: hears: stop" in job.said(), job.said())
        check("manager slow: closes: the job does not run" in job.said(), job.said())
    with Job(folder, [*words, "status"]) as job, job.client() as client:
        job.wait_for("manager slow: version 7 remembers ")
        again = int(job.said().split("remembers ")[1].split()[0])
        check(again > ticks, "%d ticks, then %d" % (ticks, again))
        job.wait_for("refused: status; it is a method, but no action")
        job.interrupt()
        job.end()


def test_without_socket(folder):
    """a job without a socket has a manager all the same, and an argument may be wrong"""
    done_by_itself = lodemill(
        ["run", topology("slow.yaml"), "--control", "none", "--manager", SLOW, "--manager-argument",
         'stop {"deadline_ms": 20000}'], eal=EAL, sets={"rows": 0, "delay": "1us"}, cwd=folder)
    check("manager slow: hears: stop  done" in done_by_itself.stderr, done_by_itself.stderr)
    refused = lodemill(["run", topology("slow.yaml"), "--control", "none", "--manager", SLOW,
                        "--manager-argument", "no"], eal=EAL, code=1)
    check("it is told not to" in refused.stderr and "manager slow does not open" in refused.stderr,
          refused.stderr)


def test_custom(folder):
    """what an operator counts of its own comes with each probe, to a manager and over the socket"""
    _, sets = two_inputs(folder, "custom", rows="1000M")
    with Job(folder, ["--manager", SLOW], sets=sets, name="two_inputs.yaml") as job, job.client() as client:
        job.wait_for("manager slow: custom sums/0 late")
        client.subscribe(["probe"])
        probes = []
        for _, params in client.events():
            probes.append(params)
            # Where others have the CPUs, half a second may pass in which no row comes.
            if len(probes) >= 3 and all(s["rows_in"] > 0 for s in params["slices"]
                                        if s["operator"] == "sums"):
                break
            check(len(probes) < 2 * SECONDS, "no rows come: " + str(params))
        found = {(c["operator"], c["slice"], c["name"]) for c in probes[-1]["custom"]}
        check({("sums", 0, "late"), ("sums", 1, "late")} <= found, str(found))
        for before, now in zip(probes, probes[1:]):
            equal([c["value"] for c in before["custom"]], [c["before"] for c in now["custom"]], "values")
        for sums in (s for s in probes[-1]["slices"] if s["operator"] == "sums"):
            # Each row is a time, a key and a value; some wait in rings.
            check(abs(sums["bytes_in"] - 24 * sums["rows_in"]) <= 24 * 1024 * sums["room"], str(sums))
            check(sums["bytes_in"] % 24 == 0 and sums["bytes_in"] > 0, str(sums))
            check(sums["state_bytes"] > 20000 / 2 * 32, str(sums))
        job.interrupt()
        job.interrupt()
        job.process.wait()


def test_log_level(folder):
    """what a module says is left out for a while, and then is said again"""
    with Job(folder, ["--manager", SLOW]) as job, job.client() as client:
        at = ["--socket", job.path]
        done(client.finish("synchronize"))
        job.wait_for("hears: synchronize")
        said = lodectl([*at, "log-level", "slow", "error", "--for", "3s"]).stdout
        check("slow" in said and "error" in said, said)
        before = job.said().count("hears: ")
        begun = time.monotonic()
        done(client.finish("synchronize"))
        time.sleep(0.3)
        if time.monotonic() - begun < 2:
            equal(before, job.said().count("hears: "), "lines of what is to say only errors")

        def heard():
            done(client.finish("synchronize"))
            return job.said().count("hears: ") > before
        until(heard, "it says all again")
        equal([], client.log_level("slow", "default")["levels"], "levels")
        for words in ("slow", "loud"), ("fast", "error"):
            error = lodectl([*at, "log-level", *words], code=2).stderr
            check("there is no " in error and ("levels: " in error or "modules: " in error), error)
        job.interrupt()
        job.end()


def test_bad_files(folder):
    """what is no manager is refused before anything runs, with a sentence"""
    plain = os.path.join(folder, "plain.so")
    with open(plain, "w", encoding="ascii") as file:
        file.write("no object")
    for path, says in ((os.path.join(folder, "none.so"), "No such file"), (plain, "plain.so"),
                       (os.path.join(BUILD, "examples", "dedup.so"), "no function lm_manager_plugin"),
                       ("", "name a shared object")):
        refused = lodemill(["run", topology("slow.yaml"), "--manager", path], eal=EAL, code=2)
        check("error: --manager: " in refused.stderr and says in refused.stderr, refused.stderr)


def heap(client):
    """All slices on one lcore."""
    for operator, index in places(client):
        if places(client)[operator, index] != 2:
            done(client.finish("migrate", operator=operator, slice=index, lcore=2))
    until(lambda: set(places(client).values()) == {2}, "all are on one lcore")


def spread(client):
    until(lambda: len(set(places(client).values())) > 1, "a manager has moved one")
    own = [a for a in client.actions(count=256)["actions"] if a["kind"] == "migrate"]
    check(own[0]["state"] == "done", own[0]["reason"])


def test_spread_plugin(folder):
    """examples/manager_plugin moves slices off a full lcore, and remembers how many it moved"""
    words = ["--state", os.path.join(folder, "state"), "--manager", SPREAD, "--manager-argument", "0.6"]
    with Job(folder, words, sets={"rows": 0, "delay": "0s"}) as job, job.client() as client:
        heap(client)
        spread(client)
        job.wait_for("moves so far")
        client.status()  # answered when its callback is through, and what it remembers is written
        job.process.send_signal(signal.SIGKILL)
        job.process.wait()
    with Job(folder, words, sets={"rows": 0, "delay": "0s"}) as job:
        job.wait_for("moves in lives before")
        job.interrupt()
        job.end()
    wrong = lodemill(["run", topology("slow.yaml"), "--manager", SPREAD, "--manager-argument", "2"],
                     eal=EAL, code=1)
    check("is no share of an lcore" in wrong.stderr, wrong.stderr)


def test_spread_program(folder):
    """examples/spread_load.py does the same over the socket"""
    env = dict(os.environ, PYTHONPATH=os.path.join(BUILD, "mgmt"), PYTHONDONTWRITEBYTECODE="1",
               XDG_RUNTIME_DIR=folder)
    with Job(folder, sets={"rows": 0, "delay": "0s"}) as job, job.client() as client:
        heap(client)
        os.makedirs(os.path.join(folder, "lodemill"))
        os.symlink(job.path, os.path.join(folder, "lodemill", "spreadtest.sock"))
        line = [sys.executable, os.path.join(SOURCE, "examples", "spread_load.py"), "spreadtest", "0.6"]
        with subprocess.Popen(line, env=env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as manager:
            said = ""
            try:
                spread(client)
                while ": done" not in said and (more := manager.stdout.readline()):
                    said += more
            finally:
                job.interrupt()
                _, error = manager.communicate(timeout=SECONDS)
        job.end()
    check("spreading slow" in said and "to lcore" in said and ": done" in said, said)
    check("the job has ended the connection" in error, error)


if __name__ == "__main__":
    points = [test_loaded, test_custom, test_without_socket, test_log_level, test_bad_files,
              test_spread_plugin, test_spread_program]
    sys.exit(tap(named([guarded(p) for p in points])))
