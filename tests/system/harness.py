# SPDX-License-Identifier: BSD-3-Clause
"""What the system tests share: the program under test, captures, points of TAP.

Environment: LODEMILL_BUILD, a built folder; LODEMILL_SOURCE, the tree; LODEMILL_SHARED, the folder of the
captures that are not in the tree; LODEMILL_LONG, 1 to take the time that ./test --long has;
LODEMILL_SANITIZED, set where the build has sanitizers.
"""

import contextlib
import csv
import json
import operator as operators
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("LODEMILL_SOURCE", os.path.dirname(os.path.dirname(HERE)))
BUILD = os.environ.setdefault("LODEMILL_BUILD", os.path.join(SOURCE, "build"))
SHARED = os.environ.get("LODEMILL_SHARED", os.path.join(SOURCE, os.pardir, "shared"))
LONG = os.environ.get("LODEMILL_LONG", "0") == "1"
SANITIZED = "LODEMILL_SANITIZED" in os.environ
PROGRAM = os.path.join(BUILD, "lodemill")
SAMPLE = os.path.join(SOURCE, "examples", "captures", "sample.pcap")
TOPOLOGIES = os.path.join(HERE, "topologies")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

# What a run may take before it counts as standing still.
SECONDS = 100
# How many characters of what a program wrote are shown when a point fails.
SHOWN = 3000


class Skip(Exception):
    """The machine lacks what the point needs."""


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def equal(want, got, what):
    check(want == got, "%s: expected %s, got %s" % (what, want, got))


def until(truth, what, every=0.05):
    """Waits for a state; returns what `truth` came to."""
    give_up = time.monotonic() + SECONDS
    while not (found := truth()):
        check(time.monotonic() < give_up, "never: " + what)
        time.sleep(every)
    return found


def topology(name):
    return os.path.join(TOPOLOGIES, name)


def shared_captures():
    """The captures beside the tree, none where they are absent."""
    folder = os.path.join(SHARED, "data", "pcap")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if ".pcap" in name]


def captures():
    return [SAMPLE] + shared_captures()


def capture_port(path, queues=1):
    """EAL's device for a capture; read once by each queue."""
    return "--vdev=net_pcap0," + ",".join(["rx_pcap=" + path] * queues)


def command(words, eal=(), sets=None, before=()):
    line = [*before, PROGRAM, *eal, "--", *words]
    for name, value in (sets or {}).items():
        line += ["--set", "%s=%s" % (name, value)]
    return line


def execute(line, code=0, cwd=None):
    """Runs a command to its end; `code` is the exit status it must have."""
    done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=cwd)
    check(done.returncode == code, "status %d, not %d: %s\n%s" %
          (done.returncode, code, " ".join(line), done.stderr[-3000:]))
    return done


def lodemill(words, code=0, eal=(), sets=None, before=(), cwd=None):
    """Runs the program to its end."""
    return execute(command(words, eal, sets, before), code, cwd)


def one_object(text):
    """The text is one JSON object and nothing else."""
    decoded, end = json.JSONDecoder().raw_decode(text)
    check(text[end:].strip() == "", "behind the JSON stands: " + text[end:][:200])
    return decoded


def run_job(name, eal=(), sets=None, words=()):
    """A topology of this folder to its end: its JSON, which says that it was good."""
    path = name if os.path.isabs(name) else topology(name)
    done = lodemill(["run", path, "--json", *words], eal=eal, sets=sets)
    result = one_object(done.stdout)
    check(result["status"] in ("complete", "stopped"), "status is " + result["status"])
    result["stderr"] = done.stderr
    return result


def operator(result, name):
    return next(entry for entry in result["operators"] if entry["name"] == name)


