/* SPDX-License-Identifier: Apache-2.0 */
/* The description must hold together by itself; that it is true is the integration test's. */
#include "scheduler/api/openapi.h"

#include "common/model/limits.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *document;

static int load(void **state)
{
    size_t size;
    char *text = openapi_print(&size);

    (void)state;
    assert_int_equal(size, strlen(text));
    document = json_loadb(text, size, 0, NULL);
    free(text);
    return document ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

static json_t *schema(const char *name)
{
    json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");

    return json_object_get(schemas, name);
}

static void check_references(const json_t *value)
{
    const json_t *reference = json_object_get(value, "$ref");
    const char *prefix = "#/components/schemas/";
    const char *name;
    json_t *inner;
    size_t index;

    if (reference) {
        assert_int_equal(strncmp(json_string_value(reference), prefix, strlen(prefix)), 0);
        if (!schema(json_string_value(reference) + strlen(prefix)))
            fail_msg("%s is referred to and not there", json_string_value(reference));
    }
    json_object_foreach((json_t *)value, name, inner) check_references(inner);
    json_array_foreach(value, index, inner) check_references(inner);
}

static void every_reference_leads_somewhere(void **state)
{
    (void)state;
    check_references(document);
}

static void the_limits_of_a_new_task_are_the_model_s(void **state)
{
    json_t *fields = json_object_get(schema("NewTask"), "properties");
    json_t *cap = json_object_get(fields, "sample_cap");
    json_t *name = json_object_get(fields, "application");

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(cap, "minimum")), SAMPLE_CAP_MIN);
    assert_int_equal(json_integer_value(json_object_get(cap, "maximum")), SAMPLE_CAP_MAX);
    assert_int_equal(json_integer_value(json_object_get(cap, "default")), SAMPLE_CAP_DEFAULT);
    assert_int_equal(json_integer_value(json_object_get(name, "maxLength")), APPLICATION_SIZE_MAX);
    assert_int_equal(json_object_size(fields), 10);
    assert_int_equal(json_array_size(json_object_get(schema("NewTask"), "required")), 4);
}

static json_t *operation(const char *path, const char *method)
{
    return json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
}

static const char *schema_of_answer(const char *path, const char *status)
{
    json_t *answer = json_object_get(json_object_get(operation(path, "get"), "responses"), status);
    json_t *content = json_object_get(json_object_get(answer, "content"), "application/json");
    const char *reference =
        json_string_value(json_object_get(json_object_get(content, "schema"), "$ref"));

    return reference ? strrchr(reference, '/') + 1 : "";
}

static void ill_health_is_described_as_health_is(void **state)
{
    (void)state;
    assert_string_equal(schema_of_answer("/readyz", "200"), "Health");
    assert_string_equal(schema_of_answer("/readyz", "503"), "Health");
    assert_string_equal(schema_of_answer("/healthz", "503"), "Health");
    assert_string_equal(schema_of_answer("/api/v1/tasks", "503"), "");
}

static json_t *parameter_schema(const char *path, const char *name)
{
    json_t *parameter;
    size_t index;

    json_array_foreach(json_object_get(operation(path, "get"), "parameters"), index, parameter)
    {
        if (strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0)
            return json_object_get(parameter, "schema");
    }
    fail_msg("%s has no parameter '%s'", path, name);
    return NULL;
}

static void times_are_dates_or_milliseconds(void **state)
{
    static const char *const names[] = { "from", "to" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        json_t *kinds = json_object_get(parameter_schema("/api/v1/tasks", names[i]), "anyOf");
        json_t *date = json_array_get(kinds, 0), *ms = json_array_get(kinds, 1);

        assert_int_equal(json_array_size(kinds), 2);
        assert_string_equal(json_string_value(json_object_get(date, "format")), "date-time");
        assert_string_equal(json_string_value(json_object_get(ms, "type")), "integer");
    }
}

static void what_may_be_left_out_is_not_required(void **state)
{
    json_t *required = json_object_get(schema("Problem"), "required"), *name;
    size_t index;

    (void)state;
    assert_int_equal(json_array_size(required), 4);
    json_array_foreach(required, index, name)
    {
        assert_string_not_equal(json_string_value(name), "field");
    }
    assert_non_null(json_object_get(json_object_get(schema("Problem"), "properties"), "field"));
}

static void an_order_without_fields_may_come_without_a_body(void **state)
{
    json_t *cancel = json_object_get(operation("/api/v1/tasks/{id}/cancel", "post"), "requestBody");
    json_t *create = json_object_get(operation("/api/v1/tasks", "post"), "requestBody");

    (void)state;
    assert_true(json_is_false(json_object_get(cancel, "required")));
    assert_true(json_is_true(json_object_get(create, "required")));
    assert_true(json_is_false(json_object_get(schema("Nothing"), "additionalProperties")));
}

/* Generators name their functions by it. */
static void no_two_operations_have_the_same_id(void **state)
{
    json_t *seen = json_object(), *path, *operation;
    const char *name, *method;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), name, path)
    {
        json_object_foreach(path, method, operation)
        {
            const char *id = json_string_value(json_object_get(operation, "operationId"));

            if (json_object_get(seen, id)) fail_msg("%s is there twice", id);
            json_object_set_new(seen, id, json_true());
        }
    }
    json_decref(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reference_leads_somewhere),
        cmocka_unit_test(the_limits_of_a_new_task_are_the_model_s),
        cmocka_unit_test(ill_health_is_described_as_health_is),
        cmocka_unit_test(times_are_dates_or_milliseconds),
        cmocka_unit_test(what_may_be_left_out_is_not_required),
        cmocka_unit_test(an_order_without_fields_may_come_without_a_body),
        cmocka_unit_test(no_two_operations_have_the_same_id),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
