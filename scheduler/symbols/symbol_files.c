/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_files.c: uploads, each with the process that takes it; and a list of build-ids that were
 * wanted, each waiting for its turn, being fetched, or known to be had from nobody.
 *
 *     wanted:  WAITING --a place is free--> FETCHING --came--> (forgotten: it is in the store)
 *                                              '--failed--> ABSENT --its time is over--> (gone)
 *
 * INVARIANTS
 *
 * (1) An upload's callback comes from an event of its own, after symbols_upload_end(), once.
 * (2) Fetching is nobody's wait: an analysis that could have used the file was answered before. */
#include "scheduler/symbols/symbol_files.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/own.h"
#include "scheduler/symbols/symbol_intake.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define GIGABYTE ((uint64_t)1 << 30)

static const uint64_t STORE_SIZE_DEFAULT = 16 * GIGABYTE, UPLOAD_SIZE_DEFAULT = 4 * GIGABYTE;
static const uint64_t FETCH_MS_DEFAULT = 600000, FETCH_AGAIN_MS_DEFAULT = 3600000;
static const uint64_t FETCH_FAILED_MS = 300000; /* a server that did not answer may soon do */

enum wanted_state { WANTED_WAITING, WANTED_FETCHING, WANTED_ABSENT };

struct wanted {
    TAILQ_ENTRY(wanted) link;
    struct symbol_files *files;
    char hex[2 * BUILD_ID_SIZE_MAX + 1];
    enum wanted_state state;
    struct symbol_intake *intake; /* while FETCHING */
    uint64_t until_ns;            /* while ABSENT */
};

struct symbol_upload {
    LIST_ENTRY(symbol_upload) link;
    struct symbol_files *files;
    struct symbol_intake *intake; /* NULL: it ended */
    struct event *on_told;        /* tells the result, from the loop */
    int fd;                       /* -1: it ended before all was sent */
    symbol_upload_fn then;        /* NULL: symbols_upload_end() was not called yet */
    void *context;
    int rc;
    char hex[2 * BUILD_ID_SIZE_MAX + 1];
    bool has_lines, has_names;
};

struct symbol_files {
    struct symbol_files_options options;
    struct symbols_options settings;
    char *program, *servers[SYMBOLS_SERVERS_MAX]; /* owned */
    struct symbol_store *store;
    struct graves graves;
    LIST_HEAD(, symbol_upload) uploads;
    unsigned upload_count;
    TAILQ_HEAD(wanted_list, wanted) wanted; /* the oldest first */
    unsigned wanted_count, fetching_count;
    uint64_t uploaded, refused, fetched, fetch_failed;
};

static void on_gone(void *context, struct text build_id)
{
    struct symbol_files *files = context;

    files->options.on_changed(files->options.context, build_id);
}

/* ---- uploads ---- */

static void upload_free(struct symbol_upload *upload)
{
    LIST_REMOVE(upload, link);
    upload->files->upload_count--;
    if (upload->intake) symbol_intake_drop(upload->intake);
    event_free(upload->on_told);
    free(upload);
}

static void refusal_write(const struct symbol_upload *upload, struct problem *problem)
{
    switch (upload->rc) {
    case -ENOEXEC:
        problem_set(problem, PROBLEM_BAD_BODY,
                    "This is no whole 64-bit ELF file for x86-64: program, library or debug file.");
        break;
    case -ENOKEY:
        problem_set(problem, PROBLEM_BAD_BODY,
                    "The file has no build-id, by which it could be found; link with "
                    "-Wl,--build-id.");
        break;
    case -ENODATA:
        problem_set(problem, PROBLEM_BAD_BODY,
                    "The file has neither debug information nor a symbol table; upload the "
                    "one from before strip, or its .debug file.");
        break;
    case -EFBIG:
        problem_set(problem, PROBLEM_TOO_LARGE, "The symbol store is smaller than this file.");
        break;
    case -ENOSPC:
    case -EDQUOT:
        problem_set(problem, PROBLEM_STORE_FULL, "The disk of the state directory is full.");
        break;
    case -ECANCELED:
        problem_set(problem, PROBLEM_BUSY, "The scheduler is stopping; try again.");
        break;
    default:
        problem_set(problem, PROBLEM_INTERNAL, "The file could not be stored: %s.",
                    strerror(-upload->rc));
    }
}

