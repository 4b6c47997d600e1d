/* SPDX-License-Identifier: Apache-2.0 */
/* intake_test.c: what probes say, by real bytes to a real scheduler with a real Redis. */
#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/wall_time.h"
#include "common/model/sample.h"
#include "common/model/task_event.h"
#include "common/model/task_spec.h"
#include "common/wire/report.h"
#include "tests/support/fake_probe.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- words --- */

static struct fake_probe new_probe(const char *application)
{
    static char names[32][24];
    static unsigned count;

    snprintf(names[count % 32], sizeof names[0], "host-%u:7", count);
    return FAKE_PROBE(scheduler.port, application, names[count++ % 32]);
}

static void post(const char *path, struct text body, struct api_answer *ret)
{
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .method = "POST",
                                .path = path,
                                .content_type = "application/msgpack",
                                .body = body },
            ret);
}

/* Posts, and returns the status alone. */
static int status_of(const char *path, struct text body)
{
    struct api_answer answer;
    int status;

    post(path, body, &answer);
    status = answer.status;
    api_answer_done(&answer);
    return status;
}

/* --- polls --- */

/* What has come on a parked connection within the deadline, decoded; fails if nothing did. */
static uint32_t tasks_told(struct fake_probe *probe, struct wire_arena *arena,
                           struct wire_poll_answer *ret, char *bytes, size_t size)
{
    struct pollfd one = { .fd = probe->parked, .events = POLLIN };
    struct problem problem;
    ssize_t got;
    char *body;

    assert_int_equal(poll(&one, 1, 10000), 1);
    got = recv(probe->parked, bytes, size - 1, 0);
    assert_true(got > 0);
    bytes[got] = '\0';
    assert_memory_equal(bytes, "HTTP/1.1 200", 12);
    body = strstr(bytes, "\r\n\r\n");
    assert_non_null(body);
    body += 4;
    if (wire_poll_answer_decode((struct text){ body, (size_t)(bytes + got - body) }, arena, ret,
                                &problem) < 0)
        fail_msg("%s", problem.detail);
    return ret->tasks_count;
}

static bool is_silent(struct fake_probe *probe)
{
    struct pollfd one = { .fd = probe->parked, .events = POLLIN };

    return poll(&one, 1, 50) == 0;
}

static void a_parked_poll_is_answered_when_a_task_is_created(void **state)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct fake_probe probe = new_probe("parking"), other = new_probe("elsewhere");
    struct wire_poll_answer told;
    char id[TASK_ID_SIZE + 1], bytes[4096];

    (void)state;
    assert_int_equal(fake_probe_poll(&probe), 0);
    assert_int_equal(fake_probe_poll(&other), 0);
    fake_probe_park(&probe);
    fake_probe_park(&other);
    assert_true(is_silent(&probe));
    scheduler_create_task("parking", ",\"frequency_ms\":20,\"sample_cap\":3", id);
    assert_int_equal(tasks_told(&probe, &arena, &told, bytes, sizeof bytes), 1);
    assert_true(text_is_equal(told.tasks[0].id, text_of(id)));
    assert_true(text_is_equal(told.tasks[0].interface, TEXT("POST /checkout")));
    assert_int_equal(told.tasks[0].state, TASK_ACTIVE);
    assert_int_equal(told.tasks[0].threshold_ms, 100);
    assert_int_equal(told.tasks[0].frequency_ms, 20);
    assert_int_equal(told.tasks[0].sample_cap, 3);
    assert_in_range(told.tasks[0].left_ms, 290000, 300000);
    assert_false(text_is_equal(told.version, text_of(probe.version)));
    assert_true(is_silent(&other));
    fake_probe_done(&probe);
    fake_probe_done(&other);
}

