/* SPDX-License-Identifier: Apache-2.0 */
/* history_tasks.c: pages of tasks, newest first, of one application or of all.
 *
 * A task's id begins with its creation time, so ids in falling order are tasks newest first, and
 * the last id of a page is all that a cursor need say. Each application keeps its ids in order;
 * a page over several merges them:
 *
 * Of one interface, or of one state, there is an index: then a lane reads what is of the interface
 * and in one state, and an application has a lane for each state that is asked for. Where the index
 * is behind (an older release used this Redis, and it is being made), the page begins anew, and
 * looks at all tasks. For an author there is none.
 *
 *   REFILL   every lane that ran empty reads its next ids            one round per lane
 *   MERGE    the largest of all heads, again and again, into a batch while no lane is empty
 *   FETCH    the batch's tasks, in one round; those that pass the filters are kept
 *   ... until the page is full, all lanes are at their ends, or SCAN_MAX tasks were looked at
 *
 * A filter that few tasks pass can so make a page short, or empty, with a `next` that goes on:
 * what one request may cost is bounded, whatever is asked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/access/scope.h"
#include "scheduler/history/history_private.h"

enum {
    SCAN_MAX = 2000,     /* tasks that one page looks at */
    BATCH_MAX = 200,     /* tasks that are fetched at once: 18 KB each */
    LANE_READ_MIN = 16,  /* ids that a lane reads at once */
    CREATED_DIGITS = 11, /* of an id, which are its creation time */
    BOUND_SIZE = 32
};

/* The ids of one application, read ahead. */
struct lane {
    struct page *page;
    enum task_state state; /* of what it reads in the index */
    struct text application;
    char name[APPLICATION_SIZE_MAX + 1];
    struct task_id *ids;
    size_t count, at;
    char before[BOUND_SIZE]; /* where to read on */
    bool is_at_end;
};

struct page {
    struct history *history;
    struct history_query query; /* its texts are in `texts` */
    struct buf texts;
    history_tasks_fn then;
    void *context;
    char first[BOUND_SIZE], before[BOUND_SIZE];
    struct lane *lanes;
    size_t lane_count, open;
    bool is_indexed, is_behind; /* the lanes read the index; and it turned out to be behind */
    bool is_scanning;           /* so that they read all, of which few may pass */
    struct store_ref batch[BATCH_MAX];
    size_t batch_count, scanned;
    struct task *tasks;
    size_t task_count;
    char last[TASK_ID_SIZE + 1]; /* the last one that was looked at */
    bool has_problem;
    struct problem problem;
};

static void page_go_on(struct page *page);

static void page_free(struct page *page)
{
    for (size_t i = 0; i < page->lane_count; i++) {
        free(page->lanes[i].ids);
    }
    scope_unref(page->query.scope);
    free(page->lanes);
    free(page->tasks);
    buf_done(&page->texts);
    free(page);
}

static void page_fail(struct page *page, const struct problem *problem)
{
    page->then(page->context, NULL, problem);
    page_free(page);
}

static bool lanes_are_done(const struct page *page)
{
    for (size_t i = 0; i < page->lane_count; i++) {
        if (page->lanes[i].at < page->lanes[i].count || !page->lanes[i].is_at_end) return false;
    }
    return true;
}

static void page_end(struct page *page, bool has_more)
{
    struct history_tasks result = { .tasks = page->tasks, .count = page->task_count };

    if (has_more) snprintf(result.next, sizeof(result.next), "%s", page->last);
    page->then(page->context, &result, NULL);
    page_free(page);
}

/* REFILL ------------------------------------------------------------------------------------ */

static size_t lane_read_size(const struct page *page)
{
    size_t size = 2 * (size_t)page->query.limit / page->lane_count + LANE_READ_MIN;

    return size < PAGE_LIMIT_MAX ? size : PAGE_LIMIT_MAX;
}

static void on_ids(void *context, const struct store_ids *ids, const struct problem *problem)
{
    struct lane *lane = context;
    struct page *page = lane->page;

    if (problem && !page->has_problem) {
        page->has_problem = true;
        page->problem = *problem;
    } else if (!problem) {
        page->is_behind |= ids->is_behind;
        lane->ids = mem_grow(lane->ids, (ids->count + 1) * sizeof(*lane->ids));
        if (ids->count) memcpy(lane->ids, ids->ids, ids->count * sizeof(*lane->ids));
        lane->count = ids->count;
        lane->at = 0;
        lane->is_at_end = ids->count < lane_read_size(page);
        if (ids->count) {
            snprintf(lane->before, sizeof(lane->before), "%s", ids->ids[ids->count - 1].text);
        }
    }
    if (--page->open == 0) page_go_on(page);
}