static void upload_tell(struct symbol_upload *upload)
{
    struct symbol_upload_result result = { .has_lines = upload->has_lines,
                                           .has_names = upload->has_names };
    struct problem problem = { 0 };
    symbol_upload_fn then = upload->then;
    void *context = upload->context;

    if (upload->rc == 0) {
        result.file = symbol_store_find(upload->files->store, text_of(upload->hex));
        if (!result.file) upload->rc = -ENOENT;
    }
    if (upload->rc < 0) {
        upload->files->refused++;
        refusal_write(upload, &problem);
        result.problem = &problem;
    } else {
        upload->files->uploaded++;
    }
    upload_free(upload);
    then(context, &result);
}

static void on_told(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    upload_tell(context);
}

static void on_upload_end(void *context, const struct symbol_intake_result *result)
{
    struct symbol_upload *upload = context;
    struct symbol_files *files = upload->files;

    upload->intake = NULL;
    upload->fd = -1;
    upload->rc = result->rc;
    if (result->rc == 0) {
        text_to_hex(result->build_id.data, result->build_id.size, upload->hex);
        upload->has_lines = result->has_lines;
        upload->has_names = result->has_names;
        files->options.on_changed(files->options.context, result->build_id);
    }
    if (upload->then) event_active(upload->on_told, 0, 0);
}

struct symbol_upload *symbol_files_upload(struct symbol_files *files, uint64_t size,
                                          struct problem *problem)
{
    struct symbol_upload *upload;
    struct symbol_intake_options options = {
        .graves = &files->graves,
        .store = files->store,
        .program = files->program,
        .source = SYMBOL_UPLOADED,
        .size = size,
        .on_end = on_upload_end,
    };

    if (size > files->settings.upload_size_max) {
        problem_set(problem, PROBLEM_TOO_LARGE,
                    "The file has %llu bytes; at most %llu are accepted "
                    "(--symbols-upload-bytes).",
                    (unsigned long long)size, (unsigned long long)files->settings.upload_size_max);
        return NULL;
    }
    if (files->upload_count == SYMBOLS_UPLOADS_MAX) {
        problem_set(problem, PROBLEM_BUSY, "%d uploads are under way already; try again.",
                    SYMBOLS_UPLOADS_MAX);
        return NULL;
    }
    upload = mem_zalloc(1, sizeof *upload);
    upload->files = files;
    upload->on_told = event_new(files->options.base, -1, 0, on_told, upload);
    CHECK(upload->on_told);
    LIST_INSERT_HEAD(&files->uploads, upload, link);
    files->upload_count++;
    options.context = upload;
    upload->intake = symbol_intake_start(&options, &upload->rc);
    if (!upload->intake) {
        refusal_write(upload, problem);
        upload_free(upload);
        return NULL;
    }
    upload->fd = symbol_intake_fd(upload->intake);
    return upload;
}

int symbols_upload_fd(const struct symbol_upload *upload)
{
    return upload->fd;
}

void symbols_upload_end(struct symbol_upload *upload, symbol_upload_fn then, void *context)
{
    upload->then = then;
    upload->context = context;
    if (!upload->intake) event_active(upload->on_told, 0, 0);
}

void symbols_upload_drop(struct symbol_upload *upload)
{
    upload_free(upload);
}

/* ---- fetching ---- */

static struct wanted *wanted_find(struct symbol_files *files, const char *hex)
{
    struct wanted *wanted;

    TAILQ_FOREACH(wanted, &files->wanted, link)
    {
        if (strcmp(wanted->hex, hex) == 0) return wanted;
    }
    return NULL;
}

