/* SPDX-License-Identifier: Apache-2.0 */
/* suspects.h: modules over which workers died, so that one hostile file does not keep the worker
 * busy dying. A zeroed struct suspects has none. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SUSPECTS_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SUSPECTS_H

#include "common/base/clock.h"

#include <stdbool.h>

enum {
    SUSPECTS_MAX = 32,      /* the one that killed longest ago makes room */
    SUSPECT_DEATHS_MAX = 2, /* the first may have been bad luck */
};

#define SUSPECT_NS (300 * NS_PER_S) /* for so long a module is left alone */

struct suspects {
    struct suspect {
        uint64_t module; /* a hash of its path and build-id */
        unsigned deaths; /* 0: a free row */
        uint64_t last_ns;
    } rows[SUSPECTS_MAX];
};

void suspects_note(struct suspects *suspects, uint64_t module, uint64_t now_ns);

/* Is it to be left alone? */
bool suspects_have(struct suspects *suspects, uint64_t module, uint64_t now_ns);

#endif
