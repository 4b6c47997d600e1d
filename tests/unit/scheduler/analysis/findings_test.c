/* SPDX-License-Identifier: Apache-2.0 */
/* findings_test.c: what is said of which calls, word for word. */
#include "tests/support/test.h"

#include "common/base/clock.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/private.h"
#include "tests/unit/scheduler/analysis/made_sample.h"

#include <stdio.h>
#include <string.h>

enum { LOOKS_MAX = 6, SENTENCES_MAX = 6 };

#define LIBC "@/usr/lib/x86_64-linux-gnu/libc.so.6"

/* clang-format off */
static const struct {
    const char *says;
    uint64_t elapsed_ms, head_ms;
    struct look looks[LOOKS_MAX]; /* up to one without a stack */
    const char *sentences[SENTENCES_MAX];
} cases[] = {
    { "one of each kind, longest first", 1000, 100,
      { { 200, 200, 0, WAIT_NONE, NULL, "a < handle < main" },
        { 500, 0, 0, WAIT_SLEEP, NULL,
          "clock_nanosleep" LIBC " < nanosleep" LIBC " < b < handle" },
        { 200, 0, 0, WAIT_LOCK, "mutex cart_lock",
          "__lll_lock_wait" LIBC " < pthread_mutex_lock" LIBC " < c < handle" } },
      { "Was asleep 500 ms of 1.00 s in b().",
        "Ran at least 200 ms of 1.00 s on a CPU in a().",
        "Waited 200 ms of 1.00 s for mutex cart_lock in c()." } },

    { "queueing is of no function", 804, 0,
      { { 804, 300, 504, WAIT_NONE, NULL, "a < main" } },
      { "Was queued 504 ms of 804 ms for a CPU.", "Ran 300 ms of 804 ms on a CPU in a()." } },

    { "the application's function, not the library's", 2000, 100,
      { { 1900, 1900, 0, WAIT_NONE, NULL,
          "longest_match@/usr/lib/x86_64-linux-gnu/libz.so.1 < "
          "deflate@/usr/lib/x86_64-linux-gnu/libz.so.1 < report_compress < main" } },
      { "Ran at least 1.90 s of 2.00 s on a CPU in report_compress(), mostly in "
        "longest_match()." } },

    { "a library alone is named itself", 1000, 0,
      { { 1000, 1000, 0, WAIT_NONE, NULL,
          "memcpy" LIBC " < deflate@/lib/libz.so.1 < clone" LIBC } },
      { "Ran 1.00 s of 1.00 s on a CPU in deflate()." } },

    { "nothing but the runtime", 1000, 0,
      { { 1000, 0, 0, WAIT_OTHER, NULL, "futex_wait" LIBC " < start_thread" LIBC } },
      { "Waited 1.00 s of 1.00 s for an unknown cause in futex_wait()." } },

    { "network, disk and an unknown cause", 3000, 0,
      { { 1500, 0, 0, WAIT_NETWORK, "10.0.0.7:5432", "poll" LIBC " < query < main" },
        { 1000, 0, 0, WAIT_DISK, "", "pread" LIBC " < load < main" },
        { 500, 0, 0, WAIT_OTHER, "detached: upstream", "(detached)" } },
      { "Waited 1.50 s of 3.00 s for the network (10.0.0.7:5432) in query().",
        "Waited 1.00 s of 3.00 s for the disk in load().",
        "Waited 500 ms of 3.00 s for upstream." } },

    { "what the same stack was seen waiting for, where a look came at another moment", 1000, 0,
      { { 400, 100, 0, WAIT_NONE, NULL, "fsync" LIBC " < save < main" },
        { 300, 0, 0, WAIT_DISK, "journal", "fsync" LIBC " < save < main" },
        { 300, 0, 0, WAIT_NONE, NULL, "write" LIBC " < append < main" } },
      { "Waited 600 ms of 1.00 s for the disk (journal) in save().",
        "Waited 300 ms of 1.00 s for an unknown cause in append().",
        "Ran 100 ms of 1.00 s on a CPU in save()." } },

    { "what it went on to wait for, where a look saw it running that never waits there", 1000, 0,
      { { 300, 50, 0, WAIT_NONE, NULL, "write" LIBC " < append < main" },
        { 200, 0, 0, WAIT_DISK, "journal", "fsync" LIBC " < save < main" },
        { 200, 0, 0, WAIT_NONE, NULL, "write" LIBC " < append < main" },
        { 300, 50, 0, WAIT_NONE, NULL, "fsync" LIBC " < save < main" } },
      { "Waited 450 ms of 1.00 s for the disk (journal) in append().",
        "Waited 450 ms of 1.00 s for the disk (journal) in save().",
        "Ran 50 ms of 1.00 s on a CPU in append().", "Ran 50 ms of 1.00 s on a CPU in save()." } },

    { "not what it was detached for afterwards", 1000, 0,
      { { 600, 0, 0, WAIT_NONE, NULL, "write" LIBC " < append < main" },
        { 400, 0, 0, WAIT_OTHER, "detached: upstream", "(detached)" } },
      { "Waited 600 ms of 1.00 s for an unknown cause in append().",
        "Waited 400 ms of 1.00 s for upstream." } },

    { "several mutexes in one function", 1000, 0,
      { { 500, 0, 0, WAIT_LOCK, "mutex a", "f < main" },
        { 300, 0, 0, WAIT_LOCK, "mutex b", "f < main" },
        { 200, 0, 0, WAIT_LOCK, NULL, "f < main" } },
      { "Waited 1.00 s of 1.00 s for mutex a and 2 others in f()." } },

    { "C++: without arguments, and not the standard library", 2310, 630,
      { { 1680, 0, 0, WAIT_LOCK, "mutex cart_lock",
          "pthread_mutex_lock" LIBC " < std::mutex::lock() < "
          "std::lock_guard<std::mutex>::lock_guard(std::mutex&) < Inventory::reserve(int, char) "
          "< main" } },
      { "Waited at least 1.68 s of 2.31 s for mutex cart_lock in Inventory::reserve." } },

    { "an unnamed function", 1000, 0,
      { { 1000, 1000, 0, WAIT_NONE, NULL, "libshop.so+0x1a40 < main" } },
      { "Ran 1.00 s of 1.00 s on a CPU in libshop.so+0x1a40." } },

    { "a twentieth is said", 1000, 0,
      { { 950, 950, 0, WAIT_NONE, NULL, "a" }, { 50, 50, 0, WAIT_NONE, NULL, "b" } },
      { "Ran 950 ms of 1.00 s on a CPU in a().", "Ran 50 ms of 1.00 s on a CPU in b()." } },

    { "less than a twentieth is not", 1000, 0,
      { { 951, 951, 0, WAIT_NONE, NULL, "a" }, { 49, 49, 0, WAIT_NONE, NULL, "b" } },
      { "Ran 951 ms of 1.00 s on a CPU in a()." } },

    { "minutes", 132000, 0,
      { { 132000, 0, 0, WAIT_SLEEP, NULL, "b" } },
      { "Was asleep 2 min 12 s of 2 min 12 s in b()." } },
};
/* clang-format on */

