/* SPDX-License-Identifier: Apache-2.0 */
/* host_threads.c: the main thread first: one that ended has no working directory any more, which
 * one call tells without a descriptor, and keeps its place until all others have ended. Only then
 * are the names of the others read. Ours begin with one word, from their first moment on, because a
 * thread inherits its name; nobody but ours can start one then. */
#include "probe/agent/link/host_threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUR_NAME "stakeout-"

static bool main_has_ended(void)
{
    char path[8];

    if (readlink("/proc/self/cwd", path, sizeof path) >= 0 || errno != ENOENT) return false;
    return readlink("/proc/thread-self/cwd", path, sizeof path) >= 0; /* else there is no /proc */
}

static bool is_ours(const char *tid)
{
    char path[NAME_MAX + 32], name[sizeof OUR_NAME - 1];
    ssize_t size;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT; /* it has ended meanwhile */
    size = read(fd, name, sizeof name);
    close(fd);
    return size == (ssize_t)sizeof name && memcmp(name, OUR_NAME, sizeof name) == 0;
}

static bool all_are_ours(DIR *tasks)
{
    struct dirent *entry;

    while ((entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) == getpid()) continue;
        if (!is_ours(entry->d_name)) return false;
    }
    return true;
}

bool host_threads_have_ended(void)
{
    bool have_ended;
    DIR *tasks;

    if (!main_has_ended()) return false;
    tasks = opendir("/proc/self/task");
    if (!tasks) return false;
    have_ended = all_are_ours(tasks);
    closedir(tasks);
    return have_ended;
}
