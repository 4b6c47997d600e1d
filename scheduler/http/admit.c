/* SPDX-License-Identifier: Apache-2.0 */
/* admit.c: the questions in their order: is it a browser that was led here (403), is there such a
 * page (404, 405), who asks (401, 403), is the body wanted (413).
 *
 * A page that is not there is told to anybody: the API is public. Without tokens everybody who
 * can connect may do everything, as "local", on loopback; beyond it, nothing. */
#include "scheduler/http/admit.h"

#include "common/base/check.h"
#include "scheduler/access/scope.h"
#include "scheduler/http/cookie.h"
#include "scheduler/http/private.h"
#include "scheduler/http/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { TOKEN_SIZE_MAX = 256, DETAIL_SIZE_MAX = 640 };

/* One row per status that is refused with here. Slug and title are problem.def's; a test holds
 * the two lists against each other. */
static const struct {
    int status;
    const char *slug, *title;
} refusals[] = {
    { 400, "bad-request", "The request is malformed" },
    { 401, "unauthorized", "A valid token is needed" },
    { 403, "forbidden", "This is not allowed here" },
    { 404, "no-such-page", "Nothing is here" },
    { 405, "bad-method", "This method is not allowed here" },
    { 408, "too-slow", "The request came too slowly" },
    { 411, "length-required", "The length of the body must be said" },
    { 413, "too-large", "The request is too large" },
    { 414, "path-too-long", "The path and query are too long" },
    { 417, "expectation-failed", "This expectation is not met here" },
    { 429, "too-many-requests", "Too many requests came" },
    { 431, "head-too-large", "The head of the request is too large" },
    { 501, "unknown-method", "No such method is known here" },
    { 503, "busy", "Try again later" },
    { 505, "http-version", "This version of HTTP is not spoken here" },
    { 507, "store-full", "The store has no room" },
};

void verdict_done(struct verdict *verdict)
{
    verdict->identity.scope = scope_unref(verdict->identity.scope);
    pieces_done(&verdict->pieces);
    free(verdict->detail);
    verdict->detail = NULL;
}

int verdict_refuse(struct verdict *verdict, int status, const char *format, ...)
{
    char detail[DETAIL_SIZE_MAX];
    va_list args;

    verdict->status = status;
    verdict->slug = refusals[0].slug;
    verdict->title = refusals[0].title;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (refusals[i].status != status) continue;
        verdict->slug = refusals[i].slug;
        verdict->title = refusals[i].title;
    }
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    free(verdict->detail);
    verdict->detail = mem_text(detail, strlen(detail));
    return status;
}

static bool is_digits(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    }
    return text.size > 0 && text.size <= 5;
}

/* Takes a trailing ":PORT" off; false if there is something else behind the name. */
static bool strip_port(struct text *host)
{
    const char *colon = host->size > 0 ? memrchr(host->data, ':', host->size) : NULL;
    const char *bracket = host->size > 0 ? memrchr(host->data, ']', host->size) : NULL;
    size_t size;

    if (!colon || (bracket && bracket > colon)) return true;
    size = (size_t)(colon - host->data);
    if (!is_digits((struct text){ colon + 1, host->size - size - 1 })) return false;
    host->size = size;
    return true;
}

/* 127.x.y.z, each at most three digits. */
static bool is_loopback_v4(struct text host)
{
    unsigned dots = 0, digits = 0;

    if (!text_starts_with(host, TEXT("127."))) return false;
    for (size_t i = 0; i < host.size; i++) {
        char c = host.data[i];

        if (c == '.') {
            if (digits == 0) return false;
            dots++, digits = 0;
        } else if (c < '0' || c > '9' || ++digits > 3) {
            return false;
        }
    }
    return dots == 3 && digits > 0;
}

static bool is_listed(const char *names, struct text name)
{
    for (size_t size; *names; names += size, names += strspn(names, " ")) {
        size = strcspn(names, " ");
        if (size == name.size && strncasecmp(names, name.data, size) == 0) return true;
    }
    return false;
}

static bool is_number(struct text host)
{
    unsigned char room[sizeof(struct in6_addr)];
    char address[ADDRESS_SIZE_MAX];

    if (host.size >= sizeof address) return false;
    memcpy(address, host.data, host.size);
    address[host.size] = '\0';
    return inet_pton(AF_INET, address, room) == 1 || inet_pton(AF_INET6, address, room) == 1;
}

