#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Running jobs get other code: a plugin is built anew where it stands, and applied. Each row meets one
version, each key changes over once, and what an operator has counted goes on under the new code.

Prints TAP. Environment: see harness.py.
"""

import filecmp
import os
import shutil
import signal
import sys
import time

from harness import (BUILD, LONG, Skip, check, columns_of, equal, lodemill, named, operator, rows_of,
                     tap, until)
from test_change import EAL, done, failed
from test_control import Job, guarded, lodectl

sys.dont_write_bytecode = True

JOB = """name: versions
plugins: [./code.so]
settings: {epoch: 50ms, seed: 7}
state: {folder: "${state:-none}"}
operators:
  rows: {type: generator, rate: %s, fields: {key: u64 = uniform 0 999, value: i64 = uniform -1000 1000}}
  counts: {type: counting, input: rows by key, by: key, slices: %d}
  out: {type: file_sink, input: counts to one, path: "${out}/rows.csv"}
  totals: {type: totals, input: rows to one}
  said: {type: file_sink, input: totals, path: "${out}/totals.csv"}
"""
PASS = "  pass: {type: filter, input: rows, where: value > -5000}\n"


def job_file(folder):
    return os.path.join(folder, "job.yaml")


def build(folder, number, name="code.so"):
    """Where the job finds its plugin there is version `number`, written over what was there."""
    built = os.path.join(BUILD, "tests", "counting_%s.so" % number)
    if not os.path.exists(built):
        raise Skip("the plugins of the tests are not built")
    shutil.copyfile(built, os.path.join(folder, name))


def written(folder, slices=2, name="job.yaml", rate="50k", change=lambda text: text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(change(JOB % (rate, slices)))
    return path


class Updating(Job):
    """The job, with version 1 of its plugin; None: with what is there."""

    def __init__(self, folder, number=0, sets=None, slices=2, words=(), version=1, **more):
        if version is not None:
            build(folder, version)
        self.folder = os.path.join(folder, "out%d" % number)
        os.makedirs(self.folder, exist_ok=True)
        super().__init__(folder, words, {"out": self.folder, **(sets or {})}, written(folder, slices, **more),
                         number, EAL)


def switches(folder, versions):
    """Of each key the rows 1, 2, 3, … came, each once and in order, and the versions one behind the
    other. Returns how many keys saw all of them."""
    seen, version, met = {}, {}, {}
    for key, now, number in columns_of(os.path.join(folder, "rows.csv"), "key", "version", "seen"):
        seen[key] = seen.get(key, 0) + 1
        if seen[key] != int(number):
            equal(seen[key], int(number), "row of key %s" % key)
        if version.get(key) != now:
            met.setdefault(key, []).append(int(now))
            version[key] = now
    for key, versions_met in met.items():
        place = 0
        for one in versions_met:
            check(one in versions[place:], "key %s saw %s" % (key, versions_met))
            place += versions[place:].index(one) + 1
    return sum(1 for versions_met in met.values() if versions_met == versions), sum(seen.values())


def finish(job, client, versions, rows_before=0):
    done(client.finish("drain", deadline_ms=90000))
    result = job.end()
    equal("stopped", result["status"], "status")
    rows = operator(result, "rows")["rows_out"]
    equal(rows, operator(result, "counts")["rows_in"], "rows of counts, over all versions")
    equal(rows, operator(result, "counts")["rows_out"], "rows out of counts")
    whole, counted = switches(job.folder, versions)
    equal(rows + rows_before, counted, "rows that came out")
    equal(1000, whole, "keys that saw all versions")
    totals = rows_of(os.path.join(job.folder, "totals.csv"))
    equal(1, len(totals), "lines of totals")
    for name in "in_value", "in_text", "in_map":
        equal(rows + rows_before, int(totals[0][name]), "totals, " + name)
    equal(versions[-1], int(totals[0]["version"]), "version of totals")
    check(int(totals[0]["timer"]) > 0, "a timer that version 1 started: %s" % totals[0]["timer"])
    return rows


def counted(client):
    return {op["name"]: op["rows_in"] for op in client.stats()["operators"]}["counts"]


def more_rows(client, rows=20000):
    """So many that all keys come."""
    wanted = counted(client) + rows
    until(lambda: counted(client) >= wanted, "rows come")


def test_update(folder):
    """a plugin is built anew at the same path and applied under load: each key has one switch point"""
    with Updating(folder) as job, job.client() as client:
        more_rows(client)
        equal("nothing differs", done(client.finish("apply", file=job_file(folder)))["reason"], "at first")
        build(folder, 2)
        said = lodectl(["--socket", job.path, "plan", "--diff", job_file(folder)]).stdout
        check("counts: other code: version was 1.0, is 1.1, with its state" in said, said)
        check("totals: other code: version was 1.0, is 1.1, with its state" in said, said)
        check("3 kept" in said, said)
        before = counted(client)
        said = lodectl(["--socket", job.path, "apply", job_file(folder)]).stdout
        check("done" in said and "version was 1.0, is 1.1" in said, said)
        check(counted(client) >= before > 0, "counters began anew")
        equal("nothing differs", done(client.finish("apply", file=job_file(folder)))["reason"], "again")
        equal({"loaded": 1, "retired": 0}, client.status()["plugins"], "plugins: the old code is unloaded")
        check("plugins    1 loaded, 0 retired" in lodectl(["--socket", job.path, "status"]).stdout, "lodectl")
        more_rows(client)
        build(folder, 3)
        action = done(client.finish("apply", file=job_file(folder)))
        check("counts: other code: version 1.1, built anew, with" in action["reason"], action["reason"])
        check(action["pause_ns"] > 0, "state went from slice to slice")
        more_rows(client)
        rows = finish(job, client, [1, 2, 3])
        print("# two updates over %d rows" % rows)


def test_same_content(folder):
    """the same content elsewhere is the same code; a file that is gone or broken stops nothing"""
    with Updating(folder) as job, job.client() as client:
        os.makedirs(os.path.join(folder, "elsewhere"))
        build(os.path.join(folder, "elsewhere"), 1, "other.so")
        moved = written(folder, 2, "moved.yaml",
                        change=lambda text: text.replace("./code.so", "elsewhere/other.so"))
        equal("nothing differs", done(client.finish("apply", file=moved))["reason"], "elsewhere")
        with open(os.path.join(folder, "code.so"), "r+b") as file:
            file.truncate(5000)
        time.sleep(0.2)
        failed(client.finish("apply", file=job_file(folder)), "is cut off: it has 5000 bytes")
        os.unlink(os.path.join(folder, "code.so"))
        failed(client.finish("apply", file=job_file(folder)), "No such file")
        with open(os.path.join(folder, "code.so"), "wb") as file:
            file.write(b"\x7fELF" + bytes(4000))
        failed(client.finish("apply", file=job_file(folder)), "code.so")
        build(folder, 2)
        more_rows(client)
        done(client.finish("apply", file=job_file(folder)))
        more_rows(client)
        finish(job, client, [1, 2])


def test_with_more(folder):
    """other code comes together with another number of slices, and with another wire"""
    with Updating(folder) as job, job.client() as client:
        more_rows(client)
        build(folder, 2)
        action = done(client.finish("apply", file=written(folder, 5, "more.yaml")))
        check("counts: other code" in action["reason"], action["reason"])
        equal(5, {op["name"]: op["slices"] for op in client.status()["operators"]}["counts"], "slices")
        more_rows(client)
        build(folder, 1)
        done(client.finish("apply", file=written(folder, 1, "fewer.yaml")))
        more_rows(client)
        build(folder, 2)
        passing = written(folder, 3, "passing.yaml", change=lambda text: text.replace(
            "input: rows by key", "input: pass by key") + PASS)
        action = done(client.finish("apply", file=passing))
        check("pass: added" in action["reason"], action["reason"])
        more_rows(client)
        finish(job, client, [1, 2, 1, 2])


def test_refusals(folder):
    """code whose state would not fit is refused, and so are two plugins with one name; nothing is changed"""
    with Updating(folder) as job, job.client() as client:
        build(folder, 4)
        failed(client.finish("apply", file=job_file(folder)),
               "operators.counts: the other code keeps its state in another form")
        build(folder, 1)
        build(folder, 2, "second.so")
        both = written(folder, 2, "both.yaml", change=lambda text: text.replace(
            "[./code.so]", "[./code.so, ./second.so]"))
        failed(client.finish("apply", file=both), 'both have the operator type "counting"')
        build(folder, 2)
        other = written(folder, 2, "other.yaml", change=lambda text: text.replace(
            "input: rows by key, by: key", "input: rows by value, by: key"))
        failed(client.finish("apply", file=other), "keeps its state in another form")
        more_rows(client)
        # Given up by name, it begins anew.
        action = done(client.finish("apply", file=job_file(folder), drop_state="totals"))
        check("totals: other code: version was 1.0, is 1.1;" in action["reason"], action["reason"])
        more_rows(client)
        done(client.finish("drain", deadline_ms=90000))
        rows = operator(job.end(), "rows")["rows_out"]
        totals = rows_of(os.path.join(job.folder, "totals.csv"))[0]
        check(0 < int(totals["in_value"]) < rows, "%s of %d rows" % (totals["in_value"], rows))
        equal(switches(job.folder, [1, 2]), (1000, rows), "keys")


def test_conversion(folder):
    """state of another version is made into the new one's, and back, also with other numbers of slices"""
    with Updating(folder) as job, job.client() as client:
        more_rows(client)
        build(folder, 5)
        said = lodectl(["--socket", job.path, "plan", "--diff", job_file(folder)]).stdout
        check("counts: other code: version was 1.0, is 2.0, state converts from 0 to 2" in said, said)
        done(client.finish("apply", file=job_file(folder)))
        more_rows(client)
        build(folder, 1)
        done(client.finish("apply", file=written(folder, 4, "more.yaml")))
        more_rows(client)
        build(folder, 5)
        done(client.finish("apply", file=written(folder, 3, "fewer.yaml")))
        more_rows(client)
        done(client.finish("rescale", operator="counts", slices=5))
        more_rows(client)
        finish(job, client, [1, 5, 1, 5])


