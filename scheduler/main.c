/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: stakeoutd. Three programs in one file: the scheduler, its commands, and the worker
 * process that reads other people's ELF files for it. */
#include "scheduler/app.h"
#include "scheduler/config.h"
#include "scheduler/symbols/symbols.h"
#include "scheduler/tokens.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

static int run_command(const struct config *config)
{
    if (config->argument_count == 0) return app_run(config);
    if (strcmp(config->arguments[0], "token") == 0) return tokens_command(config);
    fprintf(stderr, "stakeoutd: '%s' is not a command; 'stakeoutd --help' lists them.\n",
            config->arguments[0]);
    return EXIT_MISUSED;
}

int main(int argc, char **argv)
{
    struct problem problem = { 0 };
    struct config config;

    if (symbols_worker_is_meant(argc, argv)) return symbols_worker_run(argc, argv);
    switch (config_read(argc, argv, &config, &problem)) {
    case CONFIG_HELP:
        config_print_help(stdout);
        return EXIT_DONE;
    case CONFIG_VERSION:
        printf("stakeoutd %s\n", STAKEOUT_VERSION);
        return EXIT_DONE;
    case CONFIG_RUN:
        return run_command(&config);
    case CONFIG_REFUSED:
        break;
    }
    fprintf(stderr, "stakeoutd: %s\n", problem.detail);
    return EXIT_MISUSED;
}
