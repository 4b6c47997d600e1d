/* SPDX-License-Identifier: Apache-2.0 */
/* config.h: what stakeoutd was told: flags before environment before file before default.
 *
 *     struct config config;
 *     switch (config_read(argc, argv, &config, &problem)) ...
 *
 * The settings stand in config.def. A value that is not acceptable is refused with a sentence
 * that says where it stood; none is ever ignored or corrected. */
#ifndef STAKEOUT_SCHEDULER_CONFIG_H
#define STAKEOUT_SCHEDULER_CONFIG_H

#include "common/base/log.h"
#include "common/model/problem.h"
#include "scheduler/setting.h"
#include "scheduler/store/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct config_origins;

enum { CONFIG_TEXT_SIZE_MAX = 1000, CONFIG_ARGUMENTS_MAX = 96, CONFIG_URLS_MAX = 8 };

struct config {
    char address[46];                        /* numeric */
    uint16_t port;                           /* 0: any free one */
    char tls_cert[CONFIG_TEXT_SIZE_MAX + 1]; /* empty: plain HTTP */
    char tls_key[CONFIG_TEXT_SIZE_MAX + 1], tls_client_ca[CONFIG_TEXT_SIZE_MAX + 1];
    bool insecure;
    char public_host[CONFIG_TEXT_SIZE_MAX + 1]; /* names, separated by spaces; empty: none */
    uint32_t audit_days;
    uint32_t rate_limit, probe_rate_limit; /* 0: none */
    char state_dir[CONFIG_TEXT_SIZE_MAX + 1];
    char redis[CONFIG_TEXT_SIZE_MAX + 1];               /* empty: a private one */
    char redis_password_file[CONFIG_TEXT_SIZE_MAX + 1]; /* this and the files of TLS: empty: none */
    char redis_ca[CONFIG_TEXT_SIZE_MAX + 1];
    char redis_cert[CONFIG_TEXT_SIZE_MAX + 1], redis_key[CONFIG_TEXT_SIZE_MAX + 1];
    char redis_server[CONFIG_TEXT_SIZE_MAX + 1];
    uint32_t retention_days;
    uint64_t retention_bytes; /* 0: no budget */
    bool read_module_paths;
    char debug_dir[CONFIG_TEXT_SIZE_MAX + 1];
    uint64_t symbols_bytes, symbols_upload_bytes;
    char debuginfod[CONFIG_TEXT_SIZE_MAX + 1]; /* URLs, separated by spaces; empty: none */
    char trace_url[CONFIG_TEXT_SIZE_MAX + 1];  /* has {trace_id} in it; empty: none */
    enum log_level log_level;
    enum log_format log_format;
    /* What stood on the command line beside the settings: "token", "create", "--role", ... */
    const char *arguments[CONFIG_ARGUMENTS_MAX];
    int argument_count;
    /* How it was read, to be read again. */
    int word_count;
    char **words;
};

/* Of each setting, in the order of config.def: the value as it was written, and where that stood:
 * "--listen", "STAKEOUT_LISTEN", "FILE:3", "default". */
struct config_origins {
    char *values[SETTING_COUNT], *places[SETTING_COUNT];
};
void config_origins_done(struct config_origins *origins);

enum config_outcome {
    CONFIG_REFUSED, /* *problem says why */
    CONFIG_RUN,     /* *ret is filled */
    CONFIG_CHECK,   /* likewise; it is to be looked at, and not to be run */
    CONFIG_HELP,
    CONFIG_VERSION,
};

/* With `origins`, which is zeroed, says of each value where it comes from; NULL: it does not. It
 * is the caller's to config_origins_done() whatever the outcome. */
enum config_outcome config_read(int argc, char **argv, struct config *ret,
                                struct config_origins *origins, struct problem *problem);

void config_print_help(FILE *to);

/* Where the store is, and how one comes in; the rest of the options is the caller's. It points
 * into the config. */
struct store_options config_store(const struct config *config);

/* Makes the state directory and its parents, for the owner alone. 0, or -1 with *problem. */
int config_make_state_dir(const struct config *config, struct problem *problem);

#endif
