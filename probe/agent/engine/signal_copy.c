/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/agent/engine/signal_copy.h"

#include "probe/agent/base/filters.h"
#include "probe/hot/memory.h"
#include "probe/hot/rest.h"

#include <errno.h>
#include <string.h>

#define LOAN_NS_MAX NS_PER_S         /* then it is written off */
#define POLL_NS_MIN (50 * NS_PER_US) /* it takes about 20 us, */
#define POLL_NS_MAX (4 * NS_PER_MS)  /* or waits for a CPU: the longer, the less often asked */
#define REST_NS     (10 * NS_PER_MS) /* where it is not urgent */

int signal_copy_send(struct signal_copy *copy, const struct loan_order *order, uint64_t now_ns)
{
    int loan;

    if (!filters_allow_signals()) return -EPERM;
    memory_allow_reads(filters_allow(TRIED_process_vm_readv));
    rest_allow(filters_allow(TRIED_restart_syscall));
    loan = stack_copy_request(order);
    if (loan < 0) return loan;
    *copy = (struct signal_copy){ .loan = loan, .sent_ns = now_ns };
    return 0;
}

int signal_copy_poll(struct signal_copy *copy, uint64_t now_ns)
{
    if (loan_is_back(copy->loan)) return 0;
    if (now_ns - copy->sent_ns < LOAN_NS_MAX) return -EAGAIN;
    signal_copy_close(copy);
    return -ETIMEDOUT;
}

uint64_t signal_copy_poll_at_ns(const struct signal_copy *copy, uint64_t now_ns, bool is_urgent)
{
    uint64_t pause_ns = now_ns - copy->sent_ns;

    if (!is_urgent && pause_ns < REST_NS) return copy->sent_ns + REST_NS;
    if (pause_ns < POLL_NS_MIN) pause_ns = POLL_NS_MIN;
    if (pause_ns > POLL_NS_MAX) pause_ns = POLL_NS_MAX;
    return now_ns + pause_ns;
}

const struct loan *signal_copy_loan(const struct signal_copy *copy)
{
    return &hot.loans[copy->loan];
}

void signal_copy_sight(const struct signal_copy *copy, const struct tick_clock *clock,
                       struct sighting *ret)
{
    const struct loan *loan = signal_copy_loan(copy);

    *ret = (struct sighting){
        .at_ns = tick_clock_ns(clock, loan->taken_ticks),
        .clock_ns = loan->cpu_ns,
        .stack = { .bytes = loan_bytes(copy->loan),
                   .base = loan->base,
                   .size = loan->size,
                   .known = REGISTERS_ALL },
    };
    memcpy(ret->stack.registers, loan->registers, sizeof ret->stack.registers);
}

void signal_copy_close(struct signal_copy *copy)
{
    if (copy->loan == NO_LOAN) return;
    if (loan_is_back(copy->loan)) {
        loan_return(copy->loan);
    } else {
        loan_write_off(copy->loan);
    }
    copy->loan = NO_LOAN;
}
