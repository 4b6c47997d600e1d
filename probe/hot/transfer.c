/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c: writes what is left, in the signal handler.
 *
 * Room is waited for by poll(), and what is written then does not wait: a send with MSG_DONTWAIT,
 * or no more to a pipe than it says that it has room for. So an error is seen by poll() before a
 * write would take it away from the host: the count stays short then, and the host's next call
 * meets the error itself, with the SIGPIPE that belongs to it.
 *
 * A signal of the host's ends the wait, as it would have ended the write. Its handler may leave by
 * a jump, and our frame with it: what this thread held is then found by its tid the next time. */
#include "probe/hot/transfer.h"

#include "probe/hot/memory.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    SIGNALS_SIZE = 8, /* bytes of the kernel's signal set */
    FLAGS_KNOWN = MSG_NOSIGNAL | MSG_MORE,
};

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

static bool is_to_be_completed(const struct made_call *call)
{
    if (call->number == SYS_sendto) {
        if (call->arguments[4] != 0 || (call->arguments[3] & ~(uint64_t)FLAGS_KNOWN) != 0)
            return false;
        return is_patient_stream(call->arguments[0]);
    }
    return is_patient_stream(call->arguments[0]) || is_pipe(call->arguments[0]);
}

static struct transfer *transfer_find(uint32_t tid)
{
    for (uint32_t wanted = tid;; wanted = 0) {
        for (int i = 0; i < TRANSFERS_MAX; i++) {
            uint32_t holder = wanted;

            if (atomic_compare_exchange_strong_explicit(&hot.transfers[i].tid, &holder, tid,
                                                        memory_order_acquire, memory_order_relaxed))
                return &hot.transfers[i];
        }
        if (wanted == 0) return NULL;
    }
}

struct transfer *transfer_begin(const ucontext_t *context, uint32_t tid)
{
    struct transfer *transfer;
    struct made_call call;

    if (!repair_call_read(context, &call) || !is_to_be_completed(&call)) return NULL;
    transfer = transfer_find(tid);
    if (!transfer) return NULL;
    /* Left odd if a jump left it behind: then nobody believes it while it is written anew. */
    atomic_fetch_and_explicit(&transfer->version, ~1u, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* pairs with the acquire fence in transfer_read() */
    transfer->view.call = call;
    stack_copy_registers(context, transfer->view.registers);
    atomic_fetch_add_explicit(&transfer->version, 1, memory_order_release);
    return transfer;
}

/* ---- the rest ---- */

/* The host's signals as they were, without ours. */
static void signals_let_in(const ucontext_t *context)
{
    uint64_t mask;

    /* The kernel's set is the first word of the C library's. */
    memcpy(&mask, &context->uc_sigmask, sizeof mask);
    mask |= UINT64_C(1) << (stack_copy_signal() - 1);
    syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &mask, NULL, (long)SIGNALS_SIZE);
}

static bool has_room(uint64_t fd)
{
    struct pollfd poller = { .fd = (int)fd, .events = POLLOUT };

    return syscall(SYS_poll, &poller, 1L, -1L) == 1 && poller.revents == POLLOUT;
}

/* Writes without waiting. Returns how much, 0 if there is no room after all, or -1. */
static int64_t write_some(const struct made_call *call, bool is_stream, uint64_t written)
{
    uint64_t at = call->arguments[1] + written, left = call->arguments[2] - written;
    uint64_t flags = call->number == SYS_sendto ? call->arguments[3] : 0;
    long rc;

    if (is_stream) {
        flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
        rc = syscall(SYS_sendto, call->arguments[0], at, left, flags, NULL, 0L);
    } else {
        rc = syscall(SYS_write, call->arguments[0], at, left < PIPE_BUF ? left : PIPE_BUF);
    }
    return rc < 0 && errno == EAGAIN ? 0 : rc;
}

void transfer_complete(struct transfer *transfer, ucontext_t *context)
{
    const struct made_call call = transfer->view.call;
    bool is_stream = is_patient_stream(call.arguments[0]);
    uint64_t written = call.result;

    signals_let_in(context);
    while (written < call.arguments[2] && has_room(call.arguments[0])) {
        int64_t more = write_some(&call, is_stream, written);

        if (more < 0) break;
        written += (uint64_t)more;
        context->uc_mcontext.gregs[REG_RAX] = (greg_t)written;
    }
    atomic_fetch_add_explicit(&transfer->version, 1, memory_order_release);
    atomic_store_explicit(&transfer->tid, 0, memory_order_release);
}

/* ---- the sampler's side ---- */

bool transfer_read(uint32_t tid, struct transfer_view *ret)
{
    for (int i = 0; i < TRANSFERS_MAX; i++) {
        struct transfer *transfer = &hot.transfers[i];
        uint32_t version = atomic_load_explicit(&transfer->version, memory_order_acquire);

        if (atomic_load_explicit(&transfer->tid, memory_order_relaxed) != tid) continue;
        if (version % 2 == 0) continue;
        *ret = transfer->view;
        atomic_thread_fence(memory_order_acquire); /* pairs with the release in transfer_begin() */
        if (atomic_load_explicit(&transfer->version, memory_order_relaxed) == version) return true;
    }
    return false;
}