bool host_is_ours(struct text host, const char *listen, const char *names)
{
    bool is_everywhere = strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0;

    if (!strip_port(&host) || host.size == 0) return false;
    if (host.size == 9 && strncasecmp(host.data, "localhost", 9) == 0) return true;
    if (is_loopback_v4(host)) return true;
    if (host.data[0] == '[' && host.data[host.size - 1] == ']') {
        host.data++, host.size -= 2;
        if (text_is_equal(host, TEXT("::1"))) return true;
    } else if (is_listed(names, host)) {
        return true;
    }
    return text_is_equal(host, text_of(listen)) || (is_everywhere && is_number(host));
}

bool origin_is_ours(struct text origin, struct text host)
{
    size_t scheme = text_starts_with(origin, TEXT("https://"))  ? 8
                    : text_starts_with(origin, TEXT("http://")) ? 7
                                                                : 0;

    if (scheme == 0) return false;
    origin.data += scheme, origin.size -= scheme;
    return origin.size == host.size && strncasecmp(origin.data, host.data, host.size) == 0;
}

/* Whose a token is, and whose is needed; as role_may() has it. */
static const struct {
    const char *has, *needs;
} role_words[] = {
    [HTTP_ANYONE] = { "anyone's", "anyone's" },
    [HTTP_VIEWER] = { "a viewer's", "a viewer's or an operator's" },
    [HTTP_OPERATOR] = { "an operator's", "an operator's" },
    [HTTP_PROBE] = { "a probe's", "a probe's" },
};

bool role_may(enum http_role have, enum http_role need)
{
    if (need == HTTP_ANYONE || have == need) return true;
    return need == HTTP_VIEWER && have == HTTP_OPERATOR;
}

int bearer_digest(struct text authorization, unsigned char ret[32])
{
    struct text token = authorization;

    if (token.size < 8 || strncasecmp(token.data, "Bearer ", 7) != 0) return -EINVAL;
    token.data += 7, token.size -= 7;
    while (token.size > 0 && token.data[0] == ' ') {
        token.data++, token.size--;
    }
    if (token.size == 0 || token.size > TOKEN_SIZE_MAX) return -EINVAL;
    return EVP_Digest(token.data, token.size, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EINVAL;
}

bool http_digest_is_equal(const unsigned char left[32], const unsigned char right[32])
{
    return CRYPTO_memcmp(left, right, 32) == 0;
}

void methods_format(unsigned methods, char *ret, size_t size)
{
    static const struct {
        unsigned method;
        const char *name;
    } names[] = {
        { HEAD_GET, "GET" }, { HEAD_HEAD, "HEAD" },     { HEAD_POST, "POST" },
        { HEAD_PUT, "PUT" }, { HEAD_DELETE, "DELETE" }, { HEAD_OPTIONS, "OPTIONS" },
    };
    size_t at = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((methods & names[i].method) == 0 || at >= size) continue;
        at += (size_t)snprintf(ret + at, size - at, "%s%s", at > 0 ? ", " : "", names[i].name);
    }
}

static struct text path_of(const struct head *head)
{
    const char *mark = memchr(head->target.data, '?', head->target.size);

    return (struct text){ head->target.data,
                          mark ? (size_t)(mark - head->target.data) : head->target.size };
}

/* Most paths are not a route's for one of these: length, and what stands before its variables. */
static bool may_match(const struct bound_route *bound, struct text path)
{
    if (bound->has_params ? path.size <= bound->fixed_size : path.size != bound->fixed_size)
        return false;
    return memcmp(path.data, bound->route->path, bound->fixed_size) == 0;
}

/* Finds the route; collects what the path would allow. */
static void find_route(const struct http *http, const struct head *head, struct verdict *ret)
{
    unsigned method = head->method == HEAD_HEAD ? HEAD_GET : (unsigned)head->method;
    struct text path = path_of(head);
    struct pieces pieces = { 0 };

    for (size_t i = 0; i < http->route_count; i++) {
        const struct http_route *route = http->routes[i].route;

        if (!may_match(&http->routes[i], path)) continue;
        if (!route_matches(route->path, path, &pieces)) continue;
        ret->allow |= (unsigned)route->method | HEAD_OPTIONS;
        if (route->method == HTTP_GET) ret->allow |= HEAD_HEAD;
        if ((unsigned)route->method != method || ret->route) {
            pieces_done(&pieces);
            continue;
        }
        ret->route = route;
        ret->context = http->routes[i].context;
        ret->pieces = pieces;
        pieces = (struct pieces){ 0 };
    }
}

