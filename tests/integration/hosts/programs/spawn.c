/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c: calls that start programs in every way there is, and wait for them. */
#include "tests/integration/hosts/programs/act.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(pid_t pid)
{
    int status = 0;

    ACT_CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int by_posix_spawn(void)
{
    char *arguments[] = { "sh", "-c", "exit 11", NULL };
    pid_t pid;

    ACT_CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) == 0);
    return status_of(pid);
}

/* The child shares our memory, and our thread sleeps until it execs: in a slow call, looked at. */
static int by_vfork(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        act_rest_ms(20);
        execl("/bin/sh", "sh", "-c", "exit 12", (char *)NULL);
        _exit(1);
    }
    return status_of(pid);
}

static int by_system(void)
{
    int status = system("exit 13");

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int by_popen(void)
{
    FILE *output = popen("echo 14", "re");
    int got = -1;

    ACT_CHECK(output && fscanf(output, "%d", &got) == 1);
    return pclose(output) == 0 ? got : -1;
}

/* What a program that we start inherits: no signal blocked or ignored, no descriptor, no nice. */
static void say_inheritance(void)
{
    FILE *output =
        popen("sed -n '/^Sig[BI]/p' /proc/self/status; ls /proc/self/fd | wc -l; nice", "re");
    char line[128];

    ACT_CHECK(output != NULL);
    while (fgets(line, sizeof line, output)) {
        line[strcspn(line, "\n")] = '\0';
        act_say("inherits %s", line);
    }
    ACT_CHECK(pclose(output) == 0);
}

int main(void)
{
    static int (*const ways[])(void) = { by_posix_spawn, by_vfork, by_system, by_popen };
    long sum = 0;

    act_begin();
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();
        long each = 0;

        /* As often as it goes; and once is enough for the result. */
        do {
            each = ways[i % 4]();
        } while (act_goes_on(&call));
        sum = sum * 16 + each % 16;
        act_call_end(&call, 0);
    }
    act_say("sum %ld", sum);
    say_inheritance();
    return act_end();
}
