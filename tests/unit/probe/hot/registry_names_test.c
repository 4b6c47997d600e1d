/* SPDX-License-Identifier: Apache-2.0 */
/* registry_names_test.c: the room for names runs out before the ids do, where all are long. In a
 * program of its own, because names are put in for ever. */
#include "probe/hot/registry.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

enum { ROOM_FOR = 1024 * 1024 / INTERFACE_SIZE_MAX };

static uint32_t add_long(uint32_t number)
{
    char name[INTERFACE_SIZE_MAX + 1];

    memset(name, 'x', sizeof name);
    name[snprintf(name, sizeof name, "%u", number)] = ' ';
    return registry_add((struct text){ name, INTERFACE_SIZE_MAX });
}

static void long_names_have_room_for_half_of_the_ids(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ROOM_FOR; i++) {
        assert_int_equal(add_long(i), i + 1);
    }
    assert_int_equal(registry_name(INTERFACE_OTHER).size, 0);
    assert_int_equal(add_long(ROOM_FOR), INTERFACE_OTHER);
    assert_int_equal(registry_add(TEXT("short")), INTERFACE_OTHER);
    assert_string_equal(registry_name(INTERFACE_OTHER).data, "(other)");
    assert_int_equal(add_long(0), 1); /* the known ones are found as before */
    assert_int_equal(registry_end(), ROOM_FOR + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_names_have_room_for_half_of_the_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
