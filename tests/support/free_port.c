/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/free_port.h"

#include "tests/support/loopback.h"

#include <unistd.h>

uint16_t free_port(void)
{
    uint16_t port;

    close(loopback_listen(0, &port));
    return port;
}
