/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/cli/program.h"

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

void program_start(struct program *program, const char *const *words)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    *program = (struct program){ .out = ends[0], .text = BUF_INIT(1 << 20) };
    program->pid = fork();
    assert_true(program->pid >= 0);
    if (program->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(ends[1], 1) < 0 || dup2(ends[1], 2) < 0) _exit(126);
        execv(STAKEOUT_PATH, (char *const *)words);
        _exit(127);
    }
    assert_int_equal(close(ends[1]), 0);
}

static void program_read(struct program *program)
{
    char data[4096];
    ssize_t size;

    while ((size = read(program->out, data, sizeof data)) > 0) {
        assert_int_equal(buf_append(&program->text, data, (size_t)size), 0);
    }
}

struct expectation {
    struct program *program;
    const char *text;
};

static bool has_printed(void *context)
{
    struct expectation *expectation = context;

    program_read(expectation->program);
    return strstr(buf_peek(&expectation->program->text).data, expectation->text) != NULL;
}

void program_wait_for(struct program *program, const char *text)
{
    if (!wait_until(has_printed, &(struct expectation){ program, text }, PROGRAM_WAIT_MS))
        fail_msg("never printed '%s', but: %s", text, buf_peek(&program->text).data);
}

static bool has_ended(void *context)
{
    struct program *program = context;
    int status;

    program_read(program);
    if (waitpid(program->pid, &status, WNOHANG) != program->pid) return false;
    program->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    program_read(program);
    return true;
}

void program_start_on_terminal(struct program *program, const char *const *words)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    char name[128];

    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal) | unlockpt(terminal), 0);
    assert_int_equal(ptsname_r(terminal, name, sizeof name), 0);
    *program = (struct program){ .out = terminal, .text = BUF_INIT(1 << 20) };
    program->pid = fork();
    assert_true(program->pid >= 0);
    if (program->pid == 0) {
        int end = open(name, O_RDWR | O_NOCTTY);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (end < 0 || dup2(end, 1) < 0 || dup2(end, 2) < 0) _exit(126);
        setenv("TERM", "xterm", 1);
        execv(STAKEOUT_PATH, (char *const *)words);
        _exit(127);
    }
}

int program_end(struct program *program)
{
    if (!wait_until(has_ended, program, PROGRAM_WAIT_MS)) {
        (void)kill(program->pid, SIGKILL);
        (void)waitpid(program->pid, NULL, 0);
        fail_msg("did not end, but printed: %s", buf_peek(&program->text).data);
    }
    (void)close(program->out);
    return program->code;
}
