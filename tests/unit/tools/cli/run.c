/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tools/cli/run.h"

#include "tests/support/test.h"
#include "tools/cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { WORDS_MAX = 300 };

static void read_back(int fd, char *ret)
{
    ssize_t size = pread(fd, ret, RUN_OUTPUT_SIZE - 1, 0);

    assert_true(size >= 0);
    ret[size] = '\0';
    assert_int_equal(close(fd), 0);
}

void run_cli(struct run *run, const char *const *words)
{
    char *argv[WORDS_MAX + 2] = { "stakeout" };
    int argc = 1, out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);

    for (; *words; words++) {
        assert_true(argc < WORDS_MAX);
        argv[argc++] = (char *)*words; /* argv is never written to */
    }
    assert_true(out >= 0 && err >= 0 && old_out >= 0 && old_err >= 0);
    (void)fflush(NULL);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    run->code = cli_main(argc, argv);
    (void)fflush(NULL);
    (void)dup2(old_out, STDOUT_FILENO);
    (void)dup2(old_err, STDERR_FILENO);
    (void)close(old_out);
    (void)close(old_err);
    read_back(out, run->out);
    read_back(err, run->err);
}
