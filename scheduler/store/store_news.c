/* SPDX-License-Identifier: Apache-2.0 */
/* store_news.c: what schedulers on one Redis tell each other, by a stream: reading it. What is
 * written to it, and when, is in store_tell.c.
 *
 *   XRANGE news LAST LAST              is the last one that we read still there?
 *   XREAD BLOCK news LAST              what came after it; on its own connection
 *   HGETALL task, HGET sample...       what that is about, on the store's own
 *
 * Nothing is missed: a reader goes on where it was, also on a new connection. If what it read last
 * is gone, so may be what came after it (trimmed, or Redis is an older one): then, as at the
 * start, it takes the stream's end for its place and tells the listener to load everything. The
 * question and the reading go out together, so that no trimming of NEWS_MAX fits in between.
 *
 * An entry says where to look, not what is there, so it may come late, or twice. It is written
 * behind the change, not with it: one stream for all applications cannot be in the slot of each.
 * Should its writer end in between, the others see the change by the version of the application's
 * tasks, which they ask for now and then (task/tasks.c).
 *
 * INVARIANT: at most one reading (two requests) is under way. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "scheduler/store/record.h"
#include "scheduler/store/redis/timer.h"
#include "scheduler/store/store_private.h"
#include "scheduler/store/store_route.h"

enum {
    ENTRIES_MAX = 256, /* of one reading */
    BLOCK_MS = 2000,   /* less than what redis_conn waits for an answer */
    RETRY_MS = 1000,   /* after a refusal */
    ELSEWHERE_MS = 100,
    ENTRY_ID_SIZE_MAX = 41,
};

struct store_news {
    struct store *store;
    struct redis_conn *conn;  /* the reader's own */
    struct redis_place place; /* with a Cluster: where that is, or tries to be */
    struct redis_request look, read;
    struct event *retry;
    char last[ENTRY_ID_SIZE_MAX + 1]; /* what was read last; empty: begin with the end */
    bool is_lost;                     /* the last one is gone */
    bool has_read;                    /* it had a place before */
    bool is_reading;                  /* Redis lets us, and nothing is missing */
    bool was_refused;                 /* and that was logged */
    unsigned open;                    /* requests under way */
    store_news_fn on_news;
    store_gap_fn on_gap;
    void *context;
};

/* Looking at what it is about --------------------------------------------------------------- */

struct item {
    char application[APPLICATION_SIZE_MAX + 1];
    struct task_id task;
    uint64_t version;
    struct sample_id samples[STORE_TOLD_SAMPLES_MAX];
    size_t count;
};

struct batch {
    struct store *store;
    struct item items[ENTRIES_MAX];
    size_t count;
    size_t at, at_index; /* the item that is being answered, and the index of its first answer */
    struct task task;    /* of it */
    bool has_task;
};

static void tell_sample(const struct batch *batch, const struct item *item,
                        const struct sample_id *sample, const struct redis_value *row)
{
    const struct store_news *news = batch->store->news;
    struct sample_summary summary;
    uint64_t order;

    bool has_sample = record_read_sample(redis_value_text(row), &summary, &order) == 0;

    if (!batch->has_task || !news->on_news) return;
    if (has_sample) {
        summary.id = *sample;
        summary.task = item->task;
        memcpy(summary.application, item->application, sizeof(summary.application));
    }
    news->on_news(news->context, &batch->task, item->version, has_sample ? &summary : NULL);
}

/* An item has one answer more than samples: the task's fields, then the samples' rows. */
static void on_item_answer(void *my, size_t index, const struct redis_value *value)
{
    struct batch *batch = my;
    const struct store_news *news = batch->store->news;
    const struct item *item = &batch->items[batch->at];

    while (index > batch->at_index + item->count) {
        batch->at_index += item->count + 1;
        item = &batch->items[++batch->at];
        batch->has_task = false;
    }
    if (index > batch->at_index) {
        tell_sample(batch, item, &item->samples[index - batch->at_index - 1], value);
        return;
    }
    batch->has_task = record_read_task(value, &item->task, &batch->task) == 0;
    if (batch->has_task && item->count == 0 && news->on_news)
        news->on_news(news->context, &batch->task, item->version, NULL);
}

static void on_items_done(void *my, const struct problem *problem)
{
    (void)problem; /* the connection was lost: everything is loaded when it is back */
    free(my);
}

static void batch_send(struct batch *batch)
{
    struct round *round = round_new(batch->store, on_item_answer, on_items_done, batch);

    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        struct key_tag tag = key_tag_make(text_of(item->application));

        key_add_task(round_add(round, "HGETALL"), &tag, &item->task, "");
        for (size_t j = 0; j < item->count; j++) {
            struct redis_command *row = round_add(round, "HGET");
            key_add_task(row, &tag, &item->task, "samples");
            redis_command_add(row, text_of(item->samples[j].text));
        }
    }
    round_send(round);
}

