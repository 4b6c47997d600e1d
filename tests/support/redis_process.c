/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/redis_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "tests/support/wait.h"

enum { START_MS_MAX = 15000 };

static bool accepts(void *context)
{
    const struct redis_process *redis = context;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", redis->socket);
    ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0) close(fd);
    return ok;
}

void redis_process_restart(struct redis_process *redis)
{
    pid_t parent = getpid();

    unlink(redis->socket); /* what a killed one left */
    redis->pid = fork();
    if (redis->pid == 0) {
        int null_fd = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || chdir(redis->dir) < 0) _exit(125);
        dup2(null_fd, 0);
        dup2(null_fd, 1);
        dup2(null_fd, 2);
        execlp("redis-server", "redis-server", "redis.conf",
               redis->is_sentinel ? "--sentinel" : (char *)NULL, (char *)NULL);
        _exit(126);
    }
    assert_true(redis->pid > 0);
    if (!wait_until(accepts, redis, START_MS_MAX)) fail_msg("redis-server did not start");
}

static void start(struct redis_process *redis, const char *config)
{
    char path[128];
    FILE *file;

    snprintf(redis->dir, sizeof(redis->dir), "/tmp/stakeout-redis-XXXXXX");
    assert_non_null(mkdtemp(redis->dir));
    snprintf(redis->socket, sizeof(redis->socket), "%s/redis.sock", redis->dir);
    snprintf(redis->url, sizeof(redis->url), "redis+unix://%s", redis->socket);
    snprintf(path, sizeof(path), "%s/redis.conf", redis->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "port 0\nunixsocket redis.sock\n%s%s\n", redis->is_sentinel ? "" : "save \"\"\n",
            config);
    assert_int_equal(fclose(file), 0);
    redis_process_restart(redis);
}

void redis_process_start(struct redis_process *redis, const char *config)
{
    *redis = (struct redis_process){ .is_sentinel = false };
    start(redis, config);
}

void redis_process_start_sentinel(struct redis_process *redis, const char *config)
{
    *redis = (struct redis_process){ .is_sentinel = true };
    start(redis, config);
}

void redis_process_kill(struct redis_process *redis)
{
    if (redis->pid <= 0) return;
    kill(redis->pid, SIGKILL);
    waitpid(redis->pid, NULL, 0);
    redis->pid = 0;
}

void redis_process_stop(struct redis_process *redis)
{
    char command[128];

    redis_process_kill(redis);
    if (!redis->dir[0]) return;
    snprintf(command, sizeof(command), "rm -rf '%s'", redis->dir);
    assert_int_equal(system(command), 0);
    redis->dir[0] = '\0';
}

const char *redis_process_ask(const struct redis_process *redis, const char *command)
{
    static char answer[4096];
    char line[1024];
    FILE *pipe;

    if (redis->cluster_port)
        snprintf(line, sizeof(line), "redis-cli -c -p %u %s", redis->cluster_port, command);
    else
        snprintf(line, sizeof(line), "redis-cli -s '%s' %s", redis->socket, command);
    pipe = popen(line, "r");
    assert_non_null(pipe);
    if (!fgets(answer, sizeof(answer), pipe)) answer[0] = '\0';
    pclose(pipe);
    answer[strcspn(answer, "\n")] = '\0';
    return answer;
}
