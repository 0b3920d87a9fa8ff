# SPDX-License-Identifier: BSD-3-Clause
"""For each rule a small tree that breaks it in known places, and one that does not."""

HEAD = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
C = HEAD + "/* A source. */\n"
H = HEAD + "#ifndef X_H\n#define X_H\n\n/* A header. */\n\n%s\n#endif\n"
SH = "#!/usr/bin/env bash\n# SPDX-License-Identifier: BSD-3-Clause\n"
PY = "# SPDX-License-Identifier: BSD-3-Clause\n"
TABLE = PY + """layers = {
  'core': [],
  'state': ['core'],
  'operators': ['core', 'state'],
  'tests': ['core', 'state', 'operators'],
}
layers_public = ['operators']
layers_extra = {
  'operators': ['core/registry_builtin.h'],
}
"""
STYLE = "BasedOnStyle: LLVM\nIndentWidth: 8\nTabWidth: 8\nUseTab: AlignWithSpaces\n"


def body(lines):
    return C + "void\nlong_one(void)\n{\n" + "\tcall();\n" * lines + "}\n"


def command(flags):
    return '[{"directory": "/", "file": "/x/core/a.c", "command": "cc %s -c a.c"}]' % flags


# rule -> (files, places where it must be found: path or path:line)
PLANTED = {
    "spdx": ({"core/a.c": "/* no licence */\n", "run": "#!/usr/bin/env bash\necho\n",
              "x.py": "print()\n", "meson.build": "project()\n"},
             ["core/a.c:1", "run:2", "x.py:1", "meson.build:1"]),
    "purpose": ({"core/a.c": HEAD + "#include <stdio.h>\n", "core/a.h": HEAD + "#define A 1\n"},
                ["core/a.c:2", "core/a.h:2"]),
    "columns": ({"core/a.c": C + "/* " + "x" * 95 + " */\n", "core/b.c": C + "\t" * 12 + "int x;\n",
                 "run": SH + "# " + "x" * 109 + "\n"},
                ["core/a.c:3", "core/b.c:3", "run:3"]),
    "file_length": ({"core/a.c": C + "\n" * 800}, ["core/a.c:800"]),
    "function_length": ({"core/a.c": body(68)}, ["core/a.c:4"]),
    "layers": ({"meson.build": TABLE,
                "core/a.c": C + '#include "state/slot.h"\n',
                "state/b.c": C + '#include "core/x.h"\n#include "slot.h"\n',
                "operators/c.c": C + '#include "core/lm_op.h"\n#include "core/slice.h"\n',
                "other/d.c": C},
               ["core/a.c:3", "state/b.c:4", "operators/c.c:4", "other/d.c:1"]),
    "own_header": ({"core/a.c": C + '#include "core/b.h"\n#include "core/a.h"\n',
                    "core/a.h": H % ""}, ["core/a.c"]),
    "prefix": ({"core/lm_x.h": H % "struct thing {\n\tint a;\n};\nvoid helper(int a);\n",
                "core/a.c": C + "static void\nlm_secret(void)\n{\n}\n",
                "net/lm_port.h": H % ""},
               ["core/lm_x.h:7", "core/lm_x.h:10", "core/a.c:4", "net/lm_port.h:1"]),
    "installed": ({"core/lm_x.h": H % "", "core/meson.build":
                   PY + "install_headers(files('slice.h'), subdir: 'lodemill/core')\n",
                   "core/slice.h": H % ""},
                  ["core/lm_x.h", "core/meson.build"]),
    "banned": ({"core/edge.c": C + "\tx = malloc(4);\n\tstrcpy(a, b);\n",
                "state/a.c": C + "\tt = time(NULL);\n\tu = fopen(a, b);\n",
                "mgmt/a.c": C + "\tclock_gettime(0, &t);\n\tsprintf(a, b);\n",
                "operators/a.c": C + "\tusleep(1);\n\trand();\n\tc = rte_rdtsc();\n",
                "tests/tidy/rules.py": PY},
               ["core/edge.c:3", "core/edge.c:4", "state/a.c:3", "state/a.c:4", "mgmt/a.c:3",
                "mgmt/a.c:4", "operators/a.c:3", "operators/a.c:4", "operators/a.c:5",
                "tests/tidy/rules.py:1"]),
    "listed": ({"core/meson.build": PY + "files('a.c', 'gone.c')\n", "core/a.c": C,
                "core/b.c": C},
               ["core/b.c", "core/meson.build"]),
    "whitespace": ({"core/a.c": C + "int x; \n \tint y;\nint\tz;\n", "core/b.c": C + "int x;",
                    "x.py": PY + "if 1:\n\tx = 1\n"},
                   ["core/a.c:3", "core/a.c:4", "core/a.c:5", "core/b.c:3", "x.py:3"]),
    "braces": ({"core/a.c": C + "void\nf(void)\n{\n\tif (a)\n\t\tb();\n\telse\n\t\tc();\n"
                "\tfor (;;)\n\t\td();\n\twhile (g(1))\n\t\te();\n\twhile (x)\n\t\t;\n}\n"},
               ["core/a.c:6", "core/a.c:8", "core/a.c:10", "core/a.c:12", "core/a.c:14"]),
    "machine_paths": ({"README.md": "see /work/main/core\n", "run": SH + "cd /home/me/x\n"},
                      ["README.md:1", "run:3"]),
    "unfinished": ({"docs/a.md": "fine\nTODO: write\n", "core/a.c": C + "/* for now */\n"},
                   ["docs/a.md:2", "core/a.c:3"]),
    "alone": ({"core/lm_x.h": H % "uint32_t lm_x(void);\n",
               "core/lm_y.h": H % "int lm_y(int new);\n"},
              ["core/lm_x.h", "core/lm_y.h"]),
    "formatted": ({".clang-format": STYLE, "core/a.c": C + "int   x;\n"}, ["core/a.c"]),
    "shell": ({"run": SH + "rm -rf $1\n"}, ["run:3"]),
    "march": ({"build/compile_commands.json": command("-march=native -march=corei7")}, [""]),
}

