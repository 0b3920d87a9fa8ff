#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Rows over TCP: tcp_source, tcp_sink, and the receiver of the examples, with peers and engines that die.

Prints TAP. Environment: see harness.py.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import (SANITIZED, SECONDS, SOURCE, Running, check, command, equal, named, operator, tap,
                     topology, until)

RECEIVER = os.path.join(SOURCE, "examples", "tcp_receiver.py")

# Rows and sums of them, paced, so that there is time to be killed.
CRASH = """
name: tcp-crash
operators:
  rows: {type: generator, rows: %(rows)d, rate: %(rate)d, seed: 7,
         fields: {at: time = time 0 1000000, key: u32 = uniform 0 49, number: u64 = sequence}}
  half: {type: map, input: rows, keep: [key, number], set: {half: number / 2}}
  sums: {type: window_aggregate, input: rows by key, by: key, window: tumbling 500ms, sum: number,
         count: rows, slices: 2}
  raw:  {type: %(type)s, input: half, format: jsonl, %(raw)s}
  out:  {type: %(type)s, input: sums, format: csv, slices: 2, %(out)s}
settings: {epoch: 100ms}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port):
    """To somebody who may not listen yet."""
    give_up = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            check(time.monotonic() < give_up, "nobody listens on port %d" % port)
            time.sleep(0.02)


def send(port, data):
    with connect(port) as sock:
        sock.sendall(data)


class Reader(threading.Thread):
    """Takes one connection and reads it to its end, from the moment on that it is told to go."""

    def __init__(self, goes=True):
        super().__init__(daemon=True)
        self.data, self.go = b"", threading.Event()
        if goes:
            self.go.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        sock, _ = self.listener.accept()
        with sock:
            self.go.wait()
            while True:
                part = sock.recv(1 << 20)
                if not part:
                    return
                self.data += part

    def text(self):
        self.join(SECONDS)
        check(not self.is_alive(), "the connection never ended")
        self.listener.close()
        return self.data.decode()


class Receiver:
    """The receiver of the examples on a file, which may be killed and started again."""

    def __init__(self, folder, port, streams):
        self.db, self.log = os.path.join(folder, "rows.db"), os.path.join(folder, "receiver")
        self.words = ["--listen", "127.0.0.1:%d" % port, "--complete", str(streams)]
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([sys.executable, RECEIVER, "--db", self.db, *self.words],
                                            stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait(self):
        equal(0, self.process.wait(timeout=SECONDS), "the receiver's status")

    def said(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def rows(self):
        done = subprocess.run([sys.executable, RECEIVER, "--db", self.db, "--print"], check=True,
                              capture_output=True, text=True, timeout=SECONDS)
        return done.stdout.splitlines()


def same_rows(want, got, what):
    """Whatever their order."""
    equal(len(want), len(got), "number of " + what)
    check(sorted(want) == sorted(got), what + " differ")


def through(folder, port, reader, words=(), **sets):
    sets.update({"in": port, "out": reader.port})
    return Running(command(["run", topology("tcp_through.yaml"), "--json", *words], sets=sets), folder)


def test_through(folder):
    """four senders at once, 300,000 typed rows through source and sink: each once, in its sender's order"""
    port, reader, each = free_port(), Reader(), 75000
    with through(folder, port, reader) as running:
        senders = []
        for sender in range(4):
            data = "".join("%d,%d,\"w %d\"\n" % (n, sender, n % 7) for n in range(each))
            senders.append(threading.Thread(target=send, args=(port, data.encode())))
        # All are there before the first ends: the source ends when none is left.
        with connect(port):
            for thread in senders:
                thread.start()
            for thread in senders:
                thread.join()
        result = running.end()
    text = reader.text()
    for sender in range(4):
        want = ['{"number":%d,"sender":%d,"word":"w %d"}' % (n, sender, n % 7) for n in range(each)]
        mark = '"sender":%d,' % sender
        got = [line for line in text.splitlines() if mark in line]
        check(got == want, "rows of sender %d: %d, not the %d that were sent" % (sender, len(got), each))
    equal(4 * each, operator(result, "out")["absorbed"], "rows absorbed")


