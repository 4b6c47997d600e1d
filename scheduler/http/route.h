/* SPDX-License-Identifier: Apache-2.0 */
/* route.h: which route a path is, and the decoded pieces of path and query.
 *
 *     struct pieces pieces = { 0 };
 *     if (route_matches(route->path, path, &pieces)) ...      "/tasks/{id}/log"
 *     if (pieces_parse_query(query, &pieces) < 0) refuse;     malformed, or too many
 *     pieces_find(pieces.params, pieces.param_count, "id")
 *     pieces_done(&pieces);
 *
 * A {name} matches one segment that is not empty. Percent-decoding is strict: a malformed escape
 * or an escaped NUL refuses the request. In paths "%2F" stays part of its segment. */
#ifndef STAKEOUT_SCHEDULER_HTTP_ROUTE_H
#define STAKEOUT_SCHEDULER_HTTP_ROUTE_H

#include "common/base/text.h"

enum {
    ROUTE_PARAMS_MAX = 4,
    QUERY_PARAMS_MAX = 32, /* no page of ours knows a third of that */
};

struct piece {
    struct text name;
    struct text value; /* decoded, terminated; owned by the pieces */
};

struct pieces {
    struct piece *params; /* owned, as are queries; NULL: none */
    size_t param_count;
    struct piece *queries;
    size_t query_count;
};

/* Is `path` what `pattern` describes? Fills params; leaves them alone otherwise. A malformed
 * escape in a parameter does not match. */
bool route_matches(const char *pattern, struct text path, struct pieces *pieces);

/* Returns 0, or -EINVAL for a malformed escape or more than QUERY_PARAMS_MAX parameters. */
int pieces_parse_query(struct text query, struct pieces *pieces);

const struct piece *pieces_find(const struct piece *pieces, size_t count, const char *name);
void pieces_done(struct pieces *pieces); /* accepts a zeroed struct */

#endif
