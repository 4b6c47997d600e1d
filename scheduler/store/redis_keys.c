/* SPDX-License-Identifier: Apache-2.0 */
/* redis_keys.c: names. Encoding the braces keeps "{APP}" one hash tag whatever an application
 * is called: Redis takes what stands between the first '{' and the next '}', if that is not
 * empty. */
#include "scheduler/store/redis_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"

struct key_tag key_tag_make(struct text application)
{
    struct key_tag tag;
    size_t size = 0;

    CHECK(application.size > 0 && application.size <= APPLICATION_SIZE_MAX);
    for (size_t i = 0; i < application.size; i++) {
        char c = application.data[i];
        if (c == '%' || c == '{' || c == '}') {
            size += (size_t)snprintf(tag.text + size, sizeof(tag.text) - size, "%%%02X", c);
        } else {
            tag.text[size++] = c;
        }
    }
    tag.text[size] = '\0';
    return tag;
}

void key_add(struct redis_command *command, const struct key_tag *tag, const char *what)
{
    redis_command_add_format(command, "stakeout:{%s}:%s", tag->text, what);
}

void key_add_task(struct redis_command *command, const struct key_tag *tag,
                  const struct task_id *task, const char *what)
{
    redis_command_add_format(command, "stakeout:{%s}:task:%s%s%s", tag->text, task->text,
                             what[0] ? ":" : "", what);
}

void key_add_blob(struct redis_command *command, const struct key_tag *tag,
                  const struct sample_id *sample, uint64_t revision)
{
    redis_command_add_format(command, "stakeout:{%s}:blob:%s:%" PRIu64, tag->text, sample->text,
                             revision);
}

void key_add_body(struct redis_command *command, const struct sample_id *sample, uint64_t revision)
{
    redis_command_add_format(command, "stakeout:{%s}:body:%" PRIu64, sample->text, revision);
}

void key_add_task_pointer(struct redis_command *command, const struct task_id *task)
{
    redis_command_add_format(command, "stakeout:task:%s", task->text);
}

void key_add_sample_pointer(struct redis_command *command, const struct sample_id *sample)
{
    redis_command_add_format(command, "stakeout:sample:%s", sample->text);
}

void key_add_trace(struct redis_command *command, const struct trace_id *trace)
{
    redis_command_add_format(command, "stakeout:trace:%s", trace->text);
}
