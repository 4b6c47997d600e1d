/* SPDX-License-Identifier: Apache-2.0 */
/* console.c: one page under many addresses, and the files that it is made of.
 *
 *     /tasks/{id} and the like      the page; the script in it reads the address
 *     /console/RELEASE/PATH         a file; RELEASE is a hash of all of them
 *
 * A file's address changes when any file does. So browsers keep files for ever and never ask again,
 * while of the page they ask each time (an ETag answers that with 304), and modules that import
 * each other by relative addresses are always of one release. A file of another release is refused:
 * half of one console and half of another would fail in ways that nobody can explain.
 *
 * The files are compressed once, when the program is built. A client that takes no gzip, which no
 * browser is, has them unpacked for it at each request. */
#include "scheduler/console/console.h"

#include "common/base/check.h"
#include "scheduler/console/assets.h"
#include "scheduler/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

/* Nothing inline, nothing from elsewhere, nobody may frame it. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

static const char kept_for_ever[] = "public, max-age=31536000, immutable";
static const char asked_each_time[] = "no-cache";

enum { ETAG_SIZE = 64, PATH_SIZE_MAX = 128 };

/* ------------------------------------------------------------------ what the client takes */

static struct text trim(struct text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++, text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* Cuts the next element of a list off, without the blanks around it; false at its end. */
static bool next_element(struct text *list, char separator, struct text *ret)
{
    const char *end;
    size_t size;

    if (list->size == 0) return false;
    end = memchr(list->data, separator, list->size);
    size = end ? (size_t)(end - list->data) : list->size;
    *ret = trim((struct text){ list->data, size });
    size += end ? 1 : 0;
    *list = (struct text){ list->data + size, list->size - size };
    return true;
}

static bool is_word(struct text text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* "q=0", "q=0.000": not this one. */
static bool is_refusal(struct text parameter)
{
    if (parameter.size < 3 || strncasecmp(parameter.data, "q=0", 3) != 0) return false;
    for (size_t i = 3; i < parameter.size; i++) {
        if (parameter.data[i] != '.' && parameter.data[i] != '0') return false;
    }
    return true;
}

static bool takes_gzip(struct text accepted)
{
    struct text element, coding, parameter;
    bool takes_any = false;

    while (next_element(&accepted, ',', &element)) {
        bool is_refused = false;

        if (!next_element(&element, ';', &coding)) continue;
        while (next_element(&element, ';', &parameter)) {
            if (is_refusal(parameter)) is_refused = true;
        }
        if (is_word(coding, "gzip")) return !is_refused;
        if (is_word(coding, "*")) takes_any = !is_refused;
    }
    return takes_any;
}

/* If-None-Match compares weakly: what stands behind W/ is the same. */
static bool has_already(struct text tags, const char *etag)
{
    struct text tag;

    while (next_element(&tags, ',', &tag)) {
        if (text_starts_with(tag, TEXT("W/"))) tag.data += 2, tag.size -= 2;
        if (text_is_equal(tag, text_of(etag)) || text_is_equal(tag, TEXT("*"))) return true;
    }
    return false;
}

/* ------------------------------------------------------------------ answering */

static const char *type_of(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        { ".html", "text/html; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },
        { ".js", "text/javascript; charset=utf-8" },
        { ".svg", "image/svg+xml" },
    };
    const char *type = NULL;

    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (strcmp(strrchr(path, '.'), types[i].ending) == 0) type = types[i].type;
    }
    CHECK(type); /* what is compiled in has one of these endings */
    return type;
}

static void reply_unpacked(struct http_request *request, const struct asset *asset)
{
    char *body = mem_alloc(asset->size + 1);
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)asset->gzip,
                        .avail_in = (uInt)asset->gzip_size,
                        .next_out = (Bytef *)body,
                        .avail_out = (uInt)asset->size + 1 };

    CHECK(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
    CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.total_out == asset->size);
    inflateEnd(&stream);
    http_reply_take(request, 200, type_of(asset->path), body, asset->size);
}

static void reply_asset(struct http_request *request, const struct asset *asset,
                        const char *cache_control)
{
    bool is_packed = takes_gzip(http_header(request, "Accept-Encoding"));
    char etag[ETAG_SIZE];

    snprintf(etag, sizeof etag, "\"%s%s\"", asset->digest, is_packed ? "-gzip" : "");
    http_answer_header(request, "ETag", etag);
    http_answer_header(request, "Vary", "Accept-Encoding");
    http_answer_header(request, "Cache-Control", cache_control);
    http_answer_header(request, "Content-Security-Policy", policy);
    http_answer_header(request, "Cross-Origin-Opener-Policy", "same-origin");
    if (has_already(http_header(request, "If-None-Match"), etag)) {
        http_reply(request, 304, NULL, TEXT(""));
        return;
    }
    if (!is_packed) {
        reply_unpacked(request, asset);
        return;
    }
    http_answer_header(request, "Content-Encoding", "gzip");
    http_reply(request, 200, type_of(asset->path),
               (struct text){ (const char *)asset->gzip, asset->gzip_size });
}

static void on_page(struct http_request *request, void *context)
{
    (void)context;
    reply_asset(request, &assets[0], asked_each_time);
}

static const struct asset *asset_find(struct text folder, struct text name)
{
    char path[PATH_SIZE_MAX];

    if (folder.size + name.size + 2 > sizeof path) return NULL;
    if (memchr(name.data, '/', name.size)) return NULL; /* it came as %2F */
    snprintf(path, sizeof path, "%.*s%s%.*s", TEXT_ARGS(folder), folder.size > 0 ? "/" : "",
             TEXT_ARGS(name));
    for (size_t i = 1; i < asset_count; i++) {
        if (strcmp(assets[i].path, path) == 0) return &assets[i];
    }
    return NULL;
}

static void on_file(struct http_request *request, void *context)
{
    bool is_ours = text_is_equal(http_param(request, "release"), text_of(assets_release));
    const struct asset *asset =
        asset_find(http_param(request, "folder"), http_param(request, "file"));

    (void)context;
    if (asset && is_ours) {
        reply_asset(request, asset, kept_for_ever);
        return;
    }
    http_reply_problem(request, 404, "no-such-page", "Nothing is here",
                       is_ours ? "The console has no such file."
                               : "This is of another release of the console; load the page again.",
                       NULL);
}

/* ------------------------------------------------------------------ the addresses */

#define PAGE(address)                                           \
    {                                                           \
        HTTP_GET, address, HTTP_ANYONE, 0, on_page, NULL, false \
    }
#define FILE_AT(address)                                        \
    {                                                           \
        HTTP_GET, address, HTTP_ANYONE, 0, on_file, NULL, false \
    }

/* app.js has the same list; what is in neither is a 404. */
static const struct http_route routes[] = {
    PAGE("/"),
    PAGE("/applications"),
    PAGE("/tasks"),
    PAGE("/tasks/{id}"),
    PAGE("/tasks/{id}/analysis"),
    PAGE("/samples/{id}"),
    PAGE("/traces/{id}"),
    PAGE("/diff"),
    FILE_AT("/console/{release}/{file}"),
    FILE_AT("/console/{release}/{folder}/{file}"),
};

void console_open(struct http *http)
{
    http_add_routes(http, routes, ARRAY_COUNT(routes), NULL);
}
