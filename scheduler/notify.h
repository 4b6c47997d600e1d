/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h: what we and the service manager say to each other: sd_notify(3), the watchdog, and
 * sockets that are handed over (sd_listen_fds(3)). Nothing of it does anything where there is no
 * service manager. */
#ifndef STAKEOUT_SCHEDULER_NOTIFY_H
#define STAKEOUT_SCHEDULER_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "STATUS=..."; several with a newline between. Never blocks. */
void notify(const char *state);

/* That the settings are being read again; ends with READY=1. */
void notify_reloading(void);

/* A sentence for `systemctl status`; sent only when it is another than the last. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often "WATCHDOG=1" is wanted, half of what is allowed; 0: it is not. */
uint64_t notify_watchdog_ns(void);

/* The one socket that was handed over; 0: none, -EINVAL: more than one. It is the caller's, and no
 * child of ours sees it. */
int notify_take_socket(void);

#endif
