/* SPDX-License-Identifier: Apache-2.0 */
/* admit.c: the questions in their order: is it a browser that was led here (403), is there such a
 * page (404, 405), who asks (401, 403), is the body wanted (413).
 *
 * A page that is not there is told to anybody: the API is public. Without tokens everybody who
 * can connect may do everything, as "local", on loopback; beyond it, nothing. */
#include "scheduler/http/admit.h"

#include "scheduler/access/scope.h"
#include "scheduler/http/private.h"
#include "scheduler/http/route.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TOKEN_SIZE_MAX = 256 };

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
    { 431, "head-too-large", "The head of the request is too large" },
    { 501, "unknown-method", "No such method is known here" },
    { 503, "busy", "Try again later" },
    { 505, "http-version", "This version of HTTP is not spoken here" },
    { 507, "store-full", "The store has no room" },
};

void verdict_done(struct verdict *verdict)
{
    verdict->identity.scope = scope_unref(verdict->identity.scope);
}

int verdict_refuse(struct verdict *verdict, int status, const char *format, ...)
{
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
    vsnprintf(verdict->detail, sizeof verdict->detail, format, args);
    va_end(args);
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

bool host_is_ours(struct text host, const char *listen)
{
    if (!strip_port(&host) || host.size == 0) return false;
    if (host.size == 9 && strncasecmp(host.data, "localhost", 9) == 0) return true;
    if (is_loopback_v4(host)) return true;
    if (host.data[0] == '[' && host.data[host.size - 1] == ']') {
        host.data++, host.size -= 2;
        if (text_is_equal(host, TEXT("::1"))) return true;
    }
    return text_is_equal(host, text_of(listen));
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

/* Finds the route; collects what the path would allow. */
static void find_route(const struct http *http, const struct head *head, struct verdict *ret)
{
    unsigned method = head->method == HEAD_HEAD ? HEAD_GET : (unsigned)head->method;
    struct text path = path_of(head);

    for (size_t i = 0; i < http->route_count; i++) {
        const struct http_route *route = http->routes[i].route;
        struct pieces pieces = { 0 };

        if (!route_matches(route->path, path, &pieces)) continue;
        pieces_done(&pieces);
        ret->allow |= (unsigned)route->method | HEAD_OPTIONS;
        if (route->method == HTTP_GET) ret->allow |= HEAD_HEAD;
        if ((unsigned)route->method != method || ret->route) continue;
        ret->route = route;
        ret->context = http->routes[i].context;
    }
}

static int admit_browser(const struct http *http, const struct head *head, struct verdict *ret)
{
    /* Beyond loopback names are the operator's to choose, and tokens are needed in any case. */
    if (http->is_loopback && head->host.data && !host_is_ours(head->host, http->address))
        return verdict_refuse(ret, 403, "The Host header '%.*s' does not name this server.",
                              (int)(head->host.size < 80 ? head->host.size : 80), head->host.data);
    if (head->method != HEAD_POST && head->method != HEAD_PUT && head->method != HEAD_DELETE)
        return 0;
    if (head->origin.data && !origin_is_ours(head->origin, head->host))
        return verdict_refuse(ret, 403, "A page of another origin may not change anything here.");
    if (head->fetch_site.data && !text_is_equal(head->fetch_site, TEXT("same-origin")) &&
        !text_is_equal(head->fetch_site, TEXT("none")))
        return verdict_refuse(ret, 403, "A page of another site may not change anything here.");
    return 0;
}

static int admit_token(const struct http *http, const struct head *head, struct verdict *ret)
{
    unsigned char digest[32];

    if (http->tokens_are_known && !http->tokens_are_known(http->access_context)) {
        if (ret->route->role == HTTP_ANYONE) return 0;
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
    if (ret->route->role == HTTP_ANYONE && !head->authorization.data) return 0;
    if (!head->authorization.data)
        return verdict_refuse(ret, 401, "Send a token: 'Authorization: Bearer TOKEN'.");
    if (bearer_digest(head->authorization, digest) < 0)
        return verdict_refuse(ret, 401, "The Authorization header must be 'Bearer TOKEN'.");
    if (http->identify(http->access_context, digest, &ret->identity) < 0) {
        if (ret->route->role == HTTP_ANYONE) return 0;
        return verdict_refuse(ret, 401, "This token is not known; it may have been revoked.");
    }
    ret->identity.has_token = true;
    memcpy(ret->identity.sha256, digest, sizeof digest);
    if (!role_may(ret->identity.role, ret->route->role))
        return verdict_refuse(ret, 403, "The token '%s' is %s; this needs %s.", ret->identity.name,
                              role_words[ret->identity.role].has,
                              role_words[ret->route->role].needs);
    if (ret->route->is_for_all && !scope_is_all(ret->identity.scope))
        return verdict_refuse(ret, 403,
                              "The token '%s' is for some applications; this is of all of them.",
                              ret->identity.name);
    return 0;
}

bool http_is_still_admitted(struct http_request *request)
{
    const struct http *http = request->http;
    const struct verdict *verdict = &request->verdict;
    struct http_identity now = { .role = HTTP_ANYONE };
    bool may;

    if (verdict->route->role == HTTP_ANYONE) return true;
    if (!verdict->identity.has_token)
        return !http->has_tokens || !http->has_tokens(http->access_context);
    if (http->identify(http->access_context, verdict->identity.sha256, &now) < 0) return false;
    may = role_may(now.role, verdict->route->role);
    scope_unref(now.scope);
    return may;
}

int admit(const struct http *http, const struct head *head, struct verdict *ret)
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
    if (admit_token(http, head, ret) != 0) return ret->status;
    if (!ret->route->sink && head->body_size > ret->route->body_size_max)
        return verdict_refuse(ret, 413, "The body has %llu bytes; at most %zu are accepted here.",
                              (unsigned long long)head->body_size, ret->route->body_size_max);
    return 0;
}
