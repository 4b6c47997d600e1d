/* SPDX-License-Identifier: Apache-2.0 */
/* The codec against messages.def itself: every row of it is tested for its type, its limit on
 * both sides, its absence and its repetition. Bodies are packed by hand, not by our encoder. */
#include "common/wire/messages.h"

#include "common/base/own.h"
#include "common/model/problem.h"
#include "tests/support/test.h"
#include "tests/unit/common/support/malloc_gauge.h"

#include <errno.h>
#include <msgpack.h>
#include <string.h>

enum kind { KIND_U32, KIND_U64, KIND_I64, KIND_BOOL, KIND_TEXT, KIND_BIN, KIND_LIST, KIND_TEXTS };

struct row {
    const char *message, *field, *element;
    uint32_t key, limit;
    enum kind kind;
    bool is_required;
};

/* clang-format off */
#define ABSENT_REQUIRED true
#define ABSENT_ZERO     false
static const struct row rows[] = {
#define WIRE_BEGIN(message)
#define WIRE_FIELD(message, key, field, type, absent, limit) \
    { #message, #field, NULL, key, limit, KIND_##type, ABSENT_##absent },
#define WIRE_LIST(message, key, field, element, limit) \
    { #message, #field, #element, key, limit, KIND_LIST, false },
#define WIRE_TEXTS(message, key, field, size_max, limit) \
    { #message, #field, NULL, key, limit, KIND_TEXTS, false },
#define WIRE_END(message)
#include "common/wire/messages.def"
#undef WIRE_BEGIN
#undef WIRE_FIELD
#undef WIRE_LIST
#undef WIRE_TEXTS
#undef WIRE_END
};

/* Decodes a body as the message and encodes what came out. */
#define WIRE_BEGIN(message)                                                                       \
    static int round_##message(struct text body, struct buf *again, struct problem *problem)      \
    {                                                                                             \
        OWN(wire_arena_done) struct wire_arena arena = { 0 };                                     \
        struct wire_##message value;                                                              \
        if (wire_##message##_decode(body, &arena, &value, problem) < 0) return -1;                \
        return wire_##message##_encode(&value, again);                                            \
    }
#define WIRE_FIELD(message, key, field, type, absent, limit)
#define WIRE_LIST(message, key, field, element, limit)
#define WIRE_TEXTS(message, key, field, size_max, limit)
#define WIRE_END(message)
#include "common/wire/messages.def"
#undef WIRE_BEGIN
#undef WIRE_END

static const struct {
    const char *message;
    int (*round)(struct text body, struct buf *again, struct problem *problem);
} rounds[] = {
#define WIRE_BEGIN(message) { #message, round_##message },
#define WIRE_END(message)
#include "common/wire/messages.def"
#undef WIRE_BEGIN
#undef WIRE_FIELD
#undef WIRE_LIST
#undef WIRE_TEXTS
#undef WIRE_END
};
/* clang-format on */

static int on_write(void *to, const char *data, size_t size)
{
    return buf_append(to, data, size);
}

static msgpack_packer packer_to(struct buf *to)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, to, on_write);
    return packer;
}

static int round_trip(const char *message, const struct buf *body, struct buf *again,
                      struct problem *problem)
{
    for (size_t i = 0; i < ARRAY_COUNT(rounds); i++) {
        if (strcmp(rounds[i].message, message) == 0)
            return rounds[i].round(buf_peek(body), again, problem);
    }
    fail_msg("no message %s", message);
    return -1;
}

static bool is_of(const struct row *row, const char *message)
{
    return strcmp(row->message, message) == 0;
}

/* How many fields a minimal body of the message has, and more: with `extra`, without `without`. */
static void pack_minimal(struct buf *to, const char *message, const struct row *without,
                         uint32_t extra)
{
    msgpack_packer packer = packer_to(to);
    uint32_t count = extra;

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        count += is_of(&rows[i], message) && rows[i].is_required && &rows[i] != without;
    }
    msgpack_pack_map(&packer, count);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct row *row = &rows[i];

        if (!is_of(row, message) || !row->is_required || row == without) continue;
        msgpack_pack_uint32(&packer, row->key);
        if (row->kind == KIND_TEXT) {
            msgpack_pack_str_with_body(&packer, "x", 1);
        } else if (row->kind == KIND_BIN) {
            msgpack_pack_bin_with_body(&packer, "x", 1);
        } else {
            msgpack_pack_uint32(&packer, 1);
        }
    }
}

