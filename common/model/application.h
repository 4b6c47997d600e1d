/* SPDX-License-Identifier: Apache-2.0 */
/* application.h: what an operator set for all probes of an application, and its rules.
 *
 *     struct application_settings settings = { .is_off = false };
 *     rc = budget_percent_read("budget_core_percent", 0.5, &settings.budget_core_ppm, &problem); */
#ifndef STAKEOUT_COMMON_MODEL_APPLICATION_H
#define STAKEOUT_COMMON_MODEL_APPLICATION_H

#include "common/model/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct problem;

/* As on the wire: 0 is the probe's own default, this is no bound. */
#define BUDGET_PPM_NONE UINT32_MAX

struct application_settings {
    char application[APPLICATION_SIZE_MAX + 1];
    bool is_off; /* its probes watch nothing */
    uint32_t budget_core_ppm, budget_thread_ppm;
    uint64_t changed_wall_ms; /* 0: never */
    char author[AUTHOR_SIZE_MAX + 1];
};

#define BUDGET_PERCENT_ACCEPTS "0.1 to 100, in steps of 0.0001; 0: no bound"

/* Percent to millionths. Returns 0, or -1 with *problem, which names `field`. */
int budget_percent_read(const char *field, double percent, uint32_t *ret_ppm,
                        struct problem *problem);

static inline double budget_percent(uint32_t ppm)
{
    return ppm == BUDGET_PPM_NONE ? 0 : (double)ppm / 10000;
}

#endif
