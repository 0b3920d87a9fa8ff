#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Actions on running jobs: slices move, sources pause, epochs pass; and what a kill makes of them.

Prints TAP. Environment: see harness.py.
"""

import json
import os
import random
import signal
import sys
import time

from harness import LONG, SANITIZED, check, equal, lodemill, named, tap, topology, until
from test_control import EAL, Error, Job, committed, guarded, lodectl, two_inputs

sys.dont_write_bytecode = True

KINDS = {"snapshot": {}, "synchronize": {}, "rebalance": {}, "deactivate": {}, "activate": {},
         "migrate": {"operator": "sums", "slice": 0, "lcore": 0},
         "rescale": {"operator": "sums", "slices": 3}, "apply": {"file": "wider.yaml"},
         "stop": {}, "drain": {}}


def places(client):
    return {(s["operator"], s["slice"]): s["lcore"] for s in client.status()["slices"]}


def failed(action, says):
    equal("failed", action["state"], str(action))
    check(says in action["reason"], "%r is not in %r" % (says, action["reason"]))


def done(action):
    equal("done", action["state"], action["reason"])
    return action


def test_migrate(folder):
    """a slice goes where it is told, status shows it, and each refusal says why"""
    with Job(folder) as job, job.client() as client:
        before = places(client)
        was = before["sums", 1]
        goal = next(n for n in (0, 1, 2) if n != was)
        action = done(client.finish("migrate", operator="sums", slice=1, lcore=goal))
        check(0 < action["pause_ns"] < 10**9, "pause of %d ns" % action["pause_ns"])
        equal("sums/1 to lcore %d" % goal, action["what"], "what")
        until(lambda: places(client)["sums", 1] == goal, "the slice is there")
        after = places(client)
        equal({k: v for k, v in before.items() if k != ("sums", 1)},
              {k: v for k, v in after.items() if k != ("sums", 1)}, "all others")
        for wrong, says in (({"operator": "sum"}, 'did you mean "sums"?'),
                            ({"slice": 2}, "sums has no slice 2: it has 0 to 1"),
                            ({"lcore": 7}, "lcore 7 is not one of this job: it has 0 1 2"),
                            ({}, "the slice is on that lcore")):
            failed(client.finish("migrate", **{"operator": "sums", "slice": 1, "lcore": goal, **wrong}), says)
        said = lodectl(["--socket", job.path, "migrate", "sums", "1", str(was)]).stdout
        check(said.startswith("migrate 6, sums/1 to lcore %d: done, stood still for " % was), said)
        lodectl(["--socket", job.path, "migrate", "sums", "one", "0"], code=2)
        lodectl(["--socket", job.path, "migrate", "sums"], code=2)
        check("sums/1 to lcore" in lodectl(["--socket", job.path, "actions"]).stdout, "actions")
        job.interrupt()
        job.end()
    with Job(folder, sets={"rows": 2000, "delay": "1s"}, number=1) as job, job.client() as client:
        # The generator has ended; its sink has not.
        until(lambda: client.stats("rows")["rows"] == 2000, "all rows are made")
        until(lambda: "ended" in client.finish(
            "migrate", operator="rows", slice=0,
            lcore=1 if places(client)["rows", 0] == 0 else 0)["reason"], "the source has ended")
        job.interrupt()
        job.interrupt()
        job.process.wait()


def test_rebalance(folder):
    """what was heaped on one lcore is spread by how busy it is; a dry run only says so"""
    with Job(folder, sets={"rows": 0, "delay": "0s"}) as job, job.client() as client:
        for operator, index in places(client):
            if places(client)[operator, index] != 2:
                done(client.finish("migrate", operator=operator, slice=index, lcore=2))
        until(lambda: set(places(client).values()) == {2}, "all are on one lcore")
        # It needs two probes that saw them there.
        plan = until(lambda: found if (found := done(client.finish("rebalance", dry_run=True)))["steps"] > 0
                     else None, "there is something to move")
        check("from lcore 2 to" in plan["reason"], plan["reason"])
        equal({2}, set(places(client).values()), "places after a dry run")
        said = lodectl(["--socket", job.path, "rebalance", "--dry-run"]).stdout
        check("dry run: done" in said and "from lcore 2 to" in said, said)
        action = done(client.finish("rebalance"))
        equal((action["steps"], True), (action["step"], action["steps"] > 0), "steps")
        until(lambda: len(set(places(client).values())) > 1, "they are spread")
        job.interrupt()
        job.end()


def rows_made(client):
    return client.stats("rows")["operators"][0]["rows_out"]


def test_deactivate(folder):
    """sources pause and go on: epochs pass and snapshots are taken meanwhile, over a restart too"""
    words = ["--state", os.path.join(folder, "state")]
    with Job(folder, words) as job, job.client() as client:
        failed(client.finish("activate"), "the sources are active")
        done(client.finish("deactivate"))
        equal("inactive", client.status()["state"], "state")
        done(client.finish("synchronize"))
        time.sleep(0.3)
        stopped, epoch = rows_made(client), client.stats("out")["slices"][0]["epoch"]
        failed(client.finish("deactivate"), "inactive already")
        done(client.finish("snapshot"))
        done(client.finish("migrate", operator="rows", slice=0,
                           lcore=1 if places(client)["rows", 0] == 0 else 0))
        until(lambda: client.stats("out")["slices"][0]["epoch"] > epoch, "epochs go on")
        until(lambda: client.stats("out")["operators"][0]["rows_in"] > 0, "what was under way arrives")
        equal(stopped, rows_made(client), "rows of sources that pause")
        made = stopped
        done(client.finish("activate"))
        until(lambda: rows_made(client) > made, "rows come again")
        done(client.finish("deactivate"))
        job.process.kill()
        job.process.wait()
    with Job(folder, words) as job, job.client() as client:
        check("sources are inactive, as they were" in job.said(), job.said())
        equal("inactive", client.status()["state"], "state after a restart")
        time.sleep(0.3)
        equal(0, rows_made(client), "rows of a job that began inactive")
        done(client.finish("activate"))
        until(lambda: rows_made(client) > 0, "rows come again")
        done(client.finish("deactivate"))
        done(client.finish("stop"))
        equal("stopped", job.end()["status"], "a stop while the sources pause")
    with Job(folder, number=1) as job, job.client() as client:
        done(client.finish("deactivate"))
        done(client.finish("drain"))
        job.end()


def test_synchronize(folder):
    """done when an epoch has passed all slices; without epochs it says so"""
    with Job(folder) as job, job.client() as client:
        first = done(client.finish("synchronize"))["epoch"]
        until(lambda: all(s["epoch"] >= first for s in client.stats()["slices"]), "all slices have it")
        check(done(client.finish("synchronize"))["epoch"] > first, "the next one")
        job.interrupt()
        job.end()


def test_same_rows(folder):
    """slices that move and sources that pause all along: the rows are those of a quiet run"""
    out, sets = two_inputs(folder, "quiet")
    lodemill(["run", topology("two_inputs.yaml"), "--quiet"], eal=EAL, sets=sets)
    want = committed(out)
    out, sets = two_inputs(folder, "moved")
    rng, counts = random.Random(1), {"migrate": 0, "deactivate": 0}
    with Job(folder, sets=sets, name="two_inputs.yaml") as job, job.client() as client:
        try:
            slices = list(places(client))
            while True:
                operator, index = rng.choice(slices)
                client.finish("migrate", operator=operator, slice=index, lcore=rng.randrange(3))
                counts["migrate"] += 1
                if rng.random() < 0.1:
                    client.finish("deactivate")
                    client.finish("activate")
                    counts["deactivate"] += 1
        except Error:
            pass  # It has come to its end.
        equal("complete", job.end()["status"], "status")
    check(counts["migrate"] > 5 and counts["deactivate"] > 0, "%s" % counts)
    equal(len(want), len(committed(out)), "rows")
    check(want == committed(out), "as many rows, but not the same")


def lives(folder, kind, params, wait, seen):
    """Asks for an action, kills the job after so long, and looks what its next life says of it."""
    words = ["--state", os.path.join(folder, "state")]
    with Job(folder, words, sets={"rows": 0, "delay": "10us"}) as job, job.client() as client:
        for action in client.actions(count=256)["actions"]:
            before = seen.setdefault(action["id"], action)
            check(action["state"] in ("done", "failed"), "open after a restart: %s" % action)
            if before["state"] in ("done", "failed"):
                told = (before["state"], before["reason"])
                equal(told, (action["state"], action["reason"]), "what was told")
            seen[action["id"]] = action
        equal(sorted(seen), sorted(a["id"] for a in client.actions(count=256)["actions"]), "ids")
        if kind == "activate":
            client.finish("deactivate")
        client.subscribe(["action.completed"])
        client.call(kind, params)
        time.sleep(wait)
        job.process.send_signal(signal.SIGKILL)
        job.process.wait()
        # What it had said before it died.
        client.socket.settimeout(1)
        try:
            while True:
                reply = client._line()
                if reply.get("method") == "action.completed":
                    told = reply["params"]["action"]
                    equal("open", seen.get(told["id"], {"state": "open"})["state"], "completed twice")
                    seen[told["id"]] = told
        except Error:
            pass


def wider(folder):
    """The job with more slices, as a file."""
    path = os.path.join(folder, KINDS["apply"]["file"])
    with open(topology("slow.yaml"), encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("emit: update, slices: 2", "emit: update, slices: 3"))
    return path


def test_kills(folder):
    """kill -9 at any moment of any action: numbers go on, what was told stays, what was open has failed"""
    rng = random.Random(2)
    for kind, params in KINDS.items():
        place = os.path.join(folder, kind)
        os.makedirs(place)
        seen = {}
        if kind == "apply":
            params = {"file": wider(place)}
        for wait in [0] + [rng.random() * 0.2 for _ in range(10 if LONG else 1 if SANITIZED else 2)]:
            if kind == "drain" and "complete" in json.dumps(seen):
                break
            lives(place, kind, params, wait, seen)
            if kind in ("stop", "drain") and wait > 0:
                break


def test_journal_damaged(folder):
    """a torn end is cut, a damaged middle is kept beside; both are said, and the job runs"""
    words = ["--state", os.path.join(folder, "state")]
    journal = os.path.join(folder, "state", "manager", "journal")
    with Job(folder, words) as job, job.client() as client:
        for _ in range(3):
            done(client.finish("synchronize"))
        job.interrupt()
        job.end()
    with open(journal, "r+b") as file:
        file.truncate(os.path.getsize(journal) - 5)
    with Job(folder, words) as job, job.client() as client:
        check("warning: the manager's journal" in job.said() and "is torn behind" in job.said(), job.said())
        check(done(client.finish("synchronize"))["id"] > 3, "the next number")
        job.interrupt()
        job.end()
    with open(journal, "r+b") as file:
        file.seek(200)
        file.write(b"\0\0\0\0")
    with Job(folder, words) as job, job.client() as client:
        check("is damaged behind" in job.said() and os.path.exists(journal + ".damaged"), job.said())
        check(done(client.finish("synchronize"))["id"] > 4, "the next number")
        job.interrupt()
        job.end()


if __name__ == "__main__":
    points = [test_migrate, test_rebalance, test_deactivate, test_synchronize, test_same_rows, test_kills,
              test_journal_damaged]
    sys.exit(tap(named([guarded(p) for p in points])))
