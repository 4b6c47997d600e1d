/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/store/redis/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include <event2/event.h>

#include "tests/support/test.h"

struct asker {
    struct event_base *base;
    struct resolved resolved;
    unsigned told;
};

static void on_resolved(void *context, const struct resolved *resolved)
{
    struct asker *asker = context;

    asker->told++;
    asker->resolved = *resolved;
}

static struct resolver *ask(struct asker *asker, const char *host)
{
    struct resolver *resolver = resolver_new(&(struct resolver_options){
        .base = asker->base, .host = host, .on_resolved = on_resolved, .context = asker });

    assert_non_null(resolver);
    assert_int_equal(asker->told, 0); /* never before it returned */
    return resolver;
}

static void numbers_are_addresses_at_once(void **state)
{
    static const struct {
        const char *host;
        int family;
    } rows[] = { { "127.0.0.1", AF_INET }, { "::1", AF_INET6 }, { "fe80::1", AF_INET6 } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct resolved resolved = { 0 };
        char again[INET6_ADDRSTRLEN];
        const struct resolved_address *address = &resolved.addresses[0];

        assert_int_equal(resolve_number(rows[i].host, &resolved), 0);
        assert_int_equal(resolved.count, 1);
        assert_int_equal(address->as.any.sa_family, rows[i].family);
        assert_int_equal(getnameinfo(&address->as.any, address->size, again, sizeof(again), NULL, 0,
                                     NI_NUMERICHOST),
                         0);
        assert_string_equal(again, rows[i].host);
    }
}

static void a_name_is_no_number(void **state)
{
    struct resolved resolved = { .rc = 7 };

    (void)state;
    assert_int_equal(resolve_number("localhost", &resolved), -1);
    assert_int_equal(resolved.rc, 7);
}

static void localhost_is_ipv4_first(void **state)
{
    struct asker asker = { .base = event_base_new() };
    struct resolver *resolver = ask(&asker, "localhost");

    (void)state;
    while (!asker.told) {
        event_base_loop(asker.base, EVLOOP_ONCE);
    }
    assert_int_equal(asker.resolved.rc, 0);
    assert_true(asker.resolved.count >= 1);
    assert_int_equal(asker.resolved.addresses[0].as.any.sa_family, AF_INET);
    assert_int_equal(ntohl(asker.resolved.addresses[0].as.ipv4.sin_addr.s_addr), INADDR_LOOPBACK);
    resolver_free(resolver);
    event_base_free(asker.base);
}

static void a_host_that_cannot_be_is_told_once(void **state)
{
    struct asker asker = { .base = event_base_new() };
    struct resolver *resolver = ask(&asker, " nobody's resolver need be asked");

    (void)state;
    event_base_dispatch(asker.base); /* returns when there is nothing more to wait for */
    assert_int_equal(asker.told, 1);
    assert_int_not_equal(asker.resolved.rc, 0);
    assert_int_equal(asker.resolved.count, 0);
    resolver_free(resolver);
    event_base_free(asker.base);
}

static void freed_meanwhile_it_tells_nobody(void **state)
{
    struct asker asker = { .base = event_base_new() };

    (void)state;
    resolver_free(ask(&asker, "localhost"));
    event_base_dispatch(asker.base);
    assert_int_equal(asker.told, 0);
    event_base_free(asker.base);
    assert_null(resolver_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_addresses_at_once),
        cmocka_unit_test(a_name_is_no_number),
        cmocka_unit_test(localhost_is_ipv4_first),
        cmocka_unit_test(a_host_that_cannot_be_is_told_once),
        cmocka_unit_test(freed_meanwhile_it_tells_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
