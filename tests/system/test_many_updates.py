#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A job under full load is updated again and again, at random: the same code built anew, code whose state is
of another form, two operators with other columns between them, an operator put in or taken out. An oracle in
the job sees every row; its sums are those of a run of the same rows that nobody disturbed.

Prints TAP. Environment: see harness.py. LODEMILL_SEED: which updates come in which order.
"""

import os
import random
import struct
import sys
import time

from harness import (BUILD, LONG, SECONDS, Running, Skip, check, command, equal, named, operator, rows_of,
                     tap, until)
from test_change import EAL, done
from test_control import Job, guarded

sys.dont_write_bytecode = True

UPDATES = 1000 if LONG else 20
# The others go without: a rehearsal takes the CPUs for longer than an update.
REHEARSED_EVERY = 10
# So often it is waited until each key has had rows; the other updates follow one another at once.
WAITED_EVERY = 4
KEYS = 4096
MAGIC = b"update whose code it is:"
JOB = """name: updates
plugins: [./code.so, ./oracle.so]
settings: {epoch: 50ms, seed: 7}
operators:
  rows: {type: generator, rows: %d, fields: {number: u64 = sequence}}
  keys: {type: map, input: rows, keep: [],
         set: {key: number %% 4096, at: number / 4096, via: number * 0}}
%s  counts: {type: update_count, input: %s by key, by: key, slices: 2}
  follows: {type: update_follow, input: counts by key, by: key, slices: 2}
  oracle: {type: update_oracle, input: follows to one}
  said: {type: file_sink, input: oracle, path: "${out}/said.csv"}
