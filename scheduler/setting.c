/* SPDX-License-Identifier: Apache-2.0 */
/* setting.c: a reader for each kind of value, and the table of config.def that names one for each
 * setting.
 *
 * A value is a text until its reader has parsed it, wherever it came from: so it means the same
 * everywhere, and the sentence that refuses it differs only in where it stood. */
#include "scheduler/setting.h"

#include "common/base/check.h"
#include "scheduler/config.h"
#include "scheduler/store/redis/redis_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The worker opens no larger file. */
#define SYMBOLS_UPLOAD_BYTES_MAX ((uint64_t)4 << 30)
#define SYMBOLS_BYTES_MIN        ((uint64_t)1 << 20)

enum {
    RATE_MAX = 1000000,
    DAYS_MAX = 3650,
    SHOWN_SIZE_MAX = 80 /* of a value in the sentence that refuses it */
};

/* Where a value goes: the member that config.def names. */
struct place {
    struct config *config;
    void *member;
    struct problem *problem; /* of one who knows more than the row's words: ends the sentence */
};

/* The readers: each returns 0 and fills the member, or -EINVAL. */

static bool is_numeric(const char *address)
{
    struct in6_addr room;

    return inet_pton(AF_INET, address, &room) == 1 || inet_pton(AF_INET6, address, &room) == 1;
}

/* "127.0.0.1:7411" or "[::1]:7411" */
static int read_listen(const struct place *place, struct text value)
{
    const char *colon = value.size > 0 ? memrchr(value.data, ':', value.size) : NULL;
    struct text host, port;
    char address[sizeof place->config->address];
    uint64_t number;

    if (!colon) return -EINVAL;
    host = (struct text){ value.data, (size_t)(colon - value.data) };
    port = (struct text){ colon + 1, value.size - host.size - 1 };
    if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = (struct text){ host.data + 1, host.size - 2 };
    if (host.size >= sizeof address || text_to_u64(port, &number) < 0 || number > UINT16_MAX)
        return -EINVAL;
    snprintf(address, sizeof address, "%.*s", TEXT_ARGS(host));
    if (!is_numeric(address)) return -EINVAL;
    memcpy(place->member, address, sizeof address);
    place->config->port = (uint16_t)number;
    return 0;
}

static int read_text(const struct place *place, struct text value)
{
    char *to = place->member;

    if (value.size == 0 || value.size > CONFIG_TEXT_SIZE_MAX) return -EINVAL;
    if (memchr(value.data, '\0', value.size)) return -EINVAL;
    memcpy(to, value.data, value.size);
    to[value.size] = '\0';
    return 0;
}

static int read_redis(const struct place *place, struct text value)
{
    struct redis_address address;

    if (redis_address_parse(value, &address, place->problem) < 0) return -EINVAL;
    return read_text(place, value);
}

/* Up to CONFIG_URLS_MAX of http or https, with spaces between them. */
static int read_urls(const struct place *place, struct text value)
{
    struct text rest = value;
    size_t count = 0;

    while (rest.size > 0) {
        const char *blank = memchr(rest.data, ' ', rest.size);
        size_t size = blank ? (size_t)(blank - rest.data) : rest.size;
        struct text url = { rest.data, size };

        if (size > 0) {
            if (!text_starts_with(url, TEXT("http://")) && !text_starts_with(url, TEXT("https://")))
                return -EINVAL;
            if (++count > CONFIG_URLS_MAX) return -EINVAL;
        }
        rest =
            (struct text){ rest.data + size + (blank != NULL), rest.size - size - (blank != NULL) };
    }
    return count == 0 ? -EINVAL : read_text(place, value);
}

/* A URL of http or https with {trace_id} in it, of printable ASCII. */
static int read_trace_url(const struct place *place, struct text value)
{
    static const char variable[] = "{trace_id}";

    if (!text_starts_with(value, TEXT("http://")) && !text_starts_with(value, TEXT("https://")))
        return -EINVAL;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] <= ' ' || value.data[i] > '~') return -EINVAL;
    }
    if (!memmem(value.data, value.size, variable, sizeof variable - 1)) return -EINVAL;
    return read_text(place, value);
}

/* Names as DNS has them, in ASCII. */
static int read_hosts(const struct place *place, struct text value)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t count = 0, size = 0;

    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] == ' ') {
            size = 0;
            continue;
        }
        if (!memchr(letters, value.data[i], sizeof letters - 1)) return -EINVAL;
        if (size++ == 0) count++;
    }
    return count == 0 || count > CONFIG_URLS_MAX ? -EINVAL : read_text(place, value);
}

static int read_rate(const struct place *place, struct text value)
{
    uint64_t rate;

    if (text_to_u64(value, &rate) < 0 || rate > RATE_MAX) return -EINVAL;
    *(uint32_t *)place->member = (uint32_t)rate;
    return 0;
}

static int read_days(const struct place *place, struct text value)
{
    uint64_t days;

    if (text_to_u64(value, &days) < 0 || days < 1 || days > DAYS_MAX) return -EINVAL;
    *(uint32_t *)place->member = (uint32_t)days;
    return 0;
}

