/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor_names.h: what is behind a descriptor of the host: its type and its peer, never its
 * data.
 *
 *     descriptor_names_open(&names, true);
 *     kind = descriptor_name(&names, tid, fd, text, sizeof text);
 *     descriptor_names_close(&names);
 *
 *     TCP 10.0.0.9:5432                      a connection, by its peer
 *     UDP on 0.0.0.0:53                      a socket that has no peer
 *     connections on TCP 0.0.0.0:8080        one that listens
 *     unix /run/db.sock, unix @name          by the name of whichever end has one
 *     a unix socket of process 4711          where neither has
 *     /var/log/journal, /dev/pts/3           by path
 *     a pipe, an eventfd, a timer            by kind
 *     a socket                               of which nobody tells us more
 *
 * A descriptor that another thread of the host closes, and opens again, at this very moment may be
 * named as the new one.
 *
 * Threads: one at a time. */
#ifndef STAKEOUT_PROBE_AGENT_LOOK_DESCRIPTOR_NAMES_H
#define STAKEOUT_PROBE_AGENT_LOOK_DESCRIPTOR_NAMES_H

#include "common/model/sample.h"

#include <stddef.h>
#include <sys/socket.h>

enum { DESCRIPTOR_NAME_SIZE_MAX = 200 };

struct descriptor_names {
    int process; /* a pidfd of ourselves; -1: sockets have no peers */
};

/* `is_separate`: our threads have a descriptor table of their own. Else sockets are not asked. */
void descriptor_names_open(struct descriptor_names *names, bool is_separate);
void descriptor_names_close(struct descriptor_names *names);

/* Names the descriptor of a thread, in its own table. Returns what waiting for it is: WAIT_NETWORK,
 * WAIT_DISK, or WAIT_OTHER. "" if there is none. `names` may be NULL. */
enum wait_kind descriptor_name(const struct descriptor_names *names, uint32_t tid, int fd,
                               char *ret, size_t ret_size);

/* "10.0.0.9:5432", "[::1]:80", "/run/db.sock", "@name"; "" for what has no name. */
void address_name(const struct sockaddr_storage *address, socklen_t size, char *ret,
                  size_t ret_size);

/* The same behind "TCP ", "UDP " or "unix ", of the socket behind a descriptor. */
void address_name_for(const struct descriptor_names *names, uint32_t tid, int fd,
                      const struct sockaddr_storage *address, socklen_t size, char *ret,
                      size_t ret_size);

#endif
