/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/integrations/httpd_process.h"

#include "common/base/buf.h"
#include "common/base/own.h"
#include "tests/integration/integrations/http_client.h"
#include "tests/support/free_port.h"
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONFIG_SIZE_MAX = 65536,
    PATH_SIZE = 160,
    START_MS_MAX = 30000,
    STOP_AGAIN_MS = 2000,
    TRIES_MAX = 5,
};

/* The configuration ------------------------------------------------------------------------- */

static const char modules[] = "LoadModule mpm_%s_module " HTTPD_MODULES "/mod_mpm_%s.so\n"
                              "LoadModule authz_core_module " HTTPD_MODULES "/mod_authz_core.so\n"
                              "LoadModule dir_module " HTTPD_MODULES "/mod_dir.so\n"
                              "LoadModule alias_module " HTTPD_MODULES "/mod_alias.so\n"
                              "LoadModule mime_module " HTTPD_MODULES "/mod_mime.so\n"
                              "LoadModule %s_module " HTTPD_MODULES "/mod_%s.so\n"
                              "LoadModule slow_module " MOD_SLOW "\n";

static const char server[] =
    "ServerRoot %s\nListen 127.0.0.1:%u\nServerName localhost\n"
    "PidFile %s/pid\nErrorLog %s/error.log\nLogLevel warn\n"
    "DocumentRoot %s/htdocs\nTypesConfig /dev/null\n"
    "DefaultRuntimeDir %s/run\nGracefulShutdownTimeout 10\n"
    "KeepAliveTimeout 5\nMaxKeepAliveRequests 0\nEnableSendfile on\nSendBufferSize 65536\n"
    "ErrorDocument 404 /index.html\n"
    "ScriptAlias /cgi-bin/ %s/cgi-bin/\n"
    "<Location /slow>\nSetHandler slow\n</Location>\n"
    "<Location /busy>\nSetHandler busy\n</Location>\n"
    "<Location /nested>\nSetHandler nested\n</Location>\n";

static void put_file(const char *directory, const char *name, struct text text, mode_t mode)
{
    char path[PATH_SIZE];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "we");
    CHECK(file && fwrite(text.data, 1, text.size, file) == text.size);
    CHECK(fchmod(fileno(file), mode) == 0);
    fclose(file);
}

static void put_config(const struct httpd_process *httpd)
{
    OWN(buf_done) struct buf config = BUF_INIT(CONFIG_SIZE_MAX);
    const char *dir = httpd->directory;
    bool is_prefork = strcmp(httpd->mpm, "prefork") == 0;
    const char *cgi = is_prefork ? "cgi" : "cgid";

    buf_printf(&config, modules, httpd->mpm, httpd->mpm, cgi, cgi);
    if (httpd->with_stakeout) buf_printf(&config, "LoadModule stakeout_module %s\n", MOD_STAKEOUT);
    buf_printf(&config, server, dir, (unsigned)httpd->port, dir, dir, dir, dir, dir);
    if (!is_prefork) buf_printf(&config, "ScriptSock %s/run/cgid.sock\n", dir);
    if (geteuid() == 0) buf_printf(&config, "User www-data\nGroup www-data\n");
    buf_printf(&config, is_prefork ? "StartServers 3\nMinSpareServers 3\nMaxSpareServers 6\n"
                                   : "StartServers 2\nThreadsPerChild 8\nMinSpareThreads 8\n"
                                     "MaxSpareThreads 32\nMaxRequestWorkers 32\n");
    if (httpd->lines) buf_text(&config, text_of(httpd->lines));
    CHECK(!config.failed);
    put_file(dir, "httpd.conf", buf_peek(&config), 0600);
}

static void make_directory(struct httpd_process *httpd)
{
    static const char *const folders[] = { "htdocs", "cgi-bin", "run" };
    char path[PATH_SIZE];
    char *big = mem_zalloc(1, HTTPD_BIG_SIZE);

    snprintf(httpd->directory, sizeof httpd->directory, "/tmp/stakeout-httpd-XXXXXX");
    CHECK(mkdtemp(httpd->directory) && chmod(httpd->directory, 0755) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", httpd->directory, folders[i]);
        CHECK(mkdir(path, 0755) == 0 && chmod(path, 0755) == 0);
    }
    put_file(httpd->directory, "htdocs/index.html", TEXT("index\n"), 0644);
    put_file(httpd->directory, "htdocs/big.bin", (struct text){ big, HTTPD_BIG_SIZE }, 0644);
    put_file(
        httpd->directory, "cgi-bin/hello",
        TEXT("#!/bin/sh\nprintf 'Content-Type: text/plain\\nContent-Length: 6\\n\\nhello\\n'\n"),
        0755);
    free(big);
}

/* The process ------------------------------------------------------------------------------- */

