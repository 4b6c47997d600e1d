/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c: writes what is left, in the signal handler.
 *
 * Room is waited for by poll(), and what is written then does not wait: a send with MSG_DONTWAIT,
 * or no more to a pipe than it says that it has room for. So an error is seen by poll() before a
 * write would take it away from the host: the count stays short then, and the host's next call
 * meets the error itself, with the SIGPIPE that belongs to it.
 *
 * A signal of the host's ends the wait, as it would have ended the write: it is let in by ppoll()
 * alone, so that none can be handled before the wait. Its handler may leave by a jump, and our
 * frame with it: what this thread held is then found by its tid the next time, and closed if it is
 * still the same file. So is, by another thread's handler, what one held that was cancelled. */
#include "probe/hot/transfer.h"

#include "probe/hot/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    BEGIN_LOOKS_MAX = 200, /* of BEGIN_LOOK_NS: a handler may have lost its CPU */
    SIGNALS_SIZE = 8,      /* bytes of the kernel's signal set */
    FLAGS_KNOWN = MSG_NOSIGNAL | MSG_MORE,
};

#define BEGIN_LOOK_NS 50000L

static _Atomic bool is_transfer_allowed, knows_forks; /* outlives forks, as its handlers do */

/* Handlers that take a descriptor just now, and forks under way: each count is raised before the
 * other is read, so that one of the two sees the other. */
static _Atomic uint32_t beginning_count, fork_count;

/* What was held when a fork began; the child's `hot` is empty. */
static struct held_file held_at_fork[UNFINISHED_MAX];

/* ---- which ---- */

static bool option_get(uint64_t fd, int option, void *ret, socklen_t size)
{
    return syscall(SYS_getsockopt, fd, SOL_SOCKET, option, ret, &size) == 0;
}

/* A stream whose writes wait as long as it takes. */
static bool is_patient_stream(uint64_t fd)
{
    struct timeval timeout = { 0 };
    int type = 0;

    if (!option_get(fd, SO_TYPE, &type, sizeof type) || type != SOCK_STREAM) return false;
    return option_get(fd, SO_SNDTIMEO, &timeout, sizeof timeout) && timeout.tv_sec == 0 &&
           timeout.tv_usec == 0;
}

