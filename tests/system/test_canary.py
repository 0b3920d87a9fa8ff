#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The canary of an update: a share of the keys has the new code first. What is good comes to all of them,
what is bad is seen on the share alone, and goes back with its state; no row is lost by either.

Prints TAP. Environment: see harness.py.
"""

import os
import sys

from harness import check, columns_of, equal, named, operator, tap, until
from test_change import done, failed
from test_control import guarded, lodectl
from test_update import busy, crash_in, only_version_1, wait_for_phase
from test_versions import Updating, build, job_file, more_rows, switches, written

sys.dont_write_bytecode = True

SLICES = 2


def counting_alone(text):
    """The job without the operator that is not keyed."""
    return "".join(line + "\n" for line in text.splitlines() if "totals" not in line)


class Trying(Updating):
    """The job, with version 1; all its rows have keys."""

    def __init__(self, folder, change=lambda text: text, **more):
        super().__init__(folder, slices=SLICES, change=lambda text: change(counting_alone(text)), **more)


def slices_of(client):
    return {op["name"]: op["slices"] for op in client.status()["operators"]}["counts"]


def versions_of(client):
    return [s["version"] for s in client.stats("counts")["slices"]]


def tried(client, **params):
    """Applies what is good: a share of the keys had it first."""
    action = done(client.finish("apply", **params))
    check("by a canary" in action["reason"], str(action))
    equal("committed", action["phase"], str(action))
    return action


def finish(job, client, versions):
    """Ends the job: every row came out once, and each key met these versions, or some of them. Returns the
    versions that each key met."""
    if client is not None:
        done(client.finish("drain", deadline_ms=90000))
    result = job.end()
    rows = operator(result, "rows")["rows_out"]
    counts = operator(result, "counts")
    equal(rows, counts["rows_in"], "rows of counts, over all versions")
    _, counted = switches(job.folder, versions)
    equal(rows - sum(counts["drops"].values()), counted, "rows that came out")
    met = {}
    for key, version in columns_of(os.path.join(job.folder, "rows.csv"), "key", "version"):
        if version not in met.setdefault(key, [])[-1:]:
            met[key].append(version)
    return {key: [int(version) for version in versions] for key, versions in met.items()}


def shares(met, tried, percent):
    """Only some keys met what was taken back, about as many as the share says."""
    some = sum(1 for versions in met.values() if tried in versions)
    equal(1000, len(met), "keys")
    check(0 < some < 1000 * percent / 100 * 2 + 30, "%d of 1000 keys met it, not %d %%" % (some, percent))
    return some


def test_good(folder):
    """what is good goes from a share of the keys to all of them, and each key changes over once"""
    with Trying(folder) as job, job.client() as client:
        more_rows(client)
        build(folder, 2)
        action = tried(client, file=job_file(folder), soak_ms=1000, canary=10)
        check("version was 1.0, is 1.1" in action["reason"] and "soaked" in action["reason"], str(action))
        equal((SLICES, ["1.1"] * SLICES), (slices_of(client), versions_of(client)), "what runs")
        until(lambda: client.status()["plugins"] == {"loaded": 1, "retired": 0}, "the old code is unloaded")
        equal("nothing differs", done(client.finish("apply", file=job_file(folder)))["reason"], "again")
        more_rows(client)
        said = lodectl(["--socket", job.path, "apply", job_file(folder), "--canary", "5%"], 1).stdout
        check("say for how long with --soak" in said, said)
        build(folder, 3)
        more = written(folder, 5, "more.yaml", change=counting_alone)
        tried(client, file=more, soak_ms=500, canary=99)
        equal(5, slices_of(client), "slices")
        more_rows(client)
        met = finish(job, client, [1, 2, 3])
        equal(1000, sum(1 for versions in met.values() if versions == [1, 2, 3]), "keys that met all")


def test_slow(folder):
    """what is slower is seen on a share of the keys alone, and goes back"""
    with Trying(folder, rate="1M") as job, job.client() as client:
        busy(client, "counts")
        build(folder, "slow")
        action = client.finish("apply", file=job_file(folder), soak_ms=5000, canary=10)
        failed(action, "counts: a row takes")
        failed(action, "rolled back behind epoch")
        equal((SLICES, ["1.0"] * SLICES), (slices_of(client), versions_of(client)), "what runs")
        build(folder, 1)
        equal("nothing differs", done(client.finish("apply", file=job_file(folder)))["reason"], "what runs")
        more_rows(client)
        some = shares(finish(job, client, [1, 2, 1]), 2, 10)
        print("# %d of 1000 keys met it" % some)


def test_conversion(folder):
    """state of another version goes with the share, and back, in both directions"""
    with Trying(folder) as job, job.client() as client:
        more_rows(client)
        for number in 5, 1, 5:
            build(folder, number)
            tried(client, file=job_file(folder), soak_ms=300, canary=30)
            equal(SLICES, slices_of(client), "slices")
            more_rows(client)
        # Taken back while it is tried.
        build(folder, 1)
        client.call("apply", {"file": job_file(folder), "soak_ms": 600000, "canary": 30})
        wait_for_phase(client, "canary")
        more_rows(client)
        met = finish(job, client, [1, 5, 1, 5, 1, 5])
        check(any(versions == [1, 5, 1, 5, 1, 5] for versions in met.values()), "no key was tried")
        check(any(versions == [1, 5, 1, 5] for versions in met.values()), "all keys were tried")


def test_conversion_fails(folder):
    """a slot that cannot be converted: on the share it takes that back, else all; nothing of it is lost"""
    with Trying(folder) as job, job.client() as client:
        more_rows(client)
        # Slot 3 is one of those that are tried, or is not.
        for percent in 50, 5:
            build(folder, 6)
            action = client.finish("apply", file=job_file(folder), soak_ms=300, canary=percent,
                                   rehearse="never")
            failed(action, "slot 3: it is told not to")
            equal("rolled back", action["phase"], str(action))
            equal((SLICES, ["1.0"] * SLICES), (slices_of(client), versions_of(client)), "what runs")
            more_rows(client)
        finish(job, client, [1, 6, 1, 6, 1])


def test_refusals(folder):
    """what cannot be tried by slots is refused, with the operator and what to do"""
    with Updating(folder) as job, job.client() as client:
        more_rows(client)

        def refused(says, **params):
            params = {"file": job_file(folder), "soak_ms": 500, "canary": 5, **params}
            failed(client.finish("apply", **params), says)

        build(folder, 2)
        refused("operators.totals: it cannot be tried on some of its keys: its rows do not come by key")
        refused("say for how long with --soak", soak_ms=0)
        refused("it cannot be irreversible", irreversible=True)
        build(folder, 1)
        done(client.finish("apply", file=job_file(folder), soak_ms=500, canary=5))
        refused("no operator has other code", file=written(folder, 3, "more.yaml"))
        build(folder, 2)
        refused("its state is given up", drop_state="totals,counts")
        equal(SLICES, slices_of(client), "slices")
        switches_of = finish(job, client, [1])
        equal(1000, len(switches_of), "keys")


def test_end(folder):
    """whoever ends the job does not wait for a canary; where the input ends, all its rows are counted"""
    with Trying(folder) as job, job.client() as client, job.client() as other:
        more_rows(client)
        build(folder, 2)
        client.call("apply", {"file": job_file(folder), "soak_ms": 600000, "canary": 20})
        wait_for_phase(other, "canary")
        equal(["1.0"] * SLICES + ["1.1"], versions_of(other), "versions while it is tried")
        said = lodectl(["--socket", job.path, "status"]).stdout
        check("canary 20 %, canary, for" in said, said)
        check("1.1" in lodectl(["--socket", job.path, "stats"]).stdout, "lodectl stats")
        more_rows(other)
        met = finish(job, client, [1, 2, 1])
        check(shares(met, 2, 20) > 0, "none was tried")

    def few(text):
        return text.replace("rate: 100k,", "rate: 100k, rows: 300000,")

    with Trying(folder, number=1, rate="100k", change=few) as job:
        with job.client() as client:
            build(folder, 2)
            file = written(folder, SLICES, "job.yaml", "100k", lambda text: few(counting_alone(text)))
            client.call("apply", {"file": file, "soak_ms": 600000, "canary": 20})
            wait_for_phase(client, "canary")
        result = job.end()
        equal("complete", result["status"], "status")
        equal(300000, operator(result, "counts")["rows_out"], "rows")
        switches(job.folder, [1, 2])


def test_crash(folder):
    """code crashes while it is tried: under --supervise what was goes on; files have each row once"""
    def to_commit(text):
        return counting_alone(text).replace("path: \"${out}/rows.csv\"",
                                            "mode: committed, path: \"${out}/rows.csv\"")

    sets = {"state": os.path.join(folder, "state")}
    os.environ["COUNTING_CRASH_WHEN"] = os.path.join(folder, "crash")
    with Trying(folder, sets=sets, words=("--supervise",), rate="50k", change=to_commit) as job:
        build(folder, "crash", "bad.so")
        bad = written(folder, SLICES, "bad.yaml", "50k",
                      lambda text: to_commit(text).replace("./code.so", "./bad.so"))
        with job.client() as client:
            done(client.finish("snapshot"))
        crash_in("canary", job, bad, canary=10)
        with job.client() as client:
            equal((SLICES, ["1.0"] * SLICES), (slices_of(client), versions_of(client)), "what runs")
            more_rows(client)
            done(client.finish("drain", deadline_ms=90000))
        only_version_1(job)


def main():
    points = test_good, test_slow, test_conversion, test_conversion_fails, test_refusals, test_end, test_crash
    return tap(named([guarded(f) for f in points]))


if __name__ == "__main__":
    sys.exit(main())
