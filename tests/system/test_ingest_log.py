#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The ingest log with real processes: killed under load, started again, on a disk that has no room.

Prints TAP. Environment: see harness.py.
"""

import os
import sys

from harness import (LONG, Running, check, command, equal, lodemill, named, operator, run_job, tap,
                     topology, until)

KILLS = 30 if LONG else 4
# Numbers of a run begin here, so that each says which run made it.
FIRST = 1000000000


def numbers_of(path):
    """The whole lines of a file that file_sink has written; one that was killed ends anywhere."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    return [int(line) for line in text[:text.rfind("\n") + 1].split()[1:]]


def sets_of(folder, run, rows=0):
    return {"START": run * FIRST, "ROWS": rows, "LOG": os.path.join(folder, "log"),
            "OUT": os.path.join(folder, "out%d.csv" % run)}


def wait_for_rows(path, count):
    """Until that many bytes have come out of the log: rows are written once a second."""
    until(lambda: os.path.exists(path) and os.path.getsize(path) >= count, "rows out of the log")


def kill_once(folder, run):
    line = command(["run", topology("ingest.yaml"), "--quiet"],
                   eal=["--file-prefix=ingest%d-%d" % (os.getpid(), run)], sets=sets_of(folder, run))
    os.makedirs(os.path.join(folder, str(run)))
    before = os.path.getsize(os.path.join(folder, "out%d.csv" % (run - 1))) if run > 1 else 0
    with Running(line, os.path.join(folder, str(run))) as running:
        wait_for_rows(os.path.join(folder, "out%d.csv" % run), before + 1000)
        check(running.process.poll() is None, "ended: " + running.said()[-2000:])


def test_killed(folder):
    """killed again and again: what came out of the log comes again, in order, each row once"""
    for run in range(1, KILLS + 1):
        kill_once(folder, run)
    result = run_job("ingest.yaml", sets=sets_of(folder, KILLS + 1, 1000))
    equal(0, operator(result, "log")["errors"], "errors")
    last = numbers_of(os.path.join(folder, "out%d.csv" % (KILLS + 1)))
    equal(operator(result, "log")["rows_out"], len(last), "rows")
    for run in range(1, KILLS + 1):
        seen = numbers_of(os.path.join(folder, "out%d.csv" % run))
        check(len(seen) > 0 and seen == last[:len(seen)], "run %d saw other rows" % run)
    runs = sorted({number // FIRST for number in last})
    equal(list(range(1, KILLS + 2)), runs, "runs whose rows came")
    for run in runs:
        mine = [number for number in last if number // FIRST == run]
        equal(list(range(run * FIRST, run * FIRST + len(mine))), mine, "rows of run %d" % run)
    equal(sorted(last), last, "order")


def test_bound(folder):
    """a log that may not grow any more says so and holds rows back; at the end they are told or written"""
    sets = dict(sets_of(folder, 1), MAX="8MiB", RATE="10M")
    line = command(["run", topology("ingest.yaml"), "--json"], sets=sets)
    path = os.path.join(folder, "log", "0")
    with Running(line, folder) as running:
        running.wait_for("raise max_bytes")
        size = sum(os.path.getsize(os.path.join(path, name)) for name in os.listdir(path))
        running.interrupt()
        result = running.end(code=0)
        is_drained = "before everything was drained" not in running.said()
    check(5 << 20 <= size <= 8 << 20, "the log has %d bytes" % size)
    equal("stopped", result["status"], "status")
    log, seen = operator(result, "log"), numbers_of(sets["OUT"])
    equal(list(range(FIRST, FIRST + len(seen))), seen, "rows")
    # Where memory was full as well the end could not come through.
    if is_drained:
        equal(log["rows_in"], len(seen), "rows")
    else:
        check(0 < len(seen) <= log["rows_out"] < log["rows_in"], "%d rows" % len(seen))


def test_damage(folder):
    """damage in the middle is named at the start, and nothing is touched"""
    run_job("ingest.yaml", sets=dict(sets_of(folder, 1, 300000), RATE="10M"))
    path = os.path.join(folder, "log", "0")
    segment = os.path.join(path, sorted(n for n in os.listdir(path) if n.endswith(".log"))[0])
    with open(segment, "r+b") as file:
        file.seek(300)
        byte = file.read(1)
        file.seek(300)
        file.write(bytes([byte[0] ^ 1]))
    names = sorted(os.listdir(path))
    done = lodemill(["run", topology("ingest.yaml")], code=1, sets=sets_of(folder, 2, 10))
    check("has a damaged" in done.stderr and os.path.basename(segment) in done.stderr, done.stderr)
    equal(names, sorted(os.listdir(path)), "files")


if __name__ == "__main__":
    sys.exit(tap(named([test_killed, test_bound, test_damage])))