def test_formats(folder):
    """a header, JSON lines; what is no row is counted by name"""
    good = '{"number":%d,"sender":1,"word":"\\u00e9"}\n'
    cases = (
        ({"format": "csv", "header": "true"},
         'word,more,number,sender\nx,1,5,6\n"y,""\nz",2,7,8\n1,2\na,b,c,d\n',
         ['{"number":5,"sender":6,"word":"x"}', '{"number":7,"sender":8,"word":"y,\\"\\nz"}'],
         {"column_count": 1, "bad_value": 1}),
        ({"format": "jsonl"},
         good % 1 + "{bad}\n" + '{"word":null,"other":[{"a":"}"}],"number":2}\n' +
         '{"sender":3,"number":2,"x":{}}\n' + (good % 9)[:-1],
         ['{"number":1,"sender":1,"word":"é"}', '{"number":2,"sender":3,"word":""}',
          '{"number":9,"sender":1,"word":"é"}'],
         {"bad_json": 1, "bad_value": 1}))
    for sets, data, want, drops in cases:
        port, reader = free_port(), Reader()
        with through(folder, port, reader, **sets) as running:
            send(port, data.encode())
            result = running.end()
        equal(want, reader.text().splitlines(), "rows of format " + sets["format"])
        equal(drops, operator(result, "rows")["drops"], "drops of format " + sets["format"])


def test_slow(folder):
    """a peer that does not read: the stream waits for it, or rows are dropped by name"""
    rows = 300000
    data = "".join("%d,0,%s\n" % (n, "x" * 40) for n in range(rows)).encode()
    for slow in "wait", "drop":
        port, reader = free_port(), Reader(goes=False)
        with through(folder, port, reader, slow=slow, buffer="128KiB") as running:
            sender = threading.Thread(target=send, args=(port, data))
            sender.start()
            sender.join(1.5 if slow == "wait" else SECONDS)
            equal(slow == "wait", sender.is_alive(), "the stream waits, when_slow: " + slow)
            reader.go.set()
            result = running.end()
            sender.join()
        got, out = len(reader.text().splitlines()), operator(result, "out")
        dropped = sum(out["drops"].values())
        equal(out["absorbed"], got, "rows that came, when_slow: " + slow)
        equal(rows, got + dropped, "rows that came and were dropped")
        check((dropped > 0) == (slow == "drop"), "%d rows were dropped" % dropped)


def test_receiver_comes_back(folder):
    """a receiver that is killed five times has every row once, with no snapshots at all"""
    port, rows, rate = free_port(), 40000 if SANITIZED else 75000, 10000 if SANITIZED else 20000
    path = os.path.join(folder, "job.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("name: back\noperators:\n"
                   "  rows: {type: generator, rows: %d, rate: %d, fields: {number: u64 = sequence}}\n"
                   "  out: {type: tcp_sink, input: rows, port: %d}\n" % (rows, rate, port))
    with Receiver(folder, port, 1) as receiver, \
            Running(command(["run", path, "--json"]), folder) as running:
        for pause in 0.9, 0.4, 0.5, 0.6, 0.5:
            time.sleep(pause)
            receiver.kill()
            time.sleep(0.1)
            receiver.start()
        result = running.end()
        time.sleep(0.5)
        receiver.kill()
        equal(['{"number":%d}' % n for n in range(rows)], receiver.rows(), "rows")
    equal(rows, operator(result, "out")["absorbed"], "rows absorbed")


def crash_job(folder, name, **words):
    words = {"rows": 16000 if SANITIZED else 60000, "rate": 4000 if SANITIZED else 15000, **words}
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(CRASH % words)
    return path


def uninterrupted(folder):
    files = {name: os.path.join(folder, name) for name in ("raw", "out%s")}
    path = crash_job(folder, "plain.yaml", type="file_sink", rate=0, raw="path: " + files["raw"],
                     out="path: " + files["out%s"])
    with Running(command(["run", path, "--json"]), folder) as running:
        running.end()
    rows = []
    for name in "raw", "out0", "out1":
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            rows += file.read().splitlines()[0 if name == "raw" else 1:]
    return rows


def crash(folder, line, receiver, chance, with_receiver):
    """Kills the engine, at times the receiver with it."""
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")
        time.sleep(0.4 + chance.random() * 0.5)
        if running.process.poll() is not None:
            equal(0, running.process.returncode, "status of a run that ended before it was killed")
            return
        if with_receiver:
            # For some epochs nothing is taken: what is on the way then goes with both of them.
            receiver.process.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            receiver.process.send_signal(signal.SIGKILL)
        running.process.kill()
        running.process.wait()
    if with_receiver:
        receiver.process.wait()
        receiver.start()


