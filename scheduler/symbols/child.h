/* SPDX-License-Identifier: Apache-2.0 */
/* child.h: processes of ours that read strangers' files: started with the descriptors that they
 * need and nothing else, and buried without the loop waiting for them.
 *
 *     rc = child_start(&(struct child_start){ program, arguments, fds, fd_count }, &pid);
 *     ...
 *     child_bury(&graves, pid);          kills it, if it still lives, and reaps it later
 *     graves_done(&graves);              waits for those that are not yet reaped
 *
 * A child dies with this process. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_CHILD_H
#define STAKEOUT_SCHEDULER_SYMBOLS_CHILD_H

#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

struct event_base;

enum { CHILD_FD_FIRST = 3, CHILD_FDS_MAX = 4 };

struct child_start {
    const char *program;
    const char *const *arguments; /* ends with NULL; the first is the program */
    const int *fds;               /* become 3, 4, ... there */
    size_t fd_count;
};

/* 0, or -errno. */
int child_start(const struct child_start *start, pid_t *ret);

struct graves {
    struct event_base *base;
    LIST_HEAD(, grave) list;
};

void child_bury(struct graves *graves, pid_t pid);
void graves_done(struct graves *graves);

#endif
