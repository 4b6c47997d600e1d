/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.c: routes.def, parameters.def, schemas.def and the rules of a task as one document.
 *
 * Nothing is described here by hand, so nothing can be described wrongly: what a route takes is
 * what the door checks, what a task accepts is what task_spec.c enforces; and that the answers
 * are as their schemas say is what the integration test looks at. */
#include "scheduler/api/openapi.h"

#include "common/base/check.h"
#include "common/model/problem.h"
#include "common/model/task_spec.h"
#include "scheduler/analysis/analysis.h"
#include "scheduler/api/answer.h"
#include "scheduler/api/body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct property {
    const char *schema, *name, *type, *says;
    bool is_required;
};

struct enumeration {
    const char *schema, *words;
};

/* clang-format off */
static const struct property properties[] = {
#define ENUMERATION(schema, words)
#define PROPERTY(schema, name, type, says) { schema, name, type, says, true },
#define OPTIONAL(schema, name, type, says) { schema, name, type, says, false },
#include "scheduler/api/schemas.def"
#undef ENUMERATION
#undef PROPERTY
#undef OPTIONAL
};

static const struct enumeration enumerations[] = {
#define ENUMERATION(schema, words) { schema, words },
#define PROPERTY(schema, name, type, says)
#define OPTIONAL(schema, name, type, says)
#include "scheduler/api/schemas.def"
#undef ENUMERATION
#undef PROPERTY
#undef OPTIONAL
};

static const struct parameter {
    const char *path, *name, *type, *says; /* path "": of all routes that name it */
} parameters[] = {
#define PARAMETER(name, type, says) { "", name, type, says },
#define PARAMETER_OF(path, name, type, says) { path, name, type, says },
#include "scheduler/api/parameters.def"
#undef PARAMETER
#undef PARAMETER_OF
};
/* clang-format on */

/* ------------------------------------------------------------------ types */

static json_t *type_value(struct text type);

static json_t *simple(const char *type)
{
    return json_pack("{s:s}", "type", type);
}

static json_t *reference(struct text name)
{
    char path[80];

    snprintf(path, sizeof path, "#/components/schemas/%.*s", TEXT_ARGS(name));
    return json_pack("{s:s}", "$ref", path);
}

static json_t *nullable(json_t *take_type)
{
    return json_pack("{s:[o,o]}", "anyOf", take_type, simple("null"));
}

/* "[T]" and "{T}" without their brackets. */
static json_t *inner(struct text type)
{
    return type_value((struct text){ type.data + 1, type.size - 2 });
}

/* As schemas.def explains. */
static json_t *type_value(struct text type)
{
    static const char *const simple_types[] = { "string", "integer", "number", "boolean" };

    if (type.data[type.size - 1] == '?')
        return nullable(type_value((struct text){ type.data, type.size - 1 }));
    if (type.data[0] == '[') return json_pack("{s:s, s:o}", "type", "array", "items", inner(type));
    if (type.data[0] == '{')
        return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", inner(type));
    for (size_t i = 0; i < ARRAY_COUNT(simple_types); i++) {
        if (text_is_equal(type, text_of(simple_types[i]))) return simple(simple_types[i]);
    }
    if (text_is_equal(type, TEXT("time")))
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    if (text_is_equal(type, TEXT("when")))
        return json_pack("{s:[o,{s:s, s:i}]}", "anyOf", type_value(TEXT("time")), "type", "integer",
                         "minimum", 0);
    if (text_is_equal(type, TEXT("Limit")))
        return json_pack("{s:s, s:i, s:i, s:i}", "type", "integer", "minimum", 1, "maximum",
                         PAGE_LIMIT_MAX, "default", PAGE_LIMIT_DEFAULT);
    if (text_is_equal(type, TEXT("Subject")))
        return json_pack("{s:s, s:s}", "type", "string", "pattern",
                         "^(sample:[0-9a-f]{32}|task:[0-9a-f]{20})$");
    return reference(type);
}

static json_t *described(json_t *take_type, const char *says)
{
    if (*says) value_set(take_type, "description", value_text(says));
    return take_type;
}

