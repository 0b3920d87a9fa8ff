#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""New code in running jobs: what is bad is refused by the rehearsal, or watched and taken back; no row is
lost by it.

Prints TAP. Environment: see harness.py.
"""

import os
import re
import sys
import time

from harness import BUILD, SECONDS, check, equal, named, operator, rows_of, tap, until
from test_change import Changing, counted, done, failed, finish, sums, undisturbed
from test_control import answers, guarded, lodectl
from test_versions import Updating, build, job_file, more_rows, switches, written
from test_versions import finish as finish_versions

sys.dont_write_bytecode = True

JOB = """name: changing
settings: {epoch: 50ms, seed: 7}
state: {folder: "${state:-none}"}
%(plugins)soperators:
  rows: {type: generator, rows: "${rows:-0}", rate: "${rate:-50k}",
         fields: {key: u64 = uniform 0 4999, value: i64 = uniform -1000 1000}}
%(stage)s  sums: {type: aggregate, input: %(input)s by key, by: key, count: rows, sum: {total: value},
         min: {low: value}, emit: end, keys: 20000, slices: 2}
  out:  {type: file_sink, input: sums to one, path: "${out}/sums.csv"}
"""


def plugin(variant="fine"):
    return os.path.join(BUILD, "tests", "stage_%s.so" % variant)


def staged(folder, name, variant="fine", **params):
    """A topology file of the job with a stage of these parameters; variant None: without one."""
    path = os.path.join(folder, name)
    words = "".join(", %s: %s" % pair for pair in params.items())
    with open(path, "w", encoding="utf-8") as file:
        file.write(JOB % {
            "plugins": "plugins: [%s]\n" % plugin(variant) if variant else "",
            "stage": "  stage: {type: stage, input: rows%s}\n" % words if variant else "",
            "input": "stage" if variant else "rows"})
    return path


def updating(folder, variant="fine", number=0, words=(), sets=None):
    """The job, running."""
    file = staged(folder, "job%d.yaml" % number, variant)
    return Changing(folder, os.path.basename(file), number, words, sets)


ORDER = ["proposed", "loaded", "rehearsed", "aligning", "converting", "soak", "committed", "rolling back",
         "rolled back"]


def phases(client, **params):
    """Applies, and looks all along: the phases that were seen, in their order, and the action at its end."""
    action = client.call("apply", params)["action"]
    seen = [action["phase"]]
    give_up = time.monotonic() + SECONDS
    while action["state"] in ("queued", "running"):
        check(time.monotonic() < give_up, "no end: %s" % action)
        time.sleep(0.002)
        action = next(a for a in client.actions()["actions"] if a["id"] == action["id"])
        if action["phase"] != seen[-1]:
            seen.append(action["phase"])
    equal(sorted(seen, key=ORDER.index), seen, "phases")
    return seen, action


def goes_on(client):
    rows = client.stats("rows")["rows"]
    until(lambda: client.stats("rows")["rows"] > rows, "the job goes on")


def wait_for_phase(client, phase):
    until(lambda: (client.status()["action"] or {}).get("phase") == phase, phase)


def test_rehearsal(folder):
    """code that crashes, ends the process, hangs or fails when it is loaded or opened: no job meets it"""
    with updating(folder, None) as job, job.client() as client:
        before = client.status()["operators"]

        def bad(says, variant="fine", deadline_ms=60000, **params):
            file = staged(folder, "bad.yaml", variant, **params)
            action = client.finish("apply", file=file, deadline_ms=deadline_ms)
            failed(action, says)
            check(action["phase"] in ("proposed", "loaded"), str(action))
            equal(before, client.status()["operators"], "operators")

        bad("ended by SIGABRT (Aborted) while loading", "crash")
        bad("failed while loading", "leave")
        bad("is of ABI 2.0", "abi")
        bad("nobody_has_this", "unresolved")
        # By SIGSEGV, or by the sanitizer that sees it come.
        bad("while opening stage", opened="crash")
        bad("failed while opening stage", opened="leave")
        bad("it does not like this machine", opened="fail")
        bad("not through within 3.0 s: it was opening stage", opened="hang", deadline_ms=6000)
        bad("bad.yaml:8:", opened="badly")
        # What was asked for comes to its end at its deadline, and nothing is left of it.
        failed(client.finish("apply", file=staged(folder, "bad.yaml", opened="hang"), deadline_ms=300),
               "within")
        goes_on(client)
        seen, action = phases(client, file=staged(folder, "good.yaml"), rehearse="always")
        done(action)
        equal("committed", seen[-1], "phase")
        failed(client.finish("apply", file=job.first, rehearse="perhaps"), "always or never")
        finish(job, client, folder)


def test_plan(folder):
    """what would change is told behind a rehearsal, too"""
    with updating(folder, None) as job, job.client() as client:
        said = lodectl(["--socket", job.path, "plan", "--diff", staged(folder, "bad.yaml", "crash")], 1)
        check("SIGABRT" in said.stdout, said.stdout)
        said = lodectl(["--socket", job.path, "plan", "--diff", staged(folder, "good.yaml")])
        check("stage: added" in said.stdout, said.stdout)
        finish(job, client, folder)


def test_soak(folder):
    """what runs is watched: slower code, errors and lost rows are taken back; what is as good stays"""
    with updating(folder, sets={"rate": "200k"}) as job, job.client() as client:
        lost = 0

        def soaked(soak_ms, **params):
            return phases(client, file=staged(folder, "next.yaml", **params), soak_ms=soak_ms)

        # What it does so far is what new code is compared with.
        until(lambda: client.stats("stage")["operators"][0]["rows_in"] > 200000, "it has done much")
        seen, action = soaked(1000, after=1)
        done(action)
        check("soaked" in action["reason"], action["reason"])
        check(seen[-2:] == ["soak", "committed"], str(seen))
        for does, says in (("slow", "stage: a row takes"), ("errors", "errors in"),
                           ("drops", "dropped (lost)")):
            # Errors and drops end it early; what is slow is seen for sure at its end.
            seen, action = soaked(5000 if does == "slow" else 90000, does=does, after=200)
            failed(action, says)
            failed(action, "rolled back behind epoch")
            equal("rolled back", seen[-1], "phase")
            goes_on(client)
            action = done(client.finish("apply", file=staged(folder, "same.yaml", after=1)))
            equal("nothing differs", action["reason"], "after it was taken back")
        done(client.finish("drain", deadline_ms=90000))
        result = job.end()
        lost = sum(operator(result, "stage")["drops"].values())
        check(lost > 0, "no row was dropped")
        equal(operator(result, "rows")["rows_out"] - lost, counted(job.folder), "rows counted")


def test_way_back(folder):
    """where state would be lost for good there is no soak, unless irreversible: then what is bad stays"""
    with updating(folder) as job, job.client() as client:
        with open(job.first, encoding="utf-8") as file:
            good = file.read()
        fewer = os.path.join(folder, "fewer.yaml")
        with open(fewer, "w", encoding="utf-8") as file:
            file.write(good.replace("min: {low: value},", ""))
        failed(client.finish("apply", file=fewer, drop_state="sums", soak_ms=500), "--irreversible")
        equal("running", client.status()["state"], "state")
        with open(fewer, "w", encoding="utf-8") as file:
            file.write(good.replace("input: rows}", "input: rows, does: errors}"))
        action = client.finish("apply", file=fewer, soak_ms=90000, irreversible=True)
        failed(action, "it stays, as it is irreversible")
        equal("committed", action["phase"], str(action))
        equal("nothing differs", done(client.finish("apply", file=fewer))["reason"], "what runs")
        finish(job, client, folder)


def test_end(folder):
    """whoever ends the job does not wait for a soak: what was comes back first, and all rows are counted"""
    sets = {"state": os.path.join(folder, "state"), "out": os.path.join(folder, "out")}
    for life, how in enumerate(("stop", "interrupt", "drain")):
        with updating(folder, number=life, sets=sets) as job, job.client() as client, \
                job.client() as other:
            next_file = staged(folder, "next%d.yaml" % life, after=1)
            client.call("apply", {"file": next_file, "soak_ms": 600000})
            wait_for_phase(other, "soak")
            durable = other.status()["snapshots"]["durable"]
            time.sleep(0.3)
            equal(durable, other.status()["snapshots"]["durable"], "snapshots while it soaks")
            if how == "interrupt":
                job.interrupt()
                equal("stopped", job.end()["status"], "status")
                check("without a last snapshot" not in job.said(), job.said()[-1000:])
                continue
            done(client.finish(how, deadline_ms=90000))
            job.end()
    equal(undisturbed(folder, counted(sets["out"])), sums(sets["out"]), "sums")


def busy(client, name):
    """Until the operator has worked long enough that what comes behind it can be compared with it."""
    until(lambda: sum(s["busy_ns"] for s in client.stats(name)["slices"]) >= 10**8, "it works")


def test_state(folder):
    """slower code takes state over and is taken back with it: each key's rows stay whole and in order"""
    with Updating(folder, rate="1M") as job, job.client() as client:
        busy(client, "counts")
        build(folder, "slow")
        action = client.finish("apply", file=job_file(folder), soak_ms=5000)
        failed(action, "counts: a row takes")
        equal("rolled back", action["phase"], str(action))
        build(folder, 1)
        equal("nothing differs", done(client.finish("apply", file=job_file(folder)))["reason"], "what runs")
        build(folder, 2)
        seen, action = phases(client, file=job_file(folder), soak_ms=1000)
        done(action)
        equal("committed", seen[-1], "phase")
        more_rows(client)
        finish_versions(job, client, [1, 2, 1, 2])