def adds_up(result):
    """Rows in are rows out, absorbed or dropped, operator by operator; packets are what sources read."""
    made = [entry["rows_out"] + sum(entry["drops"].values())
            for entry in result["operators"] if entry["type"] == "port_source"]
    if made:
        equal(result["packets"], sum(made), "packets and rows of the ports")
    for entry in result["operators"]:
        if entry["type"] in ("port_source", "generator", "file_source"):
            continue
        out = entry["absorbed"] + sum(entry["drops"].values())
        if entry["type"] in ("packet_decode", "filter", "map", "lookup"):
            out += entry["rows_out"]
        equal(entry["rows_in"], out, "rows of " + entry["name"])


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def columns_of(path, *names):
    """Some columns of a file with many rows, row by row."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        yield from map(operators.itemgetter(*map(next(rows).index, names)), rows)


def need_root(*programs):
    if os.geteuid() != 0:
        raise Skip("needs root")
    for program in programs:
        if shutil.which(program) is None:
            raise Skip("needs " + program)


def inside(space, *words):
    return ["ip", "netns", "exec", space, *words]


@contextlib.contextmanager
def network(space):
    """A network namespace of that name with two interfaces, "here" and "there", joined by a wire."""
    steps = (["ip", "netns", "add", space],
             inside(space, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true"),
             inside(space, *"ip link add here type veth peer name there".split()),
             inside(space, *"ip link set here up".split()),
             inside(space, *"ip link set there up".split()))
    try:
        for step in steps:
            if subprocess.run(step, capture_output=True, check=False).returncode != 0:
                raise Skip("no network namespaces and veth pairs here")
        yield space
    finally:
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


class Running:
    """The program, running: its files of output, its memory, its end."""

    def __init__(self, line, folder, cwd=None):
        self.out = os.path.join(folder, "stdout")
        self.err = os.path.join(folder, "stderr")
        with open(self.out, "w", encoding="utf-8") as out, \
                open(self.err, "w", encoding="utf-8") as err:
            self.process = subprocess.Popen(line, stdout=out, stderr=err, cwd=cwd)

    def __enter__(self):
        return self

    def __exit__(self, _, error, __):
        if error is not None:
            status = self.process.poll()
            error.add_note("%s, %s; it wrote:\n%s" % (
                os.path.basename(os.path.dirname(self.err)),
                "still running" if status is None else "ended with %d" % status,
                self.said()[-SHOWN:].rstrip() or "nothing"))
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self):
        with open(self.err, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for(self, text):
        """Until it has said so."""
        give_up = time.monotonic() + SECONDS
        while text not in self.said():
            check(self.process.poll() is None, "ended too early: " + self.said()[-2000:])
            check(time.monotonic() < give_up, "never said %r" % text)
            time.sleep(0.02)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self, code=0):
        """Its closing object."""
        status = self.process.wait(timeout=SECONDS)
        check(status == code, "status %d, not %d: %s" % (status, code, self.said()[-2000:]))
        with open(self.out, encoding="utf-8") as file:
            return one_object(file.read())

    def memory(self):
        """Resident kilobytes."""
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            sizes = [int(line.split()[1]) for line in file if line.startswith("VmRSS:")]
        check(sizes, "ended too early: " + self.said()[-2000:])
        return sizes[0]


def notes(error):
    """What was added to an error, and to the one it came from."""
    return [*getattr(error, "__notes__", ()), *(notes(error.__cause__) if error.__cause__ else ())]


def tap(points):
    """Runs (name, function(folder)) pairs, or of them those whose first words stand on the command line;
    returns the exit status. What each took is said, in all and of the CPUs."""
    failed = 0
    if sys.argv[1:]:
        points = [p for p in points if p[0].split(":")[0] in sys.argv[1:]]
    print("1..%d" % len(points))
    for number, (name, point) in enumerate(points, 1):
        begun, cpu = time.monotonic(), cpu_seconds()
        with tempfile.TemporaryDirectory() as folder:
            try:
                point(folder)
                print("ok %d - %s" % (number, name))
            except Skip as skip:
                print("ok %d - %s # SKIP %s" % (number, name, skip))
            except (AssertionError, OSError, ValueError, LookupError, StopIteration,
                    subprocess.SubprocessError) as error:
                failed += 1
                print("not ok %d - %s" % (number, name))
                text = "\n".join(["%s: %s" % (type(error).__name__, error), *notes(error)])
                print("# " + text.replace("\n", "\n# "))
        print("# %.1f s, %.1f s of CPU" % (time.monotonic() - begun, cpu_seconds() - cpu), flush=True)
    return 1 if failed else 0


def cpu_seconds():
    """Of this process and all that it has waited for."""
    return sum(os.times()[:4])


def named(functions):
    """Points out of functions test_NAME with a sentence each."""
    return [("%s: %s" % (f.__name__[5:], f.__doc__), f) for f in functions]
