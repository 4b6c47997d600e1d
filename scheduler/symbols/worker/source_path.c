/* SPDX-License-Identifier: Apache-2.0 */
/* source_path.c: by its text alone: the folders are of another machine, and links are not known. */
#include "scheduler/symbols/worker/source_path.h"

#include <stdbool.h>
#include <string.h>

enum { PATH_PARTS_MAX = 64 /* folders that a later ".." can take back */ };

/* What is written never overtakes what is read. */
void source_path_tidy(char *path)
{
    size_t parts[PATH_PARTS_MAX], count = 0, to = path[0] == '/';

    for (const char *at = path + to; *at != '\0';) {
        size_t size = strcspn(at, "/");
        bool has_more = at[size] == '/';
        bool is_up = size == 2 && memcmp(at, "..", 2) == 0;

        if (is_up && count > 0) {
            to = parts[--count];
        } else if (size > 0 && !(size == 1 && at[0] == '.')) {
            if (!is_up) parts[count++] = to;
            memmove(path + to, at, size);
            to += size;
            if (has_more) path[to++] = '/';
        }
        at += size + has_more;
        if (count == PATH_PARTS_MAX) {
            memmove(path + to, at, strlen(at) + 1);
            return;
        }
    }
    if (to > 1 && path[to - 1] == '/') to--;
    path[to] = '\0';
}
