/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the CLI's file of settings: a server and a token that can be sent, or a sentence. */
#include "common/base/own.h"
#include "tests/fuzz/fuzz.h"
#include "tools/cli/line/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[32] = "/tmp/stakeout-fuzz-XXXXXX", folder[64], path[96];

static void clean_up(void)
{
    unlink(path);
    rmdir(folder);
    rmdir(home);
}

static void make_home(void)
{
    if (*folder) return;
    CHECK(mkdtemp(home));
    snprintf(folder, sizeof folder, "%s/stakeout", home);
    snprintf(path, sizeof path, "%s/config", folder);
    CHECK(mkdir(folder, 0700) == 0 && setenv("XDG_CONFIG_HOME", home, 1) == 0);
    CHECK(atexit(clean_up) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(buf_done) struct buf warning = BUF_INIT(4096);
    OWN(fd_closep) int fd = -1;
    struct problem problem = { 0 };
    struct line line = { 0 };
    struct config config;

    make_home();
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    if (config_load(&line, &config, &warning, &problem) < 0) {
        CHECK(problem.code != PROBLEM_NONE && *problem.detail); /* who prints it escapes it */
        return 0;
    }
    CHECK(text_is_printable(text_of(config.server)) && text_is_printable(text_of(config.token)));
    CHECK(text_starts_with(text_of(config.server), TEXT("http")));
    return 0;
}
