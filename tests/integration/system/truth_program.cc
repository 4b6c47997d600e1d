/* SPDX-License-Identifier: Apache-2.0 */
/* truth_program.cc: what truth_program.c does, as a C++ program would: methods of a class in a
 * namespace, exceptions thrown and caught all along in a(), b() asleep within a handler, and a
 * std::mutex in c(). Says what it measured in the same line. */
#include <stakeout/stakeout.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace shop
{

static std::uint64_t now_ns(clockid_t clock)
{
    timespec now;

    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

static void nap(long ms)
{
    timespec left = { 0, ms * 1000000 };

    while (nanosleep(&left, &left) != 0) {
    }
}

/* Time runnable without a CPU, of the calling thread. */
static std::uint64_t queue_ns()
{
    char line[96] = "";
    unsigned long long ran = 0, queued = 0;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && read(fd, line, sizeof line - 1) > 0)
        std::sscanf(line, "%llu %llu", &ran, &queued);
    if (fd >= 0) close(fd);
    return queued;
}

struct Part {
    std::uint64_t wall_ns, cpu_ns, queue_ns;
};

class Cart
{
  public:
    template <typename Value> [[gnu::noinline]] void a(Value until_ns);
    [[gnu::noinline]] void b();
    [[gnu::noinline]] void c();
    void hold();

    std::atomic<bool> is_held{ false };
    std::atomic<std::uint64_t> c_begins_ns{ 0 };

  private:
    std::mutex lock;
    volatile std::uint64_t sum = 0;
};

[[gnu::noinline]] static void refuse(std::uint64_t value)
{
    if (value % 2 == 0) throw std::runtime_error("even");
}

template <typename Value> void Cart::a(Value until_ns)
{
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until_ns) {
        for (std::uint64_t i = 0; i < 20000; i++) {
            sum = sum + i * i;
        }
        try {
            refuse(now_ns(CLOCK_MONOTONIC));
        } catch (const std::exception &) {
            sum = sum + 1;
        }
    }
}

void Cart::b()
{
    try {
        refuse(0);
    } catch (const std::exception &) {
        nap(500);
    }
    sum = sum + 1;
}

void Cart::c()
{
    std::lock_guard<std::mutex> guard(lock);

    sum = sum + 1;
}

/* Until c() has waited for 200 ms. */
void Cart::hold()
{
    std::lock_guard<std::mutex> guard(lock);

    is_held = true;
    while (c_begins_ns == 0 || now_ns(CLOCK_MONOTONIC) - c_begins_ns < 200000000) {
        nap(1);
    }
}

template <typename Work> static Part measure(Work work)
{
    std::uint64_t wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    std::uint64_t queued = queue_ns();

    work();
    return { now_ns(CLOCK_MONOTONIC) - wall, now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu,
             queue_ns() - queued };
}

static void print_part(const char *name, const Part &part)
{
    std::printf("%s %llu %llu %llu 0 ", name, static_cast<unsigned long long>(part.wall_ns),
                static_cast<unsigned long long>(part.cpu_ns),
                static_cast<unsigned long long>(part.queue_ns));
}

static void make_call()
{
    Cart cart;
    std::thread holder(&Cart::hold, &cart);

    while (!cart.is_held) {
        nap(1);
    }
    stakeout_call call = stakeout_call_begin(stakeout_interface("truth"));
    std::uint64_t queued = queue_ns();
    Part a = measure([&] { cart.a(now_ns(CLOCK_THREAD_CPUTIME_ID) + 300000000); });
    Part b = measure([&] { cart.b(); });
    Part c = measure([&] {
        cart.c_begins_ns = now_ns(CLOCK_MONOTONIC);
        cart.c();
    });
    queued = queue_ns() - queued;
    stakeout_call_end(call, 207);
    holder.join();
    print_part("a", a);
    print_part("b", b);
    print_part("c", c);
    std::printf("queue %llu\n", static_cast<unsigned long long>(queued));
    std::fflush(stdout);
}

} /* namespace shop */

int main()
{
    char line[64];

    if (stakeout_start(nullptr) < 0) return 1;
    while (std::fgets(line, sizeof line, stdin) && std::strcmp(line, "call\n") == 0) {
        shop::make_call();
    }
    stakeout_stop();
    return 0;
}
