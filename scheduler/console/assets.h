/* SPDX-License-Identifier: Apache-2.0 */
/* assets.h: the files of the console as they are in the program: compressed once, when it is
 * built (embed.cmake). Constant; any thread. */
#ifndef STAKEOUT_SCHEDULER_CONSOLE_ASSETS_H
#define STAKEOUT_SCHEDULER_CONSOLE_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path;   /* below scheduler/console: "graph/model.js" */
    const char *digest; /* the first half of the SHA-256 of what is served, in hex */
    const unsigned char *gzip;
    size_t gzip_size, size; /* compressed, and not */
};

/* The page comes first; the others by path. */
extern const struct asset assets[];
extern const size_t asset_count;

/* Of all files together: a part of their addresses, so that these may be kept for ever. */
extern const char assets_release[];

#endif
