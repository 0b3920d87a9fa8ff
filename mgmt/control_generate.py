#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes from mgmt/control.json, the schema of the control interface, everything that follows from it.

    control_generate.py SCHEMA header              the C types of checked parameters
    control_generate.py SCHEMA source              the C tables that parameters are checked by
    control_generate.py SCHEMA client TEMPLATE     lodemill_client.py, out of mgmt/control_client.py
    control_generate.py SCHEMA lodectl TEMPLATE LODECTL OUT    the program, one file
    control_generate.py SCHEMA completion          for bash
    control_generate.py SCHEMA docs PAGE           the page with its reference part as it should be
    control_generate.py SCHEMA check PAGE          status 1 if the page is not that
"""

import json
import os
import re
import sys
import textwrap

C_TYPES = {"integer": "uint64_t", "set": "uint64_t", "flag": "bool"}
BEGIN, END = "<!-- reference: made from mgmt/control.json -->", "<!-- end of the reference -->"


def upper(name):
    return re.sub(r"\W", "_", name).upper()


def quoted(text):
    return json.dumps(text)


def c_member(param):
    if param["type"] == "text":
        return "\tchar %s[%d];" % (param["name"], param["size"])
    return "\t%s %s;" % (C_TYPES[param["type"]], param["name"])


def header(schema):
    out = ["/* SPDX-License-Identifier: BSD-3-Clause */", "#ifndef CONTROL_TABLE_H",
           "#define CONTROL_TABLE_H", "",
           "/* Made from mgmt/control.json: methods, roles, errors, checked parameters. */", "",
           '#include "mgmt/rpc_param.h"', "", "enum control_method {"]
    out += ["\tCONTROL_%s," % upper(m["name"]) for m in schema["methods"]]
    out += ["\tCONTROL_METHOD_COUNT", "};", "", "enum control_role {", "\tCONTROL_ROLE_NONE,"]
    out += ["\tCONTROL_ROLE_%s, /* %s */" % (upper(r["name"]), r["doc"]) for r in schema["roles"]]
    out += ["\tCONTROL_ROLE_COUNT", "};", "", "enum control_error {"]
    out += ["\tCONTROL_ERROR_%s = %d, /* %s */" % (upper(e["name"]), e["code"], e["doc"])
            for e in schema["errors"]]
    out += ["};", ""]
    for kind in schema["notifications"]:
        out.append("#define CONTROL_EVENT_%s %s" % (upper(kind["name"]), quoted(kind["name"])))
    for method in schema["methods"]:
        for param in method["params"]:
            if param["type"] == "set":
                for bit, value in enumerate(param["values"]):
                    out.append("#define CONTROL_%s_%s_%s (UINT64_C(1) << %d)" % (
                        upper(method["name"]), upper(param["name"]), upper(value), bit))
    for method in schema["methods"]:
        if method["params"]:
            out += ["", "struct control_%s {" % method["name"]]
            out += [c_member(p) for p in method["params"]] + ["};"]
    out += ["", "union control_params {"]
    out += ["\tstruct control_%s %s;" % (m["name"], m["name"]) for m in schema["methods"] if m["params"]]
    out += ["};", "", "extern const struct rpc_method control_methods[CONTROL_METHOD_COUNT];",
            "extern const char *const control_role_names[CONTROL_ROLE_COUNT];",
            "/* The schema itself, as JSON. */", "extern const char control_schema[];", "", "#endif"]
    return "\n".join(out) + "\n"


def c_param(method, param):
    values = ""
    initial = param.get("default", "" if param["type"] == "text" else 0)
    if param["type"] == "set":
        values = ", .values = %s_%s, .value_count = %d" % (
            method["name"], param["name"], len(param["values"]))
        initial = sum(1 << param["values"].index(v) for v in initial)
    bounds = ""
    if param["type"] == "integer":
        bounds = ", .min = UINT64_C(%d), .max = UINT64_C(%d)" % (param["min"], param["max"])
    start = ".initial = UINT64_C(%d)" % initial if param["type"] != "text" else ".text = " + quoted(initial)
    if param.get("required"):
        start = ".is_required = true, " + start
    where = "offsetof(struct control_%s, %s)" % (method["name"], param["name"])
    return "\t{ .name = %s, .type = RPC_%s, .offset = %s, .size = %d, %s%s%s }," % (
        quoted(param["name"]), upper(param["type"]), where, param.get("size", 0), start, bounds, values)


def source(schema):
    out = ["/* SPDX-License-Identifier: BSD-3-Clause */", "/* Made from mgmt/control.json: the tables. */",
           '#include "mgmt/control_table.h"', "", "#include <stddef.h>", ""]
    for method in schema["methods"]:
        for param in method["params"]:
            if param["type"] == "set":
                out.append("static const char *const %s_%s[] = { %s };" % (
                    method["name"], param["name"], ", ".join(quoted(v) for v in param["values"])))
        if method["params"]:
            out.append("static const struct rpc_param %s_params[] = {" % method["name"])
            out += [c_param(method, p) for p in method["params"]] + ["};"]
    out += ["", "const struct rpc_method control_methods[CONTROL_METHOD_COUNT] = {"]
    for method in schema["methods"]:
        params = ", .params = %s_params" % method["name"] if method["params"] else ""
        out.append("\t{ .name = %s, .role = CONTROL_ROLE_%s, .param_count = %d%s }," % (
            quoted(method["name"]), upper(method["role"]), len(method["params"]), params))
    out += ["};", "", "const char *const control_role_names[CONTROL_ROLE_COUNT] = {", '\t"none",']
    out += ["\t%s," % quoted(r["name"]) for r in schema["roles"]]
    out += ["};", "", "const char control_schema[] ="]
    text = json.dumps(schema, separators=(",", ":"))
    out += ["\t%s" % quoted(text[i:i + 80]) for i in range(0, len(text), 80)]
    return "\n".join(out) + ";\n"


def literal(value):
    return repr(tuple(value)) if isinstance(value, list) else repr(value)


def client_method(method):
    params = "".join(", " + (p["name"] if p.get("required") else "%s=%s" % (
        p["name"], literal(p["default"]))) for p in method["params"])
    given = ", ".join(('"%s": list(%s)' if p["type"] == "set" else '"%s": %s') % (p["name"], p["name"])
                      for p in method["params"])
    doc = [method["doc"], ""]
    doc += ["%s: %s" % (p["name"], p["doc"]) for p in method["params"]]
    doc += ["Returns %s." % ", ".join(f["name"] for f in method["result"])]
    lines = ["    def %s(self%s):" % (method["name"], params), '        """' + doc[0]]
    for line in doc[1:]:
        lines += textwrap.wrap(line, 95, initial_indent=" " * 8, subsequent_indent=" " * 8) or [""]
    lines += ['        """', '        return self.call("%s", {%s})' % (method["name"], given)]
    return "\n".join(lines)


