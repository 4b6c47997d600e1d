/* SPDX-License-Identifier: Apache-2.0 */
/* busy.c: hosts that are in the heap or in the loader whenever they are looked at.
 *
 * The heap is the host's own, as tcmalloc's is: one lock, and a signal handler that allocated while
 * its thread is in there would find it half changed; here it is told so, and aborts.
 *
 * "malloc": three threads allocate and free, and do nothing else.
 * "heap_held": a call that holds the heap's lock for as long as it takes.
 * "dlopen": a library is opened, and closed, whose constructor is the call: so the loader's lock is
 *      held all the time.
 * "iterate": three threads in dl_iterate_phdr(), in whose callback another lock of it is held.
 * "starts": the probe itself is started, and stopped, by a library's constructor and destructor. */
#include "tests/integration/hosts/programs/busy.h"

#include "tests/integration/hosts/programs/act.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 3, BLOCKS = 64, BLOCK_SIZE_MAX = 3000 };

/* ---- the heap: the C library's, behind a lock of our own ---- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#pragma GCC visibility push(default)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool is_in_heap;

static void heap_enter(void)
{
    static const char broken[] = "the heap was entered by a thread that is in it\n";

    if (is_in_heap) {
        if (write(1, broken, sizeof broken - 1) < 0) abort();
        abort();
    }
    is_in_heap = true;
    pthread_mutex_lock(&heap);
}

static void heap_leave(void)
{
    pthread_mutex_unlock(&heap);
    is_in_heap = false;
}

void *malloc(size_t size)
{
    void *memory;

    heap_enter();
    memory = __libc_malloc(size);
    heap_leave();
    return memory;
}

void *calloc(size_t count, size_t size)
{
    void *memory;

    heap_enter();
    memory = __libc_calloc(count, size);
    heap_leave();
    return memory;
}

void *realloc(void *old, size_t size)
{
    void *memory;

    heap_enter();
    memory = __libc_realloc(old, size);
    heap_leave();
    return memory;
}

void free(void *memory)
{
    if (!memory) return;
    heap_enter();
    __libc_free(memory);
    heap_leave();
}
#pragma GCC visibility pop
#else
static void heap_enter(void)
{
    act_skip("sanitizers have a heap of their own");
}

static void heap_leave(void) {}
#endif

/* ---- calls ---- */

static _Atomic uint64_t sum;

__attribute__((noinline)) static void allocate_and_free(const struct act_call *call)
{
    void *blocks[BLOCKS] = { NULL };
    unsigned number = 1;

    while (act_goes_on(call)) {
        for (int i = 0; i < 500; i++) {
            void **block = &blocks[number % BLOCKS];

            number = number * 1103515245u + 12345u;
            free(*block);
            *block = malloc(1 + number % BLOCK_SIZE_MAX);
            ACT_CHECK(*block != NULL);
            memset(*block, (int)i, 1 + number % BLOCK_SIZE_MAX);
        }
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    sum += number;
}

__attribute__((noinline)) static void heap_is_held(const struct act_call *call)
{
    heap_enter();
    while (act_goes_on(call)) {
        act_spin_ms(10);
        act_rest_ms(10);
    }
    heap_leave();
}

static int on_module(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    for (volatile int spins = 0; spins < 2000;) {
        spins = spins + 1;
    }
    *(uint64_t *)context += info->dlpi_phnum;
    return 0;
}

__attribute__((noinline)) static void iterate(const struct act_call *call)
{
    uint64_t headers = 0;

    while (act_goes_on(call)) {
        dl_iterate_phdr(on_module, &headers);
    }
    sum += headers;
}

static void open_and_close(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    ACT_CHECK(library != NULL);
    ACT_CHECK(dlclose(library) == 0);
}

static void *caller_main(void *context)
{
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        if (act_mode_is("malloc")) allocate_and_free(&call);
        if (act_mode_is("heap_held")) heap_is_held(&call);
        if (act_mode_is("iterate")) iterate(&call);
        if (act_mode_is("dlopen")) open_and_close(BUSY_PLUGIN);
        if (act_mode_is("starts")) act_rest_ms(ACT_CALL_MS);
        act_call_end(&call, ACT_FIRST);
    }
    return context;
}

/* ---- the library's constructor and destructor call these ---- */

void busy_constructed(void)
{
    if (act_mode_is("starts")) {
        act_begin();
        caller_main(NULL);
        return;
    }
    act_rest_ms(ACT_CALL_MS / 2);
    act_spin_ms(ACT_CALL_MS / 2); /* in the slow half: from a signal, the frame pointer is known */
    __asm__ volatile("");         /* no jump to the last function: its frame stays */
}

void busy_destroyed(void)
{
    if (!act_mode_is("starts")) return;
    act_leave(1);
    stakeout_stop();
    act_left(1);
}

int main(void)
{
    int threads_count = act_mode_is("dlopen") || act_mode_is("heap_held") ? 1 : THREADS;
    pthread_t threads[THREADS];

    if (act_mode_is("starts")) {
        open_and_close(BUSY_PLUGIN);
        return act_end();
    }
    act_begin();
    for (int i = 0; i < threads_count; i++) {
        ACT_CHECK(pthread_create(&threads[i], NULL, caller_main, NULL) == 0);
    }
    for (int i = 0; i < threads_count; i++) {
        pthread_join(threads[i], NULL);
    }
    return act_end();
}