static int admit_query(const struct head *head, struct verdict *ret)
{
    const char *mark = memchr(head->target.data, '?', head->target.size);
    size_t size = mark ? head->target.size - (size_t)(mark + 1 - head->target.data) : 0;

    if (!mark || pieces_parse_query((struct text){ mark + 1, size }, &ret->pieces) == 0) return 0;
    return verdict_refuse(ret, 400,
                          "The path or query has a malformed escape, or more than %d parameters.",
                          QUERY_PARAMS_MAX);
}

static bool changes(const struct head *head)
{
    return head->method == HEAD_POST || head->method == HEAD_PUT || head->method == HEAD_DELETE;
}

static int admit_browser(const struct http *http, const struct head *head, struct verdict *ret)
{
    /* Beyond loopback, where a token is needed in any case, names are the operator's to choose. */
    bool is_checked = http->is_loopback || *http->public_hosts;

    if (is_checked && head->host.data &&
        !host_is_ours(head->host, http->address, http->public_hosts))
        return verdict_refuse(ret, 403,
                              "The Host header '%.*s' does not name this server; the setting "
                              "public-host says by which names it may be called.",
                              (int)(head->host.size < 80 ? head->host.size : 80), head->host.data);
    if (!changes(head)) return 0;
    if (head->origin.data && !origin_is_ours(head->origin, head->host))
        return verdict_refuse(ret, 403, "A page of another origin may not change anything here.");
    if (head->fetch_site.data && !text_is_equal(head->fetch_site, TEXT("same-origin")) &&
        !text_is_equal(head->fetch_site, TEXT("none")))
        return verdict_refuse(ret, 403, "A page of another site may not change anything here.");
    return 0;
}

/* A browser sends a cookie also for what a page of a neighbour asks (another port of this host is
 * the same site to it). So it counts only with what our own pages ask, or a person by himself; and
 * to change something, the browser must say so. */
static bool cookie_counts(const struct head *head)
{
    bool is_ours = text_is_equal(head->fetch_site, TEXT("same-origin"));

    if (changes(head)) return is_ours || (!head->fetch_site.data && head->origin.data);
    return is_ours || !head->fetch_site.data || text_is_equal(head->fetch_site, TEXT("none"));
}

/* What somebody came with. Returns 0, or the status of *ret, which says what is wrong with it. */
static int find_credential(const struct http *http, const struct head *head,
                           struct http_credential *ret_credential, struct verdict *ret)
{
    struct text secret = cookie_find(head->cookie, HTTP_COOKIE_SECURE);

    *ret_credential = (struct http_credential){ .kind = HTTP_NO_CREDENTIAL };
    if (head->authorization.data) {
        ret_credential->kind = HTTP_TOKEN;
        if (bearer_digest(head->authorization, ret_credential->sha256) == 0) return 0;
        return verdict_refuse(ret, 401, "The Authorization header must be 'Bearer TOKEN'.");
    }
    if (!secret.data && !http->tls) secret = cookie_find(head->cookie, HTTP_COOKIE);
    if (secret.size == 0 || secret.size > TOKEN_SIZE_MAX) return 0;
    if (!cookie_counts(head)) {
        if (!changes(head)) return 0;
        return verdict_refuse(ret, 403,
                              "What a session changes must come from a page of this server: the "
                              "Origin or Sec-Fetch-Site header must say so.");
    }
    ret_credential->kind = HTTP_SESSION;
    return EVP_Digest(secret.data, secret.size, ret_credential->sha256, NULL, EVP_sha256(), NULL) ==
                   1
               ? 0
               : verdict_refuse(ret, 401, "The session's cookie cannot be read.");
}

static uint32_t note_stranger(const struct http *http, int fd)
{
    struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof peer;

    if (!http->on_stranger) return 0;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0) peer.ss_family = AF_UNSPEC;
    return http->on_stranger(http->access_context, (const struct sockaddr *)&peer);
}

uint32_t http_note_stranger(struct http_request *request)
{
    return note_stranger(request->http, bufferevent_getfd(request->connection->bev));
}

static int refuse_stranger(const struct http *http, int fd, enum http_credential_kind kind,
                           struct verdict *ret)
{
    uint32_t wait_s = note_stranger(http, fd);