static struct sample *sample_of_case(size_t index)
{
    uint32_t count = 0;

    while (count < LOOKS_MAX && cases[index].looks[count].stack)
        count++;
    return made_sample(cases[index].elapsed_ms, cases[index].head_ms, cases[index].looks, count);
}

static void findings_say_what_where_and_how_long(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct sample *sample = sample_of_case(i);
        struct analysis *analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);

        for (uint32_t j = 0; j < analysis->finding_count; j++) {
            const char *expected = j < SENTENCES_MAX ? cases[i].sentences[j] : NULL;

            if (!expected || strcmp(analysis->findings[j].sentence, expected) != 0)
                fail_msg("%s: said '%s', not '%s'", cases[i].says, analysis->findings[j].sentence,
                         expected ? expected : "(nothing)");
        }
        if (cases[i].sentences[analysis->finding_count])
            fail_msg("%s: did not say '%s'", cases[i].says,
                     cases[i].sentences[analysis->finding_count]);
        analysis_free(analysis);
        sample_free(sample);
    }
}

static void findings_of_several_calls_are_means(void **state)
{
    struct sample *samples[] = {
        made_sample(1000, 100, (struct look[]){ { 900, 0, 0, WAIT_LOCK, "mutex m", "c < main" } },
                    1),
        made_sample(600, 100, (struct look[]){ { 500, 0, 0, WAIT_LOCK, "mutex m", "c < main" } },
                    1),
    };
    struct analysis *analysis = analysis_new((const struct sample *const *)samples, NULL, 2);

    (void)state;
    assert_int_equal(analysis->finding_count, 1);
    assert_string_equal(analysis->findings[0].sentence,
                        "Waited on average at least 700 ms of 800 ms a call for mutex m in c().");
    assert_int_equal(analysis->findings[0].ns, 700000000);
    analysis_free(analysis);
    sample_free(samples[0]);
    sample_free(samples[1]);
}

