/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/agent/unwind/moment.h"

#include <dlfcn.h>
#include <sys/ucontext.h>

enum { RED_ZONE_SIZE = 128 }; /* bytes below the stack pointer that belong to the function, too */

struct moment moment;

static const int places[REGISTERS] = {
    REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
    REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

/* Copied by an instruction: a sanitizer would refuse memcpy() to read other functions' frames. */
void moment_take(const void *context)
{
    const ucontext_t *interrupted = context;
    uint64_t base = (uint64_t)interrupted->uc_mcontext.gregs[REG_RSP] - RED_ZONE_SIZE;
    const void *from = (const void *)(uintptr_t)base;
    void *to = moment.bytes;
    size_t size = moment.high - base;

    if (size > sizeof moment.bytes) size = sizeof moment.bytes;
    moment.view = (struct stack_view){
        .bytes = moment.bytes, .base = base, .size = size, .known = REGISTERS_ALL
    };
    for (int i = 0; i < REGISTERS; i++) {
        moment.view.registers[i] = (uint64_t)interrupted->uc_mcontext.gregs[places[i]];
    }
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

uint64_t moment_random(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void *moment_library_symbol(const char *name)
{
    static void *library;

    if (!library) library = dlopen(UNWOUND_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}
