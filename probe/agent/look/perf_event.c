/* SPDX-License-Identifier: Apache-2.0 */
/* perf_event.c: one event, its ring, and the records in it.
 *
 * The event is the software clock "task-clock" of one thread, on whatever CPU it is. A record of
 * ours is, after its header, in this order: pid and tid, the time, the event's count, which
 * registers follow (0: none, as of a thread that exits) and these, how many bytes of stack follow,
 * these, and how many of them were readable. The kernel writes and moves `data_head`, we read and
 * move `data_tail`. Records lie on eight bytes, and may go on at the ring's begin.
 *
 * Only the newest is of use; older ones are counted. When the ring is full, newer ones are lost and
 * also counted, by a record of the kernel's that follows. */
#include "probe/agent/look/perf_event.h"

#include "probe/agent/base/filters.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGE_SIZE_BYTES = 4096,
    RING_SMALL = 8 * PAGE_SIZE_BYTES, /* a power of two */
    RING_LARGE = 32 * PAGE_SIZE_BYTES,
    ABI_64 = 2, /* PERF_SAMPLE_REGS_ABI_64 */
};

static_assert(RING_LARGE + PAGE_SIZE_BYTES == PERF_SIZE_LARGE, "what the header says");

/* The kernel's numbers of the registers (asm/perf_regs.h), by ours. */
static const unsigned char register_bits[REGISTERS] = { 0,  3,  2,  1,  4,  5,  6,  7, 16,
                                                        17, 18, 19, 20, 21, 22, 23, 8 };

/* A record up to its stack. */
struct record_head {
    struct perf_event_header header;
    uint32_t pid, tid;
    uint64_t at_ns, count_ns;
    uint64_t abi, registers[REGISTERS]; /* in the order of the kernel's numbers */
    uint64_t stack_size;
};

static_assert(2 * (sizeof(struct record_head) + PERF_STACK_SMALL + 8) <= RING_SMALL, "two fit");
static_assert(2 * (sizeof(struct record_head) + PERF_STACK_LARGE + 8) <= RING_LARGE, "two fit");
static_assert(sizeof(struct record_head) + PERF_STACK_LARGE + 8 <= UINT16_MAX, "the kernel's");

static uint64_t register_mask(void)
{
    uint64_t mask = 0;

    for (int i = 0; i < REGISTERS; i++) {
        mask |= UINT64_C(1) << register_bits[i];
    }
    return mask;
}

static struct perf_event_attr attributes(const struct perf_order *order, uint32_t stack_size)
{
    return (struct perf_event_attr){
        .size = sizeof(struct perf_event_attr),
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_TASK_CLOCK,
        .sample_period = order->period_ns,
        .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_READ |
                       PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
        .sample_regs_user = register_mask(),
        .sample_stack_user = stack_size,
        .exclude_kernel = order->excludes_kernel,
        .exclude_hv = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
        .watermark = 1, /* nobody waits for records: no interrupt to say that there are some */
        .wakeup_watermark = INT32_MAX,
    };
}

