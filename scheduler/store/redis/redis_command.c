/* SPDX-License-Identifier: Apache-2.0 */
/* redis_command.c: arguments behind a head-room, into which the count is written at last, right
 * before the first argument: so that the bytes are one piece and are never moved. */
#include "scheduler/store/redis/redis_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/own.h"

enum { HEAD_SIZE = 16 }; /* "*4294967295\r\n" and some */

struct redis_command redis_command_make(const char *name)
{
    struct redis_command command = { .bytes = BUF_INIT(COMMAND_SIZE_MAX) };

    CHECK(buf_reserve(&command.bytes, HEAD_SIZE));
    buf_commit(&command.bytes, HEAD_SIZE);
    redis_command_add(&command, text_of(name));
    return command;
}

void redis_command_done(struct redis_command *command)
{
    buf_done(&command->bytes);
}

void redis_command_add(struct redis_command *command, struct text argument)
{
    CHECK(buf_printf(&command->bytes, "$%zu\r\n", argument.size) == 0);
    CHECK(buf_text(&command->bytes, argument) == 0);
    CHECK(buf_text(&command->bytes, TEXT("\r\n")) == 0);
    command->count++;
}

void redis_command_add_format(struct redis_command *command, const char *format, ...)
{
    OWN(buf_done) struct buf argument = BUF_INIT(COMMAND_SIZE_MAX);
    va_list args;

    va_start(args, format);
    CHECK(buf_vprintf(&argument, format, args) == 0);
    va_end(args);
    redis_command_add(command, buf_peek(&argument));
}

void redis_command_add_u64(struct redis_command *command, uint64_t number)
{
    redis_command_add_format(command, "%" PRIu64, number);
}

struct text redis_command_bytes(struct redis_command *command)
{
    char head[HEAD_SIZE];
    int size = snprintf(head, sizeof(head), "*%" PRIu32 "\r\n", command->count);
    char *start;

    CHECK(size > 0 && size < HEAD_SIZE);
    start = command->bytes.data + HEAD_SIZE - size;
    memcpy(start, head, (size_t)size);
    return (struct text){ start, command->bytes.size - (size_t)(HEAD_SIZE - size) };
}
