/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c: the commands, each with a store of its own for one order.
 *
 * A command uses the Redis of a stakeoutd that runs beside it (options.share), and otherwise starts
 * the private one for as long as it takes. The secret exists in this process alone, from its making
 * to its printing; what is kept is its hash. */
#include "scheduler/tokens.h"

#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/text.h"
#include "common/base/wall_time.h"
#include "scheduler/access/scope.h"
#include "scheduler/store/store.h"
#include "scheduler/token_order.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_SIZE = 32, ANSWER_S_MAX = 20 };

/* A prefix that people, and scanners of leaked secrets, recognise. */
#define TOKEN_PREFIX "stakeout_"
enum { TOKEN_SIZE = sizeof TOKEN_PREFIX - 1 + 2 * SECRET_SIZE };

/* ------------------------------------------------------------------ the commands */

struct command {
    const struct config *config;
    struct event_base *base;
    struct store *store;
    struct token_order order;
    struct store_token token; /* the new one */
    char secret[TOKEN_SIZE + 1];
    int exit_code;
    bool has_run;
};

static void end(struct command *command, int exit_code)
{
    command->exit_code = exit_code;
    event_base_loopbreak(command->base);
}

static void fail(struct command *command, const char *why)
{
    fprintf(stderr, "stakeoutd: %s\n", why);
    end(command, 1);
}

static int make_secret(struct command *command)
{
    unsigned char bytes[SECRET_SIZE], digest[SECRET_SIZE];
    char hex[2 * SECRET_SIZE + 1];

    if (random_bytes(bytes, sizeof bytes) < 0) return -EIO;
    text_to_hex(bytes, sizeof bytes, hex);
    snprintf(command->secret, sizeof command->secret, TOKEN_PREFIX "%s", hex);
    if (EVP_Digest(command->secret, TOKEN_SIZE, digest, NULL, EVP_sha256(), NULL) != 1) return -EIO;
    text_to_hex(digest, sizeof digest, command->token.hash);
    return 0;
}

/* Who runs a command has no token: the audit log has the user's number. */
static void audit(struct command *command, const char *what, store_done_fn then)
{
    const struct token_order *order = &command->order;
    struct store_audit entry = { .at_wall_ms = 0 };

    snprintf(entry.who, sizeof entry.who, "uid %u", (unsigned)getuid());
    snprintf(entry.what, sizeof entry.what, "%s", what);
    snprintf(entry.subject, sizeof entry.subject, "%s", order->name);
    if (order->role) snprintf(entry.detail, sizeof entry.detail, "%s", order->role);
    store_audit_put(command->store, &entry, then, command);
}

static void print_secret(void *context, const struct problem *problem)
{
    struct command *command = context;

    if (problem)
        fprintf(stderr, "stakeoutd: The audit log does not have it: %s\n", problem->detail);
    fprintf(stderr, "The token '%s'; it is not shown again:\n", command->order.name);
    printf("%s\n", command->secret);
    end(command, 0);
}

static void on_put(void *context, const struct problem *problem)
{
    struct command *command = context;
    bool is_new = command->order.verb == TOKEN_CREATE;

    if (problem)
        fail(command, problem->detail);
    else
        audit(command, is_new ? "token-created" : "token-rotated", print_secret);
}

static void run_create(struct command *command)
{
    const struct token_order *order = &command->order;
    struct store_token *token = &command->token;

    snprintf(token->name, sizeof token->name, "%s", order->name);
    snprintf(token->role, sizeof token->role, "%s", order->role);
    if (order->expires_ms > 0)
        token->expires_wall_ms = store_now_wall_ms(command->store) + order->expires_ms;
    if (order->application_count > 0)
        token->scope = scope_new(order->applications, order->application_count);
    store_token_put(command->store, token, on_put, command);
    token->scope = scope_unref(token->scope);
}

static void run_rotate(struct command *command)
{
    store_token_rotate(command->store,
                       &(struct store_rotation){ .name = command->order.name,
                                                 .hash = command->token.hash,
                                                 .grace_ms = command->order.grace_ms },
                       on_put, command);
}

static void on_revocation_noted(void *context, const struct problem *problem)
{
    struct command *command = context;

    if (problem)
        fprintf(stderr, "stakeoutd: The audit log does not have it: %s\n", problem->detail);
    fprintf(stderr, "The token '%s' is revoked.\n", command->order.name);
    end(command, 0);
}

static void on_revoked(void *context, const struct problem *problem)
{
    if (problem)
        fail(context, problem->detail);
    else
        audit(context, "token-revoked", on_revocation_noted);
}

static void run_revoke(struct command *command)
{
    store_token_revoke(command->store, text_of(command->order.name), on_revoked, command);
}

