/* SPDX-License-Identifier: Apache-2.0 */
/* A host in C++: makes its calls once a line came on its standard input, and prints "done". Each call
 * takes 100 ms at least, so that a task on "cxx *" takes them all. Exits with 1 where one of the
 * header's promises does not hold. */
#include <stakeout/stakeout.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <vector>

static_assert(!std::is_copy_constructible<stakeout::call>::value, "calls are not copied");
static_assert(!std::is_copy_assignable<stakeout::call>::value, "calls are not copied");
static_assert(std::is_nothrow_move_constructible<stakeout::call>::value, "calls move");
static_assert(std::is_nothrow_move_assignable<stakeout::call>::value, "calls move");
static_assert(std::is_nothrow_destructible<stakeout::call>::value, "nothing throws");
static_assert(noexcept(stakeout::call(std::declval<const stakeout::interface &>())),
              "nothing throws");

namespace
{

void require(bool holds, const char *what)
{
    if (holds) return;
    std::fprintf(stderr, "%s\n", what);
    std::exit(1);
}

/* Until then, whatever wakes it in between. */
__attribute__((noinline)) void nap()
{
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);

    while (std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_until(until);
}

/* Without optimization, the call's begin has returned from its constructor while this waits. */
__attribute__((noinline)) void plain()
{
    static const stakeout::interface of("cxx plain");
    stakeout::call call(of);

    nap();
    call.response_code(201);
}

void thrown()
{
    static const stakeout::interface of("cxx thrown");

    try {
        stakeout::call call(of);

        call.response_code(200); /* it never comes to that */
        nap();
        throw std::runtime_error("no");
    } catch (const std::exception &) {
    }
}

void thrown_with_a_code()
{
    static const stakeout::interface of("cxx thrown 503");

    try {
        stakeout::call call(of);

        call.exception_code(503);
        nap();
        throw 1;
    } catch (int) {
    }
}

/* Its call is whole, though an exception is on its way around it. */
struct cleaner {
    ~cleaner()
    {
        static const stakeout::interface of("cxx cleaner");
        stakeout::call call(of);

        nap();
        call.response_code(204);
    }
};

void cleaned()
{
    try {
        cleaner cleaner;

        throw 1;
    } catch (int) {
    }
}

void caught_inside()
{
    static const stakeout::interface of("cxx caught");
    stakeout::call call(of);

    try {
        throw 1;
    } catch (int) {
    }
    nap();
    call.response_code(200);
}

void moved()
{
    static const stakeout::interface of("cxx moved");
    std::vector<stakeout::call> calls;
    stakeout::call first(of);

    nap();
    first.response_code(211);
    {
        stakeout::call inner(std::move(first));

        require(!first && inner, "a call that was moved from is open");
        first.end(999); /* nothing */
        calls.push_back(std::move(inner));
    } /* nothing ends here */
    require(static_cast<bool>(calls[0]), "a call in a vector has ended");
    calls.clear();

    stakeout::call second(of), third(of);
    nap();
    second.response_code(212);
    third.response_code(213);
    second = std::move(third); /* ends the second */
    stakeout::call &same = second;
    second = std::move(same);
    require(second && !third, "an assigned call is wrong");
    second.end(214);
    require(!second, "a call that ended is open");
}

void handed_over()
{
    static const stakeout::interface of("cxx handed");
    stakeout::call call(of);

    call.response_code(220);
    call.detach("the other thread");
    std::thread(
        [](stakeout::call taken) {
            taken.attach();
            nap();
        },
        std::move(call))
        .join();
}

void traced()
{
    static const stakeout::interface of("cxx traced");
    stakeout::call call(of, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    char id[33];

#ifndef STAKEOUT_OFF
    require(call.trace_id(id), "a call has no trace ID");
    require(std::strcmp(id, "4bf92f3577b34da6a3ce929d0e0e4736") == 0, "the trace ID is another");
#endif
    call.end(200);
    require(!call.trace_id(id) && !*id, "a call that ended has a trace ID");
}

#if defined(__cpp_impl_coroutine)

struct task {
    struct promise_type {
        task get_return_object() { return task{ done.get_future() }; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() { done.set_value(); }
        void unhandled_exception() { done.set_exception(std::current_exception()); }
        std::promise<void> done;
    };
    std::future<void> done;
};

/* Resumes on a thread of its own, after a while; or at once, on this one; or throws. */
struct elsewhere {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const
    {
        std::thread([handle] {
            nap();
            nap();
            handle.resume();
        }).detach();
    }
    int await_resume() const noexcept { return 42; }
};

struct not_suspended {
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
    int await_resume() const noexcept { return 43; }
};

struct refused {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const { throw std::runtime_error("refused"); }
    void await_resume() const noexcept {}
};

struct by_operator {
    elsewhere operator co_await() const noexcept { return {}; }
};

__attribute__((noinline)) void after_resuming()
{
    nap();
    __asm__ volatile("" ::: "memory"); /* no tail call: it stays on the stack */
}

task resumed_elsewhere()
{
    static const stakeout::interface of("cxx coroutine");
    const pid_t begun_on = ::gettid(); /* pthread_self() is "const": compilers keep its answer */
    stakeout::call call(of);
    elsewhere lasting;

    require(co_await call.wait(not_suspended{}, "nothing") == 43, "not the awaited value");
    require(co_await call.wait(lasting, "elsewhere") == 42, "not the awaited value");
    require(::gettid() != begun_on, "it was not resumed on another thread");
    after_resuming();
    require(co_await call.wait(by_operator{}, "elsewhere") == 42, "not the awaited value");
    call.response_code(230);
}

task throws_when_resumed()
{
    static const stakeout::interface of("cxx coroutine thrown");
    stakeout::call call(of);

    try {
        co_await call.wait(refused{}, "nothing");
        require(false, "what await_suspend throws is swallowed");
    } catch (const std::runtime_error &) {
    }
    co_await call.wait(elsewhere{}, "elsewhere");
    throw std::runtime_error("after resuming");
}

void coroutines()
{
    bool was_thrown = false;

    resumed_elsewhere().done.get();
    try {
        throws_when_resumed().done.get();
    } catch (const std::runtime_error &) {
        was_thrown = true;
    }
    require(was_thrown, "a coroutine's exception is swallowed");
}

#else
void coroutines() {}
#endif

} /* namespace */

int main()
{
    std::string line;

    stakeout_start(nullptr);
    std::getline(std::cin, line);
    plain();
    thrown();
    thrown_with_a_code();
    cleaned();
    caught_inside();
    moved();
    handed_over();
    traced();
    coroutines();
#if defined(__cpp_impl_coroutine)
    std::printf("done with coroutines\n");
#else
    std::printf("done\n");
#endif
    std::fflush(stdout);
    std::getline(std::cin, line); /* its samples can be read while it lives */
    return 0;
}
