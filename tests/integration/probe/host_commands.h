/* SPDX-License-Identifier: Apache-2.0 */
/* host_commands.h: what the hosts of these tests have in common: they do what they are told on
 * their standard input, a command per line, and answer each with a line.
 *
 *     static void do_start(const char *arguments)
 *     {
 *         (void)arguments;
 *         host_say("start %d", stakeout_start(NULL));
 *     }
 *     ...
 *     return host_serve(commands, sizeof commands / sizeof *commands);
 *
 * Threads: the main one. It needs nothing but descriptors 0 and 1: no memory, no other. */
#ifndef STAKEOUT_TESTS_INTEGRATION_PROBE_HOST_COMMANDS_H
#define STAKEOUT_TESTS_INTEGRATION_PROBE_HOST_COMMANDS_H

#include <stddef.h>

struct host_command {
    const char *name;
    void (*run)(const char *arguments); /* what follows the name and a space; maybe "" */
};

/* Says a line; longer ones than 8 KB are cut. */
void host_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Obeys until the input ends; then returns 0. An unknown command is answered "unknown". */
int host_serve(const struct host_command *commands, size_t count);

/* Asleep for so long, whatever signals come. */
void host_wait_ms(long ms);

#endif
