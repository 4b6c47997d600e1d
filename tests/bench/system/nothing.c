/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/system/nothing.h"

stakeout_call nothing_begin(stakeout_interface_id interface_id)
{
    (void)interface_id;
    return (stakeout_call){ { 0, 0 } };
}

void nothing_end(stakeout_call call, int response_code)
{
    (void)call;
    (void)response_code;
}
