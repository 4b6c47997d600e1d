/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/thread_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_SIZE = 64,
    SCHEDSTAT_SIZE = 96,
    STAT_SIZE = 64,     /* the name is 15 bytes at most */
    STATUS_SIZE = 4096, /* it is about 1500 */
};

void thread_files_init(struct thread_files *files, uint32_t file_count_max)
{
    uint32_t count = file_count_max / 2;

    *files = (struct thread_files){ .thread_count_max = count };
    if (count > THREAD_FILES_MAX) files->thread_count_max = THREAD_FILES_MAX;
}

static void thread_close(struct thread_file *thread)
{
    if (thread->tid == 0) return;
    if (thread->syscall_fd >= 0) close(thread->syscall_fd);
    if (thread->schedstat_fd >= 0) close(thread->schedstat_fd);
    thread->tid = 0;
}

void thread_files_done(struct thread_files *files)
{
    for (uint32_t i = 0; i < files->thread_count_max; i++) {
        thread_close(&files->threads[i]);
    }
}

static int file_open(uint32_t tid, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static struct thread_file *thread_get(struct thread_files *files, uint32_t tid)
{
    struct thread_file *oldest = &files->threads[0];

    for (uint32_t i = 0; i < files->thread_count_max; i++) {
        struct thread_file *thread = &files->threads[i];

        if (thread->tid == tid) {
            thread->used = ++files->clock;
            return thread;
        }
        if (thread->tid == 0 || (oldest->tid != 0 && thread->used < oldest->used)) oldest = thread;
    }
    thread_close(oldest);
    *oldest = (struct thread_file){ tid, file_open(tid, "syscall"), file_open(tid, "schedstat"),
                                    ++files->clock };
    return oldest;
}

/* Reads a file that is kept. The thread that it is of may be gone, and its tid another's: then the
 * files are opened again, once. */
static ssize_t read_kept(struct thread_files *files, uint32_t tid, bool is_syscall, char *ret,
                         size_t ret_size)
{
    ssize_t size = -ENOENT;

    for (int attempt = 0; attempt < 2; attempt++) {
        struct thread_file *thread = thread_get(files, tid);
        int fd = is_syscall ? thread->syscall_fd : thread->schedstat_fd;

        size = fd >= 0 ? pread(fd, ret, ret_size, 0) : -1;
        if (size > 0) return size;
        size = fd >= 0 && size < 0 ? -errno : -ENOENT;
        if (size != -ESRCH && size != -ENOENT) return size;
        thread_close(thread);
    }
    return size;
}

static ssize_t read_at_once(uint32_t tid, const char *name, char *ret, size_t ret_size)
{
    int fd = file_open(tid, name);
    ssize_t size;

    if (fd < 0) return -errno;
    size = read(fd, ret, ret_size);
    if (size < 0) size = -errno;
    close(fd);
    return size;
}

static int file_read(struct thread_files *files, uint32_t tid, bool is_syscall, char *ret,
                     size_t ret_size)
{
    ssize_t size = files->thread_count_max > 0
                       ? read_kept(files, tid, is_syscall, ret, ret_size - 1)
                       : read_at_once(tid, is_syscall ? "syscall" : "schedstat", ret, ret_size - 1);

    if (size <= 0) return size < 0 ? (int)size : -ENOENT;
    ret[size] = '\0';
    return 0;
}

int thread_files_syscall(struct thread_files *files, uint32_t tid, char *ret, size_t ret_size)
{
    return file_read(files, tid, true, ret, ret_size);
}

int thread_files_queue_ns(struct thread_files *files, uint32_t tid, uint64_t *ret)
{
    char line[SCHEDSTAT_SIZE], *second;
    int rc = file_read(files, tid, false, line, sizeof line);

    if (rc < 0) return rc;
    strtoull(line, &second, 10); /* the first field is time on a CPU */
    *ret = strtoull(second, NULL, 10);
    return 0;
}

char thread_files_state(uint32_t tid)
{
    char line[STAT_SIZE] = "", *name_end;

    if (read_at_once(tid, "stat", line, sizeof line - 1) <= 0) return 0;
    name_end = strrchr(line, ')'); /* the name may hold anything */
    return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

/* "Seccomp:\t2" and, since Linux 5.9, "Seccomp_filters:\t1". */
uint64_t thread_files_filters(uint32_t tid)
{
    char text[STATUS_SIZE] = "", *mode, *count;

    if (read_at_once(tid, "status", text, sizeof text - 1) <= 0) return THREAD_FILTERS_UNKNOWN;
    mode = strstr(text, "\nSeccomp:");
    count = strstr(text, "\nSeccomp_filters:");
    if (!mode) return 0; /* the kernel has none */
    return strtoull(mode + strlen("\nSeccomp:"), NULL, 10) << 32 |
           (count ? strtoull(count + strlen("\nSeccomp_filters:"), NULL, 10) : 0);
}
