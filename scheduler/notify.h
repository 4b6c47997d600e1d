/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h: tells the service manager how we are, if one listens ($NOTIFY_SOCKET). */
#ifndef STAKEOUT_SCHEDULER_NOTIFY_H
#define STAKEOUT_SCHEDULER_NOTIFY_H

/* "READY=1", "STOPPING=1". Never blocks; nothing happens where nobody listens. */
void notify(const char *state);

#endif
