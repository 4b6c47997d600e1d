/* SPDX-License-Identifier: Apache-2.0 */
/* live.c: a parked poll is in one of two queues, and in the group of its application.
 *
 *   `sleeping`  ordered by deadline. All parks last about equally long, so a new one is put in
 *               from the end, after few comparisons; one timer serves the first of them.
 *   `waking`    to be called, TURN_MAX of them per turn of the loop, in the order of waking.
 *
 * A turn ends with a timer of zero: libevent looks at sockets before it comes back to it, while
 * an event made active by hand would run in the same round and starve everybody else. A wake
 * function may park, unpark and wake as it likes: nothing is held while it runs. */
#include "scheduler/live/live.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    GROUP_BUCKETS = 1024, /* applications with polls, hashed */
    TURN_MAX = 64,        /* polls woken per turn of the loop, which others wait for: some 1 ms */
};

struct live_poll {
    TAILQ_ENTRY(live_poll) link; /* of sleeping or waking */
    LIST_ENTRY(live_poll) member;
    struct group *group;
    uint64_t deadline_ns;
    bool is_waking;
    live_wake_fn wake;
    void *context;
};
TAILQ_HEAD(polls, live_poll);

struct group {
    LIST_ENTRY(group) link;
    LIST_HEAD(, live_poll) polls; /* sleeping ones alone */
    size_t poll_count;            /* all of them; the group goes with the last */
    size_t application_size;
    char application[];
};

struct live_stream {
    TAILQ_ENTRY(live_stream) link;
    live_event_fn on_event;
    void *context;
    bool is_closed; /* while events are being told: freed afterwards */
};

struct live {
    struct event *timer; /* the first deadline */
    struct event *turn;  /* the next turn of waking */
    struct polls sleeping, waking;
    size_t parked_count;
    LIST_HEAD(, group) groups[GROUP_BUCKETS];
    TAILQ_HEAD(, live_stream) streams;
    size_t stream_count;
    unsigned publishing; /* depth */
};

/* --- groups --- */

static struct group *group_find(struct live *live, struct text application)
{
    struct group *group;

    LIST_FOREACH(group, &live->groups[text_hash(application) % GROUP_BUCKETS], link)
    {
        if (text_is_equal((struct text){ group->application, group->application_size },
                          application))
            return group;
    }
    return NULL;
}

static struct group *group_make(struct live *live, struct text application)
{
    struct group *group = group_find(live, application);

    if (group) return group;
    group = mem_zalloc(1, sizeof *group + application.size + 1);
    group->application_size = application.size;
    if (application.size > 0) memcpy(group->application, application.data, application.size);
    LIST_INSERT_HEAD(&live->groups[text_hash(application) % GROUP_BUCKETS], group, link);
    return group;
}

static void group_leave(struct live_poll *poll)
{
    if (!poll->is_waking) LIST_REMOVE(poll, member);
    if (--poll->group->poll_count > 0) return;
    LIST_REMOVE(poll->group, link);
    free(poll->group);
}

/* --- polls --- */

static struct timeval timeval_of(uint64_t ns)
{
    return (struct timeval){ .tv_sec = (time_t)(ns / NS_PER_S),
                             .tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US) };
}

static void arm_timer(struct live *live)
{
    const struct live_poll *first = TAILQ_FIRST(&live->sleeping);
    uint64_t now_ns = clock_monotonic_ns();
    struct timeval in;

    if (!first) {
        evtimer_del(live->timer);
        return;
    }
    /* Half a millisecond late rather than early, so that one look is enough. */
    in = timeval_of(first->deadline_ns > now_ns ? first->deadline_ns - now_ns + NS_PER_MS / 2 : 0);
    evtimer_add(live->timer, &in);
}

static void insert_by_deadline(struct live *live, struct live_poll *poll)
{
    struct live_poll *before = TAILQ_LAST(&live->sleeping, polls);

    while (before && before->deadline_ns > poll->deadline_ns) {
        before = TAILQ_PREV(before, polls, link);
    }
    if (before)
        TAILQ_INSERT_AFTER(&live->sleeping, before, poll, link);
    else
        TAILQ_INSERT_HEAD(&live->sleeping, poll, link);
}

struct live_poll *live_park(struct live *live, struct text application, uint64_t park_ms,
                            live_wake_fn wake, void *context)
{
    struct live_poll *poll = mem_zalloc(1, sizeof *poll);

    poll->group = group_make(live, application);
    poll->group->poll_count++;
    poll->deadline_ns = clock_monotonic_ns() + ms_to_ns(park_ms);
    poll->wake = wake;
    poll->context = context;
    LIST_INSERT_HEAD(&poll->group->polls, poll, member);
    insert_by_deadline(live, poll);
    live->parked_count++;
    if (TAILQ_FIRST(&live->sleeping) == poll) arm_timer(live);
    return poll;
}