static void a_task_for_some_instances_is_told_to_those(void **state)
{
    struct fake_probe first = new_probe("choosy"), second = new_probe("choosy");
    char id[TASK_ID_SIZE + 1], more[80];

    (void)state;
    snprintf(more, sizeof more, ",\"instances\":[\"%s\"]", second.instance);
    scheduler_create_task("choosy", more, id);
    for (int i = 0; i < 3; i++) { /* one after the other, within the life of the cached answer */
        assert_int_equal(fake_probe_poll(&first), 0);
        assert_int_equal(fake_probe_poll(&second), 1);
    }
}

/* The one instance of a task's ledger; NULL if there is none, or more. For json_decref(). */
static json_t *row_of(const char *id)
{
    json_t *ledger = scheduler_get_task(id, "/ledger");
    json_t *rows = json_object_get(ledger, "instances");
    json_t *row = json_array_size(rows) == 1 ? json_incref(json_array_get(rows, 0)) : NULL;

    json_decref(ledger);
    return row;
}

static bool is_delivered(void *context)
{
    json_t *row = row_of(context);
    bool is = json_is_string(json_object_get(row, "delivered_at"));

    json_decref(row);
    return is;
}

static void tasks_are_delivered_when_the_instance_comes_back_with_their_version(void **state)
{
    struct fake_probe probe = new_probe("delivery");
    char id[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("delivery", "", id);
    assert_int_equal(fake_probe_poll(&probe), 1);
    assert_false(is_delivered(id)); /* it was sent; perhaps it never arrived */
    fake_probe_park(&probe);
    assert_true(wait_until(is_delivered, id, 10000));
    fake_probe_done(&probe);
}

/* --- pulses and ledgers --- */

static void ledgers_are_absolute_and_the_latest_wins(void **state)
{
    struct fake_probe probe = new_probe("ledgers");
    char id[TASK_ID_SIZE + 1];
    json_t *row, *interfaces;

    (void)state;
    scheduler_create_task("ledgers", "", id);
    fake_probe_poll(&probe);
    for (uint64_t round = 1; round <= 3; round++) {
        struct fake_calls calls = { .interface = "POST /checkout",
                                    .count = 10 * round,
                                    .each_ns = 5 * NS_PER_MS,
                                    .task = id,
                                    .seen = 10 * round,
                                    .triggered = round };

        fake_probe_pulse(&probe, &calls, 1);
        probe.sequence--; /* and the same again */
        fake_probe_pulse(&probe, &calls, 1);
    }
    row = row_of(id);
    assert_int_equal(number_at(row, "seen"), 30);
    assert_int_equal(number_at(row, "below"), 27);
    assert_int_equal(number_at(row, "triggered"), 3);
    assert_int_equal(number_at(row, "pending"), 3);
    json_decref(row);

    interfaces = scheduler_get("/api/v1/interfaces?application=ledgers");
    assert_string_equal(
        text_at(json_array_get(json_object_get(interfaces, "interfaces"), 0), "interface"),
        "POST /checkout");
    json_decref(interfaces);
}

static void send_pulse(struct fake_probe *probe, struct wire_pulse pulse)
{
    OWN(buf_done) struct buf body = BUF_INIT(4096);

    pulse.protocol = WIRE_PROTOCOL;
    pulse.application = text_of(probe->application);
    pulse.instance = text_of(probe->instance);
    pulse.incarnation = probe->incarnation;
    pulse.sequence = ++probe->sequence;
    assert_int_equal(wire_pulse_encode(&pulse, &body), 0);
    assert_int_equal(status_of("/probe/v1/pulse", buf_peek(&body)), 200);
}

/* One bad ledger blinds us for nothing else of what an instance says. */
static void a_ledger_that_does_not_add_up_is_left_out_and_counted(void **state)
{
    static const char unsound[] = "stakeout_intake_total{kind=\"ledger\",outcome=\"unsound\"}";
    struct fake_probe probe = new_probe("unsound");
    char good[TASK_ID_SIZE + 1], bad[TASK_ID_SIZE + 1];
    struct wire_pulse_ledger ledgers[] = {
        { .seen = 3, .below = 3 },
        { .seen = 5, .below = 3, .triggered = 1 },                   /* one is missing */
        { .seen = 4, .below = 3, .triggered = 1, .sampled = 2 },     /* one too many */
        { .task = TEXT("../../etc/passwd"), .seen = 1, .below = 1 }, /* of no task */
    };
    json_t *row;

    (void)state;
    scheduler_create_task("unsound", "", good);
    scheduler_create_task("unsound2", "", bad);
    ledgers[0].task = text_of(good);
    ledgers[1].task = ledgers[2].task = text_of(bad);
    send_pulse(&probe, (struct wire_pulse){ .ledgers = ledgers, .ledgers_count = 4 });
    row = row_of(good);
    assert_int_equal(number_at(row, "seen"), 3);
    json_decref(row);
    assert_null(row_of(bad));
    assert_true(scheduler_metric(unsound) == 3);
}

/* The probe of a newer version has another reason: the call was not sampled, and counts so. */
static void a_reason_that_we_do_not_know_is_a_drop_all_the_same(void **state)
{
    struct fake_probe probe = new_probe("newer");
    char id[TASK_ID_SIZE + 1];
    struct wire_reason_count drops[] = { { TEXT("eaten-by-a-grue"), 2 },
                                         { TEXT("queue-full"), 1 } };
    struct wire_reason_count snapshot_drops[] = { { TEXT("too-dark"), 9 } };
    struct wire_pulse_ledger ledger = { .seen = 3,
                                        .triggered = 3,
                                        .drops = drops,
                                        .drops_count = 2,
                                        .snapshot_drops = snapshot_drops,
                                        .snapshot_drops_count = 1 };
    json_t *row, *said;

    (void)state;
    scheduler_create_task("newer", "", id);
    ledger.task = text_of(id);
    send_pulse(&probe, (struct wire_pulse){ .ledgers = &ledger, .ledgers_count = 1 });
    row = row_of(id);
    said = json_object_get(row, "drops");
    assert_int_equal(number_at(row, "triggered"), 3);
    assert_int_equal(number_at(said, "no-sample"), 2);
    assert_int_equal(number_at(said, "queue-full"), 1);
    assert_null(json_object_get(json_object_get(row, "snapshot_drops"), "too-dark"));
    json_decref(row);
}

static bool is_lost(void *context)
{
    json_t *row = row_of(context);
    json_t *lost = json_object_get(json_object_get(row, "drops"), "instance-lost");
    bool is = json_integer_value(lost) == 2 && number_at(row, "pending") == 0;

    json_decref(row);
    return is;
}

static void what_is_pending_when_an_instance_says_goodbye_is_lost(void **state)
{
    struct fake_probe probe = new_probe("goodbye");
    char id[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("goodbye", "", id);
    fake_probe_poll(&probe);
    fake_probe_pulse(&probe,
                     &(struct fake_calls){ .interface = "POST /checkout",
                                           .count = 10,
                                           .each_ns = NS_PER_MS,
                                           .task = id,
                                           .seen = 10,
                                           .triggered = 2 },
                     1);
    send_pulse(&probe, (struct wire_pulse){ .is_last = true });
    assert_true(wait_until(is_lost, id, 10000));
}

/* Whether the task's log has this event. */
static bool log_has(const char *id, const char *event)
{
    json_t *log = scheduler_get_task(id, "/log"), *row;
    bool is_there = false;
    size_t index;

    json_array_foreach(json_object_get(log, "events"), index, row)
    {
        is_there = is_there || strcmp(text_at(row, "event"), event) == 0;
    }
    json_decref(log);
    return is_there;
}

static bool is_gone(void *context)
{
    json_t *row = row_of(context);
    bool is = json_is_true(json_object_get(row, "gone"));

    json_decref(row);
    return is;
}

/* Its own "disarmed" is what the log ends with; an instance that was lost says nothing. */
static void an_instance_that_says_goodbye_and_leaves_nothing_is_not_lost(void **state)
{
    struct fake_probe clean = new_probe("clean"), untidy = new_probe("untidy");
    char id[TASK_ID_SIZE + 1], other[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("clean", "", id);
    fake_probe_poll(&clean);
    fake_probe_pulse(&clean,
                     &(struct fake_calls){ .interface = "POST /checkout",
                                           .count = 10,
                                           .each_ns = NS_PER_MS,
                                           .task = id,
                                           .seen = 10 },
                     1);
    send_pulse(&clean, (struct wire_pulse){ .is_last = true });
    scheduler_create_task("untidy", "", other);
    fake_probe_poll(&untidy);
    fake_probe_pulse(&untidy,
                     &(struct fake_calls){ .interface = "POST /checkout",
                                           .count = 10,
                                           .each_ns = NS_PER_MS,
                                           .task = other,
                                           .seen = 10,
                                           .triggered = 1 },
                     1);
    send_pulse(&untidy, (struct wire_pulse){ .is_last = true });
    assert_true(wait_until(is_gone, id, 10000));
    assert_true(wait_until(is_gone, other, 10000));
    assert_false(log_has(id, "instance-lost"));
    assert_true(log_has(other, "instance-lost"));
}

/* --- reports and events --- */

static void a_report_is_taken_once_and_the_cap_is_exact(void **state)
{
    struct fake_probe probe = new_probe("reports");
    struct sample_id first = sample_id_make();
    char id[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("reports", ",\"sample_cap\":2", id);
    fake_probe_poll(&probe);
    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = id, .id = &first }),
                     REPORT_ACCEPTED);
    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = id, .id = &first }),
                     REPORT_KNOWN);
    assert_int_equal(
        fake_probe_report(&probe, &(struct fake_sample){ .task = id, .id = &first, .revision = 2 }),
        REPORT_REPLACED);
    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = id }),
                     REPORT_ACCEPTED);
    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = id }),
                     REPORT_OVER_CAP);
    assert_int_equal(
        fake_probe_report(&probe, &(struct fake_sample){ .task = "0123456789abcdef0123" }),
        REPORT_NO_TASK);
}