static void a_call_still_running_is_said_to_be(void **state)
{
    struct sample *sample =
        made_sample(31000, 0, (struct look[]){ { 31000, 0, 0, WAIT_SLEEP, NULL, "b < main" } }, 1);
    struct analysis *analysis;

    (void)state;
    sample->running = true;
    analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);
    assert_string_equal(analysis->findings[0].sentence,
                        "Was asleep 31.0 s of 31.0 s so far in b().");
    analysis_free(analysis);
    sample_free(sample);
}

static void the_line_is_named_where_it_is_known(void **state)
{
    struct sample *sample = made_sample(
        1000, 0,
        (struct look[]){ { 1000, 0, 0, WAIT_LOCK, "mutex m", "pthread_mutex_lock" LIBC " < c" } },
        1);
    const struct source_location location = { TEXT("c"), TEXT("/src/shop/cart.c"), 214, false };
    struct frame_symbols frames[] = { { NULL, 0 }, { &location, 1 } };
    struct sample_symbols symbols = { .frames = frames, .frame_count = 2 };
    struct analysis *analysis = analysis_new((const struct sample *const[]){ sample },
                                             (const struct sample_symbols *const[]){ &symbols }, 1);

    (void)state;
    assert_string_equal(analysis->findings[0].sentence,
                        "Waited 1.00 s of 1.00 s for mutex m in c() (cart.c:214).");
    assert_int_equal(analysis->frames.frames[analysis->findings[0].frame].line, 214);
    analysis_free(analysis);
    sample_free(sample);
}

static void a_better_text_for_what_was_waited_for_is_taken(void **state)
{
    struct sample *sample = made_sample(
        1000, 0, (struct look[]){ { 1000, 0, 0, WAIT_LOCK, "mutex _Z1m", "f < main" } }, 1);
    struct text strings[8] = { 0 };
    struct sample_symbols symbols = { .strings = strings };
    struct analysis *analysis;

    (void)state;
    symbols.string_count = sample->stacks.string_count;
    assert_in_range(symbols.string_count, 1, ARRAY_COUNT(strings));
    strings[sample->snapshots[0].waiting_for] = TEXT("mutex shop::m");
    analysis = analysis_new((const struct sample *const[]){ sample },
                            (const struct sample_symbols *const[]){ &symbols }, 1);
    assert_string_equal(analysis->findings[0].sentence,
                        "Waited 1.00 s of 1.00 s for mutex shop::m in f().");
    analysis_free(analysis);
    sample_free(sample);
}