static void wanted_free(struct wanted *wanted)
{
    struct symbol_files *files = wanted->files;

    TAILQ_REMOVE(&files->wanted, wanted, link);
    files->wanted_count--;
    if (wanted->intake) symbol_intake_drop(wanted->intake);
    free(wanted);
}

static void fetch_next(struct symbol_files *files);

/* Probes name what is wanted, so that this may come as often as they like. */
static void log_not_fetched(const char *build_id, int rc)
{
    static struct log_limit limit = { .period_ns = NS_PER_S };
    uint64_t count;

    if (log_may(&limit, clock_monotonic_ns(), &count))
        log_event(LOG_WARN, "debug information could not be fetched",
                  LOG_STRING("build_id", build_id), LOG_STRING("error", strerror(-rc)),
                  LOG_NUMBER("count", count));
}

static void wanted_fail(struct wanted *wanted, int rc)
{
    uint64_t ms = wanted->files->settings.fetch_again_ms;

    if (rc != -ENOENT && ms > FETCH_FAILED_MS) ms = FETCH_FAILED_MS;
    wanted->state = WANTED_ABSENT;
    wanted->until_ns = clock_monotonic_ns() + ms_to_ns(ms);
    wanted->files->fetch_failed++;
    if (rc != -ENOENT) log_not_fetched(wanted->hex, rc);
}

static void on_fetch_end(void *context, const struct symbol_intake_result *result)
{
    struct wanted *wanted = context;
    struct symbol_files *files = wanted->files;

    files->fetching_count--;
    wanted->intake = NULL;
    if (result->rc == 0) {
        files->fetched++;
        wanted_free(wanted);
        files->options.on_changed(files->options.context, result->build_id);
    } else {
        wanted_fail(wanted, result->rc);
    }
    fetch_next(files);
}

static void fetch_start(struct symbol_files *files, struct wanted *wanted)
{
    struct symbol_intake_options options = {
        .graves = &files->graves,
        .store = files->store,
        .program = files->program,
        .source = SYMBOL_FETCHED,
        .size = files->settings.upload_size_max,
        .time_ms = files->settings.fetch_ms,
        .build_id_hex = wanted->hex,
        .servers = (const char *const *)files->servers,
        .server_count = files->settings.server_count,
        .context = wanted,
        .on_end = on_fetch_end,
    };
    int rc;

    wanted->intake = symbol_intake_start(&options, &rc);
    if (!wanted->intake) {
        wanted_fail(wanted, rc);
        return;
    }
    wanted->state = WANTED_FETCHING;
    files->fetching_count++;
}

static void fetch_next(struct symbol_files *files)
{
    struct wanted *wanted;

    TAILQ_FOREACH(wanted, &files->wanted, link)
    {
        if (files->fetching_count == FETCHES_AT_ONCE_MAX) return;
        if (wanted->state == WANTED_WAITING) fetch_start(files, wanted);
    }
}

/* Makes a place: the oldest one that nobody has is forgotten first. */
static bool wanted_make_room(struct symbol_files *files)
{
    struct wanted *wanted;

    if (files->wanted_count < WANTED_MAX) return true;
    TAILQ_FOREACH(wanted, &files->wanted, link)
    {
        if (wanted->state != WANTED_ABSENT) continue;
        wanted_free(wanted);
        return true;
    }
    return false;
}

void symbol_files_want(struct symbol_files *files, struct text build_id)
{
    char hex[2 * BUILD_ID_SIZE_MAX + 1];
    struct wanted *wanted;

    if (files->settings.server_count == 0) return;
    if (build_id.size < 2 || build_id.size > BUILD_ID_SIZE_MAX) return;
    text_to_hex(build_id.data, build_id.size, hex);
    wanted = wanted_find(files, hex);
    if (wanted && wanted->state == WANTED_ABSENT && clock_monotonic_ns() >= wanted->until_ns) {
        wanted_free(wanted);
        wanted = NULL;
    }
    if (wanted || symbol_store_find(files->store, text_of(hex)) || !wanted_make_room(files)) return;
    wanted = mem_zalloc(1, sizeof *wanted);
    wanted->files = files;
    memcpy(wanted->hex, hex, sizeof hex);
    TAILQ_INSERT_TAIL(&files->wanted, wanted, link);
    files->wanted_count++;
    fetch_next(files);
}

