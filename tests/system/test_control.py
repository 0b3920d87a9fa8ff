#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The control interface of a running job: every method, bad calls, roles, clients, lodectl, a flood of calls.

Prints TAP. Environment: see harness.py.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time

from harness import (BUILD, NOBODY, SANITIZED, SECONDS, SOURCE, Running, check, command, equal, lodemill,
                     named, need_root, tap, topology, until)

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(BUILD, "mgmt"))

from lodemill_client import SCHEMA, Client, Error, answers  # noqa: E402

LODECTL = [sys.executable, os.path.join(BUILD, "mgmt", "lodectl")]
EAL = ("--lcores", "(0-2)@(0,1)", "--no-huge", "-m", "256", "--no-pci", "--no-shconf")
CHECKS = {"integer": int, "number": (int, float), "text": str, "flag": bool, "object": dict}
# Fields that may be null, as their description says.
MAY_BE_NULL = ("numa_node", "snapshots", "action", "took_ms", "latency_ns", "oldest", "manager", "pages",
               "root", "bottleneck", "result")


def job_line(folder, words=(), sets=None, name="slow.yaml", number=0, eal=EAL):
    return command(["run", topology(name), "--json", *words],
                   eal=[*eal, "--file-prefix", "ctl%d-%d" % (os.getpid(), number)], sets=sets)


class Patient(Client):
    """What waits for the machine has as long as everything else here, unless a call says otherwise."""

    def call(self, method, params=None):
        params = dict(params or {})
        if method in ("drain", "snapshot", "stop"):
            params.setdefault("deadline_ms", SECONDS * 1000)
        return super().call(method, params)


class Job(Running):
    """A job without an end and its socket."""

    def __init__(self, folder, words=(), sets=None, name="slow.yaml", number=0, eal=EAL):
        self.path = os.path.join(folder, "job%d.sock" % number)
        place = os.path.join(folder, "job%d" % number)
        os.makedirs(place, exist_ok=True)
        # It leaves the CPUs to other tests: what is asked of it is not how fast it is.
        sets = {"rows": 0, "delay": "1us", "rate": "50k"} if sets is None else sets
        words = ["--control", self.path, *words]
        super().__init__(job_line(folder, words, sets, name, number, eal), place)
        self.wait_for("Ctrl-C ends it")
        give_up = time.monotonic() + SECONDS
        while not answers(self.path):
            check(self.process.poll() is None, "ended too early: " + self.said()[-2000:])
            check(time.monotonic() < give_up, "nobody listens")
            time.sleep(0.02)
        with self.client() as client:
            client.status()  # From here on it runs.

    def client(self):
        return Patient(self.path, timeout=SECONDS)


