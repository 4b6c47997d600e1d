/* SPDX-License-Identifier: Apache-2.0 */
/* program.h: how the host was linked, and with what.
 *
 * Threads: any; nothing here takes a lock of the loader but program_is_sanitized(). */
#ifndef STAKEOUT_PROBE_AGENT_BASE_PROGRAM_H
#define STAKEOUT_PROBE_AGENT_BASE_PROGRAM_H

#include <stdbool.h>

/* Was it linked with -static? Then it has no loader: dlopen() would bring a second C library into
 * the process, and work only where that is of the very version that the program was linked with. */
bool program_is_static(void);

/* Does it have the table by which unwind entries are found? gcc leaves it out of static programs,
 * unless told -Wl,--eh-frame-hdr. */
bool program_has_unwind_header(void);

/* Does a sanitizer's run-time stand in front of the C library? */
bool program_is_sanitized(void);

#endif
