/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_probe.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/model/problem.h"
#include "common/model/sample.h"
#include "common/model/task.h"
#include "common/model/task_event.h"
#include "common/wire/report.h"
#include "tests/support/api_client.h"
#include "tests/support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int try_post(const struct fake_probe *probe, const char *path, const struct buf *body,
                    struct api_answer *ret)
{
    return api_try(&(struct api_call){ .port = probe->port,
                                       .path = path,
                                       .content_type = "application/msgpack",
                                       .token = probe->token,
                                       .body = buf_peek(body) },
                   ret);
}

static void post(const struct fake_probe *probe, const char *path, const struct buf *body,
                 struct api_answer *ret)
{
    if (try_post(probe, path, body, ret) < 0) fail_msg("%s: no answer", path);
    if (ret->status != 200)
        fail_msg("%s: %d %s", path, ret->status, ret->body.data ? ret->body.data : "");
}

static void encode_poll(const struct fake_probe *probe, const char *version, struct buf *to)
{
    struct wire_poll poll = { .protocol = WIRE_PROTOCOL,
                              .application = text_of(probe->application),
                              .instance = text_of(probe->instance),
                              .incarnation = probe->incarnation,
                              .version = text_of(version),
                              .clock_wall_ns = clock_wall_ns() };

    assert_int_equal(wire_poll_encode(&poll, to), 0);
}

/* Asks, and looks for a task among those that it is told. Returns how many these are. */
static size_t poll_for(struct fake_probe *probe, const char *task, bool *ret_is_active)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    OWN(buf_done) struct buf body = BUF_INIT(POLL_SIZE_MAX);
    struct wire_poll_answer told;
    struct problem problem;
    struct api_answer answer;

    *ret_is_active = false;
    encode_poll(probe, "", &body);
    post(probe, "/probe/v1/poll", &body, &answer);
    assert_int_equal(wire_poll_answer_decode(buf_peek(&answer.body), &arena, &told, &problem), 0);
    snprintf(probe->version, sizeof probe->version, "%.*s", TEXT_ARGS(told.version));
    for (size_t i = 0; i < told.tasks_count; i++) {
        if (text_is_equal(told.tasks[i].id, text_of(task)))
            *ret_is_active = told.tasks[i].state == TASK_ACTIVE;
    }
    api_answer_done(&answer);
    return told.tasks_count;
}

size_t fake_probe_poll(struct fake_probe *probe)
{
    bool is_active;

    return poll_for(probe, "", &is_active);
}

bool fake_probe_is_served(struct fake_probe *probe)
{
    OWN(buf_done) struct buf body = BUF_INIT(POLL_SIZE_MAX);
    struct api_answer answer;
    bool is_served;

    encode_poll(probe, "", &body);
    if (try_post(probe, "/probe/v1/poll", &body, &answer) < 0) return false;
    is_served = answer.status == 200 ||
                (answer.status == 503 && strstr(answer.body.data, "keep your tasks"));
    api_answer_done(&answer);
    return is_served;
}

bool fake_probe_is_told(struct fake_probe *probe, const char *task)
{
    bool is_active;

    poll_for(probe, task, &is_active);
    return is_active;
}

void fake_probe_park(struct fake_probe *probe)
{
    OWN(buf_done) struct buf body = BUF_INIT(POLL_SIZE_MAX);

    fake_probe_done(probe);
    encode_poll(probe, probe->version, &body);
    probe->parked = api_send(&(struct api_call){ .port = probe->port,
                                                 .path = "/probe/v1/poll",
                                                 .content_type = "application/msgpack",
                                                 .token = probe->token,
                                                 .body = buf_peek(&body) });
}

void fake_probe_done(struct fake_probe *probe)
{
    if (probe->parked > 0) close(probe->parked);
    probe->parked = 0;
}

static void fill_interface(const struct fake_calls *calls, struct buf *histogram,
                           struct wire_pulse_interface *ret)
{
    struct histogram spread = { .count = calls->count, .max_ns = calls->each_ns };

    spread.buckets[histogram_bucket(calls->each_ns)] = calls->count;
    assert_int_equal(histogram_encode(&spread, histogram), 0);
    *ret = (struct wire_pulse_interface){ .name = text_of(calls->interface),
                                          .count = calls->count,
                                          .max_ns = calls->each_ns,
                                          .buckets = buf_peek(histogram) };
}

