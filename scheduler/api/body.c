/* SPDX-License-Identifier: Apache-2.0 */
/* body.c: kinds of bodies are the words of routes.def: a schema's name is JSON, a media type is
 * bytes that go elsewhere, "Nothing" may also be an empty object, which many clients send
 * unasked. */
#include "scheduler/api/body.h"

#include "common/base/own.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

bool body_is_bytes(const char *kind)
{
    return strchr(kind, '/') != NULL;
}

bool body_is_optional(const char *kind)
{
    return strcmp(kind, "Nothing") == 0;
}

/* "application/json", perhaps with parameters behind a semicolon. */
static bool is_json(struct text content_type)
{
    struct text wanted = TEXT("application/json");

    if (content_type.size < wanted.size) return false;
    if (strncasecmp(content_type.data, wanted.data, wanted.size) != 0) return false;
    return content_type.size == wanted.size || content_type.data[wanted.size] == ';' ||
           content_type.data[wanted.size] == ' ';
}

static void json_freep(json_t **it)
{
    json_decref(*it);
}

int body_check_empty(struct text body, struct problem *problem)
{
    OWN(json_freep) json_t *object = json_loadb(body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
    struct text name;

    if (!json_is_object(object))
        return problem_set(problem, PROBLEM_BAD_BODY,
                           "The body must be empty, or an empty JSON object.");
    if (json_object_size(object) == 0) return 0;
    name = text_of(json_object_iter_key(json_object_iter(object)));
    if (name.size >= PROBLEM_FIELD_SIZE || !text_is_printable(name)) name = TEXT("...");
    return problem_set_field(problem, name.data, "'%s' is not a field here; there are none.",
                             name.data);
}

int body_check(struct http_request *request, const char *kind, struct problem *problem)
{
    struct text body = http_body(request);

    if (!*kind || body_is_bytes(kind)) return 0;
    if (body_is_optional(kind) && body.size == 0) return 0;
    if (!is_json(http_header(request, "Content-Type")))
        return problem_set(problem, PROBLEM_BAD_TYPE,
                           "The Content-Type of this request must be application/json.");
    return body_is_optional(kind) ? body_check_empty(body, problem) : 0;
}