/* A value of the row's type with `size` bytes or elements; a number `size`. */
static void pack_sized(struct buf *to, const struct row *row, uint32_t size)
{
    msgpack_packer packer = packer_to(to);

    if (row->kind == KIND_TEXT || row->kind == KIND_BIN) {
        OWN(mem_freep) char *content = mem_alloc(size);

        memset(content, 'x', size);
        if (row->kind == KIND_TEXT)
            msgpack_pack_str_with_body(&packer, content, size);
        else
            msgpack_pack_bin_with_body(&packer, content, size);
        return;
    }
    msgpack_pack_array(&packer, size);
    for (uint32_t i = 0; i < size; i++) {
        if (row->kind == KIND_LIST)
            pack_minimal(to, row->element, NULL, 0);
        else
            msgpack_pack_str_with_body(&packer, "x", 1);
    }
}

static void pack_key(struct buf *to, const struct row *row)
{
    msgpack_packer packer = packer_to(to);

    msgpack_pack_uint32(&packer, row->key);
}

static void assert_refused(const struct row *row, const struct buf *body, const char *says)
{
    OWN(buf_done) struct buf again = BUF_INIT(4 * 1024 * 1024);
    struct problem problem = { 0 };

    if (round_trip(row->message, body, &again, &problem) != -1)
        fail_msg("%s.%s: %s: accepted", row->message, row->field, says);
    if (problem.code != PROBLEM_BAD_BODY || strcmp(problem.field, row->field) != 0)
        fail_msg("%s.%s: %s: blamed '%s': %s", row->message, row->field, says, problem.field,
                 problem.detail);
    if (!strstr(problem.detail, row->message) || !strstr(problem.detail, row->field))
        fail_msg("%s.%s: %s: '%s'", row->message, row->field, says, problem.detail);
}

static void a_message_of_required_fields_alone_encodes_to_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rounds); i++) {
        OWN(buf_done) struct buf body = BUF_INIT(4096), again = BUF_INIT(4096);
        struct problem problem = { 0 };

        pack_minimal(&body, rounds[i].message, NULL, 0);
        if (round_trip(rounds[i].message, &body, &again, &problem) < 0)
            fail_msg("%s: %s", rounds[i].message, problem.detail);
        assert_int_equal(body.size, again.size);
        assert_memory_equal(body.data, again.data, body.size);
    }
}

static void a_required_field_must_be_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        OWN(buf_done) struct buf body = BUF_INIT(4096);

        if (!rows[i].is_required) continue;
        pack_minimal(&body, rows[i].message, &rows[i], 0);
        assert_refused(&rows[i], &body, "missing");
    }
}

static void a_value_of_another_type_is_refused(void **state)
{
    static const char *const values[] = { "\xc0", "\xcb\x3f\xf0\0\0\0\0\0\0", "\x80" };
    static const size_t sizes[] = { 1, 9, 1 };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(values); j++) {
            OWN(buf_done) struct buf body = BUF_INIT(4096);

            pack_minimal(&body, rows[i].message, &rows[i], 1);
            pack_key(&body, &rows[i]);
            buf_append(&body, values[j], sizes[j]);
            assert_refused(&rows[i], &body, "of another type");
        }
    }
}

static void a_field_that_is_there_twice_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        OWN(buf_done) struct buf body = BUF_INIT(4096);

        if (!rows[i].is_required) continue;
        pack_minimal(&body, rows[i].message, NULL, 1);
        pack_key(&body, &rows[i]);
        buf_append(&body, "\x01", 1);
        assert_refused(&rows[i], &body, "twice");
    }
}

static void every_limit_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        OWN(buf_done) struct buf fits = BUF_INIT(4 * 1024 * 1024);
        OWN(buf_done) struct buf again = BUF_INIT(4 * 1024 * 1024);
        OWN(buf_done) struct buf over = BUF_INIT(4 * 1024 * 1024);
        struct problem problem = { 0 };

        if (row->limit == 0) continue;
        pack_minimal(&fits, row->message, row, 1);
        pack_key(&fits, row);
        pack_sized(&fits, row, row->limit);
        if (round_trip(row->message, &fits, &again, &problem) < 0)
            fail_msg("%s.%s: at its limit: %s", row->message, row->field, problem.detail);
        pack_minimal(&over, row->message, row, 1);
        pack_key(&over, row);
        pack_sized(&over, row, row->limit + 1);
        assert_refused(row, &over, "one over its limit");
    }
}

