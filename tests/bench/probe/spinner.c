/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/probe/spinner.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "probe/hot/call.h"
#include "probe/hot/memory.h"
#include "probe/hot/ticks.h"
#include "probe/include/stakeout/stakeout.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_BYTES = 64, ANSWER_US = 400 };

static volatile uint64_t sink;

static void spin(struct spinner *spinner)
{
    uint64_t last = ticks_now();

    while (!atomic_load_explicit(&spinner->may_end, memory_order_relaxed)) {
        uint64_t now = ticks_now();

        if (now - last > atomic_load_explicit(&spinner->gap_ticks, memory_order_relaxed))
            atomic_store_explicit(&spinner->gap_ticks, now - last, memory_order_relaxed);
        last = now;
    }
}

__attribute__((noinline)) static void descend(struct spinner *spinner, uint32_t frames)
{
    volatile unsigned char frame[FRAME_BYTES] = { 0 };

    if (frames > 1) {
        descend(spinner, frames - 1);
    } else {
        atomic_store(&spinner->is_there, true);
        if (spinner->sleeps_on < 0) {
            spin(spinner);
        } else {
            char byte;

            while (read(spinner->sleeps_on, &byte, 1) < 0) {
            }
        }
    }
    sink += frame[frames % FRAME_BYTES];
}

static void *spinner_main(void *context)
{
    struct spinner *spinner = context;
    stakeout_call call = stakeout_call_begin(stakeout_interface("spinner"));
    uint32_t record = token_record(call.opaque[0]);
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    struct record_view view;

    CHECK(record_read(record, &view));
    spinner->anchor_sp = view.anchor_sp;
    spinner->anchor_pc = view.anchor_pc;
    spinner->order = (struct loan_order){ .tid = (uint32_t)syscall(SYS_gettid),
                                          .slot = slot_index(slot_mine()),
                                          .record = record,
                                          .state = atomic_load(&hot.records[record].state),
                                          .low = here - 65536,
                                          .high = here + 64,
                                          .stack_is_own = true,
                                          .may_repair = true,
                                          .was_running = true,
                                          .was_awake = true };
    descend(spinner, spinner->frames);
    stakeout_call_end(call, 0);
    return NULL;
}

void spinner_start(struct spinner *spinner, uint32_t frames, int sleeps_on)
{
    *spinner = (struct spinner){ .frames = frames, .sleeps_on = sleeps_on };
    CHECK(pthread_create(&spinner->thread, NULL, spinner_main, spinner) == 0);
    while (!atomic_load(&spinner->is_there)) {
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
}

void spinner_stop(struct spinner *spinner)
{
    atomic_store(&spinner->may_end, true);
    pthread_join(spinner->thread, NULL);
}

int spinner_ask(struct spinner *spinner)
{
    struct loan_order *order = &spinner->order;
    int loan;

    order->clock_ns = thread_cpu_ns(order->tid);
    order->clock_ticks = order->seen_ticks = ticks_now();
    loan = stack_copy_request(order);
    CHECK(loan >= 0);
    return loan;
}

double spinner_pause_ns(struct spinner *spinner, void (*send)(struct spinner *spinner))
{
    atomic_store(&spinner->gap_ticks, 0);
    send(spinner);
    do { /* it may have no CPU just now */
        nanosleep(&(struct timespec){ .tv_nsec = ANSWER_US * 1000 }, NULL);
    } while (atomic_load(&spinner->gap_ticks) == 0);
    return (double)ticks_to_ns(atomic_load(&spinner->gap_ticks));
}
