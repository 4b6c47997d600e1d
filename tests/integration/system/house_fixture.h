/* SPDX-License-Identifier: Apache-2.0 */
/* house_fixture.h: the one house of a test program whose tests share it.
 *
 *     return cmocka_run_group_tests(tests, house_setup, house_teardown);
 *
 * and in a test
 *
 *     house_order(&house, ...);
 *
 * Each test works under an application of its own, or cancels what it ordered. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SYSTEM_HOUSE_FIXTURE_H
#define STAKEOUT_TESTS_INTEGRATION_SYSTEM_HOUSE_FIXTURE_H

#include "tests/integration/system/house.h"

extern struct house house;

int house_setup(void **state);
int house_teardown(void **state);

#endif