def lodectl(words, code=0):
    done = subprocess.run([*LODECTL, *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    equal(code, done.returncode, "status of lodectl %s: %s%s" % (" ".join(words), done.stdout, done.stderr))
    return done


def refused(call, code):
    try:
        call()
    except Error as error:
        equal(code, error.code, str(error))
        check(error.hint, "no way out: %s" % error)
        return error
    raise AssertionError("it was not refused")


def guarded(point):
    """A point in which an unexpected refusal is a failure."""
    def run(folder):
        try:
            point(folder)
        except Error as error:
            raise AssertionError("%s (%d, %s; %s)" % (error, error.code, error.field, error.hint)) from error
    run.__name__, run.__doc__ = point.__name__, point.__doc__
    return run


def conforms(value, fields, where):
    """A result has the fields of the schema, all of them and no other, of the types it says."""
    types = {t["name"]: t["fields"] for t in SCHEMA["types"]}
    equal({f["name"] for f in fields}, set(value), "fields of " + where)
    for field in fields:
        name, kind, got = field["name"], field["type"], value[field["name"]]
        inside = where + "." + name
        if got is None:
            check(name in MAY_BE_NULL, inside + " is null")
        elif kind.startswith("["):
            for item in got:
                if kind[1:-1] in types:
                    conforms(item, types[kind[1:-1]], inside)
                else:
                    check(isinstance(item, CHECKS[kind[1:-1]]), inside)
        elif kind in types:
            conforms(got, types[kind], inside)
        else:
            check(isinstance(got, CHECKS[kind]), inside)
            check(kind == "flag" or not isinstance(got, bool), inside)


def test_methods(folder):
    """every method answers with the fields of the schema, and says what is so"""
    methods = {m["name"]: m for m in SCHEMA["methods"]}
    with Job(folder, ["--state", os.path.join(folder, "state")]) as job, job.client() as client:
        results = {"describe": client.describe(), "status": client.status()}
        equal(SCHEMA, results["describe"]["schema"], "schema")
        status = results["status"]
        equal(("slow", job.process.pid), (status["topology"], status["pid"]), "job")
        equal("running", status["state"], "state")
        equal(["rows", "ahead", "sums", "out"], [o["name"] for o in status["operators"]], "operators")
        equal(6, len(status["slices"]), "slices")
        equal(3, len(status["wires"]), "wires")
        until(lambda: client.stats()["rows"] > 0, "rows come")
        results["stats"] = client.stats()
        one = client.stats("sums")
        equal((["sums"], 2), ([o["name"] for o in one["operators"]], len(one["slices"])), "one operator")
        results["subscribe"] = client.subscribe()
        results["snapshot"] = client.snapshot()
        done = client.wait(results["snapshot"]["action"]["id"])
        equal("done", done["state"], done["reason"])
        check(done["epoch"] >= 1, "epoch %d" % done["epoch"])
        check(client.status()["snapshots"]["epoch"] >= done["epoch"], "is it durable?")
        for name in "synchronize", "deactivate", "activate", "rebalance":
            results[name] = {"action": client.finish(name)}
            equal("done", results[name]["action"]["state"], name)
        results["rescale"] = {"action": client.finish("rescale", operator="sums", slices=3)}
        equal("done", results["rescale"]["action"]["state"], str(results["rescale"]))
        equal(7, len(client.status()["slices"]), "slices, with one more")
        results["apply"] = {"action": client.finish("apply", file=topology("slow.yaml"), dry_run=True)}
        check("sums: 3 to 2 slices" in results["apply"]["action"]["reason"], str(results["apply"]))
        results["migrate"] = {"action": client.finish("migrate", operator="out", slice=0, lcore=9)}
        equal("failed", results["migrate"]["action"]["state"], "migrate")
        results["log_level"] = client.log_level("sums", "error", for_ms=60000)
        levels = results["log_level"]["levels"]
        equal([("sums", "error")], [(v["module"], v["level"]) for v in levels], "levels")
        results["actions"] = client.actions()
        equal(list(range(8, 0, -1)), [a["id"] for a in results["actions"]["actions"]], "log")
        results["stop"] = {"action": client.finish("stop")}
        equal("done", results["stop"]["action"]["state"], "stop")
        equal("stopped", job.end()["status"], "summary")
    with Job(folder, ["--elastic", "threshold"], number=1) as job, job.client() as client:
        until(lambda: client.elastic()["decisions"], "it decides")
        results["freeze"] = client.freeze()
        results["elastic"] = client.elastic()
        check(results["elastic"]["frozen"] and results["elastic"]["decisions"], "it is elastic")
        results["unfreeze"] = client.unfreeze()
        results["drain"] = {"action": client.finish("drain")}
        equal("done", results["drain"]["action"]["state"], "drain")
        job.end()
    equal(set(methods), set(results), "methods that were called")
    for name, result in results.items():
        conforms(result, methods[name]["result"], name)


def test_notifications(folder):
    """probes come twice a second with the schema's fields and right sums; each action is completed once"""
    kinds = {n["name"]: n["params"] for n in SCHEMA["notifications"]}
    with Job(folder) as job, job.client() as client:
        client.subscribe(["probe"])
        probes = []
        for method, params in client.events():
            equal("probe", method, "kind")
            conforms(params, kinds[method], method)
            probes.append(params)
            if len(probes) == 5:
                break
        # However late they are: half a second on the whole.
        took = sum(p["interval_s"] for p in probes[1:])
        check(took > 1, "4 probes in %.1f s" % took)
        numbers = [p["number"] for p in probes]
        equal(list(range(numbers[0], numbers[0] + 5)), numbers, "numbers")
        for probe in probes[1:]:
            made = sum(s["rows_out"] for s in probe["slices"] if s["operator"] == "rows")
            check(abs(made / probe["interval_s"] - probe["rows_per_s"]) < 1, "rows_per_s")
            check(0 < probe["cpu"] < 64 and probe["memory"] > 1 << 20, "process: %s" % probe["cpu"])
        client.subscribe(["action.completed"])
        asked = [client.snapshot()["action"]["id"] for _ in range(3)]
        got = []
        for method, params in client.events():
            conforms(params, kinds[method], method)
            got.append(params["action"]["id"])
            check("--state" in params["action"]["reason"], params["action"]["reason"])
            if len(got) == 3:
                break
        equal(asked, got, "completions")
        client.subscribe([])
        time.sleep(0.7)
        client.status()
        equal([], client.notes, "notes of one who wants none")
        job.interrupt()
        job.end()


def ask_raw(path, data, lines):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(SECONDS)
        raw.connect(path)
        raw.sendall(data)
        with raw.makefile("r", encoding="utf-8") as file:
            return [json.loads(file.readline()) for _ in range(lines)]


def test_bad_calls(folder):
    """what is malformed, oversized or wrong is refused with the field and the way out, and counted"""
    def call(more):
        return b'{"jsonrpc":"2.0","id":4,' + more + b"}\n"
    bad = ((b"hello\n", -32700, "", "malformed"),
           (b"\x00\xff\n", -32700, "", "malformed"),
           (b"[]\n", -32600, "", "malformed"),
           (call(b'"method":"statsu"'), -32601, "method", "unknown"),
           (call(b'"method":"stop","params":{"deadline_ms":"soon"}'), -32602, "params.deadline_ms",
            "wrong_params"),
           (call(b'"method":"stats","params":{"operator":"outt"}'), -32602, "params.operator",
            "wrong_params"),
           (call(b'"method":"status","params":{"%s":1}' % (b"x" * 500)), -32602, None, "wrong_params"),
           (b"x" * 70000 + b"\n", -32002, "", "oversized"),
           (b"[" * 60000 + b"\n", -32700, "", "malformed"))
    counted = {}
    with Job(folder) as job:
        for line, code, field, count in bad:
            reply, status = ask_raw(job.path, line + call(b'"method":"status"'), 2)
            equal(code, reply["error"]["code"], "%r: %s" % (line[:60], reply))
            if field is not None:
                equal(field, reply["error"]["data"]["field"], "field")
            check(reply["error"]["data"]["hint"], "no way out: %s" % reply)
            equal("slow", status["result"]["topology"], "the connection goes on")
            counted[count] = counted.get(count, 0) + 1
        silent = (b'{"jsonrpc":"2.0","method":"status"}\n'
                  b'{"jsonrpc":"2.0","id":5,"method":"status"}\n')
        equal([5], [r["id"] for r in ask_raw(job.path, silent, 1)], "a silent call")
        with job.client() as client:
            until(lambda: all(client.status()["clients"][name] >= number
                              for name, number in counted.items()), "all are counted")
            clients = client.status()["clients"]
            for name, number in counted.items():
                equal(number, clients[name], name)
        job.interrupt()
        job.end()


def test_roles(folder):
    """the kernel says who calls: roles reach as far as they were granted, others are turned away"""
    need_root("setpriv")
    os.chmod(folder, 0o755)
    # Where it was built nobody may be let in.
    for name in "lodectl", "lodemill_client.py":
        shutil.copy(os.path.join(BUILD, "mgmt", name), folder)
    ask = [*NOBODY, *LODECTL[:-1], os.path.join(folder, "lodectl"), "--json", "--socket"]
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")

    def nobody(path, *words):
        return subprocess.run([*ask, path, *words], capture_output=True, text=True, timeout=SECONDS,
                              check=False, env=env, cwd="/")
    with Job(folder) as job:
        equal(0o600, stat.S_IMODE(os.stat(job.path).st_mode), "mode")
        done = nobody(job.path, "status")
        equal(1, done.returncode, done.stdout + done.stderr)
        job.interrupt()
        job.end()
    with Job(folder, ["--control-role", "65534=view"], number=1) as job:
        equal("slow", json.loads(nobody(job.path, "status").stdout)["topology"], "status")
        done = nobody(job.path, "stop")
        equal(1, done.returncode, "stop by one who may view")
        check("takes the role operate; yours is view" in done.stderr, done.stderr)
        with job.client() as client:
            until(lambda: client.status()["clients"]["forbidden"] == 1, "one call was forbidden")
        job.interrupt()
        job.end()
    with Job(folder, ["--control-role", "@65534=operate"], number=2) as job:
        done = nobody(job.path, "stop")
        action = json.loads(done.stdout)
        equal(("done", 65534), (action["state"], action["uid"]), done.stderr)
        job.end()
    with Job(folder, ["--control-role", "65533=view"], number=3) as job:
        done = nobody(job.path, "status")
        check("has no role here" in done.stderr, done.stderr)
        with job.client() as client:
            until(lambda: client.status()["clients"]["turned_away"] == 1, "one was turned away")
        job.interrupt()
        job.end()


def test_clients(folder):
    """64 clients at once; one more is told so; who does not read is cut off and disturbs nobody"""
    with Job(folder) as job:
        clients = [job.client()]
        # The connection of Job itself is forgotten soon.
        until(lambda: clients[0].status()["clients"]["connected"] == 1, "there is nobody else")
        clients += [job.client() for _ in range(63)]
        for client in clients:
            client.status()
        with job.client() as late:
            error = refused(late.status, -32003)
            check("64 clients" in str(error), str(error))
        for client in clients[1:]:
            client.close()
        lazy = clients[0].socket
        lazy.setblocking(False)
        line = b'{"jsonrpc":"2.0","id":1,"method":"stats"}\n' * 100
        try:
            while True:
                lazy.send(line)
        except BlockingIOError:
            pass
        with job.client() as client:
            until(lambda: client.status()["clients"]["cut_off"] > 0, "who does not read is cut off")
            until(lambda: client.status()["clients"]["connected"] == 1, "all others are gone")
        job.interrupt()
        job.end()


def test_paths(folder):
    """two jobs have two sockets, a stale one is replaced, a live one and what is no socket are refused"""
    with Job(folder) as first:
        done = lodemill(["run", topology("slow.yaml"), "--control", first.path], eal=EAL, code=2)
        check("a running job answers there" in done.stderr, done.stderr)
        check(answers(first.path), "the first one still listens")
        with Job(folder, number=1) as second, first.client() as one, second.client() as two:
            check(one.status()["pid"] != two.status()["pid"], "two jobs")
            second.interrupt()
            second.end()
            check(not os.path.exists(second.path), "its socket stays behind")
            equal("running", one.status()["state"], "the other one")
        first.process.kill()
        first.process.wait()
    check(os.path.exists(first.path) and not answers(first.path), "a stale socket")
    with Job(folder) as again, again.client() as client:
        equal(again.process.pid, client.status()["pid"], "who answers at the stale one's place")
        again.interrupt()
        again.end()
    plain = os.path.join(folder, "plain")
    with open(plain, "w", encoding="ascii") as file:
        file.write("precious")
    for path in plain, os.path.join(folder, "none", "job.sock"), os.path.join(folder, "x" * 120):
        done = lodemill(["run", topology("slow.yaml"), "--control", path], eal=EAL, code=2)
        check("no control socket" in done.stderr, done.stderr)
    equal("precious", open(plain, encoding="ascii").read(), "what was there")
    before = set(glob.glob(os.path.join(folder, "*.sock*")))
    lodemill(["run", topology("slow.yaml"), "--control", "none"], eal=EAL, sets={"delay": "0s"})
    equal(before, set(glob.glob(os.path.join(folder, "*.sock*"))), "sockets of a job with none")
    lodemill(["run", topology("slow.yaml"), "--control-role", "root"], code=2)
    lodemill(["run", topology("slow.yaml"), "--control-role", "root=king"], code=2)


def test_default_path(folder):
    """without --control the socket is found by the file prefix, in a folder of the user alone"""
    prefix = "ctl%d-%d" % (os.getpid(), 0)
    line = job_line(folder, sets={"rows": 0, "delay": "1us", "rate": "50k"})
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")

        def jobs():
            return json.loads(lodectl(["--json", "jobs"]).stdout)
        until(lambda: prefix in jobs(), "lodectl finds it")
        found = jobs()
        equal(0o700, stat.S_IMODE(os.stat(os.path.dirname(found[prefix])).st_mode), "mode of the folder")
        status = json.loads(lodectl(["--json", "--prefix", prefix, "status"]).stdout)
        equal(prefix, status["prefix"], "prefix")
        check(prefix in lodectl(["jobs", "--names"]).stdout.split(), "names")
        error = lodectl(["--prefix", prefix + "x", "status"], code=1).stderr
        check("no running job has the prefix" in error and prefix in error, error)
        running.interrupt()
        running.end()
    check(not os.path.exists(found[prefix]), "its socket stays behind")


def shape(text):
    """Numbers as #, blanks as one: what does not change from run to run."""
    text = re.sub(r"\d([\d,.]*\d)?(e[+-]?\d+)?", "#", text)
    text = re.sub(r"# (ms|us|ns|s)\b", "TIME", text)
    text = re.sub(r"# ([KMG]i)?B\b", "SIZE", text)
    return re.sub(r" +", " ", text).strip()


STATUS_SHAPE = """\
slow: running for TIME, # rows (lodemill #, prefix ctl#-#, pid #)

 OPERATOR TYPE SLICES LCORES TO
 rows generator # # ahead
 ahead map # # # sums
 sums aggregate # # # out
 out null_sink # #

 snapshots none are taken
 clients # connected, # calls, # refused"""

ACTIONS_SHAPE = """\
ID ACTION STATE TOOK AGE UID REASON
 # snapshot failed TIME TIME # the job takes no snapshots: run it with --state FOLDER, or write state: \
{folder: …} in its topology"""


def test_lodectl(folder):
    """what people see: tables, sentences that say what to do, statuses"""
    with Job(folder) as job:
        at = ["--socket", job.path]
        with job.client() as client:
            until(lambda: client.stats("out")["operators"][0]["rows_in"] > 0, "rows come")
        equal(STATUS_SHAPE, shape(lodectl([*at, "status"]).stdout), "status")
        equal("no action was asked for", lodectl([*at, "actions"]).stdout.strip(), "no actions")
        failed = lodectl([*at, "snapshot"], code=1).stdout
        check(re.match(r"snapshot 1: failed after \d", failed) and "--state FOLDER" in failed, failed)
        equal(ACTIONS_SHAPE, shape(lodectl(["actions", *at]).stdout), "actions")
        stats = lodectl([*at, "stats"]).stdout
        lines = stats.splitlines()
        equal("OPERATOR ROWS IN ROWS OUT ABSORBED FILL P# P#", shape(lines[0]), "stats")
        equal(1, len({len(line) for line in lines[1:4]}), "rows that are not aligned: " + stats)
        check("SLICE LCORE ROWS IN ROWS OUT BUSY" in shape(stats) and "\033" not in stats, stats)
        equal(2, len(lodectl([*at, "watch", "--count", "2"]).stdout.splitlines()), "watch")
        probe = shape(lodectl([*at, "watch", "--count", "1"]).stdout)
        check(probe.startswith("TIME # rows/s cpu # memory SIZE"), probe)
        top = lodectl([*at, "top", "--count", "2"]).stdout
        equal(2, top.count("OPERATOR  SLICES"), "pictures of top")
        check("backpressure: " in top and re.search(r"\n *lcores .*%.*%.*%", top), top)
        check(re.search(r"OPERATOR +SLICES +IN/S +OUT/S +BUSY +QUEUE +(P99 +)?L0 +L1 +L2\n", top), top)
        check("your role is deploy" in lodectl([*at, "describe"]).stdout, "describe")
        json.loads(lodectl([*at, "--json", "stats", "--operator", "out"]).stdout)
        error = lodectl([*at, "stats", "--operator", "ot"], code=2).stderr
        equal('lodectl: there is no operator "ot"; did you mean "out"?', error.strip(), "error")
        lodectl([*at, "frob"], code=2)
        lodectl([*at, "stop", "--deadline", "soon"], code=2)
        for method in SCHEMA["methods"]:
            name = method["name"].replace("subscribe", "watch").replace("_", "-")
            check("usage: lodectl " + name in lodectl([name, "--help"]).stdout, name)
        main, terminal = os.openpty()
        env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        subprocess.run([*LODECTL, *at, "actions"], stdout=terminal, check=True, timeout=SECONDS, env=env)
        os.close(terminal)
        shown = os.read(main, 65536).decode()
        os.close(main)
        check("\033[1m" in shown and "\033[31mfailed\033[0m" in shown, "no colour on a terminal: " + shown)
        stopped = lodectl([*at, "stop", "--deadline", "20s"]).stdout
        check(re.match(r"stop 2: done after \d", stopped), stopped)
        job.end()
        error = lodectl([*at, "status"], code=1).stderr
        check("is not there" in error and "lodectl jobs" in error, error)


def test_completion(folder):
    """bash completes commands and options"""
    script = os.path.join(BUILD, "mgmt", "lodectl.bash")
    tries = (("sna", "snapshot"), ("--so", "--socket"), ("stop --dea", "--deadline"),
             ("watch --c", "--count"), ("--socket x stat", "status stats"), ("mig", "migrate"), ("to", "top"),
             ("res", "rescale"), ("pl", "plan"), ("plan --di", "--diff"), ("rebalance --dr", "--dry-run"),
             ("apply --dr", "--dry-run --drop-state"), ("apply job", "job1"))
    os.makedirs(os.path.join(folder, "job1"))
    for words, wanted in tries:
        done = subprocess.run(["bash", "-c", 'source "$1"; COMP_WORDS=(lodectl $2); '
                               'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lodectl; echo "${COMPREPLY[*]}"',
                               "-", script, words], capture_output=True, text=True, check=True, cwd=folder)
        equal(wanted, done.stdout.strip(), "completion of %r" % words)


def committed(folder):
    rows = []
    for path in glob.glob(os.path.join(folder, "*.csv")):
        with open(path, encoding="utf-8") as file:
            rows += file.read().splitlines()[1:]
    return sorted(rows)


def two_inputs(folder, name, rows="1M"):
    out = os.path.join(folder, name)
    os.makedirs(out, exist_ok=True)
    return out, {"out": out, "rows": rows, "rate": "500k", "state": os.path.join(folder, name + "-state")}


def flood(path, until, counts):
    """Calls without a pause, many under way at once, until it ends."""
    lines = b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"%s"}\n' % (n, method) for n, method in
                     enumerate((b"status", b"stats", b"actions", b"describe", b"nonsense") * 10))
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(path)
        with raw.makefile("rb") as file:
            try:
                while not until.is_set():
                    raw.sendall(lines)
                    for _ in range(50):
                        if not file.readline():
                            return
                    counts.append(50)
            except OSError:
                return


