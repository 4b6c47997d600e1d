/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_tables.h: the unwind tables of the modules that walks met, built in the background.
 *
 *     unwind_tables_open(UNWIND_TABLES_SIZE_MAX);
 *     unwind_tables_refresh(&modules, changed, now_ns);  before a round of walks
 *     answer = unwind_tables_find(&modules, pc, &found);
 *     unwind_tables_close();
 *
 * A module's table is ordered when a walk first meets the module. A thread of ours,
 * "stakeout-tables", nicer than the host's, builds one after the other; nobody waits for it, and
 * until a table is there libunwind steps. The thread is not the link's, because that may wait for
 * the network for seconds while a call is slow, and reports would wait for a large library's table.
 *
 * Tables are kept by module (path, build-id, place, and the head of its unwind information), so
 * that dlopen() and dlclose() cost only the modules that they are about. A module that went away
 * loses its table at the next refresh. Above size_max the table goes that was not met
 * for longest; those of the last minute stay, and what finds no room is tried again later.
 *
 * After fork() the child has the parent's tables, without a copy: unwind_tables_forget() there
 * keeps them, and drops what was in the making.
 *
 * There is one set in a process. Threads: all functions are the sampler's, or under its lock. */
#ifndef STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_TABLES_H
#define STAKEOUT_PROBE_AGENT_UNWIND_UNWIND_TABLES_H

#include "common/base/clock.h"
#include "probe/agent/unwind/unwind_table.h"

struct modules;

/* `size_max`: bytes that the tables may take. 0; -EALREADY; -EAGAIN: no thread can be had. */
int unwind_tables_open(size_t size_max);
void unwind_tables_close(void); /* returns when the thread has ended; frees all tables */
void unwind_tables_forget(void);

/* Takes the tables that were finished, and lets those go whose module is not in the list. Returns
 * whether what unwind_tables_find() said before may be wrong now. */
bool unwind_tables_refresh(const struct modules *modules, bool modules_changed, uint64_t now_ns);

enum { TABLE_NONE = 0xffff };

#define TABLE_KEPT_NS  (60 * NS_PER_S) /* a table that was met since then is not pushed out */
#define TABLE_RETRY_NS (60 * NS_PER_S) /* after a failure that may pass */

/* Looks an address up. Returns the table's number, to be met again; or TABLE_NONE with ROW_NONE, if
 * the address is of no module that has entries, or with ROW_OTHER, if there is no table, or not
 * yet. */
uint32_t unwind_tables_find(const struct modules *modules, uint64_t pc, struct unwind_found *ret);

/* A walk met the table again, by what was kept of an earlier find. */
void unwind_tables_meet(uint32_t number);

/* Figures. A table is `failed` where none can be had; libunwind steps there for good. */
struct unwind_tables_counts {
    uint32_t ready, ordered, failed;
    uint32_t rows, entries, others;    /* of those that are ready: see struct unwind_table */
    uint64_t size;                     /* bytes held; what is being built is not in it */
    uint64_t built_count, freed_count; /* since it was opened */
};
void unwind_tables_count(struct unwind_tables_counts *ret);
uint64_t unwind_tables_cpu_ns(void); /* of the threads, ever */

/* The table that holds an address, if it is ready; NULL else. It lives until the next refresh. */
const struct unwind_table *unwind_tables_peek(uint64_t pc);

#endif
