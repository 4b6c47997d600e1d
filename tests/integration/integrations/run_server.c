/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/integrations/run_server.h"

#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MS_MAX = 20000 };

static void become(const struct run_server *server, const char *const *words, int output)
{
    char url[64];
    int errors;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)server->scheduler_port);
    if (server->scheduler_port != 0) setenv("STAKEOUT_SERVER", url, 1);
    if (server->application) setenv("STAKEOUT_APPLICATION", server->application, 1);
    /* A preloaded library is before the sanitizer's, which minds only in its own builds. */
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
    dup2(output, 1);
    if (server->errors_path) {
        errors = open(server->errors_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (errors < 0 || dup2(errors, 2) < 0) _exit(125);
    }
    execv(words[0], (char *const *)(uintptr_t)words);
    _exit(125);
}

static void spawn(struct run_server *server, const char *const *words)
{
    int output[2];

    CHECK(pipe2(output, O_CLOEXEC) == 0);
    server->pid = fork();
    CHECK(server->pid >= 0);
    if (server->pid == 0) become(server, words, output[1]);
    close(output[1]);
    server->output = output[0];
}

void run_server_start(struct run_server *server, const char *const *words)
{
    size_t size = 0;

    spawn(server, words);
    while (size + 1 < sizeof server->said && read(server->output, server->said + size, 1) == 1 &&
           server->said[size] != '\n') {
        size++;
    }
    server->said[size] = '\0';
    if (size == 0) fail_msg("%s says nothing", words[0]);
}

static bool has_ended(void *context)
{
    struct run_server *server = context;
    int status;

    if (waitpid(server->pid, &status, WNOHANG) != server->pid) return false;
    server->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

int run_server_wait(struct run_server *server)
{
    if (!wait_until(has_ended, server, END_MS_MAX)) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->code = -1;
    }
    close(server->output);
    return server->code;
}

int run_server_hear(struct run_server *server, const char *const *words)
{
    size_t size = 0;
    ssize_t got;

    spawn(server, words);
    while (size + 1 < sizeof server->said &&
           (got = read(server->output, server->said + size, sizeof server->said - 1 - size)) > 0) {
        size += (size_t)got;
    }
    server->said[size] = '\0';
    return run_server_wait(server);
}