/* An instance an hour behind: its samples and events are put on the scheduler's clock. */
static void times_are_put_on_our_clock(void **state)
{
    OWN(buf_done) struct buf body = BUF_INIT(4096);
    struct fake_probe probe = new_probe("skewed");
    uint64_t behind_ns = 3600 * NS_PER_S, before_ms, after_ms, at_ms = 0;
    struct wire_poll said = { .protocol = WIRE_PROTOCOL,
                              .application = TEXT("skewed"),
                              .instance = text_of(probe.instance),
                              .incarnation = probe.incarnation,
                              .clock_wall_ns = clock_wall_ns() + behind_ns };
    char id[TASK_ID_SIZE + 1];
    json_t *samples, *sample;

    (void)state;
    scheduler_create_task("skewed", "", id);
    assert_int_equal(wire_poll_encode(&said, &body), 0);
    assert_int_equal(status_of("/probe/v1/poll", buf_peek(&body)), 200);
    /* It says "began a second ago", by a clock that is an hour ahead of what it says here. */
    before_ms = ns_to_ms(clock_wall_ns());
    assert_int_equal(fake_probe_report(&probe, &(struct fake_sample){ .task = id }),
                     REPORT_ACCEPTED);
    after_ms = ns_to_ms(clock_wall_ns());
    samples = scheduler_get_task(id, "/samples");
    sample = json_array_get(json_object_get(samples, "samples"), 0);
    assert_int_equal(wall_time_parse(text_of(text_at(sample, "at")), &at_ms), 0);
    json_decref(samples);
    assert_in_range(at_ms, before_ms - 3600 * 1000 - 1100, after_ms - 3600 * 1000 - 900);
}