def test_flood(folder):
    """thousands of calls a second, snapshots and a stop in between: the rows are those of a quiet run"""
    rows, slow = ("1M", "25k") if SANITIZED else ("4M", "100k")
    out, sets = two_inputs(folder, "quiet", rows)
    sets["rate"] = 0
    lodemill(["run", topology("two_inputs.yaml"), "--quiet"], eal=EAL, sets=sets)
    want = committed(out)
    out, sets = two_inputs(folder, "flooded", rows)
    counts, snapshots = [], 0
    # The first life has rows for 40 s, however slow the machine; the second takes those left at once.
    for number, rate in enumerate((slow, 0)):
        sets["rate"] = rate
        with Job(folder, sets=sets, name="two_inputs.yaml", number=number) as job:
            until = threading.Event()
            threads = [threading.Thread(target=flood, args=(job.path, until, counts)) for _ in range(2)]
            for thread in threads:
                thread.start()
            try:
                # The second life may be over at any time.
                with job.client() if number == 0 else contextlib.nullcontext() as client:
                    if client is not None:
                        snapshots = sum(client.finish("snapshot")["state"] == "done" for _ in range(3))
                        stopped = client.finish("stop")
                        equal("done", stopped["state"], stopped["reason"])
                status = job.end()["status"]
                equal("stopped" if number == 0 else "complete", status, "status")
            finally:
                until.set()
                for thread in threads:
                    thread.join()
    check(sum(counts) > 1000, "%d calls are no flood" % sum(counts))
    equal(3, snapshots, "snapshots")
    equal(len(want), len(committed(out)), "rows")
    check(want == committed(out), "as many rows, but not the same")


