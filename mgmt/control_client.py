#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Client of Lodemill's control interface: JSON-RPC 2.0 over a Unix socket. Standard library only.

    from lodemill_client import Client

    with Client.of_job() as job:                  # the only job of this user; or of_job("my-prefix")
        print(job.status()["topology"])
        print(job.finish("snapshot"))             # {"state": "done", ...}
        job.subscribe(["probe"])
        for method, params in job.events():
            print(params["rows_per_s"])
"""

import glob
import json
import os
import socket
import time

SCHEMA = {}


class Error(Exception):
    """The job refused a call, or cannot be reached. `code`, `field` and `hint` say more."""

    def __init__(self, message, code=0, field="", hint=""):
        super().__init__(message)
        self.code, self.field, self.hint = code, field, hint


def folders():
    """Where sockets of jobs are by default: the user's own folder first."""
    found = ["/run/lodemill"] if os.geteuid() == 0 else []
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        found.append(os.path.join(os.environ["XDG_RUNTIME_DIR"], "lodemill"))
    return found + ["/tmp/lodemill-%d" % os.geteuid()]


def answers(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
            return True
        except OSError:
            return False


def jobs():
    """Sockets of running jobs by their file prefix."""
    found = {}
    for folder in folders():
        for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.sock"))):
            if answers(path):
                found.setdefault(os.path.basename(path)[:-len(".sock")], path)
    return found


def job_path(prefix=None):
    """The socket of a job; of the only one if no prefix is given."""
    found = jobs()
    if prefix is not None and prefix in found:
        return found[prefix]
    if prefix is None and len(found) == 1:
        return next(iter(found.values()))
    if prefix is not None:
        raise Error('no running job has the prefix "%s"' % prefix,
                    hint="there are: %s" % ", ".join(sorted(found)) if found else "none is running")
    if not found:
        raise Error("no job is running",
                    hint="start one with `lodemill run`; looked in " + ", ".join(folders()))
    raise Error("several jobs are running", hint="choose one with --prefix: " + ", ".join(sorted(found)))


class Client:
    """A connection to a job. One thread at a time."""

    def __init__(self, path, timeout=10.0):
        self.path, self.number, self.buffer, self.notes = path, 0, b"", []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError as error:
            self.socket.close()
            raise Error("%s: %s" % (path, error.strerror or error),
                        hint="is the job running, and are you its user?") from error

    @classmethod
    def of_job(cls, prefix=None, timeout=10.0):
        return cls(job_path(prefix), timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _line(self):
        while b"\n" not in self.buffer:
            try:
                got = self.socket.recv(1 << 16)
            except socket.timeout as error:
                raise Error("%s does not answer" % self.path, hint="try again; see whether the process is "
                            "stopped") from error
            except OSError:
                got = b""
            if not got:
                raise Error("the job has ended the connection", hint="it may have ended")
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def call(self, method, params=None):
        """Calls any method by name; returns its result."""
        self.number += 1
        text = json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params or {}})
        try:
            self.socket.sendall(text.encode() + b"\n")
        except OSError:
            pass  # What it said before it closed is read below.
        while True:
            reply = self._line()
            if "method" in reply:
                self.notes.append((reply["method"], reply["params"]))
                continue
            if "error" in reply:
                data = reply["error"].get("data", {})
                raise Error(reply["error"]["message"], reply["error"]["code"], data.get("field", ""),
                            data.get("hint", ""))
            if reply["id"] == self.number:
                return reply["result"]

    def events(self):
        """Notifications as (method, params), as they come; subscribe first."""
        while True:
            while self.notes:
                yield self.notes.pop(0)
            reply = self._line()
            if "method" in reply:
                yield reply["method"], reply["params"]

    def wait(self, action, seconds=3600.0):
        """Waits for the end of an action; returns it as the notification says it."""
        self.subscribe(["action.completed"])
        entries = self.actions(id=action)["actions"]
        if entries and entries[0]["state"] in ("done", "failed"):
            return entries[0]
        return self._completed(action, seconds)

    def finish(self, method, seconds=3600.0, **params):
        """Asks for an action and waits for its end, also where that is the end of the job."""
        self.subscribe(["action.completed"])
        action = self.call(method, params)["action"]
        return action if action["state"] in ("done", "failed") else self._completed(action["id"], seconds)

    def _completed(self, action, seconds):
        self.socket.settimeout(seconds)
        end = time.monotonic() + seconds
        for method, params in self.events():
            if method == "action.completed" and params["action"]["id"] == action:
                return params["action"]
            if time.monotonic() > end:
                break
        raise Error("action %d has no end within %g s" % (action, seconds))

    # METHODS: made from the schema.
