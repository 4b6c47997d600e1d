/* SPDX-License-Identifier: Apache-2.0 */
/* sample.c: the arithmetic of a sample: what snapshots weigh, and how there come to be fewer.
 *
 * INVARIANTS, of every sample that sample_check() accepts
 *
 * (1) Offsets rise strictly and none is behind the end, so no difference here can wrap.
 * (2) The weights add up to listened_ns, and listened_ns and the head to elapsed_ns.
 * (3) sample_thin() keeps (1) and (2), and the sums of what the clocks said: the CPU time and
 *     queueing of a snapshot that goes are added to the one after it, or to the end's.
 *
 * The probe's agent runs this in a host: nothing here aborts. */
#include "common/model/sample.h"

#include "common/model/problem.h"

#include <errno.h>
#include <inttypes.h>

struct sample *sample_new(void)
{
    struct sample *sample = calloc(1, sizeof *sample);

    if (!sample) return NULL;
    if (stack_table_init(&sample->stacks) < 0) {
        free(sample);
        return NULL;
    }
    return sample;
}

struct sample *sample_free(struct sample *sample)
{
    if (!sample) return NULL;
    stack_table_done(&sample->stacks);
    free(sample->snapshots);
    free(sample->owners);
    free(sample);
    return NULL;
}

const struct lock_owner *sample_owner(const struct sample *sample, uint32_t snapshot)
{
    uint32_t owner = sample->snapshots[snapshot].owner;

    return owner > 0 ? &sample->owners[owner - 1] : NULL;
}

static bool is_owner(const struct lock_owner *a, const struct lock_owner *b)
{
    return a->thread_id == b->thread_id && a->stack == b->stack && a->thread_name == b->thread_name;
}

