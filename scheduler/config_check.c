/* SPDX-License-Identifier: Apache-2.0 */
/* config_check.c: each check does what the program would do first with a setting, short of doing
 * it: bind without listening, look for a program, ask whether a directory may be written. So what
 * it lets pass may still fail later, but what it refuses would have failed. */
#include "scheduler/config_check.h"

#include "common/base/own.h"
#include "scheduler/config.h"
#include "scheduler/http/http.h"
#include "scheduler/http/tls.h"
#include "scheduler/store/redis/redis_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_WIDTH = 22, VALUE_WIDTH = 32, WHY_SIZE = 512 };

struct check {
    const struct config *config;
    FILE *complaints;
    unsigned count; /* of what is wrong */
};

static void complain(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct check *check, const char *format, ...)
{
    va_list args;

    fputs("stakeoutd: ", check->complaints);
    va_start(args, format);
    vfprintf(check->complaints, format, args);
    va_end(args);
    fputc('\n', check->complaints);
    check->count++;
}

/* --- the list --- */

static void print_setting(FILE *to, const char *name, const char *value, const char *place)
{
    OWN(buf_done) struct buf shown = BUF_INIT(4096);

    setting_mask(value ? value : "", &shown);
    fprintf(to, "%-*s %-*s %s\n", NAME_WIDTH, name, VALUE_WIDTH,
            shown.size > 0 ? shown.data : "(none)", place ? place : "default");
}

/* --- what can be looked at --- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_of(const struct config *config, union address *ret)
{
    *ret = (union address){ 0 };
    if (inet_pton(AF_INET6, config->address, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(config->port);
        return sizeof ret->v6;
    }
    inet_pton(AF_INET, config->address, &ret->v4.sin_addr);
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = htons(config->port);
    return sizeof ret->v4;
}

static bool is_loopback(const union address *address)
{
    if (address->any.sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
}

/* Certificate, key and authority are read as the door reads them. */
static void check_tls(struct check *check)
{
    const struct config *config = check->config;
    const struct http_tls files = { config->tls_cert, config->tls_key, config->tls_client_ca };
    char why[WHY_SIZE] = "";
    struct tls *tls = NULL;

    if (!*config->tls_cert) return;
    if (tls_new(&files, &tls, why, sizeof why) < 0)
        complain(check, "tls: %s.", why);
    else if (tls_expires(tls) <= time(NULL))
        complain(check, "tls-cert: the certificate in '%s' has expired.", config->tls_cert);
    tls_free(tls);
}

/* A port that is taken may be taken by the stakeoutd that runs now, whose settings these are. */
static void check_listen(struct check *check)
{
    const struct config *config = check->config;
    union address address;
    socklen_t size = address_of(config, &address);
    OWN(fd_closep) int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (!is_loopback(&address) && !*config->tls_cert && !config->insecure)
        complain(check, "listen: beyond loopback it needs tls-cert, or insecure.");
    if (fd < 0) {
        complain(check, "listen: there are no sockets of this kind here: %s.", strerror(errno));
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, &address.any, size) < 0 && errno != EADDRINUSE)
        complain(check, "listen: it is not possible to listen on '%s', port %u: %s.",
                 config->address, (unsigned)config->port, strerror(errno));
}

/* The directory, or if it is not there the one that it would be made in. */
static void check_state_dir(struct check *check)
{
    char path[sizeof check->config->state_dir];
    struct stat stat_of;
    char *slash;

    snprintf(path, sizeof path, "%s", check->config->state_dir);
    while (stat(path, &stat_of) < 0 && errno == ENOENT && (slash = strrchr(path, '/')) != NULL &&
           slash > path) {
        *slash = '\0';
    }
    if (stat(path, &stat_of) < 0)
        complain(check, "state-dir: '%s' cannot be looked at: %s.", path, strerror(errno));
    else if (!S_ISDIR(stat_of.st_mode))
        complain(check, "state-dir: '%s' is no directory.", path);
    else if (access(path, W_OK | X_OK) < 0)
        complain(check, "state-dir: nothing can be written in '%s': %s.", path, strerror(errno));
}

static bool is_program(const char *path)
{
    struct stat stat_of;

    return stat(path, &stat_of) == 0 && S_ISREG(stat_of.st_mode) && access(path, X_OK) == 0;
}

/* As execvp() looks for it. */
static bool is_in_path(const char *program)
{
    const char *path = getenv("PATH");

    for (const char *at = path ? path : "/bin:/usr/bin"; at; at = strchr(at, ':')) {
        char candidate[4096];

        at += *at == ':';
        snprintf(candidate, sizeof candidate, "%.*s/%s", (int)strcspn(at, ":"), at, program);
        if (is_program(candidate)) return true;
    }
    return false;
}

static void check_redis(struct check *check)
{
    const struct config *config = check->config;
    struct redis_address address;
    struct problem problem;
    struct stat stat_of;

    if (!*config->redis) {
        if (strchr(config->redis_server, '/') ? !is_program(config->redis_server)
                                              : !is_in_path(config->redis_server))
            complain(check, "redis-server: there is no program '%s'.", config->redis_server);
        return;
    }
    if (redis_address_parse(text_of(config->redis), &address, &problem) < 0 || !*address.path)
        return; /* a host may be away for now */
    if (stat(address.path, &stat_of) < 0)
        complain(check, "redis: the socket '%s' cannot be looked at: %s.", address.path,
                 strerror(errno));
    else if (!S_ISSOCK(stat_of.st_mode))
        complain(check, "redis: '%s' is no socket.", address.path);
}

/* Every setting whose argument is a FILE is one to be read. */
static void check_files(struct check *check, const struct config_origins *origins)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *path = origins->values[i];
        OWN(fd_closep) int fd = -1;
        struct stat stat_of;

        if (strcmp(settings[i].argument, "FILE") != 0 || !path || !*path) continue;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            complain(check, "%s: '%s' cannot be read: %s.", settings[i].name, path,
                     strerror(errno));
        else if (fstat(fd, &stat_of) < 0 || !S_ISREG(stat_of.st_mode))
            complain(check, "%s: '%s' is no file.", settings[i].name, path);
    }
}

unsigned config_check(const struct config *config, const struct config_origins *origins, FILE *to,
                      FILE *complaints)
{
    struct check check = { .config = config, .complaints = complaints };

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        print_setting(to, settings[i].name, origins->values[i], origins->places[i]);
    }
    fflush(to);
    check_listen(&check);
    check_tls(&check);
    check_state_dir(&check);
    check_redis(&check);
    check_files(&check, origins);
    return check.count;
}
