/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c: an answer that comes later is a parked request and what its callback needs; a client
 * that goes away takes the request out of it, and nothing else. */
#include "scheduler/api/answer.h"

#include "common/base/check.h"
#include "scheduler/access/access.h"

#include <stdio.h>
#include <stdlib.h>

void answer_json(struct http_request *request, int status, json_t *take_body)
{
    size_t size;
    char *body = value_print(take_body, &size);

    json_decref(take_body);
    http_reply_take(request, status, "application/json", body, size);
}

void answer_problem(struct http_request *request, const struct problem *problem)
{
    int status = problem_status(problem->code);

    /* Who is away is back in a moment; who is full, when somebody made room. */
    if (status == 503) http_answer_header(request, "Retry-After", "1");
    if (status == 507) http_answer_header(request, "Retry-After", "10");
    http_reply_problem(request, status, problem_slug(problem->code), problem_title(problem->code),
                       problem->detail, problem->field);
}

static void on_gone(void *context)
{
    struct pending *pending = context;

    pending->request = NULL;
}

void *pending_new(struct api *api, struct http_request *request, size_t size)
{
    struct pending *pending = mem_zalloc(1, size);

    CHECK(size >= sizeof *pending);
    pending->api = api;
    pending->request = request;
    snprintf(pending->who, sizeof pending->who, "%s", http_identity_of(request)->name);
    snprintf(pending->from, sizeof pending->from, "%.*s", TEXT_ARGS(http_peer(request)));
    http_park(request, on_gone, pending);
    return pending;
}

static void copy(const char *from, char *ret, size_t size)
{
    if (from) ret[text_clean(text_of(from), ret, size - 1)] = '\0';
}

void pending_audit(const struct pending *pending, const struct deed *deed)
{
    struct store_audit entry = { .at_wall_ms = 0 };

    copy(pending->who, entry.who, sizeof entry.who);
    copy(pending->from, entry.from, sizeof entry.from);
    copy(deed->what, entry.what, sizeof entry.what);
    copy(deed->application, entry.application, sizeof entry.application);
    copy(deed->subject, entry.subject, sizeof entry.subject);
    copy(deed->detail, entry.detail, sizeof entry.detail);
    access_audit(pending->api->rooms.access, &entry);
}

void pending_json(struct pending *pending, int status, json_t *take_body)
{
    if (pending->request)
        answer_json(pending->request, status, take_body);
    else
        json_decref(take_body);
    free(pending);
}

void pending_problem(struct pending *pending, const struct problem *problem)
{
    if (pending->request) answer_problem(pending->request, problem);
    free(pending);
}

void pending_file(struct pending *pending, const char *content_type, const char *file_name,
                  struct buf *take_body)
{
    if (pending->request) {
        char disposition[160];
        size_t size;
        char *body;

        if (file_name) {
            snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", file_name);
            http_answer_header(pending->request, "Content-Disposition", disposition);
        }
        body = buf_take(take_body, &size);
        http_reply_take(pending->request, 200, content_type, body, size);
    }
    buf_done(take_body);
    free(pending);
}
