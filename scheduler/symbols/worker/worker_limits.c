/* SPDX-License-Identifier: Apache-2.0 */
/* worker_limits.c: rlimits, no new privileges, and a seccomp filter.
 *
 * The filter of those who only read and write files allows what libelf, libdw, malloc and stdio
 * need to read files and to talk over the socket that is there. Everything else fails with EPERM,
 * so that a library that tries something harmless goes on without it: no program can be run, no
 * process made, no socket opened, nothing signalled (abort() ends the process all the same), and
 * files can be opened for reading only.
 *
 * Who fetches needs sockets, name resolution and libcurl, which takes whatever calls it likes; its
 * filter refuses what would let it become or touch another program.
 *
 * Sanitizers map terabytes and need calls of their own, so under them the limits of memory and the
 * filter are left out. */
#include "scheduler/symbols/worker/worker_limits.h"

#include "common/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* clang-format off */
static const struct {
    int resource;
    rlim_t limit;
    int skipped_when_sanitized;
} limits[] = {
    { RLIMIT_DATA,   WORKER_MEMORY_MAX, 1 }, /* indexes; tests/bench says how much they take */
    { RLIMIT_AS,     (rlim_t)20 << 30,  1 }, /* and some mapped files of 4 GB */
    { RLIMIT_CORE,   0,                 0 },
    { RLIMIT_NOFILE, WORKER_FILES_MAX,  0 },
};

#define ALLOW(number)                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),       \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Refuses opening for anything but reading. Arguments are 64 bits; the flags are in the low 32. */
#define ALLOW_READING(number, flags_at)                                                    \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4),                                   \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[flags_at])),     \
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 1, 0),     \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),                                          \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

#define REFUSE(number)                                         \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),       \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static const struct sock_filter file_filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_read),       ALLOW(SYS_pread64),   ALLOW(SYS_readv),      ALLOW(SYS_recvfrom),
    ALLOW(SYS_write),      ALLOW(SYS_sendto),    ALLOW(SYS_lseek),      ALLOW(SYS_close),
    ALLOW(SYS_fstat),      ALLOW(SYS_newfstatat), ALLOW(SYS_stat),      ALLOW(SYS_access),
    ALLOW(SYS_readlink),   ALLOW(SYS_mmap),      ALLOW(SYS_munmap),     ALLOW(SYS_mremap),
    ALLOW(SYS_mprotect),   ALLOW(SYS_madvise),   ALLOW(SYS_brk),        ALLOW(SYS_futex),
    ALLOW(SYS_getrandom),  ALLOW(SYS_clock_gettime), ALLOW(SYS_gettid), ALLOW(SYS_getpid),
    ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_rt_sigreturn), ALLOW(SYS_restart_syscall),
    ALLOW(SYS_exit),       ALLOW(SYS_exit_group), ALLOW(SYS_fsync),
    ALLOW_READING(SYS_open, 1),
    ALLOW_READING(SYS_openat, 2),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

static const struct sock_filter network_filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    REFUSE(SYS_execve),    REFUSE(SYS_execveat), REFUSE(SYS_fork),      REFUSE(SYS_vfork),
    REFUSE(SYS_ptrace),    REFUSE(SYS_process_vm_readv), REFUSE(SYS_process_vm_writev),
    REFUSE(SYS_kill),      REFUSE(SYS_tkill),    REFUSE(SYS_bind),      REFUSE(SYS_listen),
    REFUSE(SYS_unlink),    REFUSE(SYS_unlinkat), REFUSE(SYS_rename),    REFUSE(SYS_renameat),
    REFUSE(SYS_renameat2), REFUSE(SYS_truncate), REFUSE(SYS_chmod),     REFUSE(SYS_chown),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
/* clang-format on */

static int filter_set(enum worker_kind kind)
{
    struct sock_fprog program = {
        .len = ARRAY_COUNT(file_filter),
        .filter = (struct sock_filter *)file_filter,
    };

    if (kind == WORKER_FETCHES)
        program = (struct sock_fprog){
            .len = ARRAY_COUNT(network_filter),
            .filter = (struct sock_filter *)network_filter,
        };

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) return 0;
    /* A kernel without seccomp: the other limits and the process of its own still hold. */
    return errno == EINVAL || errno == ENOSYS ? 0 : -errno;
}

static int limit_set(int resource, rlim_t value)
{
    struct rlimit limit = { value, value }, old;

    if (getrlimit((__rlimit_resource_t)resource, &old) < 0) return -errno;
    if (old.rlim_max < value) return 0; /* it is stricter already */
    return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

int worker_limits_set(enum worker_kind kind, uint64_t file_size_max)
{
    int rc = limit_set(RLIMIT_FSIZE, file_size_max);

    for (size_t i = 0; i < ARRAY_COUNT(limits) && rc == 0; i++) {
        if (IS_SANITIZED && limits[i].skipped_when_sanitized) continue;
        rc = limit_set(limits[i].resource, limits[i].limit);
    }
    if (rc < 0) return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return -errno;
    return IS_SANITIZED ? 0 : filter_set(kind);
}