def client(schema, template):
    with open(template, encoding="utf-8") as file:
        text = file.read()
    methods = "\n\n".join(client_method(m) for m in schema["methods"])
    check = "    # METHODS: made from the schema.\n"
    assert check in text
    return text.replace(check, methods + "\n").replace(
        'SCHEMA = {}', "SCHEMA = json.loads(r'''%s''')" % json.dumps(schema, indent=1))


def lodectl(schema, template, program, out):
    with open(program, encoding="utf-8") as file:
        text = file.read()
    library = client(schema, template).split("\n", 1)[1]
    start = "from lodemill_client import "
    lines = [line for line in text.split("\n") if not line.startswith(start)]
    assert len(lines) == text.count("\n"), "one line imports the client"
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join([lines[0], library.rstrip("\n"), "", ""] + lines[2:]))
    os.chmod(out, 0o755)
    return ""


def is_action(method):
    return [f["type"] for f in method["result"]] == ["action"]


def option(param):
    return "--" + re.sub(r"_ms$", "", param["name"]).replace("_", "-")


def completion(schema):
    names = [c["name"].replace("_", "-") if c["name"] != "subscribe" else "watch" for c in schema["methods"]]
    out = ["# SPDX-License-Identifier: BSD-3-Clause",
           "# Completion of lodectl for bash; made from mgmt/control.json.", "_lodectl() {",
           "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}",
           '\tlocal command="" options="--socket --prefix --json --help" i',
           '\tfor ((i = 1; i < COMP_CWORD; i++)); do', '\t\tcase "${COMP_WORDS[i]}" in',
           "\t\t--socket | --prefix) i=$((i + 1)) ;;", "\t\t-*) ;;",
           '\t\t*) command=${COMP_WORDS[i]}; break ;;',
           "\t\tesac", "\tdone", '\tcase "$before" in',
           '\t--socket | --diff) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;',
           "\t--prefix)", '\t\toptions=$(lodectl jobs --names 2>/dev/null)',
           '\t\tmapfile -t COMPREPLY < <(compgen -W "$options" -- "$word"); return ;;',
           "\tesac", '\tif [[ $before = apply && $word != -* ]]; then',
           '\t\tmapfile -t COMPREPLY < <(compgen -f -- "$word"); return', "\tfi",
           '\tcase "$command" in', '\t"") options="%s top plan jobs $options" ;;' % " ".join(names)]
    for method, name in zip(schema["methods"], names):
        more = [option(p) for p in method["params"] if not p.get("required")]
        if is_action(method):
            more.append("--no-wait")
        if name == "watch":
            more.append("--count")
        if more:
            out.append('\t%s) options="%s $options" ;;' % (name, " ".join(more)))
    out += ["\tplan) options=\"--diff --drop-state $options\" ;;",
            "\ttop) options=\"--count $options\" ;;", "\tjobs) options=\"--names $options\" ;;", "\tesac",
            '\tmapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")', "}",
            "complete -F _lodectl lodectl"]
    return "\n".join(out) + "\n"


