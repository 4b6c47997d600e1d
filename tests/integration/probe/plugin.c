/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c: opens the probe as a plug-in would, starts it, makes a call, closes the library while
 * its threads run, says "closed", and ends with its input. */
#include <stakeout/stakeout.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* It knows one table of descriptors: a number of the probe's own is not the host's. */
const char *__tsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__tsan_default_suppressions(void)
{
    return "race:connect_address\nrace:disconnect\nrace:file_open\n";
}
#endif

/* A function's address from dlsym(), without a cast that ISO C does not know. */
static void find(void *library, const char *name, void *ret, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(ret, &symbol, size);
}

int main(void)
{
    void *library = dlopen(PLUGIN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    int (*start)(const struct stakeout_options *);
    stakeout_interface_id (*interface)(const char *);
    stakeout_call (*begin)(stakeout_interface_id);
    void (*end)(stakeout_call, int);
    char byte;

    if (!library) {
        puts(dlerror());
        return 1;
    }
    find(library, "stakeout_start", &start, sizeof start);
    find(library, "stakeout_interface", &interface, sizeof interface);
    find(library, "stakeout_call_begin", &begin, sizeof begin);
    find(library, "stakeout_call_end", &end, sizeof end);
    if (start(NULL) < 0) return 2;
    end(begin(interface("GET /")), 200);
    dlclose(library);
    end(begin(interface("GET /")), 200);
    puts("closed");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
        /* Until it ends. */
    }
    return 0;
}
