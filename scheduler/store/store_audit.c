/* SPDX-License-Identifier: Apache-2.0 */
/* store_audit.c: who did what, in one stream: its ids are the times, by Redis' clock, and the
 * cursors of pages. An entry is one field, of lines; the newest AUDIT_MAX or so are kept, and of
 * these the young enough. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "scheduler/store/record.h"
#include "scheduler/store/store_private.h"

enum { AUDIT_MAX = 100000, TRIM_MAX = 1000 /* at once */ };

/* Writing ----------------------------------------------------------------------------------- */

struct put {
    store_done_fn then;
    void *context;
};

static void on_nothing(void *my, size_t index, const struct redis_value *value)
{
    (void)my, (void)index, (void)value;
}

static void on_put(void *my, const struct problem *problem)
{
    struct put *put = my;

    put->then(put->context, problem);
    free(put);
}

void store_audit_put(struct store *store, const struct store_audit *entry, store_done_fn then,
                     void *context)
{
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);
    struct put *put = mem_zalloc(1, sizeof(*put));
    struct round *round = round_new(store, on_nothing, on_put, put);
    struct redis_command *command = round_add(round, "XADD");

    *put = (struct put){ then, context };
    record_write_audit(&record, entry);
    redis_command_add(command, TEXT(KEY_AUDIT));
    redis_command_add(command, TEXT("MAXLEN"));
    redis_command_add(command, TEXT("~"));
    redis_command_add_u64(command, AUDIT_MAX);
    redis_command_add(command, TEXT("*"));
    redis_command_add(command, TEXT("entry"));
    redis_command_add(command, buf_peek(&record));
    round_send(round);
}

static void on_trimmed(void *my, const struct problem *problem)
{
    (void)my, (void)problem; /* the next time */
}

void store_audit_trim(struct store *store, uint64_t keep_ms)
{
    uint64_t now_ms = store_now_wall_ms(store);
    struct round *round = round_new(store, on_nothing, on_trimmed, store);
    struct redis_command *command = round_add(round, "XTRIM");

    redis_command_add(command, TEXT(KEY_AUDIT));
    redis_command_add(command, TEXT("MINID"));
    redis_command_add(command, TEXT("~"));
    redis_command_add_u64(command, now_ms > keep_ms ? now_ms - keep_ms : 0);
    redis_command_add(command, TEXT("LIMIT"));
    redis_command_add_u64(command, TRIM_MAX);
    round_send(round);
}

/* Reading ----------------------------------------------------------------------------------- */

struct page {
    store_audit_fn then;
    void *context;
    uint32_t limit;
    struct store_audit *entries;
    struct store_audit_page result;
    bool misread;
};

/* "1795000000000-0" */
static bool read_id(struct text id, struct store_audit *ret)
{
    const char *dash = id.size > 0 ? memchr(id.data, '-', id.size) : NULL;

    if (!dash || id.size >= sizeof(ret->id)) return false;
    memcpy(ret->id, id.data, id.size);
    ret->id[id.size] = '\0';
    return text_to_u64((struct text){ id.data, (size_t)(dash - id.data) }, &ret->at_wall_ms) == 0;
}

static void on_entries(void *my, size_t index, const struct redis_value *value)
{
    struct page *page = my;
    size_t count = redis_value_count(value);

    (void)index;
    page->entries = mem_zalloc(count + 1, sizeof(*page->entries));
    for (size_t i = 0; i < count; i++) {
        const struct redis_value *pair = redis_value_at(value, i);
        struct store_audit *entry = &page->entries[page->result.count];

        if (record_read_audit(redis_value_text(redis_value_at(redis_value_at(pair, 1), 1)), entry) <
                0 ||
            !read_id(redis_value_text(redis_value_at(pair, 0)), entry))
            page->misread = true;
        else
            page->result.count++;
    }
    page->result.has_more = count == page->limit;
}

static void on_page(void *my, const struct problem *problem)
{
    struct page *page = my;
    struct problem own;

    if (!problem && page->misread) {
        store_misread(&own, "an entry of the audit log");
        problem = &own;
    }
    page->result.entries = page->entries;
    page->then(page->context, problem ? NULL : &page->result, problem);
    free(page->entries);
    free(page);
}

void store_audit_read(struct store *store, const struct store_audit_query *query,
                      store_audit_fn then, void *context)
{
    struct page *page = mem_zalloc(1, sizeof(*page));
    struct round *round = round_new(store, on_entries, on_page, page);
    struct redis_command *command = round_add(round, "XREVRANGE");

    page->then = then;
    page->context = context;
    page->limit = query->limit;
    redis_command_add(command, TEXT(KEY_AUDIT));
    if (query->before.size > 0)
        redis_command_add_format(command, "(%.*s", TEXT_ARGS(query->before));
    else if (query->to_wall_ms > 0)
        redis_command_add_format(command, "(%" PRIu64, query->to_wall_ms);
    else
        redis_command_add(command, TEXT("+"));
    if (query->from_wall_ms > 0)
        redis_command_add_u64(command, query->from_wall_ms);
    else
        redis_command_add(command, TEXT("-"));
    redis_command_add(command, TEXT("COUNT"));
    redis_command_add_u64(command, query->limit);
    round_send(round);
}
