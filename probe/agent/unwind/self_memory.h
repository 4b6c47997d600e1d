/* SPDX-License-Identifier: Apache-2.0 */
/* self_memory.h: reads the process's own memory without ever faulting.
 *
 * By process_vm_readv on ourselves: a hole gives a short read, not a signal. It is the thread that
 * asks that is read, because a main thread that has ended has no memory any more. Threads: any. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_SELF_MEMORY_H
#define STAKEOUT_PROBE_AGENT_UNWIND_SELF_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Returns how many bytes from `address` on could be read, up to `size`; 0 if none. */
size_t self_read(uint64_t address, void *ret, size_t size);

/* Copies a zero-terminated string, cut at ret_size - 1; "" if it cannot be read. */
void self_read_text(uint64_t address, char *ret, size_t ret_size);

/* The mapping that holds an address, from /proc/self/maps. Returns 0; -ENOENT: there is none; or
 * -EACCES: the file cannot be opened. */
struct mapping {
    uint64_t low, high;
    int is_main_stack;
};
int self_mapping(uint64_t address, struct mapping *ret);

/* The same where that file is closed to us: the pages around an address that can be read without a
 * hole, at most PROBED_SIZE to each side. Whether it is the main stack is not known then. Returns
 * 0, or -EFAULT. */
enum { PROBED_SIZE = 8 * 1024 * 1024 };
int self_probe(uint64_t address, struct mapping *ret);

#endif
