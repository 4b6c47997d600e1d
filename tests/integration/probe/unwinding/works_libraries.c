/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries that are opened at run time, by the names that programs would find them by. One that is
 * not installed fails the test: tools/dependencies brings them. */
#include "common/base/check.h"
#include "tests/integration/probe/unwinding/works.h"

#include <dlfcn.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Binds a function pointer to what the library has under a name. */
static void bind(void *library, const char *name, void *ret)
{
    void *found = dlsym(library, name);

    if (!found) {
        fprintf(stderr, "no function '%s'\n", name);
        abort();
    }
    memcpy(ret, &found, sizeof found);
}

static void *library_open(const char *name)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);

    if (!library) {
        fprintf(stderr, "%s: run tools/dependencies test\n", dlerror());
        abort();
    }
    return library;
}

/* ---- libcrypto ---- */

static void power(BN_CTX *context)
{
    BIGNUM *base = BN_new(), *exponent = BN_new(), *modulus = BN_new(), *result = BN_new();

    CHECK(BN_rand(base, 1024, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1);
    CHECK(BN_rand(exponent, 128, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) == 1);
    CHECK(BN_rand(modulus, 1024, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) == 1);
    CHECK(BN_mod_exp_mont_consttime(result, base, exponent, modulus, context, NULL) == 1);
    works_sink += (unsigned long)BN_num_bits(result);
    BN_free(base);
    BN_free(exponent);
    BN_free(modulus);
    BN_free(result);
}

static void digest(const char *name, const unsigned char *bytes, size_t size)
{
    unsigned char result[EVP_MAX_MD_SIZE];
    size_t result_size = sizeof result;

    CHECK(EVP_Q_digest(NULL, name, NULL, bytes, size, result, &result_size) == 1);
    works_sink += result[0];
}

static void encrypt(const EVP_CIPHER *cipher, const unsigned char *bytes, size_t size)
{
    static unsigned char result[8192];
    static const unsigned char key[32] = "a key that is not a secret", iv[16] = "nor is this";
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;

    CHECK(EVP_EncryptInit_ex(context, cipher, NULL, key, iv) == 1);
    CHECK(EVP_EncryptUpdate(context, result, &written, bytes, (int)size) == 1);
    works_sink += (unsigned long)written;
    EVP_CIPHER_CTX_free(context);
}

static void sign(void)
{
    static const unsigned char text[] = "some text";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[128];
    size_t size = sizeof signature;

    CHECK(key && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1);
    CHECK(EVP_DigestSign(context, signature, &size, text, sizeof text) == 1);
    works_sink += size;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

void work_crypto(void)
{
    static unsigned char bytes[4096];
    BN_CTX *context = BN_CTX_new();

    target_enter();
    while (!is_stopped()) {
        digest("SHA256", bytes, sizeof bytes);
        digest("SHA512", bytes, sizeof bytes);
        digest("SHA3-256", bytes, sizeof bytes);
        encrypt(EVP_aes_256_gcm(), bytes, sizeof bytes);
        encrypt(EVP_chacha20_poly1305(), bytes, sizeof bytes);
        power(context);
        sign();
        bytes[works_sink % sizeof bytes]++;
    }
    target_leave();
    BN_CTX_free(context);
}

/* ---- libpython ---- */

static const char python_work[] =
    "import json, re\n"
    "def descend(depth, then):\n"
    "    return sorted([depth, 3], key=lambda it: descend(depth - 1, then) if depth else then())\n"
    "def some():\n"
    "    json.loads(json.dumps({'a': [1, 2.5, None, 'x' * 30]}))\n"
    "    return len(re.sub('[aeiou]+', lambda found: found.group().upper(), 'some more text'))\n"
    "def whole():\n"
    "    class Thing:\n"
    "        def __lt__(self, other): return id(self) < id(other)\n"
    "    sorted(Thing() for _ in range(20))\n"
    "    try:\n"
    "        descend(5, some)\n"
    "        raise ValueError('x')\n"
    "    except ValueError:\n"
    "        pass\n";

void work_python(void)
{
    void *library = library_open("libpython3.11.so.1.0");
    void (*initialize)(int with_handlers);
    int (*run_text)(const char *text);
    int (*finalize)(void);

    bind(library, "Py_InitializeEx", &initialize);
    bind(library, "PyRun_SimpleString", &run_text);
    bind(library, "Py_FinalizeEx", &finalize);
    initialize(0);
    CHECK(run_text(python_work) == 0);
    target_enter();
    while (!is_stopped()) {
        CHECK(run_text("whole()") == 0);
    }
    target_leave();
    CHECK(finalize() == 0);
}

/* ---- LLVM ---- */

static const char llvm_work[] = "define i32 @fold(i32 %n) {\n"
                                "entry:\n"
                                "  br label %loop\n"
                                "loop:\n"
                                "  %i = phi i32 [ 0, %entry ], [ %next, %loop ]\n"
                                "  %sum = phi i32 [ 0, %entry ], [ %more, %loop ]\n"
                                "  %square = mul i32 %i, %i\n"
                                "  %twice = add i32 %square, %square\n"
                                "  %half = lshr i32 %twice, 1\n"
                                "  %more = add i32 %sum, %half\n"
                                "  %next = add i32 %i, 1\n"
                                "  %done = icmp eq i32 %next, %n\n"
                                "  br i1 %done, label %exit, label %loop\n"
                                "exit:\n"
                                "  ret i32 %more\n"
                                "}\n";

/* A part of LLVM's C interface. */
struct llvm {
    void *(*context_new)(void);
    void (*context_free)(void *);
    void *(*buffer_new)(const char *, size_t, const char *);
    int (*parse)(void *, void *, void **, char **);
    void *(*passes_new)(void);
    int (*passes_run)(void *, void *);
    void (*passes_free)(void *);
    void (*add_combining)(void *);
    void (*add_numbering)(void *);
    char *(*print)(void *);
    void (*text_free)(char *);
    void (*module_free)(void *);
};

static void llvm_bind(struct llvm *ret)
{
    void *library = library_open("libLLVM-14.so.1");

    bind(library, "LLVMContextCreate", &ret->context_new);
    bind(library, "LLVMContextDispose", &ret->context_free);
    bind(library, "LLVMCreateMemoryBufferWithMemoryRangeCopy", &ret->buffer_new);
    bind(library, "LLVMParseIRInContext", &ret->parse);
    bind(library, "LLVMCreatePassManager", &ret->passes_new);
    bind(library, "LLVMRunPassManager", &ret->passes_run);
    bind(library, "LLVMDisposePassManager", &ret->passes_free);
    bind(library, "LLVMAddInstructionCombiningPass", &ret->add_combining);
    bind(library, "LLVMAddGVNPass", &ret->add_numbering);
    bind(library, "LLVMPrintModuleToString", &ret->print);
    bind(library, "LLVMDisposeMessage", &ret->text_free);
    bind(library, "LLVMDisposeModule", &ret->module_free);
}

static void llvm_some(const struct llvm *llvm)
{
    void *context = llvm->context_new(), *module = NULL, *passes = llvm->passes_new();
    char *problem = NULL, *text;

    CHECK(llvm->parse(context,
                      llvm->buffer_new(llvm_work, sizeof llvm_work - 1, "work"), /* it takes it */
                      &module, &problem) == 0);
    llvm->add_combining(passes);
    llvm->add_numbering(passes);
    llvm->passes_run(passes, module);
    text = llvm->print(module);
    works_sink += strlen(text);
    llvm->text_free(text);
    llvm->passes_free(passes);
    llvm->module_free(module);
    llvm->context_free(context);
}

void work_llvm(void)
{
    struct llvm llvm;

    llvm_bind(&llvm);
    target_enter();
    while (!is_stopped()) {
        llvm_some(&llvm);
    }
    target_leave();
}
