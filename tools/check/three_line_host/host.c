/* SPDX-License-Identifier: Apache-2.0 */
/* host.c: the least that an application says to be watched. */
#include <stakeout/stakeout.h>

int main(void)
{
    stakeout_start(0);
    stakeout_call_end(stakeout_call_begin(stakeout_interface("GET /")), 200);
    stakeout_stop();
    return 0;
}
