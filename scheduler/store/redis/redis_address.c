/* SPDX-License-Identifier: Apache-2.0 */
/* redis_address.c: a URL, taken apart from its left end: scheme, user info, place, db. */
#include "scheduler/store/redis/redis_address.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/own.h"
#include "common/model/problem.h"

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379, REDIS_DB_MAX = 65535 };

/* Cuts what stands before the first `at` off *rest. False, and nothing cut, if there is none. */
static bool cut(struct text *rest, char at, struct text *ret)
{
    const char *found = rest->size ? memchr(rest->data, at, rest->size) : NULL;

    if (!found) return false;
    ret->data = rest->data;
    ret->size = (size_t)(found - rest->data);
    rest->size -= ret->size + 1;
    rest->data = found + 1;
    return true;
}

static int refuse(struct problem *problem, const char *what)
{
    return problem_set_field(problem, "redis",
                             "it must be redis[s]://[[user]:password@]host[:port][/db], "
                             "redis+unix:///path[?db=n], "
                             "redis[s]+sentinel://host[:port],.../name[/db] or "
                             "redis[s]+cluster://host[:port],...: %s",
                             what);
}

/* Percent-decodes into ret[size_max + 1]. */
static int decode(struct text from, char *ret, size_t size_max)
{
    size_t size = 0;

    for (size_t i = 0; i < from.size; i++) {
        char c = from.data[i];
        if (c == '%') {
            if (from.size - i < 3) return -1;
            char digits[2] = { from.data[i + 1], from.data[i + 2] };
            for (size_t k = 0; k < 2; k++) {
                if (digits[k] >= 'A' && digits[k] <= 'F') digits[k] = (char)(digits[k] + 32);
            }
            if (text_from_hex((struct text){ digits, 2 }, &c, 1) < 0) return -1;
            i += 2;
        }
        if (c == '\0' || size == size_max) return -1;
        ret[size++] = c;
    }
    ret[size] = '\0';
    return 0;
}

static int user_info_parse(struct text info, struct redis_address *ret, struct problem *problem)
{
    struct text user = { 0 };

    if (!cut(&info, ':', &user))
        return refuse(problem, "a user stands before a ':' and a password");
    if (decode(user, ret->user, sizeof(ret->user) - 1) < 0 ||
        decode(info, ret->password, sizeof(ret->password) - 1) < 0) {
        return refuse(problem, "its user or password is too long or wrongly encoded");
    }
    return 0;
}

static int db_parse(struct text digits, struct redis_address *ret, struct problem *problem)
{
    uint64_t db = 0;

    if (digits.size > 0 && (text_to_u64(digits, &db) < 0 || db > REDIS_DB_MAX)) {
        return refuse(problem, "its database is not a number");
    }
    ret->db = (uint32_t)db;
    return 0;
}

static int unix_parse(struct text rest, struct redis_address *ret, struct problem *problem)
{
    struct text path = rest, query = { 0 };

    if (cut(&rest, '?', &path)) {
        if (!text_starts_with(rest, TEXT("db="))) return refuse(problem, "after '?' stands db=n");
        query = (struct text){ rest.data + 3, rest.size - 3 };
    }
    if (path.size == 0 || path.data[0] != '/')
        return refuse(problem, "the path must begin with '/'");
    if (decode(path, ret->path, sizeof(ret->path) - 1) < 0) {
        static_assert(REDIS_PATH_SIZE_MAX == 107, "the sentence says so");
        return refuse(problem, "its path is wrongly encoded, or longer than 107 bytes");
    }
    return db_parse(query, ret, problem);
}

static int port_parse(struct text digits, uint16_t *ret, struct problem *problem)
{
    uint64_t port;

    if (text_to_u64(digits, &port) < 0 || port == 0 || port > UINT16_MAX) {
        return refuse(problem, "its port is not a number from 1 to 65535");
    }
    *ret = (uint16_t)port;
    return 0;
}

/* "host", "host:port" or "[v6]:port" */
static int place_parse(struct text place, uint16_t port, struct redis_place *ret,
                       struct problem *problem)
{
    struct text host;

    if (place.size > 0 && place.data[0] == '[') {
        place = (struct text){ place.data + 1, place.size - 1 };
        if (!cut(&place, ']', &host)) return refuse(problem, "a ']' is missing");
        if (place.size > 0 && place.data[0] != ':') return refuse(problem, "after ']' stands ':'");
        if (place.size > 0) place = (struct text){ place.data + 1, place.size - 1 };
    } else if (!cut(&place, ':', &host)) {
        host = place;
        place.size = 0;
    }
    ret->port = port;
    if (place.size > 0 && port_parse(place, &ret->port, problem) < 0) return -1;
    if (host.size == 0 || decode(host, ret->host, sizeof(ret->host) - 1) < 0) {
        return refuse(problem, "its host is missing or too long");
    }
    return 0;
}

static int tcp_parse(struct text rest, struct redis_address *ret, struct problem *problem)
{
    struct text place = rest, db = { 0 };
    struct redis_place found;

    if (cut(&rest, '/', &place)) db = rest;
    if (place_parse(place, REDIS_PORT, &found, problem) < 0) return -1;
    memcpy(ret->host, found.host, sizeof(ret->host));
    ret->port = found.port;
    return db_parse(db, ret, problem);
}

