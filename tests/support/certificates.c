/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/certificates.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/test.h"

static void run(const char *dir, const char *command)
{
    char line[1024];

    snprintf(line, sizeof(line), "cd '%s' && { %s; } >openssl.log 2>&1", dir, command);
    if (system(line) != 0) fail_msg("failed: %s", command);
}

static void make_authority(const char *dir, const char *name)
{
    char command[512];

    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 "
             "-subj '/CN=%s of a test' -keyout %s.key -out %s.pem",
             name, name, name);
    run(dir, command);
}

static void make_signed(const char *dir, const char *name, const char *names)
{
    char command[800];

    snprintf(command, sizeof(command),
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=%s' "
             "-keyout %s.key -out %s.csr && printf 'subjectAltName=%s' >%s.ext && "
             "openssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 "
             "-extfile %s.ext -out %s.pem",
             name, name, name, names, name, name, name, name);
    run(dir, command);
}

void certificates_make(const char *dir)
{
    make_authority(dir, "ca");
    make_authority(dir, "stranger");
    make_signed(dir, "server", "DNS:localhost,IP:127.0.0.1");
    make_signed(dir, "host", "DNS:redis.test");
    make_signed(dir, "client", "DNS:client.test");
}
