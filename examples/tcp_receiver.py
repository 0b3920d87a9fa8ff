#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Receives what tcp_sink (mode: eager) sends, and keeps every row exactly once, in an SQLite file.

    tcp_receiver.py --db rows.db --listen 127.0.0.1:9000      receives until it is interrupted
    tcp_receiver.py --db rows.db --connect 127.0.0.1:9000     the same from a sink that listens
    tcp_receiver.py --db rows.db --print                      the rows that will never change
    tcp_receiver.py --db rows.db --print --all                those too that a crash may take back

Engine and receiver may be killed at any time and started again. The rules it follows (they stand in
docs/tcp.md):

1. A line's number is one more than that of the line before it. A lower one is a repeat: ignore it. A
   higher one means that lines are missing: close the connection, the sink sends them again.
2. A start line of a higher incarnation that goes on behind epoch E: forget all rows of epochs from E
   on, they come again. Rows before E are final. Numbers begin anew. If rows of E are final already
   (the state folder was damaged, or is another one), refuse.
3. "durable E": rows of epochs before E are final. "complete": all rows are.
4. Acknowledge a line once it is kept so that it survives a crash of the receiver, not before.
"""

import argparse
import json
import selectors
import signal
import socket
import sqlite3
import sys

CHUNK = 1 << 18
ALL = (1 << 63) - 1  # durable: every epoch
CONNECT_AGAIN_SECONDS = 0.1

TABLES = """
CREATE TABLE IF NOT EXISTS streams (sink TEXT, slice INTEGER, incarnation INTEGER, run TEXT,
    last INTEGER, durable INTEGER, PRIMARY KEY (sink, slice));
CREATE TABLE IF NOT EXISTS rows (sink TEXT, slice INTEGER, incarnation INTEGER, number INTEGER,
    epoch INTEGER, text TEXT, PRIMARY KEY (sink, slice, incarnation, number)) WITHOUT ROWID;
