/* SPDX-License-Identifier: Apache-2.0 */
/* places.c: hosts whose surroundings change under the probe, or that were never what it expects.
 *
 * "no-proc": an empty file system over /proc, as in a sparse container.
 * "hidepid": a user's own, where /proc shows a user nothing but what is theirs; "hidepid-closed":
 * and not all of that, as to a program that gave up root before it started the probe.
 * "setuid": gives up root when the probe runs already.
 * "closes": closes every descriptor in each call, and finds the numbers that it expects free.
 * "closes-shared": the same where the probe may not have a table of its own.
 * "no-files", "no-memory": has none of either while it is in a call, and says so. */
#include "tests/integration/hosts/programs/act.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534, FILES = 8, FIRST_FREE = 3, LENGTH = 64 };

static void hide_proc(void)
{
    if (unshare(CLONE_NEWNS) < 0) act_skip("it takes root to mount");
    /* Not of "/", which in a chroot is no mount. */
    ACT_CHECK(mount(NULL, "/proc", NULL, MS_PRIVATE, NULL) == 0);
    ACT_CHECK(mount("none", "/proc", "tmpfs", 0, NULL) == 0);
}

static void give_up_root(void)
{
    if (geteuid() != 0) act_skip("it takes root to give something up");
    ACT_CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static void hide_others(void)
{
    if (unshare(CLONE_NEWNS) < 0) act_skip("it takes root to mount");
    ACT_CHECK(mount(NULL, "/proc", NULL, MS_PRIVATE, NULL) == 0);
    ACT_CHECK(mount("proc", "/proc", "proc", 0, "hidepid=2") == 0);
    give_up_root();
    ACT_CHECK(access("/proc/1", F_OK) < 0);
    /* As after exec(). Else what is the user's own belongs to root. */
    if (act_mode_is("hidepid")) ACT_CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

static void refuse_unshare(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    ACT_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    ACT_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* Whatever is open goes; files of our own come into the lowest numbers, and stay as written. */
static void close_and_open(void)
{
    char text[LENGTH], got[LENGTH];
    int fds[FILES];

    ACT_CHECK(close_range(FIRST_FREE, ~0u, 0) == 0);
    for (int i = 0; i < FILES; i++) {
        fds[i] = memfd_create("host", MFD_CLOEXEC);
        ACT_CHECK(fds[i] == FIRST_FREE + i || (fds[i] >= 0 && act_mode_is("closes-shared")));
        memset(text, 'a' + i, sizeof text);
        ACT_CHECK(write(fds[i], text, sizeof text) == (ssize_t)sizeof text);
    }
    act_rest_ms(ACT_CALL_MS);
    for (int i = 0; i < FILES; i++) {
        memset(text, 'a' + i, sizeof text);
        ACT_CHECK(lseek(fds[i], 0, SEEK_END) == LENGTH);
        ACT_CHECK(pread(fds[i], got, sizeof got, 0) == LENGTH);
        ACT_CHECK(memcmp(text, got, sizeof got) == 0);
    }
}

static void use_up_files(void)
{
    int fd, count = 0, last = -1;

    while ((fd = dup(0)) >= 0) {
        last = fd;
        count++;
    }
    ACT_CHECK(errno == EMFILE && last >= 0);
    act_spin_ms(ACT_CALL_MS / 2);
    act_rest_ms(ACT_CALL_MS / 2);
    ACT_CHECK(close_range((unsigned)(last - count + 1), (unsigned)last, 0) == 0);
}

/* Not a byte more of address space, for the time of a call. */
static void use_up_memory(void)
{
    struct rlimit none = { 0, RLIM_INFINITY }, before;

    ACT_CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    ACT_CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    ACT_CHECK(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    act_spin_ms(ACT_CALL_MS / 2);
    act_rest_ms(ACT_CALL_MS / 2);
    ACT_CHECK(setrlimit(RLIMIT_AS, &before) == 0);
}

static void work(void)
{
    if (act_mode_is("closes") || act_mode_is("closes-shared")) {
        close_and_open();
    } else if (act_mode_is("no-files")) {
        use_up_files();
    } else if (act_mode_is("no-memory")) {
        use_up_memory();
    } else {
        act_spin_ms(ACT_CALL_MS / 2);
        act_rest_ms(ACT_CALL_MS / 2);
    }
}

static void *caller_main(void *context)
{
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        work();
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

static void prepare(void)
{
    if (act_mode_is("no-proc") && ACT_IS_THREAD_SANITIZED)
        act_skip("what act.c lets pass has no names without /proc");
    if (act_mode_is("no-proc")) hide_proc();
    if (act_mode_is("hidepid") || act_mode_is("hidepid-closed")) hide_others();
    if (act_mode_is("closes-shared")) refuse_unshare();
    if (act_mode_is("no-files"))
        ACT_CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 256, 256 }) == 0);
    if (act_mode_is("no-memory") && ACT_IS_SANITIZED) act_skip("sanitizers need addresses");
}

/* In the others each call does something to the whole process. */
static bool has_second_caller(void)
{
    return act_mode_is("no-proc") || act_mode_is("setuid") || act_mode_is("hidepid") ||
           act_mode_is("hidepid-closed");
}

int main(void)
{
    pthread_t thread;

    prepare();
    act_begin();
    if (act_mode_is("setuid")) give_up_root();
    if (has_second_caller()) {
        ACT_CHECK(pthread_create(&thread, NULL, caller_main, NULL) == 0);
        pthread_join(thread, NULL);
    }
    caller_main(NULL);
    return act_end();
}