def test_conversion_fails(folder):
    """a slot that cannot be converted is there again, as it was, behind the way back"""
    with Updating(folder) as job, job.client() as client:
        more_rows(client)
        build(folder, 6)
        # Looked after, it goes back by itself.
        action = client.finish("apply", file=job_file(folder), soak_ms=60000)
        failed(action, "it is told not to")
        failed(action, "rolled back")
        more_rows(client)
        failed(client.finish("apply", file=job_file(folder)), "it is told not to")
        build(folder, 1)
        done(client.finish("apply", file=job_file(folder)))
        more_rows(client)
        done(client.finish("drain", deadline_ms=90000))
        result = job.end()
        counts = operator(result, "counts")
        equal(operator(result, "rows")["rows_out"], counts["rows_in"], "rows of counts")
        refused = counts["rows_in"] - counts["rows_out"]
        check(refused < counts["rows_in"] / 4, "%d rows refused" % refused)
        equal(1000, len(set(columns_of(os.path.join(job.folder, "rows.csv"), "key"))), "keys")
        switches(job.folder, [1, 6, 1, 6, 1])
        print("# %d rows refused until it went back" % refused)


def test_many(folder):
    """code changes to and fro under load, with a state folder; a crash goes on from the last snapshot"""
    updates = 500 if LONG else 20
    sets = {"state": os.path.join(folder, "state")}
    with Updating(folder, sets=sets) as job, job.client() as client:
        for number in range(updates):
            build(folder, 2 - number % 2)
            done(client.finish("apply", file=job_file(folder)))
            if number % 5 == 4:
                done(client.finish("snapshot"))
        job.process.send_signal(signal.SIGKILL)
        job.process.wait()
    with Updating(folder, 1, sets) as job, job.client() as client:
        more_rows(client)
        build(folder, 2)
        done(client.finish("apply", file=job_file(folder)))
        done(client.finish("drain", deadline_ms=90000))
        rows = operator(job.end(), "rows")["rows_out"]
        totals = rows_of(os.path.join(job.folder, "totals.csv"))[0]
        ways = {int(totals[name]) for name in ("in_value", "in_text", "in_map")}
        equal(1, len(ways), "ways to count: %s" % totals)
        check(ways.pop() > rows, "nothing is left of the life before: %s" % totals)
        seen = {}
        for key, number in columns_of(os.path.join(job.folder, "rows.csv"), "key", "seen"):
            check(seen.get(key, int(number) - 1) + 1 == int(number), "row of %s" % key)
            seen[key] = int(number)
        check(max(seen.values()) > rows / 1000, "no key goes on")


