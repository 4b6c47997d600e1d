/* SPDX-License-Identifier: Apache-2.0 */
/* console_test.c: how the console's pages and files are served: to anybody, compressed, checked by
 * ETag, kept for ever where that is true, and under a policy that allows nothing from elsewhere. */
#include "tests/integration/scheduler/http_room.h"

#include "tests/support/test.h"

#include "scheduler/console/assets.h"
#include "scheduler/console/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static int setup(void **state)
{
    int rc = room_setup(state);

    console_open(room.http);
    return rc;
}

/* Asks, and waits for the whole answer: its connection ends with it. */
static const char *ask(const char *method, const char *path, const char *headers)
{
    char request[1024];
    int fd = room_connect();

    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n" ROOM_HOST "Connection: close\r\n%s\r\n",
             method, path, headers);
    room_send(fd, request);
    room_expect_close(fd);
    room.got[room.got_size < sizeof room.got ? room.got_size : sizeof room.got - 1] = '\0';
    return room.got;
}

static const char *body_of(size_t *ret_size)
{
    char *end = strstr(room.got, "\r\n\r\n");

    assert_non_null(end);
    *ret_size = room.got_size - (size_t)(end + 4 - room.got);
    return end + 4;
}

static void assert_header(const char *header)
{
    if (!strstr(room.got, header)) fail_msg("no '%s' in:\n%s", header, room.got);
}

static void etag_of(char *ret, size_t size)
{
    const char *at = strstr(room.got, "ETag: ");

    assert_non_null(at);
    snprintf(ret, size, "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
}

static void path_of(const struct asset *asset, char *ret, size_t size)
{
    snprintf(ret, size, "/console/%s/%s", assets_release, asset->path);
}

static const struct asset *asset_named(const char *path)
{
    for (size_t i = 0; i < asset_count; i++) {
        if (strcmp(assets[i].path, path) == 0) return &assets[i];
    }
    fail_msg("the console has no %s", path);
    return NULL;
}

static void every_address_is_the_one_page(void **state)
{
    static const char *const addresses[] = {
        "/",          "/applications",          "/tasks",
        "/tasks/x",   "/tasks?state=ACTIVE",    "/tasks/x/analysis",
        "/samples/x", "/traces/x?anything=%20", "/diff?base=sample:x&other=y",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
        ask("GET", addresses[i], "");
        assert_header("200 OK");
        assert_header("Content-Type: text/html; charset=utf-8");
        assert_header("<!doctype html>");
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const unknown[] = { "/task", "/tasks/", "/samples/x/y" };

        ask("GET", unknown[i], "");
        assert_header("404 Not Found");
        assert_header("There is nothing under this path.");
    }
}

static void nobody_needs_a_token_for_a_page(void **state)
{
    char path[256];

    (void)state;
    room.has_tokens = true;
    ask("GET", "/tasks", "");
    assert_header("200 OK");
    path_of(asset_named("app.js"), path, sizeof path);
    ask("GET", path, "");
    assert_header("200 OK");
    ask("GET", "/park", ""); /* as everything behind it */
    assert_header("401 Unauthorized");
}

static void a_page_allows_nothing_inline_and_nothing_from_elsewhere(void **state)
{
    (void)state;
    ask("GET", "/", "");
    assert_header("default-src 'none'; script-src 'self'; style-src 'self'");
    assert_header("frame-ancestors 'none'");
    assert_header("base-uri 'none'");
    assert_header("X-Content-Type-Options: nosniff");
    assert_header("X-Frame-Options: DENY");
    assert_header("Referrer-Policy: no-referrer");
    assert_null(strstr(room.got, "unsafe"));
    assert_null(strstr(room.got, "http://"));
    assert_null(strstr(room.got, "<style"));
    assert_null(strstr(room.got, "@RELEASE@"));
    assert_null(strstr(room.got, "@PRELOADS@"));
}

/* Inflates what came, and compares it with what comes without gzip. */
static void assert_same_unpacked(const char *path, const struct asset *asset)
{
    unsigned char *unpacked = mem_alloc(asset->size + 1);
    z_stream stream = { .next_out = unpacked, .avail_out = (uInt)asset->size + 1 };
    const char *body;
    size_t size;

    ask("GET", path, "Accept-Encoding: br, gzip;q=0.8\r\n");
    assert_header("Content-Encoding: gzip");
    assert_header("Vary: Accept-Encoding");
    body = body_of(&size);
    stream.next_in = (Bytef *)(uintptr_t)body;
    stream.avail_in = (uInt)size;
    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, asset->size);
    inflateEnd(&stream);

    ask("GET", path, "");
    assert_null(strstr(room.got, "Content-Encoding"));
    body = body_of(&size);
    assert_int_equal(size, asset->size);
    assert_memory_equal(body, unpacked, size);
    free(unpacked);
}

