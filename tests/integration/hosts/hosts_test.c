/* SPDX-License-Identifier: Apache-2.0 */
/* hosts_test.c: hosts that are awkward, each watched while it is; hosts.def lists them.
 *
 *     hosts_test GROUP [NAME]        "processes", "code", ...; one of the group */
#include "tests/integration/hosts/performance.h"
#include "tests/integration/system/house_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define HOST(group, host_name, host_program, ...)                    \
    static void host_name##_is_not_harmed(void **state)              \
    {                                                                \
        (void)state;                                                 \
        performance_check(&house, &(struct awkward){                 \
            .name = #host_name,                                      \
            .program = HOSTS_DIRECTORY "/host_" host_program,        \
            __VA_ARGS__ });                                          \
    }
#include "tests/integration/hosts/hosts.def"
#undef HOST
/* clang-format on */

static const struct {
    const char *group;
    struct CMUnitTest test;
} hosts[] = {
#define HOST(group, host_name, host_program, ...) \
    { #group, cmocka_unit_test(host_name##_is_not_harmed) },
#include "tests/integration/hosts/hosts.def"
#undef HOST
};

int main(int argc, char **argv)
{
    struct CMUnitTest tests[ARRAY_COUNT(hosts)];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_COUNT(hosts) && argc > 1; i++) {
        if (strcmp(hosts[i].group, argv[1]) != 0) continue;
        if (argc > 2 && strncmp(hosts[i].test.name, argv[2], strlen(argv[2])) != 0) continue;
        tests[count++] = hosts[i].test;
    }
    if (count == 0) {
        fprintf(stderr, "usage: %s GROUP [NAME]\n", argv[0]);
        return 2;
    }
    return _cmocka_run_group_tests(argv[1], tests, count, house_setup, house_teardown);
}
