/* SPDX-License-Identifier: Apache-2.0 */
/* room.h: arrays that grow by doubling. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_ROOM_H
#define STAKEOUT_SCHEDULER_ANALYSIS_ROOM_H

#include "common/base/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Makes sure that the array at *array_pointer (a pointer to a pointer) can take one item more
 * than `count`. */
static inline void room_for_one(void *array_pointer, uint32_t count, uint32_t *capacity,
                                size_t item_size)
{
    void *array;

    if (count < *capacity) return;
    CHECK(*capacity < UINT32_MAX / 2);
    *capacity = *capacity ? *capacity * 2 : 32;
    memcpy(&array, array_pointer, sizeof array);
    array = mem_grow(array, *capacity * item_size);
    memcpy(array_pointer, &array, sizeof array);
}

#endif
