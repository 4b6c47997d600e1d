/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c: GET BASE/buildid/HEX/debuginfo, with libcurl.
 *
 * Why not libdebuginfod: it keeps a cache of its own below the home folder, takes servers, time and
 * progress from the environment, and is libcurl again inside; here the store is the cache, and the
 * request is one line. libcurl is opened late, so that a scheduler without a debuginfod does not
 * need it.
 *
 * Only http and https are spoken, also after a redirection; the size is bounded by what arrives,
 * because a server may say nothing or lie. */
#include "scheduler/symbols/worker/fetch.h"

#include "common/base/clock.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { REDIRECTIONS_MAX = 5, CONNECT_MS = 5000, STALL_S = 30, URL_SIZE_MAX = 2048 };

/* The functions of libcurl that are used, by name. */
#define CURL_FUNCTIONS(X)                                                \
    X(CURL *, curl_easy_init, (void))                                    \
    X(CURLcode, curl_easy_setopt, (CURL * curl, CURLoption option, ...)) \
    X(CURLcode, curl_easy_perform, (CURL * curl))                        \
    X(CURLcode, curl_easy_getinfo, (CURL * curl, CURLINFO info, ...))    \
    X(void, curl_easy_cleanup, (CURL * curl))

/* curl.h has macros of some of these names, which check types. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

static struct {
    bool is_open;
#define MEMBER(type, name, arguments) type(*name) arguments;
    CURL_FUNCTIONS(MEMBER)
#undef MEMBER
} curl;

void fetch_prepare(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

    if (!library) return;
    curl.is_open = true;
#define LOAD(type, name, arguments)               \
    *(void **)&curl.name = dlsym(library, #name); \
    curl.is_open = curl.is_open && curl.name != NULL;
    CURL_FUNCTIONS(LOAD)
#undef LOAD
}

struct download {
    const struct fetch *fetch;
    uint64_t size;
    int rc;
};

static size_t on_data(char *data, size_t one, size_t size, void *context)
{
    struct download *download = context;

    (void)one;
    download->size += size;
    if (download->size > download->fetch->size_max)
        download->rc = -EFBIG;
    else
        download->rc = download->fetch->take(download->fetch->context, data, size);
    return download->rc == 0 ? size : 0;
}

static void set_options(CURL *easy, struct download *download, const char *url, uint64_t left_ms)
{
    curl.curl_easy_setopt(easy, CURLOPT_URL, url);
    curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl.curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTIONS_MAX);
    curl.curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl.curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
    curl.curl_easy_setopt(easy, CURLOPT_USERAGENT, "stakeoutd/" STAKEOUT_VERSION);
    curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl.curl_easy_setopt(easy, CURLOPT_WRITEDATA, download);
}

static int outcome(CURL *easy, CURLcode code, const struct download *download)
{
    long status = 0;

    if (download->rc < 0) return download->rc;
    if (code == CURLE_OK) return 0;
    curl.curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_HTTP_RETURNED_ERROR && (status == 404 || status == 410)) return -ENOENT;
    return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EAGAIN;
}

static int ask_one(const struct fetch *fetch, const char *base, uint64_t left_ms)
{
    struct download download = { .fetch = fetch };
    char url[URL_SIZE_MAX];
    int size =
        snprintf(url, sizeof url, "%s%sbuildid/%s/debuginfo", base,
                 *base && base[__builtin_strlen(base) - 1] == '/' ? "" : "/", fetch->build_id_hex);
    CURL *easy;
    int rc;

    if (size >= (int)sizeof url) return -EINVAL;
    if (ftruncate(fetch->file_fd, 0) < 0 || lseek(fetch->file_fd, 0, SEEK_SET) < 0) return -errno;
    easy = curl.curl_easy_init();
    if (!easy) return -ENOMEM;
    set_options(easy, &download, url, left_ms);
    rc = outcome(easy, curl.curl_easy_perform(easy), &download);
    curl.curl_easy_cleanup(easy);
    return rc;
}

int fetch_debug_file(const struct fetch *fetch)
{
    uint64_t end_ns = clock_monotonic_ns() + ms_to_ns(fetch->time_ms);
    int worst = -ENOENT;

    if (!curl.is_open) return -ENOSYS;
    for (size_t i = 0; i < fetch->url_count; i++) {
        uint64_t now_ns = clock_monotonic_ns();
        int rc;

        if (now_ns >= end_ns) return -ETIMEDOUT;
        rc = ask_one(fetch, fetch->urls[i], ns_to_ms(end_ns - now_ns) + 1);
        if (rc == 0 || rc == -EFBIG || rc == -ENOSPC) return rc;
        if (rc != -ENOENT) worst = rc;
    }
    return worst;
}
