/* SPDX-License-Identifier: Apache-2.0 */
/* wait_arguments.c: poll, select and epoll wait for the descriptors of a list, which is read where
 * it lies (epoll's: in the fdinfo of its descriptor); without any they wait for time. */
#include "probe/agent/look/wait_arguments.h"

#include "common/base/clock.h"
#include "probe/agent/look/descriptor_names.h"
#include "probe/agent/unwind/self_memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    POLLED_MAX = 1024, /* of a list: what lies behind is not counted one by one */
    SET_WORDS_MAX = POLLED_MAX / 64,
    FDINFO_SIZE_MAX = 8192,
    PATH_SIZE = 64,
};

/* The descriptors of a list: the first ones, and how many there are. */
struct polled {
    int descriptors[POLLED_NAMED_MAX];
    uint64_t count;
};

static void polled_add(struct polled *polled, int descriptor)
{
    if (descriptor < 0) return; /* poll ignores it */
    if (polled->count < POLLED_NAMED_MAX) polled->descriptors[polled->count] = descriptor;
    polled->count++;
}

/* Names them, where they are few. A wait for sockets is one for the network. */
static void polled_describe(const struct blocked_names *names, const struct polled *polled,
                            struct wait_account *ret)
{
    size_t used = 0;

    ret->kind = WAIT_OTHER;
    for (uint64_t i = 0; polled->count <= POLLED_NAMED_MAX && i < polled->count; i++) {
        char name[DESCRIPTOR_NAME_SIZE_MAX];
        enum wait_kind kind = descriptor_name(names->descriptors, names->tid,
                                              polled->descriptors[i], name, sizeof name);

        if (kind == WAIT_NETWORK) ret->kind = WAIT_NETWORK;
        if (name[0] == '\0') snprintf(name, sizeof name, "a descriptor");
        used += (size_t)snprintf(ret->waiting_for + used, sizeof ret->waiting_for - used, "%s%s",
                                 i > 0 ? ", " : "", name);
        if (used >= sizeof ret->waiting_for) return;
    }
    if (polled->count <= POLLED_NAMED_MAX) return;
    ret->kind = WAIT_NETWORK;
    snprintf(ret->waiting_for, sizeof ret->waiting_for, "%" PRIu64 " descriptors", polled->count);
}

/* ---- time ---- */

/* "a sleep of 50 ms", of 1.50 s, of 200 us. */
static void sleep_describe(uint64_t ns, struct wait_account *ret)
{
    char *to = ret->waiting_for;
    size_t size = sizeof ret->waiting_for;

    ret->kind = WAIT_SLEEP;
    if (ns >= NS_PER_S) {
        uint64_t hundredths = ns / (NS_PER_S / 100);

        snprintf(to, size, "a sleep of %" PRIu64 ".%02" PRIu64 " s", hundredths / 100,
                 hundredths % 100);
    } else if (ns >= NS_PER_MS) {
        snprintf(to, size, "a sleep of %" PRIu64 " ms", ns / NS_PER_MS);
    } else {
        snprintf(to, size, "a sleep of %" PRIu64 " us", ns / NS_PER_US);
    }
}

/* `part_ns`: of the second field, microseconds or nanoseconds. */
static void sleep_read(uint64_t address, uint64_t part_ns, struct wait_account *ret)
{
    int64_t parts[2];

    ret->kind = WAIT_SLEEP;
    if (address == 0 || self_read(address, parts, sizeof parts) != sizeof parts) return;
    if (parts[0] < 0 || parts[1] < 0 || (uint64_t)parts[0] > UINT64_MAX / NS_PER_S / 2) return;
    sleep_describe((uint64_t)parts[0] * NS_PER_S + (uint64_t)parts[1] * part_ns, ret);
}

/* ---- lists ---- */

static bool poll_read(const struct wait_view *wait, struct polled *ret)
{
    struct pollfd list[POLLED_MAX];
    uint64_t count = wait->arguments[1] < POLLED_MAX ? wait->arguments[1] : POLLED_MAX;

    if (self_read(wait->arguments[0], list, count * sizeof *list) != count * sizeof *list)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        polled_add(ret, list[i].fd);
    }
    ret->count += wait->arguments[1] - count;
    return true;
}

static void describe_poll(const struct blocked_names *names, const struct wait_view *wait,
                          struct wait_account *ret)
{
    struct polled polled = { .count = 0 };
    uint64_t count = wait->arguments[1];

    if (count > 0 && poll_read(wait, &polled) && polled.count > 0) {
        polled_describe(names, &polled, ret);
    } else if (count > 0) {
        ret->kind = WAIT_NETWORK;
        snprintf(ret->waiting_for, sizeof ret->waiting_for, "%" PRIu64 " descriptor%s", count,
                 count == 1 ? "" : "s");
    } else if (wait->syscall == SYS_ppoll) {
        sleep_read(wait->arguments[2], 1, ret);
    } else {
        ret->kind = WAIT_SLEEP;
        if ((int32_t)wait->arguments[2] > 0)
            sleep_describe((uint32_t)wait->arguments[2] * NS_PER_MS, ret);
    }
}

