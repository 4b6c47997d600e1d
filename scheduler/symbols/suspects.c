/* SPDX-License-Identifier: Apache-2.0 */
/* suspects.c: a short list, searched from end to end. */
#include "scheduler/symbols/suspects.h"

#include <stddef.h>

static struct suspect *suspect_find(struct suspects *suspects, uint64_t module)
{
    for (size_t i = 0; i < SUSPECTS_MAX; i++)
        if (suspects->rows[i].deaths > 0 && suspects->rows[i].module == module)
            return &suspects->rows[i];
    return NULL;
}

void suspects_note(struct suspects *suspects, uint64_t module, uint64_t now_ns)
{
    struct suspect *suspect = suspect_find(suspects, module);

    if (!suspect) {
        suspect = &suspects->rows[0];
        for (size_t i = 1; i < SUSPECTS_MAX; i++)
            if (suspects->rows[i].last_ns < suspect->last_ns) suspect = &suspects->rows[i];
        *suspect = (struct suspect){ .module = module };
    }
    suspect->deaths++;
    suspect->last_ns = now_ns;
}

bool suspects_have(struct suspects *suspects, uint64_t module, uint64_t now_ns)
{
    struct suspect *suspect = suspect_find(suspects, module);

    if (!suspect) return false;
    if (now_ns - suspect->last_ns > SUSPECT_NS) {
        *suspect = (struct suspect){ 0 };
        return false;
    }
    return suspect->deaths >= SUSPECT_DEATHS_MAX;
}
