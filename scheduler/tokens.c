/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c: the look-up at the door, and the commands, each with a store of its own for one
 * order.
 *
 * A command uses the Redis of a stakeoutd that runs beside it (options.share), and otherwise starts
 * the private one for as long as it takes. The secret exists in this process alone, from its making
 * to its printing; what is looked up at the door is its hash, so that a copy of Redis opens
 * nothing. */
#include "scheduler/tokens.h"

#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/text.h"
#include "common/base/wall_time.h"
#include "common/model/task_spec.h"
#include "scheduler/store/store.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_SIZE = 32, ANSWER_S_MAX = 20, ARGUMENTS = 2 };

/* A prefix that people, and scanners of leaked secrets, recognise. */
#define TOKEN_PREFIX "stakeout_"
enum { TOKEN_SIZE = sizeof TOKEN_PREFIX - 1 + 2 * SECRET_SIZE };

static const struct {
    const char *name;
    enum http_role role;
} roles[] = {
    { "viewer", HTTP_VIEWER },
    { "operator", HTTP_OPERATOR },
    { "probe", HTTP_PROBE },
};

static int role_parse(const char *name, enum http_role *ret)
{
    for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
        if (strcmp(roles[i].name, name) != 0) continue;
        *ret = roles[i].role;
        return 0;
    }
    return -EINVAL;
}

/* ------------------------------------------------------------------ at the door */

int tokens_identify(void *context, const unsigned char sha256[32], struct http_identity *ret)
{
    const struct store_token *token;
    char hash[TOKEN_HASH_SIZE + 1];
    enum http_role role;

    text_to_hex(sha256, TOKEN_HASH_SIZE / 2, hash);
    token = store_token_find(context, text_of(hash));
    if (!token || role_parse(token->role, &role) < 0) return -ENOENT;
    ret->role = role;
    snprintf(ret->name, sizeof ret->name, "%s", token->name);
    return 0;
}

bool tokens_are_there(void *context)
{
    const struct store_token *tokens;

    return store_token_list(context, &tokens) > 0;
}

/* ------------------------------------------------------------------ the commands */

struct command {
    const struct config *config;
    struct event_base *base;
    struct store *store;
    void (*run)(struct command *command); /* once Redis is there */
    struct store_token token;
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

static void on_put(void *context, const struct problem *problem)
{
    struct command *command = context;

    if (problem) {
        fail(command, problem->detail);
        return;
    }
    fprintf(stderr, "The %s token '%s'; it is not shown again:\n", command->token.role,
            command->token.name);
    printf("%s\n", command->secret);
    end(command, 0);
}

static void run_create(struct command *command)
{
    if (make_secret(command) < 0)
        fail(command, "There are no random numbers for a token.");
    else
        store_token_put(command->store, &command->token, on_put, command);
}

static void on_revoked(void *context, const struct problem *problem)
{
    struct command *command = context;

    if (problem) {
        fail(command, problem->detail);
        return;
    }
    fprintf(stderr, "The token '%s' is revoked.\n", command->token.name);
    end(command, 0);
}

static void run_revoke(struct command *command)
{
    store_token_revoke(command->store, text_of(command->token.name), on_revoked, command);
}

static void print_token(const struct store_token *token)
{
    char created[WALL_TIME_SIZE], revoked[WALL_TIME_SIZE] = "-";

    wall_time_format(token->created_wall_ms, created);
    if (token->revoked_wall_ms != 0) wall_time_format(token->revoked_wall_ms, revoked);
    printf("%-9s %-25s %-25s %s\n", token->role, created, revoked, token->name);
}

static void run_list(struct command *command)
{
    const struct store_token *tokens;
    size_t count = store_token_list(command->store, &tokens);

    printf("%-9s %-25s %-25s %s\n", "ROLE", "CREATED", "REVOKED", "NAME");
    for (size_t i = 0; i < count; i++) {
        print_token(&tokens[i]);
    }
    end(command, 0);
}

/* ------------------------------------------------------------------ one run */

/* The tokens are loaded a little after the connection is there. */
static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct command *command = context;

    (void)fd;
    (void)what;
    if (command->has_run || !store_is_up(command->store) || !store_tokens_are_known(command->store))
        return;
    command->has_run = true;
    command->run(command);
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
    const struct config *config = command->config;
    struct store_options options = { .state_dir = config->state_dir,
                                     .url = *config->redis ? config->redis : NULL,
                                     .redis_path = config->redis_server,
                                     .share = true,
                                     .on_given_up = on_given_up,
                                     .context = command };
    struct event *turn, *late;

    command->base = event_base_new();
    CHECK(command->base);
    options.base = command->base;
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

static int read_arguments(const struct config *config, struct command *command,
                          struct problem *problem)
{
    static const char usage[] =
        "The commands are: stakeoutd token create viewer|operator|probe NAME, stakeoutd token "
        "list, stakeoutd token revoke NAME.";
    const char *const *words = config->arguments;
    int count = config->argument_count;
    const char *verb = count >= ARGUMENTS ? words[1] : "";
    const char *name = "";

    if (strcmp(verb, "create") == 0 && count == ARGUMENTS + 2) {
        enum http_role role;

        if (role_parse(words[2], &role) < 0)
            return problem_set_field(problem, "role",
                                     "The role '%.32s' is not known; it must be "
                                     "viewer, operator or probe.",
                                     words[2]);
        command->run = run_create;
        snprintf(command->token.role, sizeof command->token.role, "%s", words[2]);
        name = words[3];
    } else if (strcmp(verb, "revoke") == 0 && count == ARGUMENTS + 1) {
        command->run = run_revoke;
        name = words[2];
    } else if (strcmp(verb, "list") == 0 && count == ARGUMENTS) {
        command->run = run_list;
        return 0;
    } else {
        return problem_set(problem, PROBLEM_BAD_REQUEST, "%s", usage);
    }
    if (!*name || author_check(text_of(name), problem) < 0)
        return problem_set_field(problem, "name",
                                 "A token's name must be 1 to %d bytes of printable UTF-8.",
                                 TOKEN_NAME_SIZE_MAX);
    snprintf(command->token.name, sizeof command->token.name, "%s", name);
    return 0;
}

int tokens_command(const struct config *config)
{
    struct command command = { .config = config, .exit_code = 1 };
    struct problem problem = { 0 };

    if (read_arguments(config, &command, &problem) < 0) {
        fprintf(stderr, "stakeoutd: %s\n", problem.detail);
        return 2;
    }
    if (config_make_state_dir(config, &problem) < 0 || run(&command, &problem) < 0) {
        fprintf(stderr, "stakeoutd: %s\n", problem.detail);
        return 1;
    }
    return command.exit_code;
}
