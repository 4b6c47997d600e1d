/* SPDX-License-Identifier: Apache-2.0 */
/* large_module.cc: much code of few lines: containers, algorithms and closures over types that are
 * local to this file, so that each instance is code and debug information of its own. */
#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace {

constexpr int shops = 10;

template <int N> struct item {
    int value;
    std::string name;
    double weights[N % 7 + 1];
};

template <int N> struct shop {
    std::map<std::string, item<N>> stock;
    std::unordered_map<int, std::vector<item<N>>> by_value;
    std::variant<int, std::string, item<N>> last;

    __attribute__((noinline)) int fill(int count)
    {
        for (int i = 0; i < count; i++) {
            auto name = std::to_string(i * N);
            stock.emplace(name, item<N>{ i, name, {} });
            by_value[i % 17].push_back(stock[name]);
            last = stock[name];
        }
        std::function<int(int)> add = [this](int x) { return x + static_cast<int>(stock.size()); };
        return add(count);
    }

    __attribute__((noinline)) int sum()
    {
        std::vector<item<N>> all;
        for (auto &[key, list] : by_value)
            all.insert(all.end(), list.begin(), list.end());
        std::sort(all.begin(), all.end(),
                  [](const auto &a, const auto &b) { return a.name < b.name; });
        return std::accumulate(all.begin(), all.end(), 0,
                               [](int total, const auto &it) { return total + it.value; }) +
               std::visit([](auto &&it) { return static_cast<int>(sizeof it); }, last);
    }
};

template <int N> __attribute__((noinline)) int run(int count)
{
    shop<N> it;

    return it.fill(count) + it.sum();
}

template <int... N> int run_all(int count, std::integer_sequence<int, N...>)
{
    return (run<N + 1>(count) + ... + 0);
}

} /* namespace */

extern "C" int large_entry(int count)
{
    return run_all(count, std::make_integer_sequence<int, shops>{});
}
