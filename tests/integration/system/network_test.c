/* SPDX-License-Identifier: Apache-2.0 */
/* network_test.c: the network between a host and its scheduler, and between that and its Redis, is
 * cut: the cable is pulled, and packets vanish on their way back.
 *
 * The host goes on, and what it took meanwhile arrives when the network is back. What reports while
 * Redis is out of reach is not acknowledged, and goes on when it is back. Nothing that was
 * acknowledged is lost, caps are exact, and ledgers add up.
 *
 * Three name spaces of the network, joined by two pairs of interfaces:
 *
 *     host 10.77.0.2 ---- 10.77.0.1 scheduler 10.77.1.1 ---- 10.77.1.2 Redis
 *
 * The scheduler listens on its loopback; in the host's name space that address leads over the
 * wire. Without the right to make name spaces the test is skipped. */
#include "common/base/clock.h"
#include "tests/integration/system/reporters.h"
#include "tests/support/namespaces.h"
#include "tests/support/redis_process.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BEFORE = 20,
    CALLS = 150, /* of the host while the network is cut: some ten seconds, and more than a cap */
    REFUSED = 8, /* reports while Redis is out of reach */
    WAIT_MS = 90000, /* the longest patience of a link, its longest rest, and some */
};

static struct network_place host_place, redis_place;
static struct redis_process redis;
static struct house house;
static struct host_process *host;
static struct reporters reporters;
static bool may_unshare;

/* ---- the network ---- */

static void join(struct network_place *place, const char *name, int subnet)
{
    network_place_open(place);
    network_run(NULL, "ip link add %s type veth peer name eth0 netns %d", name, place->pid);
    network_run(NULL, "ip addr add 10.77.%d.1/24 dev %s", subnet, name);
    network_run(NULL, "ip link set %s up", name);
    network_run(place, "ip addr add 10.77.%d.2/24 dev eth0", subnet);
    network_run(place, "ip link set eth0 up");
}

static void network_build(void)
{
    network_run(NULL, "ip link set lo up");
    join(&host_place, "to-host", 0);
    join(&redis_place, "to-redis", 1);
    network_run(NULL, "echo 1 >/proc/sys/net/ipv4/conf/to-host/route_localnet");
    network_run(&host_place, "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet");
    network_run(&host_place, "ip route add 127.0.0.1/32 via 10.77.0.1 dev eth0 src 10.77.0.2");
}

/* Both ways to cut it, and to mend it. What vanishes does so on its way back, so that who asks
 * hears nothing at all. */
static const struct cut {
    const char *name;
    const struct network_place *where;
    const char *begin, *end;
} host_cuts[] = {
    { "the host's cable is pulled", NULL, "ip link set to-host down", "ip link set to-host up" },
    { "what is sent to the host vanishes", NULL, "ip route add blackhole 10.77.0.2/32",
      "ip route del blackhole 10.77.0.2/32" },
}, redis_cuts[] = {
    { "Redis' cable is pulled", NULL, "ip link set to-redis down", "ip link set to-redis up" },
    { "what Redis sends vanishes", &redis_place, "ip route add blackhole 10.77.1.1/32",
      "ip route del blackhole 10.77.1.1/32" },
};

/* ---- between host and scheduler ---- */

static long calls_of(void)
{
    long calls, slow;

    assert_int_equal(sscanf(host_process_ask(host, "count"), "calls=%ld slow=%ld", &calls, &slow),
                     2);
    return calls;
}

static bool has_called(void *context)
{
    return calls_of() >= *(long *)context;
}

static bool is_settled(void *context)
{
    const struct task_id *task = context;

    house_assert_ledger_adds_up(&house, task);
    return house_ledger_sum(&house, task, "pending") == 0 &&
           house_ledger_sum(&house, task, "sampled") == 100;
}

