/* SPDX-License-Identifier: Apache-2.0 */
/* host_address.c and name_lookup.c: what needs no network of any kind. */
#include "probe/agent/link/host_address.h"

#include "probe/agent/names/name_lookup.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static bool is_address(const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static void the_connections_address_is_the_hosts(void **state)
{
    static const char *const addresses[] = { "192.0.2.7", "2001:db8::7", "10.1.2.3" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
        char ip[HOST_IP_SIZE_MAX + 1];

        host_address_find(text_of(addresses[i]), ip);
        assert_string_equal(ip, addresses[i]);
    }
}

/* Loopback, unknown, or nothing that fits: then it is the default route's, and never empty. */
static void otherwise_it_is_that_of_the_default_route(void **state)
{
    static const char *const connections[] = {
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "",
        "a text that is longer than any address in the world could be",
    };
    char first[HOST_IP_SIZE_MAX + 1];

    (void)state;
    host_address_find(TEXT(""), first);
    assert_true(is_address(first));
    for (size_t i = 0; i < ARRAY_COUNT(connections); i++) {
        char ip[HOST_IP_SIZE_MAX + 1];

        host_address_find(text_of(connections[i]), ip);
        assert_string_equal(ip, first);
    }
}

static int never_give_up(void *context)
{
    (void)context;
    return 0;
}

static int give_up(void *context)
{
    (*(int *)context)++;
    return -ECANCELED;
}

static void a_numeric_host_is_its_own_address(void **state)
{
    struct name_addresses found;
    struct sockaddr_in v4;
    int asked = 0;

    (void)state;
    assert_int_equal(
        name_lookup(&(struct name_query){ "192.0.2.7", 7411 }, give_up, &asked, &found), 0);
    assert_int_equal(asked, 0);
    assert_int_equal(found.count, 1);
    memcpy(&v4, &found.addresses[0], sizeof v4);
    assert_int_equal(ntohs(v4.sin_port), 7411);
    assert_int_equal(ntohl(v4.sin_addr.s_addr), 0xc0000207);
    assert_int_equal(name_lookup(&(struct name_query){ "::1", 1 }, give_up, &asked, &found), 0);
    assert_int_equal(found.addresses[0].ss_family, AF_INET6);
}

/* The thread is left to itself, any number of times: none is waited for, none leaks. It may also
 * be done before anybody lost patience, or find too many others still at work. */
static void a_lookup_is_left_when_patience_ends(void **state)
{
    struct name_addresses found;
    int asked = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        int rc = name_lookup(&(struct name_query){ "localhost", 1 }, give_up, &asked, &found);

        assert_true(rc == -ECANCELED || rc == -EBUSY || rc == 0);
        assert_true(rc != -ECANCELED || asked > 0);
    }
}

static void localhost_is_found(void **state)
{
    struct name_addresses found;
    int rc;

    (void)state;
    do {
        rc = name_lookup(&(struct name_query){ "localhost", 1 }, never_give_up, NULL, &found);
    } while (rc == -EBUSY); /* the threads of the test before */
    assert_int_equal(rc, 0);
    assert_true(found.count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_connections_address_is_the_hosts),
        cmocka_unit_test(otherwise_it_is_that_of_the_default_route),
        cmocka_unit_test(a_numeric_host_is_its_own_address),
        cmocka_unit_test(a_lookup_is_left_when_patience_ends),
        cmocka_unit_test(localhost_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
