/* SPDX-License-Identifier: Apache-2.0 */
/* init.c: process 1 gets every orphan of its container, and keeps it as a zombie until it asks for
 * it; and the kernel takes no signal for it that it has no handler for. The scheduler knows its own
 * children by pidfds and waits for them alone. So the two are two processes: this one reaps
 * whatever ends, hands on what it is sent, and ends when the scheduler has; the kernel ends the
 * rest. */
#include "scheduler/init.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALED = 128, CANNOT_START = 1 };

/* What was meant for process 1 is meant for us now. */
static void inherit(const char *name)
{
    const char *value = getenv(name);
    char pid[16];

    if (!value || strcmp(value, "1") != 0) return;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv(name, pid, 1);
}

static int be_scheduler(const sigset_t *mask)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    inherit("LISTEN_PID");
    inherit("WATCHDOG_PID");
    sigprocmask(SIG_SETMASK, mask, NULL);
    return -1;
}

/* Everybody who has ended. Returns the scheduler's exit code, or -1 while it runs. */
static int reap(pid_t scheduler)
{
    int exit_code = -1, status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != scheduler) continue;
        exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALED + WTERMSIG(status);
    }
    return exit_code;
}

static int be_init(pid_t scheduler, const sigset_t *all)
{
    int exit_code = -1;

    while (exit_code < 0) {
        int number = sigwaitinfo(all, NULL);

        if (number == SIGCHLD)
            exit_code = reap(scheduler);
        else if (number > 0)
            kill(scheduler, number);
    }
    return exit_code;
}

int init_split(void)
{
    sigset_t all, before;
    pid_t scheduler;

    if (getpid() != 1) return -1;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    scheduler = fork();
    if (scheduler == 0) return be_scheduler(&before);
    if (scheduler > 0) return be_init(scheduler, &all);
    fprintf(stderr, "stakeoutd: no process can be made: %s.\n", strerror(errno));
    return CANNOT_START;
}
