/* SPDX-License-Identifier: Apache-2.0 */
/* own.h: who frees it, said at the declaration.
 *
 *     OWN(task_freep) struct task *task = task_new();   freed when the scope ends, or moved
 *     return task_take(&task);                          out of it by task_take()
 *
 * OWN_TYPE(task) defines task_freep() and task_take(); task_free() must accept NULL and return
 * NULL. For structs that are embedded, OWN(buf_done) calls buf_done(&variable). */
#ifndef STAKEOUT_COMMON_BASE_OWN_H
#define STAKEOUT_COMMON_BASE_OWN_H

#include <stdlib.h>
#include <unistd.h>

#define OWN(done) __attribute__((cleanup(done)))

#define OWN_TYPE(noun)                                       \
    static inline void noun##_freep(struct noun **it)        \
    {                                                        \
        *it = noun##_free(*it);                              \
    }                                                        \
    static inline struct noun *noun##_take(struct noun **it) \
    {                                                        \
        struct noun *taken = *it;                            \
        *it = NULL;                                          \
        return taken;                                        \
    }

/* For plain malloc()ed memory: OWN(mem_freep) char *name = ... */
static inline void mem_freep(void *it)
{
    void **memory = it;

    free(*memory);
    *memory = NULL;
}

/* For descriptors: OWN(fd_closep) int fd = open(...) */
static inline void fd_closep(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

#endif
