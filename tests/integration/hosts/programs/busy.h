/* SPDX-License-Identifier: Apache-2.0 */
/* busy.h: what busy_plugin.c calls of the program that opens it, busy.c. */
#ifndef STAKEOUT_TESTS_INTEGRATION_HOSTS_PROGRAMS_BUSY_H
#define STAKEOUT_TESTS_INTEGRATION_HOSTS_PROGRAMS_BUSY_H

__attribute__((visibility("default"))) void busy_constructed(void);
__attribute__((visibility("default"))) void busy_destroyed(void);

#endif
