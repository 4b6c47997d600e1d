/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the program. What is secret on its command line is taken off it at once, where `ps` and
 * others read it; the command reads a copy. */
#include "common/base/check.h"
#include "tools/cli/cli.h"

#include <string.h>

/* The value of "--token VALUE" or "--token=VALUE" at words[i]; NULL: there is none. */
static char *secret_at(char **words, int i)
{
    static const char option[] = "--token";
    size_t size = sizeof option - 1;

    if (strncmp(words[i], option, size) == 0 && words[i][size] == '=') return words[i] + size + 1;
    return i > 0 && strcmp(words[i - 1], option) == 0 ? words[i] : NULL;
}

static void hide_secrets(int argc, char **argv)
{
    for (int i = argc - 1; i > 0; i--) {
        char *secret = secret_at(argv, i), *word = argv[i];

        if (!secret) continue;
        argv[i] = mem_text(word, strlen(word));
        memset(secret, '*', strlen(secret));
    }
}

int main(int argc, char **argv)
{
    hide_secrets(argc, argv);
    return cli_main(argc, argv);
}
