/* SPDX-License-Identifier: Apache-2.0 */
/* program.c: asks the program's own headers, as the kernel left them to us; the loader, where it
 * was started by name, has put the program's in place of its own. */
#include "probe/agent/base/program.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

static bool has_header(uint32_t type)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)(uintptr_t)getauxval(AT_PHDR);
    uint64_t count = headers ? getauxval(AT_PHNUM) : 0;

    for (uint64_t i = 0; i < count; i++) {
        if (headers[i].p_type == type) return true;
    }
    return false;
}

bool program_is_static(void)
{
    return !has_header(PT_INTERP);
}

bool program_has_unwind_header(void)
{
    return has_header(PT_GNU_EH_FRAME);
}

bool program_is_sanitized(void)
{
    return dlsym(RTLD_DEFAULT, "__sanitizer_report_error_summary") != NULL;
}
