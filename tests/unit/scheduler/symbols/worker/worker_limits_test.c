/* SPDX-License-Identifier: Apache-2.0 */
/* worker_limits_test.c: what a worker that was taken over could not do. Each attempt runs in a
 * child, which limits itself first. */
#include "tests/support/test.h"

#include "common/base/own.h"
#include "scheduler/symbols/worker/worker_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int try_reading(void)
{
    OWN(fd_closep) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char byte;

    return fd >= 0 && pread(fd, &byte, 1, 0) == 1 ? 0 : -1;
}
static int try_some_memory(void)
{
    void *memory = mmap(NULL, WORKER_MEMORY_MAX / 4 * 3, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? -1 : 0;
}
static int try_much_memory(void)
{
    void *memory =
        mmap(NULL, WORKER_MEMORY_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? -1 : 0;
}
static int try_writing(void)
{
    return open("/tmp/stakeout-worker-must-not-write", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}
static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
static int try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0) _exit(0);
    return pid;
}
static int try_exec(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}
static int try_kill(void)
{
    return kill(getppid(), 0);
}
static int try_tgkill(void)
{
    return (int)syscall(SYS_tgkill, getppid(), getppid(), 0);
}
static int try_unlink(void)
{
    return unlink("/tmp/stakeout-worker-must-not-write");
}

static const struct {
    const char *says;
    int (*attempt)(void);
    int error; /* 0: it must work */
} attempts[] = {
    { "reading a file", try_reading, 0 },
    { "64 MB of memory", try_some_memory, 0 },
    { "2 GB of memory", try_much_memory, ENOMEM },
    { "opening a file for writing", try_writing, EPERM },
    { "a socket", try_socket, EPERM },
    { "a process", try_fork, EPERM },
    { "a program", try_exec, EPERM },
    { "a signal", try_kill, EPERM },
    { "a signal to a thread", try_tgkill, EPERM },
    { "removing a file", try_unlink, EPERM },
};

/* The exit status of a child that limited itself and tried: the error, or 0. */
static int run_limited(int (*attempt)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (worker_limits_set(WORKER_READS, 0) < 0) _exit(255);
        _exit(attempt() < 0 ? errno : 0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_worker_can_read_and_nothing_else(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* sanitizers need calls of their own; worker_limits.c says so */
#endif
    for (size_t i = 0; i < ARRAY_COUNT(attempts); i++) {
        int error = run_limited(attempts[i].attempt);

        if (error != attempts[i].error) fail_msg("%s: %d", attempts[i].says, error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worker_can_read_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
