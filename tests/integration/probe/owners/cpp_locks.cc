/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/owners/cpp_locks.h"

#include <chrono>
#include <mutex>
#include <shared_mutex>

static std::mutex mutex;
static std::recursive_mutex recursive;
static std::timed_mutex timed;
static std::shared_mutex shared;

void cpp_mutex_take(void)
{
    mutex.lock();
}

void cpp_mutex_give(void)
{
    mutex.unlock();
}

void cpp_recursive_take(void)
{
    recursive.lock();
}

void cpp_recursive_give(void)
{
    recursive.unlock();
}

void cpp_timed_take(void)
{
    while (!timed.try_lock_for(std::chrono::seconds(20))) {
    }
}

void cpp_timed_give(void)
{
    timed.unlock();
}

void cpp_shared_take(void)
{
    shared.lock();
}

void cpp_shared_give(void)
{
    shared.unlock();
}

void cpp_shared_read(void)
{
    shared.lock_shared();
}

void cpp_shared_unread(void)
{
    shared.unlock_shared();
}
