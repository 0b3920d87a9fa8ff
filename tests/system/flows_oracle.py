#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The flows of a capture as tshark sees them: what --flows of the engine is compared with.

    flows_oracle.py CAPTURE                      prints src,dst,proto,sport,dport,packets,bytes
    flows_oracle.py --seconds CAPTURE            prints second,packets,bytes,ip_packets,ip_bytes
    flows_oracle.py --totals CAPTURE             prints packets,bytes,ip_packets,ip_bytes
    flows_oracle.py --compare CAPTURE FLOWS.csv  status 1 and the differences, if there are any

Addresses and protocol are those of the outermost IP header; behind IPv6 extension headers the
protocol is the last one known. Ports are those of TCP, UDP, UDP-Lite, SCTP or DCCP right behind
that header, else 0. Bytes are those captured. A frame counts as IP when tshark gives both of its
addresses. An IPv6 address that maps an IPv4 one is written as the IPv4 one.

tshark runs without reassembly, because a row is a frame: every fragment counts where it is seen.
With --reassemble tshark runs as it is; then, of a datagram in fragments, the last fragment has the
ports and the first has none (IPv6: likewise the protocol, when more extension headers follow the
fragment header). That is the only difference reassembly makes to flows.
"""

import argparse
import collections
import csv
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile

NO_REASSEMBLY = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")

# Extension headers by tshark's name of the layer: the field that says what follows.
EXTENSIONS = {
    "ipv6.hopopts": "ipv6.hopopts.nxt",
    "ipv6.dstopts": "ipv6.dstopts.nxt",
    "ipv6.routing": "ipv6.routing.nxt",
    "ipv6.fraghdr": "ipv6.fraghdr.nxt",
    "ah": "ah.next_header",
    "shim6": "shim6.nxt",
}

# Layers with ports: protocol number, fields.
TRANSPORTS = {
    "tcp": (6, "tcp.srcport", "tcp.dstport"),
    "udp": (17, "udp.srcport", "udp.dstport"),
    "udplite": (136, "udp.srcport", "udp.dstport"),
    "sctp": (132, "sctp.srcport", "sctp.dstport"),
    "dccp": (33, "dccp.srcport", "dccp.dstport"),
}

FIELDS = ["frame.number", "frame.time_epoch", "frame.cap_len", "frame.protocols", "ip.version",
          "ip.src", "ip.dst", "ip.proto", "ip.flags.mf", "ip.frag_offset", "ipv6.src", "ipv6.dst", "ipv6.nxt"]
FIELDS += sorted(set(EXTENSIONS.values()))
FIELDS += sorted({field for _, *fields in TRANSPORTS.values() for field in fields})

Flow = collections.namedtuple("Flow", "src dst proto sport dport")
Frame = collections.namedtuple("Frame", "number second length flow protocols fragment")

FLOW_HEADER = ["src", "dst", "proto", "sport", "dport", "packets", "bytes"]
COUNT_HEADER = ["packets", "bytes", "ip_packets", "ip_bytes"]


class OracleError(Exception):
    """tshark is missing or cannot read the capture."""


def available():
    """Whether there is a tshark to ask."""
    return shutil.which("tshark") is not None


def address(text):
    """An address object; an IPv4-mapped one as IPv4."""
    value = ipaddress.ip_address(text)
    return getattr(value, "ipv4_mapped", None) or value


def first(values):
    return values.split(",", 1)[0]


def outer_protocol6(row, layers):
    """The protocol behind the extension headers, and the layers behind them."""
    proto = int(first(row["ipv6.nxt"]))
    seen = collections.Counter()
    while layers and layers[0] in EXTENSIONS:
        name = layers.pop(0)
        values = [value for value in row[EXTENSIONS[name]].split(",") if value]
        if seen[name] >= len(values):
            return proto, []  # cut before it says what follows
        proto = int(values[seen[name]])
        seen[name] += 1
    return proto, layers


def outer_flow(row):
    """The flow of a frame from tshark's fields, or None without IP."""
    layers = row["frame.protocols"].split(":")
    start = next((i for i, name in enumerate(layers) if name in ("ip", "ipv6")), None)
    if start is None:
        return None
    layers = layers[start:]
    # IPv6 behind the ethertype of IPv4: tshark opens IPv4, sees the version, goes on as IPv6.
    if layers[0] == "ip" and first(row["ip.version"]) == "6":
        layers.pop(0)
    name = layers.pop(0) if layers else "ip"
    if name not in ("ip", "ipv6") or not row[name + ".src"] or not row[name + ".dst"]:
        return None
    if name == "ip":
        proto = int(first(row["ip.proto"]))
    else:
        proto, layers = outer_protocol6(row, layers)
    sport = dport = 0
    number, *fields = TRANSPORTS.get(layers[0] if layers else "", (None, None))
    if number == proto and all(row[field] for field in fields):
        sport, dport = (int(first(row[field])) for field in fields)
    return Flow(address(first(row[name + ".src"])), address(first(row[name + ".dst"])), proto,
                sport, dport)