static void send_events(const struct fake_probe *probe, const char *id, uint32_t event)
{
    OWN(buf_done) struct buf body = BUF_INIT(4096);
    struct wire_log_event event_said = { .sequence = 1,
                                         .task = text_of(id),
                                         .event = event,
                                         .age_ns = 2 * NS_PER_S,
                                         .detail = TEXT("every second one"),
                                         .count = 3 };
    struct wire_log log = { .protocol = WIRE_PROTOCOL,
                            .application = text_of(probe->application),
                            .instance = text_of(probe->instance),
                            .incarnation = probe->incarnation,
                            .events = &event_said,
                            .events_count = 1 };

    assert_int_equal(wire_log_encode(&log, &body), 0);
    assert_int_equal(status_of("/probe/v1/log", buf_peek(&body)), 204);
}

static size_t events_in_log(const char *id, const char *event)
{
    json_t *log = scheduler_get_task(id, "/log"), *line;
    size_t count = 0, index;

    json_array_foreach(json_object_get(log, "events"), index, line)
    {
        count += strcmp(text_at(line, "event"), event) == 0;
    }
    json_decref(log);
    return count;
}

static void events_are_taken_once_and_only_a_probes_own(void **state)
{
    struct fake_probe probe = new_probe("events");
    char id[TASK_ID_SIZE + 1];

    (void)state;
    scheduler_create_task("events", "", id);
    fake_probe_poll(&probe);
    send_events(&probe, id, TASK_EVENT_THINNED);
    send_events(&probe, id, TASK_EVENT_THINNED); /* sent again */
    assert_int_equal(events_in_log(id, "thinned"), 1);
    send_events(&probe, id, TASK_EVENT_CANCELLED); /* not its to say */
    send_events(&probe, id, 4711);                 /* of a newer one */
    assert_int_equal(events_in_log(id, "cancelled"), 0);
}

