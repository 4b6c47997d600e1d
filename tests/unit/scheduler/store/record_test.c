/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/access/scope.h"
#include "scheduler/store/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/own.h"
#include "tests/support/test.h"

static struct sample_summary some_summary(void)
{
    struct sample_summary it = { .at_wall_ms = 1795000000000,
                                 .elapsed_ns = UINT64_MAX,
                                 .listened_ns = 2,
                                 .threshold_ns = 3,
                                 .running_ns = 4,
                                 .queued_ns = 5,
                                 .waiting_ns = 6,
                                 .incarnation = 0xfedcba9876543210,
                                 .response_code = -500,
                                 .thread_id = 77,
                                 .snapshot_count = 4096,
                                 .revision = 9,
                                 .running = true };

    snprintf(it.trace.text, sizeof(it.trace.text), "%s", "0af7651916cd43dd8448eb211c80319c");
    snprintf(it.interface, sizeof(it.interface), "GET /a b");
    snprintf(it.instance, sizeof(it.instance), "höst:1");
    snprintf(it.host_ip, sizeof(it.host_ip), "fe80::1");
    snprintf(it.thread_name, sizeof(it.thread_name), "worker 1");
    return it;
}

static void a_summary_comes_back_as_it_was(void **state)
{
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX), row = BUF_INIT(RECORD_SIZE_MAX);
    struct sample_summary in = some_summary(), out = { 0 };
    uint64_t order = 0;

    (void)state;
    record_write_summary(&record, &in);
    assert_int_equal(buf_printf(&row, "12 9 4711 %s", record.data), 0);
    assert_int_equal(record_read_sample(buf_peek(&row), &out, &order), 0);
    assert_int_equal(order, 12);
    assert_memory_equal(&in, &out, sizeof(in));
}

static void control_characters_never_break_a_record(void **state)
{
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX), row = BUF_INIT(RECORD_SIZE_MAX);
    struct sample_summary in = some_summary(), out = { 0 };
    uint64_t order;

    (void)state;
    snprintf(in.instance, sizeof(in.instance), "a\nb\tc");
    record_write_summary(&record, &in);
    assert_int_equal(buf_printf(&row, "1 1 1 %s", record.data), 0);
    assert_int_equal(record_read_sample(buf_peek(&row), &out, &order), 0);
    assert_string_equal(out.instance, "a?b?c");
    assert_string_equal(out.host_ip, in.host_ip);
}

/* Every beginning of a good record, and every byte of it replaced: a value or -EBADMSG. */
static void readers_are_total(void **state)
{
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);
    struct sample_summary in = some_summary(), out;
    struct task_log_event event;
    struct task_ledger ledger;
    struct store_token token;
    char hash[TOKEN_HASH_SIZE + 1];
    uint64_t order;

    (void)state;
    memset(hash, 'a', sizeof(hash));
    assert_int_equal(buf_printf(&record, "1 1 1 "), 0);
    record_write_summary(&record, &in);
    for (size_t size = 0; size < record.size; size++) {
        struct text cut = { record.data, size };
        char kept = record.data[size];
        record_read_sample(cut, &out, &order);
        record_read_event(cut, &event);
        record_read_ledger(cut, &ledger);
        record_read_token((struct text){ hash, TOKEN_HASH_SIZE }, cut, &token);
        record.data[size] = '\xff';
        record_read_sample(buf_peek(&record), &out, &order);
        record.data[size] = kept;
    }
    assert_int_equal(record_read_sample(TEXT(""), &out, &order), -EBADMSG);
    assert_int_equal(record_read_event(TEXT("1\n2"), &event), -EBADMSG);
    assert_int_equal(record_read_ledger(TEXT("1\n0\n0\n\nh\n\n1 2 3"), &ledger), -EBADMSG);
    assert_int_equal(record_read_token(TEXT("short"), TEXT("a\nb\n1\n0"), &token), -EBADMSG);
}

/* The four lines that releases without scopes read. */
static void check_plain(struct text record, const char *role)
{
    char whole[256];

    snprintf(whole, sizeof(whole), "alice\n%s\n11\n0", role);
    assert_true(text_starts_with(record, text_of(whole)));
}

static void a_token_comes_back_as_it_was(void **state)
{
    static const struct text names[] = { { "shop", 4 }, { "a cart", 6 } };
    struct store_token in = { .name = "alice", .role = "operator", .created_wall_ms = 11 }, out;
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);

    (void)state;
    memset(in.hash, 'a', TOKEN_HASH_SIZE);
    record_write_token(&record, &in);
    assert_int_equal(record_read_token(text_of(in.hash), buf_peek(&record), &out), 0);
    assert_memory_equal(&in, &out, sizeof(in));
    check_plain(buf_peek(&record), "operator");

    in.expires_wall_ms = 22;
    in.is_replaced = true;
    in.scope = scope_new(names, ARRAY_COUNT(names));
    buf_reset(&record);
    record_write_token(&record, &in);
    assert_int_equal(record_read_token(text_of(in.hash), buf_peek(&record), &out), 0);
    check_plain(buf_peek(&record), "+operator"); /* no role to them: it opens nothing */
    assert_string_equal(out.role, "operator");
    assert_int_equal(out.expires_wall_ms, 22);
    assert_true(out.is_replaced);
    assert_true(scope_has(out.scope, names[1]));
    assert_false(scope_has(out.scope, TEXT("cart")));
    assert_int_equal(scope_at(out.scope, 2).size, 0);
    scope_unref(in.scope);
    scope_unref(out.scope);
}

