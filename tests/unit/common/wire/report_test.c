/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/report.h"

#include "common/model/problem.h"
#include "common/wire/messages.h"
#include "common/wire/varint.h"
#include "tests/support/test.h"
#include "tests/unit/common/support/malloc_gauge.h"
#include "tests/unit/common/support/random_sample.h"

#include <errno.h>
#include <string.h>

static struct sample *made(uint64_t seed, uint32_t snapshot_count)
{
    return random_sample(&(struct random_source){ seed }, snapshot_count);
}

static void encode(const struct sample *sample, struct buf *to)
{
    assert_int_equal(report_encode(sample, to), 0);
}

static struct sample *decode(const struct buf *body)
{
    struct problem problem = { 0 };
    struct sample *sample = NULL;

    if (report_decode(buf_peek(body), &sample, &problem) < 0) fail_msg("%s", problem.detail);
    return sample;
}

static void assert_same_frame(const struct stack_table *left, const struct frame *a,
                              const struct stack_table *right, const struct frame *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->function_offset, b->function_offset);
    assert_int_equal(a->line, b->line);
    assert_int_equal(a->count, b->count);
    assert_string_equal(left->strings[a->function].data, right->strings[b->function].data);
    assert_string_equal(left->strings[a->class_name].data, right->strings[b->class_name].data);
    assert_string_equal(left->strings[a->file].data, right->strings[b->file].data);
    if (a->kind == FRAME_NATIVE) {
        const struct module *m = &left->modules[a->module], *n = &right->modules[b->module];

        assert_string_equal(left->strings[m->path].data, right->strings[n->path].data);
        assert_int_equal(m->build_id_size, n->build_id_size);
        assert_memory_equal(m->build_id, n->build_id, m->build_id_size);
    }
}

static void assert_same_stack(const struct sample *left, uint32_t a, const struct sample *right,
                              uint32_t b)
{
    struct stack s = left->stacks.stacks[a], t = right->stacks.stacks[b];

    assert_int_equal(s.count, t.count);
    for (uint32_t j = 0; j < s.count; j++) {
        assert_same_frame(
            &left->stacks, &left->stacks.frames[left->stacks.stack_frames[s.first + j]],
            &right->stacks, &right->stacks.frames[right->stacks.stack_frames[t.first + j]]);
    }
}

static void assert_same_owner(const struct sample *left, const struct sample *right, uint32_t i)
{
    const struct lock_owner *a = sample_owner(left, i), *b = sample_owner(right, i);

    assert_int_equal(a == NULL, b == NULL);
    if (!a) return;
    assert_int_equal(a->thread_id, b->thread_id);
    assert_string_equal(left->stacks.strings[a->thread_name].data,
                        right->stacks.strings[b->thread_name].data);
    assert_int_equal(a->stack == 0, b->stack == 0);
    if (a->stack > 0) assert_same_stack(left, a->stack - 1, right, b->stack - 1);
}

static void assert_same_snapshot(const struct sample *left, const struct sample *right, uint32_t i)
{
    const struct snapshot *a = &left->snapshots[i], *b = &right->snapshots[i];

    assert_int_equal(a->offset_ns, b->offset_ns);
    assert_int_equal(a->cpu_ns, b->cpu_ns);
    assert_int_equal(a->queue_ns, b->queue_ns);
    assert_int_equal(a->syscall, b->syscall);
    assert_int_equal(a->wait, b->wait);
    assert_string_equal(left->stacks.strings[a->waiting_for].data,
                        right->stacks.strings[b->waiting_for].data);
    assert_same_stack(left, a->stack, right, b->stack);
    assert_same_owner(left, right, i);
}

/* The same in every value; the tables may be numbered otherwise. */
static void assert_same_sample(const struct sample *left, const struct sample *right)
{
    assert_memory_equal(&left->id, &right->id, sizeof left->id);
    assert_memory_equal(&left->task, &right->task, sizeof left->task);
    assert_memory_equal(&left->trace, &right->trace, sizeof left->trace);
    assert_int_equal(left->revision, right->revision);
    assert_int_equal(left->running, right->running);
    assert_int_equal(left->incarnation, right->incarnation);
    assert_string_equal(left->application, right->application);
    assert_string_equal(left->instance, right->instance);
    assert_string_equal(left->host_ip, right->host_ip);
    assert_string_equal(left->interface, right->interface);
    assert_string_equal(left->thread_name, right->thread_name);
    assert_int_equal(left->thread_id, right->thread_id);
    assert_int_equal(left->response_code, right->response_code);
    assert_int_equal(left->began_wall_ns, right->began_wall_ns);
    assert_int_equal(left->elapsed_ns, right->elapsed_ns);
    assert_int_equal(left->listened_ns, right->listened_ns);
    assert_int_equal(left->threshold_ns, right->threshold_ns);
    assert_int_equal(left->frequency_ns, right->frequency_ns);
    assert_int_equal(left->interval_ns, right->interval_ns);
    assert_int_equal(left->end_cpu_ns, right->end_cpu_ns);
    assert_int_equal(left->end_queue_ns, right->end_queue_ns);
    assert_int_equal(left->merged_count, right->merged_count);
    assert_int_equal(left->owners_dropped, right->owners_dropped);
    assert_int_equal(left->snapshot_count, right->snapshot_count);
    for (uint32_t i = 0; i < left->snapshot_count; i++) {
        assert_same_snapshot(left, right, i);
    }
}

