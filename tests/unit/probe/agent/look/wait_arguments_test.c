/* SPDX-License-Identifier: Apache-2.0 */
/* wait_arguments_test.c: lists, times and addresses of system calls, as they lie in memory. */
#include "probe/agent/look/wait_arguments.h"

#include "probe/agent/look/descriptor_names.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 4 };

static int events[EVENTS];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < EVENTS; i++)
        events[i] = eventfd(0, 0);
    return events[EVENTS - 1] >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < EVENTS; i++)
        close(events[i]);
    return 0;
}

static uint64_t at(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

/* Describes a wait as `wait` says. */
static struct wait_account account_of(const struct wait_view *wait)
{
    struct descriptor_names descriptors;
    struct blocked_names names = { .descriptors = &descriptors,
                                   .tid = (uint32_t)syscall(SYS_gettid) };
    struct wait_account account = { .kind = WAIT_NONE };

    descriptor_names_open(&descriptors, true);
    assert_true(wait_arguments_describe(&names, wait, &account));
    descriptor_names_close(&descriptors);
    return account;
}

static void assert_account(const struct wait_view *wait, enum wait_kind kind, const char *expected)
{
    struct wait_account account = account_of(wait);

    assert_string_equal(account.waiting_for, expected);
    assert_int_equal(account.kind, kind);
}

static void a_few_polled_descriptors_are_named(void **state)
{
    struct pollfd list[] = {
        { events[0], POLLIN, 0 }, { -1, POLLIN, 0 },        { events[1], POLLIN, 0 },
        { events[2], POLLIN, 0 }, { events[3], POLLIN, 0 },
    };
    struct wait_view wait = { .syscall = SYS_poll, .arguments = { at(list), 1, UINT32_MAX } };

    (void)state;
    assert_account(&wait, WAIT_OTHER, "an eventfd");
    wait.arguments[1] = 4; /* one of which is ignored */
    assert_account(&wait, WAIT_OTHER, "an eventfd, an eventfd, an eventfd");
    wait.arguments[1] = 5;
    assert_account(&wait, WAIT_NETWORK, "4 descriptors");
    wait.arguments[0] = 1; /* nothing is there */
    assert_account(&wait, WAIT_NETWORK, "5 descriptors");
    wait.arguments[1] = 1;
    assert_account(&wait, WAIT_NETWORK, "1 descriptor");
}

static void a_socket_makes_it_a_wait_for_the_network(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd list[] = { { events[0], POLLIN, 0 }, { udp, POLLIN, 0 } };
    struct wait_view wait = { .syscall = SYS_ppoll, .arguments = { at(list), 2 } };
    socklen_t size = sizeof address;
    char expected[100];

    (void)state;
    assert_int_equal(bind(udp, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(udp, (struct sockaddr *)&address, &size), 0);
    snprintf(expected, sizeof expected, "an eventfd, UDP on 127.0.0.1:%u", ntohs(address.sin_port));
    assert_account(&wait, WAIT_NETWORK, expected);
    close(udp);
}

static void selected_descriptors_count_once(void **state)
{
    fd_set reads = { 0 }, writes = { 0 };
    struct wait_view wait = { .syscall = SYS_select,
                              .arguments = { FD_SETSIZE, at(&reads), at(&writes) } };

    (void)state;
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(events[0], &reads);
    FD_SET(events[0], &writes);
    FD_SET(events[1], &writes);
    assert_account(&wait, WAIT_OTHER, "an eventfd, an eventfd");
    wait.arguments[0] = FD_SETSIZE + 1; /* more than we read */
    assert_account(&wait, WAIT_NETWORK, "descriptors below 1025");
    wait.arguments[0] = FD_SETSIZE;
    wait.arguments[1] = 1;
    assert_account(&wait, WAIT_NETWORK, "descriptors below 1024");
}

static void the_set_of_an_epoll_is_read(void **state)
{
    int epoll = epoll_create1(0);
    struct wait_view wait = { .syscall = SYS_epoll_wait, .arguments = { (uint64_t)epoll } };
    struct epoll_event event = { .events = EPOLLIN };

    (void)state;
    assert_account(&wait, WAIT_NETWORK, "events of an epoll set");
    for (int i = 0; i < EVENTS; i++) {
        assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, events[i], &event), 0);
        if (i == 1) assert_account(&wait, WAIT_OTHER, "an eventfd, an eventfd");
    }
    assert_account(&wait, WAIT_NETWORK, "4 descriptors");
    close(epoll);
}

static void sleeps_have_a_length(void **state)
{
    struct timespec time = { 1, 505000000 }, broken = { -1, 0 };
    struct wait_view sleep = { .syscall = SYS_nanosleep, .arguments = { at(&time) } };
    struct wait_view clock = { .syscall = SYS_clock_nanosleep,
                               .arguments = { CLOCK_MONOTONIC, 0, at(&time) } };
    struct wait_view poll = { .syscall = SYS_poll, .arguments = { 0, 0, 250 } };
    struct wait_view select = { .syscall = SYS_select, .arguments = { 0, 0, 0, 0, at(&time) } };

    (void)state;
    assert_account(&sleep, WAIT_SLEEP, "a sleep of 1.50 s");
    assert_account(&clock, WAIT_SLEEP, "a sleep of 1.50 s");
    clock.arguments[1] = TIMER_ABSTIME;
    assert_account(&clock, WAIT_SLEEP, "a sleep until a time");
    assert_account(&poll, WAIT_SLEEP, "a sleep of 250 ms");
    poll.arguments[2] = UINT32_MAX; /* without end */
    assert_account(&poll, WAIT_SLEEP, "");
    time = (struct timespec){ 0, 200 }; /* select's are microseconds */
    assert_account(&select, WAIT_SLEEP, "a sleep of 200 us");
    sleep.arguments[0] = at(&broken);
    assert_account(&sleep, WAIT_SLEEP, "");
    sleep.arguments[0] = 1;
    assert_account(&sleep, WAIT_SLEEP, "");
}

static void a_connect_names_where_it_goes(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(5432),
                                   .sin_addr.s_addr = htonl(0x0a000009) };
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    struct wait_view wait = { .syscall = SYS_connect,
                              .arguments = { (uint64_t)tcp, at(&address), sizeof address } };

    (void)state;
    assert_account(&wait, WAIT_NETWORK, "connecting to TCP 10.0.0.9:5432");
    wait.arguments[1] = 1;
    assert_account(&wait, WAIT_NETWORK, "connecting");
    close(tcp);
}

static void other_calls_are_not_answered_for(void **state)
{
    struct wait_view wait = { .syscall = SYS_read };
    struct wait_account account;

    (void)state;
    assert_false(wait_arguments_describe(&(struct blocked_names){ .tid = 1 }, &wait, &account));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_polled_descriptors_are_named),
        cmocka_unit_test(a_socket_makes_it_a_wait_for_the_network),
        cmocka_unit_test(selected_descriptors_count_once),
        cmocka_unit_test(the_set_of_an_epoll_is_read),
        cmocka_unit_test(sleeps_have_a_length),
        cmocka_unit_test(a_connect_names_where_it_goes),
        cmocka_unit_test(other_calls_are_not_answered_for),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
