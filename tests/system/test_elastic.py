#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Elasticity for real: a load that steps up and down on two lcores; every row arrives once."""

import json
import os
import subprocess
import sys
import time

from harness import BUILD, LONG, SECONDS, Running, Skip, check, command, equal, lodemill, \
    named, one_object, operator, tap, topology

LODECTL = os.path.join(BUILD, "mgmt", "lodectl")
PLUGIN = os.path.join(BUILD, "tests", "spin.so")
EAL = ["--lcores", "0,1", "--no-huge", "-m", "256", "--no-pci", "--no-shconf"]
# The load of the file's first rate is 0.2 lcores, of its second one 1.0.
UP_S, DOWN_S = 3, 8
# The goal is 3 s (the simulator holds it to that), twice that where others use the machine, as --long has it.
# The second lcore is given back once what had piled up by then is through.
IN_TIME_S, GIVE_UP_S = 6, 80


def sets(folder, **more):
    values = {"PLUGIN": PLUGIN, "OUT": os.path.join(folder, "rows.csv"), "UP": "%ds" % UP_S,
              "DOWN": "%ds" % DOWN_S, "ROWS": "0"}
    values.update(more)
    return values


def lodectl(folder, *words):
    line = [sys.executable, LODECTL, "--socket", os.path.join(folder, "socket"), "--json", *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=True)
    return json.loads(done.stdout)


def start(folder, words=(), file="elastic.yaml", **more):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("needs two CPUs")
    run = ["run", topology(file), "--json", "--control", os.path.join(folder, "socket"), *words]
    return Running(command(run, EAL, sets(folder, **more)), folder)


def until(job, folder, what, holds):
    """The first answer of `lodectl elastic` for which it holds."""
    end = time.monotonic() + GIVE_UP_S
    while True:
        try:
            answer = lodectl(folder, "elastic", "--count", "64")
            if holds(answer):
                return answer
        except subprocess.CalledProcessError:
            answer = None
        check(job.process.poll() is None, "%s, and it ended: %s" % (what, job.said()[-2000:]))
        check(time.monotonic() < end, "%s; the last answer: %s" % (what, json.dumps(answer)[:3000]))
        time.sleep(0.1)


def decisions(answer, verdict):
    """Oldest first."""
    return [d for d in reversed(answer["decisions"]) if d["verdict"] == verdict]


def rows_are_whole(folder, count):
    with open(os.path.join(folder, "rows.csv"), encoding="ascii") as file:
        lines = file.read().split("\n")[1:-1]
    numbers = sorted(int(line.split(",")[0]) for line in lines)
    equal(count, len(numbers), "rows in the file")
    check(numbers == list(range(count)), "a row is missing, or there twice")


def step(folder, policy):
    with start(folder, POLICY=policy, RATE="2000", MORE="10000") as job:
        # Of the newest decisions only; so it is taken from each answer.
        grown = []

        def given_back(answer):
            grown.extend(decisions(answer, "growing")[:1])
            return any(d["seconds"] > DOWN_S for d in decisions(answer, "giving"))
        until(job, folder, "no lcore is given back", given_back)
        # What is under way has to arrive, however slow the machine.
        lodectl(folder, "stop", "--deadline", "%ds" % (SECONDS - 10))
        result = job.end()
    first = grown[0]["seconds"]
    grown = [d for d in grown if d["seconds"] == first][-1]
    equal([1, 2], [grown["lcores"], grown["lcores_wanted"]], "lcores at the first change")
    print("# the load stepped up at %d s, the second lcore came at %.2f s" % (UP_S, grown["seconds"]))
    check(not LONG or grown["seconds"] <= UP_S + IN_TIME_S, "it came too late")
    check(all(m["result"] in ("done", None) for m in grown["moves"]), "a move: %s" % grown["moves"])
    check(len(grown["moves"]) >= 3, "moves: %s" % grown["moves"])
    check({m["to"] for m in grown["moves"]} == {1 - grown["moves"][0]["from"]}, "moves: %s" % grown["moves"])
    equal("stopped", result["status"], "status")
    rows_are_whole(folder, operator(result, "rows")["rows_out"])


def test_model(folder):
    """the second lcore is used within seconds of the step up and given back; every row is there once"""
    step(folder, "model")


def test_threshold(folder):
    """the same, going by how busy lcores are"""
    step(folder, "threshold")


def sums_of(folder):
    with open(os.path.join(folder, "rows.csv"), encoding="ascii") as file:
        return sorted(file.read().split("\n"))


