/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scheduler_process.h"

#include "common/base/own.h"
#include "tests/support/api_client.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS_MAX = 30000, STOP_MS_MAX = 15000, PATH_SIZE = 128, LOG_SHOWN = 8192 };

static void path_of(const struct scheduler_process *scheduler, const char *name,
                    char ret[PATH_SIZE])
{
    snprintf(ret, PATH_SIZE, "%s/%s", scheduler->directory, name);
}

static void make_directory(struct scheduler_process *scheduler)
{
    if (*scheduler->directory) return;
    snprintf(scheduler->directory, sizeof scheduler->directory, "/tmp/stakeout-test-XXXXXX");
    CHECK(mkdtemp(scheduler->directory));
}

/* As systemd hands over sockets: from descriptor 3 on, to this process alone. */
static void give_environment(const struct scheduler_process *scheduler)
{
    char pid[16];

    clearenv();
    setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", 1);
    for (size_t i = 0; scheduler->environment[i]; i++) {
        CHECK(putenv((char *)scheduler->environment[i]) == 0);
    }
    if (scheduler->listen_fd <= 0) return;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
}

/* In the child: nothing of the tester's own settings, and its end with ours. */
static void run(const struct scheduler_process *scheduler, const char *const *words, int output)
{
    const char *argv[2 * SCHEDULER_OPTIONS_MAX + 16] = { scheduler->program ? scheduler->program
                                                                            : STAKEOUTD_PATH };
    char state[PATH_SIZE], log[PATH_SIZE];
    size_t count = 1;
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == 1) _exit(126);
    give_environment(scheduler);
    path_of(scheduler, "state", state);
    path_of(scheduler, "log", log);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, 2) < 0 || dup2(output >= 0 ? output : fd, 1) < 0) _exit(126);
    if (scheduler->error_fd > 0 && dup2(scheduler->error_fd, 2) < 0) _exit(126);
    if (scheduler->listen_fd > 3 && dup2(scheduler->listen_fd, 3) < 0) _exit(126);
    if (scheduler->listen_fd == 3 && fcntl(3, F_SETFD, 0) < 0) _exit(126);
    for (; *words; words++) {
        argv[count++] = *words;
    }
    argv[count++] = "--state-dir";
    argv[count++] = state;
    for (size_t i = 0; scheduler->options[i]; i++) {
        argv[count++] = scheduler->options[i];
    }
    execv(argv[0], (char **)argv);
    _exit(127);
}

static pid_t spawn(struct scheduler_process *scheduler, const char *const *words, int output)
{
    pid_t pid;

    make_directory(scheduler);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) run(scheduler, words, output);
    return pid;
}

void scheduler_process_read_log(const struct scheduler_process *scheduler, struct buf *ret)
{
    char path[PATH_SIZE], *room;
    FILE *file;

    path_of(scheduler, "log", path);
    file = fopen(path, "re");
    if (!file) return;
    while ((room = buf_reserve(ret, LOG_SHOWN)) != NULL) {
        size_t size = fread(room, 1, LOG_SHOWN, file);

        if (size == 0) break;
        buf_commit(ret, size);
    }
    fclose(file);
}

/* Of the last start: the log goes on over restarts. */
static bool find_port(struct scheduler_process *scheduler)
{
    static const char words[] = " url=\"http";
    OWN(buf_done) struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);
    const char *at, *last = NULL;
    unsigned port;

    scheduler_process_read_log(scheduler, &log);
    for (at = log.data; at && (at = strstr(at, words)) != NULL; at++) {
        last = at;
    }
    at = last ? strstr(last, "://") : NULL;
    at = at ? strchr(at + 3, ':') : NULL;
    if (!at || sscanf(at, ":%u", &port) != 1) return false;
    scheduler->port = (uint16_t)port;
    return true;
}

struct readiness {
    struct scheduler_process *scheduler;
    off_t log_size; /* before this start */
};

static off_t log_size(const struct scheduler_process *scheduler)
{
    OWN(buf_done) struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);

    scheduler_process_read_log(scheduler, &log);
    return (off_t)log.size;
}

