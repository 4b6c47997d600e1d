/* SPDX-License-Identifier: Apache-2.0 */
/* host.c: an application with the probe in it, that does what it is told on its standard input.
 *
 * A command per line, and a line in answer:
 *
 *     start              stakeout_start(NULL); "start RC"
 *     stop               stakeout_stop(); "stop MS", how long that took
 *     call NAME MS       a call that waits; "called"
 *     fds                "fds 0=TARGET 1=TARGET ..." of this process
 *     threads            "threads NAME/NICE/BLOCKED-SIGNALS ..."
 *     close-all          closes all but 0 and 1, and sets RLIMIT_NOFILE to 4; "closed"
 *     fork NAME MS       a child makes a call and exits; "forked PID STATUS"
 *     fork-idle          a child that makes none exits; "forked PID STATUS"
 *     no-unshare         from now on unshare(2) is refused; "refused"
 *     no-threads         from now on clone(2) is refused; "refused"
 *     handler            what handles SIGURG: "handler default|ours"
 *     exit CODE          exit(); no answer
 *     break              an invariant of the probe breaks; "broken". Only where the host is linked
 *                        with the probe's insides (HOST_HAS_INSIDES). */
#include <stakeout/stakeout.h>

#ifdef HOST_HAS_INSIDES
#include "probe/agent/invariant.h"
#endif

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* It knows one table of descriptors: a number of the probe's own is not the host's. */
const char *__tsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__tsan_default_suppressions(void)
{
    return "race:connect_address\nrace:file_open\n";
}
#endif

static void say(const char *text)
{
    size_t size = strlen(text);

    if (write(1, text, size) != (ssize_t)size || write(1, "\n", 1) != 1) _exit(3);
}

static void wait_ms(long ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) < 0 && errno == EINTR) {
        /* The rest. */
    }
}

/* The function that the samples must name. */
__attribute__((noinline)) void handle_request(long ms);
__attribute__((noinline)) void handle_request(long ms)
{
    wait_ms(ms);
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
    char line[64];

    (void)arguments;
    snprintf(line, sizeof line, "start %d", stakeout_start(NULL));
    say(line);
}

static void do_stop(const char *arguments)
{
    long long began_ms = now_ms();
    char line[64];

    (void)arguments;
    stakeout_stop();
    snprintf(line, sizeof line, "stop %lld", now_ms() - began_ms);
    say(line);
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
    say("called");
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
    say(line);
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
    say(line);
}

static void do_close_all(const char *arguments)
{
    struct rlimit limit = { 4, 4 };

    (void)arguments;
    if (syscall(SYS_close_range, 2u, ~0u, 0u) < 0) _exit(4);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) _exit(4);
    say("closed");
}

static void do_fork(const char *arguments)
{
    char name[600] = "", line[64];
    long ms = split_call(arguments, name, sizeof name);
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        if (*name) make_call(name, ms);
        exit(7);
    }
    waitpid(pid, &status, 0);
    snprintf(line, sizeof line, "forked %d %d", (int)pid,
             WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    say(line);
}

/* Makes the kernel refuse one of two system calls to this process. */
static void refuse(unsigned one, unsigned other, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(5);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) _exit(5);
    say("refused");
}

static void do_no_unshare(const char *arguments)
{
    (void)arguments;
    refuse(SYS_unshare, SYS_unshare, EPERM);
}

static void do_no_threads(const char *arguments)
{
    (void)arguments;
    refuse(SYS_clone, SYS_clone3, EAGAIN);
}

static void do_handler(const char *arguments)
{
    struct sigaction action;

    (void)arguments;
    sigaction(SIGURG, NULL, &action);
    say(action.sa_handler == SIG_DFL ? "handler default" : "handler ours");
}

static void do_exit(const char *arguments)
{
    exit((int)strtol(arguments, NULL, 10));
}

#ifdef HOST_HAS_INSIDES
static void do_break(const char *arguments)
{
    (void)arguments;
    if (!INVARIANT(1 + 1 == 3)) say("broken");
}
#endif

static const struct {
    const char *name;
    void (*run)(const char *arguments);
} commands[] = {
    { "start", do_start },
    { "stop", do_stop },
    { "call", do_call },
    { "fds", do_fds },
    { "threads", do_threads },
    { "close-all", do_close_all },
    { "fork", do_fork },
    { "fork-idle", do_fork },
    { "handler", do_handler },
    { "no-unshare", do_no_unshare },
    { "no-threads", do_no_threads },
    { "exit", do_exit },
#ifdef HOST_HAS_INSIDES
    { "break", do_break },
#endif
};

static void obey(char *line)
{
    char *arguments = line + strcspn(line, " ");

    if (*arguments) *arguments++ = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(line, commands[i].name) == 0) {
            commands[i].run(arguments);
            return;
        }
    }
    say("unknown");
}

int main(void)
{
    char line[1024];
    size_t size = 0;

    while (size + 1 < sizeof line && read(0, line + size, 1) == 1) {
        if (line[size] != '\n') {
            size++;
            continue;
        }
        line[size] = '\0';
        size = 0;
        obey(line);
    }
    return 0;
}