static void every_file_comes_compressed_or_not(void **state)
{
    size_t packed = 0;

    (void)state;
    for (size_t i = 1; i < asset_count; i++) {
        char path[256];

        path_of(&assets[i], path, sizeof path);
        assert_same_unpacked(path, &assets[i]);
        packed += assets[i].gzip_size;
    }
    assert_in_range(packed + assets[0].gzip_size, 1, 120 * 1024); /* what the console may take */
}

static void who_refuses_gzip_does_not_get_it(void **state)
{
    static const char *const refusing[] = { "", "Accept-Encoding: br\r\n",
                                            "Accept-Encoding: gzip;q=0\r\n",
                                            "Accept-Encoding: gzip; q=0.00, *\r\n",
                                            "Accept-Encoding: *;q=0\r\n" };
    static const char *const taking[] = { "Accept-Encoding: gzip\r\n", "Accept-Encoding: *\r\n",
                                          "Accept-Encoding: br;q=1,\tGZIP ;q=0.001\r\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refusing); i++) {
        ask("GET", "/", refusing[i]);
        assert_null(strstr(room.got, "Content-Encoding"));
    }
    for (size_t i = 0; i < ARRAY_COUNT(taking); i++) {
        ask("GET", "/", taking[i]);
        assert_header("Content-Encoding: gzip");
    }
}

static void what_one_has_already_is_not_sent_again(void **state)
{
    char plain[80], packed[80], headers[320];
    size_t size;

    (void)state;
    ask("GET", "/", "");
    etag_of(plain, sizeof plain);
    assert_header("Cache-Control: no-cache");
    ask("GET", "/", "Accept-Encoding: gzip\r\n");
    etag_of(packed, sizeof packed);
    assert_string_not_equal(plain, packed); /* strong: other bytes */

    snprintf(headers, sizeof headers, "If-None-Match: \"other\", W/%s\r\n", plain);
    ask("GET", "/tasks", headers);
    assert_header("304 Not Modified");
    assert_header(plain);
    body_of(&size);
    assert_int_equal(size, 0);
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", plain);
    ask("GET", "/", headers);
    assert_header("200 OK");
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", packed);
    ask("GET", "/", headers);
    assert_header("304 Not Modified");
}

static void files_are_kept_for_ever_under_their_release(void **state)
{
    char path[256];

    (void)state;
    path_of(asset_named("vendor/htm-preact.js"), path, sizeof path);
    ask("GET", path, "");
    assert_header("Content-Type: text/javascript; charset=utf-8");
    assert_header("Cache-Control: public, max-age=31536000, immutable");
    ask("GET", "/console/0123456789abcdef/app.js", "");
    assert_header("404 Not Found");
    assert_header("another release");
    snprintf(path, sizeof path, "/console/%s/index.html", assets_release);
    ask("GET", path, ""); /* the page has no such address */
    assert_header("404 Not Found");
    snprintf(path, sizeof path, "/console/%s/%s/app.js", assets_release, "..");
    ask("GET", path, "");
    assert_header("404 Not Found");
    snprintf(path, sizeof path, "/console/%s/graph%%2Fmodel.js", assets_release);
    ask("GET", path, "");
    assert_header("404 Not Found");
}

static void head_says_how_long_it_is_and_no_more(void **state)
{
    char length[64];
    size_t size;

    (void)state;
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", assets[0].gzip_size);
    ask("HEAD", "/tasks", "Accept-Encoding: gzip\r\n");
    assert_header("200 OK");
    assert_header(length);
    body_of(&size);
    assert_int_equal(size, 0);
    ask("POST", "/tasks", "Content-Length: 0\r\n");
    assert_header("405 Method Not Allowed");
}

/* Each module is asked for at once, and nothing that is not there. */
static void the_page_names_every_module(void **state)
{
    (void)state;
    ask("GET", "/", "");
    for (size_t i = 1; i < asset_count; i++) {
        char path[256];

        path_of(&assets[i], path, sizeof path);
        if (!strstr(room.got, path)) fail_msg("the page does not name %s", path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_address_is_the_one_page, setup, room_teardown),
        cmocka_unit_test_setup_teardown(nobody_needs_a_token_for_a_page, setup, room_teardown),
        cmocka_unit_test_setup_teardown(a_page_allows_nothing_inline_and_nothing_from_elsewhere,
                                        setup, room_teardown),
        cmocka_unit_test_setup_teardown(every_file_comes_compressed_or_not, setup, room_teardown),
        cmocka_unit_test_setup_teardown(who_refuses_gzip_does_not_get_it, setup, room_teardown),
        cmocka_unit_test_setup_teardown(what_one_has_already_is_not_sent_again, setup,
                                        room_teardown),
        cmocka_unit_test_setup_teardown(files_are_kept_for_ever_under_their_release, setup,
                                        room_teardown),
        cmocka_unit_test_setup_teardown(head_says_how_long_it_is_and_no_more, setup, room_teardown),
        cmocka_unit_test_setup_teardown(the_page_names_every_module, setup, room_teardown),
    };

    return cmocka_run_group_tests_name("scheduler/console", tests, NULL, NULL);
}