def is_fragment(row):
    """Whether a datagram of the frame is in parts, of which this is one."""
    marks = row["ip.flags.mf"] + "," + row["ip.frag_offset"]
    return "ipv6.fraghdr" in row["frame.protocols"].split(":") or any(
        mark not in ("", "0", "False") for mark in marks.split(","))


def tshark_rows(path, reassemble):
    """tshark's fields of every frame, as dictionaries."""
    command = ["tshark", "-r", path, "-n", "-T", "fields", "-E", "separator=/t", "-E",
               "occurrence=a", "-E", "aggregator=,"]
    for field in FIELDS:
        command += ["-e", field]
    if not reassemble:
        for preference in NO_REASSEMBLY:
            command += ["-o", preference]
    with tempfile.TemporaryDirectory() as folder:
        # Nobody's own preferences: an empty folder for them.
        environment = dict(os.environ, WIRESHARK_CONFIG_DIR=folder, HOME=folder, LC_ALL="C",
                           XDG_CONFIG_HOME=folder)
        with open(os.path.join(folder, "messages"), "w+b") as messages:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages,
                                       env=environment, text=True, errors="replace")
            with process.stdout as lines:
                for line in lines:
                    yield dict(zip(FIELDS, line.rstrip("\n").split("\t")))
            if process.wait() != 0:
                messages.seek(0)
                text = messages.read().decode(errors="replace").strip().splitlines()
                raise OracleError("tshark on %s: %s" % (path, text[-1] if text else "failed"))


def expected_frames(path, reassemble=False):
    """Every frame of a capture, in order."""
    if not available():
        raise OracleError("there is no tshark; install it")
    for row in tshark_rows(path, reassemble):
        yield Frame(int(row["frame.number"]), int(row["frame.time_epoch"].split(".")[0]),
                    int(row["frame.cap_len"]), outer_flow(row), row["frame.protocols"],
                    is_fragment(row))


def expected_flows(path, reassemble=False):
    """{Flow: (packets, bytes)} of a capture."""
    flows = {}
    for frame in expected_frames(path, reassemble):
        if frame.flow is not None:
            packets, size = flows.get(frame.flow, (0, 0))
            flows[frame.flow] = (packets + 1, size + frame.length)
    return flows


def counted(counts, frame):
    has_ip = frame.flow is not None
    packets, size, ip_packets, ip_size = counts
    return (packets + 1, size + frame.length, ip_packets + has_ip,
            ip_size + frame.length * has_ip)


def expected_totals(path):
    """(packets, bytes, packets with IP, bytes of those)."""
    counts = (0, 0, 0, 0)
    for frame in expected_frames(path):
        counts = counted(counts, frame)
    return counts


def expected_seconds(path):
    """{second: the same} by the time of capture."""
    seconds = {}
    for frame in expected_frames(path):
        seconds[frame.second] = counted(seconds.get(frame.second, (0, 0, 0, 0)), frame)
    return seconds