/* ------------------------------------------------------------------ schemas */

static json_t *words_value(const char *words)
{
    json_t *array = json_array();

    while (*words) {
        size_t size = strcspn(words, " ");

        value_append(array, value_text_of((struct text){ words, size }));
        words += size;
        words += strspn(words, " ");
    }
    return array;
}

/* The object of a schema, made when its first property comes. */
static json_t *object_of(json_t *schemas, const char *schema)
{
    json_t *object = json_object_get(schemas, schema);

    if (object) return object;
    object = json_pack("{s:s, s:{}, s:[]}", "type", "object", "properties", "required");
    value_set(schemas, schema, object);
    return object;
}

static void add_property(json_t *schemas, const struct property *property)
{
    json_t *object = object_of(schemas, property->schema);

    if (strcmp(property->name, "...") == 0) {
        value_set(object, "allOf", json_pack("[o]", reference(text_of(property->type))));
        return;
    }
    value_set(json_object_get(object, "properties"), property->name,
              described(type_value(text_of(property->type)), property->says));
    if (property->is_required)
        value_append(json_object_get(object, "required"), value_text(property->name));
}

/* ------------------------------------------------------------------ a new task, by its rules */

static json_t *choices_value(const int64_t *choices)
{
    json_t *array = json_array();

    for (; *choices != 0; choices++) {
        value_append(array, json_integer(*choices));
    }
    return array;
}

static json_t *bounded(const char *type, const char *minimum, const char *maximum,
                       const struct task_field *field)
{
    return json_pack("{s:s, s:I, s:I}", "type", type, minimum, (json_int_t)field->minimum, maximum,
                     (json_int_t)field->maximum);
}

static json_t *integer_field(const struct task_field *field)
{
    json_t *integer = bounded("integer", "minimum", "maximum", field);

    if (!field->is_required) value_set(integer, "default", json_integer(field->fallback));
    if (strcmp(field->name, "threshold_ms") != 0) return integer;
    return json_pack("{s:[o,{s:s, s:[s,s,s]}]}", "anyOf", integer, "type", "string", "enum", "p50",
                     "p90", "p99");
}

/* JSON Schema counts characters where we count bytes: a character may take four. */
static json_t *field_value(const struct task_field *field)
{
    json_t *texts;

    switch (field->kind) {
    case TASK_FIELD_TEXT:
        return bounded("string", "minLength", "maxLength", field);
    case TASK_FIELD_TEXTS:
        texts = bounded("array", "minItems", "maxItems", field);
        value_set(texts, "items",
                  json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength",
                            INSTANCE_SIZE_MAX));
        return texts;
    case TASK_FIELD_INTEGER:
        return integer_field(field);
    case TASK_FIELD_CHOICE:
        return json_pack("{s:s, s:o}", "type", "integer", "enum", choices_value(field->choices));
    case TASK_FIELD_TIME:
        return json_pack("{s:[{s:s, s:s}, {s:s, s:i}]}", "anyOf", "type", "string", "format",
                         "date-time", "type", "integer", "minimum", 1);
    case TASK_FIELD_FLAG:
        return json_pack("{s:s, s:b}", "type", "boolean", "default", 0);
    }
    check_failed("every kind of field has its schema", __FILE__, __LINE__);
}

static json_t *new_task_schema(void)
{
    json_t *object = json_pack("{s:s, s:{}, s:[], s:b}", "type", "object", "properties", "required",
                               "additionalProperties", 0);
    const struct task_field *fields;
    size_t count;

    fields = task_fields(&count);
    for (size_t i = 0; i < count; i++) {
        char says[320];

        snprintf(says, sizeof says, "%s: %s", fields[i].says, fields[i].accepts);
        value_set(json_object_get(object, "properties"), fields[i].name,
                  described(field_value(&fields[i]), says));
        if (fields[i].is_required)
            value_append(json_object_get(object, "required"), value_text(fields[i].name));
    }
    return object;
}

static json_t *problem_slugs(void)
{
    json_t *array = json_array();

    for (int code = 0; code < PROBLEM_COUNT; code++) {
        if (code != PROBLEM_NONE)
            value_append(array, value_text(problem_slug((enum problem_code)code)));
    }
    return array;
}