static const char *state_of(const struct store *store, const struct store_token *token)
{
    if (token->revoked_wall_ms != 0) return "revoked";
    if (!store_token_is_good(store, token)) return token->is_replaced ? "replaced" : "expired";
    return token->is_replaced ? "grace" : "valid";
}

/* To the minute: "2026-11-21T03:12Z", or "-". */
enum { MINUTE_SIZE = 18 };
static void format_minute(uint64_t wall_ms, char ret[MINUTE_SIZE])
{
    char text[WALL_TIME_SIZE];

    wall_time_format(wall_ms, text);
    snprintf(ret, MINUTE_SIZE, "%.16sZ", text);
    if (wall_ms == 0) snprintf(ret, MINUTE_SIZE, "-");
}

static void print_token(const struct store *store, const struct store_token *token)
{
    char created[MINUTE_SIZE], used[MINUTE_SIZE], ends[MINUTE_SIZE];
    uint64_t ends_ms = token->revoked_wall_ms ? token->revoked_wall_ms : token->expires_wall_ms;

    format_minute(token->created_wall_ms, created);
    format_minute(token->used_wall_ms, used);
    format_minute(ends_ms, ends);
    printf("%-9s %-9s %-18s %-18s %-18s ", state_of(store, token), token->role, created, used,
           ends);
    for (size_t i = 0; scope_at(token->scope, i).size > 0; i++) {
        printf("%s%.*s", i > 0 ? "," : "", TEXT_ARGS(scope_at(token->scope, i)));
    }
    printf("%s  %s\n", scope_is_all(token->scope) ? "(all)" : "", token->name);
}

static void on_uses(void *context, const struct problem *problem)
{
    struct command *command = context;
    const struct store_token *tokens;
    size_t count = store_token_list(command->store, &tokens);

    if (problem) {
        fail(command, problem->detail);
        return;
    }
    printf("%-9s %-9s %-18s %-18s %-18s %s  %s\n", "STATE", "ROLE", "CREATED", "USED", "ENDS",
           "APPLICATIONS", "NAME");
    for (size_t i = 0; i < count; i++) {
        print_token(command->store, &tokens[i]);
    }
    end(command, 0);
}

static void run_list(struct command *command)
{
    store_token_read_uses(command->store, on_uses, command);
}

/* ------------------------------------------------------------------ one run */

static void (*const runs[])(struct command *command) = { [TOKEN_CREATE] = run_create,
                                                         [TOKEN_ROTATE] = run_rotate,
                                                         [TOKEN_REVOKE] = run_revoke,
                                                         [TOKEN_LIST] = run_list };

/* The tokens are loaded a little after the connection is there. */
static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct command *command = context;

    (void)fd;
    (void)what;
    if (command->has_run || !store_is_up(command->store) || !store_tokens_are_known(command->store))
        return;
    command->has_run = true;
    runs[command->order.verb](command);
}

static void on_late(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    fail(context, "Redis did not answer in time; nothing is known about the token.");
}

static void on_given_up(void *context, const struct problem *problem)
{
    fail(context, problem->detail);
}

static int run(struct command *command, struct problem *problem)
{
    struct store_options options = config_store(command->config);
    struct event *turn, *late;

    command->base = event_base_new();
    CHECK(command->base);
    options.base = command->base;
    options.share = true;
    options.on_given_up = on_given_up;
    options.context = command;
    command->store = store_new(&options, problem);
    if (!command->store) {
        event_base_free(command->base);
        return -1;
    }
    turn = event_new(command->base, -1, EV_PERSIST, on_turn, command);
    late = event_new(command->base, -1, 0, on_late, command);
    CHECK(turn && late);
    event_add(turn, &(struct timeval){ .tv_usec = 10000 });
    event_add(late, &(struct timeval){ .tv_sec = ANSWER_S_MAX });
    event_base_dispatch(command->base);
    event_free(turn);
    event_free(late);
    store_free(command->store);
    event_base_free(command->base);
    return 0;
}

int tokens_command(const struct config *config)
{
    struct command command = { .config = config, .exit_code = 1 };
    struct problem problem = { 0 };

    if (token_order_read(config->arguments + 1, config->argument_count - 1, &command.order,
                         &problem) < 0) {
        fprintf(stderr, "stakeoutd: %s\n", problem.detail);
        return 2;
    }
    if (make_secret(&command) < 0) {
        fprintf(stderr, "stakeoutd: There are no random numbers for a token.\n");
        return 1;
    }
    if (config_make_state_dir(config, &problem) < 0 || run(&command, &problem) < 0) {
        fprintf(stderr, "stakeoutd: %s\n", problem.detail);
        return 1;
    }
    return command.exit_code;
}
