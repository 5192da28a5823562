#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <iostream>
#include <utility>

template <typename T>
struct Generator {
    struct promise_type {
        T value;
        std::exception_ptr error;
        Generator get_return_object() { return Generator(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(T next) {
            value = std::move(next);
            return {};
        }
        void return_void() {}
        void unhandled_exception() { error = std::current_exception(); }
    };

    explicit Generator(std::coroutine_handle<promise_type> handle) : handle(handle) {}
    Generator(Generator &&other) noexcept : handle(std::exchange(other.handle, {})) {}
    ~Generator() {
        if (handle) handle.destroy();
    }

    bool next() {
        handle.resume();
        if (handle.promise().error) std::rethrow_exception(handle.promise().error);
        return !handle.done();
    }
    const T &value() const { return handle.promise().value; }

    std::coroutine_handle<promise_type> handle;
};

Generator<std::uint64_t> fibonacci() {
    std::uint64_t a = 0, b = 1;
    for (;;) {
        co_yield a;
        a = std::exchange(b, a + b);
    }
}

template <std::integral T>
Generator<T> until(Generator<T> source, T limit) {
    while (source.next() && source.value() < limit) co_yield source.value();
    throw limit;
}

int main() {
    auto numbers = until<std::uint64_t>(fibonacci(), 100);
    try {
        while (numbers.next()) std::cout << numbers.value() << ' ';
    } catch (std::uint64_t limit) {
        std::cout << "below " << limit << '\n';
    }
    auto many = fibonacci();
    std::uint64_t mixed = 0;
    for (int i = 0; i < 1'000'000 && many.next(); i++) mixed ^= many.value();
    std::cout << (mixed != 0) << '\n';
}
