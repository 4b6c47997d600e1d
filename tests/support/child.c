/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/child.h"

#include "tests/support/test.h"

#include <sys/wait.h>
#include <unistd.h>

void child_claim(int (*child_main)(void))
{
    int status = 0;
    pid_t pid;

#ifdef __SANITIZE_THREAD__
    skip();
#endif
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child_main());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status)) fail_msg("the child was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) == CHILD_SKIPS) skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}
