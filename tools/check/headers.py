#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone; the public ones also as C99 and as C++."""
import subprocess
import sys


def outside_includes(header):
    """Where the headers lie that only one folder may need; None: they are not installed."""
    if not header.startswith("probe/integrations/apache/"):
        return []
    try:
        ask = [["apxs", "-q", "INCLUDEDIR"], ["apr-1-config", "--includedir"]]
        return [f"-isystem{subprocess.run(q, capture_output=True, text=True, check=True).stdout.strip()}"
                for q in ask]
    except FileNotFoundError:
        return None


def compiles(compiler, arguments, header):
    includes = outside_includes(header)
    if includes is None:
        return None
    run = subprocess.run([compiler, "-fsyntax-only", "-I.", "-Iprobe/include", "-D_GNU_SOURCE",
                          "-Wall", "-Wextra", "-Werror", *includes, *arguments, "-x",
                          "c++" if any("c++" in a for a in arguments) else "c", "-"],
                         input=f'#include "{header}"\n', text=True, capture_output=True,
                         check=False)
    return None if run.returncode == 0 else f"{header} ({' '.join(arguments)}):\n{run.stderr}"


def main():
    compiler = sys.argv[1] if len(sys.argv) > 1 else "cc"
    headers = subprocess.run(["git", "ls-files", "*.h"], capture_output=True, text=True,
                             check=True).stdout.split()
    found = [compiles(compiler, ["-std=gnu17"], header) for header in headers]
    standards = [("stakeout/stakeout.h", "c99", "c++11"), ("stakeout/naming.h", "c99", "c++11"),
                 ("stakeout/stakeout.hpp", None, "c++11"), ("stakeout/stakeout.hpp", None, "c++17"),
                 ("stakeout/stakeout.hpp", None, "c++20")]
    switches = [[], ["-DSTAKEOUT_OFF"]]
    found += [compiles(compiler, [f"-std={c}", "-pedantic", *off], public)
              for public, c, _ in standards if c for off in switches]
    try:
        found += [compiles("c++", [f"-std={cxx}", "-pedantic", *off], public)
                  for public, _, cxx in standards for off in switches]
    except FileNotFoundError:
        print("no C++ compiler: the public header was not tried as C++")
    found = [why for why in found if why]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
