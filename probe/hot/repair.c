/* SPDX-License-Identifier: Apache-2.0 */
/* repair.c: which system calls may be made again, and when.
 *
 * WHAT IS SEEN. A thread that our signal took out of a system call stands behind the instruction
 * `syscall`, with the result in rax, and with its own address in rcx, where the processor put it.
 * The call's number is gone from rax, but not from the code: `mov $number, %eax` stands before it
 * (for read `xor %eax, %eax`), and between the two only instructions are accepted that leave eax
 * alone. What is not recognized with certainty is not touched.
 *
 * WHEN IT IS EXACT. -EINTR says that the call did nothing but wait. To make it again is what
 * SA_RESTART does, except that a relative time-out begins anew. So it is done
 *
 * - whatever the time-out, where the call is young: the sampler saw the thread running just before
 *   it sent the signal, so that the new begin is late by no more than the signal took: as late as
 *   who has no CPU is anyway. A thread that is woken in vain is seen running, too, inside of a wait
 *   of any age: so the wait in which it was seen before, or that was made again before, is not
 *   young until it was seen elsewhere, or has used more CPU than such wakes take. Of sleeps,
 *   semaphores of System V and awaited signals the kernel wakes nobody in vain: who does not sleep
 *   has left them. Nor of a socket, unless another thread takes at that moment what came for both;
 * - of a call of any age only where no time is lost: it waits without end, or until a moment, or
 *   the kernel has written back how much is left.
 *
 * Of poll, sleeps and a futex's wait for a time, the kernel has kept how much is left. It is not
 * asked for by making the call again: the handler waits for the rest (rest.h).
 *
 * OTHER SIGNALS. What a signal of the host's ended is to stay ended. All signals are blocked while
 * our handler runs. One that is delivered before ours has its frame between: we see its handler's
 * first instruction, and no system call; unless that handler blocks our signal, which then comes
 * when it returns, and sees what the other did. So the sampler asks first whether the thread blocks
 * our signal, and does not send then; where it cannot ask, nothing is repaired. One that comes
 * after ours finds the thread before its call, as if it had come a moment earlier; a program that
 * is correct allows for that. Not so where the host lets a signal in for the time of a call, to be
 * ended by it: sigsuspend, pause, and ppoll and its like with a mask. They are never made again.
 *
 * OTHER THREADS, OTHER PROCESSES. A child of vfork() has another tid, and gets no signal of ours;
 * its parent cannot be interrupted while it waits for it. A forked child has another pid, and the
 * handler knows no loan there.
 *
 * SHORT COUNTS. write and send to a stream that were cut short are completed: see transfer.h. The
 * other transfers are not, and are counted. */
#include "probe/hot/repair.h"

#include "probe/hot/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    CALL_SIZE = 2,    /* the instruction syscall: 0f 05 */
    CODE_BEFORE = 28, /* bytes in which the number is looked for */
    LOAD_SIZE = 5,    /* mov $number, %eax: b8, and the number */
    ZERO_SIZE = 2,    /* xor %eax, %eax: 31 c0 */
    CALL_NUMBERS = 1024,
    CODE_PAGE_SIZE = 4096,
    VECTOR_MAX = 1024, /* elements; the kernel takes no more */
};

/* ---- the call ---- */

/* How many bytes an operand takes: the byte that describes it (ModRM), and what that asks for. */
static uint32_t operand_size(const unsigned char *at)
{
    unsigned mode = at[0] >> 6, base = at[0] & 7;
    uint32_t size = base == 4 ? 2 : 1;

    if (mode == 3) return 1;
    if (mode == 1) return size + 1;
    return mode == 2 || base == 5 ? size + 4 : size;
}

/* The size of an instruction that may stand between the loading of the number and the call, because
 * it leaves eax alone; 0: of any other. */
