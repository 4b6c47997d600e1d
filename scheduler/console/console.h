/* SPDX-License-Identifier: Apache-2.0 */
/* console.h: the web console: pages, scripts and styles, served from inside the program.
 *
 *     console_open(http);      adds its routes; nothing to close
 *
 * Everybody gets the pages: there is nothing in them. What they show they ask of /api/v1, with
 * the session of whoever logged in. One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_CONSOLE_CONSOLE_H
#define STAKEOUT_SCHEDULER_CONSOLE_CONSOLE_H

struct http;

void console_open(struct http *http);

#endif
