/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/notify.h"

#include "common/base/own.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A service manager's socket of this address; `size` says how much of it counts. */
static int listen_at(const struct sockaddr_un *address, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, size), 0);
    return fd;
}

static void expect(int fd, const char *words)
{
    char heard[64] = "";
    ssize_t size = recv(fd, heard, sizeof heard - 1, 0);

    assert_int_equal(size, strlen(words));
    assert_string_equal(heard, words);
}

static void a_manager_at_a_path_is_told(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char directory[] = "/tmp/stakeout-notify-XXXXXX";
    OWN(fd_closep) int fd = -1;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", directory);
    fd = listen_at(&address, sizeof address);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    notify("READY=1");
    expect(fd, "READY=1");
    unlink(address.sun_path);
    rmdir(directory);
}

static void a_manager_in_the_abstract_namespace_is_told(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char name[64];
    OWN(fd_closep) int fd = -1;

    (void)state;
    snprintf(name, sizeof name, "@stakeout-notify-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    fd = listen_at(&address, (socklen_t)(sizeof address.sun_family + strlen(name)));
    setenv("NOTIFY_SOCKET", name, 1);
    notify("STOPPING=1");
    expect(fd, "STOPPING=1");
}

static void where_nobody_listens_nothing_happens(void **state)
{
    (void)state;
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    notify("READY=1");
    setenv("NOTIFY_SOCKET", "", 1);
    notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
    notify("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manager_at_a_path_is_told),
        cmocka_unit_test(a_manager_in_the_abstract_namespace_is_told),
        cmocka_unit_test(where_nobody_listens_nothing_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
