#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone; the public one also as C99 and as C++."""
import subprocess
import sys


def compiles(compiler, arguments, header):
    run = subprocess.run([compiler, "-fsyntax-only", "-I.", "-Iprobe/include", "-D_GNU_SOURCE",
                          "-Wall", "-Wextra", "-Werror", *arguments, "-x",
                          "c++" if any("c++" in a for a in arguments) else "c", "-"],
                         input=f'#include "{header}"\n', text=True, capture_output=True,
                         check=False)
    return None if run.returncode == 0 else f"{header} ({' '.join(arguments)}):\n{run.stderr}"


def main():
    compiler = sys.argv[1] if len(sys.argv) > 1 else "cc"
    headers = subprocess.run(["git", "ls-files", "*.h"], capture_output=True, text=True,
                             check=True).stdout.split()
    found = [compiles(compiler, ["-std=gnu17"], header) for header in headers]
    public = "stakeout/stakeout.h"
    found.append(compiles(compiler, ["-std=c99", "-pedantic"], public))
    found.append(compiles(compiler, ["-std=c99", "-pedantic", "-DSTAKEOUT_OFF"], public))
    try:
        found.append(compiles("c++", ["-std=c++11", "-pedantic"], public))
        found.append(compiles("c++", ["-std=c++11", "-pedantic", "-DSTAKEOUT_OFF"], public))
    except FileNotFoundError:
        print("no C++ compiler: the public header was not tried as C++")
    found = [why for why in found if why]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
