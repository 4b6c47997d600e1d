/* SPDX-License-Identifier: Apache-2.0 */
/* Which of our calls a filter kills, tried in a child; and that the test's own process lives. Each
 * case sets its filter in a child of the test, for filters are never taken away. */
#include "probe/agent/base/filters.h"

#include "tests/support/test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILTERS_MAX = 4, PASSED = 0, FAILED = 1 };

struct policy {
    int count;
    struct {
        unsigned number, answer;
    } calls[FILTERS_MAX];
};

static void set_filter(unsigned number, unsigned answer)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(FAILED);
}

/* Runs a check in a child, after the policy was set there. */
static void under(const struct policy *policy, bool (*check)(void))
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < policy->count; i++) {
            set_filter(policy->calls[i].number, policy->calls[i].answer);
        }
        _exit(check() ? PASSED : FAILED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status)); /* else a call of ours killed it */
    assert_int_equal(WEXITSTATUS(status), PASSED);
}

static void the_text_of_status_says_mode_and_number(void **state)
{
    (void)state;
    assert_true(filters_parse("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n") ==
                ((UINT64_C(2) << 32) | 3));
    assert_true(filters_parse("Name:\tx\nSeccomp:\t2\n") == UINT64_C(2) << 32);
    assert_true(filters_parse("Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n") == 0);
    assert_true(filters_parse("Name:\tx\n") == 0);
}

static bool nothing_is_forgone(void)
{
    char say[200];

    for (int call = 0; call < TRIED_CALLS; call++) {
        if (!filters_allow((enum tried_call)call)) return false;
    }
    return *filters_say(say, sizeof say) == '\0';
}

static bool all_is_well(void)
{
    return filters_try() == 0 && nothing_is_forgone() && filters_cover((uint32_t)gettid());
}

static void what_is_refused_is_not_killed(void **state)
{
    (void)state;
    under(&(struct policy){ 2,
                            { { SYS_unshare, SECCOMP_RET_ERRNO | EPERM },
                              { SYS_process_vm_readv, SECCOMP_RET_ERRNO | EPERM } } },
          all_is_well);
}

static bool two_are_forgone(void)
{
    char say[200];

    if (filters_try() != 0 || filters_allow(TRIED_unshare) || filters_allow(TRIED_rt_sigreturn))
        return false;
    if (!filters_allow(TRIED_setpriority) || filters_allow_signals()) return false;
    filters_say(say, sizeof say);
    return strstr(say, "unshare") && strstr(say, "rt_sigreturn") && !strstr(say, "setpriority");
}

static void what_kills_is_forgone_and_named(void **state)
{
    (void)state;
    under(&(struct policy){ 2,
                            { { SYS_unshare, SECCOMP_RET_KILL_PROCESS },
                              { SYS_rt_sigreturn, SECCOMP_RET_KILL_THREAD } } },
          two_are_forgone);
    under(
        &(struct policy){
            2, { { SYS_rt_sigreturn, SECCOMP_RET_TRAP }, { SYS_unshare, SECCOMP_RET_TRAP } } },
        two_are_forgone);
}

static bool it_stays_off(void)
{
    char say[200];

    return filters_try() == -EPERM &&
           strstr(filters_say_why_not(-EPERM, say, sizeof say), "socket");
}

static void a_vital_call_that_kills_keeps_us_off(void **state)
{
    (void)state;
    under(&(struct policy){ 1, { { SYS_socket, SECCOMP_RET_KILL_PROCESS } } }, it_stays_off);
}

static bool it_cannot_be_tried(void)
{
    return filters_try() == -EOPNOTSUPP;
}

/* A program that forbade itself new processes, by looking at the flags of clone. */
static void without_clone3_a_program_that_locked_itself_up_is_left_alone(void **state)
{
    (void)state;
    under(&(struct policy){ 2,
                            { { SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS },
                              { SYS_clone, SECCOMP_RET_KILL_PROCESS } } },
          it_cannot_be_tried);
}

static void on_child(int number)
{
    (void)number;
    _exit(FAILED);
}

static bool the_host_hears_of_no_child(void)
{
    struct sigaction action = { .sa_handler = on_child };

    sigaction(SIGCHLD, &action, NULL);
    return two_are_forgone() && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static void no_child_is_left_to_the_host(void **state)
{
    (void)state;
    under(&(struct policy){ 2,
                            { { SYS_unshare, SECCOMP_RET_KILL_PROCESS },
                              { SYS_rt_sigreturn, SECCOMP_RET_KILL_PROCESS } } },
          the_host_hears_of_no_child);
}

static bool a_further_filter_is_seen(void)
{
    if (filters_try() != 0 || !filters_cover((uint32_t)gettid())) return false;
    set_filter(SYS_unshare, SECCOMP_RET_KILL_PROCESS);
    if (filters_cover((uint32_t)gettid())) return false;
    filters_heed(0);
    return filters_cover((uint32_t)gettid()) && !filters_allow(TRIED_unshare);
}

static void filters_that_change_are_tried_again(void **state)
{
    (void)state;
    under(&(struct policy){ 0, { { 0 } } }, a_further_filter_is_seen);
    under(&(struct policy){ 1, { { SYS_setpriority, SECCOMP_RET_KILL_PROCESS } } },
          a_further_filter_is_seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_status_says_mode_and_number),
        cmocka_unit_test(what_is_refused_is_not_killed),
        cmocka_unit_test(what_kills_is_forgone_and_named),
        cmocka_unit_test(a_vital_call_that_kills_keeps_us_off),
        cmocka_unit_test(without_clone3_a_program_that_locked_itself_up_is_left_alone),
        cmocka_unit_test(no_child_is_left_to_the_host),
        cmocka_unit_test(filters_that_change_are_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
