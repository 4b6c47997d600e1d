/* SPDX-License-Identifier: Apache-2.0 */
/* unload.c: the code that a call is in is opened for it and closed behind it, and what is opened
 * next lies where it was: two plug-ins of the same size, in turn. */
#include "tests/integration/hosts/programs/act.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

static void *open_plugin(const char *path, const char *name, void (**ret)(bool (*)(void *), void *))
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL), *found;

    ACT_CHECK(library != NULL);
    found = dlsym(library, name);
    ACT_CHECK(found != NULL);
    memcpy(ret, &found, sizeof found);
    return library;
}

static bool goes_on(void *context)
{
    const struct act_call *call = context;

    return act_goes_on(call);
}

int main(void)
{
    static const char *const paths[] = { UNLOAD_PLUGIN_A, UNLOAD_PLUGIN_B };
    static const char *const names[] = { "plugin_works", "plugin_rests" };
    uintptr_t places[2] = { 0, 0 };

    act_begin();
    for (int i = 0; i < 2 * ACT_ROUNDS; i++) {
        void (*work)(bool (*is_wanted)(void *), void *context);
        struct act_call call = act_call_begin();
        void *library = open_plugin(paths[i % 2], names[i % 2], &work);

        memcpy(&places[i % 2], &work, sizeof work);
        work(goes_on, &call);
        dlclose(library);
        act_call_end(&call, ACT_FIRST + i % 2);
        /* And many times more, while nobody is in there. */
        dlclose(open_plugin(paths[i % 2], names[i % 2], &work));
    }
    ACT_CHECK(ACT_IS_SANITIZED || places[0] >> 12 == places[1] >> 12);
    return act_end();
}
