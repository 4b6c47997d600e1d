/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: stakeoutd. Three programs in one file: the scheduler, its commands, and the worker
 * process that reads other people's ELF files for it. */
#include "common/base/own.h"
#include "scheduler/app.h"
#include "scheduler/backup.h"
#include "scheduler/config.h"
#include "scheduler/config_check.h"
#include "scheduler/init.h"
#include "scheduler/symbols/symbols.h"
#include "scheduler/tokens.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

static int check(const struct config *config, const struct config_origins *origins)
{
    return config_check(config, origins, stdout, stderr) == 0 ? EXIT_DONE : EXIT_MISUSED;
}

static int run(const struct config *config, struct config_origins *origins)
{
    if (config->argument_count == 0) return app_run(config, origins);
    if (strcmp(config->arguments[0], "token") == 0) return tokens_command(config);
    if (strcmp(config->arguments[0], "backup") == 0) return backup_command(config);
    if (strcmp(config->arguments[0], "restore") == 0) return restore_command(config);
    fprintf(stderr, "stakeoutd: '%s' is not a command; 'stakeoutd --help' lists them.\n",
            config->arguments[0]);
    return EXIT_MISUSED;
}

int main(int argc, char **argv)
{
    OWN(config_origins_done) struct config_origins origins = { 0 };
    struct problem problem = { 0 };
    struct config config;
    int exit_code = init_split(); /* first: before it, process 1 is deaf to SIGTERM */

    if (exit_code >= 0) return exit_code;
    if (symbols_worker_is_meant(argc, argv)) return symbols_worker_run(argc, argv);
    switch (config_read(argc, argv, &config, &origins, &problem)) {
    case CONFIG_HELP:
        config_print_help(stdout);
        return EXIT_DONE;
    case CONFIG_VERSION:
        printf("stakeoutd %s\n", STAKEOUT_VERSION);
        return EXIT_DONE;
    case CONFIG_CHECK:
        return check(&config, &origins);
    case CONFIG_RUN:
        return run(&config, &origins);
    case CONFIG_REFUSED:
        break;
    }
    fprintf(stderr, "stakeoutd: %s\n", problem.detail);
    return EXIT_MISUSED;
}
