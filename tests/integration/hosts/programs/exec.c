/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c: a host that becomes another program, itself, while its threads are sent signals: those
 * that are under way reach a program that has no handler of ours yet. */
#include "tests/integration/hosts/programs/act.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIVES = 6, CALLERS = 4, DESCRIPTORS_MAX = 1024 };

static void *caller_main(void *context)
{
    for (;;) {
        struct act_call call = act_call_begin();

        act_spin_ms(ACT_CALL_MS);
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

static int count_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

int main(int argc, char **argv)
{
    int descriptors = count_descriptors(); /* the life before left no others open */
    const char *was = getenv("HOST_LIFE");
    int life = was ? (int)strtol(was, NULL, 10) : 1;
    char now[32];

    (void)argc;
    act_start();
    if (life == 1) act_await_go();
    for (int i = 0; i < CALLERS; i++) {
        pthread_t thread;

        ACT_CHECK(pthread_create(&thread, NULL, caller_main, NULL) == 0);
    }
    act_rest_ms(300);
    act_say("life %d, born with %d descriptors", life, descriptors);
    if (life == LIVES) _exit(6);
    snprintf(now, sizeof now, "%d", life + 1);
    setenv("HOST_LIFE", now, 1);
    execv("/proc/self/exe", argv);
    return 1;
}