def test_slices(folder):
    """more slices on both lcores with the load, and one again; the sums are those of a quiet run"""
    def work(answer):
        scales = [s for d in answer["decisions"] for s in d["scale"]]
        return [s for s in scales if s["operator"] == "work" and s["planned"]]

    slow = {"UP": "1s", "DOWN": "3s", "file": "elastic_slices.yaml"}
    with start(folder, **slow) as job:
        answer = until(job, folder, "it does not come back to one slice",
                       lambda a: any(s["was"] > 1 and s["slices"] == 1 for s in work(a)) and
                       all(d["outcome"] for d in decisions(a, "rescaling")))
        actions = lodectl(folder, "actions")["actions"]
        job.interrupt()
        result = job.end()
    equal("stopped", result["status"], "status")
    check(max(s["slices"] for s in work(answer)) == 4, "slices: %s" % work(answer))
    check(any(d["lcores"] == 2 for d in answer["decisions"]), "it did not use the second lcore")
    check(all(not d["outcome"].startswith("failed") for d in answer["decisions"]), json.dumps(answer)[:3000])
    equal({"rescale"}, {a["kind"] for a in actions} - {"rebalance"}, "actions")
    check(all(a["state"] != "failed" and "as the load wants" in a["what"] for a in actions), str(actions))
    grown = sums_of(folder)
    rows = operator(result, "rows")["rows_out"]
    equal(rows, operator(result, "sums")["rows_in"], "rows that were counted")
    with start(folder, words=["--elastic", "off"], ROWS=str(rows), RATE="10000000", MORE="10000000",
               TIME="0s", SLICES="1", **slow) as job:
        equal("complete", job.end()["status"], "status of the quiet run")
    check(grown == sums_of(folder), "the sums differ from those of a quiet run")


def test_slices_dry(folder):
    """a dry run says how many slices there would be; frozen nothing is changed; by hand stays by hand"""
    with start(folder, file="elastic_slices.yaml", UP="1ms", DOWN="60s", DRY="true") as job:
        answer = until(job, folder, "nothing would be changed", lambda a: decisions(a, "rescaling"))
        status = lodectl(folder, "status")
        job.interrupt()
        job.end()
    check(decisions(answer, "rescaling")[0]["scale"][0]["planned"], str(answer)[:2000])
    equal("", decisions(answer, "rescaling")[0]["outcome"], "what came of it")
    equal(1, len([s for s in status["slices"] if s["operator"] == "work"]), "slices that work")
    with start(folder, file="elastic_slices.yaml", UP="30s", DOWN="60s", RATE="500") as job:
        until(job, folder, "it does not answer", lambda a: a["decisions"])
        lodectl(folder, "rescale", "work", "3")
        answer = until(job, folder, "it is not known as done by hand", lambda a: a["scaled_by_hand"] == 1)
        check(not decisions(answer, "rescaling"), str(answer)[:2000])
        lodectl(folder, "unfreeze")
        until(job, folder, "it is not merged",
              lambda a: a["scaled_by_hand"] == 0 and decisions(a, "rescaling"))
        job.interrupt()
        job.end()


def busiest(folder):
    """The share that the busiest slice of sums has of the next rows."""
    def rows():
        return [s["rows_in"] for s in lodectl(folder, "stats", "--operator", "sums")["slices"]]

    before, give_up = rows(), time.monotonic() + GIVE_UP_S
    while True:
        came = [behind - rows_before for behind, rows_before in zip(rows(), before)]
        if sum(came) >= 20000:
            return max(came) / sum(came)
        check(time.monotonic() < give_up, "rows do not come: %s" % came)


def test_skew(folder):
    """slots of hot keys go to other slices of as many; the sums are those of a quiet run"""
    words = ["--elastic", "off"]
    with start(folder, words=words, file="skew.yaml", RATE="50000") as job:
        until(job, folder, "it does not answer", lambda a: True)
        was = busiest(folder)
        planned = lodectl(folder, "rebalance", "sums", "--dry-run")
        check(" slots go: the busiest of 4 slices had" in planned["reason"], str(planned))
        check(busiest(folder) > 0.95 * was, "a dry run changed something")
        action = lodectl(folder, "rebalance", "sums")
        check("slots go" in action["reason"] and "behind epoch" in action["reason"], str(action))
        check(busiest(folder) < 0.95 * was, "the busiest slice has %.2f of the rows" % was)
        # What it goes by is a sample: it may find a little more, but comes to an end.
        again = [lodectl(folder, "rebalance", "sums")["reason"] for _ in range(8)]
        check(any("no slot that went would gain" in reason for reason in again), str(again))
        job.interrupt()
        result = job.end()
    sums, rows = sums_of(folder), operator(result, "rows")["rows_out"]
    equal(rows, operator(result, "sums")["rows_in"], "rows that were counted")
    with start(folder, words=words, file="skew.yaml", RATE="0", ROWS=str(rows)) as job:
        equal("complete", job.end()["status"], "status of the quiet run")
    check(sums == sums_of(folder), "the sums differ from those of a quiet run")


