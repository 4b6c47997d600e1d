/* SPDX-License-Identifier: Apache-2.0 */
/* child.h: a claim that is made in a process of its own, because it gives up rights, or filters
 * system calls, and cannot take that back.
 *
 *     static int without_rights_main(void)
 *     {
 *         if (geteuid() != 0) return CHILD_SKIPS;
 *         ...
 *         return is_so ? 0 : 1;
 *     }
 *
 *     child_claim(without_rights_main); */
#ifndef STAKEOUT_TESTS_SUPPORT_CHILD_H
#define STAKEOUT_TESTS_SUPPORT_CHILD_H

enum { CHILD_SKIPS = 77 };

/* Forks, and fails the test unless what `child_main` returns there is 0. CHILD_SKIPS skips it, and
 * so does ThreadSanitizer, which knows no threads in a child of a process with threads. */
void child_claim(int (*child_main)(void));

#endif
