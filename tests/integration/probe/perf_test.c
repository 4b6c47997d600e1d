/* SPDX-License-Identifier: Apache-2.0 */
/* perf_test.c: running threads are looked at by perf events, and get no signal.
 *
 * Signals are counted at the source: each loan of one has a sequence that rises. Where the machine
 * refuses perf events, all that is left to see is that signals take their place, and say so. */
#include "common/base/clock.h"
#include "probe/agent/engine/perf_watch.h"
#include "probe/hot/memory.h"
#include "tests/integration/probe/one_task.h"
#include "tests/support/test.h"
#include "tests/support/wait.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THRESHOLD_MS = 50, FREQUENCY_MS = 5, MINE_MAX = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sample *mine[MINE_MAX];
static uint32_t mine_count;
static _Thread_local volatile uint64_t sink;

static void on_sample(void *context, struct sample *take_sample)
{
    (void)context;
    one_task_accept(take_sample);
    pthread_mutex_lock(&lock);
    assert_true(mine_count < MINE_MAX);
    mine[mine_count++] = take_sample;
    pthread_mutex_unlock(&lock);
}

static bool samples_are(void *context)
{
    pthread_mutex_lock(&lock);
    bool are = mine_count >= *(uint32_t *)context;
    pthread_mutex_unlock(&lock);
    return are;
}

static void await_samples(uint32_t count)
{
    if (!wait_until(samples_are, &count, 10000)) fail_msg("%u samples", mine_count);
}

static stakeout_interface_id arm_lookback(const char *interface, bool lookback)
{
    return one_task_arm(&(struct one_task){ .interface = interface,
                                            .threshold_ms = THRESHOLD_MS,
                                            .frequency_ms = FREQUENCY_MS,
                                            .lookback = lookback });
}

static stakeout_interface_id arm(const char *interface)
{
    return arm_lookback(interface, false);
}

/* What `stakeout doctor` would be told of, and that has this word in it; NULL: nothing. */
static const char *trouble_of(const char *word)
{
    static struct sampler_cost cost;

    sampler_cost(&cost);
    for (uint32_t i = 0; i < cost.trouble_count; i++) {
        if (strstr(cost.troubles[i], word)) return cost.troubles[i];
    }
    return NULL;
}

static int start_with(const struct sampler_options *options)
{
    sampler_set_budget(SAMPLER_BUDGET_NONE, SAMPLER_BUDGET_NONE); /* each look counts here */
    return sampler_start(options, false);
}

static int start(void **state)
{
    struct sampler_options options = { .on_sample = on_sample,
                                       .thread_files_max = THREAD_FILES_HELD,
                                       .engine = SAMPLER_ENGINE_PERF };

    (void)state;
    return start_with(&options);
}

static int stop(void **state)
{
    (void)state;
    sampler_stop();
    for (uint32_t i = 0; i < mine_count; i++) {
        mine[i] = sample_free(mine[i]);
    }
    mine_count = 0;
    return 0;
}

/* Are there perf events on this machine at all? The sampler may be trying that at this moment. */
static void need_perf(void)
{
    static unsigned char bytes[STACK_COPY_SIZE_MAX];
    static struct perf_engine perf;

    perf_engine_open(&perf, SAMPLER_ENGINE_AUTO, true);
    perf_engine_prove(&perf, bytes, sizeof bytes);
    if (!perf.is_on) {
        print_message("  %s\n", perf_engine_trouble(&perf));
        skip();
    }
}

static uint32_t signals_sent(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < STACK_COPIES_MAX; i++) {
        count += atomic_load(&hot.loans[i].sequence);
    }
    return count;
}

static uint32_t count_rings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    uint32_t count = 0;

    while (fgets(line, sizeof line, maps)) {
        count += strstr(line, "[perf_event]") != NULL;
    }
    fclose(maps);
    return count;
}

static uint32_t count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    uint32_t count = 0;

    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

/* ---- the work ---- */

__attribute__((noinline)) static void spin_ms(uint64_t ms)
{
    uint64_t until_ns = clock_thread_cpu_ns() + ms * NS_PER_MS;

    while (clock_thread_cpu_ns() < until_ns) {
        for (int i = 0; i < 1000; i++) {
            sink++;
        }
    }
}

