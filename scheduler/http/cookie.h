/* SPDX-License-Identifier: Apache-2.0 */
/* cookie.h: one value out of a Cookie header. */
#ifndef STAKEOUT_SCHEDULER_HTTP_COOKIE_H
#define STAKEOUT_SCHEDULER_HTTP_COOKIE_H

#include "common/base/text.h"

/* The value of the first cookie of this name, a part of the header; data NULL: there is none. */
struct text cookie_find(struct text header, const char *name);

#endif
