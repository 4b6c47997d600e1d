/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/cli/canned_server.h"

#include "tests/support/loopback.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST_SIZE_MAX = 16384 };

static bool read_request(int fd, char *ret)
{
    size_t used = 0;

    while (used < REQUEST_SIZE_MAX - 1) {
        ssize_t size = read(fd, ret + used, REQUEST_SIZE_MAX - 1 - used);

        if (size <= 0) return false;
        used += (size_t)size;
        ret[used] = '\0';
        if (strstr(ret, "\r\n\r\n")) return true;
    }
    return false;
}

enum { ROWS_MAX = 16 };

/* `used`: how often each row was. */
static const char *answer_for(const struct canned_answer *answers, const char *request,
                              unsigned used[ROWS_MAX])
{
    const char *path = strchr(request, ' ');
    size_t i = 0;

    for (; path && answers[i].path; i++) {
        bool is_asked = strncmp(path + 1, answers[i].path, strlen(answers[i].path)) == 0;

        if (is_asked && (answers[i].times == 0 || used[i]++ < answers[i].times)) break;
    }
    return answers[i].bytes;
}

static _Noreturn void serve(int listener, const struct canned_answer *answers)
{
    char request[REQUEST_SIZE_MAX];
    unsigned used[ROWS_MAX] = { 0 };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == 1) _exit(1);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        const char *bytes;

        if (fd < 0) _exit(1);
        if (read_request(fd, request)) {
            bytes = answer_for(answers, request, used);
            (void)!write(fd, bytes, strlen(bytes));
        }
        (void)close(fd);
    }
}

void canned_server_start(struct canned_server *server, const struct canned_answer *answers)
{
    int listener = loopback_listen(0, &server->port);

    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) serve(listener, answers);
    assert_int_equal(close(listener), 0);
}

void canned_server_stop(struct canned_server *server)
{
    assert_int_equal(kill(server->pid, SIGKILL), 0);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    *server = (struct canned_server){ 0 };
}
