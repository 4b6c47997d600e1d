/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/unit/scheduler/live/census_scene.h"

#include <stdio.h>
#include <string.h>

struct names {
    char text[256];
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    size_t at = strlen(names->text);

    snprintf(names->text + at, sizeof names->text - at, "%s ", name);
    names->count++;
}

static void on_name(void *context, struct text application,
                    const struct census_interface *interface)
{
    (void)application;
    add_name(context, interface->name);
}

static void on_instance(void *context, struct text application,
                        const struct census_instance *instance)
{
    (void)application;
    add_name(context, instance->instance);
}

static void on_application(void *context, struct text application, size_t instance_count,
                           size_t interface_count, uint64_t last_seen_ns)
{
    char line[64];

    snprintf(line, sizeof line, "%.*s/%zu/%zu", TEXT_ARGS(application), instance_count,
             interface_count);
    assert_int_equal(last_seen_ns, now_ns);
    add_name(context, line);
}

static void lists_are_by_name(void **state)
{
    static const char *const names[] = { "c", "a", "b", "aa" };
    struct process process = new_process(), other = new_process();
    struct names interfaces = { 0 }, instances = { 0 }, applications = { 0 };

    (void)state;
    process.instance = "z:1";
    other.instance = "y:1";
    for (size_t i = 0; i < 4; i++) {
        pulse_of(&process, names[i]);
    }
    pulse_of(&other, "a");
    census_interfaces(census, TEXT("shop"), now_ns, on_name, &interfaces);
    assert_string_equal(interfaces.text, "a aa b c ");
    census_instances(census, TEXT("shop"), on_instance, &instances);
    assert_string_equal(instances.text, "y:1 z:1 ");
    census_instances(census, TEXT(""), on_instance, &instances);
    assert_int_equal(instances.count, 4);
    census_applications(census, on_application, &applications);
    assert_string_equal(applications.text, "shop/2/4 ");
    census_interfaces(census, TEXT("none"), now_ns, on_name, &interfaces);
    assert_int_equal(interfaces.count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_CENSUS(lists_are_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
