/* SPDX-License-Identifier: Apache-2.0 */
/* scan.h: is this one well-formed msgpack object that may be unpacked?
 *
 *     if (wire_scan(body, &why) < 0) refuse, saying why;
 *
 * Reads every header and allocates nothing, so that what is unpacked afterwards can be believed:
 * a general unpacker reserves memory by the word of a header, and five bytes reserve gigabytes. */
#ifndef STAKEOUT_COMMON_WIRE_SCAN_H
#define STAKEOUT_COMMON_WIRE_SCAN_H

#include "common/base/text.h"

/* Returns 0; or -EINVAL with a phrase that completes "the body ...". Limits: WIRE_DEPTH_MAX,
 * WIRE_OBJECTS_MAX, no extension types, nothing behind the object. */
int wire_scan(struct text body, const char **ret_why);

#endif
