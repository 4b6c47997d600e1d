#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses an #include against tools/check/layers.txt, and a second door to an outside library."""
import re
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
FOLDERS = ("common/", "probe/", "scheduler/", "tools/", "tests/")

# Each outside library has one door: who may include these headers.
DOORS = {
    "hiredis/": ("scheduler/store/redis/redis_link.c", "scheduler/store/redis/redis_value.c", "tests/"),
    "libunwind": ("probe/agent/unwind/remote_unwinder", "tests/"),
    "elfutils/": ("scheduler/symbols/",),
    "dwarf.h": ("scheduler/symbols/",),
    "event2/http": ("scheduler/http/", "probe/include/stakeout/evhttp.h", "tests/"),
    "msgpack": ("common/wire/", "tests/"),
    "curl/": ("tools/cli/", "scheduler/symbols/worker/fetch.c"),
    "cmocka.h": ("tests/support/test.h",),
}


def read_law(path):
    law = []
    for line in open(path, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line:
            folder, allowed = line.split(":")
            law.append((folder.strip(), allowed.split()))
    return law


def is_within(path, folder):
    return path == folder or path.startswith(folder + "/")


def breach(law, path, target):
    """Why `path` may not include `target`, or None."""
    for folder, allowed in law:
        if is_within(path, folder):
            if any(is_within(target, place) for place in allowed):
                return None
            return f"{path} includes {target}; {folder} may include: {' '.join(allowed)}"
    return f"{path} includes {target}, and no line of layers.txt is about {path}"


def second_door(path, header):
    for prefix, places in DOORS.items():
        if header.startswith(prefix) and not path.startswith(places):
            return f"{path} includes <{header}>; its door is {' or '.join(places)}"
    return None


def check_file(law, path, text):
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(2)
        if target.startswith("stakeout/"):
            target = "probe/include/" + target
        why = None
        if target.startswith(FOLDERS):
            why = breach(law, path, target)
        elif match.group(1) == '"':
            why = f"{path} includes \"{target}\"; include paths start at the repository's root"
        if not why:
            why = second_door(path, match.group(2))
        if why:
            found.append(f"{path}:{number}: {why}")
    return found


def self_test(law):
    bad = {
        "probe/hot/slot.c": '#include "scheduler/task/tasks.h"\n',
        "scheduler/task/tasks.c": '#include "scheduler/http/http.h"\n',
        "common/base/buf.c": '#include "common/model/limits.h"\n',
        "scheduler/api/tasks.c": "#include <hiredis/hiredis.h>\n",
        "tools/cli/task.c": '#include "table.h"\n',
    }
    missed = [path for path, text in bad.items() if not check_file(law, path, text)]
    if missed:
        sys.exit("layers.py does not notice: " + " ".join(missed))


def main():
    law = read_law("tools/check/layers.txt")
    if "--self-test" in sys.argv:
        return self_test(law)
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                            "*.c", "*.h", "*.cc", "*.hpp"],
                           capture_output=True, text=True, check=True).stdout.split()
    found = []
    for path in files:
        try:
            with open(path, encoding="utf-8") as file:
                found += check_file(law, path, file.read())
        except FileNotFoundError:
            pass
    if found:
        sys.exit("\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