def test_crashes(folder):
    """an engine that is killed five times, twice with its receiver, sends what one that is not sends, once"""
    port, chance = free_port(), random.Random(5)
    want = uninterrupted(folder)
    peer = "port: %d" % port
    path = crash_job(folder, "job.yaml", type="tcp_sink", raw=peer, out=peer)
    line = command(["run", path, "--json", "--state", os.path.join(folder, "state")])
    with Receiver(folder, port, 3) as receiver:
        for number in range(5):
            crash(folder, line, receiver, chance, number % 2 == 1)
        with Running(line, folder) as running:
            running.end()
        receiver.wait()
        forgotten = [int(count) for count in re.findall(r"(\d+) rows are forgotten", receiver.said())]
        same_rows(want, receiver.rows(), "rows")
    check(sum(forgotten) > 0, "no crash has repeated anything: " + receiver.said()[-1000:])


class DeafPeer(threading.Thread):
    """Acknowledges all that one connection sends, and leaves when it is told that it is complete."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.lines = []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        sock, _ = self.listener.accept()
        self.listener.close()
        with sock, sock.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                self.lines.append(json.loads(line))
                if self.lines[-1].get("_control") == "complete":
                    return
                if "_id" in self.lines[-1]:
                    sock.sendall(b"ack %d\n" % int(self.lines[-1]["_id"].split("-")[3]))

    def all(self):
        self.join(SECONDS)
        check(not self.is_alive(), "it was never told that this is all")
        return self.lines


def short_job(folder, port, rows, rate):
    path = os.path.join(folder, "short.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("name: short\noperators:\n"
                   "  rows: {type: generator, rows: %d, rate: %d, fields: {number: u64 = sequence}}\n"
                   "  out: {type: tcp_sink, input: rows, port: %d}\n"
                   "settings: {epoch: 50ms}\n" % (rows, rate, port))
    return command(["run", path, "--json", "--state", os.path.join(folder, "state")])


def execute_for(line):
    done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
    equal(0, done.returncode, "status")
    return done.stderr


def test_told_later(folder):
    """a peer that leaves before it has taken the last line hears from the next run that all is durable"""
    port = free_port()
    line = short_job(folder, port, 2000, 10000)
    peer = DeafPeer(port)
    check("was not told that the last rows are durable" in execute_for(line), "it was not said")
    lines = peer.all()
    equal(2000, sum(1 for entry in lines if "number" in entry), "rows")
    check(any(entry.get("_control") == "end" for entry in lines), "no line says end")
    again = DeafPeer(port)
    check("is complete" in execute_for(line), "the job has run again")
    equal([{"_control": "complete", "sink": "out", "slice": 0, "incarnation": 2}], again.all(), "lines")


def test_stopped(folder):
    """what a job that is stopped has sent is final at once, and the next run goes on behind it"""
    port, rows, rate = free_port(), 40000, 10000
    line = short_job(folder, port, rows, rate)
    with Receiver(folder, port, 1) as receiver:
        with Running(line, folder) as running:
            running.wait_for("Ctrl-C ends it")
            until(receiver.rows, "rows are final")
            running.interrupt()
            running.end()
        first = receiver.rows()
        with Running(line, folder) as running:
            running.end()
        receiver.wait()
        equal(['{"number":%d}' % n for n in range(rows)], receiver.rows(), "rows")
        forgotten = re.findall(r"behind epoch [1-9]\d*: (\d+) rows are forgotten", receiver.said())
        equal(["0"], forgotten, "rows that were forgotten")
    equal(['{"number":%d}' % n for n in range(len(first))], first, "rows that were final first")


def test_refused(folder):
    """a port that is taken, and a name that nobody has, are said"""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sets = {"in": taken.getsockname()[1], "out": 1}
        line = command(["run", topology("tcp_through.yaml")], sets=sets)
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
    check(done.returncode != 0, "it ran")
    check("cannot listen on 127.0.0.1 port" in done.stderr, done.stderr[-1000:])


if __name__ == "__main__":
    POINTS = (test_through, test_formats, test_slow, test_receiver_comes_back, test_crashes,
              test_stopped, test_told_later, test_refused)
    sys.exit(tap(named(POINTS)))