/* In the child. `output`: both of its outputs; -1: the test's own. */
static void become_httpd(const struct httpd_process *httpd, const char *how, int output)
{
    static const char *const names[] = { "STAKEOUT_LOG", "STAKEOUT_BUDGET_CORE",
                                         "STAKEOUT_BUDGET_THREAD" };
    const char *kept[ARRAY_COUNT(names)];
    char config[PATH_SIZE];

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    CHECK(setpgid(0, 0) == 0); /* the prefork MPM signals the whole group */
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        kept[i] = getenv(names[i]) ? strdup(getenv(names[i])) : NULL;
    }
    clearenv();
    setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (kept[i]) setenv(names[i], kept[i], 1);
    }
    if (*SANITIZER_LIBRARY) { /* httpd was built without it, our module with it */
        setenv("LD_PRELOAD", SANITIZER_LIBRARY, 1);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* httpd's own */
    }
    snprintf(config, sizeof config, "%s/httpd.conf", httpd->directory);
    if (output >= 0) CHECK(dup2(output, 1) >= 0 && dup2(output, 2) >= 0);
    execl(HTTPD, HTTPD, how, "-f", config, (char *)NULL);
    _exit(127);
}

struct start {
    struct httpd_process *httpd;
    bool has_ended;
};

/* It listens before it is ready for signals; so a child must have answered. */
static bool answers_or_ended(void *context)
{
    struct start *start = context;
    char status[sizeof "HTTP/1.1"] = "";
    int fd;

    start->has_ended = waitpid(start->httpd->pid, NULL, WNOHANG) == start->httpd->pid;
    if (start->has_ended) return true;
    fd = http_try_connect(start->httpd->port);
    if (fd < 0) return false;
    http_send(fd, "GET /quiet/start HTTP/1.0\r\n\r\n");
    (void)recv(fd, status, sizeof status - 1, MSG_WAITALL);
    close(fd);
    return strcmp(status, "HTTP/1.1") == 0;
}

/* A port that is free now may not be a moment later. */
static bool try_start(struct httpd_process *httpd)
{
    struct start start = { .httpd = httpd };

    httpd->port = free_port();
    put_config(httpd);
    httpd->pid = fork();
    CHECK(httpd->pid >= 0);
    if (httpd->pid == 0) become_httpd(httpd, "-DFOREGROUND", -1);
    return wait_until(answers_or_ended, &start, START_MS_MAX) && !start.has_ended;
}

void httpd_process_start(struct httpd_process *httpd)
{
    if (!*httpd->directory) make_directory(httpd);
    for (int i = 0; i < TRIES_MAX; i++) {
        if (try_start(httpd)) return;
    }
    fail_msg("apache2 does not start");
}

int httpd_process_test(struct httpd_process *httpd, char *ret_said, size_t size)
{
    int output[2], status;
    size_t at = 0;
    ssize_t got;
    pid_t pid;

    if (!*httpd->directory) make_directory(httpd);
    httpd->port = 1; /* it is not listened on */
    put_config(httpd);
    CHECK(pipe2(output, O_CLOEXEC) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) become_httpd(httpd, "-t", output[1]);
    close(output[1]);
    while (at + 1 < size && (got = read(output[0], ret_said + at, size - 1 - at)) > 0) {
        at += (size_t)got;
    }
    ret_said[at] = '\0';
    close(output[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void httpd_process_signal(const struct httpd_process *httpd, int signal_number)
{
    CHECK(kill(httpd->pid, signal_number) == 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static bool has_ended(void *context)
{
    const struct httpd_process *httpd = context;

    return waitpid(httpd->pid, NULL, WNOHANG) == httpd->pid;
}

/* A server that is about to begin anew forgets what it was told just before: it is told again. */
static bool was_ended(struct httpd_process *httpd)
{
    for (int waited_ms = 0; waited_ms < START_MS_MAX; waited_ms += STOP_AGAIN_MS) {
        kill(httpd->pid, SIGTERM);
        if (wait_until(has_ended, httpd, STOP_AGAIN_MS)) return true;
    }
    return false;
}

void httpd_process_stop(struct httpd_process *httpd)
{
    if (httpd->pid > 0) {
        if (!was_ended(httpd)) {
            kill(-httpd->pid, SIGKILL); /* its children, too, which would go on */
            waitpid(httpd->pid, NULL, 0);
            fail_msg("apache2 does not stop");
        }
        httpd->pid = 0;
    }
    if (*httpd->directory) nftw(httpd->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    httpd->directory[0] = '\0';
}

/* Of the threaded MPMs' children, mod_cgid's daemon has one thread, and servers have many. */
static bool is_server(pid_t pid)
{
    char path[64];
    struct stat tasks;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    return stat(path, &tasks) == 0 && tasks.st_nlink > 3;
}

size_t httpd_process_children(const struct httpd_process *httpd, pid_t ret[HTTPD_CHILDREN_MAX])
{
    char path[64];
    size_t count = 0;
    int child;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", httpd->pid, httpd->pid);
    file = fopen(path, "re");
    while (file && count < HTTPD_CHILDREN_MAX && fscanf(file, "%d", &child) == 1) {
        if (strcmp(httpd->mpm, "prefork") == 0 || is_server(child)) ret[count++] = child;
    }
    if (file) fclose(file);
    return count;
}

bool httpd_process_has_logged(const struct httpd_process *httpd, const char *words)
{
    char path[PATH_SIZE], line[2048];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "%s/error.log", httpd->directory);
    file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        found = strstr(line, words) != NULL;
    }
    if (file) fclose(file);
    return found;
}
