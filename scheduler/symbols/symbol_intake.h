/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_intake.h: one file on its way into the store, seen from the loop.
 *
 *     intake = symbol_intake_start(&options);      a process of its own (intake_worker.h)
 *     ... receiving: its bytes to symbol_intake_fd() ...
 *     then on_end(context, rc, file), once, later; or symbol_intake_drop()
 *
 * One event-loop thread. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_INTAKE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_SYMBOL_INTAKE_H

#include "scheduler/symbols/child.h"
#include "scheduler/symbols/symbol_store.h"
#include "scheduler/symbols/worker/intake_worker.h"

struct symbol_intake;

struct symbol_intake_result {
    int rc; /* 0; or -errno as struct intake_verdict has it, -EIO: the process died */
    const struct symbol_file *file; /* NULL unless rc is 0 */
    struct text build_id;           /* likewise */
    bool has_lines, has_names;
};

struct symbol_intake_options {
    struct graves *graves;
    struct symbol_store *store;
    const char *program;
    enum symbol_source source;
    uint64_t size;    /* of what comes; fetching: the most that may come */
    uint64_t time_ms; /* until it must have ended; 0: the sender's care */
    /* Fetching: */
    const char *build_id_hex;
    const char *const *servers;
    size_t server_count;
    void *context;
    /* The intake is no more when this is called. */
    void (*on_end)(void *context, const struct symbol_intake_result *result);
};

/* NULL and *ret_rc if no file or process could be made. */
struct symbol_intake *symbol_intake_start(const struct symbol_intake_options *options, int *ret_rc);
void symbol_intake_drop(struct symbol_intake *intake);

int symbol_intake_fd(const struct symbol_intake *intake);

#endif
