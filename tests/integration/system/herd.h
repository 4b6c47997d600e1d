/* SPDX-License-Identifier: Apache-2.0 */
/* herd.h: thousands of instances that do nothing but wait for tasks, each on a connection of its
 * own and from addresses of several hosts, and that come back the moment they are cut off.
 *
 *     struct herd *herd = herd_start(port, "herd", 8000);
 *     ... wait until the scheduler says that 8000 polls are parked ...
 *     herd_told_count(herd, 2);              how many were told of two tasks when last told
 *     herd_stop(herd);
 *
 * They are ruder than probes: those wait for seconds, each for others, before they come back.
 * Threads: its own, one; the functions may be called from any. */
#ifndef STAKEOUT_TESTS_INTEGRATION_SYSTEM_HERD_H
#define STAKEOUT_TESTS_INTEGRATION_SYSTEM_HERD_H

#include <stddef.h>
#include <stdint.h>

struct herd;

struct herd *herd_start(uint16_t port, const char *application, size_t count);
void herd_stop(struct herd *herd); /* closes all, joins the thread, frees it */

size_t herd_told_count(struct herd *herd, uint32_t task_count);

/* Since the start: connections made, connections lost, and polls refused with 503. */
struct herd_figures {
    uint32_t connected, lost, refused;
};
struct herd_figures herd_figures(struct herd *herd);

#endif
