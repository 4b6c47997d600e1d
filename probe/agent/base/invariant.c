/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/base/invariant.h"

#include <stdatomic.h>
#include <stddef.h>

static _Atomic(const char *) broken;

bool invariant_broke(const char *what)
{
    const char *none = NULL;

    atomic_compare_exchange_strong_explicit(&broken, &none, what, memory_order_relaxed,
                                            memory_order_relaxed);
    return false;
}

const char *invariant_broken(void)
{
    return atomic_load_explicit(&broken, memory_order_relaxed);
}

void invariant_forget(void)
{
    atomic_store_explicit(&broken, NULL, memory_order_relaxed);
}
