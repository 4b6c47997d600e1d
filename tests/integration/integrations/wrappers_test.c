/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of the wrappers, as a reader would try them: requests that compute, that wait on
 * their thread and off it, and that are no calls; each with its name, its code and its trace.
 * argv[1] is the program. */
#include "tests/integration/integrations/http_client.h"
#include "tests/integration/integrations/watched.h"
#include "tests/integration/system/house_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static const char *program;

static void catch_call(const char *interface, uint16_t port, const char *path, int code,
                       struct watched_sample *ret)
{
    struct http_reply reply;
    struct task_id task;

    house_order(
        &house,
        &(struct order){
            .application = "example", .interface = interface, .threshold_ms = 50, .sample_cap = 1 },
        &task);
    house_wait_armed(&house, &task, 1);
    http_get(port, path, "traceparent: 00-" TRACE "-00f067aa0ba902b7-01\r\n", &reply);
    assert_int_equal(reply.status, code);
    watched_wait_sample(&house, &task, ret);
    assert_string_equal(ret->interface, interface);
    assert_string_equal(ret->trace, TRACE);
    assert_int_equal(ret->response_code, code);
    assert_in_range(ret->elapsed_ms, 250, 5000); /* 300 by a loop that reads its clock in turns */
}

static void upload(uint16_t port)
{
    struct http_reply reply;
    int fd = http_connect(port);

    http_send(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
    http_send(fd, "half");
    http_read_reply(fd, &reply);
    close(fd);
}

static void requests_are_calls(void **state)
{
    static const struct watched_count expected[] = {
        { "GET /item/{id}", 2 },  { "Report", 1 },       { "GET /lookup/{id}", 1 },
        { "GET /order/{id}", 1 }, { "POST /upload", 1 }, { NULL, 0 },
    };
    struct host_process *host = house_program(&house, program, "example", "example");
    struct watched_sample sample;
    struct http_reply reply;
    unsigned port = 0;

    (void)state;
    assert_int_equal(sscanf(host_process_hear(host), "listening on http://127.0.0.1:%u", &port), 1);
    catch_call("Report", (uint16_t)port, "/report/7?all=1", 203, &sample);
    watched_assert_share(&sample, "compute_report", 80);
    watched_sample_done(&sample);
    catch_call("GET /lookup/{id}", (uint16_t)port, "/lookup/7", 200, &sample);
    watched_assert_share(&sample, "look_up", 95); /* and from there on the stack is whole */
    watched_assert_share(&sample, "on_lookup", 95);
    watched_sample_done(&sample);
    catch_call("GET /order/{id}", (uint16_t)port, "/order/7", 202, &sample);
    assert_true(watched_detached_share(&sample, "detached: upstream") > 80 ||
                watched_detached_share(&sample, "detached: an order") > 80);
    watched_sample_done(&sample);
    http_get((uint16_t)port, "/item/1", NULL, &reply);
    http_get((uint16_t)port, "/item/2", NULL, &reply);
    assert_int_equal(reply.status, 200);
    upload((uint16_t)port);
    watched_assert_counts(&house, "example", expected); /* by the pulse, while it runs */
    host_process_kill(host);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_calls),
    };

    CHECK(argc == 2);
    program = argv[1];
    return cmocka_run_group_tests(tests, house_setup, house_teardown);
}
