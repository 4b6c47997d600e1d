/* SPDX-License-Identifier: Apache-2.0 */
/* Commands, keys, and the functions' library as it is embedded. */
#include <stdio.h>
#include <string.h>

#include "common/base/own.h"
#include "common/model/task_event.h"
#include "scheduler/store/redis/redis_command.h"
#include "scheduler/store/redis_keys.h"
#include "scheduler/store/store_private.h"
#include "tests/support/test.h"

static void a_command_is_what_redis_reads(void **state)
{
    OWN(redis_command_done) struct redis_command command = redis_command_make("SET");
    static const char wanted[] = "*4\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$2\r\n42\r\n$0\r\n\r\n";
    struct text bytes;

    (void)state;
    redis_command_add(&command, (struct text){ "a\0b", 3 });
    redis_command_add_u64(&command, 42);
    redis_command_add(&command, TEXT(""));
    bytes = redis_command_bytes(&command);
    assert_int_equal(bytes.size, sizeof(wanted) - 1);
    assert_memory_equal(bytes.data, wanted, bytes.size);
    bytes = redis_command_bytes(&command); /* asking twice changes nothing */
    assert_memory_equal(bytes.data, wanted, sizeof(wanted) - 1);
}

/* What Redis takes as the hash tag: between the first '{' and the next '}'. */
static struct text hash_tag(struct text key)
{
    const char *open = memchr(key.data, '{', key.size), *close;

    if (!open) return key;
    open++;
    close = memchr(open, '}', (size_t)(key.data + key.size - open));
    if (!close || close == open) return key;
    return (struct text){ open, (size_t)(close - open) };
}

static void every_application_has_one_hash_tag_of_its_own(void **state)
{
    static const char *const names[] = { "shop", "{shop}", "}shop", "{}", "%7B", "a{b}c", "%" };
    struct text tags[ARRAY_COUNT(names)];
    struct key_tag kept[ARRAY_COUNT(names)];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char key[ARRAY_COUNT(names) * KEY_SIZE]; /* what the compiler believes of it */
        kept[i] = key_tag_make(text_of(names[i]));
        snprintf(key, sizeof(key), "stakeout:{%s}:task:x:log", kept[i].text);
        assert_true(text_is_equal(hash_tag(text_of(key)), text_of(kept[i].text)));
        tags[i] = text_of(kept[i].text);
        for (size_t k = 0; k < i; k++) {
            assert_false(text_is_equal(tags[i], tags[k]));
        }
    }
}

static void the_longest_name_of_braces_has_room(void **state)
{
    char name[APPLICATION_SIZE_MAX + 1];
    struct key_tag tag;

    (void)state;
    memset(name, '{', sizeof(name));
    tag = key_tag_make((struct text){ name, APPLICATION_SIZE_MAX });
    assert_int_equal(strlen(tag.text), 3 * APPLICATION_SIZE_MAX);
}

/* The library names events by number: they must be those of task_event.def. */
static void the_functions_know_the_events_by_their_numbers(void **state)
{
    unsigned known = 0;

    (void)state;
    static const struct {
        const char *name;
        int number;
    } events[] = {
#define TASK_EVENT(name, number, slug) { #name, number },
#include "common/model/task_event.def"
#undef TASK_EVENT
    };
    const char *table = strstr(store_functions, "local EVENT = {");
    const char *end = table ? strchr(table, '}') : NULL;

    assert_non_null(end);
    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        char wrong[64], entry[64];
        const char *at;
        snprintf(wrong, sizeof(wrong), " %s = ", events[i].name);
        snprintf(entry, sizeof(entry), " %s = %d,", events[i].name, events[i].number);
        at = strstr(table, wrong);
        if (!at || at > end) continue;
        if (strncmp(at, entry, strlen(entry)) != 0) fail_msg("%s differs", events[i].name);
        known++;
    }
    assert_int_equal(known, 13);
}

static void the_functions_bounds_are_those_of_the_limits(void **state)
{
    const struct {
        const char *name;
        int value;
    } bounds[] = {
        { "local LOG_EVENTS_MAX = ", TASK_EVENTS_MAX },
        { "local ACCEPT_AFTER_END_MS = ", ACCEPT_AFTER_END_MS },
    };

    (void)state;
    assert_ptr_equal(strstr(store_functions, "#!lua name=" STORE_LIBRARY "\n"), store_functions);
    assert_non_null(strstr(store_functions, "local PREFIX = '" STORE_FUNCTION("") "'"));
    for (size_t i = 0; i < ARRAY_COUNT(bounds); i++) {
        char line[64];
        snprintf(line, sizeof(line), "%s%d", bounds[i].name, bounds[i].value);
        assert_non_null(strstr(store_functions, line));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_what_redis_reads),
        cmocka_unit_test(every_application_has_one_hash_tag_of_its_own),
        cmocka_unit_test(the_longest_name_of_braces_has_room),
        cmocka_unit_test(the_functions_know_the_events_by_their_numbers),
        cmocka_unit_test(the_functions_bounds_are_those_of_the_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
