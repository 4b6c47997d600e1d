/* SPDX-License-Identifier: Apache-2.0 */
/* performance.h: one awkward host, run twice at once: watched, and with the probe switched off.
 *
 *     static const struct awkward prefork = { .name = "prefork", .program = PREFORK,
 *                                             .functions = { "act_rest_ms" }, .samples_min = 4 };
 *     performance_check(&house, &prefork);
 *
 * Both runs end with the same status and have said the same. Of the watched one, the ledger of its
 * task adds up, pends nothing, knows as many calls as the host does and as many samples as are
 * there; and each sample is of the function in which its call was. A host that hangs is ended, and
 * the test fails. */
#ifndef STAKEOUT_TESTS_INTEGRATION_HOSTS_PERFORMANCE_H
#define STAKEOUT_TESTS_INTEGRATION_HOSTS_PERFORMANCE_H

#include "tests/integration/system/house.h"

enum { AWKWARD_FUNCTIONS_MAX = 4 };

struct awkward {
    const char *name, *program;
    const char *mode; /* which of the program's ways; NULL: it has one */

    /* [i] is in a stack of each sample whose call ended with 200 + i, but for the few that are
     * marked as cut, and in none of the others; NULL: nothing is claimed. */
    const char *functions[AWKWARD_FUNCTIONS_MAX];
    bool is_whole;         /* few of its stacks are cut, whatever is in them */
    bool is_cut;           /* all of its stacks are */
    bool without_samples;  /* else there is one at least */
    int samples_min;       /* 0: 1 */
    int instances_min;     /* that saw calls; 0: 1 */
    int status;            /* its exit code, or 128 + a signal's number */
    bool is_unwatched;     /* the probe stays off: the scheduler never hears of it */
    bool is_cut_off;       /* it ends without a farewell: what was not sent is lost */
    bool tells_before_end; /* and yet of some calls, before it ends */
    bool has_uncounted;    /* makes calls before, or after, it is watched, or in processes of which
                           * it does not know */
    bool tells_all_ended;  /* and yet of all that had ended when it left */
    int runs;              /* 0: 1 */
};

void performance_check(struct house *house, const struct awkward *awkward);

#endif
