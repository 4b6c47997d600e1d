/* SPDX-License-Identifier: Apache-2.0 */
/* reload.h: SIGHUP: the settings are read again, from the same file, environment and flags, and
 * those that may change while the program runs do.
 *
 *     struct reload reload;
 *     reload_init(&reload, config, origins);
 *     is_done = reload_settings(&reload);
 *
 * Settings that cannot be read change nothing. One that changed and may not is named in the log. */
#ifndef STAKEOUT_SCHEDULER_RELOAD_H
#define STAKEOUT_SCHEDULER_RELOAD_H

#include <stdbool.h>

struct config;
struct config_origins;

struct reload {
    const struct config *config;    /* as it was at the start */
    struct config_origins *origins; /* as it is now; main's */
    bool is_refused;                /* the last time it was asked for */
};

void reload_init(struct reload *reload, const struct config *config,
                 struct config_origins *origins);

/* False: they cannot be read, and the log says why. */
bool reload_settings(struct reload *reload);

#endif