def copies(folder):
    """Names of the copies of plugins beside the snapshots."""
    return sorted(os.listdir(os.path.join(folder, "state", "plugins")))


def killed(job):
    job.process.send_signal(signal.SIGKILL)
    job.process.wait()


def kept(folder, version=None, **more):
    """The job again, where it was."""
    return Updating(folder, sets={"state": os.path.join(folder, "state")}, version=version, **more)


def differs(client, folder):
    """What would be other code if the file were applied as it is; that is not what runs, then."""
    return done(client.finish("apply", file=job_file(folder), dry_run=True))["reason"]


def test_code_is_kept(folder):
    """a start has the code that ran, whatever is at its path by then, and says so; the ways out lead there"""
    with kept(folder, 1) as job, job.client() as client:
        more_rows(client)
        done(client.finish("snapshot"))
        first = copies(folder)
        equal(1, len(first), "copies")
        killed(job)
    # Nobody has applied it.
    build(folder, 2)
    with kept(folder) as job, job.client() as client:
        check("code.so has other code by now: going on with the code that ran" in job.said(), job.said())
        check("version was 1.0, is 1.1" in differs(client, folder), "it is not the code that ran")
        done(client.finish("apply", file=job_file(folder)))
        done(client.finish("snapshot"))
        killed(job)
    os.unlink(os.path.join(folder, "code.so"))
    with kept(folder) as job, job.client() as client:
        check("code.so cannot be read any more: going on with the code that ran" in job.said(), job.said())
        more_rows(client)
        build(folder, 2)
        equal("nothing differs", differs(client, folder), "the code that was applied")
        killed(job)
    build(folder, 3)
    with kept(folder, words=["--fresh-topology"]) as job, job.client() as client:
        check("the code that ran" not in job.said(), job.said())
        equal("nothing differs", differs(client, folder), "--fresh-topology")
        killed(job)
    build(folder, 2)
    with kept(folder, slices=4) as job, job.client() as client:
        check("the code that ran" not in job.said(), job.said())
        equal("nothing differs", differs(client, folder), "a file that has changed")


