/* SPDX-License-Identifier: Apache-2.0 */
/* poller.c: ask, be parked, hand over, ask again.
 *
 * What comes is compared by version for equality, never for order: a Redis may have been restored.
 * `left_ms` becomes a moment of our own clock as the answer arrives, so that neither a wrong clock
 * nor a scheduler that goes away moves a task's end. A scheduler that answers at once without
 * anything new (a proxy that does not park, say) is rested from like one that fails. */
#include "probe/agent/link/poller.h"

#include "common/base/own.h"
#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/base/thread.h"
#include "probe/agent/engine/sampler.h"
#include "probe/agent/link/settings.h"
#include "probe/agent/names/descriptors.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

enum {
    POLL_GRACE_MS = 15000, /* a parked poll that is not answered by then is lost */
    POLL_SPIN_MS = 1000,   /* an answer that says nothing new is not expected before */
};
#define REST_SLICE_NS (100 * NS_PER_MS)

static bool is_ending(const struct poller *poller)
{
    return atomic_load_explicit(&poller->cut_ns, memory_order_relaxed) == 0;
}

static void adopt_task(const struct wire_poll_task *task, uint64_t now_ns, struct task_order *ret)
{
    *ret = (struct task_order){
        .state = (enum task_state)task->state,
        .threshold_ns = ms_to_ns(task->threshold_ms),
        .frequency_ns = ms_to_ns(task->frequency_ms),
        .sample_cap = task->sample_cap,
        .lookback = task->lookback,
        .ends_monotonic_ns = now_ns + ms_to_ns(task->left_ms),
    };
    snprintf(ret->id.text, sizeof ret->id.text, "%.*s", TEXT_ARGS(task->id));
    snprintf(ret->interface, sizeof ret->interface, "%.*s", TEXT_ARGS(task->interface));
}

/* Would a probe of ours have been told this? A scheduler that says otherwise is not ours. */
static bool is_task_sound(const struct wire_poll_task *task)
{
    struct task_id id;

    return task_id_parse(task->id, &id) == 0 && task->interface.size > 0 &&
           task->state < TASK_STATE_COUNT && task->threshold_ms > 0 &&
           task->threshold_ms <= THRESHOLD_MS_MAX && task->frequency_ms >= FREQUENCY_MS_MIN &&
           task->frequency_ms <= FREQUENCY_MS_MAX && task->sample_cap <= SAMPLE_CAP_MAX &&
           task->left_ms <= INT64_MAX / NS_PER_MS;
}

/* It shows in the task's log and ledger, if it is a task at all. */
static void refuse_task(const struct poller *poller, const struct wire_poll_task *task)
{
    struct task_id id;

    if (task_id_parse(task->id, &id) == 0)
        poller->options.on_refusal(poller->options.context, &id,
                                   "its threshold, frequency or cap is not one this probe knows");
}

static int adopt_tasks(struct poller *poller, const struct wire_poll_answer *answer)
{
    struct task_order *orders = calloc(answer->tasks_count + 1, sizeof *orders);
    uint64_t now_ns = clock_monotonic_ns();
    bool has_active = false;
    uint32_t count = 0;

    if (!orders) return -ENOMEM;
    for (uint32_t i = 0; i < answer->tasks_count && !answer->is_off; i++) {
        if (!is_task_sound(&answer->tasks[i])) {
            refuse_task(poller, &answer->tasks[i]);
            continue;
        }
        has_active = has_active || answer->tasks[i].state == TASK_ACTIVE;
        adopt_task(&answer->tasks[i], now_ns, &orders[count++]);
    }
    sampler_set_tasks(orders, count);
    free(orders);
    atomic_store_explicit(&poller->has_active_task, has_active, memory_order_relaxed);
    return 0;
}

static void adopt_settings(const struct poller *poller, const struct wire_poll_answer *answer)
{
    struct poller_settings settings = { .is_off = answer->is_off,
                                        .budget_core_ppm = answer->budget_core_ppm,
                                        .budget_thread_ppm = answer->budget_thread_ppm };

    poller->options.on_settings(poller->options.context, &settings);
}

static int take_answer(struct poller *poller, struct text body, uint64_t asked_ns)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_poll_answer answer;
    struct problem problem;
    bool is_same;

    if (wire_poll_answer_decode(body, &arena, &answer, &problem) < 0)
        return uplink_distrust(&poller->uplink, &poller->lane,
                               "its answer to a poll cannot be read");
    adopt_settings(poller, &answer); /* first: what is switched on again takes its tasks */
    if (answer.version.size > POLL_VERSION_SIZE_MAX || adopt_tasks(poller, &answer) < 0)
        return uplink_distrust(&poller->uplink, &poller->lane, "its tasks cannot be kept");
    is_same = text_is_equal(answer.version, text_of(poller->version));
    if (is_same && clock_monotonic_ns() - asked_ns < POLL_SPIN_MS * NS_PER_MS)
        return uplink_distrust(&poller->uplink, &poller->lane,
                               "it answers polls without anything new");
    snprintf(poller->version, sizeof poller->version, "%.*s", TEXT_ARGS(answer.version));

    poller->options.on_answer(poller->options.context);
    return 0;
}

