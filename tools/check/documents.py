#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds documents to the code that they are about, and the tree to its own word.

Each check is a function of texts, so that --self-test can show it a tree that breaks it."""
import json
import os
import re
import subprocess
import sys

AREAS = ("common", "probe", "scheduler", "tools")
CODE = (".c", ".h", ".def", ".py", ".sh", ".lua")
TOP_LEVEL = {".ci", ".clang-format", ".gitignore", "CMakeLists.txt", "LICENSE", "README.md",
             "common", "probe", "scheduler", "tests", "tools"}

# Places of one machine, and hosts that a machine's own settings are to name. Written in two
# pieces, because this file is looked at as well.
FOREIGN = re.compile("|".join([
    r"(?<![\w$}.])/wo" r"rk/", r"/tmp/" r"b-", r"\bdeb\.debian" r"\.org", r"\bregistry\.npm" r"js",
    r"\bpypi\." r"org", r"\bfiles\.python" r"hosted", r"/home/" r"\w+/"]))

FILE_PATH = re.compile(r"(?<![\w/.$}<*-])(?:[\w-]+/)+[\w.-]+\.(?:c|h|def|py|sh|lua|md)\b")


def settings_in_manual(definitions, manual):
    """Every row of config.def has its paragraph in stakeoutd(8)."""
    manual = manual.replace("\\-", "-")
    for name in re.findall(r'^SETTING\("([^"]+)"', definitions, re.M):
        if not re.search(rf"^\.BI? \"?--{re.escape(name)}\b", manual, re.M):
            yield f"--{name} of config.def has no paragraph in stakeoutd(8)"
    for name in set(re.findall(r"^\.BI? \"?--([a-z-]+)", manual, re.M)):
        known = re.findall(r'^SETTING\("([^"]+)"', definitions, re.M)
        if name not in known + ["check-config", "config", "help"]:
            yield f"--{name} of stakeoutd(8) is not in config.def"


def metrics_in_readme(definitions, readme):
    """scheduler/metrics/README.md has exactly the rows of metrics.def."""
    wanted = re.findall(r'^METRIC\(\w+,\s*(\w+),\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"\)',
                        definitions, re.M)
    rows = {metric_row(*metric) for metric in wanted}
    found = set(re.findall(r"^\| `.*\|$", readme, re.M))
    yield from (f"metrics/README.md lacks: {row}" for row in sorted(rows - found))
    yield from (f"metrics/README.md has, metrics.def has not: {row}" for row in sorted(found - rows))
    if not wanted:
        yield "metrics.def has no row"


def metric_row(kind, name, labels, says):
    shown = ", ".join(f"`{label}`" for label in labels.split(",") if label)
    return f"| `{name}` | {kind.lower()} | {shown} | {says} |".replace("|  |", "| |")


def problems_in_tests(definitions, tests):
    """Every problem that can be answered is provoked by a test that knows its name."""
    rows = re.findall(r'^PROBLEM\((\w+),\s*"([^"]+)"', definitions, re.M)
    for name, slug in rows:
        if name != "PROBLEM_NONE" and not re.search(rf'\b{name}\b|"{slug}\\?"', tests):
            yield f"no test provokes {name} ({slug})"
    if not rows:
        yield "problem.def has no row"


def names_folder(text, name):
    return re.search(rf"(?<![\w/]){re.escape(name)}/|`{re.escape(name)}`", text)


def folders_have_readme(paths, readmes):
    """A folder of code explains itself, or a README.md above it names it."""
    folders = {os.path.dirname(path) for path in paths
               if path.startswith(AREAS) and path.endswith(CODE)}
    for folder in sorted(folders):
        if folder + "/README.md" in readmes:
            continue
        above, name = os.path.split(folder)
        while above and not names_folder(readmes.get(above + "/README.md", ""), name):
            name = os.path.basename(above) + "/" + name
            above = os.path.dirname(above)
        if not above:
            yield f"{folder}: no README.md, and none above it names the folder"


def tour_names_folders(paths, readme):
    """The source tour leads through every folder of the areas, two levels deep."""
    folders = {"/".join(path.split("/")[:2]) for path in paths
               if path.startswith(AREAS) and path.count("/") >= 2 and path.endswith(CODE)}
    for folder in sorted(folders):
        if not re.search(rf"\b{re.escape(folder)}\b", readme):
            yield f"README.md does not lead to {folder}"


def path_ends(paths):
    """All by which a file may be called, "link/link.c", and its folders, "agent/" and "link/"."""
    for path in paths:
        parts = path.split("/")
        yield from ("/".join(parts[start:]) for start in range(len(parts)))
        yield from (part + "/" for part in parts[:-1])


def paths_lead_somewhere(path, text, ends):
    """A file that is called by a folder of the tree and its name is there."""
    for number, line in enumerate(text.splitlines(), 1):
        for name in FILE_PATH.findall(line):
            if name.split("/")[0] + "/" in ends and name not in ends:
                yield f"{path}:{number}: there is no {name}"


def nothing_foreign(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        found = FOREIGN.search(line)
        if found:
            yield f"{path}:{number}: {found.group(0)} belongs to one machine"


def json_parses(path, text):
    try:
        json.loads(text)
    except ValueError as error:
        yield f"{path}: {error}"


def top_level(paths):
    for name in sorted({path.split("/")[0] for path in paths} - TOP_LEVEL):
        yield f"{name}: not one of the top level's names"


def self_test():
    """Each check accepts what is right and refuses what is wrong."""
    setting = 'SETTING("listen", listen, address, "A", "", "", "")\n'
    metric = 'METRIC(X, GAUGE, "x_bytes", "a,b", "Says.")\n'
    row = "| `x_bytes` | gauge | `a`, `b` | Says. |\n"
    problem = 'PROBLEM(PROBLEM_BUSY, "busy", 503, "Later")\n'
    cases = [
        (settings_in_manual, (setting, '.BI \\-\\-listen " A"\n'), (setting, ".B \\-\\-listening\n")),
        (settings_in_manual, ("", ".B \\-\\-help\n"), ("", ".B \\-\\-gone\n")),
        (metrics_in_readme, (metric, row), (metric, row.replace("Says", "Said"))),
        (metrics_in_readme, (metric, row), (metric, row + row.replace("x_b", "y_b"))),
        (problems_in_tests, (problem, "x == PROBLEM_BUSY"), (problem, "PROBLEM_BUSYNESS")),
        (folders_have_readme, (["common/base/x.c"], {"common/README.md": "`base/`"}),
         (["common/base/x.c"], {"common/README.md": "baseline"})),
        (tour_names_folders, (["probe/hot/x.c"], "`probe/hot`"), (["probe/hot/x.c"], "probe/hotter")),
        (paths_lead_somewhere, ("x", "`link/a.c`, event2/http.h", set(path_ends(["probe/link/a.c"]))),
         ("x", "`probe/a.c`", set(path_ends(["probe/link/a.c"])))),
        (nothing_foreign, ("x", "$work/x a/work/y"), ("x", '"/wo' + 'rk/x"')),
        (nothing_foreign, ("x", "/tmp/bench"), ("x", "https:/" + "/deb.debian" + ".org/debian")),
        (json_parses, ("x", "{}"), ("x", "{")),
        (top_level, (["common/x"],), (["notes/x"],)),
    ]
    for check, right, wrong in cases:
        if list(check(*right)):
            sys.exit(f"{check.__name__} refuses what is right: {list(check(*right))}")
        if not list(check(*wrong)):
            sys.exit(f"{check.__name__} does not notice: {wrong}")


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""  # removed and not committed yet; or bytes, as in a corpus


def all_faults():
    paths = subprocess.run(["git", "ls-files"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    texts = {path: read(path) for path in paths}
    tests = "".join(text for path, text in texts.items()
                    if path.startswith("tests/") and path.endswith((".c", ".h")))
    readmes = {path: text for path, text in texts.items() if path.endswith("README.md")}

    yield from settings_in_manual(texts["scheduler/config.def"],
                                  texts["scheduler/packaging/stakeoutd.8.in"])
    yield from metrics_in_readme(texts["scheduler/metrics/metrics.def"],
                                 readmes["scheduler/metrics/README.md"])
    yield from problems_in_tests(texts["common/model/problem.def"], tests)
    yield from folders_have_readme(paths, readmes)
    yield from tour_names_folders(paths, readmes.get("README.md", ""))
    yield from top_level(paths)
    ends = set(path_ends(paths))
    for path, text in texts.items():
        yield from nothing_foreign(path, text)
        if path.endswith((".md", ".c", ".h", ".def")):
            yield from paths_lead_somewhere(path, text, ends)
        if path.endswith(".json"):
            yield from json_parses(path, text)


def main():
    if "--self-test" in sys.argv:
        return self_test()
    found = list(all_faults())
    if found:
        sys.exit("\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
