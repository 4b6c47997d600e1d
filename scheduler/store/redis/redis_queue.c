/* SPDX-License-Identifier: Apache-2.0 */
/* redis_queue.c: three lists, and the few ways between them. */
#include "scheduler/store/redis/redis_queue.h"

#include <errno.h>

#include "common/base/check.h"
#include "scheduler/store/redis/redis_request.h"

static void list_put(struct request_list *list, struct redis_request *request)
{
    request->next = NULL;
    if (!list->first) list->last = &list->first;
    *list->last = request;
    list->last = &request->next;
    list->count++;
    list->size += request->size;
}

static struct redis_request *list_take(struct request_list *list)
{
    struct redis_request *request = list->first;

    if (!request) return NULL;
    list->first = request->next;
    list->count--;
    list->size -= request->size;
    request->next = NULL;
    return request;
}

int redis_queue_put(struct redis_queue *queue, struct redis_request *request)
{
    struct request_list *waiting = &queue->waiting;
    size_t size = redis_command_bytes(&request->command).size;

    if (waiting->size + size > WAITING_SIZE_MAX || waiting->count >= WAITING_COUNT_MAX) {
        return -ENOBUFS;
    }
    request->size = size;
    list_put(waiting, request);
    return 0;
}

struct redis_request *redis_queue_next(struct redis_queue *queue)
{
    struct redis_request *request = queue->waiting.first;

    if (!request || queue->flying.count == 0) return request;
    return queue->flying.size + request->size <= FLYING_SIZE_MAX ? request : NULL;
}

void redis_queue_fly(struct redis_queue *queue)
{
    CHECK(redis_queue_next(queue));
    list_put(&queue->flying, list_take(&queue->waiting));
}

void redis_queue_land(struct redis_queue *queue, struct redis_request *request)
{
    CHECK(list_take(&queue->flying) == request);
}

void redis_queue_fail(struct redis_queue *queue, struct redis_request *request, int rc)
{
    request->rc = rc;
    list_put(&queue->failed, request);
}

void redis_queue_fail_waiting(struct redis_queue *queue, int rc)
{
    struct redis_request *request;

    while ((request = list_take(&queue->waiting)) != NULL) {
        redis_queue_fail(queue, request, rc);
    }
}

struct redis_request *redis_queue_take_failed(struct redis_queue *queue)
{
    struct redis_request *first = queue->failed.first;

    queue->failed = (struct request_list){ 0 };
    return first;
}
