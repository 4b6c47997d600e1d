/* SPDX-License-Identifier: Apache-2.0 */
/* authority.h: a certificate authority for tests, and what it signs, as files.
 *
 *     struct authority *authority = authority_new("/tmp/dir", "ca");         /tmp/dir/ca.pem
 *     authority_issue(authority, &(struct certificate_order){ .file = "server",
 *                                                             .names = "DNS:localhost" });
 *     authority_free(authority);               /tmp/dir/server.pem: the certificate and its key
 *
 * What fails, fails the test. */
#ifndef STAKEOUT_TESTS_SUPPORT_AUTHORITY_H
#define STAKEOUT_TESTS_SUPPORT_AUTHORITY_H

#include <stddef.h>

struct authority;

struct certificate_order {
    const char *file;  /* of the authority's directory, without ".pem" */
    const char *names; /* subjectAltName: "DNS:localhost,IP:127.0.0.1" */
    long begins_s;     /* from now; 0: an hour ago */
    long ends_s;       /* from now; 0: in an hour */
};

struct authority *authority_new(const char *directory, const char *file);
void authority_issue(struct authority *authority, const struct certificate_order *order);
void authority_free(struct authority *authority);

/* DIRECTORY/FILE.pem, in `ret`. */
const char *authority_path(const struct authority *authority, const char *file, char *ret,
                           size_t size);

#endif