def test_conversion(folder):
    """state of another version: converted, soaked, committed; what fails at a slot is taken back, whole"""
    with Updating(folder) as job, job.client() as client:
        more_rows(client)
        build(folder, 5)
        said = lodectl(["--socket", job.path, "plan", "--diff", job_file(folder)]).stdout
        check("state converts from 0 to 2" in said, said)
        seen, action = phases(client, file=job_file(folder), soak_ms=300)
        done(action)
        equal("committed", seen[-1], "phase")
        more_rows(client)
        build(folder, 1)
        done(client.finish("apply", file=job_file(folder), soak_ms=300))
        more_rows(client)
        for slices in 2, 5, 1:
            build(folder, 6)
            action = client.finish("apply", file=written(folder, slices, "bad.yaml"), rehearse="never")
            failed(action, "could not convert its state: slot 3: it is told not to")
            equal("rolled back", action["phase"], str(action))
            equal(2, {op["name"]: op["slices"] for op in client.status()["operators"]}["counts"], "slices")
            build(folder, 1)
            action = done(client.finish("apply", file=job_file(folder)))
            equal("nothing differs", action["reason"], "what runs")
            more_rows(client)
        # Irreversible it stays as it is; going back is another action then.
        build(folder, 6)
        action = client.finish("apply", file=job_file(folder), rehearse="never", irreversible=True)
        failed(action, "it stays, as it is irreversible")
        equal("committed", action["phase"], str(action))
        build(folder, 1)
        done(client.finish("apply", file=job_file(folder)))
        more_rows(client)
        done(client.finish("drain", deadline_ms=90000))
        result = job.end()
        rows = operator(result, "rows")["rows_out"]
        refused = operator(result, "counts")["drops"].get("refused", 0)
        _, counted = switches(job.folder, [1, 5, 1, 6, 1, 6, 1, 6, 1, 6, 1])
        # What was refused while a slot could not be converted is all that is missing, and counted.
        equal(rows - refused, counted, "rows that came out")
        print("# %d of %d rows were refused" % (refused, rows))