static void text_must_be_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        OWN(buf_done) struct buf body = BUF_INIT(4096);

        if (rows[i].kind != KIND_TEXT && rows[i].kind != KIND_TEXTS) continue;
        pack_minimal(&body, rows[i].message, &rows[i], 1);
        pack_key(&body, &rows[i]);
        if (rows[i].kind == KIND_TEXTS) buf_append(&body, "\x91", 1);
        buf_append(&body, "\xa2\xc3\x28", 3);
        assert_refused(&rows[i], &body, "not UTF-8");
    }
}

static void numbers_are_held_to_their_width(void **state)
{
    static const char past_u32[] = "\xcf\x00\x00\x00\x01\x00\x00\x00\x00";
    static const char past_i64[] = "\xcf\x80\x00\x00\x00\x00\x00\x00\x00";
    static const char minus_1[] = "\xff";

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        OWN(buf_done) struct buf wide = BUF_INIT(4096), negative = BUF_INIT(4096);
        const struct row *row = &rows[i];

        if (strcmp(row->field, "protocol") == 0) continue; /* that is another problem */
        if (row->kind == KIND_U32 || row->kind == KIND_I64) {
            pack_minimal(&wide, row->message, row, 1);
            pack_key(&wide, row);
            buf_append(&wide, row->kind == KIND_U32 ? past_u32 : past_i64, 9);
            assert_refused(row, &wide, "too wide");
        }
        if (row->kind == KIND_U32 || row->kind == KIND_U64) {
            pack_minimal(&negative, row->message, row, 1);
            pack_key(&negative, row);
            buf_append(&negative, minus_1, 1);
            assert_refused(row, &negative, "negative");
        }
    }
}

static void unknown_keys_are_skipped_whatever_they_hold(void **state)
{
    static const char unknown[] = "\xcd\x03\xe8\x92\xc0\x81\xa1k\xcb\x3f\xf0\0\0\0\0\0\0";

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rounds); i++) {
        OWN(buf_done) struct buf plain = BUF_INIT(4096), body = BUF_INIT(4096);
        OWN(buf_done) struct buf again = BUF_INIT(4096);
        struct problem problem = { 0 };

        pack_minimal(&plain, rounds[i].message, NULL, 0);
        pack_minimal(&body, rounds[i].message, NULL, 1);
        buf_append(&body, unknown, sizeof unknown - 1);
        assert_int_equal(round_trip(rounds[i].message, &body, &again, &problem), 0);
        assert_int_equal(plain.size, again.size);
        assert_memory_equal(plain.data, again.data, plain.size);
    }
}

static void a_version_that_is_not_spoken_is_told_before_anything_else(void **state)
{
    static const struct {
        struct text body;
        enum problem_code code;
    } cases[] = {
        { TEXT("\x81\x01\x00"), PROBLEM_BAD_PROTOCOL },
        { TEXT("\x81\x01\x01"), PROBLEM_BAD_BODY }, /* spoken, and then the rest is missing */
        { TEXT("\x81\x01\x02"), PROBLEM_BAD_PROTOCOL },
        { TEXT("\x82\x02\xc0\x01\x02"), PROBLEM_BAD_PROTOCOL }, /* its key 2 is no text */
        { TEXT("\x81\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), PROBLEM_BAD_PROTOCOL },
    };
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct wire_poll poll;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct problem problem = { 0 };

        assert_int_equal(wire_poll_decode(cases[i].body, &arena, &poll, &problem), -1);
        assert_int_equal(problem.code, cases[i].code);
    }
}

static void who_speaks_another_version_can_still_be_named(void **state)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct problem problem = { 0 };
    struct wire_identity identity;
    struct text body = TEXT("\x85\x01\x09\x02\xa4shop\x03\xa1h\x04\x07\x06\xc3");

    (void)state;
    assert_int_equal(wire_identity_decode(body, &arena, &identity, &problem), 0);
    assert_int_equal(identity.speaks, 9);
    assert_true(text_is_equal(identity.application, TEXT("shop")));
    assert_true(text_is_equal(identity.instance, TEXT("h")));
    assert_int_equal(identity.incarnation, 7);
}

