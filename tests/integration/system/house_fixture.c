/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/system/house_fixture.h"

struct house house;

int house_setup(void **state)
{
    (void)state;
    house_open(&house);
    return 0;
}

int house_teardown(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}
