/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the head of a request: what is accepted can be read in one way only. */
#include "tests/fuzz/fuzz.h"

#include "scheduler/http/admit.h"
#include "scheduler/http/cookie.h"
#include "scheduler/http/head.h"
#include "scheduler/http/route.h"

#include <string.h>

/* The questions that are asked of every accepted head, for their own sake. */
static void ask(const struct head *head)
{
    struct pieces pieces = { 0 };
    unsigned char digest[32];

    cookie_find(head->cookie, HTTP_COOKIE);
    if (head->host.data) host_is_ours(head->host, "127.0.0.1", "stakeout.example other");
    if (head->origin.data && head->host.data) origin_is_ours(head->origin, head->host);
    if (head->authorization.data) bearer_digest(head->authorization, digest);
    route_matches("/api/v1/tasks/{id}/log", head->target, &pieces);
    pieces_parse_query(head->target, &pieces);
    for (size_t i = 0; i < pieces.query_count; i++) {
        CHECK(strlen(pieces.queries[i].value.data) == pieces.queries[i].value.size);
    }
    pieces_done(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = fuzz_text(data, size);
    const char *why = NULL;
    struct head head;
    int status = head_parse(text, &head, &why);

    if (status != 0) {
        CHECK(status >= 400 && status < 600 && why && why[0] != '\0');
        return 0;
    }
    CHECK(size <= HEAD_SIZE_MAX && head_end(text.data, size) == size);
    CHECK(!memchr(data, '\0', size));
    CHECK(head.target.data[0] == '/' || head.method == HEAD_OPTIONS);
    CHECK(head.body_size == 0 || (head.method & (HEAD_POST | HEAD_PUT | HEAD_OTHER)) != 0);
    CHECK(head.minor == 0 || head.host.data);
    ask(&head);
    return 0;
}
