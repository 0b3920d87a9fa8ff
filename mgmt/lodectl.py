#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""lodectl: looks at a running job of Lodemill and changes it, from a shell."""

import argparse
import re
import sys

from lodemill_client import SCHEMA, Client, Error, jobs, json, os

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
STATES = {"running": "green", "inactive": "yellow", "done": "green", "failed": "red", "stopping": "yellow",
          "draining": "yellow", "queued": "yellow", "ended": "red"}


def style(text, name):
    if name and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        return "\033[%sm%s\033[0m" % (COLOURS[name], text)
    return text


def clean(text):
    """What a job calls things cannot move the cursor."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def table(headings, rows):
    """Aligned columns: numbers to the right. A heading that begins with < is of a column of text."""
    rows = [[clean(cell) for cell in row] for row in rows]
    left = [h.startswith("<") for h in headings]
    headings = [h.lstrip("<") for h in headings]
    keep = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    width = [max([len(headings[i])] + [len(row[i]) for row in rows]) for i in range(len(headings))]

    def line(cells, paint):
        padded = [cells[i].ljust(width[i]) if left[i] else cells[i].rjust(width[i]) for i in keep]
        padded[-1] = padded[-1].rstrip()
        return "  " + "  ".join(paint(headings[i], text) for i, text in zip(keep, padded)).rstrip()
    print(style(line(headings, lambda _, text: text), "bold"))
    for row in rows:
        print(line(row, lambda heading, text: style(text, STATES.get(text.strip()))
                   if heading == "STATE" else text))


def exact(number):
    return "" if number is None else "{:,}".format(number)


def nonzero(number):
    return exact(number) if number else ""


def time_of(ns):
    for unit, size in ("s", 1e9), ("ms", 1e6), ("us", 1e3):
        if ns >= size:
            return "%.3g %s" % (ns / size, unit)
    return "%d ns" % ns


def size_of(count):
    for unit, size in ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10):
        if count >= size:
            return "%.1f %s" % (count / size, unit)
    return "%d B" % count


def percent(share):
    return "%.0f %%" % (100 * share)


def show_status(result):
    which = "(lodemill %s, prefix %s, pid %d)" % (result["version"], result["prefix"], result["pid"])
    print("%s: %s for %s, %s rows  %s" % (
        style(clean(result["topology"]), "bold"), style(result["state"], STATES.get(result["state"])),
        time_of(result["seconds"] * 1e9), exact(result["rows"]), style(clean(which), "dim")))
    print()
    lcores = {}
    for place in result["slices"]:
        lcores.setdefault(place["operator"], []).append(str(place["lcore"]))
    table(["<OPERATOR", "<TYPE", "SLICES", "<LCORES", "<TO"],
          [[op["name"], op["type"], op["slices"], " ".join(lcores.get(op["name"], [])),
            " ".join(wire["to"] for wire in result["wires"] if wire["from"] == op["name"])]
           for op in result["operators"]])
    print()
    state = result["snapshots"]
    if state is None:
        print("  snapshots  none are taken")
    else:
        print("  snapshots  epoch %s in %s; %s durable, %s lost; %s; the last took %s" % (
            exact(state["epoch"]), clean(state["folder"]), exact(state["durable"]), exact(state["lost"]),
            size_of(state["bytes"]), time_of(state["last_ms"] * 1e6)))
        if state["failures"]:
            print("  " + style("the last %d failed: %s" % (state["failures"], clean(state["why"])), "red"))
    action = result["action"]
    if action is not None:
        what = " " + clean(action["what"]) if action["what"] else ""
        steps = ", %d of %d" % (action["step"], action["steps"]) if action["steps"] else ""
        phase = ", " + clean(action["phase"]) if action["phase"] else ""
        print("  action     %d, %s%s%s%s, for %s; %d more wait" % (
            action["id"], action["kind"], what, steps, phase, time_of(action["age_ms"] * 1e6),
            result["queued"]))
    manager = result["manager"]
    if manager is not None:
        print("  manager    %s %s: %s calls, %s late, the longest took %s; %s asked for, %s refused" % (
            clean(manager["name"]), clean(manager["version"]), exact(manager["calls"]),
            exact(manager["late"]), time_of(manager["longest_ms"] * 1e6), exact(manager["asked"]),
            exact(manager["refused"])))
    plugins = result["plugins"]
    if plugins["loaded"] or plugins["retired"]:
        print("  plugins    %d loaded, %d retired%s" % (
            plugins["loaded"], plugins["retired"], ": they cannot be unloaded" if plugins["retired"] else ""))
    pages = result["pages"]
    if pages is not None and (pages["left"] or pages["moved"] or pages["far"]):
        print("  pages      %s moved to the nodes of their slices, %s to go, %s stay far" % (
            size_of(pages["moved"]), size_of(pages["left"]), size_of(pages["far"])))
        if pages["far"]:
            print("  " + style(clean(pages["why"]), "yellow"))
    clients = result["clients"]
    refused = sum(clients[name] for name in ("malformed", "oversized", "unknown", "wrong_params", "forbidden",
                                             "failed"))
    print("  clients    %s connected, %s calls, %s refused" % (
        exact(clients["connected"]), exact(clients["calls"]), exact(refused)))


def show_stats(result):
    table(["<OPERATOR", "ROWS IN", "ROWS OUT", "ABSORBED", "DROPPED", "ERRORS", "FILL", "P50", "P99"],
          [[op["name"], exact(op["rows_in"]), exact(op["rows_out"]), exact(op["absorbed"]),
            nonzero(op["dropped"]), nonzero(op["errors"]), percent(op["fill"]),
            time_of(op["latency_ns"]["p50"]) if op["latency_ns"] and op["latency_ns"]["count"] else "",
            time_of(op["latency_ns"]["p99"]) if op["latency_ns"] and op["latency_ns"]["count"] else ""]
           for op in result["operators"]])
    print()
    codes = {}
    for s in result["slices"]:
        codes.setdefault(s["operator"], set()).add(s["version"])
    table(["<SLICE", "LCORE", "<VERSION", "ROWS IN", "ROWS OUT", "DROPPED", "BUSY", "BLOCKED", "WAITING",
           "EPOCH"],
          [["%s/%d" % (s["operator"], s["slice"]), s["lcore"],
            s["version"] if len(codes[s["operator"]]) > 1 else "", exact(s["rows_in"]), exact(s["rows_out"]),
            nonzero(s["dropped"]), time_of(s["busy_ns"]), nonzero(s["turns_blocked"]),
            "%d of %d" % (s["waiting"], s["room"]) if s["room"] else "", exact(s["epoch"])]
           for s in result["slices"]])
    print()
    table(["LCORE", "NODE", "BUSY", "TURNS", "LONGEST TURN"],
          [[w["lcore"], "" if w["numa_node"] is None else w["numa_node"],
            percent(w["busy_ns"] / max(1, w["busy_ns"] + w["idle_ns"])), exact(w["turns"]),
            time_of(w["longest_turn_ns"])] for w in result["lcores"]])
    if result["ports"]:
        print()
        table(["<PORT", "COUNT"], [[name, exact(count)] for name, count in result["ports"].items()])


def show_actions(result):
    if not result["actions"]:
        print("no action was asked for")
        return
    table(["ID", "<ACTION", "<WHAT", "<STATE", "<PHASE", "EPOCH", "PAUSE", "TOOK", "AGE", "UID", "<REASON"],
          [[a["id"], a["kind"], a["what"], a["state"], a["phase"], nonzero(a["epoch"]),
            time_of(a["pause_ns"]) if a["pause_ns"] else "",
            "" if a["took_ms"] is None else time_of(a["took_ms"] * 1e6), time_of(a["age_ms"] * 1e6), a["uid"],
            a["reason"]] for a in result["actions"]])


def show_log_levels(result):
    if not result["levels"]:
        print("every module says what is info or worse")
        return
    table(["<MODULE", "<LEVEL", "LEFT"],
          [[v["module"], v["level"], time_of(v["left_ms"] * 1e6)] for v in result["levels"]])


def move_line(move):
    line = "%s/%d: lcore %d -> %d, %s of one" % (move["operator"], move["slice"], move["from"], move["to"],
                                                percent(move["demand"]))
    if move["result"] is not None:
        line += ", " + move["result"]
    return line + (", stood still for %s" % time_of(move["pause_ns"]) if move["pause_ns"] else "")


def scale_line(scale):
    if scale["planned"]:
        return "%s: %d -> %d slices" % (scale["operator"], scale["was"], scale["slices"])
    return "%s needs more slices: %d would do" % (scale["operator"], scale["slices"])


def show_elastic(result):
    if result["policy"] == "off":
        print("off: slices stay where they are")
        return
    notes = [note for note, shown in (("dry run", result["dry_run"]), ("frozen", result["frozen"])) if shown]
    print("%s%s: %d of %d to %d lcores, %s changes%s" % (
        style(result["policy"], "bold"), " (%s)" % ", ".join(notes) if notes else "", result["lcores"],
        result["lcores_min"], result["lcores_max"], exact(result["changes"]),
        ", %d slices stay where they were moved by hand" % result["by_hand"] if result["by_hand"] else ""))
    if result["scaled_by_hand"]:
        print("  %d operators keep the slices they were given by hand" % result["scaled_by_hand"])
    if result["bottleneck"]:
        print("  %s holds the others up" % style(clean(result["bottleneck"]), "yellow"))
    for decision in result["decisions"]:
        looks = ", %s looks" % exact(decision["looks"]) if decision["looks"] > 1 else ""
        change = "" if decision["lcores"] == decision["lcores_wanted"] else \
            " %d -> %d" % (decision["lcores"], decision["lcores_wanted"])
        print("\n%9.2f s  %s%s%s" % (decision["seconds"], style(decision["verdict"], "bold"), change, looks))
        lines = [decision["why"]] + [move_line(move) for move in decision["moves"] if move]
        lines += [scale_line(scale) for scale in decision["scale"]]
        lines += [decision["outcome"]] if decision["outcome"] else []
        for line in lines:
            print("             " + clean(line))


def show_frozen(result):
    print("elasticity is frozen" if result["frozen"] else "elasticity goes on")


def show_describe(result):
    print("your role is %s\n" % style(result["role"], "bold"))
    table(["<METHOD", "<ROLE", "<PARAMETERS", "<WHAT IT DOES"],
          [[m["name"], m["role"], " ".join(p["name"] for p in m["params"]), m["doc"]]
           for m in result["schema"]["methods"]])


def show_action(action):
    text = "%s %d: %s" % (action["kind"], action["id"], style(action["state"], STATES[action["state"]]))
    if action["what"]:
        text = "%s %d, %s: %s" % (action["kind"], action["id"], clean(action["what"]),
                                  style(action["state"], STATES[action["state"]]))
    if action["epoch"] and action["state"] == "done":
        text += ", epoch %d" % action["epoch"]
    if action["pause_ns"]:
        text += ", stood still for %s" % time_of(action["pause_ns"])
    if action["took_ms"] is not None:
        text += " after %s" % time_of(action["took_ms"] * 1e6)
    print(text + (": " + clean(action["reason"]) if action["reason"] else ""))


def show_event(method, params):
    if method == "action.completed":
        show_action(params["action"])
        return
    busiest = max(params["slices"], key=lambda s: s["busy"], default=None)
    fullest = max((s for s in params["slices"] if s["room"]), key=lambda s: s["waiting"] / s["room"],
                  default=None)
    line = "%8.1f s  %12s rows/s  cpu %4.2f  memory %s" % (
        params["seconds"], exact(round(params["rows_per_s"])), params["cpu"], size_of(params["memory"]))
    if busiest:
        line += "  busiest %s/%d %s" % (clean(busiest["operator"]), busiest["slice"],
                                        percent(busiest["busy"]))
    if fullest and fullest["waiting"]:
        line += "  fullest %s/%d %s" % (clean(fullest["operator"]), fullest["slice"],
                                        percent(min(1, fullest["waiting"] / fullest["room"])))
    for sink in params["sinks"]:
        if sink["rows"]:
            line += "  %s p99 %s" % (clean(sink["operator"]), time_of(sink["p99_ns"]))
    print(line)


def per_second(count, params):
    return short(count / params["interval_s"]) if params["interval_s"] else "0"


def short(count):
    for unit, size in ("G", 1e9), ("M", 1e6), ("k", 1e3):
        if count >= size:
            return "%.1f%s" % (count / size, unit)
    return "%d" % count


def show_top(status, params):
    """Operators with their rates, and how busy each keeps which lcore."""
    print("%s: %s rows/s, cpu %.2f, memory %s, up %s" % (
        style(clean(status["topology"]), "bold"), short(params["rows_per_s"]), params["cpu"],
        size_of(params["memory"]), time_of(params["seconds"] * 1e9)))
    root = params["root"]
    print("backpressure: " + (style(clean(root), "red") + " holds up what is before it" if root else "none"))
    print()
    sinks = {s["operator"]: s for s in params["sinks"]}
    lcores = [w["lcore"] for w in params["lcores"]]
    rows = []
    for op in status["operators"]:
        own = [s for s in params["slices"] if s["operator"] == op["name"]]
        queue = max((s["waiting"] / s["room"] for s in own if s["room"]), default=None)
        sink = sinks.get(op["name"])
        row = [op["name"], op["slices"], per_second(sum(s["rows_in"] for s in own), params),
               per_second(sum(s["rows_out"] for s in own), params),
               percent(max((s["busy"] for s in own), default=0)),
               "" if queue is None else percent(min(1, queue)),
               time_of(sink["p99_ns"]) if sink and sink["rows"] else ""]
        for lcore in lcores:
            there = [s["busy"] for s in own if s["lcore"] == lcore]
            row.append(percent(sum(there)) if there else ".")
        rows.append(row)
    busy = ["lcores", "", "", "", "", "", ""] + [percent(w["busy"]) for w in params["lcores"]]
    table(["<OPERATOR", "SLICES", "IN/S", "OUT/S", "BUSY", "QUEUE", "P99"] + ["L%d" % n for n in lcores],
          rows + [busy])


def run_top(options, _):
    """A picture for every probe, in one place on a terminal."""
    with connect(options) as client:
        status = client.status()
        client.subscribe(["probe"])
        client.socket.settimeout(None)
        count = 0
        try:
            for name, params in client.events():
                if options.json:
                    dump({"method": name, "params": params})
                else:
                    print("\033[H\033[J" if sys.stdout.isatty() else "" if count == 0 else "\n", end="")
                    show_top(status, params)
                sys.stdout.flush()
                count += 1
                if options.count and count >= options.count:
                    return 0
        except Error:
            if not options.json:
                print("the job has ended")
    return 0


def dump(value):
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def duration(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text)
    if match is None:
        raise argparse.ArgumentTypeError('"%s" is no time such as 500ms, 10s or 5m' % text)
    return int(float(match.group(1)) * {"ms": 1, "s": 1000, "m": 60000, "h": 3600000}[match.group(2) or "s"])


def share(text):
    match = re.fullmatch(r"(\d+) ?%?", text)
    if match is None:
        raise argparse.ArgumentTypeError('"%s" is no share such as 5%%' % text)
    return int(match.group(1))


def shown(method, result):
    shows = {"status": show_status, "stats": show_stats, "actions": show_actions, "describe": show_describe,
             "log_level": show_log_levels,
             "elastic": show_elastic, "freeze": show_frozen, "unfreeze": show_frozen}
    shows[method["name"]](result)


def params_of(options, method):
    names = [p["name"] for p in method["params"]]
    params = {name: getattr(options, name) for name in names if getattr(options, name, None) is not None}
    if "file" in params:
        params["file"] = os.path.abspath(params["file"])  # The job stands in another folder.
    return params


def run_method(options, method):
    params = params_of(options, method)
    with connect(options) as client:
        if not is_action(method):
            result = client.call(method["name"], params)
            dump(result) if options.json else shown(method, result)
            return 0
        if options.no_wait:
            action = client.call(method["name"], params)["action"]
        else:
            action = client.finish(method["name"], **params)
    dump(action) if options.json else show_action(action)
    return 1 if action["state"] == "failed" else 0


def run_watch(options, method):
    with connect(options) as client:
        client.subscribe(*([options.events] if options.events else []))
        count = 0
        client.socket.settimeout(None)
        try:
            for name, params in client.events():
                dump({"method": name, "params": params}) if options.json else show_event(name, params)
                sys.stdout.flush()
                count += 1
                if options.count and count >= options.count:
                    return 0
        except Error:
            if not options.json:
                print("the job has ended")
    return 0 if method else 1


def run_plan(options, _):
    """What `apply` would do, a line for each thing that differs."""
    with connect(options) as client:
        action = client.finish("apply", file=os.path.abspath(options.diff), dry_run=True,
                               drop_state=options.drop_state)
    if options.json:
        dump(action)
    elif action["state"] == "failed":
        show_action(action)
    else:
        print("\n".join("  " + clean(part) for part in action["reason"].split("; ")))
    return 1 if action["state"] == "failed" else 0


def run_jobs(options, _):
    found = jobs()
    if options.names:
        print("\n".join(sorted(found)))
    elif options.json:
        dump(found)
    elif found:
        table(["<PREFIX", "<SOCKET"], sorted(found.items()))
    else:
        print("no job is running")
    return 0


def connect(options):
    if options.socket is not None:
        if not os.path.exists(options.socket):
            raise Error("%s is not there" % options.socket, hint="see `lodectl jobs`, or start the job with "
                        "--control %s" % options.socket)
        return Client(options.socket)
    return Client.of_job(options.prefix)


def is_action(method):
    return [f["type"] for f in method["result"]] == ["action"]


def add_param(parser, param):
    kind = int if param["type"] == "integer" else str
    if param.get("required"):
        parser.add_argument(param["name"], type=kind, metavar=param["name"].upper(), help=param["doc"])
        return
    if param.get("positional"):
        parser.add_argument(param["name"], type=kind, nargs="?", metavar=param["name"].upper(),
                            help=param["doc"])
        return
    name = "--" + re.sub(r"_ms$", "", param["name"]).replace("_", "-")
    if param["type"] == "set":
        parser.add_argument(name, dest=param["name"], nargs="+", choices=param["values"], metavar="EVENT",
                            help="%s: %s" % (param["doc"], ", ".join(param["values"])))
    elif param["name"].endswith("_ms"):
        parser.add_argument(name, dest=param["name"], type=duration, metavar="TIME",
                            help="%s (default %gs)" % (param["doc"], param["default"] / 1000))
    elif param.get("percent"):
        parser.add_argument(name, dest=param["name"], type=share, metavar="SHARE%", help=param["doc"])
    elif param["type"] == "flag":
        parser.add_argument(name, dest=param["name"], action="store_true", default=None, help=param["doc"])
    else:
        parser.add_argument(name, dest=param["name"], type=kind, metavar=param["name"].upper(),
                            help=param["doc"])


def common(parser, top):
    """Options that stand before or behind the command."""
    unset = None if top else argparse.SUPPRESS
    parser.add_argument("--socket", metavar="PATH", default=unset, help="the job's control socket")
    parser.add_argument("--prefix", metavar="NAME", default=unset, help="the job with this file prefix")
    parser.add_argument("--json", action="store_true", default=False if top else argparse.SUPPRESS,
                        help="one line of JSON")


def parser_of(schema):
    parser = argparse.ArgumentParser(prog="lodectl",
                                     description="Looks at a running Lodemill job and changes it.",
                                     epilog="Without --socket and --prefix it is the only job of this user.")
    common(parser, True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for method in schema["methods"]:
        name = "watch" if method["name"] == "subscribe" else method["name"].replace("_", "-")
        doc = "Shows notifications as they come." if name == "watch" else method["doc"]
        command = commands.add_parser(name, help=doc, description=doc)
        common(command, False)
        for param in method["params"]:
            add_param(command, param)
        if is_action(method):
            command.add_argument("--no-wait", action="store_true", help="do not wait for its end")
        if name == "watch":
            command.add_argument("--count", type=int, metavar="N", help="end after so many")
        command.set_defaults(run=run_watch if name == "watch" else run_method, method=method)
    command = commands.add_parser("top", help="How busy which operator keeps which lcore, twice a second.")
    common(command, False)
    command.add_argument("--count", type=int, metavar="N", help="end after so many pictures")
    command.set_defaults(run=run_top, method=None)
    command = commands.add_parser("plan", help="What another topology would change of the running job.")
    common(command, False)
    command.add_argument("--diff", metavar="FILE", required=True, help="the topology")
    command.add_argument("--drop-state", metavar="OPERATORS", default="", help="as for apply")
    command.set_defaults(run=run_plan, method=None)
    command = commands.add_parser("jobs", help="The running jobs of this user.")
    common(command, False)
    command.add_argument("--names", action="store_true", help="only their prefixes")
    command.set_defaults(run=run_jobs, method=None)
    return parser


def main():
    options = parser_of(SCHEMA).parse_args()
    try:
        return options.run(options, options.method)
    except Error as error:
        print("lodectl: %s%s" % (error, "; " + error.hint if error.hint else ""), file=sys.stderr)
        return 2 if error.code == -32602 else 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
