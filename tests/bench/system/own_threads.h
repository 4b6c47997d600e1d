/* SPDX-License-Identifier: Apache-2.0 */
/* own_threads.h: what the probe's own threads use, by the kernel's books.
 *
 *     before_ns = own_threads_cpu_ns(pid);  ...  used_ns = own_threads_cpu_ns(pid) - before_ns;
 *
 * The CPU time of a process by request is never steady; what its threads of ours take of it is, and
 * says how much of a difference can be theirs. */
#ifndef STAKEOUT_TESTS_BENCH_SYSTEM_OWN_THREADS_H
#define STAKEOUT_TESTS_BENCH_SYSTEM_OWN_THREADS_H

#include <sys/types.h>

/* Nanoseconds on a CPU, of the threads whose names begin with "stakeout-". A process that is gone
 * has none. */
double own_threads_cpu_ns(pid_t pid);

#endif
