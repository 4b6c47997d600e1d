/* SPDX-License-Identifier: Apache-2.0 */
/* tls_library.h: OpenSSL's functions, opened when a scheduler is spoken to by https.
 *
 *     tls_library_open(farewell);                   once, before the link's threads are there
 *     openssl = tls_library_find();                 NULL: not there, not yet, or not any more
 *
 * Opened with dlopen like libunwind, never linked: the host need not have it, and may have another
 * one. `farewell` is called before OpenSSL takes itself down, which an exit() does before ours: it
 * must return when nobody is in a function of it any more.
 *
 * Threads: open: the one that starts the probe; find: any. */
#ifndef STAKEOUT_PROBE_AGENT_LINK_TLS_LIBRARY_H
#define STAKEOUT_PROBE_AGENT_LINK_TLS_LIBRARY_H

#include <openssl/ssl.h>

/*         result         name                              arguments */
#define TLS_FUNCTIONS(X)                                                             \
    X(int, OPENSSL_init_ssl, (uint64_t, const OPENSSL_INIT_SETTINGS *))              \
    X(int, OPENSSL_atexit, (void (*)(void)))                                         \
    X(void, ERR_clear_error, (void))                                                 \
    X(unsigned long, ERR_peek_last_error, (void))                                    \
    X(const char *, ERR_reason_error_string, (unsigned long))                        \
    X(const char *, X509_verify_cert_error_string, (long))                           \
    X(int, X509_VERIFY_PARAM_set1_ip_asc, (X509_VERIFY_PARAM *, const char *))       \
    X(int, X509_VERIFY_PARAM_set1_host, (X509_VERIFY_PARAM *, const char *, size_t)) \
    X(const BIO_METHOD *, BIO_s_mem, (void))                                         \
    X(BIO *, BIO_new, (const BIO_METHOD *))                                          \
    X(int, BIO_read, (BIO *, void *, int))                                           \
    X(int, BIO_write, (BIO *, const void *, int))                                    \
    X(const SSL_METHOD *, TLS_client_method, (void))                                 \
    X(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *))                                  \
    X(void, SSL_CTX_free, (SSL_CTX *))                                               \
    X(long, SSL_CTX_ctrl, (SSL_CTX *, int, long, void *))                            \
    X(void, SSL_CTX_set_verify, (SSL_CTX *, int, SSL_verify_cb))                     \
    X(void, SSL_CTX_set_default_passwd_cb, (SSL_CTX *, pem_password_cb *))           \
    X(int, SSL_CTX_set_default_verify_paths, (SSL_CTX *))                            \
    X(int, SSL_CTX_load_verify_locations, (SSL_CTX *, const char *, const char *))   \
    X(int, SSL_CTX_use_certificate_chain_file, (SSL_CTX *, const char *))            \
    X(int, SSL_CTX_use_PrivateKey_file, (SSL_CTX *, const char *, int))              \
    X(SSL *, SSL_new, (SSL_CTX *))                                                   \
    X(void, SSL_free, (SSL *))                                                       \
    X(long, SSL_ctrl, (SSL *, int, long, void *))                                    \
    X(void, SSL_set_bio, (SSL *, BIO *, BIO *))                                      \
    X(void, SSL_set_connect_state, (SSL *))                                          \
    X(X509_VERIFY_PARAM *, SSL_get0_param, (SSL *))                                  \
    X(int, SSL_do_handshake, (SSL *))                                                \
    X(int, SSL_read, (SSL *, void *, int))                                           \
    X(int, SSL_write, (SSL *, const void *, int))                                    \
    X(int, SSL_get_error, (const SSL *, int))                                        \
    X(long, SSL_get_verify_result, (const SSL *))

struct tls_library {
#define X(type, name, arguments) type(*name) arguments;
    TLS_FUNCTIONS(X)
#undef X
};

void tls_library_open(void (*farewell)(void));
const struct tls_library *tls_library_find(void);

#endif