__attribute__((noinline)) static void elsewhere_ms(uint64_t ms)
{
    spin_ms(ms);
    sink++;
}

/* What a thread does that has given its call away. Unlike the one before, so that the compiler does
 * not take one for both; and for a number that it does not know, or it would make a copy. */
static volatile uint64_t behind_ms = 200;

__attribute__((noinline)) static void stay_behind_ms(uint64_t ms)
{
    spin_ms(ms);
    sink += 2;
}

static bool stack_has(const struct sample *sample, uint32_t snapshot, const void *function)
{
    const struct stack_table *table = &sample->stacks;
    const struct stack *stack = &table->stacks[sample->snapshots[snapshot].stack];
    Dl_info info;

    if (dladdr(function, &info) == 0) return false;
    for (uint32_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &table->frames[table->stack_frames[stack->first + i]];

        if (frame->kind == FRAME_NATIVE &&
            frame->function_offset == (uint64_t)((const char *)function - (char *)info.dli_fbase))
            return true;
    }
    return false;
}

static uint32_t count_with(const struct sample *sample, const void *function)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        count += stack_has(sample, i, function);
    }
    return count;
}

static uint32_t count_cut(const struct sample *sample)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct stack *stack = &sample->stacks.stacks[sample->snapshots[i].stack];
        uint32_t last = sample->stacks.stack_frames[stack->first + stack->count - 1];

        count += sample->stacks.frames[last].kind == FRAME_MARKER;
    }
    return count;
}

/* ---- what is claimed ---- */

static void a_call_that_runs_is_not_signalled(void **state)
{
    stakeout_interface_id interface = arm("runner");
    stakeout_call call;
    struct ledger ledger;
    uint32_t before, rings;

    (void)state;
    need_perf();
    before = signals_sent();
    call = stakeout_call_begin(interface);
    spin_ms(200);
    rings = count_rings();
    spin_ms(200);
    stakeout_call_end(call, 0);
    await_samples(1);
    ledger = one_task_ledger();
    print_message("  %u snapshots, %u by perf, %u signals, pause %.1f us\n",
                  mine[0]->snapshot_count, (unsigned)ledger.perf, signals_sent() - before,
                  (double)ledger.pause_ns_p50 / 1e3);
    assert_int_equal(signals_sent(), before);
    assert_int_equal(ledger.signals, 0);
    assert_int_equal(rings, 1);
    assert_in_range(ledger.perf, 20, 100);
    assert_int_equal(ledger.snapshots, ledger.perf + ledger.reads + ledger.repeats);
    assert_true(ledger.pause_ns_p50 > 0);
    /* One may have met the count of the rings, one the end. */
    assert_in_range(count_with(mine[0], (void *)spin_ms), mine[0]->snapshot_count - 2,
                    mine[0]->snapshot_count);
    assert_int_equal(count_with(mine[0], (void *)a_call_that_runs_is_not_signalled),
                     mine[0]->snapshot_count);
    assert_int_equal(count_cut(mine[0]), 0);
}

/* Its CPU time is what the kernel says that it used, to the interval's width. */
static void a_call_that_runs_and_waits_is_told_as_both(void **state)
{
    stakeout_interface_id interface = arm("both");
    uint64_t cpu_ns = 0, wait_ns = 0, began_ns, used_ns;
    uint32_t before, interruptions = 0;
    struct ledger ledger;
    stakeout_call call;

    (void)state;
    need_perf();
    before = signals_sent();
    call = stakeout_call_begin(interface);
    began_ns = clock_thread_cpu_ns();
    for (int i = 0; i < 40; i++) {
        spin_ms(6);
        if (poll(NULL, 0, 6) < 0 && errno == EINTR) interruptions++;
    }
    used_ns = clock_thread_cpu_ns() - began_ns;
    stakeout_call_end(call, 0);
    await_samples(1);
    ledger = one_task_ledger();
    for (uint32_t i = 0; i < mine[0]->snapshot_count; i++) {
        struct weight weight = sample_weight(mine[0], i);

        if (stack_has(mine[0], i, (void *)spin_ms)) cpu_ns += weight.cpu_ns;
        if (mine[0]->snapshots[i].wait == WAIT_SLEEP) wait_ns += weight.wait_ns;
    }
    print_message("  %u by perf, %u read, %u interruptions; %.0f of %.0f ms in spin_ms()\n",
                  (unsigned)ledger.perf, (unsigned)(ledger.reads + ledger.repeats), interruptions,
                  (double)cpu_ns / 1e6, (double)used_ns / 1e6);
    assert_int_equal(interruptions, 0);
    assert_int_equal(signals_sent(), before);
    assert_true(ledger.perf >= 10 && ledger.reads >= 10);
    assert_in_range(cpu_ns, used_ns / 4, used_ns);
    assert_true(wait_ns > 0);
}

