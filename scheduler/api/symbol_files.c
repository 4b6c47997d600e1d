/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_files.c: /api/v1/symbols: the debug files that the scheduler keeps, by build-id.
 *
 * An upload's body never is in this process' memory: it goes from the connection to the process
 * that takes it (scheduler/symbols). What the handler gets is that process' verdict. */
#include "scheduler/api/symbol_files.h"
#include "common/base/check.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/query.h"
#include "scheduler/symbols/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static json_t *file_value(const struct symbol_file *file)
{
    json_t *object = json_object();

    value_set(object, "build_id", value_text(file->build_id));
    value_set(object, "size", value_count(file->size));
    value_set(object, "source",
              value_text(file->source == SYMBOL_UPLOADED ? "upload" : "debuginfod"));
    value_set(object, "stored", value_time(file->stored_ms));
    value_set(object, "used", value_time(file->used_ms));
    return object;
}

/* ------------------------------------------------------------------ uploads */

static void write_refusal(const struct problem *problem, struct http_refusal *ret)
{
    ret->status = problem_status(problem->code);
    ret->slug = problem_slug(problem->code);
    ret->title = problem_title(problem->code);
    snprintf(ret->detail, sizeof ret->detail, "%s", problem->detail);
}

int symbol_sink_open(struct api *api, uint64_t body_size, void **ret_sink,
                     struct http_refusal *ret_why)
{
    struct problem problem = { 0 };
    struct symbol_upload *upload = symbols_upload_begin(api->rooms.symbols, body_size, &problem);
    int fd = upload ? fcntl(symbols_upload_fd(upload), F_DUPFD_CLOEXEC, 0) : -1;

    if (fd >= 0) {
        *ret_sink = upload;
        return fd;
    }
    if (upload) {
        problem_set(&problem, PROBLEM_BUSY,
                    "There is no descriptor left for an upload; try again.");
        symbols_upload_drop(upload);
    }
    write_refusal(&problem, ret_why);
    return -1;
}

void symbol_sink_drop(void *sink)
{
    symbols_upload_drop(sink);
}

static void on_uploaded(void *context, const struct symbol_upload_result *result)
{
    struct pending *pending = context;
    json_t *object;

    if (!result->file) {
        pending_problem(pending, result->problem);
        return;
    }
    object = file_value(result->file);
    value_set(object, "has_lines", json_boolean(result->has_lines));
    value_set(object, "has_names", json_boolean(result->has_names));
    pending_audit(pending,
                  &(struct deed){ .what = "symbols-uploaded", .subject = result->file->build_id });
    pending_json(pending, 201, object);
}

void on_symbol_upload(struct api *api, struct http_request *request)
{
    struct symbol_upload *upload = http_sink_take(request);
    struct problem problem = { 0 };

    if (!upload) {
        problem_set(&problem, PROBLEM_BAD_BODY,
                    "The body is empty; it must be an ELF file with debug information.");
        answer_problem(request, &problem);
        return;
    }
    symbols_upload_end(upload, on_uploaded, pending_new(api, request, sizeof(struct pending)));
}

/* ------------------------------------------------------------------ what is there */

/* The cursor of a page is where the next one begins. */
static int read_cursor(struct http_request *request, uint64_t *ret, struct problem *problem)
{
    struct text cursor = http_query(request, "cursor");

    if (!cursor.data || text_to_u64(cursor, ret) == 0) return 0;
    return query_refuse("cursor", cursor, "the \"next\" of the page before, unchanged", problem);
}

void on_symbol_list(struct api *api, struct http_request *request)
{
    struct symbols_counts counts = symbols_counts(api->rooms.symbols);
    const struct symbol_file *file;
    json_t *object, *array;
    uint32_t limit = 100;
    uint64_t at = 0;
    struct problem problem = { 0 };

    if (query_limit(request, &limit, &problem) < 0 || read_cursor(request, &at, &problem) < 0) {
        answer_problem(request, &problem);
        return;
    }
    object = json_object();
    array = json_array();
    for (; limit > 0 && (file = symbols_file_at(api->rooms.symbols, at)) != NULL; at++, limit--)
        value_append(array, file_value(file));
    value_set(object, "symbols", array);
    value_set(object, "bytes", value_count(counts.store_size));
    value_set(object, "bytes_max", value_count(counts.store_size_max));
    value_set(object, "next",
              symbols_file_at(api->rooms.symbols, at) ? json_sprintf("%llu", (unsigned long long)at)
                                                      : json_null());
    answer_json(request, 200, object);
}

void on_symbol_remove(struct api *api, struct http_request *request)
{
    struct text build_id = http_param(request, "build_id");
    const struct symbol_file *file = symbols_file_find(api->rooms.symbols, build_id);
    struct problem problem = { 0 };
    struct pending *pending;
    json_t *object;

    if (!file) {
        problem_set(&problem, PROBLEM_NO_SUCH_SYMBOLS,
                    "No file with this build-id is stored; it is said in lower-case hex digits.");
        answer_problem(request, &problem);
        return;
    }
    pending = pending_new(api, request, sizeof *pending);
    pending_audit(pending, &(struct deed){ .what = "symbols-removed", .subject = file->build_id });
    object = file_value(file);
    CHECK(symbols_file_remove(api->rooms.symbols, build_id) == 0);
    pending_json(pending, 200, object);
}