def test_rehearsed_state(folder):
    """what is in the newest snapshot is converted and looked at in the rehearsal, before any row is met"""
    sets = {"state": os.path.join(folder, "state")}
    with Updating(folder, sets=sets) as job, job.client() as client:
        more_rows(client)
        done(client.finish("snapshot"))
        before = client.status()["operators"]
        slot = "converting counts: counts/0 could not convert its state: slot 3: it is told not to"
        for number, says in ((6, slot), (4, "keeps its state in another form"),
                             ("wrong", "checking counts: counts/0 finds its state wrong: the double"),
                             ("convert_crash", "by SIGABRT (Aborted) while converting counts")):
            build(folder, number)
            for slices in 2, 5, 1:
                action = client.finish("apply", file=written(folder, slices, "bad.yaml"))
                failed(action, says)
                check(action["phase"] in ("proposed", "loaded"), str(action))
                equal(before, client.status()["operators"], "operators")
        build(folder, "convert_hang")
        action = client.finish("apply", file=written(folder, 3, "bad.yaml"), deadline_ms=8000)
        failed(action, "not through within 4.0 s: it was converting counts")
        goes_on(client)
        build(folder, 2)
        action = done(client.finish("apply", file=written(folder, 3, "more.yaml")))
        tried = r"rehearsed: 2 operators opened, with [0-9.]+ .iB of epoch \d+"
        check(re.search(tried + ";", action["reason"]), str(action))
        done(client.finish("snapshot"))
        more_rows(client)
        build(folder, 6)
        failed(client.finish("apply", file=written(folder, 1, "fewer.yaml")), slot)
        build(folder, 5)
        said = lodectl(["--socket", job.path, "apply", written(folder, 1, "fewer.yaml")]).stdout
        slots = r", [1-9]\d* slots converted in [0-9.]+ .s, one in at most [0-9.]+ .s, checked;"
        check(re.search(tried + slots, said), said)
        more_rows(client)
        finish_versions(job, client, [1, 2, 5])


