/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/namespaces.h"

#include "tests/support/test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_SIZE = 256 };

static int own_network = -1; /* the one that the test left for */

static void write_line(const char *path, const char *line)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(line, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool become_root(void)
{
    unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();
    char map[64];

    if (uid == 0) return true;
    if (unshare(CLONE_NEWUSER) < 0) return false;
    write_line("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_line("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_line("/proc/self/gid_map", map);
    return true;
}

static int network_open(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

bool namespaces_leave(enum namespace_kind kind)
{
    if (!become_root()) return false;
    if (kind == NAMESPACE_MOUNTS)
        return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (unshare(CLONE_NEWNET) < 0) return false;
    own_network = network_open(getpid());
    return own_network >= 0;
}

/* The child tells when it is there, and waits for its end. */
void network_place_open(struct network_place *place)
{
    pid_t parent = getpid();
    int there[2];
    char byte = 0;

    assert_int_equal(pipe2(there, O_CLOEXEC), 0);
    place->pid = fork();
    assert_true(place->pid >= 0);
    if (place->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || unshare(CLONE_NEWNET) < 0) _exit(1);
        if (write(there[1], &byte, 1) != 1) _exit(1);
        for (;;) {
            pause();
        }
    }
    close(there[1]);
    assert_int_equal(read(there[0], &byte, 1), 1);
    close(there[0]);
    place->fd = network_open(place->pid);
    assert_true(place->fd >= 0);
}

void network_place_close(struct network_place *place)
{
    close(place->fd);
    kill(place->pid, SIGKILL);
    waitpid(place->pid, NULL, 0);
}

void network_enter(const struct network_place *place)
{
    assert_int_equal(setns(place ? place->fd : own_network, CLONE_NEWNET), 0);
}

void network_run(const struct network_place *place, const char *format, ...)
{
    char command[COMMAND_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (place) network_enter(place);
    if (system(command) != 0) fail_msg("'%s' failed", command);
    if (place) network_enter(NULL);
}
