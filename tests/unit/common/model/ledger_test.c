/* SPDX-License-Identifier: Apache-2.0 */
#include "common/model/ledger.h"

#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

static struct ledger sound(void)
{
    struct ledger ledger = { .seen = 100,
                             .below = 80,
                             .triggered = 20,
                             .sampled = 7,
                             .over_cap = 3,
                             .pending = 5,
                             .late_ns_max = 10,
                             .pause_ns_p99 = 4,
                             .cpu_ns = 1 };

    ledger.drops[CALL_DROP_NO_SAMPLE] = 4;
    ledger.drops[CALL_DROP_COUNT - 1] = 1;
    return ledger;
}

static void a_ledger_that_adds_up_is_sound_and_no_other(void **state)
{
    struct ledger ledger = sound();
    uint64_t *counts[] = { &ledger.seen,    &ledger.below,    &ledger.triggered,
                           &ledger.sampled, &ledger.over_cap, &ledger.pending };

    (void)state;
    assert_true(ledger_is_sound(&(struct ledger){ 0 }));
    assert_true(ledger_is_sound(&ledger));
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        ++*counts[i];
        assert_false(ledger_is_sound(&ledger));
        *counts[i] -= 2;
        assert_false(ledger_is_sound(&ledger));
        ++*counts[i];
    }
    for (size_t i = 0; i < CALL_DROP_COUNT; i++) {
        ledger.drops[i]++;
        assert_false(ledger_is_sound(&ledger));
        ledger.drops[i]--;
    }
    assert_true(ledger_is_sound(&ledger));
}

/* 2^64 calls below and 20 triggered would be 20 seen. */
static void sums_that_wrap_are_not_sound(void **state)
{
    struct ledger ledger = sound();

    (void)state;
    ledger.below = UINT64_MAX;
    ledger.seen = ledger.below + ledger.triggered;
    assert_false(ledger_is_sound(&ledger));
    ledger = sound();
    ledger.drops[1] = UINT64_MAX - 10;
    ledger.pending = 10 + 1 + 5;
    assert_false(ledger_is_sound(&ledger));
}

static void sums_of_sound_ledgers_are_sound(void **state)
{
    struct ledger sum = sound(), other = sound();

    (void)state;
    other.late_ns_max = 99;
    other.pause_ns_p99 = 2;
    ledger_add(&sum, &other);
    assert_true(ledger_is_sound(&sum));
    assert_int_equal(sum.seen, 200);
    assert_int_equal(sum.drops[CALL_DROP_NO_SAMPLE], 8);
    assert_int_equal(sum.late_ns_max, 99);
    assert_int_equal(sum.pause_ns_p99, 4);
    assert_int_equal(sum.cpu_ns, 2);
}

static void every_reason_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CALL_DROP_COUNT; i++) {
        enum call_drop drop = CALL_DROP_COUNT;

        assert_int_equal(call_drop_parse(text_of(call_drop_slug(i)), &drop), 0);
        assert_int_equal(drop, i);
        assert_true(strlen(call_drop_says(i)) > 10 && strlen(call_drop_slug(i)) <= 32);
    }
    for (unsigned i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        enum snapshot_drop drop = SNAPSHOT_DROP_COUNT;

        assert_int_equal(snapshot_drop_parse(text_of(snapshot_drop_slug(i)), &drop), 0);
        assert_int_equal(drop, i);
        assert_true(strlen(snapshot_drop_says(i)) > 10 && strlen(snapshot_drop_slug(i)) <= 32);
    }
    for (unsigned i = 0; i < NOTE_COUNT; i++) {
        enum note note = NOTE_COUNT;

        assert_int_equal(note_parse(text_of(note_slug(i)), &note), 0);
        assert_int_equal(note, i);
        assert_true(strlen(note_says(i)) > 10 && strlen(note_slug(i)) <= 32);
    }
    assert_int_equal(call_drop_parse(TEXT("no-buffer"), &(enum call_drop){ 0 }), -EINVAL);
    assert_int_equal(snapshot_drop_parse(TEXT(""), &(enum snapshot_drop){ 0 }), -EINVAL);
    assert_int_equal(note_parse(TEXT("unknown"), &(enum note){ 0 }), -EINVAL);
    assert_string_equal(call_drop_slug(CALL_DROP_COUNT), "unknown");
    assert_string_equal(snapshot_drop_slug(99), "unknown");
    assert_string_equal(note_slug(99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_that_adds_up_is_sound_and_no_other),
        cmocka_unit_test(sums_that_wrap_are_not_sound),
        cmocka_unit_test(sums_of_sound_ledgers_are_sound),
        cmocka_unit_test(every_reason_has_a_word_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
