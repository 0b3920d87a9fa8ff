# SPDX-License-Identifier: BSD-3-Clause
"""The tree as the rules see it: which files there are, their text, and C text without its comments."""

import os
import re
import subprocess

C_SUFFIXES = (".c", ".h")
BUILD = re.compile(r"^build(-[^/]*)?/")


class Tree:
    """Files below a root, by path relative to it."""

    def __init__(self, root):
        self.root = root
        self.paths = sorted(p for p in self._list() if not BUILD.match(p))
        self._text = {}
        self._code = {}

    def _list(self):
        git = subprocess.run(["git", "-C", self.root, "ls-files", "-co", "--exclude-standard", "-z"],
                             capture_output=True, check=False)
        if git.returncode == 0 and os.path.exists(os.path.join(self.root, ".git")):
            paths = git.stdout.decode().split("\0")
            return [p for p in paths if p and os.path.isfile(os.path.join(self.root, p))]
        found = []
        for folder, names, files in os.walk(self.root):
            names[:] = [n for n in names if n not in (".git", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, f), self.root) for f in files]
        return found

    def absolute(self, path):
        return os.path.join(self.root, path)

    def text(self, path):
        """The text of a file, or None where it is not text."""
        if path not in self._text:
            with open(self.absolute(path), "rb") as file:
                raw = file.read()
            try:
                self._text[path] = None if b"\0" in raw else raw.decode()
            except UnicodeDecodeError:
                self._text[path] = None
        return self._text[path]

    def lines(self, path):
        return (self.text(path) or "").split("\n")

    def code(self, path):
        """C text with comments and literals blanked out; line numbers stay."""
        if path not in self._code:
            self._code[path] = strip_c(self.text(path) or "")
        return self._code[path]

    def of_c(self, *folders):
        """C sources and headers, of all folders or of some."""
        return [p for p in self.paths if p.endswith(C_SUFFIXES) and
                (not folders or p.split("/")[0] in folders)]

    def scripts(self, word):
        """Files whose first line names the interpreter `word`."""
        return [p for p in self.paths if (self.text(p) or "").startswith("#!") and
                word in self.lines(p)[0]]

    def python(self):
        return sorted(set([p for p in self.paths if p.endswith(".py")] + self.scripts("python")))

    def meson(self):
        return [p for p in self.paths
                if os.path.basename(p) in ("meson.build", "meson_options.txt")]


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_c(text):
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[0]
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


class Function:
    def __init__(self, name, first, last, static):
        self.name, self.first, self.last, self.static = name, first, last, static


def functions(code):
    """Definitions in the house's layout: name at the start of a line, braces at the start of lines."""
    lines = code.split("\n")
    found = []
    for i, line in enumerate(lines):
        if line.rstrip() != "{":
            continue
        start = i - 1
        while start >= 0 and not re.match(r"[A-Za-z_]\w*\s*\(", lines[start]):
            if lines[start].startswith("}") or lines[start].rstrip().endswith(";"):
                start = -1
            start -= 1
        end = next((j for j in range(i, len(lines)) if lines[j].startswith("}")), None)
        if start < 0 or end is None:
            continue
        name = re.match(r"\w+", lines[start]).group(0)
        before = lines[start - 1] if start > 0 else ""
        found.append(Function(name, start + 1, end + 1, bool(re.search(r"\bstatic\b", before))))
    return found


def closing(code, position):
    """Position behind the parenthesis that closes the one at `position`."""
    depth = 0
    for i in range(position, len(code)):
        if code[i] == "(":
            depth += 1
        elif code[i] == ")":
            depth -= 1
            if depth == 0:
                return i + 1
    return len(code)