def flow_order(flow):
    packed = [part.packed if part.version == 6 else bytes(10) + b"\xff\xff" + part.packed
              for part in flow[:2]]
    return (*packed, *flow[2:])


def read_flows(file, name):
    """{Flow: (packets, bytes)} of a CSV file as the engine prints it; the header may be missing."""
    flows = {}
    for number, cells in enumerate(csv.reader(file), 1):
        if not cells or cells == FLOW_HEADER:
            continue
        try:
            flow = Flow(address(cells[0]), address(cells[1]), *map(int, cells[2:5]))
            counts = tuple(map(int, cells[5:7]))
        except (ValueError, TypeError, IndexError):
            raise OracleError("%s:%d: not %s" % (name, number, ",".join(FLOW_HEADER))) from None
        if len(cells) != len(FLOW_HEADER):
            raise OracleError("%s:%d: not %d columns" % (name, number, len(FLOW_HEADER)))
        if flow in flows:
            raise OracleError("%s:%d: the same flow twice" % (name, number))
        flows[flow] = counts
    return flows


def compare_flows(expected, found):
    """Lines that say what differs; none when nothing does."""
    lines = []
    for flow in sorted(expected.keys() | found.keys(), key=flow_order):
        want, have = expected.get(flow, (0, 0)), found.get(flow, (0, 0))
        if want != have:
            name = "%s:%d > %s:%d proto %d" % (flow.src, flow.sport, flow.dst, flow.dport,
                                               flow.proto)
            kind = ("missing   " if flow not in found else
                    "unexpected" if flow not in expected else "different ")
            lines.append("%s %s: tshark %d packets %d bytes, here %d packets %d bytes" % (
                kind, name, *want, *have))
    return lines


def compare(path, csv_path, reassemble, lines_max=40):
    """Prints the differences between a capture and a CSV file of flows. Returns the exit status."""
    if csv_path == "-":
        found = read_flows(sys.stdin, "standard input")
    else:
        with open(csv_path, newline="", encoding="ascii") as file:
            found = read_flows(file, csv_path)
    expected = expected_flows(path, reassemble)
    lines = compare_flows(expected, found)
    for line in lines[:lines_max]:
        print(line)
    if len(lines) > lines_max:
        print("… and %d more" % (len(lines) - lines_max))
    want = tuple(map(sum, zip((0, 0), *expected.values())))
    have = tuple(map(sum, zip((0, 0), *found.values())))
    print("%s: tshark %d flows %d packets %d bytes, here %d flows %d packets %d bytes: %s" % (
        path, len(expected), *want, len(found), *have,
        "equal" if not lines else "%d flows differ" % len(lines)))
    return 1 if lines else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--seconds", action="store_true", help="packets and bytes of every second")
    what.add_argument("--totals", action="store_true", help="packets and bytes of all")
    what.add_argument("--compare", action="store_true", help="with the flows in a CSV file")
    parser.add_argument("--reassemble", action="store_true", help="tshark as it is")
    parser.add_argument("capture")
    parser.add_argument("flows", nargs="?", help="with --compare: the CSV file (-: standard input)")
    arguments = parser.parse_args()
    if arguments.compare != (arguments.flows is not None):
        parser.error("--compare takes a capture and a CSV file, the rest only a capture")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    try:
        if arguments.compare:
            return compare(arguments.capture, arguments.flows, arguments.reassemble)
        if arguments.totals:
            writer.writerow(COUNT_HEADER)
            writer.writerow(expected_totals(arguments.capture))
        elif arguments.seconds:
            writer.writerow(["second", *COUNT_HEADER])
            for second, counts in sorted(expected_seconds(arguments.capture).items()):
                writer.writerow([second, *counts])
        else:
            flows = expected_flows(arguments.capture, arguments.reassemble)
            writer.writerow(FLOW_HEADER)
            for flow in sorted(flows, key=flow_order):
                writer.writerow([*flow, *flows[flow]])
    except (OracleError, OSError) as error:
        print("flows_oracle: %s" % error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
