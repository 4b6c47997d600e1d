/* SPDX-License-Identifier: Apache-2.0 */
/* cpp_locks.h: the locks of C++, as functions that C can call. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_OWNERS_CPP_LOCKS_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_OWNERS_CPP_LOCKS_H

#ifdef __cplusplus
extern "C" {
#endif

void cpp_mutex_take(void);
void cpp_mutex_give(void);
void cpp_recursive_take(void);
void cpp_recursive_give(void);
void cpp_timed_take(void); /* in try_lock_for() */
void cpp_timed_give(void);
void cpp_shared_take(void); /* as a writer */
void cpp_shared_give(void);
void cpp_shared_read(void); /* as a reader */
void cpp_shared_unread(void);

#ifdef __cplusplus
}
#endif

#endif
