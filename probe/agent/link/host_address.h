/* SPDX-License-Identifier: Apache-2.0 */
/* host_address.h: under which address the host is known: that of its connection to the scheduler;
 * if that is loopback, that of its default route. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_HOST_ADDRESS_H
#define STAKEOUT_PROBE_AGENT_LINK_HOST_ADDRESS_H

#include "common/base/text.h"
#include "common/model/limits.h"

/* `connection_ip` may be empty: not connected yet. Sends nothing: a UDP socket is connected to a
 * documentation address, for the route alone. "127.0.0.1" on a machine without any other. */
void host_address_find(struct text connection_ip, char ret[HOST_IP_SIZE_MAX + 1]);

#endif
