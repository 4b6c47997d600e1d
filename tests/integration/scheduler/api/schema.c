/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/scheduler/api/schema.h"

#include "common/base/text.h"
#include "common/base/wall_time.h"
#include "tests/support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PLACE_SIZE = 256 };

/* Why `value` is not as `schema` says: empty if it is. One of the words that is wrong. */
struct finding {
    char place[PLACE_SIZE];
    const char *why;
};

static bool check(const json_t *document, const json_t *schema, const json_t *value,
                  struct finding *finding);

static bool refuse(struct finding *finding, const char *why)
{
    finding->why = why;
    return false;
}

static const json_t *resolve(const json_t *document, const json_t *schema)
{
    const json_t *reference = json_object_get(schema, "$ref");
    const char *name;

    if (!reference) return schema;
    name = strrchr(json_string_value(reference), '/') + 1;
    return json_object_get(json_object_get(json_object_get(document, "components"), "schemas"),
                           name);
}

static bool is_of_type(const json_t *value, const char *type)
{
    if (strcmp(type, "object") == 0) return json_is_object(value);
    if (strcmp(type, "array") == 0) return json_is_array(value);
    if (strcmp(type, "string") == 0) return json_is_string(value);
    if (strcmp(type, "integer") == 0) return json_is_integer(value);
    if (strcmp(type, "number") == 0) return json_is_number(value);
    if (strcmp(type, "boolean") == 0) return json_is_boolean(value);
    if (strcmp(type, "null") == 0) return json_is_null(value);
    fail_msg("the schema has an unknown type: %s", type);
    return false;
}

static bool check_inner(const json_t *document, const json_t *schema, const json_t *value,
                        const char *step, struct finding *finding)
{
    size_t size = strlen(finding->place);
    bool is_right;

    snprintf(finding->place + size, sizeof finding->place - size, ".%s", step);
    is_right = check(document, schema, value, finding);
    if (is_right) finding->place[size] = '\0';
    return is_right;
}

/* The schema of a property, also of an "allOf" that it extends. */
static const json_t *property_schema(const json_t *document, const json_t *schema, const char *name)
{
    const json_t *found = json_object_get(json_object_get(schema, "properties"), name);
    const json_t *part;
    size_t index;

    if (found) return found;
    json_array_foreach(json_object_get(schema, "allOf"), index, part)
    {
        found = property_schema(document, resolve(document, part), name);
        if (found) return found;
    }
    return json_object_get(schema, "additionalProperties");
}

static bool has_required(const json_t *document, const json_t *schema, const json_t *value,
                         struct finding *finding)
{
    const json_t *part;
    size_t index;

    json_array_foreach(json_object_get(schema, "required"), index, part)
    {
        if (!json_object_get(value, json_string_value(part)))
            return refuse(finding, json_string_value(part));
    }
    json_array_foreach(json_object_get(schema, "allOf"), index, part)
    {
        if (!has_required(document, resolve(document, part), value, finding)) return false;
    }
    return true;
}

static bool check_object(const json_t *document, const json_t *schema, const json_t *value,
                         struct finding *finding)
{
    const char *name;
    json_t *inner;

    if (!has_required(document, schema, value, finding)) return false;
    json_object_foreach((json_t *)value, name, inner)
    {
        const json_t *inner_schema = property_schema(document, schema, name);

        if (!inner_schema) return refuse(finding, name);
        if (!check_inner(document, inner_schema, inner, name, finding)) return false;
    }
    return true;
}

static bool check_enumeration(const json_t *words, const json_t *value, struct finding *finding)
{
    const json_t *word;
    size_t index;

    json_array_foreach(words, index, word)
    {
        if (json_equal(word, value)) return true;
    }
    return refuse(finding, "it is none of the words");
}

static bool check_any(const json_t *document, const json_t *schemas, const json_t *value,
                      struct finding *finding)
{
    struct finding kept = *finding;
    const json_t *schema;
    size_t index;

    json_array_foreach(schemas, index, schema)
    {
        *finding = kept;
        if (check(document, schema, value, finding)) return true;
    }
    return false;
}

static bool check(const json_t *document, const json_t *schema, const json_t *value,
                  struct finding *finding)
{
    const json_t *type, *inner;
    uint64_t wall_ms;
    size_t index;

    schema = resolve(document, schema);
    if (!schema) return refuse(finding, "there is no such schema");
    if (json_object_get(schema, "anyOf"))
        return check_any(document, json_object_get(schema, "anyOf"), value, finding);
    type = json_object_get(schema, "type");
    if (!type || !is_of_type(value, json_string_value(type)))
        return refuse(finding, "it is of another type");
    if (json_object_get(schema, "enum") &&
        !check_enumeration(json_object_get(schema, "enum"), value, finding))
        return false;
    if (json_object_get(schema, "format") &&
        (json_string_length(value) != WALL_TIME_SIZE - 1 ||
         wall_time_parse(text_of(json_string_value(value)), &wall_ms) < 0))
        return refuse(finding, "it is no time with milliseconds");
    json_array_foreach(value, index, inner)
    {
        if (!check_inner(document, json_object_get(schema, "items"), inner, "[]", finding))
            return false;
    }
    if (json_is_object(value) && json_object_get(schema, "properties"))
        return check_object(document, schema, value, finding);
    return true;
}

void schema_check(const json_t *document, const json_t *schema, const json_t *value,
                  const char *place)
{
    struct finding finding = { "", NULL };
    char *shown;

    snprintf(finding.place, sizeof finding.place, "%s", place);
    if (check(document, schema, value, &finding)) return;
    shown = json_dumps(value, JSON_INDENT(1) | JSON_ENCODE_ANY);
    fail_msg("%s is not as described: %s\n%.4000s", finding.place, finding.why, shown);
}
