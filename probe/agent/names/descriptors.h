/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.h: a descriptor table of the agent's own, so that the host's stays the host's.
 *
 * Called by the agent's first thread, descriptors_separate() leaves the host's table
 * (unshare(CLONE_FILES)) and closes the copies; the threads that it starts share the new one. A
 * host that closes everything, or runs out of descriptors, is then no matter to us, nor we to it.
 *
 * Where that is refused, descriptors live in the host's table: close-on-exec, placed above the
 * numbers that hosts use, and at most DESCRIPTORS_MAX. A host that closes what it does not know
 * may then close ours and get the number back for something of its own: descriptor_is() tells. */
#ifndef STAKEOUT_PROBE_AGENT_NAMES_DESCRIPTORS_H
#define STAKEOUT_PROBE_AGENT_NAMES_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/* Returns whether the table is our own now. `log` is settings.log: the one thing that descriptor
 * 2 leads to afterwards in a table of our own; the log is started on it, or switched off. */
bool descriptors_separate(const char *log);
bool descriptors_are_separate(void);

/* In a table of our own the lowest numbers are held back until this is called, when what stays for
 * ever is open: they are for what comes and goes. A host may set RLIMIT_NOFILE to next to nothing;
 * that bounds numbers, and only those of descriptors yet to be opened. */
void descriptors_release_low(void);

/* Takes a descriptor that was just opened and returns the one to use instead: the same in a table
 * of our own, else one far up. Negative values are passed through. */
int descriptor_place(int fd);

/* What a descriptor leads to, and whether it still does. */
uint64_t descriptor_identity(int fd);
bool descriptor_is(int fd, uint64_t identity);

#endif
