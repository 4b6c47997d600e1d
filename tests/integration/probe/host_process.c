/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/host_process.h"

#include "common/base/check.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 8192, VARIABLES_MAX = 16, END_MS_MAX = 60000 };

struct host_process {
    pid_t pid;
    int input, output;
    int status;
    char line[LINE_SIZE_MAX];
};

static void become_host(const char *program, const char *const *variables, int input, int output)
{
    char *environment[VARIABLES_MAX + 2] = { NULL };
    char *arguments[] = { (char *)program, NULL };
    size_t count = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(input, 0);
    dup2(output, 1);
    environment[count++] = "PATH=/usr/bin:/bin";
    for (; variables && *variables && count <= VARIABLES_MAX; variables++) {
        environment[count++] = (char *)*variables;
    }
    execve(program, arguments, environment);
    _exit(127);
}

struct host_process *host_process_start(const char *program, const char *const *variables)
{
    struct host_process *host = mem_zalloc(1, sizeof *host);
    int input[2], output[2];

    CHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
    host->pid = fork();
    CHECK(host->pid >= 0);
    if (host->pid == 0) become_host(program, variables, input[0], output[1]);
    close(input[0]);
    close(output[1]);
    host->input = input[1];
    host->output = output[0];
    return host;
}

/* Returns what write(2) does; a pipe without a reader is an error, and no signal. */
static ssize_t write_deaf(int fd, const char *line, size_t size)
{
    sigset_t broken_pipe, before;
    ssize_t written;

    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    written = write(fd, line, size);
    if (written < 0) sigtimedwait(&broken_pipe, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return written;
}

void host_process_tell(struct host_process *host, const char *command)
{
    char line[1024];
    int size = snprintf(line, sizeof line, "%s\n", command);
    ssize_t written = write_deaf(host->input, line, (size_t)size);

    CHECK(written == size || (written < 0 && errno == EPIPE));
}

static bool has_word(const struct host_process *host, int ms)
{
    struct pollfd output = { .fd = host->output, .events = POLLIN };

    return poll(&output, 1, ms) > 0;
}

const char *host_process_hear_within(struct host_process *host, int ms)
{
    size_t size = 0;

    while (size + 1 < sizeof host->line) {
        if (!has_word(host, ms)) return NULL;
        if (read(host->output, host->line + size, 1) != 1 || host->line[size] == '\n') break;
        size++;
    }
    host->line[size] = '\0';
    return host->line;
}

const char *host_process_hear(struct host_process *host)
{
    return host_process_hear_within(host, -1);
}

bool host_process_has_word(const struct host_process *host)
{
    return has_word(host, 0);
}

const char *host_process_ask(struct host_process *host, const char *command)
{
    host_process_tell(host, command);
    return host_process_hear(host);
}

pid_t host_process_pid(const struct host_process *host)
{
    return host->pid;
}

static bool has_ended(void *context)
{
    struct host_process *host = context;

    return waitpid(host->pid, &host->status, WNOHANG) == host->pid;
}

int host_process_end(struct host_process *host)
{
    int status;

    close(host->input);
    if (!wait_until(has_ended, host, END_MS_MAX)) {
        kill(host->pid, SIGKILL);
        waitpid(host->pid, &host->status, 0);
    }
    close(host->output);
    status = WIFEXITED(host->status) ? WEXITSTATUS(host->status) : 128 + WTERMSIG(host->status);
    free(host);
    return status;
}

void host_process_kill(struct host_process *host)
{
    kill(host->pid, SIGKILL);
    host_process_end(host);
}
