/* SPDX-License-Identifier: Apache-2.0 */
/* httpd_house.h: servers of one MPM that report to the house, for a test program whose arguments
 * are the MPM and, maybe, the tests that it shall run.
 *
 *     httpd_house_arguments(argc, argv);
 *     return cmocka_run_group_tests(tests, house_setup, house_teardown);
 *
 * and in a test
 *
 *     struct httpd_process httpd = httpd_house_server("shop", NULL);
 *     httpd_process_start(&httpd); */
#ifndef STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_HTTPD_HOUSE_H
#define STAKEOUT_TESTS_INTEGRATION_INTEGRATIONS_HTTPD_HOUSE_H

#include "tests/integration/integrations/httpd_process.h"
#include "tests/integration/system/house_fixture.h"

extern const char *httpd_mpm;
extern const char httpd_rules[]; /* of interfaces, as all of them have */

void httpd_house_arguments(int argc, char **argv);

bool httpd_is(const char *mpm);

/* A server with mod_stakeout, with these lines more (or NULL), which is not started yet. One at a
 * time. */
struct httpd_process httpd_house_server(const char *application, const char *more);

/* How many children serve, as httpd_process.c configures it: as many instances. */
unsigned httpd_house_instances(void);

#endif