/* ---- the whole ---- */

static void settings_copy(struct symbol_files *files, const struct symbols_options *from)
{
    struct symbols_options *settings = &files->settings;

    *settings = *from;
    CHECK(from->server_count <= SYMBOLS_SERVERS_MAX);
    for (size_t i = 0; i < from->server_count; i++)
        files->servers[i] = mem_text(from->servers[i], strlen(from->servers[i]));
    files->program = mem_text(from->program, strlen(from->program));
    if (settings->store_size_max == 0) settings->store_size_max = STORE_SIZE_DEFAULT;
    if (settings->upload_size_max == 0) settings->upload_size_max = UPLOAD_SIZE_DEFAULT;
    if (settings->fetch_ms == 0) settings->fetch_ms = FETCH_MS_DEFAULT;
    if (settings->fetch_again_ms == 0) settings->fetch_again_ms = FETCH_AGAIN_MS_DEFAULT;
}

struct symbol_files *symbol_files_new(const struct symbol_files_options *options,
                                      struct problem *problem)
{
    struct symbol_files *files = mem_zalloc(1, sizeof *files);

    files->options = *options;
    files->graves.base = options->base;
    TAILQ_INIT(&files->wanted);
    settings_copy(files, options->symbols);
    files->store = symbol_store_new(
        &(struct symbol_store_options){ .folder = options->symbols->store_folder,
                                        .size_max = files->settings.store_size_max },
        problem);
    if (!files->store) return symbol_files_free(files);
    symbol_store_on_gone(files->store, on_gone, files);
    return files;
}

struct symbol_files *symbol_files_free(struct symbol_files *files)
{
    if (!files) return NULL;
    while (!LIST_EMPTY(&files->uploads)) {
        struct symbol_upload *upload = LIST_FIRST(&files->uploads);

        if (upload->intake) upload->rc = -ECANCELED;
        if (upload->then)
            upload_tell(upload);
        else
            upload_free(upload);
    }
    while (!TAILQ_EMPTY(&files->wanted))
        wanted_free(TAILQ_FIRST(&files->wanted));
    graves_done(&files->graves);
    symbol_store_free(files->store);
    for (size_t i = 0; i < SYMBOLS_SERVERS_MAX; i++)
        free(files->servers[i]);
    free(files->program);
    free(files);
    return NULL;
}

struct symbol_store *symbol_files_store(const struct symbol_files *files)
{
    return files->store;
}

uint64_t symbol_files_upload_size_max(const struct symbol_files *files)
{
    return files->settings.upload_size_max;
}

int symbol_files_remove(struct symbol_files *files, struct text build_id_hex)
{
    uint8_t id[BUILD_ID_SIZE_MAX];
    int rc = symbol_store_remove(files->store, build_id_hex);

    if (rc < 0) return rc;
    CHECK(text_from_hex(build_id_hex, id, build_id_hex.size / 2) == 0);
    files->options.on_changed(files->options.context,
                              (struct text){ (char *)id, build_id_hex.size / 2 });
    return 0;
}

void symbol_files_count(const struct symbol_files *files, struct symbols_counts *ret)
{
    struct symbol_store_counts store = symbol_store_counts(files->store);

    ret->store_size = store.size;
    ret->store_size_max = store.size_max;
    ret->store_files = store.file_count;
    ret->store_evicted = store.evicted;
    ret->uploads = files->uploaded;
    ret->uploads_refused = files->refused;
    ret->fetches = files->fetched;
    ret->fetches_failed = files->fetch_failed;
}
