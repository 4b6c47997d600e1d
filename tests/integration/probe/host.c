/* SPDX-License-Identifier: Apache-2.0 */
/* host.c: an application with the probe in it, that does what it is told on its standard input.
 *
 * A command per line, and a line in answer:
 *
 *     start              stakeout_start(NULL); "start RC"
 *     stop               stakeout_stop(); "stop MS", how long that took
 *     call NAME MS       a call that waits; "called"
 *     begin NAME, end    one call, which lasts as long as the test wants; "begun", "ended"
 *     fds                "fds 0=TARGET 1=TARGET ..." of this process
 *     threads            "threads NAME/NICE/BLOCKED-SIGNALS ..."
 *     close-all          closes all but 0 and 1, and sets RLIMIT_NOFILE to 4; "closed"
 *     fork NAME MS       a child makes a call and exits; "forked PID STATUS"
 *     fork-idle          a child that makes none exits; "forked PID STATUS"
 *     no-unshare         from now on unshare(2) is refused; "refused"
 *     no-threads         from now on there are no threads to be had; "refused"
 *     no-clone           the same by a filter of system calls; "refused"
 *     addresses KB       no more than so much beyond what is mapped now; "" without a number: as
 *                        much as it likes; "limited"
 *     files N            RLIMIT_NOFILE; "limited"
 *     threads-left N     no more than so many beside the main one; "limited", or "shared" where
 *                        the threads of other processes count as well
 *     handler            what handles SIGURG: "handler default|ours"
 *     exit CODE          exit(); no answer
 *
 * And where the host is linked with the probe's insides (HOST_HAS_INSIDES):
 *
 *     break              an invariant of the probe breaks; "broken"
 *     age                each call that is listened to is next reported as running 30 s earlier
 *                        than it would be; "aged COUNT AFTER_MS": how many were, and how long
 *                        after its first snapshot the last one would have been */
#include "tests/integration/probe/host_commands.h"
#include "tests/integration/probe/refusal.h"

#include <stakeout/stakeout.h>

#ifdef HOST_HAS_INSIDES
#include "probe/agent/base/invariant.h"
#include "probe/agent/engine/sampler_state.h"
#endif

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The function that the samples must name. */
__attribute__((noinline)) void handle_request(long ms);
__attribute__((noinline)) void handle_request(long ms)
{
    host_wait_ms(ms);
    __asm__ volatile("" ::: "memory"); /* not a tail call: this frame is to be seen */
}

static void make_call(const char *name, long ms)
{
    stakeout_call call = stakeout_call_begin(stakeout_interface(name));

    handle_request(ms);
    stakeout_call_end(call, 200);
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void do_start(const char *arguments)
{
    (void)arguments;
    host_say("start %d", stakeout_start(NULL));
}

static void do_stop(const char *arguments)
{
    long long began_ms = now_ms();

    (void)arguments;
    stakeout_stop();
    host_say("stop %lld", now_ms() - began_ms);
}

/* "NAME MS", where the name may hold spaces. */
static long split_call(const char *arguments, char *ret_name, size_t size)
{
    const char *ms = strrchr(arguments, ' ');

    if (!ms) return 0;
    snprintf(ret_name, size, "%.*s", (int)(ms - arguments), arguments);
    return strtol(ms, NULL, 10);
}

static void do_call(const char *arguments)
{
    char name[600] = "";
    long ms = split_call(arguments, name, sizeof name);

    make_call(name, ms);
    host_say("called");
}

static stakeout_call lasting;

static void do_begin(const char *arguments)
{
    lasting = stakeout_call_begin(stakeout_interface(arguments));
    host_say("begun");
}

static void do_end(const char *arguments)
{
    (void)arguments;
    stakeout_call_end(lasting, 200);
    host_say("ended");
}

/* Appends "SEPARATOR text" for every numeric name in a directory of /proc/self. */
static void list(const char *directory, int (*describe)(const char *name, char *ret, size_t size),
                 char *line, size_t size)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    size_t at = strlen(line);

    while (entries && (entry = readdir(entries)) != NULL) {
        char text[512];

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
        if (directory[11] == 'f' && strtol(entry->d_name, NULL, 10) == dirfd(entries)) continue;
        if (describe(entry->d_name, text, sizeof text) < 0) continue;
        at += (size_t)snprintf(line + at, size - at, " %s", text);
    }
    if (entries) closedir(entries);
}

static int describe_descriptor(const char *name, char *ret, size_t size)
{
    char path[300], target[200];
    ssize_t got;

    snprintf(path, sizeof path, "/proc/self/fd/%s", name);
    got = readlink(path, target, sizeof target - 1);
    if (got < 0) return -1;
    target[got] = '\0';
    snprintf(ret, size, "%s=%s", name, target);
    return 0;
}

static void do_fds(const char *arguments)
{
    char line[8192] = "fds";

    (void)arguments;
    list("/proc/self/fd", describe_descriptor, line, sizeof line);
    host_say("%s", line);
}

