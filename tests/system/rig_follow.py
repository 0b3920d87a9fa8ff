#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Moves slices of a running engine in the emulated server to the other NUMA node (rig_guest.sh).

    rig_follow.py NAME PID state    both slices there, then one of them back; all pages follow
    rig_follow.py NAME PID held     one slice there, whose pages a device holds

It judges nothing: what was said and what was mapped goes to files NAME.*, which test_rig.py reads. One
process, for in the server it takes a second to begin one.
"""

import json
import shutil
import sys
import time

from lodemill_client import Client

SECONDS = 120


def until(truth, what):
    give_up = time.monotonic() + SECONDS
    while not truth():
        if time.monotonic() > give_up:
            sys.exit("rig_follow: never: " + what)
        time.sleep(0.2)


class Follow:
    def __init__(self, name, pid):
        self.name, self.pid = name, pid
        self.client = Client("/tmp/%s.sock" % name, 60)

    def put(self, kind, value):
        with open("%s.%s" % (self.name, kind), "a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")

    def said(self):
        with open(self.name + ".err", encoding="utf-8") as file:
            return file.read()

    def maps(self, kind):
        shutil.copyfile("/proc/%s/numa_maps" % self.pid, "%s.%s.maps" % (self.name, kind))

    def migrate(self, number, lcore):
        self.put("migrate", self.client.finish("migrate", operator="sums", slice=number, lcore=lcore))

    def follow(self, number, lcore):
        """Any slice has parts that a hugepage begins in."""
        moved = self.pages()["moved"]
        self.migrate(number, lcore)
        self.moved(moved + 2000000)

    def pages(self):
        return self.client.status()["pages"]

    def moved(self, size):
        """So many bytes have, since the start, and none are left that can."""
        def truth():
            pages = self.pages()
            there = pages["far"] == 0 or "share" in pages["why"]
            return pages["left"] == 0 and there and pages["moved"] >= size
        until(truth, "%d bytes moved" % size)

    def state(self):
        self.maps("before")
        self.follow(0, 2)
        self.follow(1, 3)
        self.put("there", self.client.status())
        self.maps("there")
        self.follow(1, 1)

    def held(self):
        def truth():
            pages = self.pages()
            return pages["left"] == 0 and pages["far"] > 0
        self.migrate(0, 2)
        until(truth, "pages are far")
        until(lambda: "stay on another NUMA node" in self.said(), "it is said")
        self.put("there", self.client.status())


def main():
    name, pid, what = sys.argv[1:]
    follow = Follow(name, pid)
    until(lambda: follow.client.stats()["rows"] >= 10000, "10000 rows")
    {"state": follow.state, "held": follow.held}[what]()


if __name__ == "__main__":
    main()
