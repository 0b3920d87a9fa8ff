#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong is said in a sentence, at its place, with what to do; and never with a crash.

Prints TAP. Environment: see harness.py.
"""

import gzip
import os
import re
import shutil
import struct
import subprocess
import sys

from harness import (BUILD, NOBODY, PROGRAM, SAMPLE, SOURCE, Skip, adds_up, capture_port, check,
                     equal, lodemill, need_root, one_object, operator, rows_of, tap,
                     topology)

FLOWS = os.path.join(SOURCE, "examples", "top_talkers_flows.yaml")

# Status of a run that was refused before anything started, and of one that could not start or failed.
REFUSED, FAILED = 2, 1

COUNT = """operators:
  rows: {type: generator, rows: %d, fields: {number: u64 = sequence}}
  out:  {type: null_sink, input: rows}
"""


def write(folder, text, name="t.yaml"):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def says(done, *texts):
    for text in texts:
        check(text in done.stderr, "does not say %r but:\n%s" % (text, done.stderr[-2000:]))
    check("Assertion" not in done.stderr and "PANIC" not in done.stderr, done.stderr[-2000:])
    return done


def flows(folder, eal, code, *texts, words=()):
    """The flows example with bad EAL arguments."""
    done = lodemill(["run", FLOWS, "--json", *words], code=code, eal=eal,
                    sets={"flows_path": os.path.join(folder, "out.csv")})
    return says(done, *texts)


def refused(text, code, *texts):
    """A point: the file `text` is refused with these texts."""
    def point(folder):
        done = lodemill(["run", write(folder, text)], code=code)
        says(done, *texts)
        equal("", done.stdout, "standard output")
        if code == REFUSED:
            done = lodemill(["check", os.path.join(folder, "t.yaml")], code=code)
            says(done, *texts)
    return point


# Captures.

def missing_capture(folder):
    flows(folder, [capture_port("/no/such.pcap")], REFUSED, "error: /no/such.pcap does not exist",
          "--> EAL option --vdev=net_pcap0,rx_pcap=/no/such.pcap")


def unreadable_capture(folder):
    path = os.path.join(folder, "locked.pcap")
    shutil.copy(SAMPLE, path)
    os.chmod(folder, 0o777)
    os.chmod(path, 0)
    before = NOBODY if os.geteuid() == 0 else []
    if before and (shutil.which("setpriv") is None or
                   subprocess.run([*before, "test", "-x", PROGRAM], check=False).returncode != 0):
        raise Skip("nobody else may run the program here")
    done = lodemill(["run", FLOWS], code=REFUSED, eal=[capture_port(path)], before=before)
    says(done, "error: %s cannot be read: Permission denied" % path)


def not_a_capture(folder):
    path = write(folder, "no packets here\n" * 100, "notes.txt")
    flows(folder, [capture_port(path)], REFUSED,
          "error: %s is not a packet capture (neither pcap nor pcapng)" % path)
    path = write(folder, "", "empty.pcap")
    flows(folder, [capture_port(path)], REFUSED, "error: %s is empty" % path)


def sample():
    with open(SAMPLE, "rb") as file:
        return bytearray(file.read())


def write_bytes(folder, raw, name="odd.pcap"):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(raw)
    return path


def odd_captures(folder):
    # Cut within the file's own header.
    path = write_bytes(folder, sample()[:23])
    flows(folder, [capture_port(path)], REFUSED, "error: %s is not a packet capture" % path)
    raw = sample()
    raw[20] = 113
    path = write_bytes(folder, raw)
    flows(folder, [capture_port(path)], REFUSED,
          'error: %s holds Linux "any" frames (link type 113), not Ethernet' % path,
          "= help: capture on an Ethernet interface, or convert the file")
    path = write_bytes(folder, gzip.compress(bytes(sample())))
    flows(folder, [capture_port(path)], REFUSED, "error: %s is not a packet capture" % path,
          "= help: it is compressed: gunzip it first")


def damaged_capture(folder):
    raw = sample()
    # The second frame says that it is 2 GB.
    second = 24 + 16 + struct.unpack_from("<I", raw, 24 + 8)[0]
    struct.pack_into("<I", raw, second + 8, 0x7fffffff)
    done = flows(folder, [capture_port(write_bytes(folder, raw))], 0,
                 "the capture is cut short or damaged after 1 frames")
    result = one_object(done.stdout)
    equal(1, result["packets"], "packets")
    check(result["drops"]["port0.ierrors"] > 0, "the port counts no error: %s" % result["drops"])
    adds_up(result)


def whole_frames(raw):
    """Frames of a little-endian pcap that are there to their last byte, and their bytes."""
    position, count, size = 24, 0, 0
    while position + 16 <= len(raw):
        captured = struct.unpack_from("<I", raw, position + 8)[0]
        position += 16 + captured
        if position > len(raw):
            break
        count, size = count + 1, size + captured
    return count, size


def cut_capture(folder):
    raw = bytes(sample())
    second = 24 + 16 + struct.unpack_from("<I", raw, 24 + 8)[0]
    # Within a frame's bytes, within a frame's header, right behind the file's header.
    for length in 500000, len(raw) - 7, second + 16, second + 9, second + 1, 24 + 5:
        path = write_bytes(folder, raw[:length], "cut.pcap")
        count, size = whole_frames(raw[:length])
        done = flows(folder, [capture_port(path)], 0,
                     "the capture is cut short or damaged after %d frames" % count)
        result = one_object(done.stdout)
        equal((count, size), (result["packets"], result["bytes"]), "whole frames and their bytes")
        adds_up(result)


def empty_capture(folder):
    path = os.path.join(folder, "none.pcap")
    with open(SAMPLE, "rb") as file, open(path, "wb") as out:
        out.write(file.read(24))
    done = flows(folder, [capture_port(path)], 0)
    equal(0, one_object(done.stdout)["packets"], "packets")
    check("cut short" not in done.stderr, "a capture of no frames is whole")
    equal([], rows_of(os.path.join(folder, "out.csv")), "flows")


# Devices, lcores, memory.

def unknown_driver(folder):
    flows(folder, ["--vdev=net_nosuch0"], REFUSED, 'error: DPDK has no virtual driver "net_nosuch"',
          "= help: there are net_pcap")


def missing_interface(folder):
    flows(folder, ["--vdev=net_af_packet0,iface=nosuch0"], REFUSED,
          'error: there is no interface "nosuch0"', "there are ")


def missing_port(folder):
    flows(folder, [], FAILED, "top_talkers_flows.yaml:", 'there is no port "0"',
          "--vdev net_pcap0,rx_pcap=FILE")


def too_many_queues(folder):
    flows(folder, [capture_port(SAMPLE)], FAILED, "top_talkers_flows.yaml:",
          "port 0 has 1 receive queue, but 4 slices were asked", words=["--set", "queues=4"])


def too_many_lcores(folder):
    last = os.cpu_count() + 7
    flows(folder, ["-l", "0-%d" % last, capture_port(SAMPLE)], REFUSED,
          "error: %d cores asked, " % (last + 1), "--> EAL option -l 0-%d" % last,
          "let lcores share a CPU: --lcores '(0-%d)@" % last)


def wrong_argument(folder):
    flows(folder, ["--frobnicate", capture_port(SAMPLE)], REFUSED,
          "error: EAL has no option --frobnicate", "see --help")


def wrong_values(folder):
    flows(folder, ["-m", "lots", capture_port(SAMPLE)], REFUSED,
          'error: "lots" is not a number of megabytes', "--> EAL option -m lots", "-m 1024")
    flows(folder, ["-l", "banana", capture_port(SAMPLE)], REFUSED, "--> EAL option -l banana")
    flows(folder, ["--vdev=net_pcap0,rx_pacp=x"], REFUSED,
          'error: net_pcap has no parameter "rx_pacp"', "= help: did you mean rx_pcap?")


def too_few_hugepages(folder):
    done = flows(folder, ["--socket-mem", "9999999", capture_port(SAMPLE)], REFUSED,
                 "error: 9999999 MB asked on node 0, ", "--> EAL option --socket-mem=9999999")
    check(re.search(r", \d+ MB of hugepages free there", done.stderr), done.stderr[-2000:])
    check(re.search(r"`echo \d+ > /\S+/nr_hugepages`", done.stderr), done.stderr[-2000:])


def no_hugepages(folder):
    with open("/proc/meminfo", encoding="ascii") as file:
        free = int(re.search(r"HugePages_Free: *(\d+)", file.read()).group(1))
    if free > 0:
        raise Skip("there are hugepages")
    flows(folder, ["--huge-unlink", capture_port(SAMPLE)], REFUSED,
          "error: hugepages are asked for, none are free", "nr_hugepages`", "--no-huge")
    flows(folder, ["--socket-mem", "128", capture_port(SAMPLE)], REFUSED,
          "error: 128 MB asked on node 0, 0 MB of hugepages free there")


# Topologies.

def missing_file(folder):
    path = os.path.join(folder, "nosuch.yaml")
    for verb in "run", "check", "plan":
        says(lodemill([verb, path], code=REFUSED), "nosuch.yaml: error: cannot read it: No such file",
             "hint: check the path")


def all_errors_at_once(folder):
    text = COUNT % 10 + "  a: {type: filtre, input: rows}\n  b: {type: null_sink, input: rowz}\n"
    says(lodemill(["check", write(folder, text)], code=REFUSED),
         't.yaml:4:13: error: operators.a.type: no operator type "filtre"', 'did you mean "filter"?',
         't.yaml:5:31: error: operators.b.input: no operator "rowz"', 'did you mean "rows"?')


def unset_variable(folder):
    text = (COUNT % 10).replace("rows: 10", 'rows: "${how_many}"')
    says(lodemill(["check", write(folder, text)], code=REFUSED), 'variable "how_many" is not set',
         "--set how_many=VALUE")


# Plugins.

def with_plugin(folder, plugin, middle=""):
    return write(folder, "plugins: [%s]\n" % plugin + COUNT % 10 + middle)


def plugin_of_other_abi(folder):
    for name, words in (("major", ("is of ABI 2.0, this engine has 1.", "build it again")),
                        ("minor", ("is of ABI 1.", "this engine has 1.", "newer engine"))):
        plugin = os.path.join(BUILD, "tests", "plugin_%s.so" % name)
        if not os.path.exists(plugin):
            raise Skip("the plugins of the tests are not built")
        says(lodemill(["run", with_plugin(folder, plugin)], code=REFUSED), 't.yaml:1:11: error: plugin "',
             *words)


def plugin_that_is_none(folder):
    write(folder, "no plugin\n", "no.so")
    says(lodemill(["run", with_plugin(folder, "./no.so, /no/such.so")], code=REFUSED),
         "t.yaml:1:11: error: cannot load plugin", "t.yaml:1:20: error: cannot load plugin",
         "hint: check the path")


def plugin_that_does_not_open(folder):
    plugin = os.path.join(BUILD, "tests", "stubborn.so")
    if not os.path.exists(plugin):
        raise Skip("the plugins of the tests are not built")
    text = "  no: {type: stubborn, input: rows, slices: 2}\n  end: {type: null_sink, input: no}\n"
    done = lodemill(["run", with_plugin(folder, plugin, text)], code=FAILED)
    says(done, "t.yaml:5:3: error: operators.no: slice 0 of 2 will not open; try another operator")


# While it runs.

def full_disk(folder):
    need_root("unshare", "mount")
    script = """mount -t tmpfs -o size=64k none "$1" && "$2" -- run "$3" --json --quiet --set "out=$1"
                status=$?; grep -c '^[0-9]*$' "$1/rows.csv" >&2; exit $status"""
    line = ["unshare", "-m", "sh", "-c", script, "sh", folder, PROGRAM, topology("to_file.yaml")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)
    if ("mount" in done.stderr or "unshare:" in done.stderr) and not done.stdout:
        raise Skip("nothing may be mounted here")
    check(done.returncode in (0, 1), "status %d: %s" % (done.returncode, done.stderr[-2000:]))
    says(done, "rows.csv: No space left on device; free some space")
    result = one_object(done.stdout)
    out = operator(result, "out")
    adds_up(result)
    check(out["drops"]["write_failed"] > 0 and out["errors"] > 0, "nothing was lost: %s" % out)
    # Each row that counts as written is there; of one more a part may be.
    lines = int(done.stderr.strip().splitlines()[-1])
    check(lines - 1 <= out["absorbed"] <= lines, "%d lines, %d rows" % (lines, out["absorbed"]))


def missing_folder(folder):
    path = os.path.join(folder, "none")
    done = lodemill(["run", topology("to_file.yaml")], code=FAILED, sets={"out": path})
    says(done, "to_file.yaml:", "error: operators.out: cannot open %s/rows.csv for writing" % path)


POINTS = [
    ("a capture that is not there", missing_capture),
    ("a capture that may not be read", unreadable_capture),
    ("a file that is no capture", not_a_capture),
    ("a capture that is cut: whole frames count, and it is said", cut_capture),
    ("captures cut in their head, of another link, compressed", odd_captures),
    ("a capture whose frame says that it is endless", damaged_capture),
    ("a capture without frames", empty_capture),
    ("a driver that DPDK does not have", unknown_driver),
    ("an interface that is not there", missing_interface),
    ("a port that is not there", missing_port),
    ("more slices than the port has queues", too_many_queues),
    ("more lcores than CPUs", too_many_lcores),
    ("an argument that EAL does not know", wrong_argument),
    ("values that EAL and a driver do not take", wrong_values),
    ("more hugepages asked than there are", too_few_hugepages),
    ("hugepages asked, none there", no_hugepages),
    ("a topology that is not there", missing_file),
    ("broken YAML", refused("operators:\n  a: {type: generator, rows: 10\n  b: [\n", REFUSED,
                            "t.yaml:3:4: error: not well formed: missing comma in flow mapping\n"
                            "    b: [\n"
                            "     ^\n"
                            "  hint: put a comma between two entries")),
    ("YAML with a tab", refused("operators:\n\ta: {type: generator}\n", REFUSED,
                                "t.yaml:2:1: error: not well formed: tab character",
                                "\n  \ta: {type: generator}\n  ^\n")),
    ("a value of the wrong type", refused((COUNT % 10).replace("10", "ten"), REFUSED,
                                          't.yaml:2:33: error: operators.rows.rows: "ten" is not a',
                                          "hint: write a number like 42")),
    ("a column of the wrong type",
     refused(COUNT % 10 + "  s: {type: split, input: rows, column: number}\n", REFUSED,
             't.yaml:4:41: error: operators.s.column: "number" is of type u64',
             "hint: name a column of type string or bytes")),
    ("an unknown field", refused(COUNT % 10 + "  f: {type: filter, input: rows, where: numer > 3}\n",
                                 REFUSED, 't.yaml:4:41: error: operators.f.where: no column "numer"',
                                 'hint: did you mean "number"?')),
    ("an unknown parameter", refused((COUNT % 10).replace("rows: 10", "rowz: 10"), REFUSED,
                                     't.yaml:2:27: error: operators.rows: type "generator" has no '
                                     'parameter "rowz"', 'hint: did you mean "rows"?')),
    ("all that is wrong, at once", all_errors_at_once),
    ("a variable that is not set", unset_variable),
    ("a plugin of another ABI", plugin_of_other_abi),
    ("a plugin that is none, and one that is not there", plugin_that_is_none),
    ("a plugin whose slices do not open", plugin_that_does_not_open),
    ("a file to read that is not there",
     refused("operators:\n  a: {type: file_source, path: /no/file}\n  b: {type: null_sink, input: a}\n",
             FAILED, "t.yaml:2:3: error: operators.a: cannot open /no/file: No such file")),
    ("a folder to write to that is not there", missing_folder),
    ("a disk that is full", full_disk),
]


if __name__ == "__main__":
    sys.exit(tap(POINTS))