def test_copies_go(folder):
    """a copy goes with the last snapshot that needs it, not before"""
    def keeping(text):
        return text.replace("state: {", "state: {keep: 64, ").replace("epoch: 50ms", "epoch: 20s")

    with kept(folder, 1, change=keeping) as job, job.client() as client:
        done(client.finish("snapshot"))
        first = copies(folder)
        build(folder, 2)
        done(client.finish("apply", file=job_file(folder)))
        done(client.finish("snapshot"))
        both = copies(folder)
        equal(2, len(both), "copies behind an update")
        check(first[0] in both, "what a snapshot needs has gone")
        killed(job)
    # Of the file that is another one now fewer are kept.
    with kept(folder) as job:
        until(lambda: copies(folder) == [name for name in both if name not in first], "the first one goes")


def test_copies_fail(folder):
    """a copy that is damaged or cannot be written is told with the way out; what ran at its path will do"""
    with kept(folder, 1) as job, job.client() as client:
        done(client.finish("snapshot"))
        os.rename(os.path.join(folder, "state", "plugins"), os.path.join(folder, "state", "aside"))
        with open(os.path.join(folder, "state", "plugins"), "wb"):
            pass  # no folder can be made there
        build(folder, 2)
        failed(client.finish("apply", file=job_file(folder)), "no copy of the plugins can be kept in ")
        build(folder, 1)
        equal("nothing differs", differs(client, folder), "what runs")
        os.unlink(os.path.join(folder, "state", "plugins"))
        os.rename(os.path.join(folder, "state", "aside"), os.path.join(folder, "state", "plugins"))
        killed(job)
    copy = os.path.join(folder, "state", "plugins", copies(folder)[0])
    with open(copy, "r+b") as file:
        file.seek(5000)
        file.write(b"damaged")
    # What ran is at its path: the copy is made anew.
    with kept(folder) as job:
        # The socket is there a little before.
        until(lambda: filecmp.cmp(copy, os.path.join(folder, "code.so"), shallow=False), "the copy is mended")
        killed(job)
    os.unlink(copy)
    build(folder, 2)
    sets = {"out": os.path.join(folder, "out0"), "state": os.path.join(folder, "state")}
    said = lodemill(["run", job_file(folder), "--control", "none"], code=2, eal=EAL, sets=sets).stderr
    check('code.so" is not the one that ran, and the copy of that, ' in said, said)
    check("begins anew with --fresh-topology" in said, said)
    with kept(folder, words=["--fresh-topology"]) as job, job.client() as client:
        equal("nothing differs", differs(client, folder), "--fresh-topology")


def main():
    points = (test_update, test_same_content, test_with_more, test_refusals, test_conversion,
              test_conversion_fails, test_many, test_code_is_kept, test_copies_go, test_copies_fail)
    return tap(named([guarded(f) for f in points]))


if __name__ == "__main__":
    sys.exit(main())