static uint32_t innocent_size(const unsigned char *at)
{
    unsigned prefix = (at[0] & 0xf0) == 0x40 ? *at++ : 0;
    uint32_t before = prefix != 0;
    bool reg_is_rax = (at[1] >> 3 & 7) == 0 && !(prefix & 4);
    bool operand_is_rax = (at[1] & 0xc7) == 0xc0 && !(prefix & 1);

    switch (at[0]) {
    case 0x8b: /* mov and lea into a register, */
    case 0x8d:
    case 0x33:
        return reg_is_rax ? 0 : before + 1 + operand_size(at + 1);
    case 0x89: /* mov and xor from one */
    case 0x31:
        return operand_is_rax ? 0 : before + 1 + operand_size(at + 1);
    default: /* a constant into a register but eax */
        if ((at[0] & 0xf8) != 0xb8 || (prefix & 8)) return 0;
        return at[0] == 0xb8 && !(prefix & 1) ? 0 : before + 5;
    }
}

static bool is_innocent(const unsigned char *at, const unsigned char *end)
{
    while (at < end) {
        uint32_t size = innocent_size(at);

        if (size == 0) return false;
        at += size;
    }
    return at == end;
}

/* Reads an instruction that loads eax with a number: mov, or for 0 xor of itself. Returns its size;
 * 0: it is none. Behind a prefix it would be about another register. */
static uint32_t load_size(const unsigned char *at, uint64_t left, int32_t *ret)
{
    if ((at[-1] & 0xf0) == 0x40) return 0;
    if (at[0] == 0x31 && at[1] == 0xc0) {
        *ret = 0;
        return ZERO_SIZE;
    }
    if (at[0] != 0xb8 || left < LOAD_SIZE) return 0;
    memcpy(ret, at + 1, sizeof *ret);
    return *ret >= 0 && *ret < CALL_NUMBERS ? LOAD_SIZE : 0;
}

int32_t repair_number(const unsigned char *code, uint32_t size)
{
    const unsigned char *call = code + size - CALL_SIZE;

    if (size < CALL_SIZE || call[0] != 0x0f || call[1] != 0x05) return -1;
    for (uint64_t left = ZERO_SIZE; left < size - CALL_SIZE; left++) {
        int32_t number;
        uint32_t taken = load_size(call - left, left, &number);

        if (taken > 0 && is_innocent(call - left + taken, call)) return number;
    }
    return -1;
}

static bool is_read(uint64_t address, void *ret, uint64_t size)
{
    return memory_read(address, ret, size) == size;
}

/* The number of the call that returned to `pc`. Code may begin with the page. */
static int32_t number_before(uint64_t pc)
{
    unsigned char code[CODE_BEFORE];
    uint64_t size = CODE_BEFORE, page = (pc - 1) % CODE_PAGE_SIZE + 1;

    if (!is_read(pc - size, code, size)) {
        if (page >= size) return -1;
        size = page;
        if (!is_read(pc - size, code, size)) return -1;
    }
    return repair_number(code, (uint32_t)size);
}

/* The call that the thread came back from at this very moment. */
static void call_read(const greg_t *registers, struct made_call *ret)
{
    static const int places[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9 };

    ret->number = number_before((uint64_t)registers[REG_RIP]);
    for (int i = 0; i < 6; i++) {
        ret->arguments[i] = (uint64_t)registers[places[i]];
    }
    ret->result = (uint64_t)registers[REG_RAX];
}

/* ---- what the rows below say of a call ---- */

typedef bool predicate(const struct made_call *call);

static bool always(const struct made_call *call)
{
    (void)call;
    return true;
}

static bool never(const struct made_call *call)
{
    (void)call;
    return false;
}

/* A word of the host's; UINT64_MAX: it cannot be read. */
static uint64_t word_at(uint64_t address)
{
    uint64_t word;

    return is_read(address, &word, sizeof word) ? word : UINT64_MAX;
}

static bool has_no_mask_3(const struct made_call *call)
{
    return call->arguments[3] == 0;
}

static bool has_no_mask_4(const struct made_call *call)
{
    return call->arguments[4] == 0;
}

static bool has_no_mask_pair(const struct made_call *call)
{
    return call->arguments[5] == 0 || word_at(call->arguments[5]) == 0;
}

static bool is_wait_on_futex(const struct made_call *call)
{
    int command = (int)call->arguments[1] & FUTEX_CMD_MASK;

    return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
}