/* --- what is refused --- */

static void bad_bodies_are_refused_with_a_sentence_and_change_nothing(void **state)
{
    static const char *const paths[] = { "/probe/v1/poll", "/probe/v1/pulse", "/probe/v1/log",
                                         "/probe/v1/report" };
    static const struct {
        const char *says;
        struct text body;
    } bodies[] = {
        { "nothing", { "", 0 } },
        { "an empty map", { "\x80", 1 } },
        { "no map", { "\x01", 1 } },
        { "a map of maps without end", { "\x81\x01\x81\x01\x81\x01", 6 } },
        { "a map of four billion", { "\xdf\xff\xff\xff\xff", 5 } },
        { "an array of four billion", { "\xdd\xff\xff\xff\xff", 5 } },
        { "JSON", { "{\"protocol\":1}", 14 } },
        { "a protocol and nothing else", { "\x81\x01\x01", 3 } },
        { "trailing bytes", { "\x80\x80", 2 } },
    };
    struct api_answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(bodies); j++) {
            post(paths[i], bodies[j].body, &answer);
            if (answer.status != 400 || !json_object_get(answer.json, "detail") ||
                strcmp(api_header(&answer, "Content-Type"), "application/problem+json") != 0)
                fail_msg("%s, %s: %d", paths[i], bodies[j].says, answer.status);
            api_answer_done(&answer);
        }
    }
}

static void other_content_types_are_refused(void **state)
{
    struct api_answer answer;

    (void)state;
    api_ask(&(struct api_call){ .port = scheduler.port,
                                .path = "/probe/v1/poll",
                                .content_type = "application/json",
                                .body = TEXT("{}") },
            &answer);
    assert_int_equal(answer.status, 415);
    api_answer_done(&answer);
}

static void bodies_past_their_bound_are_refused(void **state)
{
    char *body = mem_zalloc(1, POLL_SIZE_MAX + 1);

    (void)state;
    assert_int_equal(status_of("/probe/v1/poll", (struct text){ body, POLL_SIZE_MAX }), 400);
    assert_int_equal(status_of("/probe/v1/poll", (struct text){ body, POLL_SIZE_MAX + 1 }), 413);
    free(body);
}

