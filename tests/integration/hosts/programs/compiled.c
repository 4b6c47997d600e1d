/* SPDX-License-Identifier: Apache-2.0 */
/* compiled.c: a host that compiles code while it runs, as JITs do: functions in pages that no
 * module knows, named in /tmp/perf-PID.map. */
#include "tests/integration/hosts/programs/act.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_SIZE_BYTES = 4096, COUNT_AT = 14, BUSY_COUNT = 50000 };

/* void function(bool (*is_wanted)(void *), void *context): counts down, asks, and begins again. */
/* clang-format off */
static const unsigned char code[] = {
    0x55,                         /*       push rbp */
    0x48, 0x89, 0xe5,             /*       mov  rbp, rsp */
    0x53,                         /*       push rbx */
    0x41, 0x54,                   /*       push r12 */
    0x48, 0x89, 0xfb,             /*       mov  rbx, rdi */
    0x49, 0x89, 0xf4,             /*       mov  r12, rsi */
    0xb9, 0x01, 0x00, 0x00, 0x00, /* again: mov ecx, count */
    0xff, 0xc9,                   /* down: dec  ecx */
    0x75, 0xfc,                   /*       jne  down */
    0x4c, 0x89, 0xe7,             /*       mov  rdi, r12 */
    0xff, 0xd3,                   /*       call rbx */
    0x84, 0xc0,                   /*       test al, al */
    0x75, 0xee,                   /*       jne  again */
    0x41, 0x5c,                   /*       pop  r12 */
    0x5b,                         /*       pop  rbx */
    0x5d,                         /*       pop  rbp */
    0xc3,                         /*       ret */
};
/* clang-format on */

typedef void compiled_fn(bool (*is_wanted)(void *context), void *context);

static char map_path[64];

/* One more line, and only one at a time is ever unfinished. */
static void name_function(const void *at, const char *name)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%lx %zx %s\n", (unsigned long)at, sizeof code, name);
    int fd = open(map_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    ACT_CHECK(fd >= 0 && write(fd, line, (size_t)size) == size);
    close(fd);
}

/* In a page of its own, which is written before it can be run. */
static compiled_fn *compile(const char *name, uint32_t count)
{
    unsigned char *page =
        mmap(NULL, PAGE_SIZE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    compiled_fn *function;

    ACT_CHECK(page != MAP_FAILED);
    memcpy(page, code, sizeof code);
    memcpy(page + COUNT_AT, &count, sizeof count);
    ACT_CHECK(mprotect(page, PAGE_SIZE_BYTES, PROT_READ | PROT_EXEC) == 0);
    name_function(page, name);
    memcpy(&function, &page, sizeof function);
    return function;
}

static bool goes_on(void *context)
{
    return act_goes_on(context);
}

static bool rests_and_goes_on(void *context)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return act_goes_on(context);
}

int main(void)
{
    snprintf(map_path, sizeof map_path, "/tmp/perf-%d.map", (int)getpid());
    act_start();
    act_await_go();
    for (int i = 0; i < ACT_ROUNDS; i++) {
        compiled_fn *works = compile("compiled_works", BUSY_COUNT);
        compiled_fn *rests = compile("compiled_rests", 1);
        struct act_call call = act_call_begin();

        works(goes_on, &call);
        act_call_end(&call, ACT_FIRST);
        call = act_call_begin();
        rests(rests_and_goes_on, &call);
        act_call_end(&call, ACT_FIRST + 1);
    }
    act_end();
    stakeout_stop(); /* which names what it has: the map must be there until then */
    unlink(map_path);
    return 0;
}
