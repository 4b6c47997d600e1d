/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "common/base/check.h"
#include "common/model/problem.h"
#include "scheduler/http/admit.h"
#include "scheduler/http/cookie.h"
#include "scheduler/http/http.h"

#include <errno.h>
#include <string.h>

static void hosts_that_name_this_machine_are_ours(void **state)
{
    static const struct {
        const char *host;
        bool is_ours;
    } cases[] = {
        { "localhost", true },
        { "LOCALHOST:7411", true },
        { "127.0.0.1", true },
        { "127.0.0.1:7411", true },
        { "127.8.9.10", true },
        { "[::1]", true },
        { "[::1]:7411", true },
        { "127.0.0.5:80", true },
        { "", false },
        { "evil.com", false },
        { "evil.com:7411", false },
        { "localhost.evil.com", false },
        { "127.0.0.1.evil.com", false },
        { "127.0.0", false },
        { "127.0.0.1.1", false },
        { "127.0.0.1111", false },
        { "127.0.0.", false },
        { "128.0.0.1", false },
        { "localhost:", false },
        { "localhost:a", false },
        { "localhost:123456", false },
        { "[::2]", false },
        { "[::1", false },
        { ":7411", false },
        { "user@localhost", false },
        { "localhost, evil.com", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        if (host_is_ours(text_of(cases[i].host), "127.0.0.5", "") != cases[i].is_ours)
            fail_msg("'%s'", cases[i].host);
    }
}

/* A name is ours if it is said to be. A number is, where we listen on all of them: a page that was
 * led here by a name of its own comes with that name. */
static void public_names_are_ours_and_numbers_where_all_are_listened_on(void **state)
{
    static const struct {
        const char *host, *listen;
        bool is_ours;
    } cases[] = {
        { "stakeout.example", "10.0.0.5", true },
        { "STAKEOUT.example:443", "10.0.0.5", true },
        { "other", "10.0.0.5", true },
        { "stakeout.example.evil.com", "10.0.0.5", false },
        { "evil.stakeout.example", "10.0.0.5", false },
        { "stakeout", "10.0.0.5", false },
        { "stakeout.example other", "10.0.0.5", false },
        { "[other]", "10.0.0.5", false },
        { "10.0.0.5:7411", "10.0.0.5", true },
        { "10.0.0.6:7411", "10.0.0.5", false },
        { "10.0.0.6:7411", "0.0.0.0", true },
        { "[2001:db8::1]:7411", "::", true },
        { "evil.com", "0.0.0.0", false },
        { "10.0.0.6.evil.com", "0.0.0.0", false },
        { "127.1", "0.0.0.0", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        if (host_is_ours(text_of(cases[i].host), cases[i].listen, "stakeout.example other") !=
            cases[i].is_ours)
            fail_msg("'%s' at %s", cases[i].host, cases[i].listen);
    }
}

static void a_cookie_is_found_by_its_whole_name(void **state)
{
    static const struct {
        const char *header, *value; /* NULL: none */
    } cases[] = {
        { "stakeout_session=abc", "abc" },
        { "a=1; stakeout_session=abc; b=2", "abc" },
        { "a=1;stakeout_session=abc", "abc" },
        { "stakeout_session=", "" },
        { "stakeout_session=a=b", "a=b" },
        { "stakeout_session=first; stakeout_session=second", "first" },
        { "xstakeout_session=abc", NULL },
        { "stakeout_session", NULL },
        { "stakeout_sessionx=abc", NULL },
        { "__Host-stakeout_session=abc", NULL },
        { "a=stakeout_session=abc", NULL },
        { "; ;;", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct text found = cookie_find(text_of(cases[i].header), HTTP_COOKIE);

        if (!cases[i].value != !found.data) fail_msg("'%s'", cases[i].header);
        if (found.data && !text_is_equal(found, text_of(cases[i].value)))
            fail_msg("'%s': %.*s", cases[i].header, TEXT_ARGS(found));
    }
}

static void only_the_same_origin_is_ours(void **state)
{
    static const struct {
        const char *origin, *host;
        bool is_ours;
    } cases[] = {
        { "http://localhost:7411", "localhost:7411", true },
        { "http://LOCALHOST:7411", "localhost:7411", true },
        { "http://localhost", "localhost:7411", false },
        { "http://localhost:8080", "localhost:7411", false },
        { "https://localhost:7411", "localhost:7411", true }, /* a proxy opens it */
        { "https://localhost", "localhost:7411", false },
        { "ftp://localhost:7411", "localhost:7411", false },
        { "http://evil.com", "localhost:7411", false },
        { "null", "localhost:7411", false },
        { "", "localhost:7411", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        if (origin_is_ours(text_of(cases[i].origin), text_of(cases[i].host)) != cases[i].is_ours)
            fail_msg("'%s' at '%s'", cases[i].origin, cases[i].host);
    }
}

static void an_operator_may_view_and_nobody_else_may_more_than_named(void **state)
{
    (void)state;
    for (enum http_role have = HTTP_ANYONE; have <= HTTP_PROBE; have++) {
        for (enum http_role need = HTTP_ANYONE; need <= HTTP_PROBE; need++) {
            bool may = need == HTTP_ANYONE || have == need ||
                       (have == HTTP_OPERATOR && need == HTTP_VIEWER);

            assert_int_equal(role_may(have, need), may);
        }
    }
}

static void a_bearer_token_becomes_its_sha256(void **state)
{
    /* printf %s abc | sha256sum */
    static const unsigned char expected[] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    unsigned char digest[32];

    (void)state;
    assert_int_equal(bearer_digest(TEXT("Bearer abc"), digest), 0);
    assert_true(http_digest_is_equal(digest, expected));
    assert_int_equal(bearer_digest(TEXT("bearer  abc"), digest), 0);
    assert_true(http_digest_is_equal(digest, expected));
    digest[31] ^= 1;
    assert_false(http_digest_is_equal(digest, expected));
    assert_int_equal(bearer_digest(TEXT("Basic abc"), digest), -EINVAL);
    assert_int_equal(bearer_digest(TEXT("Bearer "), digest), -EINVAL);
    assert_int_equal(bearer_digest(TEXT("Bearer"), digest), -EINVAL);
    assert_int_equal(bearer_digest(TEXT(""), digest), -EINVAL);
}

/* http has no access to the model: its own words must be the model's. */
static void every_refusal_is_in_the_table_of_problems(void **state)
{
    static const int statuses[] = { 400, 401, 403, 404, 405, 408, 411, 413,
                                    414, 417, 431, 501, 503, 505, 507 };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(statuses); i++) {
        struct verdict verdict = { 0 };
        enum problem_code code = 0;

        verdict_refuse(&verdict, statuses[i], "x");
        while (code < PROBLEM_COUNT && strcmp(problem_slug(code), verdict.slug) != 0) {
            code++;
        }
        assert_int_not_equal(code, PROBLEM_COUNT);
        assert_int_equal(problem_status(code), statuses[i]);
        assert_string_equal(problem_title(code), verdict.title);
        assert_string_equal(verdict.detail, "x");
        verdict_done(&verdict);
    }
}

static void methods_are_written_as_allow_has_them(void **state)
{
    char text[64];

    (void)state;
    methods_format(HEAD_GET | HEAD_HEAD | HEAD_OPTIONS, text, sizeof text);
    assert_string_equal(text, "GET, HEAD, OPTIONS");
    methods_format(0, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_that_name_this_machine_are_ours),
        cmocka_unit_test(public_names_are_ours_and_numbers_where_all_are_listened_on),
        cmocka_unit_test(a_cookie_is_found_by_its_whole_name),
        cmocka_unit_test(only_the_same_origin_is_ours),
        cmocka_unit_test(an_operator_may_view_and_nobody_else_may_more_than_named),
        cmocka_unit_test(a_bearer_token_becomes_its_sha256),
        cmocka_unit_test(every_refusal_is_in_the_table_of_problems),
        cmocka_unit_test(methods_are_written_as_allow_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
