/* SPDX-License-Identifier: Apache-2.0 */
/* child.c: fork, exec, and pidfds.
 *
 * A process that is given up is killed, and stays a zombie until its pidfd becomes readable: the
 * loop never waits for one. Several may be dying at a time. */
#include "scheduler/symbols/child.h"

#include "common/base/check.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that was killed and not yet reaped. */
struct grave {
    LIST_ENTRY(grave) link;
    struct event_base *base;
    struct event *on_end;
    int pidfd;
    pid_t pid;
};

/* The descriptors go to numbers that none of them has, and then to their places. */
static void fds_place(const struct child_start *start)
{
    int high[CHILD_FDS_MAX];

    for (size_t i = 0; i < start->fd_count; i++) {
        high[i] = fcntl(start->fds[i], F_DUPFD, CHILD_FD_FIRST + CHILD_FDS_MAX);
        if (high[i] < 0) _exit(1);
    }
    for (size_t i = 0; i < start->fd_count; i++)
        if (dup2(high[i], CHILD_FD_FIRST + (int)i) < 0) _exit(1);
    syscall(SYS_close_range, CHILD_FD_FIRST + (unsigned)start->fd_count, ~0u, 0);
}

/* In the child: everything that the parent has is closed but what is given; stdin and stdout are
 * nowhere; stderr stays, for the last words. */
static _Noreturn void child_run(const struct child_start *start, pid_t parent)
{
    sigset_t none;
    int null;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    fds_place(start);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) _exit(1);
    execv(start->program, (char *const *)start->arguments);
    _exit(127);
}

int child_start(const struct child_start *start, pid_t *ret)
{
    pid_t parent = getpid(), pid;

    CHECK(start->fd_count <= CHILD_FDS_MAX);
    pid = fork();
    if (pid == 0) child_run(start, parent);
    if (pid < 0) return -EAGAIN;
    *ret = pid;
    return 0;
}

static void grave_free(struct grave *grave)
{
    LIST_REMOVE(grave, link);
    event_free(grave->on_end);
    close(grave->pidfd);
    free(grave);
}

static void on_dead(evutil_socket_t fd, short events, void *context)
{
    struct grave *grave = context;

    (void)fd;
    (void)events;
    if (waitpid(grave->pid, NULL, WNOHANG) != 0) { /* ECHILD: somebody reaps all children */
        grave_free(grave);
        return;
    }
    /* A debugger holds it: the dead are its, until it lets go. */
    event_free(grave->on_end);
    grave->on_end = evtimer_new(grave->base, on_dead, grave);
    CHECK(grave->on_end);
    event_add(grave->on_end, &(struct timeval){ .tv_usec = 50000 });
}

void child_bury(struct graves *graves, pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct grave *grave;

    kill(pid, SIGKILL);
    if (pidfd < 0) { /* a kernel without pidfds; a killed process ends at once */
        waitpid(pid, NULL, 0);
        return;
    }
    grave = mem_zalloc(1, sizeof *grave);
    grave->base = graves->base;
    grave->pid = pid;
    grave->pidfd = pidfd;
    grave->on_end = event_new(graves->base, pidfd, EV_READ, on_dead, grave);
    CHECK(grave->on_end && event_add(grave->on_end, NULL) == 0);
    LIST_INSERT_HEAD(&graves->list, grave, link);
}

void graves_done(struct graves *graves)
{
    while (!LIST_EMPTY(&graves->list)) {
        struct grave *grave = LIST_FIRST(&graves->list);

        waitpid(grave->pid, NULL, 0);
        grave_free(grave);
    }
}
