#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""./run as a newcomer uses it: options, inputs, outputs, and what it says when something is wrong.

What is counted is compared with captures read here, by a parser of its own. Prints TAP. Environment:
LODEMILL_BUILD, a built folder; LODEMILL_SOURCE, the tree.
"""

import collections
import csv
import ipaddress
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("LODEMILL_SOURCE", os.path.dirname(os.path.dirname(HERE)))
RUN = os.path.join(SOURCE, "run")
SAMPLE = os.path.join(SOURCE, "examples", "captures", "sample.pcap")
os.environ.setdefault("LODEMILL_BUILD", os.path.join(SOURCE, "build"))


class Skip(Exception):
    pass


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def run(*args, code=0, **more):
    done = subprocess.run([RUN, *args], capture_output=True, text=True, timeout=150, check=False,
                          **more)
    check(done.returncode == code, "run %s: status %d, not %d; it said:\n%s" %
          (" ".join(args), done.returncode, code, done.stderr[-3000:]))
    return done


def frames_of(path):
    """The frames of a classic little-endian capture with microseconds."""
    with open(path, "rb") as file:
        raw = file.read()
    check(raw[:4] == b"\xd4\xc3\xb2\xa1", path + " is not such a capture")
    position, frames = 24, []
    while position < len(raw):
        sec, usec, captured, length = struct.unpack_from("<IIII", raw, position)
        position += 16
        frames.append((sec * 1000000 + usec, raw[position:position + captured], length))
        position += captured
    return frames


def flow_of(frame):
    """Addresses, protocol and ports of plain IPv4 and IPv6; None for the rest."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        proto, behind = frame[23], frame[14 + (frame[14] & 15) * 4:]
        src, dst = ipaddress.ip_address(frame[26:30]), ipaddress.ip_address(frame[30:34])
    elif kind == b"\x86\xdd":
        proto, behind = frame[20], frame[54:]
        src, dst = ipaddress.ip_address(frame[22:38]), ipaddress.ip_address(frame[38:54])
        if proto == 0:  # hop-by-hop options: a protocol behind them
            proto, behind = behind[0], behind[(behind[1] + 1) * 8:]
    else:
        return None
    ports = struct.unpack_from("!HH", behind) if proto in (6, 17) else (0, 0)
    return (str(src), str(dst), proto) + ports


def flows_expected(path):
    flows = collections.defaultdict(lambda: [0, 0])
    for _, frame, length in frames_of(path):
        flow = flow_of(frame)
        if flow is not None:
            flows[flow][0] += 1
            flows[flow][1] += length
    return {flow: tuple(sums) for flow, sums in flows.items()}


