/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/look/blocked.h"

#include "tests/support/test.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAMED = 0x1234 }; /* the address of something that has a name */

static void lines_of_the_kernel_are_read(void **state)
{
    struct wait_view wait;

    (void)state;
    assert_int_equal(blocked_parse("running\n", &wait), -EAGAIN);
    assert_int_equal(blocked_parse("202 0x55d0 0x80 0x2 0x0 0x0 0x0 0x7ffc10 0x7f2a20\n", &wait),
                     0);
    assert_int_equal(wait.syscall, 202);
    assert_int_equal(wait.arguments[0], 0x55d0);
    assert_int_equal(wait.arguments[2], 2);
    assert_int_equal(wait.sp, 0x7ffc10);
    assert_int_equal(wait.pc, 0x7f2a20);
    assert_int_equal(blocked_parse("-1 0x7ffc10 0x7f2a20\n", &wait), 0);
    assert_int_equal(wait.syscall, SYSCALL_NONE);
    assert_int_equal(wait.sp, 0x7ffc10);
    assert_int_equal(blocked_parse("", &wait), -EINVAL);
    assert_int_equal(blocked_parse("nonsense", &wait), -EINVAL);
    assert_int_equal(blocked_parse("0", &wait), -EINVAL);
}

static size_t name_lock(void *context, uint64_t address, char *ret, size_t ret_size)
{
    if (address != NAMED) return 0;
    snprintf(ret, ret_size, "%s", (const char *)context);
    return 40;
}

/* clang-format off */
static const struct {
    const char *says;
    long syscall;
    uint64_t arguments[6];
    const char *waiter; /* the C library's function in frame 1, or NULL */
    enum wait_kind kind;
    const char *waiting_for;
} cases[] = {
    { "a named mutex",     SYS_futex, { NAMED }, "pthread_mutex_lock", WAIT_LOCK, "mutex cart" },
    { "an unnamed mutex",  SYS_futex, { 0x99 }, "pthread_mutex_lock", WAIT_LOCK, "mutex at 0x99" },
    { "a condition",       SYS_futex, { NAMED, 0x189, 0 }, "pthread_cond_wait", WAIT_LOCK,
      "condition cart" },
    { "signalled",         SYS_futex, { NAMED, 0x80, 2 }, "pthread_cond_wait", WAIT_LOCK,
      "mutex cart" },
    { "a barrier's round", SYS_futex, { NAMED, 0x80, 2 }, "pthread_barrier_wait", WAIT_LOCK,
      "barrier cart" },
    { "a writer's lock",   SYS_futex, { NAMED }, "pthread_rwlock_wrlock", WAIT_LOCK,
      "write lock cart" },
    { "some futex",        SYS_futex, { 0x99 },   NULL, WAIT_LOCK, "futex at 0x99" },
    { "a sleep",           SYS_clock_nanosleep, { 0 }, NULL, WAIT_SLEEP, "" },
    { "poll of one",       SYS_poll, { 0, 1 }, NULL, WAIT_NETWORK, "1 descriptor" },
    { "poll of two",       SYS_poll, { 0, 2 }, NULL, WAIT_NETWORK, "2 descriptors" },
    { "poll of none",      SYS_poll, { 0, 0 }, NULL, WAIT_SLEEP, "" },
    { "select of none",    SYS_select, { 0 }, NULL, WAIT_SLEEP, "" },
    { "epoll",             SYS_epoll_wait, { 0 }, NULL, WAIT_NETWORK, "events of an epoll set" },
    { "a child",           SYS_wait4, { 0 }, NULL, WAIT_OTHER, "a child process" },
    { "a page fault",      SYSCALL_NONE, { 0 }, NULL, WAIT_DISK, "a page of memory" },
    { "one without a row", SYS_getppid, { 0 }, NULL, WAIT_OTHER, "" },
};
/* clang-format on */

static void each_wait_has_its_kind_and_its_words(void **state)
{
    static char cart_lock[] = "cart";
    static struct walk walk;
    struct blocked_names names = { .context = cart_lock,
                                   .name_data = name_lock,
                                   .tid = (uint32_t)getpid() };
    void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

    (void)state;
    blocked_open();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct wait_view wait = { .syscall = (int32_t)cases[i].syscall };
        struct wait_account account;

        memcpy(wait.arguments, cases[i].arguments, sizeof wait.arguments);
        walk.count = cases[i].waiter ? 2 : 0;
        walk.frames[0].function = 1;
        if (cases[i].waiter)
            walk.frames[1].function = (uint64_t)(uintptr_t)dlsym(library, cases[i].waiter);
        blocked_describe(&names, &wait, &walk, &account);
        if (account.kind != cases[i].kind) fail_msg("%s: kind %d", cases[i].says, account.kind);
        if (strcmp(account.waiting_for, cases[i].waiting_for) != 0)
            fail_msg("%s: '%s'", cases[i].says, account.waiting_for);
    }
    dlclose(library);
}

static void a_read_is_told_apart_by_its_descriptor(void **state)
{
    static const struct walk walk;
    struct blocked_names names = { .tid = (uint32_t)syscall(SYS_gettid) };
    struct wait_view wait = { .syscall = SYS_read };
    struct wait_account account;
    int ends[2], sockets[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    wait.arguments[0] = (uint64_t)ends[0];
    blocked_describe(&names, &wait, &walk, &account);
    assert_int_equal(account.kind, WAIT_OTHER);
    assert_string_equal(account.waiting_for, "a pipe");
    assert_int_equal(account.lock, LOCK_NONE);
    wait.arguments[0] = (uint64_t)sockets[0];
    blocked_describe(&names, &wait, &walk, &account);
    assert_int_equal(account.kind, WAIT_NETWORK);
    assert_string_equal(account.waiting_for, "a socket");
    close(ends[0]);
    close(ends[1]);
    close(sockets[0]);
    close(sockets[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_the_kernel_are_read),
        cmocka_unit_test(each_wait_has_its_kind_and_its_words),
        cmocka_unit_test(a_read_is_told_apart_by_its_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