__attribute__((noinline)) static void descend(uint32_t depth)
{
    volatile char frame[400] = { 0 };

    if (depth > 0) {
        descend(depth - 1);
    } else {
        spin_ms(200);
    }
    sink += (uint64_t)frame[depth % sizeof frame];
}

static void a_stack_of_40_kb_is_whole(void **state)
{
    stakeout_interface_id interface = arm("deep");
    uint32_t before;
    stakeout_call call;

    (void)state;
    need_perf();
    before = signals_sent();
    call = stakeout_call_begin(interface);
    descend(90);
    stakeout_call_end(call, 0);
    await_samples(1);
    print_message("  %u snapshots, %u cut\n", mine[0]->snapshot_count, count_cut(mine[0]));
    assert_int_equal(count_cut(mine[0]), 0);
    assert_true(count_with(mine[0], (void *)a_stack_of_40_kb_is_whole) > 10);
    assert_int_equal(signals_sent(), before);
}

/* Most of its time it has given rbp back, and not returned: what it had saved is below its stack
 * pointer. Its caller is found by rbp. */
void perf_returner(void);
__asm__(".text\n"
        ".type perf_returner, @function\n"
        "perf_returner:\n"
        ".cfi_startproc\n"
        "    push %rbx\n"
        "    .cfi_def_cfa_offset 16\n"
        "    .cfi_offset %rbx, -16\n"
        "    push %r12\n"
        "    .cfi_def_cfa_offset 24\n"
        "    .cfi_offset %r12, -24\n"
        "    push %rbp\n"
        "    .cfi_def_cfa_offset 32\n"
        "    .cfi_offset %rbp, -32\n"
        "    mov $1, %ebp\n"
        "    pop %rbp\n"
        "    .cfi_def_cfa_offset 24\n"
        "    pop %r12\n"
        "    .cfi_def_cfa_offset 16\n"
        "    pop %rbx\n"
        "    .cfi_def_cfa_offset 8\n"
        "    ret\n"
        ".cfi_endproc\n"
        ".size perf_returner, .-perf_returner\n");

__attribute__((noinline, optimize("no-omit-frame-pointer"))) static void call_returner_ms(int ms)
{
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)ms * NS_PER_MS;

    while (clock_monotonic_ns() < until_ns) {
        for (int i = 0; i < 100000; i++) {
            perf_returner();
        }
    }
    sink++;
}

/* How many stacks were taken between the pop of rbp and the return. */
static uint32_t count_returning(const struct sample *sample)
{
    enum { POPPED_AT = 10 }; /* bytes before the first instruction behind it */
    uint32_t count = 0;

    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        const struct stack *stack = &sample->stacks.stacks[sample->snapshots[i].stack];
        uint32_t inner = sample->stacks.stack_frames[stack->first];
        const struct frame *frame = &sample->stacks.frames[inner];

        count += stack_has(sample, i, (void *)perf_returner) &&
                 frame->offset - frame->function_offset >= POPPED_AT;
    }
    return count;
}