static void fill_ledger(const struct fake_calls *calls, struct wire_pulse_ledger *ret)
{
    *ret = (struct wire_pulse_ledger){ .task = text_of(calls->task),
                                       .seen = calls->seen,
                                       .below = calls->seen - calls->triggered,
                                       .triggered = calls->triggered,
                                       .sampled = calls->sampled,
                                       .pending = calls->triggered - calls->sampled,
                                       .slowest_below_ns = calls->each_ns,
                                       .pause_ns_p50 = 9000,
                                       .pause_ns_p99 = 20000,
                                       .cpu_ns = NS_PER_MS,
                                       .stretched_ns = calls->stretched_ns,
                                       .armed_ns = NS_PER_S };
}

static void encode_pulse(struct fake_probe *probe, const struct fake_calls *calls, size_t count,
                         struct buf *to)
{
    enum { CALLS_AT_ONCE = 16 };
    struct buf histograms[CALLS_AT_ONCE];
    struct wire_pulse_interface interfaces[CALLS_AT_ONCE];
    struct wire_pulse_ledger ledgers[CALLS_AT_ONCE];
    struct wire_pulse pulse = { .protocol = WIRE_PROTOCOL,
                                .application = text_of(probe->application),
                                .instance = text_of(probe->instance),
                                .incarnation = probe->incarnation,
                                .sequence = ++probe->sequence,
                                .clock_wall_ns = clock_wall_ns(),
                                .host_ip = TEXT("10.0.3.17"),
                                .library = TEXT("0.1.0"),
                                .language = TEXT("c"),
                                .pid = 17,
                                .uptime_ns = NS_PER_S,
                                .interfaces = interfaces,
                                .ledgers = ledgers };

    assert_true(count <= CALLS_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        histograms[i] = BUF_INIT(4096);
        fill_interface(&calls[i], &histograms[i], &interfaces[pulse.interfaces_count++]);
        if (calls[i].task) fill_ledger(&calls[i], &ledgers[pulse.ledgers_count++]);
    }
    assert_int_equal(wire_pulse_encode(&pulse, to), 0);
    for (size_t i = 0; i < count; i++) {
        buf_done(&histograms[i]);
    }
}

void fake_probe_pulse(struct fake_probe *probe, const struct fake_calls *calls, size_t count)
{
    OWN(buf_done) struct buf body = BUF_INIT(PULSE_SIZE_MAX);
    struct api_answer answer;

    encode_pulse(probe, calls, count, &body);
    post(probe, "/probe/v1/pulse", &body, &answer);
    api_answer_done(&answer);
}

int fake_probe_send_pulse(struct fake_probe *probe, const struct fake_calls *calls, size_t count)
{
    OWN(buf_done) struct buf body = BUF_INIT(PULSE_SIZE_MAX);
    struct api_call call = { .port = probe->port,
                             .path = "/probe/v1/pulse",
                             .content_type = "application/msgpack",
                             .token = probe->token };

    encode_pulse(probe, calls, count, &body);
    call.body = buf_peek(&body);
    return api_send(&call);
}

#define SHOP_PLACE(offset_) \
    ((struct fake_place){ "/opt/shop/bin/shop", TEXT("\1\2\3\4"), (offset_) })

static uint32_t put_frame(struct stack_table *table, const char *function,
                          const struct fake_place *place)
{
    struct frame frame = { .kind = FRAME_NATIVE,
                           .offset = place->offset,
                           .function_offset = place->offset - 8 };
    uint32_t index;

    CHECK(stack_table_module(table, text_of(place->module), place->build_id, &frame.module) == 0);
    CHECK(stack_table_string(table, text_of(function), &frame.function) == 0);
    CHECK(stack_table_frame(table, &frame, &index) == 0);
    return index;
}

