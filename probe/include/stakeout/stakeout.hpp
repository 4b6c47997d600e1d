/* SPDX-License-Identifier: Apache-2.0 */
/* stakeout.hpp: calls as C++ objects. From C++11 on; with coroutines from C++20 on.
 *
 *     static const stakeout::interface checkout("POST /checkout");
 *
 *     void on_checkout(request &request)
 *     {
 *         stakeout::call call(checkout, request.header("traceparent"));
 *         ...
 *         call.response_code(201);
 *     }                                        its end; 500 where an exception leaves the scope
 *
 * A call is one object: it moves, and is not copied. One that was moved from, or has ended, does
 * nothing more. Move it along when the work goes to another thread, and say so on both sides:
 *
 *     call.detach("worker queue");             here, before the other thread can have it
 *     call.attach();                           there, first
 *
 * In a coroutine, suspending is such a hand-over, since the thread goes on with something else and
 * another may resume:
 *
 *     auto rows = co_await call.wait(database.query(sql), "database");
 *
 * detaches the call where the coroutine really suspends, and attaches it to the thread that resumes
 * it. Whatever is awaited without wait() is told as if the call ran, on the thread that it was on.
 *
 * Nothing here throws, allocates or prints; what an awaited thing throws passes through. With
 * -DSTAKEOUT_OFF all of it is inline nothings. Threads: a call belongs to one at a time. */
#ifndef STAKEOUT_STAKEOUT_HPP
#define STAKEOUT_STAKEOUT_HPP

#include <stakeout/stakeout.h>

#include <exception>
#include <utility>

#if !defined(__cpp_lib_uncaught_exceptions)
#include <cxxabi.h>
#endif
#if defined(__cpp_impl_coroutine)
#include <coroutine>
#endif

namespace stakeout
{

/* How many exceptions of this thread are on their way to whoever catches them. Before C++17 only
 * the ABI tells; these are the first members of its globals, fixed for all compilers. */
inline int exceptions_in_flight() noexcept
{
#if defined(__cpp_lib_uncaught_exceptions)
    return std::uncaught_exceptions();
#else
    struct globals {
        void *caught;
        unsigned uncaught;
    };

    return static_cast<int>(reinterpret_cast<const globals *>(abi::__cxa_get_globals())->uncaught);
#endif
}

/* A registered interface: make one per name, once, where it lives long. */
class interface
{
  public:
    explicit interface(const char *name) noexcept : id_(::stakeout_interface(name)) {}
    stakeout_interface_id id() const noexcept { return id_; }

  private:
    stakeout_interface_id id_;
};

#if defined(__cpp_impl_coroutine)
template <typename Awaiter> class waiting;
#endif

class call
{
  public:
    /* Begins a call on this thread. `traceparent` is the caller's header, copied; or null. */
    explicit call(const interface &of, const char *traceparent = nullptr) noexcept
        : token_(::stakeout_call_begin_traced(of.id(), traceparent)), is_open_(true), is_on_(true),
          exceptions_(exceptions_in_flight())
    {
    }

    call(call &&other) noexcept
        : token_(other.token_), is_open_(take(other.is_open_)), is_on_(other.is_on_),
          exceptions_(exceptions_in_flight()), response_code_(other.response_code_),
          exception_code_(other.exception_code_)
    {
    }

    /* The call that was here ends first. Calls of a thread nest: so that the one that comes does not
     * end with it, it is off its thread meanwhile. */
    call &operator=(call &&other) noexcept
    {
        const bool is_on = other.is_on_;

        if (this == &other) return *this;
        if (is_on) other.detach();
        close();
        token_ = other.token_;
        is_open_ = take(other.is_open_);
        is_on_ = false;
        exceptions_ = exceptions_in_flight();
        response_code_ = other.response_code_;
        exception_code_ = other.exception_code_;
        if (is_on) attach();
        return *this;
    }

    call(const call &) = delete;
    call &operator=(const call &) = delete;

    ~call() { close(); }