static void a_function_that_returns_is_walked_through(void **state)
{
    stakeout_interface_id interface = arm("returner");
    stakeout_call call;

    (void)state;
    need_perf();
    call = stakeout_call_begin(interface);
    call_returner_ms(600);
    stakeout_call_end(call, 0);
    await_samples(1);
    print_message("  %u snapshots, %u returning, %u cut\n", mine[0]->snapshot_count,
                  count_returning(mine[0]), count_cut(mine[0]));
    assert_int_equal(count_cut(mine[0]), 0);
    assert_true(count_returning(mine[0]) >= 3);
    assert_int_equal(count_with(mine[0], (void *)call_returner_ms), mine[0]->snapshot_count);
}

static void *mover_main(void *context)
{
    stakeout_call call = *(stakeout_call *)context;

    stakeout_call_attach(call);
    elsewhere_ms(120);
    stakeout_call_end(call, 0);
    return NULL;
}

/* The first thread runs on in another function, without the call; its stacks are none of it. */
static void what_runs_on_without_the_call_is_not_of_it(void **state)
{
    stakeout_interface_id interface = arm("mover");
    const struct sample *sample;
    pthread_t thread;
    stakeout_call call;
    uint32_t moved = 0;

    (void)state;
    need_perf();
    call = stakeout_call_begin(interface);
    spin_ms(120);
    stakeout_call_detach(call, "the other thread");
    assert_int_equal(pthread_create(&thread, NULL, mover_main, &call), 0);
    stay_behind_ms(behind_ms);
    pthread_join(thread, NULL);
    await_samples(1);
    sample = mine[0];
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        bool is_elsewhere = stack_has(sample, i, (void *)mover_main);

        assert_false(stack_has(sample, i, (void *)stay_behind_ms));
        assert_false(moved > 0 && !is_elsewhere); /* once moved, it stays */
        moved += is_elsewhere;
    }
    print_message("  %u of %u snapshots on the other thread\n", moved, sample->snapshot_count);
    assert_true(moved >= 3);
}

/* ---- bounds ---- */

struct crew {
    stakeout_interface_id interface;
    pthread_barrier_t together;
    uint64_t spin_ms;
};

static void *crew_main(void *context)
{
    struct crew *crew = context;
    stakeout_call call = stakeout_call_begin(crew->interface);

    spin_ms(crew->spin_ms);
    pthread_barrier_wait(&crew->together);
    stakeout_call_end(call, 0);
    return NULL;
}

/* All of them are slow at the same time, and most of them run or could. */
static void crew_run(uint32_t count, struct ledger *ret)
{
    struct crew crew = { .interface = arm("crew"), .spin_ms = 60 };
    pthread_t threads[MINE_MAX];

    pthread_barrier_init(&crew.together, NULL, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crew_main, &crew), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    await_samples(count);
    *ret = one_task_ledger();
    assert_int_equal(ret->sampled, count);
}

static void as_many_as_there_are_events_are_not_signalled(void **state)
{
    uint32_t before = signals_sent();
    struct ledger ledger;

    (void)state;
    need_perf();
    crew_run(PERF_EVENTS_MAX, &ledger);
    print_message("  %u by perf, %u by signal\n", (unsigned)ledger.perf, (unsigned)ledger.signals);
    assert_int_equal(signals_sent(), before);
    assert_true(ledger.perf >= PERF_EVENTS_MAX);
}

static void those_beyond_are_signalled(void **state)
{
    uint32_t before = signals_sent();
    struct ledger ledger;

    (void)state;
    need_perf();
    crew_run(2 * PERF_EVENTS_MAX, &ledger);
    print_message("  %u by perf, %u by signal\n", (unsigned)ledger.perf, (unsigned)ledger.signals);
    assert_true(signals_sent() > before);
    assert_true(ledger.perf > 0);
}

static bool no_rings_are_left(void *context)
{
    (void)context;
    return count_rings() == 0;
}

