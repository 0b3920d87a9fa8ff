#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""lodemill state: folders of epochs, whole and damaged, in use and not ours.

The folders are written by tests/tools/state_folder.c, through the store. Prints TAP. Environment: see
harness.py.
"""

import os
import shutil
import subprocess
import sys
import time

from harness import (BUILD, NOBODY, PROGRAM, SECONDS, Running, Skip, check, command, equal, execute,
                     lodemill, named, need_root, one_object, tap, topology)

WRITER = os.path.join(BUILD, "tests", "state_folder")
JOB = "1122334455667788"
SECRET = "5ec2e75ec2e75ec2"


def state(*words, code=0, before=()):
    return execute([*before, PROGRAM, "state", *words], code)


def state_json(*words, code=0):
    return one_object(state(*words, "--json", code=code).stdout)


def make(folder, epochs=3, keep=3, *words):
    path = os.path.join(folder, "state")
    execute([WRITER, path, str(epochs), str(keep), *words])
    return path


def flip(path, name, offset):
    with open(os.path.join(path, name), "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def names(path):
    return sorted(os.listdir(path))


def says(text, *words):
    for word in words:
        check(word in text, "%r is missing in:\n%s" % (word, text))


def test_ls(folder):
    """ls shows epochs, sizes, who uses the folder, and what is not the store's"""
    path = make(folder)
    with open(os.path.join(path, "notes.txt"), "w", encoding="ascii") as file:
        file.write("x")
    with open(os.path.join(path, "E4-O1-S0-1.part"), "w", encoding="ascii") as file:
        file.write("x")
    seen = state_json("ls", path)
    equal([3, 2, 1], [epoch["epoch"] for epoch in seen["epochs"]], "epochs")
    equal({"complete"}, {epoch["state"] for epoch in seen["epochs"]}, "states")
    equal([4, 3, 2], [epoch["files"] for epoch in seen["epochs"]], "files")
    equal([3, 2, 1], [epoch["chain"] for epoch in seen["epochs"]], "longest chains")
    equal({2}, {epoch["parts"] for epoch in seen["epochs"]}, "parts")
    equal({7}, {epoch["records"] for epoch in seen["epochs"]}, "records")
    sizes = {name: os.stat(os.path.join(path, name)).st_size for name in names(path)}
    for epoch in seen["epochs"]:
        own = sum(size for name, size in sizes.items()
                  if name.startswith("E%d-" % epoch["epoch"]))
        equal(own, epoch["own_bytes"], "bytes of epoch %d" % epoch["epoch"])
    parts = [name for name in sizes if name.endswith(".part")]
    equal(sum(sizes[name] for name in parts), seen["file_bytes"], "bytes of files")
    equal((len(parts), 1, 1, False, 1), (seen["files"], seen["unnamed_files"], seen["strays"],
                                         seen["in_use"], seen["incarnation"]), "the folder")
    text = state("ls", path).stdout
    says(text, "EPOCH  COMMITTED", "UTC", "complete", "not in use", "no epoch names: 1,",
         "left alone: 1")


def test_ls_damage(folder):
    """ls tells damaged from unreadable, and a lost copy of a manifest from both"""
    path = make(folder)
    with open(os.path.join(path, "E3-O1-S0-1.part"), "ab") as file:
        file.write(b"more")
    flip(path, "MANIFEST.2.a", 50)
    flip(path, "MANIFEST.2.b", 50)
    os.unlink(os.path.join(path, "MANIFEST.1.a"))
    seen = {epoch["epoch"]: epoch for epoch in state_json("ls", path)["epochs"]}
    equal({3: "damaged", 2: "unreadable", 1: "complete"},
          {number: epoch["state"] for number, epoch in seen.items()}, "states")
    says(seen[3]["why"], "E3-O1-S0-1.part: it has ")
    says(seen[2]["why"], "MANIFEST.2.b", "digest")
    equal(1, seen[1]["manifest_copies"], "copies of manifest 1")
    text = state("ls", path).stdout
    says(text, "damaged", "unreadable", "should have", "MANIFEST.1.a")