int sample_add_owner(struct sample *sample, const struct lock_owner *owner, uint32_t *ret)
{
    struct lock_owner *grown;

    /* Who held it is as a rule who held it a moment ago. */
    for (uint32_t i = sample->owner_count; i > 0; i--) {
        if (!is_owner(&sample->owners[i - 1], owner)) continue;
        *ret = i;
        return 0;
    }
    if (sample->owner_count == OWNERS_MAX) return -ENOBUFS;
    if ((sample->owner_count & (sample->owner_count - 1)) == 0) { /* grows at powers of two */
        size_t capacity = sample->owner_count > 0 ? 2 * (size_t)sample->owner_count : 1;

        grown = realloc(sample->owners, capacity * sizeof *grown);
        if (!grown) return -ENOMEM;
        sample->owners = grown;
    }
    sample->owners[sample->owner_count++] = *owner;
    *ret = sample->owner_count;
    return 0;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct weight sample_weight(const struct sample *sample, uint32_t snapshot)
{
    const struct snapshot *now = &sample->snapshots[snapshot];
    bool is_last = snapshot + 1 == sample->snapshot_count;
    uint64_t end_ns = is_last ? sample->elapsed_ns : now[1].offset_ns;
    uint64_t cpu_ns = is_last ? sample->end_cpu_ns : now[1].cpu_ns;
    uint64_t queue_ns = is_last ? sample->end_queue_ns : now[1].queue_ns;
    struct weight weight = { .weight_ns = end_ns - now->offset_ns };

    weight.cpu_ns = lesser(cpu_ns, weight.weight_ns);
    weight.queue_ns = lesser(queue_ns, weight.weight_ns - weight.cpu_ns);
    weight.wait_ns = weight.weight_ns - weight.cpu_ns - weight.queue_ns;
    return weight;
}

static int refuse(struct problem *problem, uint32_t snapshot, const char *why)
{
    return problem_set_body(problem, "snapshots", "snapshot %" PRIu32 " %s.", snapshot, why);
}

static int check_snapshot(const struct sample *sample, uint32_t i, struct problem *problem)
{
    const struct snapshot *snapshot = &sample->snapshots[i];

    if (i > 0 && snapshot->offset_ns <= snapshot[-1].offset_ns)
        return refuse(problem, i, "is not later than the one before");
    if (snapshot->offset_ns > sample->elapsed_ns)
        return refuse(problem, i, "is later than the end of its call");
    if (i == 0 && (snapshot->cpu_ns > 0 || snapshot->queue_ns > 0))
        return refuse(problem, i, "is the first and has times since one before");
    if (snapshot->stack >= sample->stacks.stack_count)
        return refuse(problem, i, "has a stack that is not in the table");
    if (snapshot->syscall < SYSCALL_NONE) return refuse(problem, i, "has a negative system call");
    if ((unsigned)snapshot->wait >= WAIT_KIND_COUNT)
        return refuse(problem, i, "waits for something of an unknown kind");
    if (snapshot->waiting_for >= sample->stacks.string_count)
        return refuse(problem, i, "waits for a string that is not in the table");
    if (snapshot->owner > sample->owner_count)
        return refuse(problem, i, "waits for an owner that is not in the table");
    if (snapshot->owner > 0 && snapshot->wait != WAIT_LOCK)
        return refuse(problem, i, "names a lock's owner and waits for no lock");
    return 0;
}

static int check_owners(const struct sample *sample, struct problem *problem)
{
    if (sample->owner_count > OWNERS_MAX)
        return problem_set_body(problem, "owners", "'owners' are %" PRIu32 ", at most %d may be.",
                                sample->owner_count, OWNERS_MAX);
    for (uint32_t i = 0; i < sample->owner_count; i++) {
        const struct lock_owner *owner = &sample->owners[i];

        if (owner->thread_id == 0 || owner->thread_name >= sample->stacks.string_count ||
            owner->stack > sample->stacks.stack_count)
            return problem_set_body(problem, "owners",
                                    "owner %" PRIu32 " has no thread, or points nowhere.", i);
    }
    return 0;
}

int sample_check(const struct sample *sample, struct problem *problem)
{
    uint64_t head_ns;

    if (sample->snapshot_count == 0 || sample->snapshot_count > SNAPSHOTS_MAX) {
        return problem_set_body(problem, "snapshots",
                                "'snapshots' are %" PRIu32 "; a sample has 1 to %d of them.",
                                sample->snapshot_count, SNAPSHOTS_MAX);
    }
    for (uint32_t i = 0; i < sample->snapshot_count; i++) {
        if (check_snapshot(sample, i, problem) < 0) return -1;
    }
    if (check_owners(sample, problem) < 0) return -1;
    head_ns = sample->snapshots[0].offset_ns;
    if (sample->listened_ns != sample->elapsed_ns - head_ns) {
        return problem_set_body(problem, "listened_ns",
                                "'listened_ns' is %" PRIu64 "; it must be %" PRIu64
                                ", the elapsed time less the offset of the first snapshot.",
                                sample->listened_ns, sample->elapsed_ns - head_ns);
    }
    return 0;
}

uint32_t sample_thin(struct sample *sample)
{
    uint32_t kept = 0, count = sample->snapshot_count;
    uint64_t cpu_ns = 0, queue_ns = 0; /* of the snapshot that went last */

    if (count < 2) return 0;
    for (uint32_t i = 0; i < count; i++) {
        struct snapshot snapshot = sample->snapshots[i];

        if (i % 2 == 1) {
            cpu_ns = snapshot.cpu_ns;
            queue_ns = snapshot.queue_ns;
            continue;
        }
        snapshot.cpu_ns += cpu_ns;
        snapshot.queue_ns += queue_ns;
        cpu_ns = queue_ns = 0;
        sample->snapshots[kept++] = snapshot;
    }
    sample->end_cpu_ns += cpu_ns;
    sample->end_queue_ns += queue_ns;
    sample->snapshot_count = kept;
    sample->merged_count += count - kept;
    sample->interval_ns =
        2 * (sample->interval_ns > 0 ? sample->interval_ns : sample->frequency_ns);
    return count - kept;
}

const char *wait_kind_name(enum wait_kind kind)
{
    static const char *const names[WAIT_KIND_COUNT] = {
        [WAIT_NONE] = "none", [WAIT_LOCK] = "lock",   [WAIT_NETWORK] = "network",
        [WAIT_DISK] = "disk", [WAIT_SLEEP] = "sleep", [WAIT_OTHER] = "other",
    };

    return (unsigned)kind < WAIT_KIND_COUNT ? names[kind] : "other";
}
