/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h: answers at once, and answers that come later.
 *
 *     struct pending *pending = pending_new(api, request, sizeof *pending);
 *     history_task(api->rooms.history, &id, on_task, pending);
 *     ... on_task: pending_json(pending, 200, task_value(task)) or pending_problem() ...
 *
 * A pending answer outlives its client: if that goes away, the work that was asked for still ends
 * in a callback, whose answer is then dropped. A struct that begins with a struct pending carries
 * what the callback needs; answering frees it. */
#ifndef STAKEOUT_SCHEDULER_API_ANSWER_H
#define STAKEOUT_SCHEDULER_API_ANSWER_H

#include "common/base/buf.h"
#include "common/model/problem.h"
#include "scheduler/api/state.h"
#include "scheduler/api/value.h"

void answer_json(struct http_request *request, int status, json_t *take_body);
void answer_problem(struct http_request *request, const struct problem *problem);

struct pending {
    struct api *api;
    struct http_request *request; /* NULL: the client is gone */
    /* Who it was, for what outlives the client. */
    char who[AUTHOR_SIZE_MAX + 1], from[HOST_IP_SIZE_MAX + 1];
};

/* Parks the request. `size` is that of the struct that begins with the pending; the rest is 0. */
void *pending_new(struct api *api, struct http_request *request, size_t size);

/* Notes in the audit log what was done; before it is answered. Only `what` is needed. */
struct deed {
    const char *what, *application, *subject, *detail;
};
void pending_audit(const struct pending *pending, const struct deed *deed);

/* Each answers, if there is still somebody to hear it, and frees `pending`. */
void pending_json(struct pending *pending, int status, json_t *take_body);
void pending_problem(struct pending *pending, const struct problem *problem);
void pending_file(struct pending *pending, const char *content_type, const char *file_name,
                  struct buf *take_body); /* file_name NULL: shown, not stored */

#endif