    if (wait_s > 0) {
        ret->retry_after_s = wait_s;
        return verdict_refuse(ret, 429,
                              "Your address came too often with what is not known here; try again "
                              "in %u s.",
                              wait_s);
    }
    return verdict_refuse(ret, 401,
                          kind == HTTP_SESSION
                              ? "The session is over; log in again."
                              : "This token is not known; it may have been revoked.");
}

static int check_role(const struct http *http, struct verdict *ret)
{
    const struct http_identity *identity = &ret->identity;
    uint32_t wait_s;

    if (!role_may(identity->role, ret->route->role))
        return verdict_refuse(ret, 403, "The token '%s' is %s; this needs %s.", identity->name,
                              role_words[identity->role].has, role_words[ret->route->role].needs);
    if (ret->route->is_for_all && !scope_is_all(identity->scope))
        return verdict_refuse(ret, 403,
                              "The token '%s' is for some applications; this is of all of them.",
                              identity->name);
    wait_s = http->pace ? http->pace(http->access_context, identity) : 0;
    if (wait_s == 0) return 0;
    ret->retry_after_s = wait_s;
    return verdict_refuse(ret, 429,
                          "The token '%s' came with too many requests; try again in %u s.",
                          identity->name, wait_s);
}

static int admit_token(const struct http *http, const struct head *head, int fd,
                       struct verdict *ret)
{
    bool is_for_anyone = ret->route->role == HTTP_ANYONE;
    struct http_credential credential;

    if (http->tokens_are_known && !http->tokens_are_known(http->access_context)) {
        if (is_for_anyone) return 0;
        ret->retry_after_s = 1;
        return verdict_refuse(ret, 503, "It is not known yet who may come in; try again.");
    }
    if (!http->identify || !http->has_tokens || !http->has_tokens(http->access_context)) {
        if (ret->route->role != HTTP_ANYONE && !http->is_loopback)
            return verdict_refuse(ret, 403,
                                  "There are no tokens yet, and without them only "
                                  "loopback may be listened on.");
        ret->identity = (struct http_identity){ .role = HTTP_OPERATOR, .name = "local" };
        return 0;
    }
    if (find_credential(http, head, &credential, ret) != 0) return ret->status;
    if (credential.kind == HTTP_NO_CREDENTIAL) {
        if (is_for_anyone) return 0;
        return verdict_refuse(ret, 401, "Send a token: 'Authorization: Bearer TOKEN'.");
    }
    if (http->identify(http->access_context, &credential, &ret->identity) < 0)
        return is_for_anyone ? 0 : refuse_stranger(http, fd, credential.kind, ret);
    ret->identity.credential = credential;
    return is_for_anyone ? 0 : check_role(http, ret);
}

bool http_is_still_admitted(struct http_request *request)
{
    const struct http *http = request->http;
    const struct verdict *verdict = &request->verdict;
    struct http_identity now = { .role = HTTP_ANYONE };
    bool may;

    if (verdict->route->role == HTTP_ANYONE) return true;
    if (verdict->identity.credential.kind == HTTP_NO_CREDENTIAL)
        return !http->has_tokens || !http->has_tokens(http->access_context);
    if (http->identify(http->access_context, &verdict->identity.credential, &now) < 0) return false;
    may = role_may(now.role, verdict->route->role);
    scope_unref(now.scope);
    return may;
}

int admit(const struct http *http, const struct head *head, int fd, struct verdict *ret)
{
    *ret = (struct verdict){ 0 };
    if (admit_browser(http, head, ret) != 0) return ret->status;
    find_route(http, head, ret);
    if (head->method == HEAD_OPTIONS) {
        if (ret->allow == 0 && head->target.data[0] == '/')
            return verdict_refuse(ret, 404, "There is nothing under this path.");
        return 0;
    }
    if (ret->allow == 0) return verdict_refuse(ret, 404, "There is nothing under this path.");
    if (!ret->route) {
        char allowed[64];

        methods_format(ret->allow, allowed, sizeof allowed);
        return verdict_refuse(ret, 405, "This path allows %s.", allowed);
    }
    if (admit_token(http, head, fd, ret) != 0) return ret->status;
    if (!ret->route->sink && head->body_size > ret->route->body_size_max)
        return verdict_refuse(ret, 413, "The body has %llu bytes; at most %zu are accepted here.",
                              (unsigned long long)head->body_size, ret->route->body_size_max);
    return admit_query(head, ret);
}