"""
BETWEEN = """  between: {type: map, input: keys by key, keep: [key, at], set: {via: at * 0 + %d}, slices: 2}
"""


class Versions:
    """What the job is to be like, and which update comes next."""

    def __init__(self, folder, seed):
        self.folder, self.random = folder, random.Random(seed)
        self.version, self.between = 1, 0
        self.switches = self.vias = self.number = 0  # Updates of code, of the operator in between, and all.
        self.seen = (0, 0)  # Of those two what each key has met last for sure,
        self.switches_sure = self.vias_sure = 0  # and how often that was another one.
        kinds = ["same code", "other state", "other wire", "operator"]
        self.kinds = [kinds[n % len(kinds)] for n in range(UPDATES)]
        self.random.shuffle(self.kinds)
        self.put(os.path.join(BUILD, "tests", "update_oracle.so"), "oracle.so", lambda code: code)
        self.put_code()

    def put(self, built, name, change):
        if not os.path.exists(built):
            raise Skip("the plugins of the tests are not built")
        with open(built, "rb") as file:
            code = change(file.read())
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(code)

    def put_code(self):
        """The plugin of this version, which says that it is of this update."""
        def numbered(code):
            equal(1, code.count(MAGIC + bytes(8)), "places for the number of the update")
            return code.replace(MAGIC + bytes(8), MAGIC + struct.pack("<Q", self.number))
        self.put(os.path.join(BUILD, "tests", "updating_%d.so" % self.version), "code.so", numbered)

    def topology(self, rows=0):
        path = os.path.join(self.folder, "job.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(JOB % (rows, BETWEEN % self.between if self.between else "",
                              "between" if self.between else "keys"))
        return path

    def go_on(self):
        """The next update, as a file. Versions 1 and 2 have one wire, 3 and 4 the other."""
        kind = self.kinds[self.number]
        self.number += 1
        if kind == "operator":
            self.between = 0 if self.between else self.number
            self.vias += 1
            return kind, self.topology()
        if kind == "other state":
            self.version += 1 if self.version % 2 else -1
        elif kind == "other wire":
            self.version = self.random.choice((3, 4) if self.version <= 2 else (1, 2))
        self.switches += 1
        self.put_code()
        return kind, self.topology()

    def all_saw(self):
        """Each key has met what the job is like now."""
        now = (self.switches, self.between)
        self.switches_sure += now[0] != self.seen[0]
        self.vias_sure += now[1] != self.seen[1]
        self.seen = now


def made(client, behind=-1.0):
    """When it was looked at and how many rows the source has made; not before it is looked at anew."""
    give_up = time.monotonic() + SECONDS
    while True:
        stats = client.stats("rows")
        if stats["seconds"] > behind:
            return stats["seconds"], stats["operators"][0]["rows_out"]
        check(time.monotonic() < give_up, "nobody looks at the job")
        time.sleep(0.001)


def all_keys(client):
    """Until each key has had rows that the source made behind this call."""
    before, rows = made(client, made(client)[0])
    until(lambda: made(client, before)[1] >= rows + 2 * KEYS, "rows come", 0)


def line(path, out, number):
    return command(["run", path, "--json"], [*EAL, "--file-prefix", "upd%d-%d" % (os.getpid(), number)],
                   {"out": out})


def said(folder):
    rows = rows_of(os.path.join(folder, "said.csv"))
    equal(1, len(rows), "lines of the oracle")
    return {name: int(value) for name, value in rows[0].items()}


def undisturbed(folder, seed, rows):
    """What the oracle says of a run of its own of so many rows, in how many seconds."""
    place = os.path.join(folder, "quiet")
    os.makedirs(os.path.join(place, "out"))
    path = Versions(place, seed).topology(rows)
    began = time.monotonic()
    with Running(line(path, os.path.join(place, "out"), 1), place) as run:
        run.process.wait(timeout=3600 if LONG else SECONDS)
        equal("complete", run.end()["status"], "status")
    return said(os.path.join(place, "out")), time.monotonic() - began


def test_updates(folder):
    """every row comes once, in order, of one update's code; counts and sums are those of a quiet run"""
    seed = int(os.environ.get("LODEMILL_SEED", random.randrange(1 << 32)))
    print("# LODEMILL_SEED=%d" % seed)
    versions, counts = Versions(folder, seed), {}
    out = os.path.join(folder, "out")
    os.makedirs(out)
    with Job(folder, (), {"out": out}, versions.topology(), 0, EAL) as job, job.client() as client:
        began = time.monotonic()
        all_keys(client)
        while versions.number < UPDATES:
            kind, path = versions.go_on()
            rehearse = "always" if versions.number % REHEARSED_EVERY == 0 else "never"
            action = done(client.finish("apply", file=path, rehearse=rehearse))
            check(action["reason"] != "nothing differs", "update %d, %s" % (versions.number, kind))
            counts[kind] = counts.get(kind, 0) + 1
            if versions.number % WAITED_EVERY == 0:
                all_keys(client)
                versions.all_saw()
        seconds = time.monotonic() - began
        done(client.finish("drain", deadline_ms=90000))
        result = job.end()
    equal("stopped", result["status"], "status")
    rows, watched = operator(result, "rows")["rows_out"], said(out)
    equal(0, watched["wrong"], "wrong rows: " + job.said()[-2000:])
    equal(rows, watched["rows"], "rows")
    for what in "switches", "vias":
        most, sure = getattr(versions, what), getattr(versions, what + "_sure")
        least_seen, most_seen = watched[what + "_least"], watched[what + "_most"]
        print("# %s: %d, keys saw %d to %d, for sure %d" % (what, most, least_seen, most_seen, sure))
        check(sure <= least_seen <= most_seen <= most, what)
    quiet, quiet_seconds = undisturbed(folder, seed, rows)
    equal(0, quiet["wrong"] + quiet["switches_most"] + quiet["vias_most"], "wrong in the quiet run")
    for name in "rows", "keys", "digest":
        equal(quiet[name], watched[name], name)
    print("# %s, in %.0f s; %d rows, %.1f M/s, quiet %.1f M/s" % (
        ", ".join("%d of %s" % (n, kind) for kind, n in sorted(counts.items())), seconds, rows,
        rows / seconds / 1e6, rows / quiet_seconds / 1e6))


def main():
    return tap(named([guarded(test_updates)]))


if __name__ == "__main__":
    sys.exit(main())
