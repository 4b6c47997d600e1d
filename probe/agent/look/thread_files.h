/* SPDX-License-Identifier: Apache-2.0 */
/* thread_files.h: what the kernel says of a thread, in its files syscall, schedstat, stat and
 * status, below /proc/self/task/TID.
 *
 * The files of the threads that are looked at are kept open, because opening costs five times what
 * reading does, and because a file that was opened goes on working after a setuid() of the host. A
 * file is of its thread for ever: a tid that is used again cannot be mistaken for it. When all
 * places are taken, the one that was used longest ago is closed. With no places at all, each is
 * opened, read and closed at once: in a table that is the host's too, a number that is kept may one
 * day be something of the host's.
 *
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_THREAD_FILES_H
#define STAKEOUT_PROBE_AGENT_LOOK_THREAD_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    THREAD_FILES_MAX = 64, /* threads */
    THREAD_FILE_KINDS = 4,
};

struct thread_files {
    uint32_t thread_count_max; /* 0: none is kept */
    uint64_t clock;            /* rises with each use */
    struct thread_file {
        uint32_t tid;               /* 0: free */
        int fds[THREAD_FILE_KINDS]; /* in the order of above; -1: it cannot be opened */
        uint64_t used;
    } threads[THREAD_FILES_MAX];
};

void thread_files_init(struct thread_files *files, uint32_t file_count_max);
void thread_files_done(struct thread_files *files);

/* Reads the syscall file, zero-terminated, into ret. Returns 0 or -errno. */
int thread_files_syscall(struct thread_files *files, uint32_t tid, char *ret, size_t ret_size);

/* How long the thread was runnable without a CPU, ever, and how often it was given one. Returns 0;
 * or -errno, and no turns. */
int thread_files_queue_ns(struct thread_files *files, uint32_t tid, uint64_t *ret,
                          uint64_t *ret_turns);

/* The latter alone. 0: that cannot be told. */
uint64_t thread_files_turns(struct thread_files *files, uint32_t tid);

/* Would our signal, sent now, meet what another signal did? 1: the thread blocks it, as in a
 * handler of the host's that blocks all, or has another one pending that it is to handle first;
 * 0: no; -errno: it cannot be told. */
int thread_files_defers(struct thread_files *files, uint32_t tid, int signal_number);

/* The same, and how often the thread has gone to sleep by itself: for twice the price. */
struct thread_status {
    int defers; /* or -errno */
    uint64_t sleeps;
};
#define THREAD_SLEEPS_UNKNOWN UINT64_MAX
void thread_files_status(struct thread_files *files, uint32_t tid, int signal_number,
                         struct thread_status *ret);

/* The letter of the thread's state in its stat file: 'R' runs, or could. It is little asked for,
 * so that it is opened each time. 0: it cannot be read. */
char thread_files_state(uint32_t tid);

/* Does the thread's CPU clock run, which read `clock_ns` a moment ago, and has for 3 us? Else it
 * sleeps, or is awake but was not given a CPU yet, and may stand in the sleep that it was woken
 * from: a signal would find it there. Takes up to 8 us, or one reading, if that says the same. */
bool thread_is_on_cpu(uint32_t tid, uint64_t clock_ns);

#endif