static bool is_futex_until(const struct made_call *call)
{
    return ((int)call->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

/* Files may tell EINTR for reasons of their own (FUSE, NFS), sockets for their time-outs alone. */
static bool is_of_socket(const struct made_call *call)
{
    socklen_t size = sizeof(int);
    int type;

    return syscall(SYS_getsockopt, call->arguments[0], SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

static bool is_endless_2(const struct made_call *call)
{
    return (int)call->arguments[2] < 0;
}

static bool is_endless_3(const struct made_call *call)
{
    return (int)call->arguments[3] < 0;
}

static bool has_no_time_2(const struct made_call *call)
{
    return call->arguments[2] == 0;
}

static bool has_no_time_3(const struct made_call *call)
{
    return call->arguments[3] == 0;
}

static bool has_no_time_4(const struct made_call *call)
{
    return call->arguments[4] == 0;
}

/* What is left was written to where the call reads its time. */
static bool is_nanosleep_kept(const struct made_call *call)
{
    return call->arguments[0] == call->arguments[1];
}

static bool is_clock_nanosleep_kept(const struct made_call *call)
{
    return ((int)call->arguments[1] & TIMER_ABSTIME) || call->arguments[2] == call->arguments[3];
}

/* The kernel goes on with it, if the handler asks: FUTEX_WAIT's time-out is relative. */
static bool is_futex_for_a_time(const struct made_call *call)
{
    return ((int)call->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && call->arguments[3] != 0;
}

/* ---- the white list ---- */

/* clang-format off */
static const struct repair_row {
    int32_t number;
    predicate *may;       /* be made again while it is young */
    predicate *is_exact;  /* at any age: no time is lost */
    predicate *is_kept;   /* the kernel knows how much is left, and goes on */
    bool ends_when_woken; /* nobody is woken from it in vain; a socket's readers all but never */
} repair_rows[] = {
    /* Waiting for events, with a time-out in an argument; endless if that is negative. */
    { SYS_poll,            always,           is_endless_2,            always,              false },
    { SYS_epoll_wait,      always,           is_endless_3,            never,               false },
    { SYS_epoll_pwait,     has_no_mask_4,    is_endless_3,            never,               false },
    { SYS_epoll_pwait2,    has_no_mask_4,    has_no_time_3,           never,               false },
    /* The kernel writes back how much of the time-out is left. */
    { SYS_ppoll,           has_no_mask_3,    always,                  never,               false },
    { SYS_select,          always,           always,                  never,               false },
    { SYS_pselect6,        has_no_mask_pair, always,                  never,               false },
    /* Sleeping for a time, or until one. */
    { SYS_nanosleep,       always,           is_nanosleep_kept,       always,              true  },
    { SYS_clock_nanosleep, always,           is_clock_nanosleep_kept, always,              true  },
    /* A wait looks at the word again before it sleeps; FUTEX_WAIT's time-out is relative. */
    { SYS_futex,           is_wait_on_futex, is_futex_until,          is_futex_for_a_time, false },
    /* EINTR only with SO_RCVTIMEO or SO_SNDTIMEO, and only before the first byte. */
    { SYS_recvfrom,        always,           never,                   never,               true  },
    { SYS_recvmsg,         always,           never,                   never,               true  },
    { SYS_sendto,          always,           never,                   never,               false },
    { SYS_sendmsg,         always,           never,                   never,               false },
    { SYS_accept,          always,           never,                   never,               true  },
    { SYS_accept4,         always,           never,                   never,               true  },
    { SYS_read,            is_of_socket,     never,                   never,               true  },
    { SYS_readv,           is_of_socket,     never,                   never,               true  },
    { SYS_write,           is_of_socket,     never,                   never,               false },
    { SYS_writev,          is_of_socket,     never,                   never,               false },
    /* All or nothing; without a time-out they wait for ever. */
    { SYS_semop,           always,           always,                  never,               true  },
    { SYS_semtimedop,      always,           has_no_time_3,           never,               true  },
    { SYS_msgsnd,          always,           always,                  never,               false },
    { SYS_msgrcv,          always,           always,                  never,               false },
    /* The signals that it waits for are blocked, and stay pending. */
    { SYS_rt_sigtimedwait, always,           has_no_time_2,           never,               true  },
    /* EINTR only while it has no event. */
    { SYS_io_getevents,    always,           has_no_time_4,           never,               false },
    /* Left out, with reason: close (the descriptor is gone already, and its number may be
     * another's); connect (the connecting goes on, and a second one is another question); pause and
     * rt_sigsuspend (a signal is what they wait for). */
};
/* clang-format on */

static const struct repair_row *row_of(int32_t number)
{
    for (size_t i = 0; i < sizeof repair_rows / sizeof *repair_rows; i++) {
        if (repair_rows[i].number == number) return &repair_rows[i];
    }
    return NULL;
}

bool repair_asks_for_age(const struct made_call *call)
{
    const struct repair_row *row = row_of(call->number);

    return row && !row->ends_when_woken && !row->is_exact(call) && !row->is_kept(call);
}

static bool may_be_made_again(const struct repair_row *row, const struct made_call *call,
                              enum wait_age age)
{
    switch (age) {
    case WAIT_YOUNG:
        return true;
    case WAIT_WOKEN:
        return row->ends_when_woken || row->is_exact(call);
    case WAIT_OLD:
        return row->is_exact(call);
    default:
        return false;
    }
}

static enum repair restart(ucontext_t *context, const struct made_call *call, enum wait_age age)
{
    const struct repair_row *row = row_of(call->number);

    if (!row || !row->may(call)) return REPAIR_LEFT;
    if (!may_be_made_again(row, call, age)) return row->is_kept(call) ? REPAIR_REST : REPAIR_LEFT;
    context->uc_mcontext.gregs[REG_RAX] = call->number;
    context->uc_mcontext.gregs[REG_RIP] -= CALL_SIZE;
    return REPAIR_RESTARTED;
}

/* ---- short counts ---- */

bool repair_is_nonblocking(uint64_t fd)
{
    return syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK;
}

static uint64_t vector_size(uint64_t vector, uint64_t count)
{
    uint64_t size = 0;

    for (uint64_t i = 0; i < count && i < VECTOR_MAX; i++) {
        struct iovec part = { 0 };

        if (!is_read(vector + i * sizeof part, &part, sizeof part)) break;
        size += part.iov_len;
    }
    return size;
}

static uint64_t message_size(uint64_t message)
{
    return vector_size(word_at(message + offsetof(struct msghdr, msg_iov)),
                       word_at(message + offsetof(struct msghdr, msg_iovlen)));
}

/* How much a transfer was to move that a signal may cut short; 0: it is none. */
static uint64_t wanted_size(const struct made_call *call)
{
    switch (call->number) {
    case SYS_write:
    case SYS_sendto:
        return call->arguments[2];
    case SYS_writev:
        return vector_size(call->arguments[1], call->arguments[2]);
    case SYS_sendmsg:
        return message_size(call->arguments[1]);
    case SYS_sendfile:
    case SYS_splice:
        return call->arguments[call->number == SYS_splice ? 4 : 3];
    case SYS_recvfrom:
        return call->arguments[3] & MSG_WAITALL ? call->arguments[2] : 0;
    case SYS_recvmsg:
        return call->arguments[2] & MSG_WAITALL ? message_size(call->arguments[1]) : 0;
    default:
        return 0;
    }
}

enum repair repair_call(ucontext_t *context, enum wait_age age, struct made_call *ret_call)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    bool is_interrupted = registers[REG_RAX] == -EINTR;

    if (registers[REG_RCX] != registers[REG_RIP]) return REPAIR_NONE;
    if (!is_interrupted && registers[REG_RAX] <= 0) return REPAIR_NONE;
    call_read(registers, ret_call);
    if (ret_call->number < 0) return is_interrupted ? REPAIR_LEFT : REPAIR_NONE;
    if (is_interrupted) return restart(context, ret_call, age);
    if (ret_call->result >= wanted_size(ret_call) || repair_is_nonblocking(ret_call->arguments[0]))
        return REPAIR_NONE;
    if (age == WAIT_AGE_UNKNOWN) return REPAIR_LEFT;
    return ret_call->number == SYS_write || ret_call->number == SYS_sendto ? REPAIR_TRANSFER
                                                                           : REPAIR_LEFT;
}