static int seeds_parse(struct text places, uint16_t port, struct redis_address *ret,
                       struct problem *problem)
{
    struct text place;
    bool is_last;

    do {
        is_last = !cut(&places, ',', &place);
        if (is_last) place = places;
        if (ret->seed_count == REDIS_SEEDS_MAX) {
            static_assert(REDIS_SEEDS_MAX == 8, "the sentence says so");
            return refuse(problem, "it names more than 8 hosts");
        }
        if (place_parse(place, port, &ret->seeds[ret->seed_count++], problem) < 0) return -1;
    } while (!is_last);
    return 0;
}

/* "sentinel-user=U&sentinel-password=P" */
static int sentinel_query_parse(struct text query, struct redis_address *ret,
                                struct problem *problem)
{
    struct text pair, name;
    bool is_last = query.size == 0;
    int rc = 0;

    while (!is_last && rc == 0) {
        is_last = !cut(&query, '&', &pair);
        if (is_last) pair = query;
        if (!cut(&pair, '=', &name)) name = pair;
        if (text_is_equal(name, TEXT("sentinel-user")))
            rc = decode(pair, ret->sentinel_user, REDIS_USER_SIZE_MAX);
        else if (text_is_equal(name, TEXT("sentinel-password")))
            rc = decode(pair, ret->sentinel_password, REDIS_PASSWORD_SIZE_MAX);
        else
            return refuse(problem, "after '?' stand sentinel-user and sentinel-password");
    }
    if (rc < 0)
        return refuse(problem, "the Sentinels' user or password is too long or wrongly "
                               "encoded");
    return 0;
}

static int sentinel_parse(struct text rest, struct redis_address *ret, struct problem *problem)
{
    struct text places, name, whole = rest;

    ret->shape = REDIS_SENTINEL;
    ret->wants_master = true;
    if (cut(&rest, '?', &whole) && sentinel_query_parse(rest, ret, problem) < 0) return -1;
    if (!cut(&whole, '/', &places)) return refuse(problem, "the master's name is missing");
    if (seeds_parse(places, SENTINEL_PORT, ret, problem) < 0) return -1;
    if (!cut(&whole, '/', &name)) {
        name = whole;
        whole.size = 0;
    }
    if (name.size == 0 || decode(name, ret->master, sizeof(ret->master) - 1) < 0) {
        return refuse(problem, "the master's name is missing or too long");
    }
    return db_parse(whole, ret, problem);
}

static int cluster_parse(struct text rest, struct redis_address *ret, struct problem *problem)
{
    struct text places = rest, db = { 0 };

    ret->shape = REDIS_CLUSTER;
    if (cut(&rest, '/', &places)) db = rest;
    if (seeds_parse(places, REDIS_PORT, ret, problem) < 0) return -1;
    if (db_parse(db, ret, problem) < 0) return -1;
    return ret->db == 0 ? 0 : refuse(problem, "a Cluster has no database but 0");
}

typedef int (*shape_parse_fn)(struct text rest, struct redis_address *ret, struct problem *problem);

static const struct scheme {
    const char *name;
    bool is_tls;
    shape_parse_fn parse;
} schemes[] = {
    { "redis://", false, tcp_parse },
    { "rediss://", true, tcp_parse },
    { "redis+unix://", false, unix_parse },
    { "redis+sentinel://", false, sentinel_parse },
    { "rediss+sentinel://", true, sentinel_parse },
    { "redis+cluster://", false, cluster_parse },
    { "rediss+cluster://", true, cluster_parse },
};

static const struct scheme *scheme_find(struct text url)
{
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        if (text_starts_with(url, text_of(schemes[i].name))) return &schemes[i];
    }
    return NULL;
}

int redis_address_parse(struct text url, struct redis_address *ret, struct problem *problem)
{
    const struct scheme *scheme = scheme_find(url);
    struct redis_address address = { 0 };
    struct text rest, info;

    if (!scheme) return refuse(problem, "its scheme is another one");
    address.is_tls = scheme->is_tls;
    rest = (struct text){ url.data + strlen(scheme->name), url.size - strlen(scheme->name) };
    if (cut(&rest, '@', &info) && user_info_parse(info, &address, problem) < 0) return -1;
    if (scheme->parse(rest, &address, problem) < 0) return -1;
    *ret = address;
    return 0;
}

static void file_closep(FILE **file)
{
    if (*file) fclose(*file);
}

int redis_address_read_password(struct redis_address *address, const char *path,
                                struct problem *problem)
{
    OWN(file_closep) FILE *file = fopen(path, "re");
    char line[sizeof(address->password) + 2]; /* and its end */

    errno = file ? 0 : errno;
    if (!file || !fgets(line, sizeof(line), file)) {
        return problem_set_field(problem, "redis-password-file",
                                 "The file '%s' of 'redis-password-file' cannot be read: %s.", path,
                                 errno ? strerror(errno) : "it is empty");
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (strlen(line) >= sizeof(address->password)) {
        return problem_set_field(problem, "redis-password-file",
                                 "The password in '%s' is longer than %zu bytes.", path,
                                 sizeof(address->password) - 1);
    }
    memcpy(address->password, line, strlen(line) + 1);
    return 0;
}
