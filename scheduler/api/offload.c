/* SPDX-License-Identifier: Apache-2.0 */
/* offload.c: a fork, a pipe, and an event that reads from it.
 *
 * The child writes a struct head and the result, so that one that died halfway is told from one
 * that said everything, and leaves by _exit(): it must run none of our exit handlers. It closes
 * every descriptor but its pipe first, so that neither our port nor the state directory's lock
 * lives on in it; and it ends with us (PDEATHSIG), with its pipe, or by the timeout. */
#include "scheduler/api/offload.h"

#include "common/base/check.h"
#include "scheduler/symbols/child.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, READS_PER_TURN = 16 };

struct head {
    int rc; /* of `work` */
    size_t size;
};

struct child {
    TAILQ_ENTRY(child) link;
    struct offloads *offloads;
    struct offload offload;
    pid_t pid;
    int fd;
    struct event *readable;
    struct buf received; /* the head, then the result */
};

struct offloads {
    struct event_base *base;
    TAILQ_HEAD(, child) children;
    unsigned count;
    struct graves graves;
};

/* ------------------------------------------------------------------ in the child */

static void write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t written = write(fd, at, size);

        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) _exit(1);
        at += written;
        size -= (size_t)written;
    }
}

static _Noreturn void run(const struct offload *offload, int fd, pid_t parent)
{
    struct buf result = BUF_INIT(offload->size_max);
    struct head head = { 0 };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    if (fd > 3) close_range(3, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
    head.rc = offload->work(offload->context, &result);
    if (head.rc == 0) head.size = result.size;
    write_all(fd, &head, sizeof head);
    write_all(fd, result.data ? result.data : "", head.size);
    _exit(0);
}

/* ------------------------------------------------------------------ its answer */

/* Calls `then`. The child may be long in dying, on a machine that is busy or swaps: it is buried,
 * not waited for. */
static void finish(struct child *child, int rc)
{
    struct offloads *offloads = child->offloads;
    struct offload offload = child->offload;
    struct buf result = child->received;

    TAILQ_REMOVE(&offloads->children, child, link);
    offloads->count--;
    event_free(child->readable);
    close(child->fd);
    child_bury(&offloads->graves, child->pid);
    free(child);
    offload.then(offload.context, rc, &result);
    buf_done(&result);
}

static void finish_whole(struct child *child)
{
    struct head head = { 0 };

    if (child->received.size < sizeof head) {
        finish(child, -EIO);
        return;
    }
    memcpy(&head, child->received.data, sizeof head);
    buf_consume(&child->received, sizeof head);
    finish(child, child->received.size == head.size ? head.rc : -EIO);
}

/* One read. Returns false if the child is finished with, one way or the other. */
static bool read_some(struct child *child)
{
    char *room = buf_reserve(&child->received, READ_SIZE);
    ssize_t size;

    if (!room) {
        finish(child, -ENOBUFS);
        return false;
    }
    size = read(child->fd, room, READ_SIZE);
    if (size > 0) {
        buf_commit(&child->received, (size_t)size);
        return true;
    }
    if (size == 0)
        finish_whole(child);
    else if (errno != EAGAIN && errno != EINTR)
        finish(child, -EIO);
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;

    (void)fd;
    if (what & EV_TIMEOUT) {
        finish(child, -ETIMEDOUT);
        return;
    }
    for (int i = 0; i < READS_PER_TURN; i++) {
        if (!read_some(child)) return;
    }
}

/* ------------------------------------------------------------------ the door */

struct offloads *offloads_new(struct event_base *base)
{
    struct offloads *offloads = mem_zalloc(1, sizeof *offloads);

    offloads->base = base;
    offloads->graves.base = base;
    TAILQ_INIT(&offloads->children);
    return offloads;
}

struct offloads *offloads_free(struct offloads *offloads)
{
    struct child *child;

    if (!offloads) return NULL;
    while ((child = TAILQ_FIRST(&offloads->children)) != NULL) {
        finish(child, -ECANCELED);
    }
    graves_done(&offloads->graves);
    free(offloads);
    return NULL;
}

static void watch(struct offloads *offloads, const struct offload *offload, pid_t pid, int fd)
{
    struct child *child = mem_zalloc(1, sizeof *child);

    child->offloads = offloads;
    child->offload = *offload;
    child->pid = pid;
    child->fd = fd;
    /* The most that is ever reserved is one read past the largest result. */
    child->received = BUF_INIT(sizeof(struct head) + offload->size_max + READ_SIZE);
    child->readable = event_new(offloads->base, fd, EV_READ | EV_PERSIST, on_readable, child);
    CHECK(child->readable);
    event_add(child->readable, &(struct timeval){ .tv_sec = OFFLOAD_S_MAX });
    TAILQ_INSERT_TAIL(&offloads->children, child, link);
    offloads->count++;
}

int offload_start(struct offloads *offloads, const struct offload *offload)
{
    pid_t parent = getpid(), pid;
    int ends[2];

    if (offloads->count >= OFFLOADS_MAX) return -EBUSY;
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    pid = fork();
    if (pid == 0) run(offload, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -EAGAIN;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    watch(offloads, offload, pid, ends[0]);
    return 0;
}