/* 100 ms of head, then equal parts: on a CPU in `render`, waiting in `reserve`, and so on. */
static void fill_snapshots(struct sample *sample, uint32_t count, const struct fake_place *place)
{
    struct stack_table *table = &sample->stacks;
    uint32_t main_frame = put_frame(table, "handle_checkout", &SHOP_PLACE(0x1000));
    uint32_t frames[2][2] = { { put_frame(table, "render", place ? place : &SHOP_PLACE(0x2000)),
                                main_frame },
                              { put_frame(table, "reserve", &SHOP_PLACE(0x3000)), main_frame } };
    uint64_t part_ns = 100 * NS_PER_MS / count;
    uint32_t stacks[2];

    sample->snapshots = mem_zalloc(count, sizeof *sample->snapshots);
    for (int i = 0; i < 2; i++) {
        CHECK(stack_table_stack(table, frames[i], 2, &stacks[i]) == 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_waiting = i % 2 == 1;

        sample->snapshots[i] =
            (struct snapshot){ .offset_ns = 100 * NS_PER_MS + i * part_ns,
                               .cpu_ns = is_waiting ? part_ns : 0, /* of the part before */
                               .stack = stacks[i % 2],
                               .syscall = is_waiting ? 202 : SYSCALL_NONE,
                               .wait = is_waiting ? WAIT_LOCK : WAIT_NONE };
    }
    sample->snapshot_count = count;
    sample->elapsed_ns = 200 * NS_PER_MS;
    sample->listened_ns = 100 * NS_PER_MS;
    sample->frequency_ns = sample->interval_ns = part_ns;
}

static struct sample *make_sample(const struct fake_probe *probe, const struct fake_sample *wanted)
{
    struct sample *sample = sample_new();

    CHECK(sample);
    sample->id = wanted->id ? *wanted->id : sample_id_make();
    sample->trace = wanted->trace ? *wanted->trace : trace_id_make();
    sample->revision = wanted->revision ? wanted->revision : 1;
    snprintf(sample->task.text, sizeof sample->task.text, "%s", wanted->task);
    snprintf(sample->application, sizeof sample->application, "%s", probe->application);
    snprintf(sample->instance, sizeof sample->instance, "%s", probe->instance);
    snprintf(sample->interface, sizeof sample->interface, "%s",
             wanted->interface ? wanted->interface : "POST /checkout");
    snprintf(sample->host_ip, sizeof sample->host_ip, "10.0.3.17");
    snprintf(sample->thread_name, sizeof sample->thread_name, "worker-4");
    sample->incarnation = probe->incarnation;
    sample->thread_id = 4242;
    sample->response_code = 500;
    sample->began_wall_ns = clock_wall_ns() - NS_PER_S;
    sample->threshold_ns = 100 * NS_PER_MS;
    fill_snapshots(sample, wanted->snapshot_count ? wanted->snapshot_count : 2, wanted->place);
    return sample;
}

static enum report_outcome outcome_of(const struct api_answer *answer)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_report_answer said;
    struct problem problem;

    CHECK(wire_report_answer_decode(buf_peek(&answer->body), &arena, &said, &problem) == 0);
    return (enum report_outcome)said.outcome;
}

enum report_outcome fake_probe_report(struct fake_probe *probe, const struct fake_sample *wanted)
{
    OWN(sample_freep) struct sample *sample = make_sample(probe, wanted);
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    enum report_outcome outcome;
    struct api_answer answer;

    assert_int_equal(report_encode(sample, &body), 0);
    post(probe, "/probe/v1/report", &body, &answer);
    outcome = outcome_of(&answer);
    api_answer_done(&answer);
    return outcome;
}

int fake_probe_try_report(const struct fake_probe *probe, const struct fake_sample *wanted,
                          enum report_outcome *ret)
{
    OWN(sample_freep) struct sample *sample = make_sample(probe, wanted);
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    struct api_answer answer;
    int rc = 0;

    CHECK(report_encode(sample, &body) == 0);
    if (try_post(probe, "/probe/v1/report", &body, &answer) < 0) return -EAGAIN;
    if (answer.status == 200)
        *ret = outcome_of(&answer);
    else
        rc = -EAGAIN;
    api_answer_done(&answer);
    return rc;
}

static void encode_log(const struct fake_probe *probe, const char *task, struct buf *to)
{
    struct wire_log_event event = {
        .task = text_of(task), .event = TASK_EVENT_ARMED, .sequence = 1, .count = 1
    };
    struct wire_log log = { .protocol = WIRE_PROTOCOL,
                            .application = text_of(probe->application),
                            .instance = text_of(probe->instance),
                            .incarnation = probe->incarnation,
                            .events = &event,
                            .events_count = 1 };

    assert_int_equal(wire_log_encode(&log, to), 0);
}

void fake_probe_ask(struct fake_probe *probe, const char *kind, const char *task,
                    struct api_answer *ret)
{
    OWN(sample_freep)
    struct sample *sample = make_sample(probe, &(struct fake_sample){ .task = task });
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    struct fake_calls calls = { .interface = "GET /", .count = 1, .each_ns = NS_PER_MS, .seen = 1 };
    char path[32];

    calls.task = task;
    if (strcmp(kind, "poll") == 0) encode_poll(probe, "", &body);
    if (strcmp(kind, "pulse") == 0) encode_pulse(probe, &calls, 1, &body);
    if (strcmp(kind, "log") == 0) encode_log(probe, task, &body);
    if (strcmp(kind, "report") == 0) assert_int_equal(report_encode(sample, &body), 0);
    assert_true(body.size > 0);
    snprintf(path, sizeof path, "/probe/v1/%s", kind);
    if (try_post(probe, path, &body, ret) < 0) fail_msg("%s: no answer", path);
}