static void what_the_decoder_would_refuse_is_not_encoded(void **state)
{
    OWN(buf_done) struct buf to = BUF_INIT(4096);
    char name[APPLICATION_SIZE_MAX + 1];
    struct wire_poll poll = { .protocol = 1, .instance = TEXT("h"), .incarnation = 1 };

    (void)state;
    memset(name, 'x', sizeof name);
    assert_int_equal(buf_text(&to, TEXT("before")), 0);
    poll.application = (struct text){ name, APPLICATION_SIZE_MAX + 1 };
    assert_int_equal(wire_poll_encode(&poll, &to), -EINVAL);
    poll.application = TEXT("\xff");
    assert_int_equal(wire_poll_encode(&poll, &to), -EINVAL);
    assert_string_equal(to.data, "before");
    poll.application = (struct text){ name, APPLICATION_SIZE_MAX };
    assert_int_equal(wire_poll_encode(&poll, &to), 0);
}

static void failure_leaves_the_result_alone(void **state)
{
    OWN(wire_arena_done) struct wire_arena arena = { 0 };
    struct problem problem = { 0 };
    struct wire_pulse_answer answer = { 77, 88 };

    (void)state;
    /* epoch comes first and is fine, protocol is missing */
    assert_int_equal(wire_pulse_answer_decode(TEXT("\x81\x02\x05"), &arena, &answer, &problem), -1);
    assert_int_equal(answer.protocol, 77);
    assert_int_equal(answer.epoch, 88);
}

/* Five bytes that promise 2^28 entries make msgpack_unpack() ask for gigabytes. */
static void a_bomb_is_refused_without_memory(void **state)
{
    static const struct text bombs[] = {
        TEXT("\xdf\x10\x00\x00\x00"),
        TEXT("\xdd\x10\x00\x00\x00"),
        TEXT("\xdd\xff\xff\xff\xff"),
        TEXT("\xdf\xff\xff\xff\xff"),
        TEXT("\xdd\x00\x00\x00\x05\xdd\x0f\xff\xff\xff"),
        TEXT("\xc6\xff\xff\xff\xff"),
        TEXT("\xdb\xff\xff\xff\xff"),
        TEXT("\x81\x01\xdf\x7f\xff\xff\xff"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bombs); i++) {
        OWN(wire_arena_done) struct wire_arena arena = { 0 };
        struct problem problem = { 0 };
        struct wire_pulse pulse;

        malloc_gauge_reset();
        assert_int_equal(wire_pulse_decode(bombs[i], &arena, &pulse, &problem), -1);
        assert_int_equal(problem.code, PROBLEM_BAD_BODY);
        assert_true(malloc_gauge_size() < 16 * 1024); /* an empty arena */
    }
}

static void without_memory_nothing_is_decoded_and_nothing_leaks(void **state)
{
    OWN(buf_done) struct buf body = BUF_INIT(1024 * 1024);
    struct row interfaces = { "pulse", "interfaces", "pulse_interface", 13, 4096, KIND_LIST, 0 };
    uint32_t n = 0;

    (void)state;
    pack_minimal(&body, "pulse", &interfaces, 1);
    pack_key(&body, &interfaces);
    pack_sized(&body, &interfaces, 3000);
    do {
        OWN(wire_arena_done) struct wire_arena arena = { 0 };
        struct problem problem = { 0 };
        struct wire_pulse pulse = { .pid = 5 };
        int rc;

        malloc_gauge_fail(++n);
        rc = wire_pulse_decode(buf_peek(&body), &arena, &pulse, &problem);
        if (!malloc_gauge_has_failed()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, -1);
        assert_int_equal(problem.code, PROBLEM_BUSY);
        assert_int_equal(pulse.pid, 5);
    } while (n < 1000);
    malloc_gauge_reset();
    assert_in_range(n, 3, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_of_required_fields_alone_encodes_to_the_same_bytes),
        cmocka_unit_test(a_required_field_must_be_there),
        cmocka_unit_test(a_value_of_another_type_is_refused),
        cmocka_unit_test(a_field_that_is_there_twice_is_refused),
        cmocka_unit_test(every_limit_is_exact),
        cmocka_unit_test(text_must_be_utf8),
        cmocka_unit_test(numbers_are_held_to_their_width),
        cmocka_unit_test(unknown_keys_are_skipped_whatever_they_hold),
        cmocka_unit_test(a_version_that_is_not_spoken_is_told_before_anything_else),
        cmocka_unit_test(who_speaks_another_version_can_still_be_named),
        cmocka_unit_test(what_the_decoder_would_refuse_is_not_encoded),
        cmocka_unit_test(failure_leaves_the_result_alone),
        cmocka_unit_test(a_bomb_is_refused_without_memory),
        cmocka_unit_test(without_memory_nothing_is_decoded_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