static void bad_names_are_refused(void **state)
{
    static const struct {
        struct text application, instance;
        uint64_t incarnation;
    } cases[] = {
        { { "", 0 }, { "host:1", 6 }, 1 },    { { "a\x1b[2J", 5 }, { "host:1", 6 }, 1 },
        { { "app", 3 }, { "", 0 }, 1 },       { { "app", 3 }, { "ho\nst", 5 }, 1 },
        { { "app", 3 }, { "host:1", 6 }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        OWN(buf_done) struct buf body = BUF_INIT(4096);
        struct wire_poll said = { .protocol = WIRE_PROTOCOL,
                                  .application = cases[i].application,
                                  .instance = cases[i].instance,
                                  .incarnation = cases[i].incarnation };

        assert_int_equal(wire_poll_encode(&said, &body), 0);
        if (status_of("/probe/v1/poll", buf_peek(&body)) != 400) fail_msg("case %zu", i);
    }
}

static void an_unknown_protocol_is_told_which_is_spoken_and_shown_to_operators(void **state)
{
    OWN(buf_done) struct buf body = BUF_INIT(4096);
    struct wire_poll said = { .protocol = WIRE_PROTOCOL,
                              .application = TEXT("future"),
                              .instance = TEXT("host:9"),
                              .incarnation = 99 };
    struct api_answer answer;
    json_t *list, *instance;

    (void)state;
    assert_int_equal(wire_poll_encode(&said, &body), 0);
    assert_int_equal(body.data[1], 1); /* the key of `protocol` */
    body.data[2] = WIRE_PROTOCOL + 1;
    post("/probe/v1/poll", buf_peek(&body), &answer);
    assert_int_equal(answer.status, 426);
    assert_string_equal(api_header(&answer, "Upgrade"), "stakeout/1");
    api_answer_done(&answer);

    list = scheduler_get("/api/v1/instances?application=future");
    instance = json_array_get(json_object_get(list, "instances"), 0);
    assert_string_equal(text_at(instance, "instance"), "host:9");
    assert_int_equal(number_at(instance, "protocol"), WIRE_PROTOCOL + 1);
    json_decref(list);
}

/* --- what is counted --- */

static void what_came_is_counted(void **state)
{
    static const char *const once[] = {
        "stakeout_intake_total{kind=\"report\",outcome=\"over-cap\"}",
        "stakeout_intake_total{kind=\"poll\",outcome=\"protocol-version\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(once); i++) {
        assert_true(scheduler_metric(once[i]) == 1);
    }
    assert_true(scheduler_metric(
                    "stakeout_http_requests_total{route=\"/probe/v1/log\",status=\"204\"}") >= 2);
    assert_true(scheduler_metric("stakeout_intake_in_flight") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parked_poll_is_answered_when_a_task_is_created),
        cmocka_unit_test(a_task_for_some_instances_is_told_to_those),
        cmocka_unit_test(tasks_are_delivered_when_the_instance_comes_back_with_their_version),
        cmocka_unit_test(ledgers_are_absolute_and_the_latest_wins),
        cmocka_unit_test(a_ledger_that_does_not_add_up_is_left_out_and_counted),
        cmocka_unit_test(a_reason_that_we_do_not_know_is_a_drop_all_the_same),
        cmocka_unit_test(what_is_pending_when_an_instance_says_goodbye_is_lost),
        cmocka_unit_test(an_instance_that_says_goodbye_and_leaves_nothing_is_not_lost),
        cmocka_unit_test(a_report_is_taken_once_and_the_cap_is_exact),
        cmocka_unit_test(times_are_put_on_our_clock),
        cmocka_unit_test(events_are_taken_once_and_only_a_probes_own),
        cmocka_unit_test(bad_bodies_are_refused_with_a_sentence_and_change_nothing),
        cmocka_unit_test(other_content_types_are_refused),
        cmocka_unit_test(bodies_past_their_bound_are_refused),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(an_unknown_protocol_is_told_which_is_spoken_and_shown_to_operators),
        cmocka_unit_test(what_came_is_counted), /* last: it counts the others */
    };

    return cmocka_run_group_tests(tests, scheduler_setup, scheduler_teardown);
}
