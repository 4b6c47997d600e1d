/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the program `stakeout`. */
#include "tools/cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