/* The bits of the three sets together: a descriptor counts once. */
static bool select_read(const struct wait_view *wait, struct polled *ret)
{
    uint64_t any[SET_WORDS_MAX] = { 0 }, count = wait->arguments[0];
    size_t words = (size_t)(count + 63) / 64;

    if (count > POLLED_MAX) return false;
    for (int set = 1; set <= 3; set++) {
        uint64_t bits[SET_WORDS_MAX];

        if (wait->arguments[set] == 0) continue;
        if (self_read(wait->arguments[set], bits, words * 8) != words * 8) return false;
        for (size_t i = 0; i < words; i++)
            any[i] |= bits[i];
    }
    for (uint64_t i = 0; i < count; i++) {
        if (any[i / 64] >> i % 64 & 1) polled_add(ret, (int)i);
    }
    return true;
}

static void describe_select(const struct blocked_names *names, const struct wait_view *wait,
                            struct wait_account *ret)
{
    struct polled polled = { .count = 0 };

    if (wait->arguments[0] > 0 && !select_read(wait, &polled)) {
        ret->kind = WAIT_NETWORK;
        snprintf(ret->waiting_for, sizeof ret->waiting_for, "descriptors below %" PRIu64,
                 wait->arguments[0]);
    } else if (polled.count > 0) {
        polled_describe(names, &polled, ret);
    } else {
        sleep_read(wait->arguments[4], wait->syscall == SYS_select ? NS_PER_US : 1, ret);
    }
}

/* Lines of "tfd:       12 events: ..."; false: they could not be read, or were too many. */
static bool epoll_read(uint32_t tid, int epoll, struct polled *ret)
{
    char path[PATH_SIZE], text[FDINFO_SIZE_MAX + 1];
    ssize_t size;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%" PRIu32 "/fdinfo/%d", tid, epoll);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size = read(fd, text, FDINFO_SIZE_MAX);
    close(fd);
    if (size <= 0 || size == FDINFO_SIZE_MAX) return false;
    text[size] = '\0';
    for (const char *at = text; (at = strstr(at, "tfd:")); at++) {
        polled_add(ret, (int)strtol(at + 4, NULL, 10));
    }
    return true;
}

static void describe_epoll(const struct blocked_names *names, const struct wait_view *wait,
                           struct wait_account *ret)
{
    struct polled polled = { .count = 0 };

    if (epoll_read(names->tid, (int)wait->arguments[0], &polled) && polled.count > 0) {
        polled_describe(names, &polled, ret);
        return;
    }
    ret->kind = WAIT_NETWORK;
    snprintf(ret->waiting_for, sizeof ret->waiting_for, "events of an epoll set");
}

/* ---- an address ---- */

static void describe_connect(const struct blocked_names *names, const struct wait_view *wait,
                             struct wait_account *ret)
{
    struct sockaddr_storage address = { 0 };
    char name[DESCRIPTOR_NAME_SIZE_MAX];
    size_t size = wait->arguments[2] < sizeof address ? wait->arguments[2] : sizeof address;

    ret->kind = WAIT_NETWORK;
    if (self_read(wait->arguments[1], &address, size) != size) size = 0;
    address_name_for(names->descriptors, names->tid, (int)wait->arguments[0], &address,
                     (socklen_t)size, name, sizeof name);
    snprintf(ret->waiting_for, sizeof ret->waiting_for, "%s%s",
             name[0] != '\0' ? "connecting to " : "connecting", name);
}

/* Of an absolute time is said that it is one: how much is left changes from look to look. */
static void describe_clock_nanosleep(const struct wait_view *wait, struct wait_account *ret)
{
    ret->kind = WAIT_SLEEP;
    if (wait->arguments[1] & TIMER_ABSTIME) {
        snprintf(ret->waiting_for, sizeof ret->waiting_for, "a sleep until a time");
    } else {
        sleep_read(wait->arguments[2], 1, ret);
    }
}

bool wait_arguments_describe(const struct blocked_names *names, const struct wait_view *wait,
                             struct wait_account *ret)
{
    switch (wait->syscall) {
    case SYS_poll:
    case SYS_ppoll:
        describe_poll(names, wait, ret);
        return true;
    case SYS_select:
    case SYS_pselect6:
        describe_select(names, wait, ret);
        return true;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        describe_epoll(names, wait, ret);
        return true;
    case SYS_nanosleep:
        sleep_read(wait->arguments[0], 1, ret);
        return true;
    case SYS_clock_nanosleep:
        describe_clock_nanosleep(wait, ret);
        return true;
    case SYS_connect:
        describe_connect(names, wait, ret);
        return true;
    default:
        return false;
    }
}
