#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Running jobs whose graph changes: operators get other numbers of slices, a job goes over to another
topology, and what comes out is what comes out of a run that nobody disturbed.

Prints TAP. Environment: see harness.py.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

from harness import (BUILD, LONG, SANITIZED, SECONDS, Running, check, command, equal, named, operator,
                     rows_of, tap, until)
from test_control import Job, guarded, lodectl

sys.dont_write_bytecode = True

EAL = ("--lcores", "(0-3)@(0,1)", "--no-huge", "-m", "256", "--no-pci", "--no-shconf")
RATE = "200k"
# Sanitizers would take most of it.
FULL_SPEED = {} if SANITIZED else {"rate": "0"}
RESCALES, APPLIES = (10000, 1000) if LONG else (20, 12) if SANITIZED else (40, 20)

JOB = """name: changing
settings: {epoch: 50ms, seed: 7}
state: {folder: "${state:-none}"}
operators:
  rows: {type: generator, rows: "${rows:-0}", rate: "${rate:-0}",
         fields: {key: u64 = uniform 0 4999, value: i64 = uniform -1000 1000}}
%s  sums: {type: aggregate, input: %s by key, by: key, count: rows, sum: {total: value}, min: {low: value},
         emit: end, keys: 20000, slices: %d}
  out:  {type: file_sink, input: sums to one, path: "${out}/sums.csv"}
%s"""
PASS = "  pass: {type: filter, input: rows, where: value > -5000, slices: %d}\n"
SECOND = "  more: {type: file_sink, input: sums to one, path: \"${out}/more.csv\"}\n"


def written(folder, name, slices=2, passes=0, second=False):
    """A topology file of the job."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(JOB % (PASS % passes if passes else "", "pass" if passes else "rows", slices,
                          SECOND if second else ""))
    return path


def repinned(path, lcores):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("emit: end,", "emit: end, lcores: [%s]," % lcores))
    return path


class Changing(Job):
    """The job, at an even rate or at FULL_SPEED, without an end; its output in a folder of its own."""

    def __init__(self, folder, name="job.yaml", number=0, words=(), sets=None):
        self.sets = {"out": os.path.join(folder, "out%d" % number), "rate": RATE,
                     **(sets or {})}
        self.folder = self.sets["out"]
        os.makedirs(self.folder, exist_ok=True)
        self.first = os.path.join(folder, name)
        if not os.path.exists(self.first):
            written(folder, name)
        super().__init__(folder, words, self.sets, self.first, number, EAL)


def done(action):
    equal("done", action["state"], action["reason"])
    return action


def failed(action, says):
    equal("failed", action["state"], str(action))
    check(says in action["reason"], "%r is not in %r" % (says, action["reason"]))


def slices_of(client):
    return {op["name"]: op["slices"] for op in client.status()["operators"]}


def where(client):
    return {(s["operator"], s["slice"]): s["lcore"] for s in client.status()["slices"]}


def sums(folder, name="sums.csv"):
    return sorted(tuple(row.values()) for row in rows_of(os.path.join(folder, name)))


def counted(folder):
    return sum(int(row["rows"]) for row in rows_of(os.path.join(folder, "sums.csv")))


def undisturbed(folder, rows, out="plain"):
    """What a run of its own makes of so many rows."""
    place = os.path.join(folder, out)
    os.makedirs(place, exist_ok=True)
    eal = [*EAL, "--file-prefix", "ctl%d-plain" % os.getpid()]
    line = command(["run", written(folder, out + ".yaml"), "--json"], eal, {"out": place, "rows": rows})
    with Running(line, place) as run:
        run.process.wait(timeout=3600 if LONG else SECONDS)
        equal("complete", run.end()["status"], "status")
    return sums(place)


def finish(job, client, folder):
    """Ends the input; the rows that were made, and the sums are those of a run of its own."""
    done(client.finish("drain", deadline_ms=90000))
    result = job.end()
    equal("stopped", result["status"], "status")
    rows = operator(result, "rows")["rows_out"]
    equal(rows, operator(result, "sums")["rows_in"], "rows of the sums, over all slices that there were")
    equal(rows, counted(job.folder), "rows counted")
    equal(undisturbed(folder, rows), sums(job.folder), "sums")
    return rows, result


def test_rescale(folder):
    """an operator with state has 1 to 8 slices in turn, at full speed; nothing is lost, doubled or moved"""
    with Changing(folder, sets=FULL_SPEED) as job, job.client() as client:
        random.seed(1)
        now, made = 2, 0
        while made < RESCALES:
            goal = random.choice([n for n in range(1, 9) if n != now])
            action = done(client.finish("rescale", operator="sums", slices=goal))
            check("sums: %d to %d slices; behind epoch" % (now, goal) in action["reason"], action["reason"])
            check(action["pause_ns"] > 0, "nothing stood still, but state moved")
            now, made = goal, made + 1
            if made % 20 == 0:
                equal({"rows": 1, "sums": now, "out": 1}, slices_of(client), "slices in status")
                equal(now, len(client.stats("sums")["slices"]), "slices in stats")
        failed(client.finish("rescale", operator="sums", slices=now), "sums has %d slices already" % now)
        failed(client.finish("rescale", operator="sum", slices=2), 'did you mean "sums"?')
        rows, _ = finish(job, client, folder)
        print("# %d rescales over %d rows" % (made, rows))


def test_pictures(folder):
    """probes, counters, `lodemill top` and lodectl follow; an operator's rows go on where they were"""
    top = [os.path.join(BUILD, "lodemill"), "top", "--json", "--interval", "100ms"]
    with Changing(folder) as job, job.client() as client, job.client() as watcher:
        with subprocess.Popen([*top, "--prefix", "ctl%d-0" % os.getpid()], stdout=subprocess.PIPE,
                              text=True) as shown:
            watcher.subscribe(["probe"])
            before = client.stats("sums")["operators"][0]["rows_in"]
            for goal in 5, 1, 3:
                said = lodectl(["--socket", job.path, "rescale", "sums", str(goal)]).stdout
                check("to %d slices: done" % goal in said, said)
                after = client.stats("sums")["operators"][0]["rows_in"]
                check(after >= before, "rows of sums went from %d back to %d" % (before, after))
                before = after
                for _, params in watcher.events():
                    busy = [s for s in params["slices"] if s["operator"] == "sums"]
                    check(all(0 <= s["rows_in"] < 10**9 for s in params["slices"]), str(busy))
                    if len(busy) == goal:
                        break
            seen = set()
            for line in shown.stdout:
                seen.add(next(op["slices"] for op in json.loads(line)["operators"] if op["name"] == "sums"))
                if json.loads(line)["state"] != "running" or 3 in seen:
                    break
            check(3 in seen, "top saw %s" % seen)
            shown.terminate()
        finish(job, client, folder)