static void lane_read(struct lane *lane, const struct store_range *range)
{
    const struct page *page = lane->page;
    struct store_kind kind = { page->query.interface, lane->state };

    if (page->is_indexed) {
        store_index_ids(page->history->store, lane->application, &kind, range, on_ids, lane);
    } else {
        store_task_ids(page->history->store, lane->application, range, on_ids, lane);
    }
}

static bool lane_is_empty(const struct lane *lane)
{
    return lane->at == lane->count && !lane->is_at_end;
}

/* Returns whether some lane had to read. */
static bool refill(struct page *page)
{
    for (size_t i = 0; i < page->lane_count; i++) {
        if (lane_is_empty(&page->lanes[i])) page->open++;
    }
    for (size_t i = 0; i < page->lane_count; i++) {
        struct lane *lane = &page->lanes[i];
        struct store_range range = { text_of(page->first), text_of(lane->before),
                                     (uint32_t)lane_read_size(page) };
        if (lane_is_empty(lane)) lane_read(lane, &range);
    }
    return page->open > 0;
}

/* MERGE ------------------------------------------------------------------------------------- */

/* The lane with the largest head; NULL if one must be read first, or all are at their ends. */
static struct lane *newest_lane(struct page *page)
{
    struct lane *newest = NULL;

    for (size_t i = 0; i < page->lane_count; i++) {
        struct lane *lane = &page->lanes[i];
        if (lane_is_empty(lane)) return NULL;
        if (lane->at == lane->count) continue;
        if (!newest || strcmp(lane->ids[lane->at].text, newest->ids[newest->at].text) > 0) {
            newest = lane;
        }
    }
    return newest;
}

static void merge(struct page *page)
{
    size_t wanted = page->query.limit - page->task_count;
    bool is_filtered = page->query.author.size > 0 || page->is_scanning;
    struct lane *lane;

    if (is_filtered || wanted > BATCH_MAX) wanted = BATCH_MAX;
    page->batch_count = 0;
    while (page->batch_count < wanted && (lane = newest_lane(page)) != NULL) {
        page->batch[page->batch_count++] =
            (struct store_ref){ lane->application, lane->ids[lane->at++] };
    }
}

/* FETCH ------------------------------------------------------------------------------------- */

static bool passes(const struct history_query *query, const struct task *task)
{
    if (!task->id.text[0]) return false; /* forgotten in between */
    if (query->state >= 0 && task->state != (enum task_state)query->state) return false;
    if (query->interface.size && !text_is_equal(query->interface, text_of(task->spec.interface))) {
        return false;
    }
    return query->author.size == 0 || text_is_equal(query->author, text_of(task->spec.author));
}

static void on_tasks(void *context, const struct task *tasks, size_t count,
                     const struct problem *problem)
{
    struct page *page = context;
    size_t i;

    if (problem) {
        page_fail(page, problem);
        return;
    }
    page->tasks = mem_grow(page->tasks, (page->task_count + count + 1) * sizeof(*page->tasks));
    for (i = 0; i < count && page->task_count < page->query.limit; i++) {
        memcpy(page->last, page->batch[i].id.text, sizeof(page->last));
        if (passes(&page->query, &tasks[i])) page->tasks[page->task_count++] = tasks[i];
    }
    page->scanned += i;
    if (page->task_count == page->query.limit) {
        page_end(page, i < count || !lanes_are_done(page));
    } else {
        page_go_on(page);
    }
}

static void lane_add(struct page *page, struct text application)
{
    struct lane *lane = &page->lanes[page->lane_count++];

    *lane = (struct lane){ .page = page };
    memcpy(lane->name, application.data, application.size);
    lane->application = (struct text){ lane->name, application.size };
    memcpy(lane->before, page->before, sizeof(lane->before));
}

/* One lane of each application goes on, over all of its tasks. */
static void begin_anew(struct page *page)
{
    size_t count = page->lane_count;
    enum task_state first = page->lanes[0].state;

    page->is_scanning = true;
    page->is_indexed = page->is_behind = false;
    page->lane_count = page->task_count = page->scanned = 0;
    for (size_t i = 0; i < count; i++) {
        struct lane lane = page->lanes[i];
        free(lane.ids);
        if (lane.state == first) lane_add(page, (struct text){ lane.name, lane.application.size });
    }
}

