/* SPDX-License-Identifier: Apache-2.0 */
/* locks.c: see locks.h.
 *
 *     1.68 s  mutex cart_lock, held by worker-3
 *             fsync < save_order < handle_order < main */
#include "tools/cli/view/locks.h"

#include "common/base/check.h"
#include "tools/cli/link/field.h"
#include "tools/cli/screen/format.h"
#include "tools/cli/screen/frame.h"
#include "tools/cli/screen/name.h"
#include "tools/cli/view/view.h"

#include <inttypes.h>

enum { LOCKS_MAX = 5, FRAMES_MAX = 4, NAME_COLUMNS_MAX = 40, LINE_SIZE_MAX = 64 * 1024 };

static void put_owner(const json_t *lock, struct buf *to)
{
    struct text thread = field_text(json_object_get(lock, "lock_owner"), "thread");
    uint64_t count = field_count(lock, "owners");

    if (!json_is_object(json_object_get(lock, "lock_owner"))) {
        (void)buf_text(to, TEXT(", its owner unknown"));
        return;
    }
    (void)buf_text(to, TEXT(", held by "));
    (void)buf_text(to, thread.size > 0 ? thread : TEXT("a thread"));
    if (count > 1)
        (void)buf_printf(to, " and %" PRIu64 " other%s", count - 1, count > 2 ? "s" : "");
}

/* "fsync < save_order < handle_order < ..." */
static void put_stack(struct cli *cli, const json_t *frames, const json_t *stack, bool has_all)
{
    OWN(buf_done) struct buf line = BUF_INIT(LINE_SIZE_MAX);
    const json_t *index;
    size_t i;

    json_array_foreach(stack, i, index)
    {
        OWN(buf_done) struct buf name = BUF_INIT(LINE_SIZE_MAX);

        if (i > 0) (void)buf_text(&line, TEXT(" < "));
        if (i == FRAMES_MAX && !has_all) {
            (void)buf_text(&line, TEXT("..."));
            break;
        }
        frame_name(frame_at(frames, index), &name);
        name_fit(&cli->screen, buf_peek(&name), NAME_BARE, NAME_COLUMNS_MAX, &line);
    }
    if (line.size > 0) view_sentence(cli, "        ", buf_peek(&line));
}

static void put_lock(struct cli *cli, const json_t *frames, const json_t *lock, bool has_all)
{
    OWN(buf_done) struct buf line = BUF_INIT(LINE_SIZE_MAX);
    struct text waiting_for = field_text(lock, "waiting_for");

    format_time(&cli->screen, field_number(lock, "wait_ms"), &line);
    (void)buf_text(&line, TEXT("  "));
    (void)buf_text(&line, waiting_for.size > 0 ? waiting_for : TEXT("a lock"));
    put_owner(lock, &line);
    view_sentence(cli, "", buf_peek(&line));
    put_stack(cli, frames, field_array(json_object_get(lock, "lock_owner"), "stack"), has_all);
}

void locks_put(struct cli *cli, const json_t *analysis, bool has_all)
{
    const json_t *locks = field_array(analysis, "locks"), *lock;
    size_t i, count = json_array_size(locks);

    if (count == 0) return;
    view_heading(cli, "Locks, and what their owners did");
    json_array_foreach(locks, i, lock)
    {
        if (i == LOCKS_MAX && !has_all) {
            (void)buf_printf(&cli->out, "  %zu more; --all shows all.\n", count - i);
            break;
        }
        put_lock(cli, field_array(analysis, "frames"), lock, has_all);
    }
}
