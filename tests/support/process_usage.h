/* SPDX-License-Identifier: Apache-2.0 */
/* process_usage.h: what a process has and has used, as the kernel counts it.
 *
 *     struct process_usage before, after;
 *     process_usage_read(pid, &before);
 *     ...
 *     process_usage_read(pid, &after);
 *     assert_int_equal(after.descriptors, before.descriptors);
 *
 * Fails the test where the process is gone. */
#ifndef STAKEOUT_TESTS_SUPPORT_PROCESS_USAGE_H
#define STAKEOUT_TESTS_SUPPORT_PROCESS_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct process_usage {
    uint32_t descriptors; /* of its main thread's table */
    uint32_t threads, mappings;
    uint64_t resident_kb, reserved_kb; /* memory that is there; addresses that are taken */
    uint64_t cpu_ms;                   /* of all its threads, ended ones too */
};

void process_usage_read(pid_t pid, struct process_usage *ret);

/* Some of it alone: descriptors; mappings with this word in their line, or all of them ("\n"). */
uint32_t process_descriptor_count(pid_t pid);
uint32_t process_mapping_count(pid_t pid, const char *word);

#endif
