#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Snapshots with real processes: killed at any moment and started again, a job commits what it would have.

Prints TAP. Environment: see harness.py.
"""

import contextlib
import csv
import datetime
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from harness import (LONG, NOBODY, SAMPLE, SANITIZED, Running, Skip, capture_port, check, command, equal,
                     lodemill, named, need_root, tap, topology)

# Kills, and how long a process is left alone before, from the moment that it has said what it goes on from.
KILLS = 1000 if LONG else 2 if SANITIZED else 5
LIFE_SECONDS = (0.0, 0.7)
# A run that makes no progress so often in a row stands still.
BARREN_MAX = 40

EAL = ("--lcores", "(0-2)@(0,1)", "--no-huge", "-m", "256", "--no-pci", "--no-shconf")


def committed(folder):
    """All rows of committed files, sorted, by the name of their sink."""
    rows = {}
    for path in glob.glob(os.path.join(folder, "*.csv")) + glob.glob(os.path.join(folder, "*.jsonl")):
        sink = os.path.basename(path).split("-")[0]
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        rows.setdefault(sink, []).extend(lines if path.endswith("jsonl") else lines[1:])
    return {sink: sorted(lines) for sink, lines in rows.items()}


def newest(state):
    """The newest complete epoch of a folder; 0: none."""
    names = [name.split(".") for name in os.listdir(state)] if os.path.isdir(state) else []
    return max([int(name[1]) for name in names if name[0] == "MANIFEST" and name[-1] in "ab"], default=0)


class Job:
    """A topology with a folder for its snapshots and one for its rows."""

    def __init__(self, folder, name, sets=None):
        self.folder, self.name, self.sets = folder, name, dict(sets or {})
        self.clear()

    def clear(self):
        self.state, self.out = os.path.join(self.folder, "state"), os.path.join(self.folder, "out")
        for path in (self.state, self.out):
            shutil.rmtree(path, ignore_errors=True)
        os.mkdir(self.out)

    def line(self, words=()):
        return command(["run", topology(self.name), "--json", "--quiet", *words],
                       eal=[*EAL, "--file-prefix", "snap%d" % os.getpid()],
                       sets={"state": self.state, "out": self.out, **self.sets})

    def start(self, words=(), before=()):
        return Running([*before, *self.line(words)], self.folder)

    def run(self):
        """To its end, as fast as it goes."""
        line = [*self.line(), "--set", "rate=100M"]
        with Running(line, self.folder) as running:
            return running.end()


def kill_until_done(job, kills, chance):
    """Kills the job's process over and over, until it ends by itself behind the last kill."""
    done, barren, before = 0, 0, 0
    while True:
        with job.start() as running:
            try:
                life = chance.uniform(*LIFE_SECONDS) + (0.2 if barren > 5 else 0.0) * barren
                running.process.wait(timeout=life if done < kills else 200)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
                done += 1
            else:
                check(running.process.returncode == 0, running.said()[-2000:])
                return done
        barren = barren + 1 if newest(job.state) == before else 0
        before = newest(job.state)
        check(barren < BARREN_MAX, "no snapshot in %d lives: %s" % (barren, running.said()[-1000:]))


def exactly_once(job, seed):
    """Rounds of a job, killed all the time, against a run that is not."""
    job.run()
    want = committed(job.out)
    check(want and all(want.values()), "the job commits nothing: %s" % want.keys())
    chance = random.Random(seed)
    left = KILLS
    while left > 0:
        job.clear()
        left -= max(1, kill_until_done(job, left, chance))
        got = committed(job.out)
        for sink, rows in want.items():
            equal(len(rows), len(got.get(sink, [])), "rows of " + sink)
            check(rows == got[sink], "%s: as many rows, but not the same" % sink)
        check(not glob.glob(os.path.join(job.out, "*.pending")), "something is left that is not committed")


def test_two_inputs(folder):
    """killed at random moments, keyed windows over two inputs commit every row once"""
    exactly_once(Job(folder, "two_inputs.yaml"), 1)


