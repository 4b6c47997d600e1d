/* SPDX-License-Identifier: Apache-2.0 */
/* Where http_client.c agrees to go, and with which token. The exchange itself is tested against
 * a scripted peer, in tests/integration/probe. */
#include "probe/agent/link/http_client.h"

#include "tests/support/test.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *url;
    const char *host; /* NULL: refused */
    uint16_t port;
    const char *why; /* a part of the sentence */
} targets[] = {
    { "http://127.0.0.1:7411", "127.0.0.1", 7411, NULL },
    { "http://127.0.0.1:7411/", "127.0.0.1", 7411, NULL },
    { "http://scheduler.internal", "scheduler.internal", 80, NULL },
    { "http://[::1]:65535", "::1", 65535, NULL },
    { "http://[fe80::1]", "fe80::1", 80, NULL },
    { "https://scheduler:7411", "scheduler", 7411, NULL },
    { "https://[::1]/", "::1", 443, NULL },
    { "https://", NULL, 0, "host name" },
    { "ftp://scheduler:7411", NULL, 0, "https://HOST:PORT" },
    { "127.0.0.1:7411", NULL, 0, "http://HOST:PORT" },
    { "", NULL, 0, "http://HOST:PORT" },
    { "http://", NULL, 0, "host name" },
    { "http://:80", NULL, 0, "host name" },
    { "http://a/b", NULL, 0, "host name" },
    { "http://me@host:80", NULL, 0, "host name" },
    { "http://a b", NULL, 0, "host name" },
    { "http://host\r\nX: y", NULL, 0, "host name" },
    { "http://[::1", NULL, 0, "host name" },
    { "http://[::1]80", NULL, 0, "host name" },
    { "http://host:0", NULL, 0, "port" },
    { "http://host:65536", NULL, 0, "port" },
    { "http://host:", NULL, 0, "port" },
    { "http://host:+1", NULL, 0, "port" },
};

static void a_server_is_a_scheme_a_host_and_a_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
        struct http_target target = { .host = "untouched" };
        char why[160] = "";
        int rc = http_target_parse(text_of(targets[i].url), &target, why, sizeof why);

        if (!targets[i].host) {
            if (rc != -EINVAL) fail_msg("'%s' was accepted", targets[i].url);
            if (!strstr(why, targets[i].why)) fail_msg("'%s': %s", targets[i].url, why);
            assert_string_equal(target.host, "untouched");
        } else {
            if (rc != 0) fail_msg("'%s': %s", targets[i].url, why);
            assert_string_equal(target.host, targets[i].host);
            assert_int_equal(target.port, targets[i].port);
        }
    }
}

static void a_host_name_is_bounded(void **state)
{
    char url[7 + HOST_NAME_SIZE_MAX + 2] = "http://", why[160];
    struct http_target target;

    (void)state;
    memset(url + 7, 'a', HOST_NAME_SIZE_MAX + 1);
    url[7 + HOST_NAME_SIZE_MAX + 1] = '\0';
    assert_int_equal(http_target_parse(text_of(url), &target, why, sizeof why), -EINVAL);
    url[7 + HOST_NAME_SIZE_MAX] = '\0';
    assert_int_equal(http_target_parse(text_of(url), &target, why, sizeof why), 0);
}

static void a_token_cannot_forge_a_header(void **state)
{
    char longest[HTTP_TOKEN_SIZE_MAX + 1];

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_true(http_token_is_valid(TEXT("so_0123456789abcdef-._~+/=")));
    assert_true(http_token_is_valid((struct text){ longest, HTTP_TOKEN_SIZE_MAX }));
    assert_false(http_token_is_valid((struct text){ longest, HTTP_TOKEN_SIZE_MAX + 1 }));
    assert_false(http_token_is_valid(TEXT("")));
    assert_false(http_token_is_valid(TEXT("a\r\nX: y")));
    assert_false(http_token_is_valid(TEXT("a b")));
    assert_false(http_token_is_valid(TEXT("a\0b")));
    assert_false(http_token_is_valid(TEXT("\xc3\xa4")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_a_scheme_a_host_and_a_port),
        cmocka_unit_test(a_host_name_is_bounded),
        cmocka_unit_test(a_token_cannot_forge_a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
