# SPDX-License-Identifier: BSD-3-Clause
"""The house rules. Each takes a Tree and returns what breaks it: (path, line, what and what instead).

A rule returns a string instead when it cannot be checked here: why, counted as a skip.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import tempfile

from source import closing, functions, line_of

COLUMNS, SCRIPT_COLUMNS, FILE_LINES, FUNCTION_LINES = 100, 110, 800, 70
SPDX = "SPDX-License-Identifier: BSD-3-Clause"
ENGINE = ("core", "state", "net", "operators", "mgmt")
PRODUCT = ENGINE + ("bench",)


def spdx(tree):
    """the first line (the second of a script) names the licence"""
    found = []
    for path in tree.of_c() + tree.python() + tree.scripts("bash") + tree.meson():
        lines = tree.lines(path)
        index = 1 if lines[0].startswith("#!") else 0
        wanted = "/* %s */" % SPDX if path.endswith((".c", ".h")) else "# " + SPDX
        if len(lines) <= index or lines[index] != wanted:
            found.append((path, index + 1, "this line must be: " + wanted))
    return found


def purpose(tree):
    """each source and header opens with a comment that says what it is for"""
    found = []
    for path in tree.of_c():
        rest = "\n".join(tree.lines(path)[1:12])
        head = rest.split("#include")[0] if path.endswith(".h") else rest.split("\n")[0]
        if "/*" not in head:
            found.append((path, 2, "say the file's one role in a comment here"))
    return found


def columns(tree):
    """lines have at most 100 columns, in scripts 110"""
    found = []
    scripts = tree.python() + tree.scripts("bash") + tree.meson()
    for path, most in [(p, COLUMNS) for p in tree.of_c()] + [(p, SCRIPT_COLUMNS) for p in scripts]:
        for number, line in enumerate(tree.lines(path), 1):
            width = len(line.expandtabs(8))
            if width > most:
                found.append((path, number, "%d columns; at most %d" % (width, most)))
    return found


def file_length(tree):
    """files have at most 800 lines"""
    found = []
    for path in tree.of_c() + tree.python() + tree.scripts("bash") + tree.meson():
        count = len(tree.lines(path)) - 1
        if count > FILE_LINES:
            found.append((path, FILE_LINES, "%d lines; split it by role" % count))
    return found


def function_length(tree):
    """functions have at most 70 lines"""
    found = []
    for path in tree.of_c():
        for function in functions(tree.code(path)):
            length = function.last - function.first + 1
            if length > FUNCTION_LINES:
                found.append((path, function.first, "%s has %d lines; at most %d" %
                              (function.name, length, FUNCTION_LINES)))
    return found


def layer_table(tree):
    """The table `layers` in the top meson.build, and `layers_public`: folders held to lm_ headers."""
    text = tree.text("meson.build") if "meson.build" in tree.paths else ""
    table = re.search(r"^layers = (\{.*?^\})", text, re.S | re.M)
    public = re.search(r"^layers_public = (\[.*?\])", text, re.S | re.M)
    extra = re.search(r"^layers_extra = (\{.*?^\})", text, re.S | re.M)
    if table is None or public is None or extra is None:
        return None
    return tuple(ast.literal_eval(m.group(1)) for m in (table, public, extra))


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def layers(tree):
    """folders include only from folders that the table in the top meson.build allows"""
    read = layer_table(tree)
    if read is None:
        return [("meson.build", 1, "no tables `layers`, `layers_public` and `layers_extra` here")]
    table, public, extra = read
    found = []
    for path in tree.of_c():
        folder = path.split("/")[0]
        if folder not in table:
            found.append((path, 1, "folder %s is not in the layer table" % folder))
            continue
        for kind, name in INCLUDE.findall(tree.text(path)):
            line = line_of(tree.text(path), tree.text(path).index(name))
            if kind == "<":
                continue
            target = name.split("/")[0]
            if "/" not in name:
                found.append((path, line, 'include "%s" with its folder' % name))
            elif name in extra.get(folder, []):
                continue
            elif target != folder and target not in table[folder]:
                found.append((path, line, "%s may not use %s" % (folder, target)))
            elif (target != folder and folder in public and
                  not os.path.basename(name).startswith("lm_")):
                found.append((path, line, "%s may use public headers only, not %s" %
                              (folder, name)))
    return found


def own_header(tree):
    """a source includes its own header first"""
    found = []
    for path in tree.of_c(*PRODUCT):
        folder, name = os.path.split(path)
        headers = ["%s/%s" % (folder, n) for n in (name[:-2] + ".h", "lm_" + name[:-2] + ".h")]
        headers = [h for h in headers if h in tree.paths]
        includes = INCLUDE.findall(tree.text(path))
        if path.endswith(".c") and headers and (not includes or includes[0][1] not in headers):
            found.append((path, 1, "include %s first" % headers[0]))
    return found


def public_header(path):
    return re.match(r"(core|state|mgmt)/lm_\w+\.h$", path) is not None


def prefix(tree):
    """lm_ is the prefix of what public headers declare, and of nothing else"""
    public = "\n".join(tree.code(p) for p in tree.paths if public_header(p))
    found = []
    for path in tree.of_c(*ENGINE):
        base = os.path.basename(path)
        if base.startswith("lm_") and not public_header(path):
            found.append((path, 1, "public headers are lm_*.h of core, state and mgmt; rename this"))
        for function in functions(tree.code(path)):
            name = function.name
            if name.startswith("lm_") and not re.search(r"\b%s\s*\(" % name, public):
                found.append((path, function.first, "%s is in no public header: no lm_" % name))
        if public_header(path):
            found += foreign_names(tree, path)
    return found


DECLARED = re.compile(r"^(?!\s|#|typedef|static|enum|struct \w+ \{|\})[\w\s*]*?\b(\w+)\s*\(", re.M)


def foreign_names(tree, path):
    """Functions and types that a public header declares without the prefix."""
    found = []
    code = re.sub(r"\\\n", "  ", tree.code(path))
    code = re.sub(r"^[ \t]*#.*$", "", code, flags=re.M)
    names = [(m.group(1), m.start(1)) for m in DECLARED.finditer(code)]
    names += [(m.group(1), m.start(1))
              for m in re.finditer(r"^(?:struct|enum) (\w+)\b(?=\s*[{;])", code, re.M)]
    for name, position in names:
        if not name.lower().startswith("lm_") and name != "__attribute__":
            found.append((path, line_of(code, position), "public, so call it lm_%s" % name))
    return found


def installed(tree):
    """public headers are installed, and no other header is"""
    listed = {}
    for path in tree.meson():
        for call in re.findall(r"install_headers\((.*?)\)", tree.text(path), re.S):
            for name in re.findall(r"'([^']+\.h)'", call):
                listed[os.path.normpath(os.path.join(os.path.dirname(path), name))] = path
    found = [(p, 1, "not in install_headers() of its meson.build") for p in tree.paths
             if public_header(p) and p not in listed]
    return found + [(where, 1, "installs %s, which is not public" % p)
                    for p, where in listed.items() if not public_header(p)]


# What must not be called: pattern, what instead, folders it holds for, files that may.
THIS_FILE = "tests/tidy/rules.py"
SEAM = ("core/env_dpdk.c", "core/env_posix.c", "core/env_wait.c", "core/env.h")
HOT = ("core/edge.c", "core/ring.h", "core/slice.c", "core/select.c", "core/gather.c",
       "core/hash.c", "core/hist.c", "core/mail.c", "core/worker.c", "core/idle.c", "core/epoch.c",
       "core/rewire.c", "core/expr_eval.c", "core/expr_kernels.c", "core/batch.c", "core/output.c",
       "core/state_ops.c", "net/decode.c", "net/decode_l3.c", "net/decode_l4.c",
       "net/decode_tunnel.c", "net/packet_columns.c", "net/packet_decode.c", "net/port_source.c",
       "state/arena.c", "state/arena_copy.c", "state/map.c", "state/map_age.c",
       "state/map_batch.c", "state/list.c", "state/value.c", "state/key.c", "state/reduce.c",
       "state/order.c", "state/near.c", "state/exact_sum.c", "state/window.c",
       "state/space_move.c")
BANNED = (
    (r"strcpy|strcat|stpcpy|wcscpy", "snprintf, or memcpy with a checked length", PRODUCT, ()),
    (r"sprintf|vsprintf", "snprintf", PRODUCT, ()),
    (r"gets|mktemp|tmpnam|tempnam", "fgets, mkstemp", PRODUCT, ()),
    (r"atoi|atol|atoll|atof|sscanf|strtok", "core/text.h", PRODUCT, ()),
    (r"alloca", "an array with a bound", PRODUCT, ()),
    (r"rand|srand|random|srandom|drand48|getrandom|rte_rand|rte_srand", "env_random", ENGINE, SEAM),
    (r"clock_gettime|gettimeofday|time|clock", "env_now_ns or env_wall_ns", ENGINE, SEAM),
    (r"rte_rdtsc|rte_rdtsc_precise|rte_get_tsc_cycles|rte_get_timer_cycles|__rdtsc|_rdtsc",
     "env_now_ns", ENGINE, SEAM),
    (r"sleep|usleep|nanosleep|clock_nanosleep|rte_delay_us|rte_delay_ms|sched_yield|rte_pause",
     "env_sleep_ns, env_yield or env_pause", ENGINE, SEAM),
    (r"pthread_create|rte_eal_remote_launch|rte_eal_wait_lcore", "env_worker_launch",
     ("core", "state", "net", "operators"), SEAM),
    (r"open|fopen|read|fread|write|fwrite|fsync|rename|fclose", "env_file_*",
     ("state", "operators"), ()),
)
HOT_MEMORY = (r"malloc|calloc|realloc|strdup|strndup|aligned_alloc|posix_memalign|rte_malloc|"
              r"rte_zmalloc|asprintf", "memory from env_alloc, taken before start")


def banned(tree):
    """calls that the engine makes only through its seam, or never"""
    found = []
    for path in tree.of_c(*PRODUCT):
        folder = path.split("/")[0]
        for names, instead, folders, may in BANNED:
            if folder in folders and path not in may:
                found += calls(tree, path, names, instead)
        if path in HOT:
            found += calls(tree, path, *HOT_MEMORY)
    gone = [p for p in (*SEAM, *HOT) if p not in tree.paths]
    if gone and THIS_FILE in tree.paths:
        found.append((THIS_FILE, 1, "names what is not there: " + ", ".join(gone)))
    return found


def calls(tree, path, names, instead):
    code = tree.code(path)
    pattern = re.compile(r"(?<![\w.>])(%s)\s*\(" % names)
    return [(path, line_of(code, m.start()), "%s() is banned here: %s" % (m.group(1), instead))
            for m in pattern.finditer(code)]


def listed(tree):
    """every source is in a meson.build, and every source in a meson.build exists"""
    named = {}
    for path in tree.meson():
        for name in re.findall(r"'([^'\n]+\.c)'", tree.text(path)):
            whole = os.path.normpath(os.path.join(os.path.dirname(path), name))
            named[whole] = path
    found = [(p, 1, "in no meson.build: it is never built") for p in tree.paths
             if p.endswith(".c") and p not in named]
    return found + [(where, 1, "names %s, which is not there" % p)
                    for p, where in named.items() if p not in tree.paths]


def whitespace(tree):
    """tabs indent C and bash, spaces align and indent Python; nothing trails"""
    found = []
    pythons = set(tree.python())
    tabbed = set(tree.of_c() + tree.scripts("bash")) - pythons
    for path in sorted(tabbed | pythons | set(tree.meson())):
        lines = tree.lines(path)
        if lines[-1] != "":
            found.append((path, len(lines), "the last line has no end"))
        for number, line in enumerate(lines, 1):
            indent = re.match(r"[ \t]*", line).group(0)
            if line != line.rstrip():
                found.append((path, number, "blanks at the end of the line"))
            elif " \t" in indent:
                found.append((path, number, "a tab behind a space"))
            elif path in pythons and "\t" in line:
                found.append((path, number, "a tab in Python"))
            elif path in tabbed and "\t" in line[len(indent):]:
                found.append((path, number, "a tab inside the line"))
    return found


def braces(tree):
    """if, else, for and while have braces"""
    found = []
    for path in tree.of_c():
        code = re.sub(r"\\\n", " \n", tree.code(path))
        for match in re.finditer(r"(?<![\w#])(if|for|while|else)\b", code):
            line_start = code.rfind("\n", 0, match.start()) + 1
            if code[line_start:match.start()].strip() == "#":
                continue
            end = match.end()
            if match.group(1) != "else":
                opening = code.find("(", end)
                if opening < 0 or code[end:opening].strip():
                    continue
                end = closing(code, opening)
            rest = code[end:].lstrip()
            fine = rest.startswith("{") or (match.group(1) == "else" and rest.startswith("if"))
            if match.group(1) == "while" and rest.startswith(";"):
                fine = code[:match.start()].rstrip().endswith("}")
            elif match.group(1) == "while" and code[line_start:match.start()].strip() == "}":
                fine = True
            if not fine:
                found.append((path, line_of(code, match.start()),
                              "%s without braces" % match.group(1)))
    return found


def machine_paths(tree):
    """nothing names a folder of somebody's machine"""
    pattern = re.compile(r"(?<![\w.$}~/-])/(?:work|farm|home|root|mnt|Users|srv)/[\w.]")
    found = []
    for path in tree.paths:
        if path.startswith("tests/tidy/"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if pattern.search(line):
                found.append((path, number, "a path of one machine: " + line.strip()[:60]))
    return found


def unfinished(tree):
    """nothing is left for later"""
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK|placeholder|not implemented|for now)\b", re.I)
    found = []
    for path in tree.paths:
        if path.startswith("tests/tidy/"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = pattern.search(line)
            if match:
                found.append((path, number, "sounds unfinished: " + match.group(0)))
    return found


def alone(tree):
    """a public header compiles alone, in C and in C++"""
    found = []
    compilers = [("cc", "c", "-std=gnu11"), ("c++", "c++", "-std=c++17")]
    if shutil.which("cc") is None or shutil.which("c++") is None:
        return "no C and C++ compiler"
    for path in filter(public_header, tree.paths):
        for program, language, standard in compilers:
            with tempfile.NamedTemporaryFile("w", suffix="." + language) as source:
                source.write('#include "%s"\n' % path)
                source.flush()
                run = subprocess.run(
                    [program, "-x", language, standard, "-fsyntax-only", "-Wall", "-Wextra",
                     "-Werror", "-I", tree.root, source.name],
                    capture_output=True, text=True, check=False)
            if run.returncode != 0:
                lines = [line for line in run.stderr.split("\n") if "error" in line] or ["?"]
                found.append((path, 1, "not alone in %s: %s" % (language, lines[0][-120:])))
    return found


def formatted(tree):
    """clang-format changes nothing"""
    program = shutil.which("clang-format-14")
    paths = tree.of_c()
    if program is None:
        return "clang-format-14 is not installed"
    if ".clang-format" not in tree.paths or not paths:
        return "no .clang-format"
    run = subprocess.run([program, "--dry-run", "--style=file"] + paths, cwd=tree.root,
                         capture_output=True, text=True, check=False)
    seen = {}
    for path, line in re.findall(r"^([^:\n]+):(\d+):\d+: warning", run.stderr, re.M):
        seen.setdefault(path, int(line))
    return [(p, n, "run clang-format-14 -i on it") for p, n in sorted(seen.items())]


def shell(tree):
    """shellcheck finds nothing"""
    scripts = tree.scripts("bash")
    if shutil.which("shellcheck") is None:
        return "shellcheck is not installed"
    if not scripts:
        return []
    run = subprocess.run(["shellcheck", "-x", "-f", "gcc"] + scripts, cwd=tree.root,
                         capture_output=True, text=True, check=False)
    return [(p, int(n), what) for p, n, what in
            re.findall(r"^([^:\n]+):(\d+):\d+: (.*)$", run.stdout, re.M)]


def march(tree):
    """what is built is built for the machine asked for, not for that of libdpdk's .pc"""
    commands = tree.absolute("build/compile_commands.json")
    if not os.path.exists(commands):
        return "no build/compile_commands.json"
    with open(commands, encoding="utf-8") as file:
        entries = json.load(file)
    options = tree.absolute("build/meson-info/intro-buildoptions.json")
    wanted = "native"
    if os.path.exists(options):
        with open(options, encoding="utf-8") as file:
            wanted = next((o["value"] for o in json.load(file) if o["name"] == "march"), wanted)
    found = []
    for entry in entries:
        flags = re.findall(r"-march=(\S+)", entry["command"])
        if not flags or flags[-1] != wanted:
            path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            found.append((os.path.relpath(path, tree.root), 1, "built with -march=%s, not %s" %
                          (flags[-1] if flags else "(none)", wanted)))
    return found


RULES = (spdx, purpose, columns, file_length, function_length, layers, own_header, prefix, installed,
         banned, listed, whitespace, braces, machine_paths, unfinished, alone, formatted, shell,
         march)
