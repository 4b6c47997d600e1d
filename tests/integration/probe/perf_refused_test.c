/* SPDX-License-Identifier: Apache-2.0 */
/* perf_refused_test.c: where perf events are refused, killed or half allowed, signals take their
 * place, and say so. Each claim is made in a process of its own. */
#include "probe/agent/engine/perf_watch.h"
#include "tests/integration/probe/one_task.h"
#include "tests/integration/probe/perf_scene.h"
#include "tests/support/child.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A slow call that runs, in a process of its own. Returns the child's exit status: 0 if it was
 * looked at by signals, and that was said in a sentence with this word. */
static int signalled_main(const char *word)
{
    struct ledger ledger;
    stakeout_call call;

    call = stakeout_call_begin(perf_arm("refused"));
    perf_spin_ms(150);
    stakeout_call_end(call, 0);
    if (!wait_until(perf_samples_are, &(uint32_t){ 1 }, 10000)) return 4;
    ledger = one_task_ledger();
    if (ledger.perf != 0 || ledger.signals == 0) return 5;
    if (!perf_trouble(word)) return 6;
    if (!strstr(perf_trouble(word), "sent signals")) return 7;
    sampler_stop();
    return 0;
}

static int begin_in_child(const struct sampler_options *options)
{
    perf_forget();
    sampler_forget();
    return one_task_start(options);
}

/* perf_event_open ends the process if `kills`, else it is refused. On all threads. */
static int filter_set(bool kills)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, kills ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0
               ? 0
               : -errno;
}

static const struct sampler_options perf_options = { .on_sample = perf_on_sample,
                                                     .thread_files_max = THREAD_FILES_HELD,
                                                     .engine = SAMPLER_ENGINE_PERF };

static int early_filter_main(void)
{
    if (filter_set(true) < 0) return CHILD_SKIPS;
    if (begin_in_child(&perf_options) != 0) return 3;
    return signalled_main("Filters");
}

static bool has_proven(void *context)
{
    struct sampler_cost cost;

    (void)context;
    sampler_cost(&cost); /* waits for the lock under which it is tried */
    return cost.cpu_ns > 0;
}

static int late_filter_main(void)
{
    stakeout_call call;

    if (begin_in_child(&perf_options) != 0) return 3;
    call = stakeout_call_begin(perf_arm("before"));
    perf_spin_ms(100);
    stakeout_call_end(call, 0);
    if (!wait_until(perf_samples_are, &(uint32_t){ 1 }, 10000)) return 8;
    if (perf_trouble("not allowed")) return CHILD_SKIPS;
    sample_free(perf_samples[0]);
    perf_sample_count = 0;
    if (filter_set(true) < 0) return CHILD_SKIPS;
    if (!wait_until(has_proven, NULL, 5000)) return 9;
    return signalled_main("perf event");
}

static void a_filter_that_kills_is_not_met(void **state)
{
    (void)state;
    child_claim(early_filter_main);
}

static void nor_one_that_comes_later(void **state)
{
    (void)state;
    child_claim(late_filter_main);
}

static int shared_table_main(void)
{
    static const struct sampler_options options = { .on_sample = perf_on_sample,
                                                    .engine = SAMPLER_ENGINE_PERF };

    if (begin_in_child(&options) != 0) return 3;
    return signalled_main("descriptor table");
}

static void in_the_hosts_descriptor_table_none_is_opened(void **state)
{
    (void)state;
    child_claim(shared_table_main);
}

/* Without rights the kernel hides what runs in it, or all. "auto" does without, then. */
static int unprivileged_main(enum sampler_engine engine, const char *word)
{
    struct sampler_options options = perf_options;
    struct ledger ledger;
    stakeout_call call;
    bool sends;

    if (geteuid() != 0) return CHILD_SKIPS;
    options.engine = engine;
    if (setgid(65534) != 0 || setuid(65534) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0) return 3;
    if (begin_in_child(&options) != 0) return 3;
    call = stakeout_call_begin(perf_arm("unprivileged"));
    perf_spin_ms(200);
    stakeout_call_end(call, 0);
    if (!wait_until(perf_samples_are, &(uint32_t){ 1 }, 10000)) return 4;
    ledger = one_task_ledger();
    print_message("  %u by perf, %u by signal: %s\n", (unsigned)ledger.perf,
                  (unsigned)ledger.signals, perf_trouble(word) ? perf_trouble(word) : "no trouble");
    if (!perf_trouble("erf"))
        return ledger.signals == 0 ? CHILD_SKIPS : 5; /* it may all the same */
    if (!perf_trouble(word)) return 6;
    sends = perf_trouble("sent signals") != NULL;
    sampler_stop();
    if (sends) return ledger.perf == 0 && ledger.signals > 0 ? 0 : 7;
    return engine == SAMPLER_ENGINE_PERF && ledger.perf > 0 && ledger.signals == 0 ? 0 : 8;
}

static int unprivileged_auto_main(void)
{
    return unprivileged_main(SAMPLER_ENGINE_AUTO, "perf_event_open is not allowed");
}

static int unprivileged_perf_main(void)
{
    return unprivileged_main(SAMPLER_ENGINE_PERF, "perf_event_paranoid");
}

static void without_rights_auto_sends_signals(void **state)
{
    (void)state;
    child_claim(unprivileged_auto_main);
}

static void without_rights_perf_says_what_it_cannot_see(void **state)
{
    (void)state;
    child_claim(unprivileged_perf_main);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_that_kills_is_not_met),
        cmocka_unit_test(nor_one_that_comes_later),
        cmocka_unit_test(in_the_hosts_descriptor_table_none_is_opened),
        cmocka_unit_test(without_rights_auto_sends_signals),
        cmocka_unit_test(without_rights_perf_says_what_it_cannot_see),
    };

    return cmocka_run_group_tests_name("perf_refused", tests, NULL, NULL);
}
