/* SPDX-License-Identifier: Apache-2.0 */
/* process.c: read at each scrape, a few files of /proc; what is missing is written as 0. */
#include "scheduler/metrics/process.h"

#include "common/base/clock.h"
#include "scheduler/metrics/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Field 22 of /proc/self/stat, in clock ticks since boot; 0 if it cannot be read. The name in
 * field 2 is ours and has no parenthesis. */
static double started_s(void)
{
    unsigned long long ticks = 0;
    FILE *file = fopen("/proc/self/stat", "re");

    if (!file) return 0;
    if (fscanf(file,
               "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
               "%*d %*d %*d %*d %llu",
               &ticks) != 1)
        ticks = 0;
    fclose(file);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

struct pages {
    long all, resident;
};

static struct pages count_pages(void)
{
    struct pages pages = { 0, 0 };
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file) return pages;
    if (fscanf(file, "%ld %ld", &pages.all, &pages.resident) != 2) pages = (struct pages){ 0, 0 };
    fclose(file);
    return pages;
}

static unsigned open_fds(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (!directory) return 0;
    while ((entry = readdir(directory)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count - 1; /* the directory's own */
}

void process_collect(void *context, struct metrics *metrics)
{
    double boot_s = ((double)clock_wall_ns() - (double)clock_read_ns(CLOCK_BOOTTIME)) / 1e9;
    double page_size = (double)sysconf(_SC_PAGESIZE);
    struct pages pages = count_pages();
    struct rlimit limit;

    (void)context;
    metrics_set(metrics, METRIC_PROCESS_START, NULL, NULL, boot_s + started_s());
    metrics_set(metrics, METRIC_PROCESS_CPU, NULL, NULL,
                (double)clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9);
    metrics_set(metrics, METRIC_PROCESS_MEMORY, NULL, NULL, (double)pages.resident * page_size);
    metrics_set(metrics, METRIC_PROCESS_VIRTUAL, NULL, NULL, (double)pages.all * page_size);
    metrics_set(metrics, METRIC_PROCESS_FDS, NULL, NULL, open_fds());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_set(metrics, METRIC_PROCESS_FDS_MAX, NULL, NULL, (double)limit.rlim_cur);
}