static void page_go_on(struct page *page)
{
    if (page->has_problem) {
        page_fail(page, &page->problem);
        return;
    }
    if (page->is_behind) begin_anew(page);
    if (lanes_are_done(page) || page->scanned >= SCAN_MAX) {
        page_end(page, !lanes_are_done(page));
        return;
    }
    merge(page);
    if (page->batch_count > 0) {
        store_tasks_get(page->history->store, page->batch, page->batch_count, on_tasks, page);
    } else {
        CHECK(refill(page)); /* nothing to merge, and not all at their ends */
    }
}

/* The beginning ----------------------------------------------------------------------------- */

/* One for each state that is asked for, if there is an index; otherwise one. */
static void lanes_add(struct page *page, struct text application)
{
    for (int state = 0; state < TASK_STATE_COUNT; state++) {
        if (page->is_indexed ? page->query.state >= 0 && page->query.state != state : state > 0)
            continue;
        lane_add(page, application);
        page->lanes[page->lane_count - 1].state = (enum task_state)state;
    }
}

static void on_applications(void *context, const struct store_applications *all,
                            const struct problem *problem)
{
    struct page *page = context;

    if (problem) {
        page_fail(page, problem);
        return;
    }
    page->lanes = mem_zalloc(all->count * TASK_STATE_COUNT + 1, sizeof(*page->lanes));
    for (size_t i = 0; i < all->count; i++) {
        if (scope_has(page->query.scope, all->names[i])) lanes_add(page, all->names[i]);
    }
    page_go_on(page);
}

static void refuse(void *context)
{
    struct page *page = context;

    page_fail(page, &page->problem);
}

static void begin(void *context)
{
    page_go_on(context);
}

/* Copies what the query points to. */
static struct text keep(struct page *page, struct text text)
{
    size_t at = page->texts.size;

    CHECK(buf_text(&page->texts, text) == 0);
    return (struct text){ page->texts.data ? page->texts.data + at : "", text.size };
}

static int bounds_make(struct page *page, struct problem *problem)
{
    const struct history_query *query = &page->query;
    struct task_id cursor;

    if (query->from_wall_ms) {
        snprintf(page->first, sizeof(page->first), "%0*" PRIx64, CREATED_DIGITS,
                 query->from_wall_ms);
    }
    if (query->to_wall_ms) {
        snprintf(page->before, sizeof(page->before), "%0*" PRIx64, CREATED_DIGITS,
                 query->to_wall_ms);
    }
    if (query->cursor.size == 0) return 0;
    if (task_id_parse(query->cursor, &cursor) < 0) return cursor_refuse(query->cursor, problem);
    if (!page->before[0] || strcmp(cursor.text, page->before) < 0) {
        snprintf(page->before, sizeof(page->before), "%s", cursor.text);
    }
    return 0;
}

static int query_check(const struct history_query *query, struct problem *problem)
{
    if (query->application.size && application_check(query->application, problem) < 0) return -1;
    if (query->interface.size && interface_check(query->interface, problem) < 0) return -1;
    if (query->author.size && author_check(query->author, problem) < 0) return -1;
    return limit_check(query->limit, problem);
}

void history_tasks(struct history *history, const struct history_query *query,
                   history_tasks_fn then, void *context)
{
    enum { TEXTS_SIZE_MAX = 4096 };
    struct page *page = mem_zalloc(1, sizeof(*page));

    page->history = history;
    page->then = then;
    page->context = context;
    page->query = *query;
    scope_ref(page->query.scope);
    page->texts = BUF_INIT(TEXTS_SIZE_MAX);
    if (query_check(query, &page->problem) < 0 || bounds_make(page, &page->problem) < 0) {
        store_defer(history->store, refuse, page);
        return;
    }
    CHECK(buf_reserve(&page->texts, TEXTS_SIZE_MAX - 1)); /* so that it never moves */
    page->query.interface = keep(page, query->interface);
    page->query.author = keep(page, query->author);
    page->is_indexed = query->interface.size > 0 || query->state >= 0;
    if (query->application.size > 0) {
        page->lanes = mem_zalloc(TASK_STATE_COUNT, sizeof(*page->lanes));
        if (scope_has(query->scope, query->application)) lanes_add(page, query->application);
        store_defer(history->store, begin, page);
    } else {
        store_applications(history->store, on_applications, page);
    }
}