int perf_event_open(struct perf_event *event, const struct perf_order *order)
{
    uint32_t stack_size = order->is_deep ? PERF_STACK_LARGE : PERF_STACK_SMALL;
    size_t ring_size = order->is_deep ? RING_LARGE : RING_SMALL;
    struct perf_event_attr attr = attributes(order, stack_size);
    void *ring;
    int fd;

    if (!filters_allow(TRIED_perf_event_open)) return -EPERM;
    fd = (int)syscall(SYS_perf_event_open, &attr, (long)order->tid, -1L, -1L,
                      (unsigned long)PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return -errno;
    ring = mmap(NULL, PAGE_SIZE_BYTES + ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    *event = (struct perf_event){ .fd = fd,
                                  .ring = ring,
                                  .ring_size = ring_size,
                                  .period_ns = order->period_ns,
                                  .stack_size = stack_size };
    return 0;
}

void perf_event_close(struct perf_event *event)
{
    if (!event->ring) return;
    munmap(event->ring, PAGE_SIZE_BYTES + event->ring_size);
    close(event->fd);
    event->ring = NULL;
}

int perf_event_pace(struct perf_event *event, uint64_t period_ns)
{
    if (ioctl(event->fd, PERF_EVENT_IOC_PERIOD, &period_ns) != 0) return -errno;
    event->period_ns = period_ns;
    return 0;
}

/* Bytes of the ring, from a place that only ever grows. */
static void ring_read(const struct perf_event *event, uint64_t from, void *ret, size_t size)
{
    const unsigned char *data = event->ring + PAGE_SIZE_BYTES;
    size_t at = (size_t)(from & (event->ring_size - 1));
    size_t first = event->ring_size - at < size ? event->ring_size - at : size;

    memcpy(ret, data + at, first);
    memcpy((unsigned char *)ret + first, data, size - first);
}

static uint32_t lost_of(const struct perf_event *event, uint64_t at)
{
    struct {
        struct perf_event_header header;
        uint64_t id, lost;
    } record;

    ring_read(event, at, &record, sizeof record);
    return record.lost < UINT16_MAX ? (uint32_t)record.lost : UINT16_MAX;
}

/* Where the newest record of ours begins, between `at` and `end`; `end` if there is none. */
static uint64_t find_newest(const struct perf_event *event, uint64_t at, uint64_t end,
                            uint32_t *ret_interrupts)
{
    uint64_t newest = end;

    *ret_interrupts = 0;
    while (end - at >= sizeof(struct perf_event_header)) {
        struct perf_event_header header;

        ring_read(event, at, &header, sizeof header);
        if (header.size < sizeof header || header.size > end - at) break;
        if (header.type == PERF_RECORD_SAMPLE && header.size >= sizeof(struct record_head)) {
            newest = at;
            ++*ret_interrupts;
        } else if (header.type == PERF_RECORD_LOST) {
            *ret_interrupts += lost_of(event, at);
        }
        at += header.size;
    }
    return newest;
}

/* How many registers of those that we ask for come before one, in the kernel's order. */
static int register_place(int number)
{
    int place = 0;

    for (int i = 0; i < REGISTERS; i++) {
        place += register_bits[i] < register_bits[number];
    }
    return place;
}

static void registers_read(const struct record_head *head, uint64_t ret[REGISTERS])
{
    for (int i = 0; i < REGISTERS; i++) {
        ret[i] = head->registers[register_place(i)];
    }
}

/* The record at `at`, which ends before the head. */
static int moment_read(const struct perf_event *event, uint64_t at, struct perf_moment *ret,
                       unsigned char *bytes, size_t size)
{
    struct record_head head;
    uint64_t stack_size, readable = 0;

    ring_read(event, at, &head, sizeof head);
    stack_size = head.stack_size;
    if (head.abi != ABI_64) return -EAGAIN;
    if (stack_size > head.header.size - sizeof head) return -EAGAIN;
    if (stack_size > 0) {
        if (stack_size + sizeof readable > head.header.size - sizeof head) return -EAGAIN;
        ring_read(event, at + sizeof head + stack_size, &readable, sizeof readable);
    }
    if (readable > stack_size) return -EAGAIN;
    ret->at_ns = head.at_ns;
    ret->count_ns = head.count_ns;
    registers_read(&head, ret->registers);
    ret->size = readable < size ? (size_t)readable : size;
    ret->is_cut = readable == stack_size;
    ring_read(event, at + sizeof head, bytes, ret->size);
    return 0;
}

static struct perf_event_mmap_page *words_of(const struct perf_event *event)
{
    return (struct perf_event_mmap_page *)(void *)event->ring;
}

/* Pairs with the kernel's store, behind the records. */
static uint64_t ring_head(const struct perf_event *event)
{
    return __atomic_load_n(&words_of(event)->data_head, __ATOMIC_ACQUIRE);
}

bool perf_event_has(const struct perf_event *event)
{
    return ring_head(event) != words_of(event)->data_tail;
}

int perf_event_take(struct perf_event *event, struct perf_moment *ret, unsigned char *bytes,
                    size_t size)
{
    uint64_t head = ring_head(event), tail = words_of(event)->data_tail;
    struct perf_moment moment;
    uint64_t newest;
    int rc = -EAGAIN;

    if (head == tail) return -EAGAIN;
    newest = find_newest(event, tail, head, &moment.interrupts);
    if (newest != head) rc = moment_read(event, newest, &moment, bytes, size);
    /* From here on the kernel may write there. */
    __atomic_store_n(&words_of(event)->data_tail, head, __ATOMIC_RELEASE);
    if (rc == 0) *ret = moment;
    return rc;
}

bool perf_rate_suffices(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/kernel/perf_event_max_sample_rate", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (fd >= 0) close(fd);
    return size > 0 && strtoul(text, NULL, 10) >= PERF_RATE_MIN;
}