/* A damaged scope must not become "all applications". */
static void a_token_whose_scope_cannot_be_read_is_none(void **state)
{
    static const char *const records[] = {
        "a\n+viewer\n1\n0",
        "a\n+viewer\n1\n0\n",
        "a\n+viewer\n1\n0\n0\n",
        "a\n+viewer\n1\n0\nx\n0",
        "a\n+viewer\n1\n0\n0\n0\n\nshop",
        "a\n+viewer\n1\n0\n0\n0\n\n",
    };
    char hash[TOKEN_HASH_SIZE + 1] = "";
    struct store_token out;

    (void)state;
    memset(hash, 'a', TOKEN_HASH_SIZE);
    for (size_t i = 0; i < ARRAY_COUNT(records); i++) {
        if (record_read_token(text_of(hash), text_of(records[i]), &out) == 0)
            fail_msg("'%s' was read", records[i]);
    }
}

static void an_event_comes_back_as_it_was(void **state)
{
    OWN(buf_done) struct buf record = BUF_INIT(RECORD_SIZE_MAX);
    struct task_log_event in = { .event = 12,
                                 .at_wall_ms = 1795000000000,
                                 .incarnation = 1,
                                 .sequence = 2,
                                 .count = 3,
                                 .instance = "host:1",
                                 .detail = "queue full" };
    struct task_log_event out;

    (void)state;
    record_write_event(&record, &in);
    assert_int_equal(record_read_event(buf_peek(&record), &out), 0);
    assert_memory_equal(&in, &out, sizeof(in));
    /* As the functions write the scheduler's own. */
    assert_int_equal(record_read_event(TEXT("5\n1\n0\n0\n1\n\nby ann"), &out), 0);
    assert_int_equal(out.incarnation, 0);
    assert_string_equal(out.detail, "by ann");
}

static void a_ledger_comes_back_as_it_was_and_unknown_reasons_are_passed_over(void **state)
{
    OWN(buf_done) struct buf counts = BUF_INIT(RECORD_SIZE_MAX), row = BUF_INIT(RECORD_SIZE_MAX);
    struct ledger in = { .seen = 100,
                         .below = 90,
                         .triggered = 10,
                         .sampled = 3,
                         .over_cap = 2,
                         .pending = 1,
                         .snapshots = 7,
                         .signals = 14,
                         .perf = 15,
                         .reads = 16,
                         .repeats = 17,
                         .interrupted = 18,
                         .slowest_below_ns = 8,
                         .late_ns_max = 9,
                         .pause_ns_p50 = 10,
                         .pause_ns_p99 = 11,
                         .cpu_ns = 12,
                         .armed_ns = 13 };
    struct task_ledger out;

    (void)state;
    for (size_t i = 0; i < CALL_DROP_COUNT; i++) {
        in.drops[i] = i;
    }
    for (size_t i = 0; i < SNAPSHOT_DROP_COUNT; i++) {
        in.snapshot_drops[i] = 2 * i;
    }
    record_write_counts(&counts, &in);
    assert_int_equal(
        buf_printf(&row, "5\n1795\n0\nno signal\nhost:1\n::1\n%s c:of-tomorrow=3 w:of-tomorrow=4",
                   counts.data),
        0);
    assert_int_equal(record_read_ledger(buf_peek(&row), &out), 0);
    assert_memory_equal(&out.counts, &in, sizeof(in));
    assert_int_equal(out.sequence, 5);
    assert_int_equal(out.delivered_wall_ms, 1795);
    assert_string_equal(out.refused, "no signal");
    assert_string_equal(out.host_ip, "::1");
    assert_false(out.is_gone);
}

static void a_conflict_keeps_blanks_in_its_interface(void **state)
{
    struct store_conflict conflict;

    (void)state;
    assert_int_equal(
        record_read_conflict(TEXT("0123456789abcdef0123"), TEXT("ACTIVE 5 6 GET /a b"), &conflict),
        0);
    assert_string_equal(conflict.interface, "GET /a b");
    assert_true(conflict.is_active);
    assert_int_equal(conflict.ends_wall_ms, 6);
    assert_int_equal(record_read_conflict(TEXT("x"), TEXT("ACTIVE 5 6 GET"), &conflict), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_summary_comes_back_as_it_was),
        cmocka_unit_test(control_characters_never_break_a_record),
        cmocka_unit_test(readers_are_total),
        cmocka_unit_test(a_token_comes_back_as_it_was),
        cmocka_unit_test(a_token_whose_scope_cannot_be_read_is_none),
        cmocka_unit_test(an_event_comes_back_as_it_was),
        cmocka_unit_test(a_ledger_comes_back_as_it_was_and_unknown_reasons_are_passed_over),
        cmocka_unit_test(a_conflict_keeps_blanks_in_its_interface),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
