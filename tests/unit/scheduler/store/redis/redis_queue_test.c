/* SPDX-License-Identifier: Apache-2.0 */
/* redis_queue_test.c: no request is in two lists, in none, or before its turn. */
#include "scheduler/store/redis/redis_queue.h"

#include "common/base/check.h"
#include "scheduler/store/redis/redis_request.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MEGABYTE = 1024 * 1024 };

/* Whose command has `size` bytes in all, but for the few of its own frame. */
static struct redis_request *request_new(size_t size)
{
    struct redis_request *request = mem_zalloc(1, sizeof *request);
    char *bytes = mem_zalloc(1, size + 1);

    request->command = redis_command_make("ECHO");
    redis_command_add(&request->command, (struct text){ bytes, size });
    free(bytes);
    return request;
}

static void request_free(struct redis_request *request)
{
    redis_command_done(&request->command);
    free(request);
}

static void requests_fly_and_land_in_the_order_of_their_coming(void **state)
{
    struct redis_queue queue = { 0 };
    struct redis_request *requests[5];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        requests[i] = request_new(10);
        assert_int_equal(redis_queue_put(&queue, requests[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        assert_ptr_equal(redis_queue_next(&queue), requests[i]);
        redis_queue_fly(&queue);
        assert_int_equal(queue.waiting.count + queue.flying.count, ARRAY_COUNT(requests));
    }
    assert_null(redis_queue_next(&queue));
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        redis_queue_land(&queue, requests[i]);
        request_free(requests[i]);
    }
    assert_int_equal(queue.flying.count, 0);
    assert_int_equal(queue.flying.size, 0);
}

static void no_more_flies_than_a_megabyte(void **state)
{
    struct redis_queue queue = { 0 };
    struct redis_request *half = request_new(MEGABYTE / 2), *rest = request_new(0),
                         *more = request_new(1);
    size_t frame;

    (void)state;
    assert_int_equal(redis_queue_put(&queue, half), 0);
    frame = queue.waiting.size - MEGABYTE / 2;
    request_free(rest);
    rest = request_new(MEGABYTE / 2 - 2 * frame); /* together one megabyte, to the byte */
    assert_int_equal(redis_queue_put(&queue, rest), 0);
    assert_int_equal(redis_queue_put(&queue, more), 0);
    redis_queue_fly(&queue);
    assert_ptr_equal(redis_queue_next(&queue), rest);
    redis_queue_fly(&queue);
    assert_int_equal(queue.flying.size, MEGABYTE);
    assert_null(redis_queue_next(&queue));
    redis_queue_land(&queue, half);
    assert_ptr_equal(redis_queue_next(&queue), more);
    request_free(half), request_free(rest), request_free(more);
}

static void one_that_is_larger_than_that_flies_alone(void **state)
{
    struct redis_queue queue = { 0 };
    struct redis_request *small = request_new(1), *large = request_new(2 * MEGABYTE),
                         *last = request_new(1);

    (void)state;
    assert_int_equal(redis_queue_put(&queue, small), 0);
    assert_int_equal(redis_queue_put(&queue, large), 0);
    assert_int_equal(redis_queue_put(&queue, last), 0);
    redis_queue_fly(&queue);
    assert_null(redis_queue_next(&queue)); /* nor is it overtaken */
    redis_queue_land(&queue, small);
    assert_ptr_equal(redis_queue_next(&queue), large);
    redis_queue_fly(&queue);
    assert_null(redis_queue_next(&queue));
    redis_queue_land(&queue, large);
    assert_ptr_equal(redis_queue_next(&queue), last);
    request_free(small), request_free(large), request_free(last);
}

static void no_more_than_64_megabytes_wait(void **state)
{
    struct redis_queue queue = { 0 };
    struct redis_request *requests[33], *next;
    size_t count = 0;
    int rc = 0;

    (void)state;
    while (rc == 0) {
        assert_true(count < ARRAY_COUNT(requests));
        requests[count] = request_new(2 * MEGABYTE);
        rc = redis_queue_put(&queue, requests[count]);
        if (rc == 0) count++;
    }
    assert_int_equal(rc, -ENOBUFS);
    assert_int_equal(count, 31); /* 32 are 64 MB, and their frames */
    assert_int_equal(queue.waiting.count, count);
    request_free(requests[count]);
    redis_queue_fail_waiting(&queue, -ENOTCONN);
    for (next = redis_queue_take_failed(&queue); next; count--) {
        struct redis_request *request = next;

        next = request->next;
        request_free(request);
    }
    assert_int_equal(count, 0);
}

static void no_more_than_200000_requests_wait(void **state)
{
    struct redis_queue queue = { 0 };
    struct redis_request *one = request_new(1);
    struct redis_request *requests = mem_zalloc(WAITING_COUNT_MAX, sizeof *requests);

    (void)state;
    for (size_t i = 0; i < WAITING_COUNT_MAX; i++) {
        requests[i].command = one->command; /* they share its bytes, which only one frees */
        assert_int_equal(redis_queue_put(&queue, &requests[i]), 0);
    }
    assert_int_equal(redis_queue_put(&queue, one), -ENOBUFS);
    redis_queue_fly(&queue);
    assert_int_equal(redis_queue_put(&queue, one), 0);
    request_free(one);
    free(requests);
}

static void what_fails_is_given_back_once_with_its_reason(void **state)
{
    struct redis_queue queue = { 0 };
    struct redis_request *flying = request_new(1), *waiting = request_new(1),
                         *none = request_new(1);
    struct redis_request *failed;

    (void)state;
    assert_int_equal(redis_queue_put(&queue, flying), 0);
    assert_int_equal(redis_queue_put(&queue, waiting), 0);
    redis_queue_fly(&queue);
    redis_queue_fail(&queue, none, -ENOBUFS);
    redis_queue_land(&queue, flying);
    redis_queue_fail(&queue, flying, -ECONNRESET);
    redis_queue_fail_waiting(&queue, -ENOTCONN);

    failed = redis_queue_take_failed(&queue);
    assert_ptr_equal(failed, none);
    assert_int_equal(none->rc, -ENOBUFS);
    assert_ptr_equal(none->next, flying);
    assert_int_equal(flying->rc, -ECONNRESET);
    assert_ptr_equal(flying->next, waiting);
    assert_int_equal(waiting->rc, -ENOTCONN);
    assert_null(waiting->next);
    assert_null(redis_queue_take_failed(&queue));
    assert_int_equal(queue.waiting.count + queue.flying.count + queue.failed.count, 0);
    request_free(flying), request_free(waiting), request_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_fly_and_land_in_the_order_of_their_coming),
        cmocka_unit_test(no_more_flies_than_a_megabyte),
        cmocka_unit_test(one_that_is_larger_than_that_flies_alone),
        cmocka_unit_test(no_more_than_64_megabytes_wait),
        cmocka_unit_test(no_more_than_200000_requests_wait),
        cmocka_unit_test(what_fails_is_given_back_once_with_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