static void host_outlives(const struct cut *cut)
{
    struct task_id task;
    uint64_t mended_ns;
    long wanted;
    size_t before;

    house_order(&house, &(struct order){ .interface = "GET /slow", .sample_cap = 100 }, &task);
    house_wait_armed(&house, &task, 1);
    network_run(cut->where, "%s", cut->begin);
    before = house_samples_count(&house, &task);
    wanted = calls_of() + CALLS;
    if (!wait_until(has_called, &wanted, WAIT_MS)) fail_msg("%s: the host stands", cut->name);
    assert_in_range(house_samples_count(&house, &task), before, before + 4); /* under way */
    network_run(cut->where, "%s", cut->end);
    mended_ns = clock_monotonic_ns();
    house_wait_state(&house, &task, "FILLED", WAIT_MS);
    printf("%s: %zu samples before, 100 taken %.1f s after it was mended\n", cut->name, before,
           (double)(clock_monotonic_ns() - mended_ns) / 1e9);
    if (!wait_until(is_settled, &task, WAIT_MS))
        fail_msg("%s: the ledger does not know", cut->name);
    assert_int_equal(house_samples_count(&house, &task), 100);
}

static void a_host_outlives_a_cut_network(void **state)
{
    (void)state;
    if (!may_unshare) skip();
    for (size_t i = 0; i < ARRAY_COUNT(host_cuts); i++) {
        host_outlives(&host_cuts[i]);
    }
}

/* ---- between scheduler and Redis ---- */

static void reports_outlive(const struct cut *cut, const char *application)
{
    unsigned taken;
    uint64_t mended_ns;

    reporters_start(&reporters, &house, application);
    reporters_allow(&reporters, BEFORE);
    assert_true(reporters_await_allowed(&reporters));
    network_run(cut->where, "%s", cut->begin);
    taken = atomic_load(&reporters.taken_count);
    reporters_allow(&reporters, REPORTERS_ALL);
    if (!reporters_await_again(&reporters, REFUSED))
        fail_msg("%s: reports are not refused", cut->name);
    assert_in_range(atomic_load(&reporters.taken_count), taken, taken + REPORTERS_COUNT);
    house_assert_is_alive(&house);
    network_run(cut->where, "%s", cut->end);
    mended_ns = clock_monotonic_ns();
    if (!reporters_await_full(&reporters)) fail_msg("%s: it does not go on", cut->name);
    printf("%s: %u reports refused meanwhile; 100 taken %.1f s after it was mended\n", cut->name,
           atomic_load(&reporters.again_count), (double)(clock_monotonic_ns() - mended_ns) / 1e9);
    reporters_stop(&reporters);
    reporters_assert_nothing_was_lost(&reporters);
}

static void reports_outlive_a_cut_network(void **state)
{
    static const char *const applications[] = { "pulled", "vanished" };

    (void)state;
    if (!may_unshare) skip();
    for (size_t i = 0; i < ARRAY_COUNT(redis_cuts); i++) {
        reports_outlive(&redis_cuts[i], applications[i]);
    }
}

/* ---- life ---- */

static int setup(void **state)
{
    (void)state;
    if (!may_unshare) return 0;
    network_build();
    network_enter(&redis_place);
    redis_process_start(&redis, "port 7000\nbind 10.77.1.2\nprotected-mode no\n"
                                "appendonly yes\nappendfsync always\n");
    network_enter(NULL);
    house.scheduler.options[0] = "--redis";
    house.scheduler.options[1] = "redis://10.77.1.2:7000";
    house_open(&house);
    network_enter(&host_place);
    host = house_host(&house, "shop", "host-1");
    network_enter(NULL);
    assert_string_equal(host_process_ask(host, "run 3 200 GET /slow"), "running");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (!may_unshare) return 0;
    assert_true(strncmp(host_process_ask(host, "stop"), "calls=", 6) == 0);
    assert_int_equal(host_process_end(host), 0);
    house_close(&house);
    redis_process_stop(&redis);
    network_place_close(&host_place);
    network_place_close(&redis_place);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_outlives_a_cut_network),
        cmocka_unit_test(reports_outlive_a_cut_network),
    };

    may_unshare = namespaces_leave(NAMESPACE_NETWORK);
    if (!may_unshare) printf("no right to make a name space of the network\n");
    return cmocka_run_group_tests(tests, setup, teardown);
}
