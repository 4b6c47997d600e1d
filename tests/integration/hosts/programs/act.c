/* SPDX-License-Identifier: Apache-2.0 */
/* act.c: output goes by write(2) alone, so that no buffer is there twice after a fork. */
#include "tests/integration/hosts/programs/act.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 512, BROKEN = 90 };

#define NS_PER_MS UINT64_C(1000000)

static stakeout_interface_id interface;
static _Atomic unsigned calls, calls_ended;
static _Atomic uint64_t sink;

#ifdef __SANITIZE_THREAD__
/* It knows one table of descriptors: a number of the probe's own is not the host's. What two
 * threads do to the bytes read or written by these is not seen, then. */
const char *__tsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__tsan_default_suppressions(void)
{
    return "race:interceptor_socket$\nrace:interceptor_connect$\nrace:interceptor_recv$\n"
           "race:interceptor_send$\nrace:interceptor_sendmsg$\nrace:interceptor_open$\n"
           "race:interceptor_openat$\nrace:interceptor_close$\nrace:interceptor_dup$\n"
           "race:interceptor_read$\nrace:interceptor_pread$\nrace:interceptor_pread64$\n"
           "race:interceptor_write$\nrace:interceptor_fstat$\nrace:interceptor_poll$\n"
           "race:interceptor_fcntl$\nrace:interceptor_setsockopt$\n";
}
#endif

void act_fail(const char *condition, const char *file, int line)
{
    act_say("%s:%d: %s, errno %d", file, line, condition, errno);
    _exit(BROKEN);
}

void act_say(const char *format, ...)
{
    char line[LINE_SIZE_MAX];
    va_list args;
    size_t size;

    va_start(args, format);
    vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    size = strlen(line);
    line[size++] = '\n';
    if (write(1, line, size) != (ssize_t)size) _exit(BROKEN);
}

void act_skip(const char *why)
{
    act_say("skip: %s", why);
    _exit(ACT_SKIPPED);
}

const char *act_mode(void)
{
    const char *mode = getenv("HOST_MODE");

    return mode ? mode : "";
}

bool act_mode_is(const char *mode)
{
    return strcmp(act_mode(), mode) == 0;
}

static void start(bool may_stay_off)
{
    int rc = stakeout_start(NULL);

    ACT_CHECK(rc == 0 || (may_stay_off && rc == -EPERM));
    interface = stakeout_interface("slow");
}

void act_start(void)
{
    start(false);
}

void act_await_go(void)
{
    char word[3];
    size_t size = 0;

    while (size < sizeof word) {
        ssize_t got = read(0, word + size, sizeof word - size);

        if (got < 0 && errno == EINTR) continue;
        ACT_CHECK(got > 0);
        size += (size_t)got;
    }
    ACT_CHECK(memcmp(word, "go\n", sizeof word) == 0);
}

void act_begin(void)
{
    act_start();
    act_await_go();
}

void act_begin_or_stay_off(void)
{
    start(true);
    act_await_go();
}

uint64_t act_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

struct act_call act_call_begin(void)
{
    struct act_call call = { .call = stakeout_call_begin(interface), .began_ns = act_now_ns() };

    atomic_fetch_add(&calls, 1);
    return call;
}

bool act_goes_on(const struct act_call *call)
{
    return act_now_ns() - call->began_ns < ACT_CALL_MS * NS_PER_MS;
}

void act_call_end(struct act_call *call, int response_code)
{
    stakeout_call_end(call->call, response_code);
    atomic_fetch_add(&calls_ended, 1);
}

unsigned act_calls_ended(void)
{
    return atomic_load(&calls_ended);
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

static void spin_ns(uint64_t ns)
{
    uint64_t until_ns = thread_cpu_ns() + ns;

    while (thread_cpu_ns() < until_ns) {
        atomic_fetch_add_explicit(&sink, 1, memory_order_relaxed);
    }
}

__attribute__((noinline)) void act_spin_ms(unsigned ms)
{
    spin_ns(ms * NS_PER_MS);
    __asm__ volatile("");
}

__attribute__((noinline)) void act_spin_us(unsigned us)
{
    spin_ns(us * UINT64_C(1000));
    __asm__ volatile("");
}

__attribute__((noinline)) void act_rest_ms(unsigned ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000 * NS_PER_MS) };

    while (nanosleep(&left, &left) < 0 && errno == EINTR) {
        /* The rest. */
    }
    atomic_fetch_add_explicit(&sink, 1, memory_order_relaxed);
}

void act_say_calls(void)
{
    act_say("calls %u", atomic_load(&calls));
}

void act_leave(int who)
{
    unsigned ended = act_calls_ended();

    act_say("leaves %d %" PRIu64 " %u", who, act_now_ns(), ended);
}

void act_left(int who)
{
    act_say("left %d %" PRIu64, who, act_now_ns());
}

int act_end(void)
{
    act_say_calls();
    act_leave(0);
    return 0;
}