    /* What the call ends with: without an exception (default 0: none), and with one. */
    void response_code(int code) noexcept { response_code_ = code; }
    void exception_code(int code) noexcept { exception_code_ = code; }

    /* Ends it before its scope does. */
    void end(int code) noexcept
    {
        if (take(is_open_)) ::stakeout_call_end(token_, code);
    }

    /* Takes it off its thread; `waiting_for` lives as long as the call, as literals do. */
    void detach(const char *waiting_for = nullptr) noexcept
    {
        is_on_ = false;
        if (is_open_) ::stakeout_call_detach(token_, waiting_for);
    }

    /* Puts it on this thread; only exceptions that this thread throws from here on count. */
    void attach() noexcept
    {
        is_on_ = true;
        exceptions_ = exceptions_in_flight();
        if (is_open_) ::stakeout_call_attach(token_);
    }

    /* 32 hex digits and a zero; false, and "", if the call is not watched. */
    bool trace_id(char (&ret)[33]) const noexcept
    {
        ret[0] = '\0';
        return is_open_ && ::stakeout_call_trace_id(token_, ret) == 0;
    }

    /* False: moved from, or ended. */
    explicit operator bool() const noexcept { return is_open_; }
    stakeout_call token() const noexcept { return token_; }

#if defined(__cpp_impl_coroutine)
    /* co_await call.wait(x, "what for"): see the top. The call outlives the co_await. */
    template <typename Awaitable>
    auto wait(Awaitable &&awaitable, const char *waiting_for = nullptr);
#endif

  private:
    static bool take(bool &flag) noexcept
    {
        const bool was_set = flag;

        flag = false;
        return was_set;
    }

    void close() noexcept
    {
        end(exceptions_in_flight() > exceptions_ ? exception_code_ : response_code_);
    }

    stakeout_call token_;
    bool is_open_;
    bool is_on_;     /* on a thread, not detached */
    int exceptions_; /* in flight when the call came here: those are not its own */
    int response_code_ = 0;
    int exception_code_ = 500;
};

#if defined(__cpp_impl_coroutine)

/* What the language does with an operand of co_await, which is not ours to hand on: an operator of
 * its type, one beside it, or itself. */
template <typename Awaitable> decltype(auto) awaiter_of(Awaitable &&awaitable)
{
    if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
        return std::forward<Awaitable>(awaitable).operator co_await();
    } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); }) {
        return operator co_await(std::forward<Awaitable>(awaitable));
    } else {
        return std::forward<Awaitable>(awaitable);
    }
}

/* An awaiter around another one. An Awaiter that is a reference refers to the operand, which lives
 * until the co_await is over. */
template <typename Awaiter> class waiting
{
  public:
    waiting(call &of, Awaiter &&awaiter, const char *waiting_for)
        : call_(of), awaiter_(std::forward<Awaiter>(awaiter)), waiting_for_(waiting_for)
    {
    }

    bool await_ready() { return static_cast<bool>(awaiter_.await_ready()); }

    /* Detached before: once the inner one has run, another thread may be resuming us already. */
    template <typename Promise> auto await_suspend(std::coroutine_handle<Promise> handle)
    {
        is_detached_ = true;
        call_.detach(waiting_for_);
        try {
            return awaiter_.await_suspend(handle);
        } catch (...) {
            is_detached_ = false;
            call_.attach();
            throw;
        }
    }

    decltype(auto) await_resume()
    {
        if (std::exchange(is_detached_, false)) call_.attach();
        return awaiter_.await_resume();
    }

  private:
    call &call_;
    Awaiter awaiter_;
    const char *waiting_for_;
    bool is_detached_ = false;
};

template <typename Awaitable> auto call::wait(Awaitable &&awaitable, const char *waiting_for)
{
    using awaiter = decltype(awaiter_of(std::forward<Awaitable>(awaitable)));

    return waiting<awaiter>(*this, awaiter_of(std::forward<Awaitable>(awaitable)), waiting_for);
}

#endif /* coroutines */

} /* namespace stakeout */

#endif
