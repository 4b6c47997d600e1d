/* SPDX-License-Identifier: Apache-2.0 */
/* http_tls_test.c: what only a room with TLS has: clients that shake hands slowly or not at all. */
#include "tests/integration/scheduler/http_room.h"
#include "tests/integration/scheduler/room_line.h"
#include "tests/support/test.h"

#include <sys/socket.h>
#include <unistd.h>

static bool are_cut(void *context)
{
    return http_counts(room.http).cut == *(uint64_t *)context;
}

static void shaking_hands_has_a_deadline_of_its_own(void **state)
{
    static const unsigned char beginning[] = { 0x16, 3, 1, 2, 0, 1 };
    const struct http_limits limits = { .handshake_ms = 50, .sweep_ms = 5 };
    uint64_t count = 2;
    int silent, slow;

    (void)state;
    room_open(&limits);
    silent = room_connect();
    slow = room_connect();
    assert_int_equal(send(slow, beginning, sizeof beginning, 0), sizeof beginning);
    room_until(are_cut, &count, "both are cut");
    room_until_empty();
    assert_int_equal(http_counts(room.http).handshakes_failed, 2);
    assert_int_equal(http_counts(room.http).refused, 0);
    close(silent), close(slow);
    room_close();
}

static void what_is_no_tls_ends_at_once(void **state)
{
    int fd;

    (void)state;
    room_open(NULL);
    fd = room_connect();
    assert_int_equal(send(fd, "hello, anybody?\r\n\r\n", 19, 0), 19);
    room_until_empty();
    close(fd);
    room_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shaking_hands_has_a_deadline_of_its_own),
        cmocka_unit_test(what_is_no_tls_ends_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
