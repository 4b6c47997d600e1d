/* SPDX-License-Identifier: Apache-2.0 */
/* app.h: the scheduler as a whole: builds its rooms, runs the one event loop, ends in order. */
#ifndef STAKEOUT_SCHEDULER_APP_H
#define STAKEOUT_SCHEDULER_APP_H

struct config;
struct config_origins;

/* Runs until SIGTERM or SIGINT; SIGHUP reads the settings again, from where `origins` has them, and
 * keeps that up to date. Returns the program's exit code. Main thread only: the private
 * Redis and the symbol worker end with the thread that started them. */
int app_run(const struct config *config, struct config_origins *origins);

#endif