/* "500M": the units are powers of 1024. */
static int parse_bytes(struct text value, uint64_t *ret)
{
    static const char units[] = "KMG";
    const char *unit = value.size > 0 ? strchr(units, value.data[value.size - 1]) : NULL;
    unsigned shift = 0;
    uint64_t count;

    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        value.size--;
    }
    if (text_to_u64(value, &count) < 0 || count > UINT64_MAX >> shift) return -EINVAL;
    *ret = count << shift;
    return 0;
}

static int read_bytes_within(const struct place *place, struct text value, uint64_t least,
                             uint64_t most)
{
    uint64_t bytes;

    if (parse_bytes(value, &bytes) < 0 || bytes < least || bytes > most) return -EINVAL;
    *(uint64_t *)place->member = bytes;
    return 0;
}

static int read_bytes(const struct place *place, struct text value)
{
    return read_bytes_within(place, value, 0, UINT64_MAX);
}

static int read_store_bytes(const struct place *place, struct text value)
{
    return read_bytes_within(place, value, SYMBOLS_BYTES_MIN, UINT64_MAX);
}

static int read_upload_bytes(const struct place *place, struct text value)
{
    return read_bytes_within(place, value, 1, SYMBOLS_UPLOAD_BYTES_MAX);
}

static int read_flag(const struct place *place, struct text value)
{
    bool is_yes = text_is_equal(value, TEXT("yes"));

    if (!is_yes && !text_is_equal(value, TEXT("no"))) return -EINVAL;
    *(bool *)place->member = is_yes;
    return 0;
}

static int read_level(const struct place *place, struct text value)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };

    for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
        if (!text_is_equal(value, text_of(levels[i]))) continue;
        *(enum log_level *)place->member = (enum log_level)i;
        return 0;
    }
    return -EINVAL;
}

static int read_format(const struct place *place, struct text value)
{
    bool is_json = text_is_equal(value, TEXT("json"));

    if (!is_json && !text_is_equal(value, TEXT("logfmt"))) return -EINVAL;
    *(enum log_format *)place->member = is_json ? LOG_JSON : LOG_LOGFMT;
    return 0;
}

const struct setting settings[] = {
#define SETTING(name, kind, member, argument, fallback, accepts, says) \
    { name, read_##kind, offsetof(struct config, member), argument, fallback, accepts, says },
#include "scheduler/config.def"
#undef SETTING
};

const struct setting *setting_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        if (text_is_equal(text_of(settings[i].name), name)) return &settings[i];
    }
    return NULL;
}

/* As much of a value as may be repeated: nothing that cannot be shown, and no password of a URL,
 * before its '@' or behind its '?'. */
static struct text showable(struct text value)
{
    bool is_url = value.size > 0 && memmem(value.data, value.size, "://", 3);
    const char *query = is_url ? memchr(value.data, '?', value.size) : NULL;
    const char *at;

    if (value.size > SHOWN_SIZE_MAX || !text_is_printable(value)) return TEXT("...");
    if (query) value.size = (size_t)(query - value.data);
    at = is_url ? memrchr(value.data, '@', value.size) : NULL;
    if (!at) return value;
    return (struct text){ at, (size_t)(value.data + value.size - at) };
}

/* "?sentinel-password=..." and the like. */
static void mask_query(const char *rest, struct buf *ret)
{
    static const char key[] = "password=";
    const char *at;

    while ((at = strstr(rest, key)) != NULL) {
        at += strlen(key);
        buf_append(ret, rest, (size_t)(at - rest));
        buf_text(ret, TEXT("***"));
        rest = at + strcspn(at, "&");
    }
    buf_text(ret, text_of(rest));
}

void setting_mask(const char *value, struct buf *ret)
{
    const char *user = strstr(value, "://"), *host = user ? strrchr(user, '@') : NULL;
    const char *colon = host ? memchr(user + 3, ':', (size_t)(host - user - 3)) : NULL;

    if (colon) {
        buf_append(ret, value, (size_t)(colon - value));
        buf_text(ret, TEXT(":***"));
        value = host;
    }
    mask_query(value, ret);
}

int setting_apply(const struct setting *setting, struct text value, const char *where,
                  struct config *config, struct problem *problem)
{
    struct problem why = { 0 };
    struct place place = { config, (char *)config + setting->offset, &why };
    struct text shown = showable(value);

    if (setting->read(&place, value) == 0) return 0;
    if (*why.detail)
        return problem_set_field(problem, setting->name, "%s is '%.*s'; %s.", where,
                                 TEXT_ARGS(shown), why.detail);
    return problem_set_field(problem, setting->name, "%s is '%.*s'; it must be %s.", where,
                             TEXT_ARGS(shown), setting->accepts);
}

bool setting_holds_secret(const struct setting *setting, struct text value)
{
    struct redis_address address;
    struct problem problem;

    return setting->read == read_redis && redis_address_parse(value, &address, &problem) == 0 &&
           (address.password[0] || address.sentinel_password[0]);
}
