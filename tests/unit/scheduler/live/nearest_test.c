/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "common/wire/report.h"
#include "tests/unit/scheduler/live/census_scene.h"

#include <string.h>

static void the_nearest_names_come_first(void **state)
{
    static const char *const known[] = { "POST /checkout",  "GET /cart",     "POST /cart",
                                         "GET /item/{id}",  "POST /payment", "GET /health",
                                         "POST /v2/orders", "cart.Total",    "search.Query" };
    static const struct {
        const char *asked, *nearest;
    } cases[] = {
        { "POST /chekout", "POST /checkout" },
        { "POST /CHECKOUT", "POST /checkout" },
        { "checkout", "POST /checkout" },
        { "POST /checkout", "POST /checkout" },
        { "GET /crat", "GET /cart" },
        { "GET /items/{id}", "GET /item/{id}" },
        { "orders", "POST /v2/orders" },
        { "cart.total", "cart.Total" },
        { "Search.Querry", "search.Query" },
        { "POST /pay*", "POST /payment" },
        { "HTTP POST /payment", "POST /payment" },
    };
    struct process process = new_process();

    (void)state;
    process_calls(&process, 250 * NS_PER_MS, 3);
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        pulse_of(&process, known[i]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct census_nearest found[3];
        size_t count = census_nearest(census, TEXT("shop"), text_of(cases[i].asked), now_ns, found,
                                      ARRAY_COUNT(found));

        assert_int_equal(count, 3);
        if (strcmp(found[0].name, cases[i].nearest) != 0)
            fail_msg("'%s' found '%s'", cases[i].asked, found[0].name);
        assert_int_equal(found[0].count, 3);
        assert_int_equal(found[0].max_ns, 250 * NS_PER_MS);
    }
    assert_int_equal(census_nearest(census, TEXT("none"), TEXT("a"), now_ns, NULL, 3), 0);
}

static void add_application(const char *name, uint64_t incarnation)
{
    struct wire_poll poll = { .protocol = WIRE_PROTOCOL,
                              .application = text_of(name),
                              .instance = TEXT("host:1"),
                              .incarnation = incarnation };

    census_poll(census, &poll, TEXT("127.0.0.1"), now_ns, now_ns);
}

static void a_misspelt_application_finds_the_nearest(void **state)
{
    struct census_application_name found[3];

    (void)state;
    assert_int_equal(census_nearest_applications(census, TEXT("shpo"), found, 3), 0);
    add_application("payment", 1);
    add_application("shop", 2);
    add_application("shop-eu", 3);
    add_application("stock", 4);
    assert_true(census_application_is_known(census, TEXT("shop")));
    assert_false(census_application_is_known(census, TEXT("shpo")));
    assert_false(census_application_is_known(census, TEXT("sho")));
    assert_int_equal(census_nearest_applications(census, TEXT("shpo"), found, 3), 3);
    assert_string_equal(found[0].name, "shop");
    assert_int_equal(census_nearest_applications(census, TEXT("PAYMENTS"), found, 1), 1);
    assert_string_equal(found[0].name, "payment");
    assert_int_equal(census_nearest_applications(census, TEXT("shpo"), NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_CENSUS(the_nearest_names_come_first),
        IN_CENSUS(a_misspelt_application_finds_the_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
