/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c: sd_notify(3) is one datagram, sd_listen_fds(3) two variables; a library would be a
 * dependency for nothing more. */
#include "scheduler/notify.h"

#include "common/base/clock.h"
#include "common/base/own.h"
#include "common/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, STATUS_SIZE_MAX = 256 };

void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = path ? strlen(path) : 0;
    OWN(fd_closep) int fd = -1;

    if (size < 2 || size >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, size);
    if (*path == '@') address.sun_path[0] = '\0'; /* the abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
}

void notify_reloading(void)
{
    char state[64];

    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             clock_monotonic_ns() / NS_PER_US);
    notify(state);
}

void notify_status(const char *format, ...)
{
    static char last[STATUS_SIZE_MAX];
    char state[STATUS_SIZE_MAX] = "STATUS=";
    va_list args;

    va_start(args, format);
    vsnprintf(state + strlen("STATUS="), sizeof state - strlen("STATUS="), format, args);
    va_end(args);
    if (strcmp(state, last) == 0) return;
    snprintf(last, sizeof last, "%s", state);
    notify(state);
}

/* A variable that is a number; 0: it is not there, or is none. */
static uint64_t number_of(const char *name)
{
    const char *value = getenv(name);
    uint64_t number;

    return value && text_to_u64(text_of(value), &number) == 0 ? number : 0;
}

uint64_t notify_watchdog_ns(void)
{
    uint64_t pid = number_of("WATCHDOG_PID"), us = number_of("WATCHDOG_USEC");

    if (us > UINT64_MAX / NS_PER_US || (getenv("WATCHDOG_PID") && pid != (uint64_t)getpid()))
        return 0;
    return us * NS_PER_US / 2;
}

int notify_take_socket(void)
{
    bool is_ours = number_of("LISTEN_PID") == (uint64_t)getpid();
    uint64_t count = is_ours ? number_of("LISTEN_FDS") : 0;

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (count == 0) return 0;
    if (count > 1) return -EINVAL;
    if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0) return -errno;
    return FIRST_FD;
}