static json_t *schemas_value(void)
{
    json_t *schemas = json_object(), *type;

    for (size_t i = 0; i < ARRAY_COUNT(enumerations); i++) {
        value_set(
            schemas, enumerations[i].schema,
            json_pack("{s:s, s:o}", "type", "string", "enum", words_value(enumerations[i].words)));
    }
    value_set(schemas, "NewTask", new_task_schema());
    value_set(
        schemas, "Nothing",
        json_pack("{s:s, s:{}, s:b}", "type", "object", "properties", "additionalProperties", 0));
    for (size_t i = 0; i < ARRAY_COUNT(properties); i++) {
        add_property(schemas, &properties[i]);
    }
    type =
        json_object_get(json_object_get(json_object_get(schemas, "Problem"), "properties"), "type");
    value_set(type, "enum", problem_slugs());
    return schemas;
}

/* ------------------------------------------------------------------ paths */

/* NULL: the route does not name it, or the description lacks it. What is said of one path alone
 * stands first in parameters.def. */
static const struct parameter *parameter_find(const struct route *route, struct text name)
{
    for (size_t i = 0; i < ARRAY_COUNT(parameters); i++) {
        const struct parameter *parameter = &parameters[i];

        if (!text_is_equal(name, text_of(parameter->name))) continue;
        if (!*parameter->path || strcmp(parameter->path, route->path) == 0) return parameter;
    }
    return NULL;
}

static json_t *parameter_value(const struct route *route, struct text name, const char *in)
{
    const struct parameter *parameter = parameter_find(route, name);

    if (!parameter)
        check_failed("every parameter of a route is in parameters.def", __FILE__, __LINE__);
    return json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", parameter->name, "in", in, "required",
                     strcmp(in, "path") == 0, "description", parameter->says, "schema",
                     type_value(text_of(parameter->type)));
}

/* /diff needs both of its subjects; all other parameters behind a "?" may be left out. */
static json_t *parameters_value(const struct route *route)
{
    json_t *array = json_array();
    const char *at = strchr(route->path, '{');

    if (at) {
        size_t size = strcspn(at + 1, "}");

        value_append(array, parameter_value(route, (struct text){ at + 1, size }, "path"));
    }
    for (at = route->query; *at; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        json_t *parameter = parameter_value(route, (struct text){ at, size }, "query");

        if (text_is_equal((struct text){ at, size }, TEXT("base")) ||
            text_is_equal((struct text){ at, size }, TEXT("other")))
            value_set(parameter, "required", json_true());
        value_append(array, parameter);
        at += size;
    }
    return array;
}

static json_t *bytes_value(void)
{
    return json_pack("{s:s, s:s}", "type", "string", "format", "binary");
}

static json_t *content_of(const char *type, json_t *take_schema)
{
    return json_pack("{s:{s:o}}", type, "schema", take_schema);
}

static const char *enumeration_words(const char *schema)
{
    for (size_t i = 0; i < ARRAY_COUNT(enumerations); i++) {
        if (strcmp(enumerations[i].schema, schema) == 0) return enumerations[i].words;
    }
    return "";
}

/* An answer in JSON that can be had as a file for another viewer, too. */
static void add_exports(json_t *content, const struct route *route)
{
    const char *words = enumeration_words(parameter_find(route, TEXT("format"))->type);

    for (size_t size; *words; words += size, words += strspn(words, " ")) {
        enum export_format format;

        size = strcspn(words, " ");
        CHECK(export_format_parse((struct text){ words, size }, &format) == 0);
        if (json_object_get(content, export_format_type(format))) continue;
        value_set(content, export_format_type(format), json_pack("{s:o}", "schema", bytes_value()));
    }
}

static json_t *answer_content(const struct route *route)
{
    json_t *content;
    bool is_type = strchr(route->answer, '/') != NULL;
    bool is_json = !is_type || strcmp(route->answer, "application/json") == 0;
    const char *type = is_json ? "application/json" : route->answer;

    if (is_type) return content_of(type, simple(is_json ? "object" : "string"));
    content = content_of(type, reference(text_of(route->answer)));
    if (strstr(route->query, "format")) add_exports(content, route);
    return content;
}