static void remove_poll(struct live *live, struct live_poll *poll)
{
    TAILQ_REMOVE(poll->is_waking ? &live->waking : &live->sleeping, poll, link);
    group_leave(poll);
    live->parked_count--;
    free(poll);
}

void live_unpark(struct live *live, struct live_poll *poll)
{
    remove_poll(live, poll);
}

static void move_to_waking(struct live *live, struct live_poll *poll)
{
    TAILQ_REMOVE(&live->sleeping, poll, link);
    LIST_REMOVE(poll, member);
    poll->is_waking = true;
    TAILQ_INSERT_TAIL(&live->waking, poll, link);
}

static void arm_turn(struct live *live)
{
    static const struct timeval at_once = { 0 };

    if (!TAILQ_EMPTY(&live->waking)) evtimer_add(live->turn, &at_once);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct live *live = context;
    struct live_poll *poll;

    (void)fd, (void)what;
    for (int i = 0; i < TURN_MAX && (poll = TAILQ_FIRST(&live->waking)) != NULL; i++) {
        live_wake_fn wake = poll->wake;
        void *poll_context = poll->context;

        remove_poll(live, poll);
        wake(poll_context);
    }
    arm_turn(live);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct live *live = context;
    uint64_t now_ns = clock_monotonic_ns();
    struct live_poll *poll;

    (void)fd, (void)what;
    while ((poll = TAILQ_FIRST(&live->sleeping)) != NULL && poll->deadline_ns <= now_ns) {
        move_to_waking(live, poll);
    }
    arm_turn(live);
    arm_timer(live);
}

void live_wake(struct live *live, struct text application)
{
    struct group *group = group_find(live, application);
    struct live_poll *poll;

    if (!group) return;
    while ((poll = LIST_FIRST(&group->polls)) != NULL) {
        move_to_waking(live, poll);
    }
    arm_turn(live);
}

void live_wake_all(struct live *live)
{
    struct live_poll *poll;

    while ((poll = TAILQ_FIRST(&live->sleeping)) != NULL) {
        move_to_waking(live, poll);
    }
    arm_turn(live);
}

size_t live_parked_count(const struct live *live)
{
    return live->parked_count;
}

/* --- streams --- */

struct live_stream *live_stream_open(struct live *live, live_event_fn on_event, void *context)
{
    struct live_stream *stream = mem_zalloc(1, sizeof *stream);

    stream->on_event = on_event;
    stream->context = context;
    TAILQ_INSERT_TAIL(&live->streams, stream, link);
    live->stream_count++;
    return stream;
}

static void free_closed(struct live *live)
{
    struct live_stream *stream, *next;

    for (stream = TAILQ_FIRST(&live->streams); stream; stream = next) {
        next = TAILQ_NEXT(stream, link);
        if (!stream->is_closed) continue;
        TAILQ_REMOVE(&live->streams, stream, link);
        free(stream);
    }
}

void live_stream_close(struct live *live, struct live_stream *stream)
{
    stream->is_closed = true;
    live->stream_count--;
    if (live->publishing == 0) free_closed(live);
}

void live_publish(struct live *live, const struct live_event *event)
{
    struct live_stream *stream;

    live->publishing++;
    TAILQ_FOREACH(stream, &live->streams, link)
    {
        if (!stream->is_closed) stream->on_event(stream->context, event);
    }
    live->publishing--;
    if (live->publishing == 0) free_closed(live);
}

size_t live_stream_count(const struct live *live)
{
    return live->stream_count;
}

/* --- life --- */

struct live *live_new(struct event_base *base)
{
    struct live *live = mem_zalloc(1, sizeof *live);

    TAILQ_INIT(&live->sleeping);
    TAILQ_INIT(&live->waking);
    TAILQ_INIT(&live->streams);
    live->timer = evtimer_new(base, on_deadline, live);
    live->turn = evtimer_new(base, on_turn, live);
    CHECK(live->timer && live->turn);
    return live;
}

struct live *live_free(struct live *live)
{
    struct live_stream *stream;

    if (!live) return NULL;
    live_wake_all(live);
    while (!TAILQ_EMPTY(&live->waking)) {
        remove_poll(live, TAILQ_FIRST(&live->waking));
    }
    while ((stream = TAILQ_FIRST(&live->streams)) != NULL) {
        TAILQ_REMOVE(&live->streams, stream, link);
        free(stream);
    }
    event_free(live->timer);
    event_free(live->turn);
    free(live);
    return NULL;
}
