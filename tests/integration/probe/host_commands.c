/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/host_commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 8192, COMMAND_SIZE_MAX = 1024 };

#ifdef __SANITIZE_THREAD__
/* It knows one table of descriptors: a number of the probe's own is not the host's. Where it has
 * forgotten who had that number (a handshake makes much history), only our side is left. */
const char *__tsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__tsan_default_suppressions(void)
{
    return "race:connect_address\nrace:disconnect\nrace:file_open\n"
           "race:host_serve\nrace:host_say\n";
}
#endif

void host_say(const char *format, ...)
{
    char line[LINE_SIZE_MAX];
    va_list args;
    size_t size;

    va_start(args, format);
    vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    size = strlen(line);
    line[size++] = '\n';
    if (write(1, line, size) != (ssize_t)size) _exit(3);
}

void host_wait_ms(long ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) < 0 && errno == EINTR) {
        /* The rest. */
    }
}

static void obey(const struct host_command *commands, size_t count, char *line)
{
    char *arguments = line + strcspn(line, " ");

    if (*arguments) *arguments++ = '\0';
    for (size_t i = 0; i < count; i++) {
        if (strcmp(line, commands[i].name) == 0) {
            commands[i].run(arguments);
            return;
        }
    }
    host_say("unknown");
}

int host_serve(const struct host_command *commands, size_t count)
{
    char line[COMMAND_SIZE_MAX];
    size_t size = 0;

    while (size + 1 < sizeof line && read(0, line + size, 1) == 1) {
        if (line[size] != '\n') {
            size++;
            continue;
        }
        line[size] = '\0';
        size = 0;
        obey(commands, count, line);
    }
    return 0;
}
