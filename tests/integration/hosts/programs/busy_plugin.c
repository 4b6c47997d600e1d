/* SPDX-License-Identifier: Apache-2.0 */
/* busy_plugin.c: a library that does its work when it is opened, and when it is closed. */
#include "tests/integration/hosts/programs/busy.h"

__attribute__((constructor)) static void plugin_opens(void)
{
    busy_constructed();
    __asm__ volatile(""); /* a frame of its own: no jump to the last function */
}

__attribute__((destructor)) static void plugin_closes(void)
{
    busy_destroyed();
    __asm__ volatile("");
}
