/* SPDX-License-Identifier: Apache-2.0 */
/* mangled_name.h: C++ names within texts: "mutex _ZN4shop9cart_lockE". */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_MANGLED_NAME_H
#define STAKEOUT_SCHEDULER_SYMBOLS_MANGLED_NAME_H

#include "common/base/text.h"

/* The first mangled name of a text, a loan of it; empty: there is none. */
struct text mangled_name_find(struct text text);

/* The text with `name`, a part of it, replaced. Owned by the caller (free()). */
struct text mangled_name_replace(struct text text, struct text name, struct text with);

#endif