def packets_of_sample(folder, copies):
    """The sample's packets as CSV, one copy behind the other in time."""
    lodemill(["run", topology("packets.yaml"), "--quiet"], eal=[*EAL, capture_port(SAMPLE)],
             sets={"out": folder})
    source, path = os.path.join(folder, "packets.csv"), os.path.join(folder, "many.csv")
    with open(source, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        times = [datetime.datetime.fromisoformat(row[0][:-1]) for row in rows[1:]]
        period = max(times) - min(times) + datetime.timedelta(seconds=2)
        for copy in range(copies):
            for at, row in zip(times, rows[1:]):
                writer.writerow([(at + copy * period).isoformat() + "Z", *row[1:]])
    return path


def test_telemetry(folder):
    """killed at random moments, network telemetry over real packets commits every row once"""
    packets = packets_of_sample(folder, 80)
    exactly_once(Job(folder, "telemetry.yaml", {"packets": packets}), 2)


# Slices of what is keyed that a job with 3 of them goes on with.
RESCALES = [1, 2, 5, 8]


def kill_behind_a_snapshot(job, chance):
    """Kills a life some time behind a snapshot of its own; False: it came to its end."""
    before = newest(job.state)
    with job.start() as running:
        while running.process.poll() is None and newest(job.state) <= before:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        ended = running.process.poll() is not None
        check(not ended or running.process.returncode == 0, running.said()[-2000:])
        running.process.kill()
        running.process.wait()
        return not ended


def rescaled(job, seed):
    """A job that is killed with 3 slices and goes on with others, and back, against one that is not."""
    job.run()
    want = committed(job.out)
    check(want and all(want.values()), "the job commits nothing: %s" % want.keys())
    for slices in RESCALES:
        chance, went_on = random.Random(seed + slices), 0
        job.clear()
        for number in (3, slices, 3, slices):
            job.sets["slices"] = str(number)
            if not kill_behind_a_snapshot(job, chance):
                break
            went_on += 1
        check(went_on > 0, "%d slices: there was nothing to go on from" % slices)
        job.sets["slices"] = str(slices)
        with job.start() as running:
            running.process.wait(timeout=200)
            check(running.process.returncode == 0, running.said()[-2000:])
        got = committed(job.out)
        for sink, rows in want.items():
            check(rows == got.get(sink), "%d slices: %s: %d rows, then %d" %
                  (slices, sink, len(rows), len(got.get(sink, []))))
        check(not glob.glob(os.path.join(job.out, "*.pending")), "something is left that is not committed")


def test_rescaled(folder):
    """killed with 3 slices, a keyed job goes on with 1, 2, 5 and 8 and commits every row once"""
    rescaled(Job(folder, "rescaled.yaml"), 4)


def test_rescale_refused(folder):
    """another number of slices of a source, or of a class that cannot, is refused with a reason"""
    job = Job(folder, "rescaled.yaml", {"slices": "2", "sources": "1"})
    with job.start() as running:
        deadline = time.monotonic() + 60
        while newest(job.state) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        running.process.kill()
        running.process.wait()
    job.sets["sources"] = "2"
    with job.start() as running:
        running.process.wait(timeout=60)
        said = running.said()
        check(running.process.returncode != 0, said[-1000:])
        check("a had 1 slices when epoch" in said and "is a source" in said, said[-1000:])


def test_woken(folder):
    """slices that had ended, for nobody was to send them rows, take those that come when somebody is"""
    job = Job(folder, "woken.yaml", {"grouping": "to one"})
    with job.start() as running:
        running_until(running, lambda: newest(job.state) > 2, "some snapshots")
        running.process.kill()
        running.process.wait()
    job.sets["grouping"] = "round robin"
    job.run()
    check(glob.glob(os.path.join(job.out, "out-1*.csv")), "the second sink has had no row")
    got = sorted(int(line) for line in committed(job.out)["out"])
    check(got == list(range(200000)), "%d rows of 200000, %d different ones" % (len(got), len(set(got))))


def test_suspend(folder):
    """interrupted, it takes a last snapshot and goes on from there without a row twice or lost"""
    job = Job(folder, "two_inputs.yaml", {"rows": "2M"})
    job.run()
    want = committed(job.out)
    job.clear()
    for _ in range(3):
        last = newest(job.state)
        with job.start() as running:
            running_until(running, lambda: newest(job.state) > last + 5, "some snapshots")
            last = newest(job.state)
            running.interrupt()
            result = running.end()
        equal("stopped", result["status"], "status")
        check("without a last snapshot" not in running.said(), running.said())
        check(newest(job.state) > last, "nothing was committed at the end")
    job.run()
    equal(want, committed(job.out), "rows over four lives")
    # A job that is complete has nothing left to do, and says so.
    with job.start() as running:
        equal(0, running.process.wait(timeout=60), "status of a complete job")
    check("is complete" in running.said(), running.said())


def child_of(running):
    """The engine's process below a supervisor; None: between two of them."""
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
            pid, rest = file.read().split(" (", 1)
            # What stands behind its name, which may hold anything: state, parent.
            state, parent = rest.rsplit(")", 1)[1].split()[:2]
            if int(parent) == running.process.pid and state != "Z":
                return int(pid)
    return None


def test_supervised(folder):
    """under --supervise a killed engine is started again, and every row is committed once"""
    job = Job(folder, "two_inputs.yaml", {"rows": "1600k"})
    job.run()
    want = committed(job.out)
    job.clear()
    with job.start(words=["--supervise"]) as running:
        for _ in range(3):
            epoch = newest(job.state)
            running_until(running, lambda: newest(job.state) > epoch and child_of(running), "a snapshot")
            os.kill(child_of(running), signal.SIGKILL)
        equal("complete", running.end()["status"], "status")
        check("SIGKILL" in running.said(), running.said())
    equal(want, committed(job.out), "rows over four lives")


@contextlib.contextmanager
def small_disk(folder, megabytes):
    """A file system of its own that can be full."""
    need_root("mount")
    os.makedirs(folder, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "tmpfs", folder],
                      capture_output=True, check=False).returncode != 0:
        raise Skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True, check=False)


