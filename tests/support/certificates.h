/* SPDX-License-Identifier: Apache-2.0 */
/* certificates.h: who signs, and who was signed, made by openssl(1) in a directory of the test's.
 *
 *     ca.pem                     signs server.pem, host.pem and client.pem
 *     server.pem, server.key     for localhost and 127.0.0.1
 *     host.pem, host.key         for redis.test alone
 *     client.pem, client.key     for a client
 *     stranger.pem               another who signs, and has signed nothing
 *
 * All are of today, for a day. */
#ifndef STAKEOUT_TESTS_SUPPORT_CERTIFICATES_H
#define STAKEOUT_TESTS_SUPPORT_CERTIFICATES_H

/* Fails the test where openssl(1) does not do it. */
void certificates_make(const char *dir);

#endif
