/* SPDX-License-Identifier: Apache-2.0 */
/* task_event.c: numbers are of the wire and never reused, so they are searched, not indexed. */
#include "common/model/task_event.h"

#include "common/base/check.h"

#include <errno.h>

static const struct {
    uint32_t number;
    const char *slug;
} events[] = {
#define TASK_EVENT(name, number, slug) { number, slug },
#include "common/model/task_event.def"
#undef TASK_EVENT
};

const char *task_event_slug(uint32_t number)
{
    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        if (events[i].number == number) return events[i].slug;
    }
    return NULL;
}

int task_event_parse(struct text slug, uint32_t *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        if (text_is_equal(text_of(events[i].slug), slug)) {
            *ret = events[i].number;
            return 0;
        }
    }
    return -EINVAL;
}
