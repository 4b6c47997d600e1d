/* SPDX-License-Identifier: Apache-2.0 */
/* siege_test.c: real probes are served while others do their worst: a thousand clients that never
 * end their requests, and no descriptor left for anybody new. */
#include "tests/integration/system/house_fixture.h"
#include "tests/support/loopback.h"
#include "tests/support/process_usage.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SLOW_CLIENTS = 1000,
    NEWCOMERS = 40, /* who find no descriptor */
    PATIENCE_MS = 60000,
    SAMPLES = 3,
    BUSY_PERCENT_MAX = 50, /* of a core: what spins takes all of it */
};

static int open_house(void **state)
{
    house_allow_descriptors();
    return house_setup(state);
}

static struct host_process *start_host(const char *interface, struct task_id *ret_task)
{
    struct host_process *host = house_host(&house, "shop", interface + strlen("GET /"));
    char run[64];

    snprintf(run, sizeof run, "run 2 5 %s", interface);
    assert_string_equal(host_process_ask(host, run), "running");
    house_order(&house, &(struct order){ .interface = interface, .sample_cap = SAMPLES }, ret_task);
    house_wait_armed(&house, ret_task, 1);
    return host;
}

/* --- slow clients --- */

static int slow[SLOW_CLIENTS];

static bool all_are_cut(void *context)
{
    (void)context;
    for (size_t i = 0; i < SLOW_CLIENTS; i++) {
        char answer[64];
        ssize_t size = slow[i] < 0 ? 0 : recv(slow[i], answer, sizeof answer, MSG_DONTWAIT);

        if (slow[i] < 0) continue;
        if (size < 0 && errno == EAGAIN) return false;
        if (size < 12 || memcmp(answer, "HTTP/1.1 408", 12) != 0) fail_msg("client %zu", i);
        close(slow[i]);
        slow[i] = -1;
    }
    return true;
}

static void a_thousand_slow_clients_keep_no_probe_waiting(void **state)
{
    static const char part[] = "POST /probe/v1/pulse HTTP/1.1\r\nHost: localhost\r\nContent-Len";
    struct host_process *host;
    struct task_id task;

    (void)state;
    for (size_t i = 0; i < SLOW_CLIENTS; i++) {
        slow[i] = loopback_connect(house.scheduler.port);
        assert_true(slow[i] >= 0);
        assert_int_equal(send(slow[i], part, sizeof part - 1, MSG_NOSIGNAL), sizeof part - 1);
    }
    host = start_host("GET /besieged", &task);
    assert_string_equal(host_process_ask(host, "slow 3 400"), "done");
    house_wait_state(&house, &task, "FILLED", PATIENCE_MS);
    assert_true(wait_until(all_are_cut, NULL, PATIENCE_MS));
    host_process_end(host);
}

/* --- no descriptors --- */

struct look {
    uint64_t cpu_ms, at_ns;
};

static struct look look_at(pid_t pid)
{
    struct process_usage usage;

    process_usage_read(pid, &usage);
    return (struct look){ usage.cpu_ms, clock_monotonic_ns() };
}

static void limit_descriptors(pid_t pid, rlim_t count)
{
    struct rlimit limit;

    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = count;
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* An operator's connection that was there before. */
struct kept {
    int fd;
    char request[160];
};

static bool says_filled(void *context)
{
    const struct kept *kept = context;
    char answer[8192];
    ssize_t size;

    assert_true(send(kept->fd, kept->request, strlen(kept->request), MSG_NOSIGNAL) > 0);
    size = recv(kept->fd, answer, sizeof answer - 1, 0); /* head and body are one segment */
    assert_true(size > 0);
    answer[size] = '\0';
    return strstr(answer, "\"FILLED\"") != NULL;
}

static struct kept keep_connection(const struct task_id *task)
{
    struct kept kept = { .fd = loopback_connect(house.scheduler.port) };

    assert_true(kept.fd >= 0);
    snprintf(kept.request, sizeof kept.request,
             "GET /api/v1/tasks/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", task->text);
    assert_false(says_filled(&kept));
    return kept;
}

static void without_descriptors_those_who_are_there_are_served(void **state)
{
    pid_t pid = house.scheduler.pid;
    int newcomers[NEWCOMERS];
    struct look before, after;
    struct host_process *host;
    struct task_id task;
    struct rlimit limit;
    struct kept kept;
    double percent;

    (void)state;
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    host = start_host("GET /exhausted", &task);
    kept = keep_connection(&task);
    limit_descriptors(pid, 3); /* below those that are open: not one more */
    for (size_t i = 0; i < NEWCOMERS; i++) {
        newcomers[i] = loopback_connect(house.scheduler.port); /* the kernel's queue has room */
        assert_true(newcomers[i] >= 0);
    }
    before = look_at(pid);
    assert_string_equal(host_process_ask(host, "slow 3 1500"), "done");
    assert_true(wait_until(says_filled, &kept, PATIENCE_MS));
    after = look_at(pid);
    limit_descriptors(pid, limit.rlim_cur);
    close(kept.fd);
    percent = (double)(after.cpu_ms - before.cpu_ms) * 1e8 / (double)(after.at_ns - before.at_ns);
    if (percent > BUSY_PERCENT_MAX) fail_msg("it took %.0f %% of a core", percent);
    for (size_t i = 0; i < NEWCOMERS; i++) {
        close(newcomers[i]);
    }
    host_process_end(host);
    house_assert_is_alive(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_slow_clients_keep_no_probe_waiting),
        cmocka_unit_test(without_descriptors_those_who_are_there_are_served),
    };

    return cmocka_run_group_tests(tests, open_house, house_teardown);
}
