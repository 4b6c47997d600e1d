/* SPDX-License-Identifier: Apache-2.0 */
/* exceptions.cc: exceptions are thrown through the frames of calls that are looked at: from thirty
 * frames deep, through destructors, again and again. */
#include "tests/integration/hosts/programs/act.h"

#include <stdexcept>
#include <thread>
#include <vector>

namespace
{

enum { DEPTH = 30, THREADS = 3 };

struct Guard {
    explicit Guard(unsigned &to) : count(to) {}
    ~Guard() { count++; }
    Guard(const Guard &) = delete;
    Guard &operator=(const Guard &) = delete;
    unsigned &count;
};

__attribute__((noinline)) void throw_from(int depth, unsigned &unwound)
{
    Guard guard(unwound);

    if (depth == 0) throw std::runtime_error("from below");
    throw_from(depth - 1, unwound);
}

extern "C" void serve_calls(bool &is_right);

void serve_calls(bool &is_right)
{
    is_right = true;
    for (int i = 0; i < ACT_ROUNDS; i++) {
        struct act_call call = act_call_begin();

        while (act_goes_on(&call)) {
            unsigned unwound = 0;
            bool is_caught = false;

            try {
                throw_from(DEPTH, unwound);
            } catch (const std::runtime_error &error) {
                is_caught = error.what() == std::string("from below");
            }
            is_right = is_right && is_caught && unwound == DEPTH + 1;
        }
        act_call_end(&call, ACT_FIRST);
    }
}

} /* namespace */

int main()
{
    bool is_right[THREADS];
    std::vector<std::thread> threads;

    act_begin();
    for (bool &right : is_right) {
        threads.emplace_back(serve_calls, std::ref(right));
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    for (bool right : is_right) {
        act_say("caught all: %d", right);
    }
    return act_end();
}
