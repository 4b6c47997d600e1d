/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/process_usage.h"

#include "common/base/check.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 1024, PATH_SIZE_MAX = 64 };

static uint32_t count_entries(pid_t pid, const char *directory)
{
    char path[PATH_SIZE_MAX];
    struct dirent *entry;
    uint32_t count = 0;
    DIR *entries;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, directory);
    entries = opendir(path);
    CHECK(entries != NULL);
    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] != '.') count++;
    }
    closedir(entries);
    return count;
}

static FILE *open_file(pid_t pid, const char *name)
{
    char path[PATH_SIZE_MAX];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "re");
    CHECK(file != NULL);
    return file;
}

uint32_t process_descriptor_count(pid_t pid)
{
    return count_entries(pid, "fd");
}

uint32_t process_mapping_count(pid_t pid, const char *word)
{
    FILE *file = open_file(pid, "maps");
    char line[LINE_SIZE_MAX];
    uint32_t count = 0;

    while (fgets(line, sizeof line, file)) {
        count += strstr(line, word) != NULL;
    }
    fclose(file);
    return count;
}

static void read_status(pid_t pid, struct process_usage *ret)
{
    FILE *file = open_file(pid, "status");
    char line[LINE_SIZE_MAX];

    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmRSS: %" SCNu64, &ret->resident_kb) != 1)
            sscanf(line, "VmSize: %" SCNu64, &ret->reserved_kb);
    }
    fclose(file);
}

/* The name in brackets may hold anything; behind it come 11 fields, then utime and stime. */
static void read_cpu(pid_t pid, struct process_usage *ret)
{
    FILE *file = open_file(pid, "stat");
    char line[LINE_SIZE_MAX] = "";
    uint64_t user = 0, system = 0, per_s = (uint64_t)sysconf(_SC_CLK_TCK);
    const char *at;

    CHECK(fgets(line, sizeof line, file) != NULL);
    fclose(file);
    at = strrchr(line, ')');
    CHECK(at && sscanf(at + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64,
                       &user, &system) == 2);
    ret->cpu_ms = (user + system) * 1000 / per_s;
}

void process_usage_read(pid_t pid, struct process_usage *ret)
{
    *ret = (struct process_usage){ .descriptors = process_descriptor_count(pid),
                                   .threads = count_entries(pid, "task"),
                                   .mappings = process_mapping_count(pid, "\n") };
    read_status(pid, ret);
    read_cpu(pid, ret);
}