static void a_function_of_a_system_header_is_not_the_applications(void **state)
{
    struct sample *sample = made_sample(
        1000, 0, (struct look[]){ { 1000, 1000, 0, WAIT_NONE, NULL, "operator-- < sum < main" } },
        1);
    const struct source_location locations[] = {
        { TEXT("operator--"), TEXT("/usr/include/c++/12/bits/stl_iterator.h"), 1107, false },
        { TEXT("sum"), TEXT("/src/shop/sum.cc"), 30, false },
    };
    struct frame_symbols frames[] = { { &locations[0], 1 }, { &locations[1], 1 }, { NULL, 0 } };
    struct sample_symbols symbols = { .frames = frames, .frame_count = 3 };
    struct analysis *analysis = analysis_new((const struct sample *const[]){ sample },
                                             (const struct sample_symbols *const[]){ &symbols }, 1);

    (void)state;
    assert_string_equal(analysis->findings[0].sentence,
                        "Ran 1.00 s of 1.00 s on a CPU in sum() (sum.cc:30).");
    analysis_free(analysis);
    sample_free(sample);
}

/* Names of every length, with everything that could go wrong in them. */
static void a_sentence_never_passes_its_bound(void **state)
{
    static const char *const pieces[] = { "name", "::",        "<",      "long_template_argument",
                                          ">",    "(",         "int",    ")",
                                          " ",    "operator<", "\u00e9", "\u202e" };
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 300; round++) {
        char stack[2000] = "x", waiting_for[400] = "";
        struct analysis *analysis;
        struct sample *sample;

        for (size_t size = 1; size < (size_t)round * 5;) {
            const char *piece =
                pieces[(seed = seed * 1664525u + 1013904223u) % ARRAY_COUNT(pieces)];

            size += (size_t)snprintf(stack + size, sizeof stack - size, "%s", piece);
        }
        memset(waiting_for, 'w', (size_t)round);
        sample = made_sample(1000, 100,
                             (struct look[]){ { 900, 0, 0, WAIT_NETWORK, waiting_for, stack } }, 1);
        analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);
        assert_int_equal(analysis->finding_count, 1);
        if (text_characters(text_of(analysis->findings[0].sentence)) > 160)
            fail_msg("%d: %s", round, analysis->findings[0].sentence);
        assert_true(text_is_printable(text_of(analysis->findings[0].sentence)));
        analysis_free(analysis);
        sample_free(sample);
    }
}

static void differences_beyond_noise_are_said_longest_first(void **state)
{
    static const char *const expected[] = {
        "Waited 1.20 s longer for mutex m in c(): 1.30 s a call, against 100 ms.",
        "Ran 500 ms less on a CPU in a(): 200 ms a call, against 700 ms.",
    };
    struct sample *before =
        made_sample(900, 100,
                    (struct look[]){ { 700, 700, 0, WAIT_NONE, NULL, "a < main" },
                                     { 100, 0, 0, WAIT_LOCK, "mutex m", "c < main" } },
                    2);
    struct sample *after =
        made_sample(1610, 100,
                    (struct look[]){ { 200, 200, 0, WAIT_NONE, NULL, "a < main" },
                                     { 1300, 0, 0, WAIT_LOCK, "mutex m", "c < main" },
                                     { 10, 10, 0, WAIT_NONE, NULL, "new < main" } },
                    3);
    struct analysis *base = analysis_new((const struct sample *const[]){ before }, NULL, 1);
    struct analysis *other = analysis_new((const struct sample *const[]){ after }, NULL, 1);
    struct analysis *diff = analysis_diff(base, other);

    (void)state;
    assert_int_equal(diff->finding_count, ARRAY_COUNT(expected));
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++)
        assert_string_equal(diff->findings[i].sentence, expected[i]);
    assert_true(diff->findings[1].is_less);
    analysis_free(diff);
    diff = analysis_diff(base, base);
    assert_int_equal(diff->finding_count, 0);
    analysis_free(diff);
    analysis_free(base);
    analysis_free(other);
    sample_free(before);
    sample_free(after);
}