def test_drain(folder):
    """drain ends the input for good: windows close, all is committed, and the next run has nothing to do"""
    out, sets = two_inputs(folder, "drained", rows="1000M")
    with Job(folder, sets=sets, name="two_inputs.yaml") as job, job.client() as client:
        until(lambda: client.stats()["rows"] > 0, "rows come")
        client.subscribe(["action.completed"])
        asked = [client.drain()["action"]["id"], client.snapshot()["action"]["id"]]
        done = {}
        for _, params in client.events():
            done[params["action"]["id"]] = (params["action"]["state"], params["action"]["reason"])
            if len(done) == 2:
                break
        equal(("done", ""), done[asked[0]], "drain")
        equal("failed", done[asked[1]][0], "a snapshot behind a drain")
        result = job.end()
    made = sum(o["rows_out"] for o in result["operators"] if o["type"] == "generator")
    in_windows = sum(int(row.split(",")[2]) for row in committed(out))
    late_rows = sum(sum(o["drops"].values()) for o in result["operators"])
    equal(made, in_windows + late_rows, "rows of the generators, rows in committed windows")
    done = lodemill(["run", topology("two_inputs.yaml")], eal=EAL, sets=sets)
    check("nothing left to do" in done.stderr, done.stderr)


def test_deadlines(folder):
    """what is not through at its deadline fails, and the job ends all the same"""
    with Job(folder, sets={"rows": 0, "delay": "1s"}) as job, job.client() as client:
        until(lambda: client.stats()["rows"] > 0, "rows come")
        done = client.finish("drain", deadline_ms=100)
        equal("failed", done["state"], "drain of what takes minutes")
        check("before everything was drained" in done["reason"], done["reason"])
        job.end()


