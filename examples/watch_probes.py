#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A manager of one's own, as a program on the control socket: watches a job and acts on what it sees.

    python3 watch_probes.py [PREFIX]

Says who holds up whom, and asks for a snapshot when the load falls below a tenth of what it was: a good
moment, since little is under way. lodemill_client.py must be found: PYTHONPATH=…/share/lodemill/python.
"""

import sys

from lodemill_client import Client, Error


def full(params):
    """Slices whose rings are full: whoever sends to them waits."""
    return ["%s/%d" % (s["operator"], s["slice"]) for s in params["slices"]
            if s["room"] and s["waiting"] >= s["room"]]


def main(prefix=None):
    highest, asked, seen = 0.0, False, []
    with Client.of_job(prefix) as job:
        print("watching %s" % job.status()["topology"], flush=True)
        job.subscribe()
        for method, params in job.events():
            if method == "action.completed":
                action = params["action"]
                print("%(kind)s %(id)d: %(state)s %(reason)s" % action, flush=True)
                continue
            waits = full(params)
            if waits != seen:
                seen = waits
                print("full: %s" % (", ".join(waits) or "nothing"), flush=True)
            rate = params["rows_per_s"]
            highest = max(highest, rate)
            if rate < highest / 10 and not asked:
                print("load has fallen to %.0f rows/s" % rate, flush=True)
                job.snapshot()
            asked = rate < highest / 10


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2])
    except Error as error:
        print("%s; %s" % (error, error.hint), file=sys.stderr)
        sys.exit(1)
