/* SPDX-License-Identifier: Apache-2.0 */
/* act.h: what awkward hosts have in common: a probe, calls that turn slow, results that are told.
 *
 *     int main(void)
 *     {
 *         act_begin();                      the probe runs; returns when it watches
 *         for (int i = 0; i < ACT_ROUNDS; i++) {
 *             stakeout_call call = act_call_begin();
 *             ... what is awkward, for act_goes_on(call) ...
 *             act_call_end(call, ACT_FIRST);
 *         }
 *         act_say("result %d", result);
 *         return act_end();                 says how many calls it made
 *     }
 *
 * The test runs each host twice, once with the probe switched off, and compares what both say: so a
 * host says what it got, and nothing that depends on time.
 *
 * Its calls end with ACT_FIRST + i: the test knows which function such a call was in. */
#ifndef STAKEOUT_TESTS_INTEGRATION_HOSTS_PROGRAMS_ACT_H
#define STAKEOUT_TESTS_INTEGRATION_HOSTS_PROGRAMS_ACT_H

#include <stakeout/stakeout.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ACT_IS_SANITIZED = 1 };
#else
enum { ACT_IS_SANITIZED = 0 };
#endif
#ifdef __SANITIZE_THREAD__
enum { ACT_IS_THREAD_SANITIZED = 1 };
#else
enum { ACT_IS_THREAD_SANITIZED = 0 };
#endif

enum {
    ACT_ROUNDS = 8,
    ACT_CALL_MS = 90, /* the task's threshold is 50, its frequency 5 */
    ACT_FIRST = 200,  /* response codes: 200, 201, ... */
    ACT_SKIPPED = 77, /* the exit code of a host that cannot be, here */
    ACT_LEAVERS = 8,  /* processes of a host that say farewell */
};

struct act_call {
    stakeout_call call;
    uint64_t began_ns;
};

/* "HOST_MODE" of the environment, or "". */
const char *act_mode(void);
bool act_mode_is(const char *mode);

/* Starts the probe, waits for the test's word, and aborts if either fails. The two by themselves:
 * for hosts that do something in between, or that fork before. */
void act_begin(void);
void act_start(void);
void act_await_go(void);

/* The same for hosts that may keep the probe from starting (-EPERM). */
void act_begin_or_stay_off(void);

/* Says why this host cannot be here, and exits. */
void act_skip(const char *why) __attribute__((noreturn));

/* A call of the watched interface; any thread. */
struct act_call act_call_begin(void);
bool act_goes_on(const struct act_call *call); /* until it has taken ACT_CALL_MS */
void act_call_end(struct act_call *call, int response_code);
unsigned act_calls_ended(void);

/* They are found in samples: they are never inlined. */
void act_spin_ms(unsigned ms); /* of CPU time */
void act_spin_us(unsigned us);
void act_rest_ms(unsigned ms); /* asleep; interrupted or not */

uint64_t act_now_ns(void);

/* One line, at once. */
void act_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says how many calls were made, and that it leaves; returns 0. */
int act_end(void);
void act_say_calls(void);

/* A process is about to say farewell to the scheduler, by exit(); and is gone, as its parent saw.
 * On a machine that is slow at that moment, the second that a farewell may take does not always
 * suffice: the test hears how long it took, and how many calls had ended before. `who` is a number
 * of the host's, below ACT_LEAVERS; 0 is the process whose end the test sees itself. */
void act_leave(int who);
void act_left(int who);

/* Fails loudly: a host that is broken must not look like one that is harmless. */
#define ACT_CHECK(condition) ((condition) ? (void)0 : act_fail(#condition, __FILE__, __LINE__))
void act_fail(const char *condition, const char *file, int line) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
