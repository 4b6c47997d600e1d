/* SPDX-License-Identifier: Apache-2.0 */
/* Eight functions with frames of eight sizes; the last one's size is known at run time only. */
#include "tests/bench/probe/unwind_chain.h"

#include <alloca.h>
#include <string.h>

#define LINK(number)                                                        \
    __attribute__((noinline)) static int link_##number(struct chain *chain) \
    {                                                                       \
        volatile char room[24 + 40 * number];                               \
        int sum;                                                            \
                                                                            \
        room[number] = (char)chain->at;                                     \
        sum = chain->links[++chain->at](chain);                             \
        return sum + room[number];                                          \
    }

LINK(0)
LINK(1)
LINK(2)
LINK(3)
LINK(4)
LINK(5)
LINK(6)

__attribute__((noinline)) static int link_7(struct chain *chain)
{
    volatile char *room = alloca(64 + chain->at);
    int sum;

    room[3] = (char)chain->at;
    sum = chain->links[++chain->at](chain);
    return sum + room[3];
}

void chain_links(chain_link_fn ret[CHAIN_LINKS])
{
    static const chain_link_fn links[CHAIN_LINKS] = { link_0, link_1, link_2, link_3,
                                                      link_4, link_5, link_6, link_7 };

    memcpy(ret, links, sizeof links);
}
