/* SPDX-License-Identifier: Apache-2.0 */
/* test.h: cmocka, in the one order in which it may be included, and what every test needs. */
#ifndef STAKEOUT_TESTS_SUPPORT_TEST_H
#define STAKEOUT_TESTS_SUPPORT_TEST_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "common/base/check.h"

#endif
