/* SPDX-License-Identifier: Apache-2.0 */
/* task.h: a task of the API for people; shared by the commands of tasks. */
#ifndef STAKEOUT_TOOLS_CLI_TASK_H
#define STAKEOUT_TOOLS_CLI_TASK_H

#include "tools/cli/cli.h"

bool task_is_final(const json_t *task);
bool task_is_scheduled(const json_t *task);
enum paint task_state_paint(struct text state);

/* When it was told to start, if that was not at once; else 0. */
uint64_t task_start_ms(const json_t *task);

/* "4:12", or "in 4:12" until it starts; nothing once it is over. */
void task_put_left(const json_t *task, uint64_t now_wall_ms, struct buf *to);

void task_put_title(struct cli *cli, const json_t *task); /* "POST /checkout of shop" */
void task_put_status(struct cli *cli, const json_t *task,
                     uint64_t now_wall_ms); /* "ACTIVE, 4:12 left, 6 of 10 samples" */
void task_put_warnings(struct cli *cli, const json_t *task);

#endif
