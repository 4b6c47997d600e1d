/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent.c: version "-" trace-id "-" parent-id "-" flags, in lower-case hex:
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *
 * Version 00 ends there. A later one may go on after another "-"; ff is not a version. */
#include "probe/hot/traceparent.h"

#include <stddef.h>

enum { AT_TRACE = 3, AT_PARENT = 36, AT_FLAGS = 53, SIZE = 55 };

/* Reads `digits` (at most 16) hex digits; false at the first other character. */
static bool hex_read(const char *text, int digits, uint64_t *ret)
{
    uint64_t value = 0;

    for (int i = 0; i < digits; i++) {
        char c = text[i];

        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret = value;
    return true;
}

/* Each step reads only what the one before has shown to be there. */
bool traceparent_read(const char *header, uint64_t ret[2])
{
    uint64_t version, high, low, parent, flags;

    if (!header || !hex_read(header, 2, &version) || header[2] != '-' || version == 0xff)
        return false;
    if (!hex_read(header + AT_TRACE, 16, &high) || !hex_read(header + AT_TRACE + 16, 16, &low))
        return false;
    if (header[AT_PARENT - 1] != '-' || !hex_read(header + AT_PARENT, 16, &parent)) return false;
    if (header[AT_FLAGS - 1] != '-' || !hex_read(header + AT_FLAGS, 2, &flags)) return false;
    if (header[SIZE] != '\0' && (version == 0 || header[SIZE] != '-')) return false;
    if ((high == 0 && low == 0) || parent == 0) return false;
    ret[0] = high;
    ret[1] = low;
    return true;
}
