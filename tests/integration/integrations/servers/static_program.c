/* SPDX-License-Identifier: Apache-2.0 */
/* Linked statically: nothing can be preloaded into it. */
#include <unistd.h>

int main(void)
{
    return write(1, "static\n", 7) == 7 ? 5 : 1;
}