def heals(folder, harm, heal, words):
    """While snapshots fail the stream goes on; people are told; when the cause is gone all is well."""
    job = Job(folder, "two_inputs.yaml", {"rows": "2M", "epoch": "100ms"})
    job.state = os.path.join(folder, "disk", "state")
    with job.start() as running:
        running_until(running, lambda: newest(job.state) > 2, "a first snapshot")
        harm(job)
        running.wait_for("DEGRADED")
        check(words in running.said(), "it does not say %r: %s" % (words, running.said()))
        stuck = newest(job.state) if os.path.isdir(job.state) else 0
        check(running.process.poll() is None, "the stream ended: " + running.said())
        heal(job)
        running.wait_for("snapshots work again")
        running_until(running, lambda: newest(job.state) > stuck, "a snapshot behind the failure")
        result = running.end()
    equal("complete", result["status"], "status")
    rows = [json.loads('"%s"' % line) for line in committed(job.out)["sums"]]
    check(len(rows) == len(set(rows)), "rows were committed twice")
    made = sum(int(line.split(",")[2]) for line in rows)
    equal(2 * 2000000, made, "rows in all windows")


def running_until(running, condition, what):
    end = time.monotonic() + 60
    while not condition():
        check(running.process.poll() is None, "ended before %s: %s" % (what, running.said()[-2000:]))
        check(time.monotonic() < end, "never came to %s: %s" % (what, running.said()[-2000:]))
        time.sleep(0.02)