/* Reading ----------------------------------------------------------------------------------- */

static struct text field_of(const struct redis_value *fields, const char *name)
{
    for (size_t i = 0; i + 1 < redis_value_count(fields); i += 2) {
        if (text_is_equal(redis_value_text(redis_value_at(fields, i)), text_of(name)))
            return redis_value_text(redis_value_at(fields, i + 1));
    }
    return TEXT("");
}

static bool read_samples(const struct redis_value *fields, struct item *item)
{
    for (size_t i = 0; i + 1 < redis_value_count(fields); i += 2) {
        if (!text_is_equal(redis_value_text(redis_value_at(fields, i)), TEXT("sample"))) continue;
        if (item->count == ARRAY_COUNT(item->samples)) return false;
        if (sample_id_parse(redis_value_text(redis_value_at(fields, i + 1)),
                            &item->samples[item->count++]) < 0) {
            return false;
        }
    }
    return true;
}

static bool read_item(const struct redis_value *fields, struct item *ret)
{
    struct text application = field_of(fields, "application");

    *ret = (struct item){ 0 };
    if (text_to_u64(field_of(fields, "version"), &ret->version) < 0) return false;
    if (application.size == 0 || application.size > APPLICATION_SIZE_MAX) return false;
    memcpy(ret->application, application.data, application.size);
    if (!read_samples(fields, ret)) return false;
    return task_id_parse(field_of(fields, "task"), &ret->task) == 0;
}

static void take_entry(struct store_news *news, const struct redis_value *fields,
                       struct batch *batch)
{
    if (text_is_equal(field_of(fields, "by"), text_of(news->store->name))) return;
    if (field_of(fields, "access").size > 0) store_refresh_soon(news->store);
    if (read_item(fields, &batch->items[batch->count])) batch->count++;
}

static void set_place(struct store_news *news, struct text id)
{
    if (id.size == 0 || id.size > ENTRY_ID_SIZE_MAX) return;
    memcpy(news->last, id.data, id.size);
    news->last[id.size] = '\0';
}

/* Entries are [id, [name, value, ...]]. */
static void take_entries(struct store_news *news, const struct redis_value *entries)
{
    struct batch *batch = mem_zalloc(1, sizeof(*batch));

    batch->store = news->store;
    for (size_t i = 0; i < redis_value_count(entries) && i < ENTRIES_MAX; i++) {
        const struct redis_value *entry = redis_value_at(entries, i);
        take_entry(news, redis_value_at(entry, 1), batch);
        set_place(news, redis_value_text(redis_value_at(entry, 0)));
    }
    batch_send(batch);
}

static void read_on(struct store_news *news);

/* The end of the stream, which may be empty, is our place. */
static void take_end(struct store_news *news, struct text id)
{
    bool has_missed = news->has_read;

    set_place(news, id.size > 0 ? id : TEXT("0-0"));
    news->is_reading = news->has_read = true;
    news->was_refused = false;
    if (has_missed) log_event(LOG_INFO, "some news cannot be read any more; loading all");
    if (news->on_gap) news->on_gap(news->context, has_missed);
}

static void lose_place(struct store_news *news)
{
    news->last[0] = '\0';
    news->is_reading = false;
}

static void note_refusal(struct store_news *news, const struct redis_value *value)
{
    if (!news->was_refused) {
        log_event(LOG_WARN,
                  "Redis refuses the stream of news; changes by other schedulers are seen within "
                  "a second",
                  LOG_TEXT("why", redis_value_text(value)));
    }
    news->was_refused = true;
    lose_place(news);
    timer_arm(news->retry, RETRY_MS);
}

/* The stream has moved to another master, or is about to: our place in it is as good there. */
static bool is_elsewhere(const struct redis_value *value)
{
    static const char *const words[] = { "MOVED ", "ASK ", "CLUSTERDOWN" };

    for (size_t i = 0; i < ARRAY_COUNT(words) && redis_value_is_error(value); i++) {
        if (text_starts_with(redis_value_text(value), text_of(words[i]))) return true;
    }
    return false;
}

static void look_elsewhere(struct store_news *news)
{
    news->is_reading = false;
    store_route_note_moved(news->store);
    timer_arm(news->retry, ELSEWHERE_MS);
}

static struct store_news *news_of(struct redis_request *request, size_t offset)
{
    return (struct store_news *)(void *)((char *)request - offset);
}