# rule -> files that it must not find anything in
CLEAN = {
    "spdx": {"core/a.c": C, "run": SH, "x.py": PY},
    "purpose": {"core/a.c": C, "core/a.h": H % ""},
    "columns": {"core/a.c": C + "/* " + "x" * 94 + " */\n"},
    "file_length": {"core/a.c": C + "\n" * 798},
    "function_length": {"core/a.c": body(67)},
    "layers": {"meson.build": TABLE,
               "state/a.c": C + '#include "core/slice.h"\n#include "state/slot.h"\n',
               "operators/c.c": C + '#include "core/lm_op.h"\n#include "core/registry_builtin.h"\n'},
    "own_header": {"core/a.c": C + '#include "core/a.h"\n#include "core/b.h"\n',
                   "core/a.h": H % ""},
    "prefix": {"core/lm_x.h": H % ("struct lm_thing;\nvoid lm_go(int a);\n"
                                   "static inline int\nlm_fast(int a)\n{\n\treturn g(a);\n}\n"),
               "core/a.c": C + "void\nlm_go(int a)\n{\n}\n"},
    "installed": {"core/lm_x.h": H % "", "core/meson.build":
                  PY + "install_headers(files('lm_x.h'), subdir: 'lodemill/core')\n"},
    "banned": {"core/env_dpdk.c": C + "\tclock_gettime(0, &t);\n",
               "core/a.c": C + "\tlm_op_time(op);\n\top->time(1);\n/* time(NULL) */\n"
               '\tx = "malloc(4)";\n'},
    "listed": {"core/meson.build": PY + "files('a.c')\n", "core/a.c": C},
    "whitespace": {"core/a.c": C + "\tint x;\n\t        y;\n", "x.py": PY + "if 1:\n    x = 1\n"},
    "braces": {"core/a.c": C + "#if A\n#else\n#endif\nvoid\nf(void)\n{\n\tif (a) {\n\t} else if "
               "(b) {\n\t} else {\n\t}\n\tdo {\n\t} while (x);\n\tfor (;;) {\n\t}\n}\n"},
    "machine_paths": {"README.md": "see core/work/x, $HOME/work/x and https://a.b/home/c\n"},
    "unfinished": {"docs/a.md": "mktemp XXXXXX\n"},
    "alone": {"core/lm_x.h": H % "#include <stdint.h>\n\nuint32_t lm_x(void);\n"},
    "formatted": {".clang-format": STYLE, "core/a.c": C + "int x;\n"},
    "shell": {"run": SH + 'rm -rf "$1"\n'},
    "march": {"build/compile_commands.json": command("-march=corei7 -march=native")},
}