def test_dry(folder):
    """a dry run says what it would do, and moves nothing"""
    with start(folder, DRY="true", RATE="1000", MORE="1000", ROWS="6000") as job:
        answer = until(job, folder, "nothing would be given back", lambda a: decisions(a, "giving"))
        status = lodectl(folder, "status")
        job.end()
    check(answer["dry_run"], "it says that it is dry")
    check(decisions(answer, "giving")[0]["moves"], "it would move something")
    check(all(m["result"] is None for d in answer["decisions"] for m in d["moves"]), "it moved something")
    equal({0, 1}, {place["lcore"] for place in status["slices"]}, "lcores")
    rows_are_whole(folder, 6000)


def test_freeze(folder):
    """frozen it looks on; unfreeze lets it go on"""
    with start(folder, UP="4s", DOWN="60s") as job:
        until(job, folder, "it does not answer", lambda a: a["decisions"])
        equal({"frozen": True}, lodectl(folder, "freeze"), "the answer")
        lcores = lodectl(folder, "elastic")["lcores"]
        answer = until(job, folder, "it is not overloaded",
                       lambda a: a["frozen"] and a["decisions"][0]["verdict"] == "frozen" and
                       a["decisions"][0]["busiest"] > 0.9 and a["decisions"][0]["looks"] > 10)
        equal(lcores, answer["lcores"], "lcores while it is frozen")
        equal({"frozen": False}, lodectl(folder, "unfreeze"), "the answer")
        until(job, folder, "it does not go on", lambda a: not a["frozen"] and a["lcores"] == 2)
        job.interrupt()
        result = job.end()
    equal("stopped", result["status"], "status")


def test_off(folder):
    """--elastic off: all lcores from the start, nothing to freeze"""
    with start(folder, words=["--elastic", "off"], RATE="1000", MORE="1000", ROWS="3000") as job:
        answer = until(job, folder, "it does not answer", lambda a: True)
        done = subprocess.run([sys.executable, LODECTL, "--socket", os.path.join(folder, "socket"), "freeze"],
                              capture_output=True, text=True, timeout=30, check=False)
        job.end()
    equal("off", answer["policy"], "policy")
    equal(1, done.returncode, "status of freeze")
    check("moves no slices by itself" in done.stderr, done.stderr)


def test_plan(folder):
    """plan shows the rules, and all slices on the first lcore"""
    words = ["plan", topology("elastic.yaml"), "--json"]
    plan = one_object(lodemill(words, eal=EAL, sets=sets(folder)).stdout)
    equal({0}, {s["lcore"] for s in plan["slices"]}, "lcores")
    equal(["model", 1, 2, 0.85], [plan["elastic"][k] for k in ("policy", "lcores_min", "lcores_max", "high")],
          "rules")
    plan = one_object(lodemill(words + ["--elastic", "off"], eal=EAL, sets=sets(folder)).stdout)
    equal({0, 1}, {s["lcore"] for s in plan["slices"]}, "lcores without elasticity")
    done = lodemill(words + ["--elastic", "modle"], eal=EAL, sets=sets(folder), code=2)
    check("model" in done.stderr, done.stderr)


def test_given(folder):
    """a policy given on the command line goes before that of a file which is applied, too"""
    with start(folder, words=["--elastic", "off"]) as job:
        until(job, folder, "it does not answer", lambda a: True)
        same = lodectl(folder, "apply", topology("elastic.yaml"))
        equal("nothing differs", same["reason"], "the same file")
        job.interrupt()
        job.end()


if __name__ == "__main__":
    LONGER = [test_threshold] if LONG else []  # else the simulator has that policy
    sys.exit(tap(named([test_plan, test_given, test_model, *LONGER, test_slices, test_slices_dry, test_skew,
                        test_dry, test_freeze, test_off])))
