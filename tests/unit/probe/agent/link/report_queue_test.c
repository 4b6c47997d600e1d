/* SPDX-License-Identifier: Apache-2.0 */
/* The bound, the order and the revisions of report_queue.c. */
#include "probe/agent/link/report_queue.h"

#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_MAX_HERE = 100 };

static struct report *make(const char *id, uint32_t revision, size_t size)
{
    struct report *report = calloc(1, sizeof *report);

    assert_non_null(report);
    snprintf(report->id.text, sizeof report->id.text, "%s", id);
    report->revision = revision;
    report->size = size;
    report->body = calloc(1, size + 1);
    return report;
}

static void assert_sane(const struct report_queue *queue)
{
    size_t size = 0;
    uint32_t count = 0;
    const struct report *last = NULL;

    for (const struct report *it = queue->first; it; it = it->next) {
        size += it->size;
        count++;
        last = it;
    }
    assert_int_equal(queue->size, size);
    assert_int_equal(queue->count, count);
    assert_ptr_equal(queue->last, last);
    assert_true(size <= queue->size_max);
}

static void reports_leave_in_the_order_in_which_they_came(void **state)
{
    struct report_queue queue = REPORT_QUEUE_INIT(SIZE_MAX_HERE);
    static const char *const ids[] = { "a", "b", "c" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        assert_int_equal(report_queue_add(&queue, make(ids[i], 1, 10)), 0);
        assert_sane(&queue);
    }
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        struct report *report = report_queue_take_first(&queue);

        assert_string_equal(report->id.text, ids[i]);
        report_free(report);
        assert_sane(&queue);
    }
    assert_null(report_queue_first(&queue));
}

static void the_bound_is_exact(void **state)
{
    struct report_queue queue = REPORT_QUEUE_INIT(SIZE_MAX_HERE);
    struct report *one_too_many = make("c", 1, 1);

    (void)state;
    assert_int_equal(report_queue_add(&queue, make("a", 1, 60)), 0);
    assert_int_equal(report_queue_add(&queue, make("b", 1, 40)), 0);
    assert_int_equal(report_queue_add(&queue, one_too_many), -ENOBUFS);
    report_free(one_too_many);
    assert_sane(&queue);
    report_queue_done(&queue);
    assert_int_equal(queue.size, 0);
}

static void a_newer_revision_takes_the_place_of_an_older_one(void **state)
{
    struct report_queue queue = REPORT_QUEUE_INIT(SIZE_MAX_HERE);
    struct report *too_large;

    (void)state;
    report_queue_add(&queue, make("a", 1, 10));
    report_queue_add(&queue, make("b", 1, 10));
    assert_int_equal(report_queue_add(&queue, make("a", 3, 90)), 0);
    assert_sane(&queue);
    assert_int_equal(queue.count, 2);
    assert_int_equal(report_queue_first(&queue)->revision, 3);
    assert_int_equal(report_queue_add(&queue, make("a", 2, 5)), 0);
    assert_int_equal(report_queue_first(&queue)->revision, 3);
    assert_int_equal(report_queue_first(&queue)->size, 90);

    too_large = make("a", 4, 91);
    assert_int_equal(report_queue_add(&queue, too_large), -ENOBUFS);
    report_free(too_large);
    assert_int_equal(report_queue_first(&queue)->revision, 3);
    assert_sane(&queue);
    report_queue_done(&queue);
}

static void a_deferred_report_goes_to_the_end(void **state)
{
    struct report_queue queue = REPORT_QUEUE_INIT(SIZE_MAX_HERE);

    (void)state;
    report_queue_defer(&queue);
    report_queue_add(&queue, make("a", 1, 10));
    report_queue_defer(&queue);
    assert_string_equal(report_queue_first(&queue)->id.text, "a");
    report_queue_add(&queue, make("b", 1, 10));
    report_queue_defer(&queue);
    assert_string_equal(report_queue_first(&queue)->id.text, "b");
    assert_sane(&queue);
    report_queue_done(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_leave_in_the_order_in_which_they_came),
        cmocka_unit_test(the_bound_is_exact),
        cmocka_unit_test(a_newer_revision_takes_the_place_of_an_older_one),
        cmocka_unit_test(a_deferred_report_goes_to_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