static void a_sample_comes_back_as_it_was_sent(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        OWN(sample_freep) struct sample *sent = made(seed, 1 + (uint32_t)(seed * 7 % 120));
        OWN(sample_freep) struct sample *received = NULL;
        OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
        OWN(buf_done) struct buf again = BUF_INIT(REPORT_SIZE_MAX);

        encode(sent, &body);
        received = decode(&body);
        assert_same_sample(sent, received);
        encode(received, &again);
        assert_int_equal(body.size, again.size);
        assert_memory_equal(body.data, again.data, body.size);
    }
}

static void a_sample_of_the_largest_size_fits(void **state)
{
    OWN(sample_freep) struct sample *sent = made(1, SNAPSHOTS_MAX);
    OWN(sample_freep) struct sample *received = NULL;
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);

    (void)state;
    encode(sent, &body);
    received = decode(&body);
    assert_same_sample(sent, received);
}

static void thinning_makes_a_report_smaller(void **state)
{
    OWN(sample_freep) struct sample *sample = made(3, 1000);
    size_t size_before = SIZE_MAX;

    (void)state;
    do {
        OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
        OWN(sample_freep) struct sample *received = NULL;

        encode(sample, &body);
        received = decode(&body);
        assert_same_sample(sample, received);
        assert_true(body.size < size_before);
        size_before = body.size;
    } while (sample_thin(sample) > 0);
    assert_int_equal(sample->snapshot_count, 1);
}

static void a_report_past_the_bound_leaves_the_buffer_as_it_was(void **state)
{
    OWN(sample_freep) struct sample *sample = made(4, 100);
    OWN(buf_done) struct buf body = BUF_INIT(500);

    (void)state;
    assert_int_equal(buf_text(&body, TEXT("before")), 0);
    assert_int_equal(report_encode(sample, &body), -ENOBUFS);
    assert_string_equal(body.data, "before");
}

static void no_truncation_is_accepted(void **state)
{
    OWN(sample_freep) struct sample *sample = made(5, 20);
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);

    (void)state;
    encode(sample, &body);
    for (size_t size = 0; size < body.size; size++) {
        OWN(mem_freep) char *cut = mem_text(body.data, size); /* so that ASan sees the end */
        struct sample *received = NULL;
        struct problem problem = { 0 };

        assert_int_equal(report_decode((struct text){ cut, size }, &received, &problem), -1);
        assert_null(received);
        assert_true(problem.code != PROBLEM_NONE && problem.detail[0] != '\0');
    }
}