def test_disk_full(folder):
    """a full disk: DEGRADED, the stream goes on, and it heals"""
    disk = os.path.join(folder, "disk")
    ballast = os.path.join(disk, "ballast")

    def fill(_):
        with contextlib.suppress(OSError), open(ballast, "wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()

    with small_disk(disk, 96):
        heals(folder, fill, lambda _: os.unlink(ballast), "free some space")


def test_disk_gone(folder):
    """the folder goes away: DEGRADED, the stream goes on, and it heals when it is back"""
    os.mkdir(os.path.join(folder, "disk"))
    heals(folder, lambda job: os.rename(job.state, job.state + ".away"),
          lambda job: os.rename(job.state + ".away", job.state),
          "bring its folder back")


def test_no_permission(folder):
    """the right to write is lost: DEGRADED, the stream goes on, and it heals"""
    need_root("setpriv")
    os.mkdir(os.path.join(folder, "disk"))
    os.chmod(folder, 0o777)
    # The tree may be where nobody else may look.
    job = Job(folder, shutil.copy(topology("two_inputs.yaml"), folder), {"rows": "2M", "epoch": "100ms"})
    job.state = os.path.join(folder, "disk", "state")
    for path in (os.path.join(folder, "disk"), job.out):
        os.chmod(path, 0o777)
    with job.start(before=NOBODY) as running:
        running_until(running, lambda: newest(job.state) > 2, "a first snapshot")
        os.chown(job.state, 0, 0)
        running.wait_for("DEGRADED")
        check("the right to write" in running.said(), running.said())
        os.chown(job.state, 65534, 65534)
        running.wait_for("snapshots work again")
        equal("complete", running.end()["status"], "status")


def damage(path):
    with open(path, "r+b") as file:
        file.seek(200)
        byte = file.read(1)
        file.seek(200)
        file.write(bytes([byte[0] ^ 4]))


def test_damaged(folder):
    """a damaged snapshot is named and left as it is; what was committed behind it is not risked"""
    job = Job(folder, "two_inputs.yaml")
    with job.start() as running:
        running_until(running, lambda: newest(job.state) > 5, "some snapshots")
        running.process.kill()
    epoch = newest(job.state)
    with open(os.path.join(job.state, "MANIFEST.%d.a" % epoch), encoding="utf-8") as file:
        names = [entry["name"] for entry in json.loads(file.read().rsplit("\n", 2)[0])["files"]]
    path = os.path.join(job.state, next(name for name in names if name.startswith("E%d-" % epoch)))
    before = sorted(os.listdir(job.state))
    damage(path)
    done = lodemill_status(job)
    equal(1, done.returncode, "status on a damaged snapshot")
    check("is damaged" in done.stderr and "may have committed" in done.stderr, done.stderr)
    kept = [name for name in before if name.startswith(("E", "MANIFEST"))]
    equal(kept, [name for name in sorted(os.listdir(job.state)) if name in kept], "files")
    damage(path)
    equal("complete", job.run()["status"], "status when it is whole again")


def lodemill_status(job):
    return subprocess.run(job.line(["--control", "none"]), capture_output=True, text=True, timeout=100,
                          check=False)


def test_other_topology(folder):
    """a folder of another shape is refused, with what differs and what to do"""
    job = Job(folder, "two_inputs.yaml")
    with job.start() as running:
        running_until(running, lambda: newest(job.state) > 1, "a snapshot")
        # Two processes on one folder: the second is told.
        done = lodemill_status(job)
        check(done.returncode == 1 and "in use by another process" in done.stderr, done.stderr)
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
    job.sets["windows"] = "32"
    done = lodemill_status(job)
    equal(1, done.returncode, "status with other windows")
    check("another shape" in done.stderr and "name another folder" in done.stderr, done.stderr)
    job.sets["windows"] = "64"
    equal("complete", job.run()["status"], "status as it was")
    # Files of another job are in the way.
    shutil.rmtree(job.state)
    done = lodemill_status(job)
    equal(1, done.returncode, "status on a new folder beside old rows")
    check("of another job" in done.stderr, done.stderr)


if __name__ == "__main__":
    points = [test_two_inputs, test_telemetry, test_rescaled, test_rescale_refused, test_woken, test_suspend,
              test_supervised, test_disk_full, test_disk_gone, test_no_permission, test_damaged,
              test_other_topology]
    if SANITIZED and not LONG:
        # The simulator's disk does worse to the same code, under sanitizers, too.
        points = [p for p in points if p not in (test_rescaled, test_disk_gone, test_no_permission)]
    sys.exit(tap(named(points)))
