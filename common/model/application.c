/* SPDX-License-Identifier: Apache-2.0 */
/* application.c: percent is what people write, parts per million what is kept: 0 percent, "no
 * bound", needs a number of its own there, because 0 parts are "not set". */
#include "common/model/application.h"

#include "common/model/problem.h"

int budget_percent_read(const char *field, double percent, uint32_t *ret_ppm,
                        struct problem *problem)
{
    double ppm = percent * 10000;

    if (ppm == 0) {
        *ret_ppm = BUDGET_PPM_NONE;
        return 0;
    }
    if (!(ppm >= BUDGET_PPM_MIN && ppm <= BUDGET_PPM_MAX))
        return problem_set_field(problem, field, "'%s' is %.15g; it must be %s.", field, percent,
                                 BUDGET_PERCENT_ACCEPTS);
    *ret_ppm = (uint32_t)(ppm + 0.5);
    return 0;
}