/* Whatever is flipped: a problem, or a sample that is sound and can be sent on. */
static void every_flipped_bit_gives_a_sound_sample_or_a_problem(void **state)
{
    OWN(sample_freep) struct sample *sample = made(6, 8);
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    uint32_t refused_count = 0;

    (void)state;
    encode(sample, &body);
    for (size_t bit = 0; bit < 8 * body.size; bit++) {
        OWN(sample_freep) struct sample *received = NULL;
        struct problem problem = { 0 };

        body.data[bit / 8] = (char)(body.data[bit / 8] ^ 1 << bit % 8);
        if (report_decode(buf_peek(&body), &received, &problem) < 0) {
            assert_true(problem.code != PROBLEM_NONE);
            refused_count++;
        } else {
            OWN(buf_done) struct buf again = BUF_INIT(REPORT_SIZE_MAX);

            assert_int_equal(sample_check(received, &problem), 0);
            assert_int_equal(report_encode(received, &again), 0);
        }
        body.data[bit / 8] = (char)(body.data[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(refused_count > body.size); /* most of a report is structure, not values */
}

/* One slow call in one frame, as a message whose parts a test can spoil. */
struct plain {
    struct text strings[2];
    struct wire_report_module modules[2];
    struct wire_report report;
};

static const char plain_frames[] = { FRAME_NATIVE, 0, 0x20, 1, 0x0f };
static const char plain_stacks[] = { 0, 1, 0 };
static const char plain_snapshots[] = { 2, 100, 20, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0 };
static const char plain_id[] = "0123456789abcdef", zero_id[16];
#define BYTES(array) ((struct text){ (array), sizeof(array) })

static void plain_init(struct plain *plain)
{
    *plain = (struct plain){ 0 };
    plain->strings[0] = TEXT("render");
    plain->strings[1] = TEXT("/bin/shop");
    plain->modules[0] = (struct wire_report_module){ .path = 2 };
    plain->report = (struct wire_report){
        .protocol = 1,
        .application = TEXT("shop"),
        .instance = TEXT("host:1"),
        .incarnation = 1,
        .id = { plain_id, 16 },
        .revision = 1,
        .task = TEXT("00000000000000000001"),
        .trace = { plain_id, 16 },
        .interface = TEXT("GET /"),
        .elapsed_ns = 130,
        .listened_ns = 30,
        .strings = plain->strings,
        .strings_count = 2,
        .modules = plain->modules,
        .modules_count = 1,
        .frames = BYTES(plain_frames),
        .stacks = BYTES(plain_stacks),
        .snapshots = BYTES(plain_snapshots),
    };
}

static int decode_plain(const struct plain *plain, struct problem *problem)
{
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    OWN(sample_freep) struct sample *sample = NULL;

    assert_int_equal(wire_report_encode(&plain->report, &body), 0);
    return report_decode(buf_peek(&body), &sample, problem);
}

/* clang-format off */
#define SPOILS(name) static void name(struct wire_report *r)
SPOILS(no_id)            { r->id = (struct text){ plain_id, 15 }; }
SPOILS(zero_trace)       { r->trace = BYTES(zero_id); }
SPOILS(no_task)          { r->task = TEXT("../../etc/passwd"); }
SPOILS(no_revision)      { r->revision = 0; }
SPOILS(no_incarnation)   { r->incarnation = 0; }
SPOILS(no_application)   { r->application = TEXT(""); }
SPOILS(bad_instance)     { r->instance = TEXT("host\n"); }
SPOILS(prefix_interface) { r->interface = TEXT("GET /*"); }
SPOILS(bad_thread_name)  { r->thread_name = TEXT("\x1b[2J"); }
SPOILS(bad_host_ip)      { r->host_ip = TEXT("10.0.0"); }
SPOILS(zero_in_host_ip)  { r->host_ip = TEXT("::1\0x"); }
SPOILS(big_response)     { r->response_code = INT64_C(1) << 31; }
SPOILS(small_response)   { r->response_code = -(INT64_C(1) << 31) - 1; }
SPOILS(same_string)      { r->strings[1] = r->strings[0]; }
SPOILS(empty_string)     { r->strings[0] = TEXT(""); }
SPOILS(control_string)   { r->strings[0] = TEXT("a\tb"); }
SPOILS(module_path)      { r->modules[0].path = 3; }
SPOILS(same_module)      { r->modules[1] = r->modules[0]; r->modules_count = 2; }
SPOILS(frame_kind_0)     { r->frames = TEXT("\0"); }
SPOILS(frame_kind_4)     { r->frames = TEXT("\x04"); }
SPOILS(frame_module)     { r->frames = TEXT("\x01\x01\x20\x01\x0f"); }
SPOILS(frame_function)   { r->frames = TEXT("\x01\x00\x20\x03\x0f"); }
SPOILS(frame_cut)        { r->frames.size--; }
SPOILS(same_frame)       { r->frames = TEXT("\x01\0\x20\x01\x0f\x01\0\0\0\0"); }
SPOILS(marker_function)  { r->frames = TEXT("\x03\x03\x00"); }
SPOILS(python_file)      { r->frames = TEXT("\x02\x01\x01\x03\x01"); }
SPOILS(stack_frame)      { r->stacks = TEXT("\0\x01\x02"); }
SPOILS(stack_empty)      { r->stacks = TEXT("\0\0"); }
SPOILS(stack_keeps)      { r->stacks = TEXT("\x01\0"); }
SPOILS(stack_twice)      { r->stacks = TEXT("\0\x01\0\0\x01\0"); }
SPOILS(stack_deep)       { r->stacks = TEXT("\0\x82\x04"); }
SPOILS(stack_cut)        { r->stacks = TEXT("\0\x02\0"); }
SPOILS(no_snapshots)     { r->snapshots = TEXT(""); }
SPOILS(zero_snapshots)   { r->snapshots = TEXT("\0"); }
SPOILS(many_snapshots)   { r->snapshots = TEXT("\x81\x20"); }
SPOILS(few_bytes)        { r->snapshots = TEXT("\x80\x20"); }
SPOILS(more_bytes)       { r->snapshots = TEXT("\x01\x64\0\0\0\0\0\0\0"); }
SPOILS(equal_offsets)    { r->snapshots = TEXT("\x02\x64\0\0\0\0\0\0\0\0\0\0\0\0\0"); }
SPOILS(late_offset)      { r->snapshots = TEXT("\x01\x7f\x0\x0\x0\x0\x0\x0"); r->elapsed_ns = 126; }
SPOILS(first_cpu)        { r->snapshots = TEXT("\x01\x64\0\x05\0\0\0\0"); }
SPOILS(no_such_stack)    { r->snapshots = TEXT("\x01\x64\x02\0\0\0\0\0"); }
SPOILS(wait_6)           { r->snapshots = TEXT("\x01\x64\0\0\0\0\x06\0"); }
SPOILS(waiting_for_3)    { r->snapshots = TEXT("\x01\x64\0\0\0\0\0\x03"); }
SPOILS(big_syscall)      { r->snapshots = TEXT("\x01\x64\0\0\0\x80\x80\x80\x80\x08\0\0"); }
SPOILS(no_owners)        { r->owners = TEXT("\0\0\x01"); }
SPOILS(many_owners)      { r->owners = TEXT("\x81\x08"); }
SPOILS(few_owners)       { r->owners = TEXT("\x02\x01\0\0\0\0"); }
SPOILS(owner_cut)        { r->owners = TEXT("\x01\x01\0\0\0"); }
SPOILS(owner_goes_on)    { r->owners = TEXT("\x01\x01\0\0\0\0\0"); }
SPOILS(owner_of_none)    { r->owners = TEXT("\x01\x01\0\0\0\x01"); }
SPOILS(owner_0)          { r->owners = TEXT("\x01\0\0\0\0\0"); }
SPOILS(owner_name)       { r->owners = TEXT("\x01\x01\x03\0\0\0"); }
SPOILS(owner_stack)      { r->owners = TEXT("\x01\x01\0\x02\0\0"); }
SPOILS(wrong_sum)        { r->listened_ns = 31; }

/* clang-format on */

static const struct {
    void (*spoil)(struct wire_report *report);
    const char *blamed;
} spoiled[] = {
    { no_id, "id" },
    { zero_trace, "trace" },
    { no_task, "task" },
    { no_revision, "revision" },
    { no_incarnation, "incarnation" },
    { no_application, "application" },
    { bad_instance, "instance" },
    { prefix_interface, "interface" },
    { bad_thread_name, "thread_name" },
    { bad_host_ip, "host_ip" },
    { zero_in_host_ip, "host_ip" },
    { big_response, "response_code" },
    { small_response, "response_code" },
    { same_string, "strings" },
    { empty_string, "strings" },
    { control_string, "strings" },
    { module_path, "modules" },
    { same_module, "modules" },
    { frame_kind_0, "frames" },
    { frame_kind_4, "frames" },
    { frame_module, "frames" },
    { frame_function, "frames" },
    { frame_cut, "frames" },
    { same_frame, "frames" },
    { marker_function, "frames" },
    { python_file, "frames" },
    { stack_frame, "stacks" },
    { stack_empty, "stacks" },
    { stack_keeps, "stacks" },
    { stack_twice, "stacks" },
    { stack_deep, "stacks" },
    { stack_cut, "stacks" },
    { no_snapshots, "snapshots" },
    { zero_snapshots, "snapshots" },
    { many_snapshots, "snapshots" },
    { few_bytes, "snapshots" },
    { more_bytes, "snapshots" },
    { equal_offsets, "snapshots" },
    { late_offset, "snapshots" },
    { first_cpu, "snapshots" },
    { no_such_stack, "snapshots" },
    { wait_6, "snapshots" },
    { waiting_for_3, "snapshots" },
    { big_syscall, "snapshots" },
    { no_owners, "snapshots" },
    { many_owners, "owners" },
    { few_owners, "owners" },
    { owner_cut, "owners" },
    { owner_goes_on, "owners" },
    { owner_of_none, "snapshots" },
    { owner_0, "owners" },
    { owner_name, "owners" },
    { owner_stack, "owners" },
    { wrong_sum, "listened_ns" },
};

static void every_spoiled_part_is_refused_by_name(void **state)
{
    struct problem problem = { 0 };
    struct plain plain;

    (void)state;
    plain_init(&plain);
    if (decode_plain(&plain, &problem) < 0) fail_msg("unspoiled: %s", problem.detail);
    for (size_t i = 0; i < ARRAY_COUNT(spoiled); i++) {
        plain_init(&plain);
        spoiled[i].spoil(&plain.report);
        problem = (struct problem){ 0 };
        if (decode_plain(&plain, &problem) == 0) fail_msg("row %zu: accepted", i);
        if (strcmp(problem.field, spoiled[i].blamed) != 0)
            fail_msg("row %zu: blamed '%s': %s", i, problem.field, problem.detail);
    }
}

static void an_id_that_is_none_is_not_sent(void **state)
{
    OWN(sample_freep) struct sample *sample = made(7, 3);
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);

    (void)state;
    sample->trace.text[0] = 'X';
    assert_int_equal(report_encode(sample, &body), -EINVAL);
    assert_int_equal(body.size, 0);
}

/* Each allocation refused once: -ENOMEM or "try later", never a crash or half a result. */
static void without_memory_nothing_is_encoded(void **state)
{
    OWN(sample_freep) struct sample *sample = made(8, 30);
    uint32_t n = 0;

    (void)state;
    for (;;) {
        OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
        int rc;

        malloc_gauge_fail(++n);
        rc = report_encode(sample, &body);
        if (!malloc_gauge_has_failed()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(body.size, 0);
    }
    malloc_gauge_reset();
    assert_in_range(n, 10, 200);
}

static void without_memory_a_report_is_to_be_sent_again(void **state)
{
    OWN(sample_freep) struct sample *sample = made(8, 30);
    OWN(buf_done) struct buf body = BUF_INIT(REPORT_SIZE_MAX);
    uint32_t n = 0;

    (void)state;
    encode(sample, &body);
    for (;;) {
        OWN(sample_freep) struct sample *received = NULL;
        struct problem problem = { 0 };
        int rc;

        malloc_gauge_fail(++n);
        rc = report_decode(buf_peek(&body), &received, &problem);
        if (!malloc_gauge_has_failed()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, -1);
        assert_null(received);
        assert_int_equal(problem.code, PROBLEM_BUSY);
    }
    malloc_gauge_reset();
    assert_in_range(n, 10, 300);
}

/* The worst that a few bytes can grow to: each stack keeps 512 frames and adds one. */
static void deep_stacks_in_few_bytes_stay_within_their_tables(void **state)
{
    OWN(buf_done) struct buf frames = BUF_INIT(REPORT_SIZE_MAX), stacks = BUF_INIT(REPORT_SIZE_MAX);
    struct problem problem = { 0 };
    struct plain plain;

    (void)state;
    plain_init(&plain);
    for (uint64_t i = 0; i < 2 * REPORT_STACKS_MAX; i++) {
        buf_append(&frames, "\x01\x00\x02\x01\x00", 5); /* each 1 behind the one before */
        varint_write(&stacks, i == 0 ? 0 : i < STACK_FRAMES_MAX ? i : STACK_FRAMES_MAX);
        buf_append(&stacks, "\x01\x02", 2);
    }
    plain.report.frames = buf_peek(&frames);
    plain.report.stacks = buf_peek(&stacks);
    malloc_gauge_reset();
    assert_int_equal(decode_plain(&plain, &problem), -1);
    assert_string_equal(problem.field, "stacks");
    assert_true(malloc_gauge_size() < 40 * 1024 * 1024); /* all growth of the arrays, added up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_comes_back_as_it_was_sent),
        cmocka_unit_test(a_sample_of_the_largest_size_fits),
        cmocka_unit_test(thinning_makes_a_report_smaller),
        cmocka_unit_test(a_report_past_the_bound_leaves_the_buffer_as_it_was),
        cmocka_unit_test(no_truncation_is_accepted),
        cmocka_unit_test(every_flipped_bit_gives_a_sound_sample_or_a_problem),
        cmocka_unit_test(every_spoiled_part_is_refused_by_name),
        cmocka_unit_test(an_id_that_is_none_is_not_sent),
        cmocka_unit_test(without_memory_nothing_is_encoded),
        cmocka_unit_test(without_memory_a_report_is_to_be_sent_again),
        cmocka_unit_test(deep_stacks_in_few_bytes_stay_within_their_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
