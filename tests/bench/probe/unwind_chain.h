/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_chain.h: a stack to be unwound, of functions in several libraries that call each other.
 *
 * unwind_chain.c is built several times, without frame pointers; each library gives its links, and
 * links[] strings them together. The last one is the bench's. */
#ifndef STAKEOUT_TESTS_BENCH_PROBE_UNWIND_CHAIN_H
#define STAKEOUT_TESTS_BENCH_PROBE_UNWIND_CHAIN_H

enum { CHAIN_LINKS = 8, CHAIN_LIBRARIES = 3 };

struct chain;
typedef int (*chain_link_fn)(struct chain *chain);

struct chain {
    chain_link_fn links[CHAIN_LIBRARIES * CHAIN_LINKS + 1];
    unsigned at;
};

void chain_links(chain_link_fn ret[CHAIN_LINKS]) __attribute__((visibility("default")));

#endif
