/* SPDX-License-Identifier: Apache-2.0 */
/* WIRE.md, held to messages.def row by row; and its examples, which are the golden bytes: each is
 * what encoding the values below gives, and decodes to a message that encodes to it again. */
#include "common/base/own.h"
#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "common/wire/report.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define TASK "0193e5f1a2b0000000f1"

static char *document; /* WIRE.md */

static int setup(void **state)
{
    FILE *file = fopen(STAKEOUT_SOURCE_DIR "/common/wire/WIRE.md", "rb");
    size_t size;

    (void)state;
    if (!file) return -1;
    document = mem_zalloc(1, 256 * 1024);
    size = fread(document, 1, 256 * 1024 - 1, file);
    fclose(file);
    return size > 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(document);
    return 0;
}

/* From the message's heading to the next heading. */
static struct text section_of(const char *message)
{
    char heading[64];
    const char *begin, *end;

    snprintf(heading, sizeof heading, "\n### %s\n", message);
    begin = strstr(document, heading);
    if (!begin) fail_msg("no section '%s'", message);
    begin += strlen(heading);
    end = strstr(begin, "\n#");
    return (struct text){ begin, end ? (size_t)(end - begin) : strlen(begin) };
}

static uint32_t row_count_of(struct text section)
{
    uint32_t count = 0;

    for (size_t i = 0; i + 3 < section.size; i++) {
        count += section.data[i] == '\n' && section.data[i + 1] == '|' &&
                 section.data[i + 3] >= '1' && section.data[i + 3] <= '9';
    }
    return count;
}

/* A row is "| key | `field` | type | absent | limit | meaning |", with some meaning. */
static void assert_row(const char *message, const char *row)
{
    struct text section = section_of(message);
    const char *at = memmem(section.data, section.size, row, strlen(row));

    if (!at) fail_msg("%s: no row '%s'", message, row);
    if (at[strlen(row)] == '|' || at[strlen(row)] == '\n') fail_msg("%s: no meaning", row);
}

