/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.h: what the log says of the certificate of https, at the start and at SIGHUP. */
#ifndef STAKEOUT_SCHEDULER_CERTIFICATE_H
#define STAKEOUT_SCHEDULER_CERTIFICATE_H

#include <stdbool.h>

struct http;

/* Warns of one that ends soon, or has ended. */
void certificate_look(const struct http *http);

/* False: the new one is not acceptable, the log says why, and the one of before stays. */
bool certificate_reload(struct http *http);

#endif
