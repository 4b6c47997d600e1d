/* SPDX-License-Identifier: Apache-2.0 */
/* demangle.c: by __cxa_demangle of libstdc++, which every Debian system has (apt needs it), whose
 * interface the C++ ABI fixes, and which is a shared library that gets its security updates.
 * libiberty, the other choice, comes as a static archive of a binutils snapshot only. It is linked
 * by the name of its file, so that no C++ compiler is needed to build. */
#include "scheduler/symbols/worker/demangle.h"

#include <stdlib.h>
#include <string.h>

/* As the C++ ABI declares it (Itanium C++ ABI, 3.4): status 0 is success. */
char *__cxa_demangle(const char *mangled, char *buffer, size_t *size, int *status);

enum { MANGLED_SIZE_MAX = 16 * 1024 };

/* Rust's older scheme ends a name with a hash: "shop::find::h0123456789abcdef". */
static void drop_rust_hash(char *name)
{
    size_t size = strlen(name);
    char *hash = size > 19 ? name + size - 19 : NULL;

    if (hash && strncmp(hash, "::h", 3) == 0 && strspn(hash + 3, "0123456789abcdef") == 16)
        *hash = '\0';
}

char *name_demangle(const char *name)
{
    char *demangled;
    int status = -1;

    if (strncmp(name, "_Z", 2) != 0 || strlen(name) > MANGLED_SIZE_MAX) return NULL;
    demangled = __cxa_demangle(name, NULL, NULL, &status);
    if (status != 0) {
        free(demangled);
        return NULL;
    }
    drop_rust_hash(demangled);
    return demangled;
}
