#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a job goes on with when it is started again: the topology that ran, as its snapshot has it.

Prints TAP. Environment: see harness.py.
"""

import os
import random
import signal
import sys
import time

from harness import LONG, check, equal, named, tap, until
from test_change import Changing, done, slices_of, sums, undisturbed, written
from test_control import Error, guarded
from test_snapshots import child_of

sys.dont_write_bytecode = True

BASE = {"rows": 1, "sums": 2, "out": 1}
WIDER = {"rows": 1, "pass": 2, "sums": 3, "out": 1}
KEPT = "going on with the topology that ran"
FORGOTTEN = "it is gone by, and what was applied or rescaled meanwhile is forgotten"


def job(folder, words=(), **sets):
    return Changing(folder, words=words, sets={"state": os.path.join(folder, "state"), **sets})


def killed(running):
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()


def stopped(running, client):
    done(client.finish("stop"))
    equal("stopped", running.end()["status"], "status")


def wider(folder):
    return written(folder, "wider.yaml", slices=3, passes=2)


def test_kept(folder):
    """what was applied and rescaled outlives a kill, and is said; lodectl compares with it"""
    with job(folder) as running, running.client() as client:
        check("topology that ran" not in running.said(), running.said())
        done(client.finish("apply", file=wider(folder)))
        done(client.finish("snapshot"))
        killed(running)
    with job(folder) as running, running.client() as client:
        running.wait_for(KEPT)
        running.wait_for("wider.yaml as it was, since action 1;")
        equal(WIDER, slices_of(client), "slices")
        equal("nothing differs", done(client.finish("apply", file=wider(folder)))["reason"], "the same again")
        done(client.finish("rescale", operator="sums", slices=4))
        done(client.finish("snapshot"))
        killed(running)
    os.remove(os.path.join(folder, "wider.yaml"))
    with job(folder) as running, running.client() as client:
        running.wait_for("since action 4, with sums: 4 slices; --fresh-topology")
        equal({**WIDER, "sums": 4}, slices_of(client), "slices")
        # The file that the job is started with, as the documentation has it; then it is rescaled.
        written(folder, "job.yaml", slices=5, passes=2)
        done(client.finish("apply", file=running.first))
        done(client.finish("rescale", operator="sums", slices=6))
        stopped(running, client)
    with job(folder) as running, running.client() as client:
        equal({**WIDER, "sums": 6}, slices_of(client), "slices")
        stopped(running, client)


def test_ways_out(folder):
    """a file that has changed is gone by, and so it is with --fresh-topology; both are said"""
    with job(folder) as running, running.client() as client:
        done(client.finish("rescale", operator="sums", slices=4))
        stopped(running, client)
    with job(folder, ["--fresh-topology"]) as running, running.client() as client:
        running.wait_for("--fresh-topology: what was applied or rescaled is forgotten")
        equal(BASE, slices_of(client), "slices")
        done(client.finish("rescale", operator="sums", slices=3))
        stopped(running, client)
    written(folder, "job.yaml", slices=5)
    with job(folder) as running, running.client() as client:
        running.wait_for(FORGOTTEN)
        equal({**BASE, "sums": 5}, slices_of(client), "slices")
        stopped(running, client)
    # Nothing was applied: nothing is to be said.
    written(folder, "job.yaml", slices=6)
    with job(folder) as running, running.client() as client:
        check("topology" not in running.said() and FORGOTTEN not in running.said(), running.said())
        equal({**BASE, "sums": 6}, slices_of(client), "slices")
        stopped(running, client)


def crash(running):
    """Kills the job under its parent and waits until it is there again."""
    child = child_of(running)
    os.kill(child, signal.SIGKILL)
    until(lambda: child_of(running) not in (child, None) and answers(running), "it comes back")


def answers(running):
    try:
        with running.client() as client:
            return client.status()["pid"] == child_of(running)
    except (Error, OSError):  # nobody is at the socket yet, or it went with the one who was
        return False


def test_supervised(folder):
    """a parent has the job go on with what ran, also where the file has changed meanwhile"""
    with job(folder, ["--supervise"]) as running:
        with running.client() as client:
            done(client.finish("snapshot"))
        written(folder, "job.yaml", slices=7)
        crash(running)
        running.wait_for("going on with the topology that ran")
        with running.client() as client:
            equal(BASE, slices_of(client), "slices")
            done(client.finish("apply", file=running.first))
            done(client.finish("snapshot"))
        written(folder, "job.yaml", slices=8, passes=1)
        crash(running)
        with running.client() as client:
            equal({**BASE, "sums": 7}, slices_of(client), "slices")
            stopped(running, client)


def test_supervised_fresh(folder):
    """what a first start passes over stays forgotten after a crash, and what is applied since does not"""
    with job(folder) as running, running.client() as client:
        done(client.finish("rescale", operator="sums", slices=4))
        stopped(running, client)
    with job(folder, ["--fresh-topology", "--supervise"]) as running:
        crash(running)
        with running.client() as client:
            equal(BASE, slices_of(client), "slices")
            done(client.finish("rescale", operator="sums", slices=3))
            done(client.finish("snapshot"))
        crash(running)
        with running.client() as client:
            equal({**BASE, "sums": 3}, slices_of(client), "slices")
            stopped(running, client)


def places(client):
    return {(s["operator"], s["slice"]): s["lcore"] for s in client.status()["slices"]}


def freeze(client):
    """Slices stay where they are."""
    until(lambda: client.call("elastic")["policy"] == "model", "it shows its policy")
    client.call("freeze")
    until(lambda: all(a["state"] in ("done", "failed") for a in client.actions()["actions"]), "it rests")


def elsewhere(client, number):
    """An lcore where that slice of sums is not."""
    return (places(client)["sums", number] + 1) % 4


def test_settings(folder):
    """slices that were moved, a freeze, log levels and sources that pause are as they were after a kill"""
    words = ["--elastic", "model"]
    with job(folder, words) as running, running.client() as client:
        freeze(client)
        goal = elsewhere(client, 1)
        done(client.finish("migrate", operator="sums", slice=1, lcore=goal))
        client.call("log_level", {"module": "mgmt", "level": "debug", "for_ms": 600000})
        done(client.finish("deactivate"))
        killed(running)
    with job(folder, words) as running, running.client() as client:
        for says in "nothing is moved by itself, as it was", "1 slices go to where they were moved", \
                "1 log levels hold on", "its sources are inactive, as they were":
            running.wait_for(says)
        until(lambda: places(client)["sums", 1] == goal, "the slice is where it was moved to")
        until(lambda: client.call("elastic")["frozen"], "it is frozen")
        levels = client.call("log_level", {"module": "net", "level": "default"})["levels"]
        equal([("mgmt", "debug")], [(l["module"], l["level"]) for l in levels], "levels")
        check(0 < levels[0]["left_ms"] < 600000, str(levels))
        client.call("log_level", {"module": "mgmt", "level": "default"})
        client.call("unfreeze")
        done(client.finish("activate"))
        killed(running)
    with job(folder, words) as running, running.client() as client:
        for says in "as it was", "slices go to", "log levels", "as they were":
            check(says not in running.said(), "%r: %s" % (says, running.said()))
        # One lcore of another job, and a slice that is gone: said, and nothing else.
        freeze(client)
        done(client.finish("migrate", operator="sums", slice=1, lcore=elsewhere(client, 1)))
        done(client.finish("rescale", operator="sums", slices=1))
        stopped(running, client)
    with job(folder, words) as running, running.client() as client:
        check("slices go to" not in running.said(), running.said())
        done(client.finish("migrate", operator="sums", slice=0, lcore=elsewhere(client, 0)))
        done(client.finish("rescale", operator="sums", slices=2))
        killed(running)
    settings = os.path.join(folder, "state", "manager", "settings")
    with open(settings, "r+b") as file:
        file.seek(70)
        file.write(b"#")
    with job(folder, words) as running, running.client() as client:
        running.wait_for("manager/settings is damaged")
        stopped(running, client)


def test_settings_by_file(folder):
    """slices go where they are placed again once the file has changed"""
    with job(folder) as running, running.client() as client:
        was = places(client)["sums", 1]
        done(client.finish("migrate", operator="sums", slice=1, lcore=(was + 1) % 4))
        stopped(running, client)
    written(folder, "job.yaml", slices=3)
    with job(folder) as running, running.client() as client:
        check("slices go to" not in running.said(), running.said())
        stopped(running, client)


def told(client, action, was, becomes, running):
    """What the next life says of a change, and whether the graph is what it says."""
    now = slices_of(client)
    if action["state"] == "failed" or "action %d, %s " % (action["id"], action["kind"]) in running.said():
        equal(was, now, "slices: %s; %s" % (action, running.said()))
    else:
        equal(becomes, now, "slices: %s; %s" % (action, running.said()))
    return now


def test_any_moment(folder):
    """kill -9 at any moment of a change: it is done or it is not, and the graph and the rows are so"""
    rate, seconds = 500000, 60 if LONG else 6
    rows = rate * seconds
    rng, undone, made = random.Random(3), 0, 0
    plain, shape = {1: BASE, 2: WIDER}, BASE
    files = {1: written(folder, "plain.yaml"), 2: wider(folder)}
    goal = None
    while True:
        with job(folder, rows=rows, rate=rate) as running, running.client() as client:
            if made > 0:
                last = client.actions(count=1)["actions"][0]
                shape = told(client, last, shape, goal, running)
                undone += "is undone" in running.said()
            made += 1
            if made > (60 if LONG else 8):
                running.process.wait(timeout=600)
                equal("complete", running.end()["status"], "status")
                break
            if rng.random() < 0.5:
                slices = rng.choice([n for n in range(1, 6) if n != shape["sums"]])
                goal = {**shape, "sums": slices}
                client.call("rescale", {"operator": "sums", "slices": slices})
            else:
                kind = 2 if "pass" not in shape else 1
                goal = plain[kind]
                client.call("apply", {"file": files[kind]})
            time.sleep(rng.choice([0, rng.random() * 0.02, rng.random() * 0.3]))
            check(running.process.poll() is None, "it has ended before it was killed: " + running.said())
            killed(running)
    equal(undisturbed(folder, rows), sums(os.path.join(folder, "out0")), "sums over all lives")
    print("# %d lives, %d changes were undone" % (made, undone))


if __name__ == "__main__":
    points = [test_kept, test_ways_out, test_supervised, test_supervised_fresh, test_settings,
              test_settings_by_file, test_any_moment]
    sys.exit(tap(named([guarded(p) for p in points])))
