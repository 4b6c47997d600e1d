/* SPDX-License-Identifier: Apache-2.0 */
/* access.c: the look-up at the door. What is looked up is a token's hash, so that a copy of Redis
 * opens nothing. */
#include "scheduler/access/access.h"

#include "common/base/check.h"
#include "scheduler/access/scope.h"
#include "scheduler/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct access {
    struct store *store;
};

static const struct {
    const char *name;
    enum http_role role;
} roles[] = {
    { "viewer", HTTP_VIEWER },
    { "operator", HTTP_OPERATOR },
    { "probe", HTTP_PROBE },
};

int role_parse(struct text name, enum http_role *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        if (!text_is_equal(text_of(roles[i].name), name)) continue;
        *ret = roles[i].role;
        return 0;
    }
    return -EINVAL;
}

const char *role_name(enum http_role role)
{
    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        if (roles[i].role == role) return roles[i].name;
    }
    return "anyone";
}

int access_identify(void *context, const unsigned char sha256[32], struct http_identity *ret)
{
    struct access *access = context;
    const struct store_token *token;
    char hash[TOKEN_HASH_SIZE + 1];
    enum http_role role;

    text_to_hex(sha256, TOKEN_HASH_SIZE / 2, hash);
    token = store_token_find(access->store, text_of(hash));
    if (!token || role_parse(text_of(token->role), &role) < 0) return -ENOENT;
    store_token_note_use(access->store, token);
    ret->role = role;
    ret->scope = scope_ref(token->scope);
    snprintf(ret->name, sizeof ret->name, "%s", token->name);
    return 0;
}

bool access_has_tokens(void *context)
{
    const struct access *access = context;
    const struct store_token *tokens;

    return store_token_list(access->store, &tokens) > 0;
}

bool access_knows_tokens(void *context)
{
    const struct access *access = context;

    return store_tokens_are_known(access->store);
}

struct access *access_new(struct store *store)
{
    struct access *access = mem_zalloc(1, sizeof *access);

    access->store = store;
    return access;
}

struct access *access_free(struct access *access)
{
    free(access);
    return NULL;
}