static int describe_thread(const char *name, char *ret, size_t size)
{
    char path[300], line[256], comm[32] = "", blocked[32] = "";
    FILE *status;

    snprintf(path, sizeof path, "/proc/self/task/%s/status", name);
    status = fopen(path, "re");
    if (!status) return -1;
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "Name:\t%31s", comm) != 1) sscanf(line, "SigBlk:\t%31s", blocked);
    }
    fclose(status);
    errno = 0;
    snprintf(ret, size, "%s/%d/%s", comm, getpriority(PRIO_PROCESS, (id_t)strtol(name, NULL, 10)),
             blocked);
    return 0;
}

static void do_threads(const char *arguments)
{
    char line[8192] = "threads";

    (void)arguments;
    list("/proc/self/task", describe_thread, line, sizeof line);
    host_say("%s", line);
}

static void do_close_all(const char *arguments)
{
    struct rlimit limit = { 4, 4 };

    (void)arguments;
    if (syscall(SYS_close_range, 2u, ~0u, 0u) < 0) _exit(4);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) _exit(4);
    host_say("closed");
}

static void do_fork(const char *arguments)
{
    char name[600] = "";
    long ms = split_call(arguments, name, sizeof name);
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        if (*name) make_call(name, ms);
        exit(7);
    }
    waitpid(pid, &status, 0);
    host_say("forked %d %d", (int)pid, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void do_no_unshare(const char *arguments)
{
    (void)arguments;
    refuse_calls(SYS_unshare, SYS_unshare, EPERM);
    host_say("refused");
}

static void do_no_threads(const char *arguments)
{
    (void)arguments;
    refuse_threads_past(0);
    host_say("refused");
}

static void do_no_clone(const char *arguments)
{
    (void)arguments;
    refuse_calls(SYS_clone, SYS_clone3, EAGAIN);
    host_say("refused");
}

static long mapped_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *status = fopen("/proc/self/status", "re");

    while (status && fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmSize: %ld", &kb) == 1) break;
    }
    if (status) fclose(status);
    return kb;
}

static void do_addresses(const char *arguments)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

    if (*arguments) limit.rlim_cur = (rlim_t)(mapped_kb() + strtol(arguments, NULL, 10)) * 1024;
    if (setrlimit(RLIMIT_AS, &limit) < 0) _exit(4);
    host_say("limited");
}

static void do_files(const char *arguments)
{
    rlim_t count = strtoul(arguments, NULL, 10);
    struct rlimit limit = { count, count };

    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) _exit(4);
    host_say("limited");
}

static void do_threads_left(const char *arguments)
{
    unsigned count = (unsigned)strtoul(arguments, NULL, 10);

    host_say("%s", refuse_threads_past(1 + count) ? "limited" : "shared");
}

static void do_handler(const char *arguments)
{
    struct sigaction action;

    (void)arguments;
    sigaction(SIGURG, NULL, &action);
    host_say("handler %s", action.sa_handler == SIG_DFL ? "default" : "ours");
}

static void do_exit(const char *arguments)
{
    exit((int)strtol(arguments, NULL, 10));
}

#ifdef HOST_HAS_INSIDES
static void do_break(const char *arguments)
{
    (void)arguments;
    if (!INVARIANT(1 + 1 == 3)) host_say("broken");
}

static void do_age(const char *arguments)
{
    const uint64_t age_ns = RUNNING_AFTER_MS * NS_PER_MS;
    uint64_t after_ns = 0;
    unsigned count = 0;

    pthread_mutex_lock(&sampler.lock);
    for (uint32_t i = 0; i < SAMPLES_IN_FLIGHT_MAX; i++) {
        struct listening *listening = &sampler.listenings[i];
        struct draft *draft = &listening->draft;

        if (!listening->is_used || draft->next_report_ns == 0) continue;
        after_ns = draft->next_report_ns - draft->builder.began_ns -
                   draft->builder.sample->snapshots[0].offset_ns;
        draft->next_report_ns -= age_ns;
        count++;
    }
    pthread_mutex_unlock(&sampler.lock);
    host_say("aged %u %lu", count, after_ns / NS_PER_MS);
    (void)arguments;
}
#endif

static const struct host_command commands[] = {
    { "start", do_start },
    { "stop", do_stop },
    { "call", do_call },
    { "begin", do_begin },
    { "end", do_end },
    { "fds", do_fds },
    { "threads", do_threads },
    { "close-all", do_close_all },
    { "fork", do_fork },
    { "fork-idle", do_fork },
    { "addresses", do_addresses },
    { "files", do_files },
    { "threads-left", do_threads_left },
    { "handler", do_handler },
    { "no-unshare", do_no_unshare },
    { "no-threads", do_no_threads },
    { "no-clone", do_no_clone },
    { "exit", do_exit },
#ifdef HOST_HAS_INSIDES
    { "break", do_break },
    { "age", do_age },
#endif
};

int main(void)
{
    int rc = host_serve(commands, sizeof commands / sizeof *commands);

    __asm__ volatile("" ::: "memory"); /* not a tail call: main() is looked for in samples */
    return rc;
}
