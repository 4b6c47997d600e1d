/* SPDX-License-Identifier: Apache-2.0 */
/* config.h: which scheduler, with which token, and who vouches for it.
 *
 * Each comes from its option, else from its variable (STAKEOUT_SERVER, STAKEOUT_TOKEN,
 * STAKEOUT_CA), else from the file $XDG_CONFIG_HOME/stakeout/config ($HOME/.config where that is
 * not set):
 *
 *     # a comment
 *     server = http://127.0.0.1:7411
 *     token = 5f0c...
 *     ca = /etc/stakeout/ca.pem
 *
 * else the server is http://127.0.0.1:7411, and there is no token. A file that others can read is
 * no place for a token: then it is not used, and `warning` says so. */
#ifndef STAKEOUT_TOOLS_CLI_LINE_CONFIG_H
#define STAKEOUT_TOOLS_CLI_LINE_CONFIG_H

#include "common/base/buf.h"
#include "tools/cli/line/options.h"

#define SERVER_DEFAULT "http://127.0.0.1:7411"

enum {
    SERVER_SIZE_MAX = 1024,
    TOKEN_SIZE_MAX = 512,
    CA_SIZE_MAX = 1023,
    CONFIG_SIZE_MAX = 64 * 1024
};

struct config {
    char server[SERVER_SIZE_MAX + 1]; /* without a slash at its end */
    char token[TOKEN_SIZE_MAX + 1];   /* empty: none */
    char ca[CA_SIZE_MAX + 1];         /* for https; empty: who the system trusts */
    const char *server_from;          /* "--server", "STAKEOUT_SERVER", "the file", "default" */
    const char *token_from;           /* NULL: there is none */
};

/* Returns 0, or -1 with a sentence: what is malformed is never passed over. */
int config_load(const struct line *line, struct config *ret, struct buf *warning,
                struct problem *problem);

#endif
