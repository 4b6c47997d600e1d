/* SPDX-License-Identifier: Apache-2.0 */
/* lock_owner_test.c: the places of owners, on the C library that is here. */
#include "probe/agent/look/lock_owner.h"

#include "probe/agent/look/blocked.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct wait_view futex(const volatile void *word)
{
    return (struct wait_view){ .syscall = SYS_futex, .arguments = { (uint64_t)(uintptr_t)word } };
}

static void the_layout_is_proven_here(void **state)
{
    (void)state;
    assert_true(lock_owner_is_proven(LOCK_MUTEX));
    assert_true(lock_owner_is_proven(LOCK_RWLOCK));
    assert_false(lock_owner_is_proven(LOCK_NONE));
}

static void a_mutex_names_who_has_it(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct wait_view wait = futex(&mutex);
    uint64_t at = lock_owner_at(LOCK_MUTEX, &wait);

    (void)state;
    assert_int_equal(lock_owner_read(at), 0);
    pthread_mutex_lock(&mutex);
    assert_int_equal(lock_owner_read(at), syscall(SYS_gettid));
    pthread_mutex_unlock(&mutex);
    assert_int_equal(lock_owner_read(at), 0);
}

/* Whichever of its words a thread sleeps on. */
static void a_writer_is_found_from_each_word(void **state)
{
    static const struct {
        int offset;
        bool is_found;
    } words[] = { { 0, false }, { 8, true }, { 12, true } };
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

    (void)state;
    pthread_rwlock_wrlock(&lock);
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        struct wait_view wait = futex((char *)&lock + words[i].offset);
        uint32_t tid = lock_owner_read(lock_owner_at(LOCK_RWLOCK, &wait));

        assert_int_equal(tid, words[i].is_found ? syscall(SYS_gettid) : 0);
    }
    pthread_rwlock_unlock(&lock);
}

static void only_futexes_of_locks_have_owners(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct wait_view wait = futex(&mutex);

    (void)state;
    assert_int_equal(lock_owner_at(LOCK_NONE, &wait), 0);
    wait.syscall = SYS_read;
    assert_int_equal(lock_owner_at(LOCK_MUTEX, &wait), 0);
}

static void memory_that_is_gone_has_no_owner(void **state)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    page[0] = 7;
    assert_int_equal(lock_owner_read((uint64_t)(uintptr_t)page), 7);
    munmap(page, 4096);
    assert_int_equal(lock_owner_read((uint64_t)(uintptr_t)page), 0);
    assert_false(lock_owner_is_in_word((uint64_t)(uintptr_t)page));
}

static void a_word_with_the_owner_in_it_is_known(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, inherit;
    pthread_mutexattr_t attributes;

    (void)state;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inherit, &attributes);
    pthread_mutex_lock(&inherit);
    pthread_mutex_lock(&mutex);
    assert_true(lock_owner_is_in_word((uint64_t)(uintptr_t)&inherit));
    assert_false(lock_owner_is_in_word((uint64_t)(uintptr_t)&mutex));
    pthread_mutex_unlock(&mutex);
    pthread_mutex_unlock(&inherit);
    assert_false(lock_owner_is_in_word((uint64_t)(uintptr_t)&inherit));
    pthread_mutex_destroy(&inherit);
    pthread_mutexattr_destroy(&attributes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_proven_here),
        cmocka_unit_test(a_mutex_names_who_has_it),
        cmocka_unit_test(a_writer_is_found_from_each_word),
        cmocka_unit_test(only_futexes_of_locks_have_owners),
        cmocka_unit_test(memory_that_is_gone_has_no_owner),
        cmocka_unit_test(a_word_with_the_owner_in_it_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
