/* SPDX-License-Identifier: Apache-2.0 */
/* blob.h: a report's bytes as they are stored: one zstd frame with its checksum, because Redis'
 * append-only file has none. Threads: one. */
#ifndef STAKEOUT_SCHEDULER_STORE_BLOB_H
#define STAKEOUT_SCHEDULER_STORE_BLOB_H

#include "common/base/buf.h"

/* Both append. Packing: 0 or -ENOBUFS. Unpacking: also -EBADMSG for anything that packing at
 * most `size_max` bytes would not have written, before more than that is allocated. */
int blob_pack(struct text bytes, struct buf *ret);
int blob_unpack(struct text blob, size_t size_max, struct buf *ret);

#endif