def test_check(folder):
    """while it soaks new code looks at its own state: what it finds wrong is taken back, no row is lost"""
    with Updating(folder) as job, job.client() as client:
        for slices in 2, 5:
            more_rows(client)
            build(folder, "worn")
            seen, action = phases(client, file=written(folder, slices, "next.yaml"), soak_ms=600000)
            failed(action, "finds its state wrong: it is worn")
            failed(action, "rolled back behind epoch")
            equal("rolled back", seen[-1], "phase")
            equal(2, {op["name"]: op["slices"] for op in client.status()["operators"]}["counts"], "slices")
            build(folder, 1)
            action = done(client.finish("apply", file=job_file(folder)))
            equal("nothing differs", action["reason"], "what runs")
        more_rows(client)
        build(folder, "worn")
        action = client.finish("apply", file=job_file(folder), soak_ms=600000, irreversible=True)
        failed(action, "finds its state wrong: it is worn; it stays, as it is irreversible")
        build(folder, 1)
        done(client.finish("apply", file=job_file(folder)))
        more_rows(client)
        build(folder, 5)
        action = done(client.finish("apply", file=written(folder, 3, "next.yaml"), soak_ms=300))
        check(re.search(r"soaked, state checked [1-9]\d* times$", action["reason"]), action["reason"])
        more_rows(client)
        finish_versions(job, client, [1, 5, 1, 5, 1, 5, 1, 5])


def committed(folder):
    """Rows of all files that a committing sink has made visible, in the order of the files."""
    numbered = {int(re.search(r"-(\d+)\.csv$", name).group(1)): name for name in os.listdir(folder)
                if re.fullmatch(r"rows-\d+\.csv", name)}
    return [row for _, name in sorted(numbered.items()) for row in rows_of(os.path.join(folder, name))]


def only_version_1(job):
    """Over both lives version 1 alone has committed rows, each of them once; the job has drained."""
    rows = operator(job.end(), "counts")["rows_in"]
    seen = {}
    for row in committed(job.folder):
        equal(1, int(row["version"]), "version of a row that was seen")
        equal(seen.get(row["key"], 0) + 1, int(row["seen"]), "row of key %s" % row["key"])
        seen[row["key"]] = int(row["seen"])
    check(sum(seen.values()) > rows > 0, "%d rows, %d in the last life" % (sum(seen.values()), rows))


def crash_in(phase, job, bad, **how):
    """Has bad.so crash once its change has come to this phase, and looks at what comes back then."""
    with job.client() as client:
        pid = client.status()["pid"]
        client.call("apply", {"file": bad, "soak_ms": 600000, **how})
        wait_for_phase(client, phase)
        with open(os.environ["COUNTING_CRASH_WHEN"], "w", encoding="utf-8"):
            pass
    job.wait_for("SIGABRT")
    until(lambda: answers(job.path), "it comes back")
    with job.client() as client:
        check(client.status()["pid"] != pid, "it is the same process")
        action = client.actions()["actions"][0]
        failed(action, "broke off while it was under way")
        equal(phase, action["phase"], "how far it was")


def test_crash(folder):
    """code crashes while it soaks: under --supervise what was goes on; a committing sink has each row once"""
    def to_commit(text):
        return text.replace('path: "${out}/rows.csv"', 'mode: committed, path: "${out}/rows.csv"')

    sets = {"state": os.path.join(folder, "state")}
    os.environ["COUNTING_CRASH_WHEN"] = os.path.join(folder, "crash")
    with Updating(folder, sets=sets, words=("--supervise",), rate="50k", change=to_commit) as job:
        build(folder, "crash", "bad.so")
        bad = written(folder, 2, "bad.yaml", "50k",
                      lambda text: to_commit(text).replace("./code.so", "./bad.so"))
        with job.client() as client:
            done(client.finish("snapshot"))
        crash_in("soak", job, bad)
        with job.client() as client:
            more_rows(client)
            done(client.finish("drain", deadline_ms=90000))
        only_version_1(job)


def main():
    points = test_rehearsal, test_plan, test_soak, test_way_back, test_end, test_state, test_conversion, \
        test_rehearsed_state, test_check, test_crash
    return tap(named([guarded(f) for f in points]))


if __name__ == "__main__":
    sys.exit(main())
