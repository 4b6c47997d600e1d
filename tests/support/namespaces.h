/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces.h: mounts, and a network, of a test's own.
 *
 *     may = namespaces_leave(NAMESPACE_MOUNTS)       in main(), before there is a second thread
 *
 *     network_place_open(&place);                    one more network, beside this process' own
 *     network_run(NULL, "ip link add a type veth peer name b netns %d", place.pid);
 *     network_run(&place, "ip link set b up");
 *     network_enter(&place);                         processes that are started now are there
 *     network_enter(NULL);
 *     network_place_close(&place);
 *
 * What was made vanishes with the processes that are in it. */
#ifndef STAKEOUT_TESTS_SUPPORT_NAMESPACES_H
#define STAKEOUT_TESTS_SUPPORT_NAMESPACES_H

#include <stdbool.h>
#include <sys/types.h>

enum namespace_kind { NAMESPACE_MOUNTS, NAMESPACE_NETWORK };

/* Whoever is not root becomes it, in a name space of users of its own. False, with errno: this
 * machine does not let us. */
bool namespaces_leave(enum namespace_kind kind);

struct network_place {
    pid_t pid; /* who keeps it open; dies with the test */
    int fd;
};

void network_place_open(struct network_place *place);
void network_place_close(struct network_place *place);

/* The calling thread, and what it starts; NULL: back to the test's own. */
void network_enter(const struct network_place *place);

/* Runs a shell's command there, or fails the test. */
void network_run(const struct network_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