def test_in_use(folder):
    """a folder that a process has taken: ls says so, prune refuses, the others read it"""
    path = os.path.join(folder, "state")
    line = [WRITER, path, "3", "3", "hold"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            equal("held\n", holder.stdout.readline(), "the holder")
            equal(True, state_json("ls", path)["in_use"], "in use")
            says(state("ls", path).stdout, "in use by a process")
            before = names(path)
            done = state("prune", path, "--keep", "1", code=1)
            says(done.stderr, "in use by another process", "stop it first")
            equal(before, names(path), "names after a refusal")
            says(state("prune", path, "--keep", "1", "--dry-run").stdout, "would go")
            state("verify", path)
            state("dump", path)
        finally:
            holder.stdin.close()
            holder.wait(timeout=60)
    equal(False, state_json("ls", path)["in_use"], "in use, later")


def test_verify(folder):
    """verify reads everything; the same with one thread and with many"""
    path = make(folder, 5, 3)
    for jobs in "1", "4":
        seen = state_json("verify", path, "--jobs", jobs)
        equal(["complete"] * 3, [epoch["state"] for epoch in seen["epochs"]], "states")
        equal((6, []), (seen["files"], seen["bad_files"]), "files")
    text = state("verify", path).stdout
    says(text, "epoch 5 is good", "epoch 3 is good", "files: 6 with")
    says(state("verify", path, "--epoch", "4").stdout, "epoch 4 is good")


def test_verify_every_byte(folder):
    """each flipped bit of a file, anywhere in it, is found, and named with its block"""
    path = make(folder, 2, 2)
    name = "E2-O1-S0-1.part"
    whole = os.path.getsize(os.path.join(path, name))
    for offset in [0, 5, 20, 40, 60, 64, 200, 1000, whole // 2, whole - 1]:
        flip(path, name, offset)
        seen = state_json("verify", path, code=1)
        equal([name], [file["file"] for file in seen["bad_files"]], "bad files, byte %d" % offset)
        equal({2: "damaged", 1: "complete"},
              {epoch["epoch"]: epoch["state"] for epoch in seen["epochs"]}, "states")
        flip(path, name, offset)
    state("verify", path)
    flip(path, name, 100)
    text = state("verify", path, code=1).stdout
    says(text, name + ": block 0 has a damaged payload; needed by 2", "epoch 2 is damaged", "= help",
         "epoch 1 is good")


def test_verify_base(folder):
    """a file that all epochs build on makes all of them damaged, and is named once"""
    path = make(folder)
    os.unlink(os.path.join(path, "E1-O1-S1-2.part"))
    text = state("verify", path, code=1).stdout
    says(text, "needed by 3, 2, 1", "bring its files back from a backup")
    equal(4, text.count("E1-O1-S1-2.part: No such file"), "times it is named")
    state("verify", path, "--epoch", "3", code=1)


def test_dump(folder):
    """dump takes records apart, sums parts up, and never shows the secret"""
    path = make(folder, 3, 3, "end")
    seen = state_json("dump", path)
    equal((3, JOB, 2), (seen["epoch"], seen["job"], seen["previous_epoch"]), "the epoch")
    kinds = [record["kind"] for record in seen["records"]]
    equal(["end", "job", "slice", "slice", "slice", "slice", "transaction", "transaction"],
          sorted(kinds), "records")
    records = {record["name"]: record for record in seen["records"]}
    check("bytes" not in records["job"], "the job's bytes are shown")
    flows = records["slice/flows/1"]
    equal(({"operator": 1, "slice": 1}, False, 2, 4, 3, "010203feff", ""),
          (flows["part"], flows["ended"], flows["slices"], flows["slots"], flows["state_version"],
           flows["engine_bytes"], flows["operator_bytes"]), "a slice of flows")
    equal([{"arenas": 4, "arena_bytes": 8192}, {"arenas": 1, "arena_bytes": 64}], flows["opened"],
          "what it opened")
    equal((None, True, "616263"), (records["slice/packets/0"]["part"],
                                   records["slice/packets/0"]["ended"],
                                   records["slice/packets/0"]["operator_bytes"]), "packets")
    equal('rows.3.csv "of epoch"\n', records["txn/out/0/0"]["text"], "a transaction that is a text")
    equal(("0080", False), (records["txn/out/0/1"]["bytes"], "text" in records["txn/out/0/1"]),
          "one that is not")
    parts = {part["slice"]: part for part in seen["parts"]}
    equal(("flows", 3, 9), (parts[0]["name"], len(parts[0]["files"]), parts[0]["blocks"]), "slice 0")
    slots = {(slot["opened"], slot["slot"]): slot for slot in parts[0]["slots"]}
    equal((3, 0, 8192 + 2 * 4096), (slots[0, 2]["blocks"], slots[0, 2]["granules"],
                                    slots[0, 2]["bytes"]), "slot 2 of the map")
    equal((1, 2), (slots[1, 0]["blocks"], slots[1, 0]["granules"]), "the value")
    for words in [], ["--json"], ["--hex"], ["--slots"]:
        done = state("dump", path, *words)
        for secret in SECRET, bytes.fromhex(SECRET)[::-1].hex():
            check(secret not in done.stdout.replace(" ", ""), "the secret is shown: %s" % words)


def test_dump_text(folder):
    """dump for people: names, sizes, quoted texts, bytes with --hex"""
    path = make(folder)
    text = state("dump", path).stdout
    says(text, "epoch 3 of job " + JOB, "built on epoch 2", "the secret of its hash is not shown",
         '"rows.3.csv \\"of epoch\\"\\n"', "part O1-S1", "maps and values: 2 with 32.1 KiB",
         "O1-S0, slice 0 of flows: 9 blocks", "E1-O1-S0-1.part, E2-O1-S0-1.part",
         "of the engine, 5 bytes: 010203feff",
         "MAP OR VALUE  SLOTS  OF     EACH  BLOCKS  GRANULES   BYTES",
         "           0      4   4  8.0 KiB       6         2  41,088")
    order = [text.index("  %s:" % name) for name in
             ("job", "slice/flows/0", "slice/flows/1", "slice/out/0", "slice/packets/0", "txn/out/0/0",
              "txn/out/0/1")]
    equal(sorted(order), order, "places of the records")
    check("SLOTS" in text and "  00000000  " not in text, text)
    text = state("dump", path, "--operator", "flows", "--slice", "0", "--slots", "--hex").stdout
    says(text, "slice/flows/0", "  00000000  ", "map or value 1, slot 0", "slot 2, 4096 bytes at 4096",
         "|")
    for word in "slice/flows/1", "O1-S1:", "txn/", "job:":
        check(word not in text, "%r was not asked for:\n%s" % (word, text))
    says(state("dump", path, "--operator", "1").stdout, "slice/flows/1", "O1-S1")
    says(state("dump", path, "--operator", "out").stdout, "txn/out/0/1", "Parts\n  none")
    says(state("dump", path, "--epoch", "1").stdout, "the first one")


def test_dump_damage(folder):
    """dump of a damaged epoch shows what is whole and says what is not"""
    path = make(folder)
    flip(path, "E1-O1-S1-2.part", 100)
    text = state("dump", path, code=1).stdout
    says(text, "damaged: E1-O1-S1-2.part: block 0", "O1-S0, slice 0 of flows: 9 blocks")
    seen = state_json("dump", path, code=1)
    equal({0: "complete", 1: "damaged"}, {part["slice"]: part["state"] for part in seen["parts"]},
          "states")


def test_prune(folder):
    """prune removes what is older than the newest N, and says the same before as after"""
    path = make(folder, 6, 4)
    before = names(path)
    dry = state_json("prune", path, "--keep", "2", "--dry-run")
    equal(before, names(path), "names after a dry run")
    done = state_json("prune", path, "--keep", "2")
    for word in "epochs", "removed_epochs", "removed_files", "removed_bytes":
        equal(dry[word], done[word], word)
    equal({6: False, 5: False, 4: True, 3: True},
          {epoch["epoch"]: epoch["removed"] for epoch in done["epochs"]}, "removed")
    # Deltas are needed as long as what builds on them.
    check("E1-O1-S0-1.part" in names(path) and "MANIFEST.4.a" not in names(path), names(path))
    state("verify", path)
    says(state("prune", path, "--keep", "1").stdout, "is gone", "stays", "one of the newest 1")
    says(state("prune", path, "--keep", "2").stdout, "only 1 of 1 are good", "nothing goes")


def test_prune_damage(folder):
    """a damaged epoch does not push out a good one; one that cannot be read holds all it may need"""
    path = make(folder, 4, 4)
    flip(path, "E4-O1-S0-1.part", 100)
    done = state_json("prune", path, "--keep", "1")
    equal({4: False, 3: False, 2: True, 1: True},
          {epoch["epoch"]: epoch["removed"] for epoch in done["epochs"]}, "removed")
    says(done["epochs"][0]["why"], "damaged, but not older")
    state("verify", path, "--epoch", "3")

    shutil.rmtree(path)
    path = make(folder, 4, 4)
    for copy in "ab":
        flip(path, "MANIFEST.2." + copy, 50)
    done = state_json("prune", path, "--keep", "1")
    equal({4: False, 3: True, 2: False, 1: False},
          {epoch["epoch"]: epoch["removed"] for epoch in done["epochs"]}, "removed")
    equal(2, done["blocked_by"], "what blocks")
    says(done["epochs"][2]["why"], "cannot be read")
    says(done["epochs"][3]["why"], "epoch 2 cannot be read and may need")
    check("MANIFEST.1.a" in names(path), names(path))


def test_prune_blind(folder):
    """without any manifest that can be read nothing is removed"""
    path = make(folder, 2, 2)
    for name in names(path):
        if name.startswith("MANIFEST"):
            flip(path, name, 50)
    before = names(path)
    says(state("prune", path, "--keep", "1", code=1).stderr, "nothing is removed")
    equal(before, names(path), "names")
    state("verify", path, code=1)
    says(state("dump", path, code=2).stderr, "no manifest in it can be read")
    says(state("dump", path, "--epoch", "2", code=1).stderr, "epoch 2 cannot be read", "MANIFEST.2")


def test_wrong_folder(folder):
    """what is no folder of state is said to be none, with what to do"""
    plain = os.path.join(folder, "plain")
    with open(plain, "w", encoding="ascii") as file:
        file.write("x")
    for command in ["ls"], ["verify"], ["dump"], ["prune", "--keep", "1"]:
        says(state(*command, os.path.join(folder, "nothing"), code=2).stderr, "No such file", "= help")
        says(state(*command, folder, code=2).stderr, "there is no state in it", "= help")
        says(state(*command, plain, code=2).stderr, "Not a directory", "= help")
    equal(["plain"], names(folder), "names: something was made")
    path = make(folder, 0, 1)
    says(state("ls", path).stdout, "no epoch was committed yet")
    says(state("verify", path).stdout, "no epoch was committed yet")
    says(state("dump", path, code=2).stderr, "no epoch was ever committed")
    says(state("prune", path, "--keep", "1", code=2).stderr, "no epoch was ever committed")


def test_permission(folder):
    """somebody else's state: who may read it is said"""
    need_root("setpriv")
    os.chmod(folder, 0o755)
    path = make(folder)
    if subprocess.run([*NOBODY, PROGRAM, "--version"], capture_output=True,
                      check=False).returncode != 0:
        raise Skip("nobody cannot run the program here")
    for command in ["ls"], ["verify"], ["dump"], ["prune", "--keep", "1"]:
        says(state(*command, path, code=2, before=NOBODY).stderr, "Permission denied",
             "run this as root")
    os.chmod(path, 0o755)
    for name in names(path):
        os.chmod(os.path.join(path, name), 0o644 if name.startswith("MANIFEST") else 0o600)
    seen = one_object(state("ls", path, "--json", before=NOBODY).stdout)
    equal({"complete", "unknown"} & {epoch["state"] for epoch in seen["epochs"]}, {"unknown"}, "ls")
    done = state("verify", path, code=1, before=NOBODY)
    says(done.stdout, "unknown", "run this as the user of the job")
    says(state("prune", path, "--keep", "1", code=1, before=NOBODY).stderr, "Permission denied",
         "the user of the job")


def test_words(folder):
    """wrong words are answered with what is right"""
    path = make(folder)
    says(state("--help").stdout, "usage: lodemill state", "--dry-run")
    says(state("ls", "--help").stdout, "usage: lodemill state")
    state(code=2)
    says(state("list", path, code=2).stderr, "ls, verify, dump and prune, not list")
    says(state("ls", code=2).stderr, "which folder?")
    says(state("ls", path, path, code=2).stderr, "unexpected argument")
    says(state("ls", path, "--keep", "1", code=2).stderr, "state ls has no option")
    says(state("ls", path, "--frob", code=2).stderr, "unknown option --frob")
    says(state("verify", path, "--epoch", code=2).stderr, "a value is missing")
    for value in "0", "-1", "two", "1e99":
        says(state("verify", path, "--epoch=" + value, code=2).stderr, "--epoch takes a number")
    says(state("verify", path, "--jobs", "65", code=2).stderr, "from 1 to 64")
    says(state("verify", path, "--epoch", "9", code=2).stderr, "there is no epoch 9", "from 1 to 3")
    says(state("prune", path, code=2).stderr, "--keep N")
    says(state("prune", path, "--keep", "0", code=2).stderr, "--keep takes a number")
    says(state("dump", path, "--hex", "--json", code=2).stderr, "choose one")
    says(state("dump", path, "--operator", "flos", code=2).stderr, 'an operator "flos"',
         'did you mean "flows"')
    says(state("dump", path, "--operator", "77", code=2).stderr, 'an operator "77"')
    says(state("dump", path, "--slice", "5", code=2).stderr, "no slice 5")
    says(state("dump", path, "--operator", "flows", "--slice", "5", code=2).stderr, "of flows")


def test_full_disk(folder):
    """what cannot be written is an error, not a short answer"""
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    path = make(folder)
    for words in ["ls"], ["ls", "--json"], ["verify"], ["dump"], ["dump", "--json"]:
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, "state", *words, path], stdout=full, check=False,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
        equal((1, True), (done.returncode, "cannot be written" in done.stderr), words)


def test_engine(folder):
    """what a job leaves can be read while it runs and when it has stopped"""
    path = os.path.join(folder, "state")
    line = command(["run", topology("windows.yaml"), "--json", "--state", path],
                   sets={"out": folder})
    with Running(line, folder) as running:
        running.wait_for("Ctrl-C ends it")
        seen = wait_epochs(path, 3)
        equal(True, seen["in_use"], "in use")
        state("verify", path)
        says(state("prune", path, "--keep", "1", code=1).stderr, "in use by another process")
        running.interrupt()
        running.end()
    equal(False, state_json("ls", path)["in_use"], "in use, later")
    done = state_json("verify", path)
    equal({"complete"}, {epoch["state"] for epoch in done["epochs"]}, "states")
    seen = state_json("dump", path)
    slices = {(record["operator"], record["slice"]): record for record in seen["records"]
              if record["kind"] == "slice"}
    equal([("counts", 0), ("counts", 1), ("out", 0), ("rows", 0)], sorted(slices), "slices")
    check(all(record["whole"] for record in seen["records"]), "a record is not whole")
    equal({("counts", 0), ("counts", 1)},
          {(part["name"], part["slice"]) for part in seen["parts"]}, "parts")
    for part in seen["parts"]:
        check(part["slots"] and part["unknown_blocks"] == 0, "blocks: %s" % part["blocks"])
        opened = slices["counts", part["slice"]]["opened"]
        check(all(slot["slot"] < 65536 and slot["opened"] < len(opened) for slot in part["slots"]),
              "a slot of nothing")
    state("prune", path, "--keep", "1")
    equal(1, len(state_json("verify", path)["epochs"]), "epochs that are left")
    # And the job goes on from what is left.
    line += ["--duration", "200ms"]
    with Running(line, folder) as running:
        running.wait_for("going on from epoch")
        running.end()


def wait_epochs(path, number):
    """What ls says once an epoch of that number, or a later one, is there: old ones go again."""
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        there = [name.split(".") for name in os.listdir(path)] if os.path.exists(path) else []
        if any(name[0] == "MANIFEST" and name[2:] == ["b"] and int(name[1]) >= number for name in there):
            return state_json("ls", path)
        time.sleep(0.02)
    raise AssertionError("there was never an epoch %d" % number)


def test_plan(folder):
    """plan says what each source and sink are promised, with a folder and without"""
    def guarantees(*words):
        plan = one_object(lodemill(["plan", topology("windows.yaml"), "--json", *words],
                                   sets={"out": folder}).stdout)
        return [(entry["source"], entry["sink"], entry["guarantee"]) for entry in plan["guarantees"]]

    path = os.path.join(folder, "state")
    equal([("rows", "out", "at most once")], guarantees(), "without a folder")
    equal([("rows", "out", "exactly once")], guarantees("--state", path), "with a folder")
    equal([("rows", "out", "at most once")], guarantees("--state", "none"), "with none")
    check(not os.path.exists(path), "plan has made the folder")
    text = lodemill(["plan", topology("windows.yaml"), "--state", path], sets={"out": folder}).stdout
    says(text, "Guarantees", "over a crash", "exactly once", "rows replays, out commits")


if __name__ == "__main__":
    sys.exit(tap(named([test_ls, test_ls_damage, test_in_use, test_verify, test_verify_every_byte,
                        test_verify_base, test_dump, test_dump_text, test_dump_damage, test_prune,
                        test_prune_damage, test_prune_blind, test_wrong_folder, test_permission,
                        test_words, test_full_disk, test_engine,
                        test_plan])))
