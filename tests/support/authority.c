/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/authority.h"

#include "tests/support/test.h"

#include "common/base/check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOUR_S = 3600, PATH_SIZE = 256 };

struct authority {
    char directory[PATH_SIZE];
    X509 *certificate;
    EVP_PKEY *key;
    long serial;
};

const char *authority_path(const struct authority *authority, const char *file, char *ret,
                           size_t size)
{
    CHECK(snprintf(ret, size, "%s/%s.pem", authority->directory, file) < (int)size);
    return ret;
}

static void add_extension(X509 *to, X509 *issuer, int which, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, to, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, which, value);
    CHECK(extension && X509_add_ext(to, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(struct authority *authority, const char *name, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);

    CHECK(X509_set_version(certificate, X509_VERSION_3) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++authority->serial);
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                     -1, 0) == 1);
    CHECK(X509_set_pubkey(certificate, key) == 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), HOUR_S);
    return certificate;
}

static void certificate_write(const struct authority *authority, const char *file,
                              X509 *certificate, EVP_PKEY *key)
{
    char path[PATH_SIZE], fresh[PATH_SIZE + 8];
    FILE *to;

    authority_path(authority, file, path, sizeof path);
    snprintf(fresh, sizeof fresh, "%s.new", path); /* whoever reads it finds it whole */
    to = fopen(fresh, "we");
    CHECK(to && PEM_write_X509(to, certificate) == 1);
    if (key) CHECK(PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL) == 1);
    CHECK(fclose(to) == 0 && rename(fresh, path) == 0);
}

struct authority *authority_new(const char *directory, const char *file)
{
    struct authority *authority = mem_zalloc(1, sizeof *authority);
    X509 *certificate;

    snprintf(authority->directory, sizeof authority->directory, "%s", directory);
    authority->key = EVP_EC_gen("P-256");
    CHECK(authority->key);
    certificate = certificate_new(authority, file, authority->key);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign");
    add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
    CHECK(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
    authority->certificate = certificate;
    certificate_write(authority, file, certificate, NULL);
    return authority;
}

void authority_issue(struct authority *authority, const struct certificate_order *order)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate;

    CHECK(key);
    certificate = certificate_new(authority, order->file, key);
    X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
    if (order->begins_s != 0) X509_gmtime_adj(X509_getm_notBefore(certificate), order->begins_s);
    if (order->ends_s != 0) X509_gmtime_adj(X509_getm_notAfter(certificate), order->ends_s);
    if (order->names)
        add_extension(certificate, authority->certificate, NID_subject_alt_name, order->names);
    add_extension(certificate, authority->certificate, NID_authority_key_identifier, "keyid");
    CHECK(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
    certificate_write(authority, order->file, certificate, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void authority_free(struct authority *authority)
{
    if (!authority) return;
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    free(authority);
}
