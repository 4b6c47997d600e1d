/* SPDX-License-Identifier: Apache-2.0 */
/* source_path.h: the path of a source file as a person reads it. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SOURCE_PATH_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_SOURCE_PATH_H

/* Takes "folder/.." and "." out of a path, in place: "./time/../sysdeps/x.c" is "sysdeps/x.c". A
 * path with too many folders keeps its rest. */
void source_path_tidy(char *path);

#endif
