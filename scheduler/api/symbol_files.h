/* SPDX-License-Identifier: Apache-2.0 */
/* symbol_files.h: where the body of an upload goes: for api.c's door of that route. */
#ifndef STAKEOUT_SCHEDULER_API_SYMBOL_FILES_H
#define STAKEOUT_SCHEDULER_API_SYMBOL_FILES_H

#include "scheduler/api/state.h"

/* As struct http_sink has them. */
int symbol_sink_open(struct api *api, uint64_t body_size, void **ret_sink,
                     struct http_refusal *ret_why);
void symbol_sink_drop(void *sink);

#endif
