/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/probe/unwinding/works.h"

#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

namespace
{
struct Guard {
    explicit Guard(unsigned long value) : text("a string too long for the small buffer")
    {
        value_ = value;
    }
    ~Guard() { works_sink = works_sink + value_ + text.size(); }
    std::string text;
    unsigned long value_;
};

__attribute__((noinline)) void sink_down(int depth, unsigned seed)
{
    Guard guard(seed);

    if (depth > 0) {
        sink_down(depth - 1, seed);
    } else if (seed % 3 == 0) {
        throw std::runtime_error("three");
    } else if (seed % 3 == 1) {
        throw static_cast<int>(seed);
    }
    works_sink = works_sink + 1;
}

__attribute__((noinline)) void rethrow(unsigned seed)
{
    try {
        sink_down(8, seed);
    } catch (const std::exception &) {
        works_sink = works_sink + 1;
        throw;
    }
}

__attribute__((noinline)) void stream_some(unsigned seed)
{
    std::map<std::string, unsigned> counts;
    std::ostringstream out;

    for (unsigned i = 0; i < 20; i++) {
        out << "item " << (seed + i) % 7 << ' ' << i / 3.0;
        counts[out.str().substr(0, 40)] += i;
    }
    works_sink = works_sink + counts.size();
}
} // namespace

extern "C" void work_throw(void)
{
    target_enter();
    for (unsigned seed = 1; !is_stopped(); seed++) {
        try {
            rethrow(seed);
        } catch (int value) {
            works_sink = works_sink + static_cast<unsigned>(value);
        } catch (const std::runtime_error &error) {
            works_sink = works_sink + static_cast<unsigned>(error.what()[0]);
        }
        stream_some(seed);
    }
    target_leave();
}