static bool log_says_ready(const struct readiness *readiness)
{
    OWN(buf_done) struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);

    scheduler_process_read_log(readiness->scheduler, &log);
    return strstr(log.data + readiness->log_size, "msg=\"ready\"") != NULL;
}

static bool is_ready(void *context)
{
    struct readiness *readiness = context;
    struct scheduler_process *scheduler = readiness->scheduler;
    struct api_answer answer;
    int status;

    if (waitpid(scheduler->pid, NULL, WNOHANG) == scheduler->pid) {
        scheduler->pid = 0;
        return true; /* it will not get any readier */
    }
    if (scheduler->error_fd <= 0 &&
        (log_size(scheduler) == readiness->log_size || !find_port(scheduler)))
        return false;
    if (scheduler->is_tls) return log_says_ready(readiness);
    if (api_try(
            &(struct api_call){ .port = scheduler->port,
                                .path = scheduler->ready_path ? scheduler->ready_path : "/readyz" },
            &answer) < 0)
        return false;
    status = answer.status;
    api_answer_done(&answer);
    return status == 200;
}

static void fail_with_log(const struct scheduler_process *scheduler, const char *why)
{
    struct buf log = BUF_INIT(SCHEDULER_LOG_SIZE_MAX);

    scheduler_process_read_log(scheduler, &log);
    fail_msg("%s; its log:\n%s", why, log.data ? log.data : "");
}

void scheduler_process_start(struct scheduler_process *scheduler)
{
    char listen[32];
    const char *const words[] = { "--listen", listen, NULL };
    struct readiness readiness = { .scheduler = scheduler };

    CHECK(scheduler->pid == 0);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", (unsigned)scheduler->port);
    make_directory(scheduler);
    readiness.log_size = log_size(scheduler);
    scheduler->pid = spawn(scheduler, words, -1);
    if (!wait_until(is_ready, &readiness, READY_MS_MAX))
        fail_with_log(scheduler, "stakeoutd is not ready");
    if (scheduler->pid == 0) fail_with_log(scheduler, "stakeoutd ended");
}

static bool has_ended(void *context)
{
    int *status = context;
    pid_t pid = *status;
    int ended;

    if (waitpid(pid, &ended, WNOHANG) != pid) return false;
    *status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
    return true;
}

int scheduler_process_stop(struct scheduler_process *scheduler)
{
    int status = scheduler->pid;

    CHECK(scheduler->pid > 0);
    kill(scheduler->pid, SIGTERM);
    if (!wait_until(has_ended, &status, STOP_MS_MAX)) {
        scheduler_process_kill(scheduler);
        fail_with_log(scheduler, "stakeoutd does not stop");
    }
    scheduler->pid = 0;
    return status;
}

void scheduler_process_kill(struct scheduler_process *scheduler)
{
    if (scheduler->pid <= 0) return;
    kill(scheduler->pid, SIGKILL);
    waitpid(scheduler->pid, NULL, 0);
    scheduler->pid = 0;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

/* A killed scheduler's Redis may still be ending, and writing. */
static bool is_removed(void *context)
{
    const struct scheduler_process *scheduler = context;

    nftw(scheduler->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return access(scheduler->directory, F_OK) < 0;
}

void scheduler_process_done(struct scheduler_process *scheduler)
{
    if (scheduler->pid > 0) scheduler_process_stop(scheduler);
    if (*scheduler->directory) wait_until(is_removed, scheduler, STOP_MS_MAX);
    *scheduler = (struct scheduler_process){ 0 };
}

int scheduler_process_command(struct scheduler_process *scheduler, const char *const *words,
                              char *ret_output, size_t output_size)
{
    size_t used = 0;
    int ends[2], status;
    ssize_t size;
    pid_t pid;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid = spawn(scheduler, words, ends[1]);
    close(ends[1]);
    while (used + 1 < output_size &&
           (size = read(ends[0], ret_output + used, output_size - used - 1)) > 0) {
        used += (size_t)size;
    }
    close(ends[0]);
    CHECK(waitpid(pid, &status, 0) == pid);
    ret_output[used] = '\0';
    if (used > 0 && ret_output[used - 1] == '\n') ret_output[used - 1] = '\0';
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