static void the_tables_are_those_of_messages_def(void **state)
{
    char row[256];
    uint32_t count;

    (void)state;
/* clang-format off */
#define ABSENT_REQUIRED "required"
#define ABSENT_ZERO     "zero"
#define WIRE_BEGIN(message) count = 0;
#define WIRE_FIELD(message, key, field, type, absent, limit)                                      \
    snprintf(row, sizeof row, "\n| %d | `" #field "` | " #type " | " ABSENT_##absent " | %d | ",  \
             key, (int)(limit));                                                                  \
    assert_row(#message, row);                                                                    \
    count++;
#define WIRE_LIST(message, key, field, element, limit)                                            \
    snprintf(row, sizeof row, "\n| %d | `" #field "` | list of " #element " | zero | %d | ", key, \
             (int)(limit));                                                                       \
    assert_row(#message, row);                                                                    \
    count++;
#define WIRE_TEXTS(message, key, field, size_max, limit)                                          \
    snprintf(row, sizeof row, "\n| %d | `" #field "` | strings of %d | zero | %d | ", key,        \
             (int)(size_max), (int)(limit));                                                      \
    assert_row(#message, row);                                                                    \
    count++;
#define WIRE_END(message) assert_int_equal(row_count_of(section_of(#message)), count);
#include "common/wire/messages.def"
#undef WIRE_BEGIN
#undef WIRE_FIELD
#undef WIRE_LIST
#undef WIRE_TEXTS
#undef WIRE_END
    /* clang-format on */
}

/* drops.def: every word with what it says. */
static void the_reasons_are_those_of_drops_def(void **state)
{
    static const char *const rows[] = {
#define CALL_DROP(name, slug, says)     "\n| `" slug "` | " says " |\n",
#define SNAPSHOT_DROP(name, slug, says) "\n| `" slug "` | " says " |\n",
#define NOTE(name, slug, says)          "\n| `" slug "` | " says " |\n",
#include "common/model/drops.def"
#undef CALL_DROP
#undef SNAPSHOT_DROP
#undef NOTE
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (!strstr(document, rows[i])) fail_msg("no row %s", rows[i]);
    }
}

/* The bytes of "```hex NAME": hex digits up to the '#' of each line. */
static void example(const char *name, struct buf *to)
{
    char fence[64];
    const char *at, *end;

    snprintf(fence, sizeof fence, "```hex %s\n", name);
    at = strstr(document, fence);
    if (!at) fail_msg("no example '%s'", name);
    at += strlen(fence);
    end = strstr(at, "```");
    for (; at < end; at++) {
        uint8_t byte;

        if (*at == '#') at = strchr(at, '\n');
        if (*at == ' ' || *at == '\n') continue;
        assert_int_equal(text_from_hex((struct text){ at, 2 }, &byte, 1), 0);
        buf_append(to, &byte, 1);
        at++;
    }
    assert_int_equal(to->failed, 0);
}

static void assert_golden(const char *name, const struct buf *golden, const struct buf *encoded)
{
    for (size_t i = 0; i < golden->size && i < encoded->size; i++) {
        if (golden->data[i] != encoded->data[i]) fail_msg("%s differs at byte %zu", name, i);
    }
    if (golden->size != encoded->size) fail_msg("%s has %zu bytes", name, encoded->size);
}

/* Encodes the value and compares; decodes the example, encodes that and compares. */
#define GOLDEN(message, ...)                                                        \
    do {                                                                            \
        OWN(wire_arena_done) struct wire_arena arena = { 0 };                       \
        OWN(buf_done) struct buf golden = BUF_INIT(4096), encoded = BUF_INIT(4096); \
        OWN(buf_done) struct buf again = BUF_INIT(4096);                            \
        struct wire_##message value = { __VA_ARGS__ }, decoded;                     \
        struct problem problem = { 0 };                                             \
        example(#message, &golden);                                                 \
        assert_int_equal(wire_##message##_encode(&value, &encoded), 0);             \
        assert_golden(#message, &golden, &encoded);                                 \
        if (wire_##message##_decode(buf_peek(&golden), &arena, &decoded, &problem)) \
            fail_msg("%s", problem.detail);                                         \
        assert_int_equal(wire_##message##_encode(&decoded, &again), 0);             \
        assert_golden(#message, &golden, &again);                                   \
    } while (0)

#define WHO                                                                      \
    .protocol = 1, .application = TEXT("shop"), .instance = TEXT("host-1:4711"), \
    .incarnation = UINT64_C(0x0123456789abcdef)

static void the_examples_of_tasks_are_golden(void **state)
{
    struct wire_poll_task task = {
        TEXT(TASK), TEXT("POST /checkout"), 1, 100, 20, 10, 299000, true
    };

    (void)state;
    GOLDEN(poll, WHO, .version = TEXT("e1-41"), .clock_wall_ns = UINT64_C(1763694727482000000));
    GOLDEN(poll_answer, .protocol = 1, .version = TEXT("e1-42"), .tasks = &task, .tasks_count = 1,
           .is_off = true, .budget_core_ppm = 20000, .budget_thread_ppm = UINT32_MAX);
}

static void the_examples_of_statistics_are_golden(void **state)
{
    struct wire_pulse_interface interface = { TEXT("POST /checkout"), 303, 161200000,
                                              TEXT("\x10\x03\x01\xac\x02") };
    struct wire_reason_count drop = { TEXT("no-snapshot"), 1 }, note = { TEXT("forgotten"), 2 };
    struct wire_pulse_ledger ledger = {
        .task = TEXT(TASK),
        .seen = 303,
        .below = 300,
        .triggered = 3,
        .sampled = 1,
        .pending = 1,
        .drops = &drop,
        .drops_count = 1,
        .stretched_ns = 40000000,
        .snapshots = 10,
        .signals = 1,
        .reads = 3,
        .repeats = 4,
        .interrupted = 1,
        .perf = 2,
    };
    struct text trouble = TEXT("signal 23 is taken");

    (void)state;
    GOLDEN(pulse, WHO, .sequence = 3, .clock_wall_ns = UINT64_C(1763694727482000000),
           .host_ip = TEXT("10.0.0.7"), .library = TEXT("0.1.0"), .language = TEXT("c"),
           .pid = 4711, .uptime_ns = UINT64_C(60000000000), .interfaces = &interface,
           .interfaces_count = 1, .ledgers = &ledger, .ledgers_count = 1, .notes = &note,
           .notes_count = 1, .cpu_ns = 4000000, .memory_size = 8388608, .thread_count = 8,
           .call_count = 2, .troubles = &trouble, .troubles_count = 1, .is_off = true);
    GOLDEN(pulse_answer, .protocol = 1, .epoch = 7);
}

static void the_examples_of_logs_and_answers_are_golden(void **state)
{
    struct wire_log_event events[] = {
        { .sequence = 1, .task = TEXT(TASK), .event = 6, .age_ns = 1000000 },
        { .sequence = 2,
          .task = TEXT(TASK),
          .event = 12,
          .detail = TEXT("no-snapshot"),
          .count = 17 },
    };

    (void)state;
    GOLDEN(log, WHO, .events = events, .events_count = 2);
    GOLDEN(report_answer, .protocol = 1, .outcome = REPORT_ACCEPTED);
}

static uint32_t frame(struct stack_table *table, const char *path, struct text build_id,
                      const char *function, uint64_t offset, uint64_t function_offset)
{
    struct frame frame = { FRAME_NATIVE, .offset = offset, .function_offset = function_offset };
    uint32_t index = UINT32_MAX;

    assert_int_equal(stack_table_module(table, text_of(path), build_id, &frame.module), 0);
    assert_int_equal(stack_table_string(table, text_of(function), &frame.function), 0);
    assert_int_equal(stack_table_frame(table, &frame, &index), 0);
    return index;
}

/* The call that section 5.5 describes. */
static struct sample *described(void)
{
    static const char libz[] = "/usr/lib/x86_64-linux-gnu/libz.so.1", shop[] = "/usr/bin/shop";
    static const char libc[] = "/usr/lib/x86_64-linux-gnu/libc.so.6";
    struct sample *sample = sample_new();
    struct stack_table *table = &sample->stacks;
    uint32_t computing[3], reading[3];

    sample->snapshots = mem_zalloc(3, sizeof *sample->snapshots);
    sample->snapshot_count = 3;
    sample->snapshots[0] = (struct snapshot){ 100200000, .syscall = SYSCALL_NONE };
    sample->snapshots[1] =
        (struct snapshot){ 120300000, 19800000, 200000, 1, 0, WAIT_NETWORK, 0, 0 };
    sample->snapshots[2] = (struct snapshot){ 140300000, 150000, .syscall = SYSCALL_NONE };
    assert_int_equal(
        stack_table_string(table, TEXT("socket 10.0.0.9:5432"), &sample->snapshots[1].waiting_for),
        0);
    reading[2] = computing[2] = frame(table, shop, TEXT(""), "main", 0x1188, 0x1140);
    reading[1] = computing[1] = frame(table, shop, TEXT(""), "handle", 0x1a2f, 0x1a00);
    computing[0] = frame(table, libz, TEXT("\xef\xde"), "compress", 0x4a10, 0x4900);
    reading[0] = frame(table, libc, TEXT(""), "read", 0xf81ad, 0xf8190);
    assert_int_equal(stack_table_stack(table, computing, 3, &sample->snapshots[0].stack), 0);
    assert_int_equal(stack_table_stack(table, reading, 3, &sample->snapshots[1].stack), 0);
    sample->snapshots[2].stack = sample->snapshots[0].stack;
    return sample;
}

static void the_example_of_a_report_is_golden(void **state)
{
    OWN(sample_freep) struct sample *sample = described();
    OWN(sample_freep) struct sample *decoded = NULL;
    OWN(buf_done) struct buf golden = BUF_INIT(4096), encoded = BUF_INIT(4096);
    OWN(buf_done) struct buf again = BUF_INIT(4096);
    struct problem problem = { 0 };

    (void)state;
    snprintf(sample->id.text, sizeof sample->id.text, "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    snprintf(sample->trace.text, sizeof sample->trace.text, "4bf92f3577b34da6a3ce929d0e0e4736");
    snprintf(sample->task.text, sizeof sample->task.text, TASK);
    snprintf(sample->application, sizeof sample->application, "shop");
    snprintf(sample->instance, sizeof sample->instance, "host-1:4711");
    snprintf(sample->host_ip, sizeof sample->host_ip, "10.0.0.7");
    snprintf(sample->interface, sizeof sample->interface, "POST /checkout");
    snprintf(sample->thread_name, sizeof sample->thread_name, "worker 2");
    sample->incarnation = UINT64_C(0x0123456789abcdef);
    sample->revision = 1;
    sample->thread_id = 4713;
    sample->response_code = 200;
    sample->began_wall_ns = UINT64_C(1763694727482000000);
    sample->elapsed_ns = 161200000;
    sample->listened_ns = 61000000;
    sample->threshold_ns = 100000000;
    sample->frequency_ns = sample->interval_ns = 20000000;
    sample->end_cpu_ns = 20800000;

    example("report", &golden);
    assert_int_equal(report_encode(sample, &encoded), 0);
    assert_golden("report", &golden, &encoded);
    if (report_decode(buf_peek(&golden), &decoded, &problem) < 0) fail_msg("%s", problem.detail);
    assert_int_equal(report_encode(decoded, &again), 0);
    assert_golden("report", &golden, &again);
}

/* The same call, had it waited for a lock that another thread held, computing. */
static void the_example_of_owners_is_golden(void **state)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    OWN(sample_freep) struct sample *sample = described();
    OWN(buf_done) struct buf golden = BUF_INIT(64), encoded = BUF_INIT(4096);
    struct lock_owner owner = { .thread_id = 4713, .stack = 3 };
    uint32_t frames[2] = { 0, 2 }, index;
    struct problem problem = { 0 };
    struct wire_report report;

    (void)state;
    memset(sample->id.text, 'a', 32);
    memset(sample->trace.text, 'a', 32);
    sample->elapsed_ns = 161200000;
    assert_int_equal(stack_table_string(&sample->stacks, TEXT("worker 3"), &owner.thread_name), 0);
    assert_int_equal(stack_table_stack(&sample->stacks, frames, 2, &index), 0);
    assert_int_equal(index + 1, owner.stack);
    for (uint32_t i = 1; i < 3; i++) {
        sample->snapshots[i].wait = WAIT_LOCK;
        assert_int_equal(sample_add_owner(sample, &owner, &sample->snapshots[i].owner), 0);
    }
    example("owners", &golden);
    assert_int_equal(report_encode(sample, &encoded), 0);
    assert_int_equal(wire_report_decode(buf_peek(&encoded), &arena, &report, &problem), 0);
    assert_int_equal(report.owners.size, golden.size);
    assert_memory_equal(report.owners.data, golden.data, golden.size);
}

static void the_example_of_a_histogram_is_golden(void **state)
{
    OWN(buf_done) struct buf golden = BUF_INIT(64), encoded = BUF_INIT(64);
    struct histogram histogram = { 0 }, decoded;
    struct problem problem = { 0 };

    (void)state;
    histogram.buckets[histogram_bucket(1 << 14)] = 3;
    histogram.buckets[histogram_bucket((1 << 14) + (1 << 13))] = 300;
    example("histogram", &golden);
    assert_int_equal(histogram_encode(&histogram, &encoded), 0);
    assert_golden("histogram", &golden, &encoded);
    assert_int_equal(histogram_decode(buf_peek(&golden), &decoded, &problem), 0);
    assert_int_equal(decoded.count, 303);
    assert_memory_equal(decoded.buckets, histogram.buckets, sizeof decoded.buckets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_those_of_messages_def),
        cmocka_unit_test(the_reasons_are_those_of_drops_def),
        cmocka_unit_test(the_examples_of_tasks_are_golden),
        cmocka_unit_test(the_examples_of_statistics_are_golden),
        cmocka_unit_test(the_examples_of_logs_and_answers_are_golden),
        cmocka_unit_test(the_example_of_a_report_is_golden),
        cmocka_unit_test(the_example_of_owners_is_golden),
        cmocka_unit_test(the_example_of_a_histogram_is_golden),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