def test_apply(folder):
    """a filter comes in and goes, slices change, a second sink comes: the sums are the same"""
    with Changing(folder) as job, job.client() as client:
        plain = written(folder, "plain.yaml")
        passing = written(folder, "passing.yaml", passes=2)
        said = lodectl(["--socket", job.path, "plan", "--diff", passing]).stdout
        check("pass: added" in said and "wires: 2 added, 1 removed" in said and "3 kept" in said, said)
        equal({"rows": 1, "sums": 2, "out": 1}, slices_of(client), "slices after a plan")
        equal("nothing differs", done(client.finish("apply", file=plain))["reason"], "the same again")
        said = lodectl(["--socket", job.path, "apply", passing]).stdout
        check("done" in said and "pass: added" in said, said)
        equal({"rows": 1, "pass": 2, "sums": 2, "out": 1}, slices_of(client), "slices")
        action = done(client.finish("apply", file=plain))
        check("pass: removed" in action["reason"], action["reason"])
        for made in range(APPLIES - 2):
            passes, slices = (made % 3, made % 4 + 1)
            file = written(folder, "next.yaml", slices, passes)
            done(client.finish("apply", file=file))
            want = {"rows": 1, "sums": slices, "out": 1, **({"pass": passes} if passes else {})}
            equal(want, slices_of(client), "slices")
        places = where(client)
        pinned = repinned(written(folder, "pinned.yaml", 8, 1), "3")
        failed(client.finish("apply", file=repinned(written(folder, "far.yaml", 8, 1), "9")),
               "operators.sums: lcore 9 is not one of this job")
        done(client.finish("apply", file=pinned))
        equal({("sums", n): 3 for n in range(8) if ("sums", n) not in places},
              {place: lcore for place, lcore in where(client).items() if place not in places and
               place[0] == "sums"}, "lcores of new slices")
        done(client.finish("apply", file=written(folder, "last.yaml", 3, 1, second=True)))
        done(client.finish("rescale", operator="sums", slices=2))
        action = done(client.finish("apply", file=os.path.join(folder, "last.yaml"), dry_run=True))
        check(action["reason"].startswith("sums: 2 to 3 slices"), action["reason"])
        rows, result = finish(job, client, folder)
        equal(sums(job.folder), sums(job.folder, "more.csv"), "the second sink")
        gone = {op["name"]: op for op in result["removed"]}
        equal({"pass"}, set(gone), "removed operators")
        equal(gone["pass"]["rows_in"], gone["pass"]["rows_out"], "rows through the filters that were")
        check(0 < gone["pass"]["rows_in"] < rows, str(gone))
        print("# %d applies over %d rows" % (APPLIES, rows))


