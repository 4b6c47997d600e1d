/* SPDX-License-Identifier: Apache-2.0 */
/* escape.h: texts from outside, written so that they stay data, in JSON, XML and plain text.
 *
 * All take any bytes: what is not UTF-8 becomes U+FFFD, one for each bad byte. Appending past
 * the buffer's bound sets its `failed`, as always. */
#ifndef STAKEOUT_SCHEDULER_ANALYSIS_ESCAPE_H
#define STAKEOUT_SCHEDULER_ANALYSIS_ESCAPE_H

#include "common/base/buf.h"

/* As it is, but valid UTF-8. */
void escape_invalid(struct buf *to, struct text text);

/* Within quotes of JSON; the quotes are not written. Control and bidirectional characters come
 * as \u escapes: the reader gets them back, and the file itself shows no trick. */
void escape_json(struct buf *to, struct text text);

/* For people, and for formats without escapes: control characters become their pictures
 * (U+2400 and on), bidirectional and other invisible controls "<U+202E>". */
void escape_visible(struct buf *to, struct text text);

/* escape_visible(), and &, <, >, ", ' as entities: content or attribute of XML. */
void escape_xml(struct buf *to, struct text text);

/* escape_visible(), and ';' becomes ':': a frame of collapsed stacks. */
void escape_folded(struct buf *to, struct text text);

/* How many characters (code points) a UTF-8 text has. */
size_t text_characters(struct text text);

/* The longest beginning of a UTF-8 text with at most `characters`. */
struct text text_head(struct text text, size_t characters);

#endif
