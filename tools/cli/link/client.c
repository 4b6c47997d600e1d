/* SPDX-License-Identifier: Apache-2.0 */
/* client.c: see client.h. A proxy of the environment is used for servers elsewhere, and never for
 * loopback: a request to this machine must not leave it. */
#include "tools/cli/link/client.h"

#include "common/base/check.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct client {
    CURL *curl;
    char *server, *authorization, *ca; /* the last two may be NULL */
    char curl_error[CURL_ERROR_SIZE];
};

void answer_done(struct answer *answer)
{
    buf_done(&answer->body);
    json_decref(answer->document);
    answer->document = NULL;
}

static void answer_reset(struct answer *answer)
{
    json_decref(answer->document);
    buf_reset(&answer->body);
    *answer = (struct answer){ .body = answer->body };
}

struct client *client_new(const char *server, const char *token, const char *ca)
{
    struct client *client = mem_zalloc(1, sizeof *client);

    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    client->curl = curl_easy_init();
    CHECK(client->curl);
    client->server = mem_text(server, strlen(server));
    if (ca && *ca) client->ca = mem_text(ca, strlen(ca));
    if (token && *token) {
        size_t size = strlen(token) + sizeof "Authorization: Bearer ";

        client->authorization = mem_alloc(size);
        snprintf(client->authorization, size, "Authorization: Bearer %s", token);
    }
    return client;
}

struct client *client_free(struct client *client)
{
    if (!client) return NULL;
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    free(client->server);
    free(client->authorization);
    free(client->ca);
    free(client);
    return NULL;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;

    return buf_append(&answer->body, data, size * count) == 0 ? size * count : 0;
}

static bool is_loopback(const char *server)
{
    static const char *const hosts[] = { "://127.", "://localhost", "://[::1]" };

    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        if (strstr(server, hosts[i])) return true;
    }
    return false;
}

static struct curl_slist *headers_of(const struct client *client, const struct request *request)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json, */*");

    if (client->authorization) headers = curl_slist_append(headers, client->authorization);
    if (request->body.size > 0) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
    }
    if (request->file > 0) {
        headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    }
    headers = curl_slist_append(headers, request->file > 0 ? "Expect: 100-continue" : "Expect:");
    CHECK(headers);
    return headers;
}

/* The server may refuse a file by its size and token alone: then nothing of it is sent. */
static size_t on_read(char *room, size_t size, size_t count, void *context)
{
    const struct request *request = context;
    ssize_t got;

    do {
        got = read(request->file, room, size * count);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static int on_progress(void *context, curl_off_t down_size, curl_off_t down, curl_off_t up_size,
                       curl_off_t up)
{
    const struct request *request = context;

    (void)down_size, (void)down, (void)up_size;
    if (request->on_sent) request->on_sent(request->context, (uint64_t)up);
    return 0;
}

static void set_up_file(CURL *curl, const struct request *request)
{
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->file_size);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, request);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, request);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_PART_SIZE);
}

static void set_up(struct client *client, const struct request *request, const char *url,
                   struct curl_slist *headers, struct answer *answer)
{
    CURL *curl = client->curl;
    unsigned timeout_s = request->timeout_s ? request->timeout_s : (unsigned)REQUEST_S_MAX;

    curl_easy_reset(curl);
    client->curl_error[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (client->ca) curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_error);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S_MAX);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)timeout_s);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "stakeout/" STAKEOUT_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    if (is_loopback(client->server)) curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (request->file > 0) {
        set_up_file(curl, request);
    } else if (request->method && strcmp(request->method, "DELETE") == 0) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
    } else if (request->method) { /* POST, PUT */
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.size ? request->body.data : "");
    }
}

/* Header lines are few; the one that is wanted is asked of libcurl by name. */
static uint64_t date_of(CURL *curl)
{
    struct curl_header *header;
    time_t seconds;

    if (curl_easy_header(curl, "Date", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return 0;
    seconds = curl_getdate(header->value, NULL);
    return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

static void read_answer(CURL *curl, const struct request *request, struct answer *answer)
{
    long status = 0;
    const char *type = NULL;
    curl_off_t elapsed_us = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &elapsed_us);
    answer->status = (int)status;
    answer->elapsed_ms = (uint64_t)elapsed_us / 1000;
    answer->server_wall_ms = date_of(curl);
    snprintf(answer->content_type, sizeof answer->content_type, "%s", type ? type : "");
    if (request->is_raw && status < 400) return;
    if (strstr(answer->content_type, "json")) {
        answer->document = json_loadb(buf_peek(&answer->body).data, answer->body.size,
                                      JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    }
}

static int refuse(const struct client *client, CURLcode code, const struct answer *answer,
                  char error[CLIENT_ERROR_SIZE])
{
    const char *why = client->curl_error[0] ? client->curl_error : curl_easy_strerror(code);

    if (code == CURLE_COULDNT_CONNECT) {
        snprintf(error, CLIENT_ERROR_SIZE,
                 "no scheduler answers at %s (%s); is stakeoutd running? --server or "
                 "STAKEOUT_SERVER names another one",
                 client->server, why);
    } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
        snprintf(error, CLIENT_ERROR_SIZE,
                 "the certificate of %s is not acceptable: %s; --ca or STAKEOUT_CA names who may "
                 "sign it",
                 client->server, why);
    } else if (answer->body.failed) {
        snprintf(error, CLIENT_ERROR_SIZE, "the answer of %s is larger than %d MB", client->server,
                 ANSWER_SIZE_MAX / (1024 * 1024));
    } else {
        snprintf(error, CLIENT_ERROR_SIZE, "%s does not answer: %s", client->server, why);
    }
    return -1;
}

int client_ask(struct client *client, const struct request *request, struct answer *ret,
               char error[CLIENT_ERROR_SIZE])
{
    OWN(buf_done) struct buf url = BUF_INIT(64 * 1024);
    struct curl_slist *headers = headers_of(client, request);
    CURLcode code;

    answer_reset(ret);
    CHECK(buf_printf(&url, "%s%s", client->server, request->path) == 0);
    set_up(client, request, url.data, headers, ret);
    code = curl_easy_perform(client->curl);
    if (code == CURLE_OK) read_answer(client->curl, request, ret);
    curl_slist_free_all(headers);
    return code == CURLE_OK ? 0 : refuse(client, code, ret, error);
}

void query_add(struct buf *path, const char *name, const char *value)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    bool is_first = !memchr(buf_peek(path).data, '?', path->size);

    (void)buf_printf(path, "%s%s=", is_first ? "?" : "&", name);
    for (; *value; value++) {
        if (strchr(plain, *value)) {
            (void)buf_append(path, value, 1);
        } else {
            (void)buf_printf(path, "%%%02X", (unsigned)(unsigned char)*value);
        }
    }
}
