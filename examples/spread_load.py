#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A manager of one's own, as a program on the control socket: moves slices off lcores that are full.

    python3 spread_load.py [PREFIX] [SHARE]

When an lcore is busier than SHARE (0.9) in two probes in a row, and another one has room, the busiest slice
that fits is moved there; never more often than every two seconds, so that what the last move came to can be
seen. The same in C, inside the job: manager_plugin/spread.c. lodemill_client.py must be found:
PYTHONPATH=…/share/lodemill/python.
"""

import sys
import time

from lodemill_client import Client, Error

PROBES, QUIET_S, GAIN = 2, 2.0, 0.05


def choose(probe):
    """(slice, lcore): what should go where; None: nothing is worth it."""
    full = max(probe["lcores"], key=lambda lcore: lcore["busy"])
    empty = min(probe["lcores"], key=lambda lcore: lcore["busy"])
    gap = full["busy"] - empty["busy"]
    fit = [s for s in probe["slices"] if s["lcore"] == full["lcore"] and GAIN <= s["busy"] <= gap - GAIN]
    return (max(fit, key=lambda s: s["busy"]), empty["lcore"]) if fit else None


def main(prefix=None, share="0.9"):
    seen, asked, moved = 0, None, 0.0
    with Client.of_job(prefix or None) as job:
        print("spreading %s" % job.status()["topology"], flush=True)
        job.subscribe()
        for method, params in job.events():
            if method == "action.completed":
                action = params["action"]
                if action["id"] == asked:
                    asked, seen, moved = None, 0, time.monotonic()
                    print("%(what)s: %(state)s %(reason)s" % action, flush=True)
                continue
            seen = seen + 1 if max(lcore["busy"] for lcore in params["lcores"]) >= float(share) else 0
            if asked is not None or seen < PROBES or time.monotonic() - moved < QUIET_S:
                continue
            move = choose(params)
            if move is not None:
                slice, lcore = move
                asked = job.migrate(slice["operator"], slice["slice"], lcore)["action"]["id"]


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except Error as error:
        print("%s; %s" % (error, error.hint), file=sys.stderr)
        sys.exit(1)