static void a_side_without_a_sample_has_no_difference(void **state)
{
    struct sample *sample = made_sample(
        900, 100, (struct look[]){ { 800, 0, 0, WAIT_LOCK, "mutex m", "c < main" } }, 1);
    struct analysis *some = analysis_new((const struct sample *const[]){ sample }, NULL, 1);
    struct analysis *none = analysis_new(NULL, NULL, 0);
    const struct {
        const struct analysis *base, *other;
        const char *says;
    } pairs[] = {
        { none, some, "There is nothing to compare with: the base has no sample." },
        { some, none, "There is nothing to compare: what is compared has no sample." },
        { none, none, "There is nothing to compare with: the base has no sample." },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        struct analysis *diff = analysis_diff(pairs[i].base, pairs[i].other);

        assert_int_equal(diff->finding_count, 1);
        assert_string_equal(diff->findings[0].sentence, pairs[i].says);
        analysis_free(diff);
    }
    analysis_free(some);
    analysis_free(none);
    sample_free(sample);
}

/* ---- owners of locks ---- */

#define SAVING "fsync" LIBC " < save_order < work < start_thread" LIBC

/* clang-format off */
static const struct {
    const char *says;
    struct {
        uint64_t for_ms;
        const char *lock, *thread, *stack; /* thread NULL: the owner is not known */
    } waits[3];
    const char *sentence;
} owners[] = {
    { "the thread, and where it was",
      { { 1000, "mutex cart_lock", "worker-3", SAVING } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve(), held by worker-3, which was in "
      "fsync called from save_order()." },
    { "in the function itself",
      { { 1000, "mutex cart_lock", "worker-3", "count_up < work" } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve(), held by worker-3, which was in "
      "count_up()." },
    { "no stack",
      { { 1000, "mutex cart_lock", "worker-3", NULL } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve(), held by worker-3." },
    { "threads that take turns in one function",
      { { 500, "mutex cart_lock", "worker-3", SAVING },
        { 500, "mutex cart_lock", "another", SAVING } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve(), held in fsync called from "
      "save_order()." },
    { "functions that take turns: the longest",
      { { 400, "mutex cart_lock", "worker-3", "load < work" },
        { 600, "mutex cart_lock", "worker-3", SAVING } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve(), for 600 ms held by worker-3, "
      "which was in fsync called from save_order()." },
    { "nearly all is all",
      { { 900, "mutex cart_lock", "worker-3", SAVING },
        { 100, "mutex cart_lock", NULL, NULL } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve(), held by worker-3, which was in "
      "fsync called from save_order()." },
    { "less is said",
      { { 899, "mutex cart_lock", "worker-3", SAVING },
        { 101, "mutex cart_lock", NULL, NULL } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve(), for 899 ms held by worker-3, "
      "which was in fsync called from save_order()." },
    { "nobody known",
      { { 1000, "mutex cart_lock", NULL, NULL } },
      "Waited 1.00 s of 1.00 s for mutex cart_lock in reserve()." },
    { "too long for 160: the thread goes before the place",
      { { 500, "mutex stock_lock_of_the_warehouse", "MHD-worker-with-a-name", SAVING },
        { 500, "mutex stock_lock_of_the_warehouse", NULL, NULL } },
      "Waited 1.00 s of 1.00 s for mutex stock_lock_of_the_warehouse in reserve(), for 500 ms held "
      "in fsync called from save_order()." },
    { "too long for 160: shorter names first, the owner stays",
      { { 1000, "mutex a_very_long_name_of_a_lock_that_somebody_gave_it_in_the_year_of_the_flood",
          "worker-3", "fsync" LIBC " < Store::Orders::save_and_flush_everything_to_the_disk" } },
      "Waited 1.00 s of 1.00 s for mutex a_very_long_name_of_a_lo\u2026 in reserve(), held in "
      "fsync called from \u2026::save_and_flush_everything_to_the_disk." },
};
/* clang-format on */

static struct sample *sample_of_owners(size_t row)
{
    struct look looks[3] = { 0 };
    struct sample *sample;
    uint32_t count = 0;

    for (; count < 3 && owners[row].waits[count].for_ms > 0; count++)
        looks[count] =
            (struct look){ .for_ms = owners[row].waits[count].for_ms,
                           .wait = WAIT_LOCK,
                           .waiting_for = owners[row].waits[count].lock,
                           .stack = "pthread_mutex_lock" LIBC " < reserve < handle < main" };
    sample = made_sample(1000, 0, looks, count);
    for (uint32_t i = 0; i < count; i++)
        if (owners[row].waits[i].thread)
            made_owner(sample, i, owners[row].waits[i].thread, owners[row].waits[i].stack);
    return sample;
}

static void who_held_a_lock_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(owners); i++) {
        struct sample *sample = sample_of_owners(i);
        struct analysis *analysis = analysis_new((const struct sample *const[]){ sample }, NULL, 1);

        assert_int_equal(analysis->finding_count, 1);
        if (strcmp(analysis->findings[0].sentence, owners[i].sentence) != 0)
            fail_msg("%s: said '%s', not '%s'", owners[i].says, analysis->findings[0].sentence,
                     owners[i].sentence);
        assert_true(text_characters(text_of(analysis->findings[0].sentence)) <= 160);
        analysis_free(analysis);
        sample_free(sample);
    }
}

/* Over the samples of a task: by lock and function, the rows adding up to the waiting. */
static void locks_are_grouped_by_owner_function(void **state)
{
    struct sample *samples[] = { sample_of_owners(3), sample_of_owners(4), sample_of_owners(7) };
    struct analysis *analysis = analysis_new((const struct sample *const *)samples, NULL, 3);
    uint64_t sum_ns = 0;

    (void)state;
    assert_int_equal(analysis->locks.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        sum_ns += analysis->locks.rows[i].ns;
    assert_int_equal(sum_ns, analysis->tree.nodes[0].total.ns[COST_LOCK]);
    assert_int_equal(analysis->locks.rows[0].ns, ms_to_ns(1600)); /* save_order() */
    assert_int_equal(analysis->locks.rows[0].count, 3);
    assert_int_equal(analysis->locks.rows[0].thread_count, 2);
    assert_int_equal(analysis->locks.rows[1].holder, 0); /* nobody known */
    assert_int_equal(analysis->locks.rows[1].ns, ms_to_ns(1000));
    assert_int_equal(analysis->locks.rows[2].ns, ms_to_ns(400)); /* load() */
    analysis_free(analysis);
    for (size_t i = 0; i < ARRAY_COUNT(samples); i++)
        sample_free(samples[i]);
}

/* The tree and the hot list are of the calls alone. */
static void owners_are_not_in_the_tree(void **state)
{
    struct sample *with = sample_of_owners(0), *without = sample_of_owners(7);
    struct analysis *a = analysis_new((const struct sample *const[]){ with }, NULL, 1);
    struct analysis *b = analysis_new((const struct sample *const[]){ without }, NULL, 1);

    (void)state;
    assert_int_equal(a->tree.count, b->tree.count);
    assert_int_equal(a->hot.count, b->hot.count);
    assert_int_equal(a->paths.count, b->paths.count);
    analysis_free(a);
    analysis_free(b);
    sample_free(with);
    sample_free(without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_say_what_where_and_how_long),
        cmocka_unit_test(findings_of_several_calls_are_means),
        cmocka_unit_test(a_call_still_running_is_said_to_be),
        cmocka_unit_test(the_line_is_named_where_it_is_known),
        cmocka_unit_test(a_better_text_for_what_was_waited_for_is_taken),
        cmocka_unit_test(a_function_of_a_system_header_is_not_the_applications),
        cmocka_unit_test(a_sentence_never_passes_its_bound),
        cmocka_unit_test(differences_beyond_noise_are_said_longest_first),
        cmocka_unit_test(a_side_without_a_sample_has_no_difference),
        cmocka_unit_test(who_held_a_lock_is_said),
        cmocka_unit_test(locks_are_grouped_by_owner_function),
        cmocka_unit_test(owners_are_not_in_the_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
