/* SPDX-License-Identifier: Apache-2.0 */
/* fake_scheduler.h: the other end of the probes' protocol, scripted by a test.
 *
 *     struct fake_scheduler *fake = fake_scheduler_start(0);
 *     fake_scheduler_set_tasks(fake, "v2", tasks, count);         parked polls are answered
 *     fake_scheduler_script(fake, "report", (struct fake_script){ .status = 503, .times = 2 });
 *     ... wait_until fake_scheduler_count(fake, "report") == 3 ...
 *     fake_scheduler_stop(fake);
 *
 * It keeps the body of every request that it read, decided or not, in order of arrival. Answers are
 * those of a scheduler: polls are parked while the version is the same, a report is accepted once
 * and known afterwards.
 *
 * Threads: its own, one per connection; all functions may be called from any. Aborts the test on
 * a request that is not HTTP/1.1 as our client writes it. */
#ifndef STAKEOUT_TESTS_SUPPORT_FAKE_SCHEDULER_H
#define STAKEOUT_TESTS_SUPPORT_FAKE_SCHEDULER_H

#include "common/wire/messages.h"

struct fake_scheduler;

/* Listens on 127.0.0.1; port 0: any. A port that was just given up can be had again. */
struct fake_scheduler *fake_scheduler_start(uint16_t port);

/* Closes everything, joins its threads, frees it. */
void fake_scheduler_stop(struct fake_scheduler *fake);

uint16_t fake_scheduler_port(const struct fake_scheduler *fake);

/* What polls are told from now on, with texts that outlive the scheduler. */
void fake_scheduler_set_tasks(struct fake_scheduler *fake, const char *version,
                              const struct wire_poll_task *tasks, uint32_t count);
void fake_scheduler_set_epoch(struct fake_scheduler *fake, uint64_t epoch);
void fake_scheduler_set_outcome(struct fake_scheduler *fake, uint32_t outcome); /* of new reports */

/* What happens to the next `times` requests of a kind, "poll", "pulse", "report" or "log". */
struct fake_script {
    int status;         /* answered with it; 0: taken, but closed without an answer */
    int retry_after_s;  /* 0: without that header */
    const char *detail; /* of the problem that a refusal carries; NULL: it has no body */
    uint32_t times;
};
void fake_scheduler_script(struct fake_scheduler *fake, const char *kind,
                           struct fake_script script);

/* While silent, connections are accepted and requests read, but nothing is answered. */
void fake_scheduler_set_silent(struct fake_scheduler *fake, bool is_silent);

/* How many requests of a kind came, and the body of one; it lives as long as the scheduler. */
uint32_t fake_scheduler_count(struct fake_scheduler *fake, const char *kind);
struct text fake_scheduler_body(struct fake_scheduler *fake, const char *kind, uint32_t index);

/* The head of the latest request, to see its token. */
void fake_scheduler_head(struct fake_scheduler *fake, char *ret, size_t size);

#endif
