/* SPDX-License-Identifier: Apache-2.0 */
/* tls_library.c: RTLD_LOCAL, so that its functions take nobody's place; RTLD_DEEPBIND, so that
 * those of a host which brings another OpenSSL do not take the place of its own. A host that has
 * the same library shares it with us: it is set up with its defaults, as by the host's first use.
 *
 * OpenSSL ends itself by atexit(), and so before the destructor in which the probe says goodbye. It
 * calls us first (OPENSSL_atexit); from then on there is no TLS in this process. */
#include "probe/agent/link/tls_library.h"

#include "probe/agent/base/errand.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/base/program.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

static struct errand opening;
static struct tls_library library; /* read when the errand is done */
static bool is_bound;              /* likewise */
static _Atomic bool is_over;
static void (*say_farewell)(void); /* set before the errand */

static void on_openssl_end(void)
{
    say_farewell();
    atomic_store_explicit(&is_over, true, memory_order_relaxed);
}

static bool bind(void *handle, struct tls_library *ret)
{
    void *address;

#define X(type, name, arguments)    \
    address = dlsym(handle, #name); \
    if (!address) return false;     \
    memcpy(&ret->name, &address, sizeof address);
    TLS_FUNCTIONS(X)
#undef X
    return true;
}

static void open_library(void)
{
    int mode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
    void *handle;

    if (!filters_allow(TRIED_pread64)) return; /* the loader's */
    if (!program_is_sanitized()) mode |= RTLD_DEEPBIND;
    handle = dlopen("libssl.so.3", mode);
    if (!handle || !bind(handle, &library)) return;
    is_bound =
        library.OPENSSL_init_ssl(0, NULL) == 1 && library.OPENSSL_atexit(on_openssl_end) == 1;
}

void tls_library_open(void (*farewell)(void))
{
    if (program_is_static()) return;
    say_farewell = farewell;
    errand_run(&opening, open_library, ERRAND_PATIENCE_NS);
}

const struct tls_library *tls_library_find(void)
{
    if (!errand_is_done(&opening) || !is_bound) return NULL;
    return atomic_load_explicit(&is_over, memory_order_relaxed) ? NULL : &library;
}