def test_elastic(folder):
    """slices that elasticity moves all along are changed, too, and what is shown is of those there are"""
    file = written(folder, "job.yaml")
    with open(file, encoding="utf-8") as job:
        text = job.read()
    with open(file, "w", encoding="utf-8") as job:
        job.write(text + "elastic: {policy: threshold, interval: 20ms, guard: 20ms, lcores: 1-4}\n")
    with Changing(folder) as job, job.client() as client:
        for made in range(RESCALES // 3):
            done(client.finish("rescale", operator="sums", slices=3 + made % 5))
            client.call("elastic", {})
        finish(job, client, folder)


def broken(folder, job, client, text, says, **more):
    path = os.path.join(folder, "broken.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    failed(client.finish("apply", file=path, **more), says)


def test_refusals(folder):
    """a topology that is wrong, or would lose state, is refused with the reason; the job goes on as it was"""
    with Changing(folder) as job, job.client() as client:
        with open(job.first, encoding="utf-8") as file:
            good = file.read()
        before = client.status()["operators"]
        failed(client.finish("apply", file=os.path.join(folder, "absent.yaml")), "absent.yaml")
        broken(folder, job, client, "operators: [", "broken.yaml:1:")
        broken(folder, job, client, good.replace("by: key", "by: kay"), "broken.yaml:7:")
        broken(folder, job, client, good.replace("by: key", "by: kay"), "kay")
        broken(folder, job, client, good.replace("aggregate", "agregate"), 'did you mean')
        broken(folder, job, client, good.replace("seed: 7", "seed: 8"), "settings.seed cannot change")
        broken(folder, job, client, good.replace("name: changing", "name: other"), "the name of a job stays")
        broken(folder, job, client, good.replace("state:-none", "state:-/tmp/x"), "state cannot change")
        fewer = good.replace("sum: {total: value}, ", "")
        broken(folder, job, client, fewer, "--drop-state sums")
        broken(folder, job, client, fewer, "--drop-state sum:", drop_state="sum")
        broken(folder, job, client, good.replace("uniform 0 4999", "uniform 0 9"), "--drop-state rows")
        equal(before, client.status()["operators"], "operators")
        rows = client.stats("rows")["rows"]
        until(lambda: client.stats("rows")["rows"] > rows, "it goes on")
        finish(job, client, folder)
    with Changing(folder, number=1) as job, job.client() as client:
        # Without its state it counts from the change on.
        done(client.finish("apply", file=os.path.join(folder, "job.yaml")))
        path = os.path.join(folder, "fewer.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(good.replace("min: {low: value}", "max: {high: value}"))
        action = done(client.finish("apply", file=path, drop_state="sums"))
        check("sums: replaced, " in action["reason"], action["reason"])
        done(client.finish("drain", deadline_ms=90000))
        result = job.end()
        rows = operator(result, "rows")["rows_out"]
        check(0 < counted(job.folder) < rows, "%d of %d rows counted" % (counted(job.folder), rows))


def settled(client):
    """A rescale that goes through, once what is under way has let it."""
    give_up = time.monotonic() + SECONDS
    while True:
        now = slices_of(client)["sums"]
        action = client.finish("rescale", operator="sums", slices=now % 8 + 1)
        if action["state"] == "done":
            return now % 8 + 1
        check(time.monotonic() < give_up, action["reason"])
        check("not through yet" in action["reason"] or "already" in action["reason"], action["reason"])


def test_late(folder):
    """a change that is late goes on by itself; one that the end of the job meets harms nothing"""
    sets = {"state": os.path.join(folder, "state"), "out": os.path.join(folder, "out")}
    late = 0
    for life in range(4):
        words = ("--control-role", "root=deploy")
        with Changing(folder, number=life, words=words, sets=sets) as job, job.client() as client:
            for goal in range(1, 9):
                action = client.finish("rescale", operator="sums", slices=goal, deadline_ms=1)
                late += "deadline" in action["reason"]
                check(action["state"] == "done" or "deadline" in action["reason"] or
                      "not through yet" in action["reason"] or "already" in action["reason"], str(action))
            now = settled(client)
            equal(now, slices_of(client)["sums"], "slices")
            done(client.finish("snapshot"))
            client.call("rescale", {"operator": "sums", "slices": now % 8 + 1})
            client.call("apply", {"file": written(folder, "with.yaml", 3, passes=2)})
            time.sleep(0.02 * life)
            if life < 3:
                job.interrupt()
                equal("stopped", job.end()["status"], "status")
                check("without a last snapshot" not in job.said(), job.said()[-1000:])
                continue
            done(client.finish("drain", deadline_ms=90000))
            job.end()
    check(late > 0, "none was late")
    equal(undisturbed(folder, counted(sets["out"])), sums(sets["out"]), "sums")


def test_crash(folder):
    """with a state folder: slices change, a snapshot, more changes, kill -9: the next run goes on equal"""
    out = os.path.join(folder, "out")
    sets = {"state": os.path.join(folder, "state"), "out": out}
    for life in range(3):
        with Changing(folder, number=life, sets=sets) as job, job.client() as client:
            for goal in 6, 1, 4:
                done(client.finish("rescale", operator="sums", slices=goal))
            done(client.finish("apply", file=written(folder, "with.yaml", 3, passes=2)))
            done(client.finish("snapshot"))
            done(client.finish("apply", file=written(folder, "without.yaml", 5)))
            done(client.finish("snapshot"))
            done(client.finish("rescale", operator="sums", slices=life + 1))
            if life < 2:
                job.process.send_signal(signal.SIGKILL)
                job.process.wait()
                continue
            done(client.finish("drain", deadline_ms=90000))
            job.end()
    equal(undisturbed(folder, counted(out)), sums(out), "sums")


SINKS = """name: sinks
settings: {epoch: 50ms, seed: 7}
operators:
  rows: {type: generator, rate: 100k, fields: {number: u64 = sequence}}
  %s: {type: file_sink, input: rows to one, path: "${out}/%s.csv"}
  shown: {type: print, input: rows to one, file: stderr, title: %s, rows: 1}
"""


def test_sinks(folder):
    """sinks that go, or are replaced, put out what they have in hand: no row is lost"""
    def file(name):
        path = os.path.join(folder, name + ".yaml")
        with open(path, "w", encoding="utf-8") as to:
            to.write(SINKS % (name, name, name))
        return path

    file("first")
    with Changing(folder, "first.yaml") as job, job.client() as client:
        rows = 0
        for name in "second", "third":
            more = rows + 20000
            rows = until(lambda more=more: (now := client.stats("rows")["rows"]) >= more and now, "rows come")
            action = done(client.finish("apply", file=file(name)))
            check("%s: added" % name in action["reason"] and "shown: replaced" in action["reason"],
                  str(action))
        done(client.finish("drain", deadline_ms=90000))
        result = job.end()
        equal("stopped", result["status"], "status")
        rows = operator(result, "rows")["rows_out"]
        numbers = [int(row["number"]) for name in ("first", "second", "third")
                   for row in rows_of(os.path.join(job.folder, name + ".csv"))]
        equal(rows, len(numbers), "rows of all files")
        equal(list(range(rows)), numbers, "rows, one file behind the other")


COMMITTING = """name: committing
settings: {epoch: 50ms}
state: {folder: "${state}"}
operators:
  rows: {type: generator, rate: 100k, fields: {number: u64 = sequence}}
"""
COMMITS = '  %s: {type: file_sink, input: rows to one, mode: committed, path: "${out}/%s.csv"}\n'


def test_committing(folder):
    """a sink that commits may come, and stays: what it has in hand would go with it, in a soak as well"""
    def file(name, *sinks):
        path = os.path.join(folder, name + ".yaml")
        with open(path, "w", encoding="utf-8") as to:
            to.write(COMMITTING + "".join(COMMITS % sink for sink in sinks))
        return path

    def numbers(name):
        names = sorted(n for n in os.listdir(job.folder) if n.startswith(name) and n.endswith(".csv"))
        return [int(row["number"]) for n in names for row in rows_of(os.path.join(job.folder, n))]

    first, more = ("first", "first"), ("more", "more")
    file("one", first)
    sets = {"state": os.path.join(folder, "state")}
    with Changing(folder, "one.yaml", sets=sets) as job, job.client() as client:
        failed(client.finish("apply", file=file("soaks", first, more), soak_ms=500),
               "operators.more: what it writes")
        done(client.finish("apply", file=file("two", first, more)))
        until(lambda: numbers("more"), "rows of the second one")
        for name, sinks, says in (("gone", [more], "operators.first: it commits what it writes"),
                                  ("other", [("first", "other"), more], "cannot be replaced while")):
            failed(client.finish("apply", file=file(name, *sinks)), says)
        done(client.finish("drain", deadline_ms=90000))
        rows = operator(job.end(), "rows")["rows_out"]
        equal(list(range(rows)), numbers("first"), "rows of the first one")
        later = numbers("more")
        equal(list(range(rows - len(later), rows)), later, "rows of the second one")
        check(not [n for n in os.listdir(job.folder) if n.endswith(".pending")], str(os.listdir(job.folder)))


def main():
    points = (test_rescale, test_pictures, test_apply, test_elastic, test_sinks, test_committing,
              test_refusals, test_late, test_crash)
    return tap(named([guarded(f) for f in points]))


if __name__ == "__main__":
    sys.exit(main())
