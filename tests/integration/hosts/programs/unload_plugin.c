/* SPDX-License-Identifier: Apache-2.0 */
/* unload_plugin.c: built twice: PLUGIN_WORK is the name of its function, PLUGIN_REST_NS how long it
 * rests between two questions. */
#include <stdbool.h>
#include <time.h>

void PLUGIN_WORK(bool (*is_wanted)(void *context), void *context);

__attribute__((visibility("default"))) void PLUGIN_WORK(bool (*is_wanted)(void *context),
                                                        void *context)
{
    while (is_wanted(context)) {
        if (PLUGIN_REST_NS > 0) nanosleep(&(struct timespec){ .tv_nsec = PLUGIN_REST_NS }, NULL);
    }
}
