/* SPDX-License-Identifier: Apache-2.0 */
/* function_code_test.c: what is read from instructions, written here byte by byte. */
#include "probe/agent/unwind/function_code.h"

#include "tests/support/test.h"

#include <string.h>

#define CODE(...)                                 \
    {                                             \
        sizeof((unsigned char[]){ __VA_ARGS__ }), \
        {                                         \
            __VA_ARGS__                           \
        }                                         \
    }
#define PUSH_RBP      0x55
#define MOV_RSP_RBP   0x48, 0x89, 0xe5
#define SUB_RSP(n)    0x48, 0x83, 0xec, (n)
#define CALL_SOMEBODY 0xe8, 0x11, 0x22, 0x33, 0x44

struct code {
    size_t size;
    unsigned char bytes[32];
};

static struct prologue read_it(const struct code *code)
{
    unsigned char bytes[PROLOGUE_SIZE];
    struct prologue prologue;

    memset(bytes, 0xcc, sizeof bytes); /* int3 fills what is behind a function */
    memcpy(bytes, code->bytes, code->size);
    prologue_read(bytes, &prologue);
    return prologue;
}

static void a_prologue_tells_the_frames_size(void **state)
{
    static const struct {
        struct code code;
        uint64_t size;
        uint32_t reservations;
        bool is_certain;
    } rows[] = {
        { CODE(PUSH_RBP, MOV_RSP_RBP, SUB_RSP(32)), 32, 1, true },
        { CODE(0xf3, 0x0f, 0x1e, 0xfa, PUSH_RBP, MOV_RSP_RBP, SUB_RSP(32)), 32, 1, true },
        { CODE(PUSH_RBP, MOV_RSP_RBP, 0x41, 0x54, 0x53, SUB_RSP(8)), 24, 1, true },
        { CODE(PUSH_RBP, MOV_RSP_RBP, 0x48, 0x83, 0xc4, 0x80), 128, 1, true },
        { CODE(PUSH_RBP, MOV_RSP_RBP, 0x48, 0x81, 0xec, 0, 0x10, 0, 0), 4096, 1, true },
        { CODE(PUSH_RBP, MOV_RSP_RBP, 0x53, CALL_SOMEBODY), 8, 0, true },
        { CODE(PUSH_RBP, 0x89, 0xf8, MOV_RSP_RBP, 0x53, 0x0f, 0x84, 1, 0, 0, 0, SUB_RSP(16)), 24, 1,
          true },
        { CODE(PUSH_RBP, MOV_RSP_RBP, 0x53, 0xcc), 8, 0, false }, /* not understood */
        { CODE(PUSH_RBP, 0x53, CALL_SOMEBODY), 0, 0, false },     /* no frame pointer is set */
        { CODE(0x53, SUB_RSP(16), CALL_SOMEBODY), 0, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct prologue prologue = read_it(&rows[i].code);

        assert_int_equal(prologue.size, rows[i].size);
        assert_int_equal(prologue.reservations, rows[i].reservations);
        assert_int_equal(prologue.is_certain, rows[i].is_certain);
    }
}

static uint32_t moves(const struct code *code)
{
    unsigned char bytes[sizeof code->bytes + STACK_MOVE_SIZE] = { 0 };

    memcpy(bytes, code->bytes, code->size);
    return stack_moves_count(bytes, sizeof bytes);
}

static void what_moves_the_stack_pointer_is_counted(void **state)
{
    static const struct code rows[] = {
        CODE(SUB_RSP(8)),
        CODE(0x48, 0x81, 0xec, 0, 0x10, 0, 0),       /* sub $4096,%rsp */
        CODE(0x48, 0x83, 0xc4, 0x80),                /* add $-128,%rsp */
        CODE(0x48, 0x81, 0xc4, 0, 0xf0, 0xff, 0xff), /* add $-4096,%rsp */
        CODE(0x48, 0x29, 0xc4),                      /* sub %rax,%rsp */
        CODE(0x4c, 0x29, 0xc4),                      /* sub %r8,%rsp */
        CODE(0x48, 0x2b, 0x65, 0xf0),                /* sub -16(%rbp),%rsp */
        CODE(0x48, 0x83, 0xe4, 0xf0),                /* and $-16,%rsp */
        CODE(0x48, 0x81, 0xe4, 0, 0xff, 0xff, 0xff), /* and $-256,%rsp */
        CODE(0x48, 0x89, 0xc4),                      /* mov %rax,%rsp */
        CODE(0x48, 0x8b, 0x65, 0xe8),                /* mov -24(%rbp),%rsp */
        CODE(0x48, 0x8d, 0x64, 0x24, 0xf8),          /* lea -8(%rsp),%rsp */
        CODE(0x48, 0x8d, 0x24, 0x04),                /* lea (%rsp,%rax),%rsp */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(moves(&rows[i]), 1);
    }
}

static void what_leaves_it_or_puts_it_back_is_not(void **state)
{
    static const struct code rows[] = {
        CODE(0x48, 0x83, 0xc4, 0x20),          /* add $32,%rsp */
        CODE(0x48, 0x81, 0xc4, 0, 0x10, 0, 0), /* add $4096,%rsp */
        CODE(0x48, 0x89, 0xec),                /* mov %rbp,%rsp */
        CODE(0x48, 0x8d, 0x65, 0xf0),          /* lea -16(%rbp),%rsp */
        CODE(0x4c, 0x8b, 0x64, 0x24, 0x08),    /* mov 8(%rsp),%r12 */
        CODE(0x4c, 0x8d, 0x64, 0x24, 0x08),    /* lea 8(%rsp),%r12 */
        CODE(0x49, 0x29, 0xc4),                /* sub %rax,%r12 */
        CODE(0x4c, 0x2b, 0x65, 0xf0),          /* sub -16(%rbp),%r12 */
        CODE(0x48, 0x29, 0xe0),                /* sub %rsp,%rax */
        CODE(0x48, 0x89, 0xe7),                /* mov %rsp,%rdi */
        CODE(PUSH_RBP, MOV_RSP_RBP, 0x41, 0x54, CALL_SOMEBODY, 0x41, 0x5c, 0xc9, 0xc3),
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(moves(&rows[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prologue_tells_the_frames_size),
        cmocka_unit_test(what_moves_the_stack_pointer_is_counted),
        cmocka_unit_test(what_leaves_it_or_puts_it_back_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