def test_example(folder):
    """the manager of examples/ watches a job to its end"""
    env = dict(os.environ, PYTHONPATH=os.path.join(BUILD, "mgmt"), PYTHONDONTWRITEBYTECODE="1")
    prefix = "ctl%d-%d" % (os.getpid(), 0)
    with Running(job_line(folder, sets={"rows": 0, "delay": "1us"}), folder) as running:
        running.wait_for("Ctrl-C ends it")
        until(lambda: prefix in lodectl(["jobs", "--names"]).stdout.split(), "its socket is there")
        line = [sys.executable, os.path.join(SOURCE, "examples", "watch_probes.py"), prefix]
        with subprocess.Popen(line, env=env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as manager:
            said = ""
            while "full: " not in said and (more := manager.stdout.readline()):
                said += more
            running.interrupt()
            _, error = manager.communicate(timeout=SECONDS)
        running.end()
    check("watching slow" in said and "full: " in said, said)
    check("the job has ended the connection" in error, error)


if __name__ == "__main__":
    points = [test_methods, test_notifications, test_bad_calls, test_roles, test_clients, test_paths,
              test_default_path, test_lodectl, test_completion, test_flood, test_drain, test_deadlines,
              test_example]
    sys.exit(tap(named([guarded(p) for p in points])))
