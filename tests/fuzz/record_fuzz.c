/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a record of Redis: what is read can be written, and is then read as the same. The
 * first byte says which kind of record it is. */
#include "common/base/own.h"
#include "scheduler/access/scope.h"
#include "scheduler/store/record.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* Reads, and writes what it read: false if it is no such record. */
typedef bool (*again_fn)(struct text record, struct buf *ret);

static bool sample_again(struct text record, struct buf *ret)
{
    struct sample_summary summary;
    uint64_t order;

    if (record_read_sample(record, &summary, &order) < 0) return false;
    CHECK(buf_text(ret, TEXT("0 0 0 ")) == 0); /* the functions' own words */
    record_write_summary(ret, &summary);
    return true;
}

static bool event_again(struct text record, struct buf *ret)
{
    struct task_log_event event;

    if (record_read_event(record, &event) < 0) return false;
    record_write_event(ret, &event);
    return true;
}

static bool ledger_again(struct text record, struct buf *ret)
{
    struct task_ledger ledger;

    if (record_read_ledger(record, &ledger) < 0) return false;
    CHECK(buf_text(ret, TEXT("0\n0\n0\n\n\n\n")) == 0); /* whose it is, as the functions write it */
    record_write_counts(ret, &ledger.counts);
    return true;
}

static bool settings_again(struct text record, struct buf *ret)
{
    struct application_settings settings;

    if (record_read_settings(TEXT("shop"), record, &settings) < 0) return false;
    record_write_settings(ret, &settings);
    return true;
}

static bool token_again(struct text record, struct buf *ret)
{
    static const char hash[TOKEN_HASH_SIZE + 1] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct store_token token;

    if (record_read_token(text_of(hash), record, &token) < 0) return false;
    if (token.role[0] != '+') record_write_token(ret, &token); /* no role begins so */
    scope_unref(token.scope);
    return token.role[0] != '+';
}

static bool audit_again(struct text record, struct buf *ret)
{
    struct store_audit entry;

    if (record_read_audit(record, &entry) < 0) return false;
    record_write_audit(ret, &entry);
    return true;
}

static bool conflict_again(struct text record, struct buf *ret)
{
    struct store_conflict conflict;

    if (record_read_conflict(TEXT("01kak2v3zkahj0r6vyttsrbr4b"), record, &conflict) == 0)
        CHECK(memchr(conflict.interface, '\0', sizeof conflict.interface));
    (void)ret; /* the functions write these */
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const again_fn kinds[] = { sample_again, event_again, ledger_again,  settings_again,
                                      token_again,  audit_again, conflict_again };
    OWN(buf_done) struct buf once = BUF_INIT(64 * RECORD_SIZE_MAX);
    OWN(buf_done) struct buf twice = BUF_INIT(64 * RECORD_SIZE_MAX);
    again_fn again;

    if (size == 0) return 0;
    again = kinds[data[0] % ARRAY_COUNT(kinds)];
    if (!again(fuzz_text(data + 1, size - 1), &once)) return 0;
    CHECK(again(buf_peek(&once), &twice));
    CHECK(text_is_equal(buf_peek(&once), buf_peek(&twice)));
    return 0;
}
