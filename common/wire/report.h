/* SPDX-License-Identifier: Apache-2.0 */
/* report.h: a sample as the bytes of a `report`, and back.
 *
 *     rc = report_encode(sample, &body);      0, -ENOBUFS past the buffer's bound, -ENOMEM,
 *                                             -EINVAL for an id or a name that is none
 *     if (report_decode(body, &sample, &problem) < 0) refuse;
 *
 * Decoding checks everything that sample_check() does and that every name is acceptable: what it
 * returns can be stored and analysed without further questions. *ret is owned by the caller.
 * The tables and the snapshots travel as deltas: WIRE.md has the bytes. Only what the snapshots
 * reach is sent: a sample that was thinned is a smaller report. Equal samples are equal bytes. */
#ifndef STAKEOUT_COMMON_WIRE_REPORT_H
#define STAKEOUT_COMMON_WIRE_REPORT_H

#include "common/base/buf.h"
#include "common/model/histogram.h"
#include "common/model/sample.h"

struct problem;

int report_encode(const struct sample *sample, struct buf *to);
int report_decode(struct text body, struct sample **ret, struct problem *problem);

/* The buckets of a pulse_interface: only those that are not 0. count and max_ns travel beside
 * them: decoding sets ret->count to the buckets' sum and ret->max_ns to 0. It returns -1 with
 * *problem for anything that encoding would not write. Encoding returns as report_encode(). */
int histogram_encode(const struct histogram *histogram, struct buf *to);
int histogram_decode(struct text bytes, struct histogram *ret, struct problem *problem);

#endif
