/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/truth_work.h"

#include "common/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;

static uint64_t queue_read_ns(void)
{
    char line[96] = "", *second;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

    if (fd < 0) return 0;
    if (read(fd, line, sizeof line - 1) < 0) line[0] = '\0';
    close(fd);
    strtoull(line, &second, 10);
    return strtoull(second, NULL, 10);
}

struct stopwatch {
    uint64_t wall_ns, cpu_ns, queue_ns;
};

static struct stopwatch stopwatch_begin(void)
{
    return (struct stopwatch){ clock_monotonic_ns(), clock_thread_cpu_ns(), queue_read_ns() };
}

static struct truth_part stopwatch_end(struct stopwatch begin)
{
    return (struct truth_part){ clock_monotonic_ns() - begin.wall_ns,
                                clock_thread_cpu_ns() - begin.cpu_ns,
                                queue_read_ns() - begin.queue_ns };
}

__attribute__((noinline)) static void a(void)
{
    uint64_t until_ns = clock_thread_cpu_ns() + 300 * NS_PER_MS;

    while (clock_thread_cpu_ns() < until_ns) {
        for (uint64_t i = 0; i < 20000; i++) {
            sink += i * i;
        }
    }
}

__attribute__((noinline)) static void b(void)
{
    struct timespec left = { .tv_nsec = 500 * (long)NS_PER_MS };

    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    sink++;
}

__attribute__((noinline)) static void c(pthread_mutex_t *lock)
{
    pthread_mutex_lock(lock);
    sink++;
    pthread_mutex_unlock(lock);
}

__attribute__((noinline)) static void truth_call(pthread_mutex_t *cart_lock, struct truth *ret)
{
    uint64_t queue_ns = queue_read_ns();
    struct stopwatch watch = stopwatch_begin();

    a();
    ret->a = stopwatch_end(watch);
    watch = stopwatch_begin();
    b();
    ret->b = stopwatch_end(watch);
    watch = stopwatch_begin();
    ret->c_begins_ns = clock_monotonic_ns();
    c(cart_lock);
    ret->c = stopwatch_end(watch);
    ret->queue_ns = queue_read_ns() - queue_ns;
}

struct truth_functions truth_functions(void)
{
    return (struct truth_functions){ truth_call, (void *)a, (void *)b, (void *)c };
}

static void spin_ms(uint64_t ms)
{
    uint64_t until_ns = clock_thread_cpu_ns() + ms * NS_PER_MS;

    while (clock_thread_cpu_ns() < until_ns) {
        sink++;
    }
}

void truth_idle(void)
{
    spin_ms(100);
    nanosleep(&(struct timespec){ .tv_nsec = 50 * (long)NS_PER_MS }, NULL);
}

void truth_idle_briefly(void)
{
    spin_ms(1);
}
