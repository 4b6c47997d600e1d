/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c: /api/v1/audit: who did what, newest first.
 *
 * DESIGN names three roles, and an operator is the one who may see this: what stands there is what
 * operators do, so it is theirs to account for, and a role above them would be one that nobody
 * else needs. Who is for some applications sees what was done to these; a page can so be short, or
 * empty, with a `next` that goes on. */
#include "scheduler/access/access.h"
#include "scheduler/access/scope.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/query.h"
#include "scheduler/api/scoping.h"

#include <stdlib.h>
#include <string.h>

static json_t *entry_value(const struct store_audit *entry)
{
    json_t *object = json_object();

    value_set(object, "at", value_time(entry->at_wall_ms));
    value_set(object, "who", value_text(entry->who));
    value_set(object, "from", value_text_or_null(text_of(entry->from)));
    value_set(object, "what", value_text(entry->what));
    value_set(object, "application", value_text_or_null(text_of(entry->application)));
    value_set(object, "subject", value_text_or_null(text_of(entry->subject)));
    value_set(object, "detail", value_text_or_null(text_of(entry->detail)));
    return object;
}

static void on_page(void *context, const struct store_audit_page *page,
                    const struct problem *problem)
{
    struct pending *pending = context;
    const struct scope *scope = request_scope(pending->request);
    json_t *object, *entries;

    if (problem) {
        pending_problem(pending, problem);
        return;
    }
    object = json_object();
    entries = json_array();
    for (size_t i = 0; i < page->count; i++) {
        if (scope_has(scope, text_of(page->entries[i].application)))
            value_append(entries, entry_value(&page->entries[i]));
    }
    value_set(object, "entries", entries);
    value_set(object, "next",
              page->has_more ? value_text(page->entries[page->count - 1].id) : json_null());
    pending_json(pending, 200, object);
}

/* An id of the stream: digits, a dash, digits. */
static int read_cursor(struct http_request *request, struct text *ret, struct problem *problem)
{
    enum { ID_SIZE_MAX = 41 };
    struct text cursor = http_query(request, "cursor");
    const char *dash = cursor.size > 0 ? memchr(cursor.data, '-', cursor.size) : NULL;
    uint64_t ignored;

    if (!cursor.data) return 0;
    if (!dash || cursor.size > ID_SIZE_MAX ||
        text_to_u64((struct text){ cursor.data, (size_t)(dash - cursor.data) }, &ignored) < 0 ||
        text_to_u64((struct text){ dash + 1, (size_t)(cursor.data + cursor.size - dash - 1) },
                    &ignored) < 0)
        return query_refuse("cursor", cursor, "the \"next\" of the page before, unchanged",
                            problem);
    *ret = cursor;
    return 0;
}

void on_audit(struct api *api, struct http_request *request)
{
    struct store_audit_query query = { .limit = PAGE_LIMIT_DEFAULT };
    struct problem problem = { 0 };

    if (query_times(request, &query.from_wall_ms, &query.to_wall_ms, &problem) < 0 ||
        query_limit(request, &query.limit, &problem) < 0 ||
        read_cursor(request, &query.before, &problem) < 0)
        answer_problem(request, &problem);
    else
        access_audit_read(api->rooms.access, &query, on_page,
                          pending_new(api, request, sizeof(struct pending)));
}
