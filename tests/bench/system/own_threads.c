/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/system/own_threads.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 320, LINE_SIZE = 128 };

static bool line_read(pid_t pid, const char *tid, const char *name, char ret[LINE_SIZE])
{
    char path[PATH_SIZE];
    FILE *file;
    bool is_read;

    snprintf(path, sizeof path, "/proc/%d/task/%s/%s", (int)pid, tid, name);
    file = fopen(path, "re");
    if (!file) return false;
    is_read = fgets(ret, LINE_SIZE, file) != NULL;
    fclose(file);
    return is_read;
}

double own_threads_cpu_ns(pid_t pid)
{
    char path[PATH_SIZE], line[LINE_SIZE];
    struct dirent *thread;
    double sum_ns = 0;
    DIR *threads;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    threads = opendir(path);
    if (!threads) return 0;
    while ((thread = readdir(threads))) {
        if (!line_read(pid, thread->d_name, "comm", line)) continue;
        if (strncmp(line, "stakeout-", strlen("stakeout-")) != 0) continue;
        if (line_read(pid, thread->d_name, "schedstat", line)) sum_ns += strtod(line, NULL);
    }
    closedir(threads);
    return sum_ns;
}