def flows_written(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    flows = {(r["src"], r["dst"], int(r["proto"]), int(r["sport"]), int(r["dport"])):
             (int(r["packets"]), int(r["bytes"])) for r in rows}
    check(len(flows) == len(rows), "a flow stands in two rows")
    return flows


def check_flows(path, expected):
    written = flows_written(path)
    wrong = {f for f in expected.keys() | written.keys() if expected.get(f) != written.get(f)}
    for flow in sorted(map(str, wrong))[:5]:
        print("# differs:", flow)
    check(not wrong, "%d of %d flows differ" % (len(wrong), len(expected)))


def one_object(text):
    """The text is one JSON object and nothing else."""
    decoded, end = json.JSONDecoder().raw_decode(text)
    check(text[end:].strip() == "", "behind the JSON stands: " + text[end:][:200])
    return decoded


def write_pcapng(path, frames):
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        length = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + length + body + length

    with open(path, "wb") as file:
        file.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        file.write(block(1, struct.pack("<HHI", 1, 0, 0)))
        for usec, frame, length in frames:
            file.write(block(6, struct.pack("<IIIII", 0, usec >> 32, usec & 0xFFFFFFFF,
                                            len(frame), length) + frame))


def test_sample_json(folder):
    """./run --json gives one JSON object on stdout, and every frame of the sample is in it"""
    result = one_object(run("--json", cwd=folder).stdout)
    frames = frames_of(SAMPLE)
    check(result["status"] == "complete", "status is " + result["status"])
    check(result["packets"] == len(frames), "%d packets" % result["packets"])
    check(result["bytes"] == sum(len(f) for _, f, _ in frames), "%d bytes" % result["bytes"])


def test_sample_tables(folder):
    """./run shows the hosts that talk most"""
    text = run(cwd=folder).stdout
    volume = collections.Counter()
    for (src, dst, *_), (_, size) in flows_expected(SAMPLE).items():
        volume[src, dst] += size
    (src, dst), _ = volume.most_common(1)[0]
    check(src in text and dst in text, "%s -> %s is not shown" % (src, dst))


def test_flows(folder):
    """--flows writes every flow of the sample, exactly"""
    run("--flows", "out.csv", "--json", cwd=folder)
    check_flows(os.path.join(folder, "out.csv"), flows_expected(SAMPLE))


def test_lcores(folder):
    """one lcore and five lcores give the same flows"""
    for count in "1", "5":
        out = os.path.join(folder, "out" + count)
        run("--flows", out, "--lcores", count, "--json")
        check_flows(out, flows_expected(SAMPLE))


def test_odd_name(folder):
    """a capture may have any name"""
    odd = os.path.join(folder, "my, capture [1] = good.pcap")
    shutil.copy(SAMPLE, odd)
    run("--pcap", odd, "--flows", "out.csv", "--json", cwd=folder)
    check_flows(os.path.join(folder, "out.csv"), flows_expected(SAMPLE))


def test_pcapng(folder):
    """a capture may be pcapng"""
    other = os.path.join(folder, "sample.pcapng")
    write_pcapng(other, frames_of(SAMPLE))
    run("--pcap", other, "--flows", "out.csv", "--json", cwd=folder)
    check_flows(os.path.join(folder, "out.csv"), flows_expected(SAMPLE))


def test_pass_through(folder):
    """what stands behind -- reaches EAL, what stands behind the second one the program"""
    prefix = "--file-prefix=passed%d" % os.getpid()
    done = run("--flows", "out.csv", "--", prefix, "--", "--json", "--quiet", cwd=folder)
    one_object(done.stdout)
    check("note:" not in done.stderr, "--quiet did not arrive")
    done = run("--flows", "out.csv", "--json", "--", prefix, cwd=folder)
    check(prefix in done.stderr, "EAL's argument did not arrive")
    done = run("--", "--", "operators", "filter")
    check("filter" in done.stdout, "the subcommand did not arrive")


def test_own_port(folder):
    """a port given to EAL takes the place of the capture"""
    done = run("--flows", "out.csv", "--json", "--", "--vdev", "net_null0,size=64",
               "--", "--duration", "300ms", cwd=folder)
    check("net_pcap" not in done.stderr, "the sample is there as well")
    check(one_object(done.stdout)["packets"] > 0, "no packets came")


def test_mistakes(folder):
    """a mistake is answered with a sentence and status 2, before anything is built"""
    del folder
    for args, words in ((["--pcap", "/no/such.pcap"], "no such file"),
                        (["--pcap"], "needs a value"),
                        (["--live", "nosuch0"], "no such interface"),
                        (["--pcap", SAMPLE, "--live", "lo"], "exclude"),
                        (["--lcores", "many"], "not a number"),
                        (["--flows", "/no/such/out.csv"], "no folder"),
                        (["--frob"], "what is")):
        done = run(*args, code=2)
        check(words in done.stderr, "%s: said %r" % (args, done.stderr))
        check(done.stdout == "", "something on stdout")


def test_not_a_capture(folder):
    """a file that is no capture is refused by name"""
    path = os.path.join(folder, "notes.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("no packets here\n" * 100)
    done = subprocess.run([RUN, "--pcap", path], capture_output=True, text=True, timeout=60,
                          check=False)
    check(done.returncode != 0 and "notes.txt" in done.stderr, "said: " + done.stderr[-500:])


def test_not_root(folder):
    """works without root"""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if os.geteuid() != 0:
        return  # all the others have shown it
    if subprocess.run(nobody + ["test", "-x", RUN], check=False).returncode != 0:
        raise Skip("the tree is not readable by others")
    os.chmod(folder, 0o777)
    done = subprocess.run(nobody + [RUN, "--flows", "out.csv", "--json"], cwd=folder, text=True,
                          capture_output=True, timeout=100, check=False)
    check(done.returncode == 0, done.stderr[-2000:])
    check_flows(os.path.join(folder, "out.csv"), flows_expected(SAMPLE))


def inside(space, *command):
    return ["ip", "netns", "exec", space, *command]


def veth(space):
    steps = (["ip", "netns", "add", space],
             inside(space, *"ip link add here type veth peer name there".split()),
             inside(space, *"ip address add 192.0.2.1/24 dev there".split()),
             inside(space, *"ip link set here up".split()),
             inside(space, *"ip link set there up".split()))
    for step in steps:
        if subprocess.run(step, capture_output=True, check=False).returncode != 0:
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
            raise Skip("no network namespaces and veth pairs here")


SENDER = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for i in range(400):
    out.sendto(b"x" * 100, ("192.0.2.255", 9))
    time.sleep(0.002)
"""


def test_live(folder):
    """--live reads an interface until Ctrl-C"""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise Skip("needs root and iproute2")
    space = "lmrun%d" % os.getpid()
    veth(space)
    engine = None
    try:
        engine = subprocess.Popen(inside(space, RUN, "--live", "here", "--flows", "out.csv",
                                         "--json"), cwd=folder, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in engine.stderr:
            if "Ctrl-C ends it" in line:
                break
        time.sleep(2)
        subprocess.run(inside(space, sys.executable, "-c", SENDER), check=True)
        time.sleep(1)
        engine.send_signal(signal.SIGINT)
        out, err = engine.communicate(timeout=60)
        check(engine.returncode == 0, "status %d: %s" % (engine.returncode, err[-1500:]))
        check(one_object(out)["packets"] >= 400, "too few packets: " + out[:300])
        flows = flows_written(os.path.join(folder, "out.csv"))
        sent = [sums for flow, sums in flows.items() if flow[1] == "192.0.2.255"]
        check(sent == [(400, 400 * 142)], "not the flow that was sent: %s" % sent)
    finally:
        if engine is not None and engine.poll() is None:
            engine.kill()
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


def test_examples(folder):
    """every topology in examples/ is right, and the example plugin runs"""
    examples = os.path.join(SOURCE, "examples")
    names = [n for n in sorted(os.listdir(examples)) if n.endswith(".yaml")]
    check(len(names) > 1, "no topologies in examples/")
    for name in names:
        run("--", "--", "check", os.path.join(examples, name), cwd=folder)
    shutil.copy(os.path.join(examples, "plugin", "dedup.yaml"), folder)
    shutil.copy(os.path.join(os.environ["LODEMILL_BUILD"], "examples", "dedup.so"), folder)
    done = run("--", "--", "run", os.path.join(folder, "dedup.yaml"), cwd=folder)
    check("first events" in done.stdout, "the plugin's table is missing: " + done.stdout[:300])


TESTS = (test_mistakes, test_sample_json, test_sample_tables, test_flows, test_lcores,
         test_odd_name, test_pcapng, test_pass_through, test_own_port, test_not_a_capture,
         test_not_root, test_examples, test_live)


def main():
    failed = 0
    socket.setdefaulttimeout(30)
    print("1..%d" % len(TESTS))
    for number, test in enumerate(TESTS, 1):
        name = "%s: %s" % (test.__name__[5:], test.__doc__)
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                print("ok %d - %s" % (number, name))
            except Skip as skip:
                print("ok %d - %s # SKIP %s" % (number, name, skip))
            except (AssertionError, OSError, ValueError, KeyError,
                    subprocess.SubprocessError) as error:
                failed += 1
                print("not ok %d - %s" % (number, name))
                print("# " + str(error).replace("\n", "\n# "))
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
