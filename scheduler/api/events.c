/* SPDX-License-Identifier: Apache-2.0 */
/* events.c: /api/v1/events: tasks and samples as they change, as server-sent events.
 *
 *     event: task
 *     data: {"id": ...}
 *
 * A stream says nothing of the past: a client first opens it, then reads the lists, then applies
 * what the stream says. A comment goes out at once, so that the client knows that it is
 * connected, and every 15 s, so that nobody in between closes what is silent. */
#include "scheduler/api/events.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/scoping.h"
#include "scheduler/api/task_value.h"
#include "scheduler/live/live.h"

#include <stdlib.h>

enum { ALIVE_INTERVAL_S = 15, EVENT_SIZE_MAX = 256 * 1024 };

struct stream {
    struct api *api;
    struct http_request *request;
    struct live_stream *live;
    struct stream *next;
};

static void stream_forget(struct stream *stream)
{
    struct stream **link = &stream->api->streams;

    while (*link != stream) {
        link = &(*link)->next;
    }
    *link = stream->next;
    live_stream_close(stream->api->rooms.live, stream->live);
    free(stream);
}

static void on_gone(void *context)
{
    stream_forget(context);
}

static void on_event(void *context, const struct live_event *event)
{
    struct stream *stream = context;
    OWN(buf_done) struct buf text = BUF_INIT(EVENT_SIZE_MAX);

    if (!scope_has(request_scope(stream->request), event->application)) return;
    buf_printf(&text, "event: %.*s\ndata: ", TEXT_ARGS(event->type));
    buf_text(&text, event->json);
    buf_text(&text, TEXT("\n\n"));
    if (!text.failed) http_stream_send(stream->request, buf_peek(&text));
}

void on_events(struct api *api, struct http_request *request)
{
    struct stream *stream;

    if (live_stream_count(api->rooms.live) >= EVENT_STREAMS_MAX) {
        struct problem problem;

        problem_set(&problem, PROBLEM_BUSY, "%d listen already; try again.", EVENT_STREAMS_MAX);
        answer_problem(request, &problem);
        return;
    }
    stream = mem_zalloc(1, sizeof *stream);
    *stream = (struct stream){ .api = api, .request = request, .next = api->streams };
    api->streams = stream;
    stream->live = live_stream_open(api->rooms.live, on_event, stream);
    http_answer_header(request, "Cache-Control", "no-cache");
    http_stream_begin(request, "text/event-stream", on_gone, stream);
    http_stream_send(request, TEXT(": stakeout\n\n"));
}

/* Those whose token is good no more. */
static void end_revoked(struct api *api)
{
    struct stream *next;

    for (struct stream *stream = api->streams; stream; stream = next) {
        struct http_request *request = stream->request;

        next = stream->next;
        if (http_is_still_admitted(request)) continue;
        stream_forget(stream);
        http_stream_end(request);
    }
}

void events_tick(struct api *api, uint64_t now_ns)
{
    struct stream *next;

    end_revoked(api);
    if (now_ns - api->streams_tick_ns < ALIVE_INTERVAL_S * NS_PER_S) return;
    api->streams_tick_ns = now_ns;
    for (struct stream *stream = api->streams; stream; stream = next) {
        next = stream->next; /* sending may find the client gone */
        http_stream_send(stream->request, TEXT(": alive\n\n"));
    }
}

void events_end(struct api *api)
{
    while (api->streams) {
        struct http_request *request = api->streams->request;

        stream_forget(api->streams);
        http_stream_end(request);
    }
}

static void publish(struct api *api, struct text application, const char *type, json_t *take_value)
{
    size_t size;
    char *json = value_print(take_value, &size);

    json_decref(take_value);
    live_publish(api->rooms.live,
                 &(struct live_event){ application, text_of(type), { json, size } });
    free(json);
}

/* Nothing is written while nobody listens. */
void events_publish(struct api *api, const struct task *task, const struct sample_summary *sample)
{
    struct text application = text_of(task->spec.application);

    if (live_stream_count(api->rooms.live) == 0) return;
    publish(api, application, "task", task_value(api, task, WARN_BRIEFLY, NULL));
    if (sample) publish(api, application, "sample", sample_value(sample));
}