/* The entry that we read last; or, without one, the last of all. */
static void on_look(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct store_news *news = news_of(request, offsetof(struct store_news, look));
    bool is_there = redis_value_count(value) > 0;

    redis_command_done(&request->command);
    news->open--;
    if (rc < 0 || redis_value_is_error(value)) {
        if (is_elsewhere(value))
            look_elsewhere(news);
        else if (rc == 0)
            note_refusal(news, value);
    } else if (news->last[0]) {
        news->is_lost = !is_there && strcmp(news->last, "0-0") != 0;
        news->is_reading = !news->is_lost;
    } else {
        take_end(news, redis_value_text(redis_value_at(redis_value_at(value, 0), 0)));
        read_on(news);
    }
}

/* nil: nothing came. [[news, entries]] */
static void on_read(struct redis_request *request, const struct redis_value *value, int rc)
{
    struct store_news *news = news_of(request, offsetof(struct store_news, read));

    redis_command_done(&request->command);
    news->open--;
    if (rc < 0) return; /* the connection is down; it goes on when it is up */
    if (is_elsewhere(value)) {
        look_elsewhere(news);
        return;
    }
    if (redis_value_is_error(value)) {
        note_refusal(news, value);
        return;
    }
    if (news->is_lost) {
        lose_place(news);
    } else if (!redis_value_is_nil(value)) {
        take_entries(news, redis_value_at(redis_value_at(value, 0), 1));
    }
    read_on(news);
}

static void send_look(struct store_news *news)
{
    struct redis_command *command = &news->look.command;
    bool has_place = news->last[0];

    news->look =
        (struct redis_request){ .command = redis_command_make(has_place ? "XRANGE" : "XREVRANGE"),
                                .on_answer = on_look };
    redis_command_add(command, TEXT(KEY_NEWS));
    redis_command_add(command, has_place ? text_of(news->last) : TEXT("+"));
    redis_command_add(command, has_place ? text_of(news->last) : TEXT("-"));
    redis_command_add(command, TEXT("COUNT"));
    redis_command_add(command, TEXT("1"));
    news->open++;
    redis_conn_send(news->conn, &news->look);
}

static void send_read(struct store_news *news)
{
    struct redis_command *command = &news->read.command;

    news->read =
        (struct redis_request){ .command = redis_command_make("XREAD"), .on_answer = on_read };
    redis_command_add(command, TEXT("COUNT"));
    redis_command_add_u64(command, ENTRIES_MAX);
    redis_command_add(command, TEXT("BLOCK"));
    redis_command_add_u64(command, BLOCK_MS);
    redis_command_add(command, TEXT("STREAMS"));
    redis_command_add(command, TEXT(KEY_NEWS));
    redis_command_add(command, text_of(news->last));
    news->open++;
    redis_conn_send(news->conn, &news->read);
}

static void read_on(struct store_news *news)
{
    bool has_place = news->last[0];

    if (news->open > 0 || !redis_conn_is_up(news->conn)) return;
    news->is_lost = false;
    send_look(news);
    if (has_place) send_read(news);
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    read_on(context);
}

/* Life -------------------------------------------------------------------------------------- */

/* What the connection before left under way is answered soon, if it is not yet: then again. */
static void on_up(void *context)
{
    struct store_news *news = context;

    redis_conn_note_good(news->conn);
    if (news->open > 0) {
        timer_arm(news->retry, 1);
    } else {
        read_on(news);
    }
}

static void on_down(void *context, const char *why)
{
    struct store_news *news = context;

    (void)why;
    news->is_reading = false;
}

struct store_news *store_news_new(struct store *store)
{
    struct store_news *news = mem_zalloc(1, sizeof(*news));

    news->store = store;
    news->retry = evtimer_new(store->options.base, on_retry, news);
    CHECK(news->retry);
    news->conn = redis_conn_new(&(struct redis_conn_options){
        .base = store->options.base, .on_up = on_up, .on_down = on_down, .context = news });
    return news;
}

void store_news_connect(struct store_news *news)
{
    if (news->store->cluster || redis_conn_is_up(news->conn)) return;
    redis_conn_connect(news->conn, &news->store->address);
}

void store_news_follow(struct store_news *news)
{
    struct redis_address address;
    struct redis_place *place = &news->place;

    if (!news->store->cluster || !store_route_find(news->store, KEY_NEWS, &address)) return;
    if (place->port == address.port && strcmp(place->host, address.host) == 0) return;
    memcpy(place->host, address.host, sizeof(place->host));
    place->port = address.port;
    redis_conn_connect(news->conn, &address);
}

struct store_news *store_news_free(struct store_news *news)
{
    if (!news) return NULL;
    redis_conn_close(news->conn);
    while (redis_conn_answer_failed(news->conn)) {
    }
    redis_conn_free(news->conn);
    event_free(news->retry);
    free(news);
    return NULL;
}

void store_on_news(struct store *store, store_news_fn on_news, store_gap_fn on_gap, void *context)
{
    store->news->on_news = on_news;
    store->news->on_gap = on_gap;
    store->news->context = context;
}

bool store_reads_news(const struct store *store)
{
    return store->news->is_reading;
}
