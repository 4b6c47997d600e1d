/* SPDX-License-Identifier: Apache-2.0 */
#include "common/model/task_event.h"

#include "tests/support/test.h"

#include <errno.h>

static void events_have_a_number_and_a_word(void **state)
{
    static const uint32_t numbers[] = {
#define TASK_EVENT(name, number, slug) TASK_EVENT_##name,
#include "common/model/task_event.def"
#undef TASK_EVENT
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        uint32_t parsed = 0;

        assert_int_equal(task_event_parse(text_of(task_event_slug(numbers[i])), &parsed), 0);
        assert_int_equal(parsed, numbers[i]); /* so no word stands for two */
    }
    assert_int_equal(TASK_EVENT_EXPIRED, 18); /* the wire's: never to change */
    assert_null(task_event_slug(0));
    assert_null(task_event_slug(19));
    assert_int_equal(task_event_parse(TEXT("unknown"), &(uint32_t){ 0 }), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_have_a_number_and_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
