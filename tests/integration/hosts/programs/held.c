/* SPDX-License-Identifier: Apache-2.0 */
/* held.c: a host that others hold and let go, again and again, in the middle of its calls: a child
 * of its own does it.
 *
 * "stopped": by SIGSTOP and SIGCONT. "frozen": by the cgroup freezer. "traced": by a debugger's
 * ptrace(2) on every thread, ours too. "gdb": by gdb itself. */
#include "tests/integration/hosts/programs/act.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 2, TRACED_MAX = 64, PATH_SIZE = 128 };

static pid_t host;
static char group[PATH_SIZE]; /* of the freezer */

static _Atomic bool *is_over; /* shared with the holder, which never ends while it holds */

/* ---- the holders; each runs in the child ---- */

static void hold_by_signals(void)
{
    while (!atomic_load(is_over)) {
        kill(host, SIGSTOP);
        act_rest_ms(15);
        kill(host, SIGCONT);
        act_rest_ms(35);
    }
}

static bool write_file(const char *directory, const char *name, const char *text)
{
    char path[2 * PATH_SIZE];
    bool is_written;
    int fd;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return is_written;
}

static const char *freezer_root(void)
{
    static const char *const roots[] = { "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified",
                                         "/sys/fs/cgroup" };

    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        char path[PATH_SIZE];

        snprintf(path, sizeof path, "%s/cgroup.procs", roots[i]);
        if (access(path, W_OK) == 0) return roots[i];
    }
    act_skip("there is no cgroup that it may write");
}

static void enter(const char *directory)
{
    char pid[32];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    ACT_CHECK(write_file(directory, "cgroup.procs", pid));
}

static void enter_freezer(void)
{
    snprintf(group, sizeof group, "%s/stakeout-test-%d", freezer_root(), (int)getpid());
    if (mkdir(group, 0755) < 0) act_skip("it may not make a cgroup");
    enter(group);
}

static void freeze(bool is_to)
{
    if (write_file(group, "freezer.state", is_to ? "FROZEN" : "THAWED")) return; /* version 1 */
    ACT_CHECK(write_file(group, "cgroup.freeze", is_to ? "1" : "0"));
}

static void hold_by_freezer(void)
{
    enter(freezer_root()); /* not to be frozen itself */
    while (!atomic_load(is_over)) {
        freeze(true);
        act_rest_ms(15);
        freeze(false);
        act_rest_ms(35);
    }
}

static int list_threads(pid_t ret[TRACED_MAX])
{
    char path[PATH_SIZE];
    struct dirent *entry;
    int count = 0;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", (int)host);
    tasks = opendir(path);
    while (tasks && (entry = readdir(tasks)) != NULL && count < TRACED_MAX) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (tid > 0) ret[count++] = tid;
    }
    if (tasks) closedir(tasks);
    return count;
}

/* A thread stands; signals that it stands for go on to it, as every debugger does. */
static void let_go(pid_t tid, int status)
{
    bool is_for_signal = WIFSTOPPED(status) && status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP;

    ptrace(PTRACE_DETACH, tid, NULL, (long)(is_for_signal ? WSTOPSIG(status) : 0));
}

static void trace_once(void)
{
    pid_t tids[TRACED_MAX];
    int count = list_threads(tids), status;

    for (int i = 0; i < count; i++) {
        if (ptrace(PTRACE_SEIZE, tids[i], NULL, NULL) < 0) tids[i] = 0;
        if (tids[i] > 0) ptrace(PTRACE_INTERRUPT, tids[i], NULL, NULL);
    }
    act_rest_ms(10);
    for (int i = 0; i < count; i++) {
        if (tids[i] > 0 && waitpid(tids[i], &status, __WALL) == tids[i]) let_go(tids[i], status);
    }
}

static void hold_by_ptrace(void)
{
    while (!atomic_load(is_over)) {
        trace_once();
        act_rest_ms(20);
    }
}

static void hold_by_gdb(void)
{
    char pid[32];

    snprintf(pid, sizeof pid, "%d", (int)host);
    close(1);
    close(2);
    open("/dev/null", O_WRONLY);
    open("/dev/null", O_WRONLY);
    execlp("gdb", "gdb", "-nx", "-batch", "-p", pid, "-ex", "thread apply all bt 5", "-ex",
           "shell sleep 0.2", "-ex", "detach", (char *)NULL);
    _exit(127);
}

/* ---- the host ---- */

static void *caller_main(void *context)
{
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        act_spin_ms(ACT_CALL_MS / 2);
        act_rest_ms(ACT_CALL_MS / 2);
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

static void holder_main(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (act_mode_is("stopped")) hold_by_signals();
    if (act_mode_is("frozen")) hold_by_freezer();
    if (act_mode_is("traced")) hold_by_ptrace();
    if (act_mode_is("gdb")) hold_by_gdb();
    _exit(0);
}

/* It lets go first: a host that is stopped, or frozen, would be so for ever. */
static void end_holder(pid_t holder)
{
    int status = 0;

    atomic_store(is_over, true);
    ACT_CHECK(waitpid(holder, &status, 0) == holder);
    ACT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (!act_mode_is("frozen")) return;
    enter(freezer_root());
    ACT_CHECK(rmdir(group) == 0);
}

int main(void)
{
    pthread_t threads[THREADS];
    pid_t holder;

    host = getpid();
    is_over =
        mmap(NULL, sizeof *is_over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ACT_CHECK(is_over != MAP_FAILED);
    if (act_mode_is("frozen")) enter_freezer();
    if (act_mode_is("gdb") && system("gdb --version >/dev/null 2>&1") != 0)
        act_skip("gdb is not installed");
    act_begin();
    for (int i = 0; i < THREADS; i++) {
        ACT_CHECK(pthread_create(&threads[i], NULL, caller_main, NULL) == 0);
    }
    holder = fork();
    if (holder == 0) holder_main();
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    end_holder(holder);
    return act_end();
}
