#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses what the house style refuses and a compiler does not see."""
import re
import subprocess
import sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
COLUMNS_MAX = 100

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets|rand|usleep|signal)"
                    r"\s*\(")
TYPEDEF = re.compile(r"^\s*typedef\s+(struct|enum|union)\b")
LEFT_FOR_LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")  # in pieces: not one itself
PUBLIC_HANDLES = "probe/include/stakeout/stakeout.h"


def without_strings_and_comments(text):
    """The same lines, with what is inside strings and comments blanked."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    pattern = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(blank, text)


def line_faults(path, raw, code):
    if len(raw) > COLUMNS_MAX and not path.endswith(".def"):
        yield f"{len(raw)} columns; at most {COLUMNS_MAX}"
    if "//" in code:
        yield "a // comment; we write /* */"
    if LEFT_FOR_LATER.search(raw):
        yield "something was left for later"
    banned = BANNED.search(code)
    if banned:
        yield f"{banned.group(1)}() is banned"
    if TYPEDEF.match(code) and path != PUBLIC_HANDLES:
        yield "a typedef of a struct or an enum; one sees what it is without"
    if raw.rstrip() != raw:
        yield "trailing blanks"


def function_faults(lines):
    """Functions begin with { and end with } in the first column."""
    begin = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin:
            length = number - begin - 1
            if length > FUNCTION_LINES_MAX:
                yield begin, f"a function of {length} lines; at most {FUNCTION_LINES_MAX}"
            begin = None


def check_c(path, text):
    found = []
    raw, code = text.splitlines(), without_strings_and_comments(text).splitlines()
    if not raw or raw[0] != "/* SPDX-License-Identifier: Apache-2.0 */":
        found.append(f"{path}:1: the first line is not the SPDX line")
    if len(raw) > FILE_LINES_MAX:
        found.append(f"{path}: {len(raw)} lines; at most {FILE_LINES_MAX}")
    for number, (raw_line, code_line) in enumerate(zip(raw, code), 1):
        found += [f"{path}:{number}: {why}" for why in line_faults(path, raw_line, code_line)]
    found += [f"{path}:{number}: {why}" for number, why in function_faults(code)]
    return found


def check_other(path, text):
    return [f"{path}:{number}: something was left for later"
            for number, line in enumerate(text.splitlines(), 1) if LEFT_FOR_LATER.search(line)]


def self_test():
    spdx = "/* SPDX-License-Identifier: Apache-2.0 */\n"
    bad = [
        "int x;\n",
        spdx + "int x; // why\n",
        spdx + "int f(void)\n{\n    return atoi(x);\n}\n",
        spdx + "typedef struct x x;\n",
        spdx + "/* TO" + "DO: later */\n",
        spdx + "int f(void)\n{\n" + "    x();\n" * (FUNCTION_LINES_MAX + 1) + "}\n",
        spdx + "int " + "x" * COLUMNS_MAX + ";\n",
    ]
    good = spdx + 'const char *url = "http://x"; /* atoi(), // */\n'
    missed = [text for text in bad if not check_c("x.c", text)]
    if missed or check_c("x.c", good):
        sys.exit(f"style.py does not notice, or refuses what is fine: {missed}")


def main():
    if "--self-test" in sys.argv:
        return self_test()
    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    found = []
    for path in files:
        is_c = path.endswith((".c", ".h", ".def"))
        if not is_c and not path.endswith((".sh", ".lua", ".js", ".py", ".cmake")):
            continue
        if path == "tools/check/style.py":
            continue
        try:
            with open(path, encoding="utf-8") as file:
                found += (check_c if is_c else check_other)(path, file.read())
        except FileNotFoundError:
            pass
    if found:
        sys.exit("\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
