/* SPDX-License-Identifier: Apache-2.0 */
/* run.c: see run.h.
 *
 * The library comes by LD_PRELOAD into a program, and into all that it execs. It does nothing until
 * one of the functions is called that fastcgi.c, microhttpd.c and evhttp.c stand before; then it
 * starts the probe. So a shell, a supervisor or a prefork parent on the way is not touched.
 *
 *     STAKEOUT_RUN_RULES        rules as in naming.h, one per line
 *     STAKEOUT_RUN_TOKEN_FILE   a file with the probe's token
 *     and all that the probe itself reads: STAKEOUT_APPLICATION, _SERVER, ...
 *
 * Open calls are in a table of fixed size. A key may lie in any of WINDOW places behind its hash;
 * where all are taken the request is no call. A place is taken by an exchange of its key; after
 * that it belongs to whoever handles the request, which is one thread at a time. */
#include "probe/integrations/preload/run.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 4096, WINDOW = 32, RULES_MAX = 256, RULES_SIZE_MAX = 65536, TOKEN_SIZE_MAX = 512 };

static struct open_call places[PLACES];
static char taken; /* its address marks a place that is being filled */

static char rules_text[RULES_SIZE_MAX];
static const char *rules[RULES_MAX + 1];
static struct stakeout_names names = { .rules = rules };
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A library that was opened for itself alone (RTLD_LOCAL) still finds our functions, but we not its
 * own: then the library that calls is asked. */
void *run_next(const char *name, const void *caller)
{
    void *found = dlsym(RTLD_NEXT, name), *library;
    Dl_info info;

    if (found || !dladdr(caller, &info)) return found;
    library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return NULL;
    found = dlsym(library, name);
    dlclose(library);
    return found;
}

/* Settings ---------------------------------------------------------------------------------- */

/* `stakeout run` checked them; a rule with a fault, set by somebody else, is passed over. */
static void read_rules(void)
{
    const char *text = secure_getenv("STAKEOUT_RUN_RULES");
    char *rest = rules_text, *rule;
    size_t count = 0;

    if (!text || strlen(text) >= sizeof rules_text) return;
    memcpy(rules_text, text, strlen(text) + 1);
    while ((rule = strsep(&rest, "\n")) != NULL && count < RULES_MAX) {
        if (!stakeout_rule_fault(rule)) rules[count++] = rule;
    }
}

/* Its first line. */
static void read_token(char ret[TOKEN_SIZE_MAX + 1])
{
    const char *path = secure_getenv("STAKEOUT_RUN_TOKEN_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t size;

    *ret = '\0';
    if (fd < 0) return;
    size = read(fd, ret, TOKEN_SIZE_MAX);
    close(fd);
    ret[size > 0 ? size : 0] = '\0';
    ret[strcspn(ret, " \t\r\n")] = '\0';
}

static void start_once(void)
{
    char token[TOKEN_SIZE_MAX + 1];
    struct stakeout_options options = { .size = sizeof options, .token = token };

    read_rules();
    read_token(token);
    (void)stakeout_start(&options); /* it says in its log why not; the program goes on */
}

void run_start(void)
{
    pthread_once(&once, start_once);
}

stakeout_interface_id run_interface(const char *method, const char *target)
{
    return stakeout_names_find(&names, method, target);
}

/* Open calls -------------------------------------------------------------------------------- */

static struct open_call *place_of(const void *key, uint32_t n)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;

    return &places[((hash >> 40) + n) % PLACES];
}

static const void *key_of(const struct open_call *open)
{
    return __atomic_load_n(&open->key, __ATOMIC_ACQUIRE);
}

struct open_call *run_find(const void *key)
{
    for (uint32_t n = 0; n < WINDOW; n++) {
        if (key_of(place_of(key, n)) == key) return place_of(key, n);
    }
    return NULL;
}

/* Rare: once for each buffer of a FastCGI response. */
struct open_call *run_find_output(const void *stream)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        if (__atomic_load_n(&places[i].output, __ATOMIC_ACQUIRE) == stream) return &places[i];
    }
    return NULL;
}

static struct open_call *take_place(const void *key)
{
    for (uint32_t n = 0; n < WINDOW; n++) {
        struct open_call *place = place_of(key, n);
        const void *nobody = NULL;

        if (__atomic_compare_exchange_n(&place->key, &nobody, &taken, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return place;
    }
    return NULL;
}

struct open_call *run_open(const void *key, const char *method, const char *target,
                           const char *traceparent)
{
    stakeout_interface_id id = run_interface(method, target);
    struct open_call *place = id == 0 ? NULL : take_place(key);

    if (!place) return NULL;
    place->response_code = 0;
    place->is_inside = place->is_answered = place->has_state = place->is_suspended = false;
    place->call = stakeout_call_begin_traced(id, traceparent);
    __atomic_store_n(&place->key, key, __ATOMIC_RELEASE);
    return place;
}

void run_close(struct open_call *open, const void *key)
{
    const void *nobody = &taken;

    if (!__atomic_compare_exchange_n(&open->key, &key, nobody, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return;
    stakeout_call_end(open->call, open->response_code);
    __atomic_store_n(&open->key, NULL, __ATOMIC_RELEASE);
}