static json_t *responses_value(const struct route *route)
{
    json_t *responses = json_object();
    char status[8];

    snprintf(status, sizeof status, "%d", route->status);
    value_set(responses, status,
              json_pack("{s:s, s:o}", "description", "Done", "content", answer_content(route)));
    /* What is asked is whether all is well; the answer is the same object if it is not. */
    if (strcmp(route->answer, "Health") == 0)
        value_set(responses, "503",
                  json_pack("{s:s, s:o}", "description", "Not all is well", "content",
                            answer_content(route)));
    value_set(responses, "default",
              json_pack("{s:s, s:o}", "description", "Refused: a problem object", "content",
                        content_of("application/problem+json", reference(TEXT("Problem")))));
    return responses;
}

/* A schema, or a content type with a '/': bytes. */
static json_t *body_content(const struct route *route)
{
    if (body_is_bytes(route->body)) return content_of(route->body, bytes_value());
    return content_of("application/json", reference(text_of(route->body)));
}

static const char *method_key(enum http_method method)
{
    if (method == HTTP_POST) return "post";
    if (method == HTTP_PUT) return "put";
    return method == HTTP_DELETE ? "delete" : "get";
}

static json_t *operation_value(const struct route *route, const char *name)
{
    static const char *const roles[] = { [HTTP_ANYONE] = "anyone",
                                         [HTTP_VIEWER] = "viewer",
                                         [HTTP_OPERATOR] = "operator",
                                         [HTTP_PROBE] = "probe" };
    static const char *const abouts[] = { [ABOUT_NONE] = "none",
                                          [ABOUT_TASK] = "task",
                                          [ABOUT_SAMPLE] = "sample",
                                          [ABOUT_SUBJECTS] = "subjects",
                                          [ABOUT_APPLICATION] = "application",
                                          [ABOUT_BODY] = "body",
                                          [ABOUT_LIST] = "list",
                                          [ABOUT_ALL] = "all" };
    json_t *operation =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "operationId", name, "summary", route->summary,
                  "x-role", roles[route->role], "x-about", abouts[route->about], "parameters",
                  parameters_value(route), "responses", responses_value(route));

    if (*route->body)
        value_set(operation, "requestBody",
                  json_pack("{s:b, s:o}", "required", !body_is_optional(route->body), "content",
                            body_content(route)));
    if (route->role == HTTP_ANYONE) value_set(operation, "security", json_array());
    return operation;
}

/* Handlers are called on_task_create: operations task_create. */
static const char *const handler_names[] = {
#define ROUTE(method, path, role, about, body, handler, query, answer, status, summary) #handler,
#include "scheduler/api/routes.def"
#undef ROUTE
};

static json_t *paths_value(void)
{
    json_t *paths = json_object();

    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &routes[i];
        json_t *path = json_object_get(paths, route->path);

        if (!path) {
            path = json_object();
            value_set(paths, route->path, path);
        }
        value_set(path, method_key(route->method),
                  operation_value(route, handler_names[i] + strlen("on_")));
    }
    return paths;
}

char *openapi_print(size_t *ret_size)
{
    json_t *document = json_pack(
        "{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o, s:{s:{s:s, s:s}}}, s:[{s:[]}, {}]}", "openapi",
        "3.1.0", "info", "title", "stakeout", "version", STAKEOUT_VERSION, "description",
        "Watches interfaces for slow calls, and says where those spent their time. Without tokens "
        "it serves loopback only, and every caller is an operator.",
        "paths", paths_value(), "components", "schemas", schemas_value(), "securitySchemes",
        "token", "type", "http", "scheme", "bearer", "security", "token");
    char *text;

    CHECK(document);
    text = value_print(document, ret_size);
    json_decref(document);
    return text;
}

void on_openapi(struct api *api, struct http_request *request)
{
    http_reply(request, 200, "application/json", (struct text){ api->openapi, api->openapi_size });
}