static void an_event_ends_with_its_call(void **state)
{
    uint32_t descriptors;
    stakeout_call call;
    struct sampler_cost idle, busy;

    (void)state;
    need_perf();
    call = stakeout_call_begin(arm("warming up")); /* of tables, and whatever else stays */
    spin_ms(100);
    stakeout_call_end(call, 0);
    await_samples(1);
    assert_true(wait_until(no_rings_are_left, NULL, 5000));
    call = stakeout_call_begin(arm("ending"));
    descriptors = count_descriptors(); /* the sampler shares the table in this test */
    sampler_cost(&idle);
    spin_ms(100);
    sampler_cost(&busy);
    assert_int_equal(count_rings(), 1);
    assert_in_range(busy.memory_size, idle.memory_size + 36 * 1024, UINT64_MAX);
    stakeout_call_end(call, 0);
    await_samples(2);
    assert_true(wait_until(no_rings_are_left, NULL, 5000));
    assert_in_range(count_descriptors(), descriptors, descriptors + 3); /* /proc's files */
}

/* Calls that end before they turn slow, with an event at each look: none stays behind. */
static void lookback_leaves_no_event_behind(void **state)
{
    stakeout_interface_id interface = arm_lookback("early", true);
    stakeout_call call;
    uint32_t before;

    (void)state;
    need_perf();
    before = signals_sent();
    for (int i = 0; i < 10; i++) {
        call = stakeout_call_begin(interface);
        spin_ms(30);
        stakeout_call_end(call, 0);
    }
    call = stakeout_call_begin(interface);
    spin_ms(200);
    stakeout_call_end(call, 0);
    await_samples(1);
    assert_true(wait_until(no_rings_are_left, NULL, 5000));
    assert_int_equal(signals_sent(), before);
    print_message("  the first snapshot %.1f ms after the begin, %u by perf\n",
                  (double)mine[0]->snapshots[0].offset_ns / 1e6, (unsigned)one_task_ledger().perf);
    assert_in_range(mine[0]->snapshots[0].offset_ns, 0, THRESHOLD_MS * NS_PER_MS - 1);
}

/* ---- awkward hosts ---- */

static void *short_main(void *context)
{
    stakeout_call call = stakeout_call_begin(*(stakeout_interface_id *)context);

    spin_ms(3 * THRESHOLD_MS);
    stakeout_call_end(call, 0);
    return NULL;
}

