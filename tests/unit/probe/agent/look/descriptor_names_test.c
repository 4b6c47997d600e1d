/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor_names_test.c: real descriptors of every kind, and what they are called. */
#include "probe/agent/look/descriptor_names.h"

#include "tests/support/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

static struct descriptor_names names;

static int setup(void **state)
{
    (void)state;
    descriptor_names_open(&names, true);
    return names.process >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    descriptor_names_close(&names);
    return 0;
}

static void assert_called(int fd, enum wait_kind kind, const char *expected)
{
    char name[DESCRIPTOR_NAME_SIZE_MAX];

    assert_true(fd >= 0);
    assert_int_equal(descriptor_name(&names, (uint32_t)syscall(SYS_gettid), fd, name, sizeof name),
                     kind);
    assert_string_equal(name, expected);
}

/* Names `fd` by what `format` says of a port. */
static void assert_called_port(int fd, const char *format, uint16_t port)
{
    char expected[DESCRIPTOR_NAME_SIZE_MAX];

    snprintf(expected, sizeof expected, format, port);
    assert_called(fd, WAIT_NETWORK, expected);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 address; /* the port is where IPv4 has it */
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin6_port);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int listening(void)
{
    struct sockaddr_in address = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void tcp_is_named_by_its_peer(void **state)
{
    int door = listening(), client = socket(AF_INET, SOCK_STREAM, 0), server;
    struct sockaddr_in address = loopback(port_of(door));

    (void)state;
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    server = accept(door, NULL, NULL);
    assert_called_port(door, "connections on TCP 127.0.0.1:%u", port_of(door));
    assert_called_port(client, "TCP 127.0.0.1:%u", port_of(door));
    assert_called_port(server, "TCP 127.0.0.1:%u", port_of(client));
    close(client);
    close(server);
    close(door);
}

static void tcp_over_ipv6_has_brackets_and_mapped_addresses_none(void **state)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
    struct sockaddr_in target;
    int door = socket(AF_INET6, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server;

    (void)state;
    if (door < 0) skip();
    assert_int_equal(bind(door, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(door, 4), 0);
    assert_called_port(door, "connections on TCP [::]:%u", port_of(door));
    target = loopback(port_of(door));
    assert_int_equal(connect(client, (struct sockaddr *)&target, sizeof target), 0);
    server = accept(door, NULL, NULL);
    assert_called_port(server, "TCP 127.0.0.1:%u", port_of(client));
    close(server);
    close(client);
    close(door);
}

static void udp_without_a_peer_is_named_by_itself(void **state)
{
    struct sockaddr_in address = loopback(0);
    int bound = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);

    (void)state;
    assert_int_equal(bind(bound, (struct sockaddr *)&address, sizeof address), 0);
    assert_called_port(bound, "UDP on 127.0.0.1:%u", port_of(bound));
    address = loopback(port_of(bound));
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    assert_called_port(client, "UDP 127.0.0.1:%u", port_of(bound));
    close(bound);
    close(client);
}

static void unix_sockets_are_named_by_the_end_that_has_a_name(void **state)
{
    char folder[] = "/tmp/stakeout-names.XXXXXX", expected[DESCRIPTOR_NAME_SIZE_MAX];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int door = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), server;
    int pair[2];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/db.sock", folder);
    assert_int_equal(bind(door, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(door, 4), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    server = accept(door, NULL, NULL);
    snprintf(expected, sizeof expected, "unix %s/db.sock", folder);
    assert_called(client, WAIT_NETWORK, expected);
    assert_called(server, WAIT_NETWORK, expected);
    snprintf(expected, sizeof expected, "connections on unix %s/db.sock", folder);
    assert_called(door, WAIT_NETWORK, expected);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_called(pair[0], WAIT_NETWORK, "a unix socket of this process");
    unlink(address.sun_path);
    rmdir(folder);
    for (size_t i = 0; i < 2; i++)
        close(pair[i]);
    close(client);
    close(server);
    close(door);
}

static void what_is_no_socket_has_a_path_or_a_kind(void **state)
{
    int pipes[2], event = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    int epoll = epoll_create1(0), file = open("/proc/self/exe", O_RDONLY);
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_called(pipes[0], WAIT_OTHER, "a pipe");
    assert_called(event, WAIT_OTHER, "an eventfd");
    assert_called(timer, WAIT_OTHER, "a timer");
    assert_called(epoll, WAIT_OTHER, "an epoll set");
    path[size < DESCRIPTOR_NAME_SIZE_MAX ? size : DESCRIPTOR_NAME_SIZE_MAX - 1] = '\0';
    assert_called(file, WAIT_DISK, path);
    close(pipes[0]);
    close(pipes[1]);
    close(event);
    close(timer);
    close(epoll);
    close(file);
}

static void what_is_closed_has_no_name(void **state)
{
    char name[DESCRIPTOR_NAME_SIZE_MAX] = "x";

    (void)state;
    assert_int_equal(descriptor_name(&names, (uint32_t)getpid(), 1000000, name, sizeof name),
                     WAIT_OTHER);
    assert_string_equal(name, "");
}

/* Also one that is full to the last byte, which has no zero at its end. */
static void addresses_are_read_to_their_end_and_no_further(void **state)
{
    struct sockaddr_storage storage = { 0 };
    struct sockaddr_un *address = (struct sockaddr_un *)&storage;
    char name[DESCRIPTOR_NAME_SIZE_MAX];

    (void)state;
    address->sun_family = AF_UNIX;
    memset(address->sun_path, 'p', sizeof address->sun_path);
    address_name(&storage, sizeof *address, name, sizeof name);
    assert_int_equal(strlen(name), sizeof address->sun_path);
    memcpy(address->sun_path, "\0bus", 4);
    address_name(&storage, offsetof(struct sockaddr_un, sun_path) + 4, name, sizeof name);
    assert_string_equal(name, "@bus");
    address_name(&storage, offsetof(struct sockaddr_un, sun_path), name, sizeof name);
    assert_string_equal(name, "");
    address_name(&storage, 1, name, sizeof name);
    assert_string_equal(name, "");
    storage.ss_family = AF_INET;
    address_name(&storage, sizeof(struct sockaddr_in) - 1, name, sizeof name);
    assert_string_equal(name, "");
}

/* Asking leaves nothing behind in the table. */
static void no_descriptor_is_left(void **state)
{
    int door = listening(), before = dup(door), after;

    (void)state;
    close(before);
    for (int i = 0; i < 100; i++)
        assert_called_port(door, "connections on TCP 127.0.0.1:%u", port_of(door));
    after = dup(door);
    assert_int_equal(after, before);
    close(after);
    close(door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_is_named_by_its_peer),
        cmocka_unit_test(tcp_over_ipv6_has_brackets_and_mapped_addresses_none),
        cmocka_unit_test(udp_without_a_peer_is_named_by_itself),
        cmocka_unit_test(unix_sockets_are_named_by_the_end_that_has_a_name),
        cmocka_unit_test(what_is_no_socket_has_a_path_or_a_kind),
        cmocka_unit_test(what_is_closed_has_no_name),
        cmocka_unit_test(addresses_are_read_to_their_end_and_no_further),
        cmocka_unit_test(no_descriptor_is_left),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
