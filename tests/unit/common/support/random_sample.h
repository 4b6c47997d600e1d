/* SPDX-License-Identifier: Apache-2.0 */
/* random_sample.h: samples of any shape, the same ones for the same seed.
 *
 * What is made is acceptable to sample_check() and report_encode(): stacks of all frame kinds that
 * share their outer ends, snapshots that repeat them, names with more than ASCII in them. */
#ifndef STAKEOUT_TESTS_UNIT_COMMON_SUPPORT_RANDOM_SAMPLE_H
#define STAKEOUT_TESTS_UNIT_COMMON_SUPPORT_RANDOM_SAMPLE_H

#include "common/model/sample.h"

struct random_source {
    uint64_t state;
};

/* 0 to bound - 1. */
uint64_t random_below(struct random_source *source, uint64_t bound);

/* A sample with `snapshot_count` snapshots; the caller owns it. */
struct sample *random_sample(struct random_source *source, uint32_t snapshot_count);

#endif