static int poll_once(struct poller *poller)
{
    struct wire_poll poll = {
        .protocol = WIRE_PROTOCOL,
        .application = text_of(poller->options.settings->application),
        .instance = text_of(poller->options.settings->instance),
        .incarnation = poller->options.incarnation,
        .version = text_of(poller->version),
        .clock_wall_ns = clock_wall_ns(),
    };
    struct http_request request = { .path = "/probe/v1/poll",
                                    .timeout_ns = ms_to_ns(POLL_PARK_MS + POLL_GRACE_MS) };
    uint64_t asked_ns = clock_monotonic_ns();
    struct text answer;
    int rc;

    buf_reset(&poller->body);
    rc = wire_poll_encode(&poll, &poller->body);
    if (rc < 0) return uplink_distrust(&poller->uplink, &poller->lane, "a poll cannot be encoded");
    request.body = buf_peek(&poller->body);
    rc = uplink_post(&poller->uplink, &poller->lane, &request, &answer);
    if (rc == -EBADMSG)
        return uplink_distrust(&poller->uplink, &poller->lane, poller->uplink.reason);
    return rc < 0 ? rc : take_answer(poller, answer, asked_ns);
}

/* Until the uplink is ready again, or the poller ends. */
static void rest(const struct poller *poller)
{
    struct pollfd wake = { .fd = poller->wake_fd, .events = POLLIN };
    uint64_t now_ns = clock_monotonic_ns(), left_ns;
    struct timespec timeout;
    int rc;

    while (!uplink_is_ready(&poller->lane, now_ns) && !is_ending(poller)) {
        left_ns = poller->lane.retry_at_ns - now_ns;
        if (poller->wake_fd < 0 && left_ns > REST_SLICE_NS) left_ns = REST_SLICE_NS;
        timeout = ns_to_timespec(left_ns);
        rc = ppoll(&wake, 1, &timeout, NULL);
        filters_heed(0);
        if (rc > 0) return;
        now_ns = clock_monotonic_ns();
    }
}

static void *run(void *argument)
{
    struct poller *poller = argument;

    thread_name("stakeout-poll");
    while (!is_ending(poller)) {
        poll_once(poller);
        atomic_store_explicit(&poller->cpu_ns, clock_thread_cpu_ns(), memory_order_relaxed);
        rest(poller);
    }
    return NULL;
}

/* ---- for the link ---- */

int poller_start(struct poller *poller, const struct poller_options *options)
{
    struct uplink_options uplink = { .settings = options->settings, .purpose = "tasks" };
    int rc;

    *poller = (struct poller){ .options = *options, .wake_fd = -1 };
    poller->body = BUF_INIT(POLL_SIZE_MAX);
    atomic_init(&poller->cut_ns, UINT64_MAX);
    /* A descriptor to wake it costs one in the host's table, or is not to be had: then it looks. */
    if (descriptors_are_separate() && filters_allow(TRIED_eventfd2))
        poller->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->wake_fd < 0) uplink.cut_ns = &poller->cut_ns;
    uplink.wake_fd = poller->wake_fd;
    uplink_init(&poller->uplink, &uplink);
    rc = thread_start(&poller->thread, run, poller);
    poller->is_running = rc == 0;
    if (rc < 0) fd_closep(&poller->wake_fd);
    return rc;
}

void poller_stop(struct poller *poller)
{
    uint64_t one = 1;

    if (!poller->is_running) return;
    atomic_store_explicit(&poller->cut_ns, 0, memory_order_relaxed);
    if (poller->wake_fd >= 0 && write(poller->wake_fd, &one, sizeof one) < 0) {
        /* The counter is full: then it is readable already. */
    }
    pthread_join(poller->thread, NULL);
    poller->is_running = false;
    uplink_done(&poller->uplink);
    buf_done(&poller->body);
    fd_closep(&poller->wake_fd);
}

bool poller_has_active_task(const struct poller *poller)
{
    return atomic_load_explicit(&poller->has_active_task, memory_order_relaxed);
}

uint64_t poller_cpu_ns(const struct poller *poller)
{
    return atomic_load_explicit(&poller->cpu_ns, memory_order_relaxed);
}
