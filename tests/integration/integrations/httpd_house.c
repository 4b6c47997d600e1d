/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/integrations/httpd_house.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

enum { LINES_SIZE = 4096 };

const char *httpd_mpm;

const char httpd_rules[] = "StakeoutInterface GET /item/{id}\n"
                           "StakeoutInterface ANY /cgi-bin/{script...} scripts\n"
                           "StakeoutInterface ANY /quiet/{all...} silent\n"
                           "<Location /quiet>\nStakeout off\n</Location>\n"
                           "<Location /quiet/but>\nStakeout on\n"
                           "StakeoutInterface GET /quiet/but/{what} loud\n</Location>\n"
                           "<VirtualHost 127.0.0.1:*>\nServerName localhost\n"
                           "StakeoutInterface GET /slow/{id}\n"
                           "StakeoutInterface GET /busy/{id}\n"
                           "StakeoutInterface GET /item/special\n"
                           "</VirtualHost>\n";

void httpd_house_arguments(int argc, char **argv)
{
    CHECK(argc == 2 || argc == 3);
    httpd_mpm = argv[1];
    if (argc == 3) cmocka_set_test_filter(argv[2]);
}

bool httpd_is(const char *mpm)
{
    return strcmp(httpd_mpm, mpm) == 0;
}

struct httpd_process httpd_house_server(const char *application, const char *more)
{
    static char lines[LINES_SIZE];
    int size = snprintf(lines, sizeof lines,
                        "StakeoutApplication %s\nStakeoutServer http://127.0.0.1:%u\n%s%s",
                        application, (unsigned)house.scheduler.port, more ? more : "", httpd_rules);

    CHECK(size > 0 && size < LINES_SIZE);
    return (struct httpd_process){ .mpm = httpd_mpm, .with_stakeout = true, .lines = lines };
}

unsigned httpd_house_instances(void)
{
    return httpd_is("prefork") ? 3 : 2;
}
