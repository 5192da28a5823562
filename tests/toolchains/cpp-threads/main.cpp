#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <future>
#include <iostream>
#include <latch>
#include <mutex>
#include <numeric>
#include <queue>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main() {
    // A sum in pieces.
    std::vector<long long> numbers(1'000'000);
    std::iota(numbers.begin(), numbers.end(), 1);
    std::vector<std::future<long long>> parts;
    for (int i = 0; i < 4; i++)
        parts.push_back(std::async(std::launch::async, [&, i] {
            return std::accumulate(numbers.begin() + i * 250'000, numbers.begin() + (i + 1) * 250'000, 0LL);
        }));
    long long total = 0;
    for (auto &part : parts) total += part.get();
    std::cout << total << '\n';

    // An exception that crosses threads.
    auto failing = std::async(std::launch::async, []() -> int { throw std::runtime_error("thrown in another thread"); });
    try {
        failing.get();
    } catch (const std::exception &error) {
        std::cout << error.what() << '\n';
    }
    std::exception_ptr kept;
    std::jthread([&] {
        try {
            std::vector<int>().at(5);
        } catch (...) {
            kept = std::current_exception();
        }
    }).join();
    try {
        std::rethrow_exception(kept);
    } catch (const std::out_of_range &) {
        std::cout << "out of range\n";
    }

    // Stop, latch, barrier, semaphore.
    std::atomic<int> steps = 0;
    std::latch ready(3);
    std::barrier meeting(3, [&]() noexcept { steps++; });
    std::counting_semaphore<2> two(2);
    std::atomic<int> inside = 0, most = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; i++)
            threads.emplace_back([&] {
                ready.arrive_and_wait();
                for (int round = 0; round < 10; round++) meeting.arrive_and_wait();
                two.acquire();
                int now = ++inside;
                for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) continue;
                std::this_thread::sleep_for(2ms);
                inside--;
                two.release();
            });
    }
    std::cout << steps << ' ' << (most <= 2) << '\n';

    std::condition_variable_any changed;
    std::mutex lock;
    bool stopped = false;
    std::jthread waiting([&](std::stop_token stop) {
        std::unique_lock held(lock);
        changed.wait(held, stop, [] { return false; });
        stopped = stop.stop_requested();
    });
    waiting.request_stop();
    waiting.join();
    std::cout << stopped << '\n';

    // Many readers, one writer, and one initialization.
    std::shared_mutex book;
    std::once_flag once;
    int pages = 0, starts = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; i++)
            threads.emplace_back([&, i] {
                std::call_once(once, [&] { starts++; });
                for (int turn = 0; turn < 200; turn++) {
                    if (i == 0) {
                        std::unique_lock held(book);
                        pages++;
                    } else {
                        std::shared_lock held(book);
                        if (pages > 200) std::abort();
                    }
                }
            });
    }
    std::cout << pages << ' ' << starts << '\n';
    std::cout << (std::thread::hardware_concurrency() > 0) << '\n';
}