"""


def say(text):
    print("tcp_receiver: " + text, file=sys.stderr, flush=True)


class Refused(Exception):
    """The connection is of no use: it is closed."""


class Stream:
    """One slice of a sink, as the file knows it."""

    def __init__(self, db, sink, number):
        self.db, self.key = db, (sink, number)
        found = db.execute("SELECT incarnation, run, last, durable FROM streams"
                           " WHERE sink = ? AND slice = ?", self.key).fetchone()
        self.incarnation, self.run, self.last, self.durable = found or (None, None, 0, 0)
        self.new = []  # rows that were taken and are not in the file yet

    def start(self, incarnation, epoch, run, following):
        """A process says who it is, and from which line on it sends (rules 1 and 2)."""
        if run == self.run:
            if following > self.last + 1:
                raise Refused("lines %d to %d are missing" % (self.last + 1, following - 1))
            return
        if self.incarnation is not None and 0 < incarnation <= self.incarnation:
            raise Refused("incarnation %d is older than %d, or of another job: give that a file of "
                          "its own" % (incarnation, self.incarnation))
        if incarnation > 0:
            if epoch < self.durable:
                raise Refused("incarnation %d goes on behind epoch %d, but rows before epoch %d are final" %
                              (incarnation, epoch, self.durable))
            forgotten = self.db.execute("DELETE FROM rows WHERE sink = ? AND slice = ?"
                                        " AND incarnation > 0 AND epoch >= ?", (*self.key, epoch))
            say("%s.%d: incarnation %d goes on behind epoch %d: %d rows are forgotten" %
                (*self.key, incarnation, epoch, forgotten.rowcount))
            self.durable = epoch
        self.incarnation, self.run, self.last = incarnation, run, following - 1

    def number(self, line_id):
        """Whether the line with this id is new; its epoch."""
        _, incarnation, epoch, number = (int(part) for part in line_id.split("-"))
        if incarnation != self.incarnation or number > self.last + 1:
            raise Refused("line %s does not follow line %d" % (line_id, self.last))
        is_new = number == self.last + 1
        self.last = max(self.last, number)
        return is_new, epoch

    def row(self, line_id, text):
        is_new, epoch = self.number(line_id)
        if is_new:
            self.new.append((*self.key, self.incarnation, self.last, epoch, text))

    def keep(self):
        """Into the file; whoever calls commits."""
        self.db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", self.new)
        self.db.execute("INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?)",
                        (*self.key, self.incarnation, self.run, self.last, self.durable))
        self.new = []


class Connection:
    """Bytes from one sink: cut into lines, understood, kept, acknowledged."""

    def __init__(self, streams, db, sock):
        self.streams, self.db, self.sock = streams, db, sock
        self.rest = b""
        self.run, self.stream = None, None
        self.is_complete = False

    def lines(self, data):
        """Whole lines; one of CSV goes on while a quote is open."""
        parts = (self.rest + data).split(b"\n")
        self.rest = parts.pop()
        held = None
        for part in parts:
            held = part if held is None else held + b"\n" + part
            if held.startswith(b"{") or held.count(b'"') % 2 == 0:
                yield held.decode("utf-8", "replace")
                held = None
        if held is not None:
            self.rest = held + b"\n" + self.rest

    def open(self, sink, number, *start):
        key = (sink, number)
        self.stream = self.streams.setdefault(key, None) or Stream(self.db, *key)
        self.streams[key] = self.stream
        if start:
            self.stream.start(*start)
            self.run = self.stream.run

    def complete(self, sink, number, incarnation):
        self.open(sink, number)
        if self.stream.incarnation is None or incarnation < self.stream.incarnation:
            raise Refused("it completes what was never begun")
        self.stream.durable = ALL
        self.is_complete = True

    def json_line(self, line):
        if line.startswith('{"_id":"'):
            line_id, rest = line[8:].split('"', 1)
            self.stream.row(line_id, "{" + rest[1:])
            return
        fields = json.loads(line)
        word = fields.get("_control")
        if word == "start":
            self.open(fields["sink"], fields["slice"], fields["incarnation"], fields["epoch"],
                      fields["run"], fields["next"])
        elif word == "complete":
            self.complete(fields["sink"], fields["slice"], fields["incarnation"])
        else:
            self.numbered(word, fields["_id"], fields.get("epoch"))

    def csv_line(self, line):
        if line.startswith("_id,"):
            return  # names
        if not line.startswith("#"):
            self.stream.row(*line.split(",", 1))
            return
        word, *cells = line[1:].split(",")
        if word == "start":
            sink, number, incarnation, epoch, run, following = cells
            self.open(sink, int(number), int(incarnation), int(epoch), run, int(following))
        elif word == "complete":
            self.complete(cells[0], int(cells[1]), int(cells[2]))
        else:
            self.numbered(word, cells[0], int(cells[1]) if len(cells) > 1 else None)

    def numbered(self, word, line_id, epoch):
        is_new, _ = self.stream.number(line_id)
        if is_new and word == "durable":
            self.stream.durable = max(self.stream.durable, epoch)

    def line(self, line):
        if self.stream is not None and self.run is not None and self.run != self.stream.run:
            raise Refused("another process has taken its place")
        if line.startswith("{"):
            self.json_line(line)
        else:
            self.csv_line(line)

    def receive(self):
        """What is there. False: the other end is gone."""
        data = self.sock.recv(CHUNK)
        self.db.execute("BEGIN")
        try:
            for line in self.lines(data):
                self.line(line)
        finally:
            # Lines in front of a bad one are as good as any.
            if self.stream is not None and self.stream.run is not None:
                self.stream.keep()
            self.db.execute("COMMIT")
        if self.stream is not None:
            answer = "ack complete\n" if self.is_complete else "ack %d\n" % self.stream.last
            self.sock.sendall(answer.encode())
        return data != b""


class Receiver:
    """All connections."""

    def __init__(self, db, wanted):
        self.db, self.wanted, self.streams = db, wanted, {}
        self.selector = selectors.DefaultSelector()
        self.is_over = False

    def listen(self, address):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        listener = socket.create_server(address, family=family, backlog=16)
        self.selector.register(listener, selectors.EVENT_READ, None)

    def add(self, sock):
        self.selector.register(sock, selectors.EVENT_READ, Connection(self.streams, self.db, sock))

    def drop(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def handle(self, key):
        if key.data is None:
            self.add(key.fileobj.accept()[0])
            return
        try:
            if not key.data.receive():
                self.drop(key.fileobj)
        except (Refused, AttributeError, KeyError, ValueError, OSError) as error:
            say("a connection is closed: %s" % error)
            self.drop(key.fileobj)

    def run(self, connect):
        while not self.is_over:
            if connect and len(self.selector.get_map()) == 0:
                try:
                    self.add(socket.create_connection(connect, timeout=5))
                except OSError:
                    self.selector.select(CONNECT_AGAIN_SECONDS)
            for key, _ in self.selector.select(CONNECT_AGAIN_SECONDS):
                self.handle(key)
            done = sum(1 for stream in self.streams.values() if stream.durable == ALL)
            self.is_over |= 0 < self.wanted <= done


def open_file(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.executescript(TABLES)
    return db


def print_rows(db, everything):
    query = ("SELECT text FROM rows JOIN streams USING (sink, slice)"
             " WHERE ? OR rows.incarnation = 0 OR epoch < durable"
             " ORDER BY sink, slice, rows.incarnation, number")
    for text, in db.execute(query, (everything,)):
        print(text)


def address_of(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--db", required=True, help="the file")
    parser.add_argument("--listen", metavar="HOST:PORT", type=address_of)
    parser.add_argument("--connect", metavar="HOST:PORT", type=address_of)
    parser.add_argument("--complete", metavar="N", type=int, default=0,
                        help="end when N slices of sinks are complete")
    parser.add_argument("--print", action="store_true", help="print rows instead of receiving")
    parser.add_argument("--all", action="store_true", help="with --print: also what is not final")
    options = parser.parse_args()
    if not (options.print or options.listen or options.connect):
        parser.error("--listen, --connect or --print")
    db = open_file(options.db)
    if options.print:
        print_rows(db, options.all)
        return 0
    receiver = Receiver(db, options.complete)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(receiver, "is_over", True))
    if options.listen:
        receiver.listen(options.listen)
    receiver.run(options.connect)
    return 0


if __name__ == "__main__":
    sys.exit(main())