static bool is_pipe(uint64_t fd)
{
    struct stat about;

    return syscall(SYS_fstat, fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

static bool is_to_be_completed(const struct made_call *call, uint64_t fd)
{
    if (call->number == SYS_sendto) {
        if (call->arguments[4] != 0 || (call->arguments[3] & ~(uint64_t)FLAGS_KNOWN) != 0)
            return false;
        return is_patient_stream(fd);
    }
    return is_patient_stream(fd) || is_pipe(fd);
}

/* ---- the file ---- */

/* A descriptor of our own for the call's file; -1: none is to be had. */
static long file_hold(const struct made_call *call)
{
    return syscall(SYS_fcntl, call->arguments[0], F_DUPFD_CLOEXEC, 3L);
}

static void file_note(struct held_file *held, long fd)
{
    struct stat about = { 0 };

    syscall(SYS_fstat, fd, &about);
    held->device = about.st_dev;
    held->inode = about.st_ino;
    atomic_store_explicit(&held->fd, (int)fd, memory_order_release);
}

/* What a jump left behind. The host may have closed all that it does not know, and have opened
 * something else since. */
static void file_close_left(struct held_file *held)
{
    long fd = atomic_exchange_explicit(&held->fd, 0, memory_order_acquire);
    struct stat about;

    if (fd != 0 && syscall(SYS_fstat, fd, &about) == 0 && about.st_dev == held->device &&
        about.st_ino == held->inode)
        syscall(SYS_close, fd);
}

/* Holds the call's file, if it is one to be completed. */
static struct unfinished *transfer_hold(const struct made_call *call)
{
    struct unfinished *transfer = NULL;
    long fd = file_hold(call);

    if (fd < 0) return NULL;
    if (is_to_be_completed(call, (uint64_t)fd)) transfer = unfinished_take();
    if (!transfer) {
        syscall(SYS_close, fd);
        return NULL;
    }
    file_close_left(&transfer->held);
    file_note(&transfer->held, fd);
    return transfer;
}

struct unfinished *transfer_begin(const struct made_call *call, const ucontext_t *context)
{
    struct unfinished *transfer = NULL;

    if (!atomic_load_explicit(&is_transfer_allowed, memory_order_relaxed)) return NULL;
    atomic_fetch_add_explicit(&beginning_count, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&fork_count, memory_order_seq_cst) == 0)
        transfer = transfer_hold(call);
    atomic_fetch_sub_explicit(&beginning_count, 1, memory_order_seq_cst);
    if (transfer) unfinished_show(transfer, call, context);
    return transfer;
}

void transfer_close_left(void)
{
    uint32_t tid = (uint32_t)syscall(SYS_gettid);

    atomic_store_explicit(&hot.has_left_files, false, memory_order_relaxed);
    for (int i = 0; i < UNFINISHED_MAX; i++) {
        struct unfinished *left = &hot.unfinished[i];
        uint32_t nobody = 0;

        if (atomic_load_explicit(&left->held.fd, memory_order_relaxed) == 0) continue;
        if (!atomic_compare_exchange_strong_explicit(&left->tid, &nobody, tid, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        file_close_left(&left->held);
        atomic_store_explicit(&left->tid, 0, memory_order_release);
    }
}

/* ---- forks ---- */

static void on_fork(void)
{
    int error = errno;

    atomic_fetch_add_explicit(&fork_count, 1, memory_order_seq_cst);
    for (int i = 0; i < BEGIN_LOOKS_MAX; i++) {
        if (atomic_load_explicit(&beginning_count, memory_order_seq_cst) == 0) break;
        syscall(SYS_clock_nanosleep, (long)CLOCK_MONOTONIC, 0L,
                &(struct timespec){ .tv_nsec = BEGIN_LOOK_NS }, NULL);
    }
    for (int i = 0; i < UNFINISHED_MAX; i++) {
        const struct held_file *held = &hot.unfinished[i].held;
        int fd = atomic_load_explicit(&held->fd, memory_order_acquire);

        if (fd != 0) held_at_fork[i].device = held->device;
        if (fd != 0) held_at_fork[i].inode = held->inode;
        atomic_store_explicit(&held_at_fork[i].fd, fd, memory_order_relaxed);
    }
    errno = error;
}

static void on_forked_parent(void)
{
    atomic_fetch_sub_explicit(&fork_count, 1, memory_order_seq_cst);
}

static void on_forked_child(void)
{
    int error = errno;

    atomic_store_explicit(&fork_count, 0, memory_order_seq_cst);
    atomic_store_explicit(&beginning_count, 0, memory_order_seq_cst);
    for (int i = 0; i < UNFINISHED_MAX; i++) {
        file_close_left(&held_at_fork[i]);
    }
    errno = error;
}

static bool forks_are_told(void)
{
    if (atomic_exchange_explicit(&knows_forks, true, memory_order_relaxed)) return true;
    if (pthread_atfork(on_fork, on_forked_parent, on_forked_child) == 0) return true;
    atomic_store_explicit(&knows_forks, false, memory_order_relaxed);
    return false;
}

void transfer_allow(bool is_allowed)
{
    atomic_store_explicit(&is_transfer_allowed, is_allowed && forks_are_told(),
                          memory_order_relaxed);
}

/* ---- the rest ---- */

/* Waits for room; false: a signal or an error came instead. */
static bool has_room(uint64_t fd, uint64_t mask)
{
    struct pollfd poller = { .fd = (int)fd, .events = POLLOUT };

    return syscall(SYS_ppoll, &poller, 1L, NULL, &mask, (long)SIGNALS_SIZE) == 1 &&
           poller.revents == POLLOUT;
}

/* Writes without waiting. Returns how much, 0 if there is no room after all, or -1. */
static int64_t write_some(const struct made_call *call, uint64_t fd, uint64_t written)
{
    uint64_t at = call->arguments[1] + written, left = call->arguments[2] - written;
    uint64_t flags = call->number == SYS_sendto ? call->arguments[3] : 0;
    long rc;

    if (is_patient_stream(fd)) {
        flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
        rc = syscall(SYS_sendto, fd, at, left, flags, NULL, 0L);
    } else {
        rc = syscall(SYS_write, fd, at, left < PIPE_BUF ? left : PIPE_BUF);
    }
    return rc < 0 && errno == EAGAIN ? 0 : rc;
}

void transfer_complete(struct unfinished *transfer, const struct made_call *call,
                       ucontext_t *context)
{
    uint64_t fd = (uint64_t)atomic_load_explicit(&transfer->held.fd, memory_order_relaxed);
    uint64_t mask = unfinished_mask(context);
    uint64_t written = call->result;

    while (written < call->arguments[2] && has_room(fd, mask)) {
        int64_t more = write_some(call, fd, written);

        if (more < 0) break;
        written += (uint64_t)more;
        context->uc_mcontext.gregs[REG_RAX] = (greg_t)written;
    }
    syscall(SYS_close, fd);
    atomic_store_explicit(&transfer->held.fd, 0, memory_order_relaxed);
    unfinished_give_back(transfer);
}