def bounds(param):
    if param["type"] == "integer":
        return "%d to %d" % (param["min"], param["max"])
    if param["type"] == "set":
        return "of " + ", ".join("`%s`" % v for v in param["values"])
    return "at most %d bytes" % (param["size"] - 1) if param["type"] == "text" else ""


def fields(rows):
    return ["| field | type | what |", "| --- | --- | --- |"] + [
        "| `%s` | %s | %s |" % (r["name"], r["type"], r["doc"]) for r in rows]


def reference(schema):
    out = [BEGIN, "", "### Roles", "", "| role | what it may do |", "| --- | --- |"]
    out += ["| `%s` | %s |" % (r["name"], r["doc"]) for r in schema["roles"]]
    out += ["", "### Methods", ""]
    for method in schema["methods"]:
        out += ["#### `%s`" % method["name"], "", "%s Role: `%s`." % (method["doc"], method["role"]), ""]
        if method["params"]:
            out += ["| parameter | type | bounds | default | what |", "| --- | --- | --- | --- | --- |"]
            out += ["| `%s` | %s | %s | %s | %s |" % (
                p["name"], p["type"], bounds(p),
                "must be given" if p.get("required") else "`%s`" % json.dumps(p["default"]), p["doc"])
                    for p in method["params"]] + [""]
        out += ["Result:", ""] + fields(method["result"]) + [""]
    out += ["### Notifications", ""]
    for kind in schema["notifications"]:
        out += ["#### `%s`" % kind["name"], "", kind["doc"], ""] + fields(kind["params"]) + [""]
    out += ["### Objects", ""]
    for kind in schema["types"]:
        out += ["#### `%s`" % kind["name"], "", kind["doc"], ""] + fields(kind["fields"]) + [""]
    out += ["### Errors", "", "| code | name | when |", "| --- | --- | --- |"]
    out += ["| %d | %s | %s |" % (e["code"], e["name"].replace("_", " "), e["doc"]) for e in schema["errors"]]
    return "\n".join(out + ["", END])


def page(schema, path):
    """The page as it is, and as it should be."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    return text, before + reference(schema) + rest.split(END)[1]


def main(argv):
    with open(argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    what = argv[2]
    if what in ("docs", "check"):
        old, new = page(schema, argv[3])
        if what == "check" and old != new:
            print("%s is stale: mgmt/control_generate.py mgmt/control.json docs %s" % (argv[3], argv[3]))
            return 1
        if what == "docs":
            with open(argv[3], "w", encoding="utf-8") as file:
                file.write(new)
        return 0
    makers = {"header": header, "source": source, "client": client, "lodectl": lodectl,
              "completion": completion}
    sys.stdout.write(makers[what](schema, *argv[3:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