static void threads_may_end_and_children_be_forked_meanwhile(void **state)
{
    stakeout_interface_id interface = arm("short-lived");
    int status;

    (void)state;
    need_perf();
    for (int i = 0; i < 6; i++) {
        pthread_t thread;
        pid_t pid;

        assert_int_equal(pthread_create(&thread, NULL, short_main, &interface), 0);
        spin_ms(30);
        pid = fork();
        if (pid == 0) {
            spin_ms(20); /* nobody interrupts it, and it has no ring */
            _exit(count_rings() == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        pthread_join(thread, NULL);
    }
    await_samples(6);
    assert_true(wait_until(no_rings_are_left, NULL, 5000));
    assert_int_equal(one_task_ledger().signals, 0);
}

/* A slow call that runs, in a process of its own. Returns the child's exit status: 0 if it was
 * looked at by signals, and that was said in a sentence with this word. */
static int signalled_main(const char *word)
{
    struct ledger ledger;
    stakeout_call call;

    call = stakeout_call_begin(arm("refused"));
    spin_ms(150);
    stakeout_call_end(call, 0);
    if (!wait_until(samples_are, &(uint32_t){ 1 }, 10000)) return 4;
    ledger = one_task_ledger();
    if (ledger.perf != 0 || ledger.signals == 0) return 5;
    if (!trouble_of(word)) return 6;
    if (!strstr(trouble_of(word), "sent signals")) return 7;
    sampler_stop();
    return 0;
}

static int begin_in_child(const struct sampler_options *options)
{
    pthread_mutex_init(&lock, NULL);
    mine_count = 0;
    sampler_forget();
    return start_with(options);
}

static void in_a_child(int (*child_main)(void))
{
    int status = 0;
    pid_t pid;

#ifdef __SANITIZE_THREAD__
    skip(); /* it does not support threads in a child of a threaded process */
#endif
    pid = fork();
    if (pid == 0) _exit(child_main());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
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

static const struct sampler_options perf_options = { .on_sample = on_sample,
                                                     .thread_files_max = THREAD_FILES_HELD,
                                                     .engine = SAMPLER_ENGINE_PERF };

static int early_filter_main(void)
{
    if (filter_set(true) < 0) return 77;
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
    call = stakeout_call_begin(arm("before"));
    spin_ms(100);
    stakeout_call_end(call, 0);
    if (!wait_until(samples_are, &(uint32_t){ 1 }, 10000)) return 8;
    if (trouble_of("not allowed")) return 77;
    sample_free(mine[0]);
    mine_count = 0;
    if (filter_set(true) < 0) return 77;
    if (!wait_until(has_proven, NULL, 5000)) return 9;
    return signalled_main("perf event");
}

static void a_filter_that_kills_is_not_met(void **state)
{
    (void)state;
    in_a_child(early_filter_main);
}

static void nor_one_that_comes_later(void **state)
{
    (void)state;
    in_a_child(late_filter_main);
}

static int shared_table_main(void)
{
    static const struct sampler_options options = { .on_sample = on_sample,
                                                    .engine = SAMPLER_ENGINE_PERF };

    if (begin_in_child(&options) != 0) return 3;
    return signalled_main("descriptor table");
}

static void in_the_hosts_descriptor_table_none_is_opened(void **state)
{
    (void)state;
    in_a_child(shared_table_main);
}

/* Without rights the kernel hides what runs in it, or all. "auto" does without, then. */
static int unprivileged_main(enum sampler_engine engine, const char *word)
{
    struct sampler_options options = perf_options;
    struct ledger ledger;
    stakeout_call call;
    bool sends;

    if (geteuid() != 0) return 77;
    options.engine = engine;
    if (setgid(65534) != 0 || setuid(65534) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0) return 3;
    if (begin_in_child(&options) != 0) return 3;
    call = stakeout_call_begin(arm("unprivileged"));
    spin_ms(200);
    stakeout_call_end(call, 0);
    if (!wait_until(samples_are, &(uint32_t){ 1 }, 10000)) return 4;
    ledger = one_task_ledger();
    print_message("  %u by perf, %u by signal: %s\n", (unsigned)ledger.perf,
                  (unsigned)ledger.signals, trouble_of(word) ? trouble_of(word) : "no trouble");
    if (!trouble_of("erf")) return ledger.signals == 0 ? 77 : 5; /* it may all the same */
    if (!trouble_of(word)) return 6;
    sends = trouble_of("sent signals") != NULL;
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
    in_a_child(unprivileged_auto_main);
}

static void without_rights_perf_says_what_it_cannot_see(void **state)
{
    (void)state;
    in_a_child(unprivileged_perf_main);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_that_runs_is_not_signalled, start, stop),
        cmocka_unit_test_setup_teardown(a_call_that_runs_and_waits_is_told_as_both, start, stop),
        cmocka_unit_test_setup_teardown(a_stack_of_40_kb_is_whole, start, stop),
        cmocka_unit_test_setup_teardown(a_function_that_returns_is_walked_through, start, stop),
        cmocka_unit_test_setup_teardown(what_runs_on_without_the_call_is_not_of_it, start, stop),
        cmocka_unit_test_setup_teardown(as_many_as_there_are_events_are_not_signalled, start, stop),
        cmocka_unit_test_setup_teardown(those_beyond_are_signalled, start, stop),
        cmocka_unit_test_setup_teardown(an_event_ends_with_its_call, start, stop),
        cmocka_unit_test_setup_teardown(lookback_leaves_no_event_behind, start, stop),
        cmocka_unit_test_setup_teardown(threads_may_end_and_children_be_forked_meanwhile, start,
                                        stop),
        cmocka_unit_test(a_filter_that_kills_is_not_met),
        cmocka_unit_test(nor_one_that_comes_later),
        cmocka_unit_test(in_the_hosts_descriptor_table_none_is_opened),
        cmocka_unit_test(without_rights_auto_sends_signals),
        cmocka_unit_test(without_rights_perf_says_what_it_cannot_see),
    };

    return cmocka_run_group_tests_name("perf", tests, NULL, NULL);
}
