/* SPDX-License-Identifier: Apache-2.0 */
/* works.h: code of many makers, to be interrupted in.
 *
 * Each work runs on a thread of its own until *stop. A thread that may be interrupted says so by
 * target_enter() and target_leave(); in between it is alive, and its stack known. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_UNWINDING_WORKS_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_UNWINDING_WORKS_H

#ifdef __cplusplus
extern "C" {
#endif

void target_enter(void);
void target_leave(void);

/* Has the work to end? */
int is_stopped(void);

/* What a compiler must not leave out. */
extern volatile unsigned long works_sink;

void work_malloc(void);
void work_qsort(void);
void work_regex(void);
void work_printf(void);
void work_signal(void);  /* handlers, which are interrupted in turn */
void work_threads(void); /* that live for a moment each */
void work_dlopen(void);  /* and dlclose, of code that runs in between */
void work_throw(void);   /* libstdc++ */
void work_crypto(void);  /* libcrypto: much of it is assembly */
void work_python(void);  /* libpython */
void work_llvm(void);    /* LLVM */

#ifdef __cplusplus
}
#endif

#endif
