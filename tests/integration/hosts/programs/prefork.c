/* SPDX-License-Identifier: Apache-2.0 */
/* prefork.c: a master that forks without exec, as prefork servers do, while its own calls are
 * looked at.
 *
 * "workers": three workers make slow calls of their own; each is another instance. And one of a
 * second generation, forked in the middle of a worker's call.
 * "storm": a master whose threads are always in slow calls forks two hundred times; each child uses
 * at once what a lock that was held at the fork would hang: the heap, and the loader, whose list
 * changes before each. */
#include "tests/integration/hosts/programs/act.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, FORKS = 200, CALLERS = 3 };

/* Who says farewell: the master, its workers, and a child of each. */
enum { MASTER, FIRST_WORKER, FIRST_GRANDCHILD = FIRST_WORKER + WORKERS };

static _Atomic bool is_over;

static int status_of(pid_t pid)
{
    int status = 0;

    ACT_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void serve_call(void)
{
    struct act_call call = act_call_begin();

    act_rest_ms(ACT_CALL_MS / 2);
    act_spin_ms(ACT_CALL_MS / 2);
    act_call_end(&call, ACT_FIRST);
}

static int grandchild_main(struct act_call *inherited)
{
    act_call_end(inherited, 0); /* of another process: a stale token */
    for (int i = 0; i < 3; i++) {
        serve_call();
    }
    return 5;
}

static void leave(int who, int status)
{
    act_leave(who);
    exit(status);
}

static int status_of_leaver(pid_t pid, int who)
{
    int status = status_of(pid);

    act_left(who);
    return status;
}

static int worker_main(int number)
{
    struct act_call call;
    pid_t pid;

    for (int i = 0; i < ACT_ROUNDS; i++) {
        serve_call();
    }
    call = act_call_begin();
    act_rest_ms(ACT_CALL_MS);
    pid = fork();
    if (pid == 0) leave(FIRST_GRANDCHILD + number, grandchild_main(&call));
    act_call_end(&call, 0);
    return status_of_leaver(pid, FIRST_GRANDCHILD + number) + 2;
}

static void run_workers(void)
{
    pid_t pids[WORKERS];

    for (int i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) leave(FIRST_WORKER + i, worker_main(i));
    }
    serve_call();
    for (int i = 0; i < WORKERS; i++) {
        act_say("worker %d", status_of_leaver(pids[i], FIRST_WORKER + i));
    }
}

static void *caller_main(void *context)
{
    while (!atomic_load(&is_over)) {
        serve_call();
    }
    return context;
}

static int child_main(void)
{
    void *memory = malloc(100000), *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

    if (!memory || !library) return 1;
    dlclose(library);
    free(memory);
    return 9;
}

/* The list of what is loaded changes, so that the probe reads it anew. */
static void change_list(void)
{
    void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

    ACT_CHECK(library != NULL);
    dlclose(library);
}

static void storm(void)
{
    pthread_t callers[CALLERS];
    int sum = 0;

    for (int i = 0; i < CALLERS; i++) {
        ACT_CHECK(pthread_create(&callers[i], NULL, caller_main, NULL) == 0);
    }
    for (int i = 0; i < FORKS; i++) {
        pid_t pid;

        change_list();
        act_spin_us(50 * ((unsigned)i % 40));
        pid = fork();
        if (pid == 0) _exit(child_main());
        sum += status_of(pid);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i], NULL);
    }
    act_say("sum %d", sum);
}

int main(void)
{
    if (ACT_IS_THREAD_SANITIZED) act_skip("it knows no threads in a child of a threaded process");
    act_begin();
    if (act_mode_is("workers")) run_workers();
    if (act_mode_is("storm")) storm();
    act_leave(MASTER);
    return 3;
}
