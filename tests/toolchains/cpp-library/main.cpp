#include <bits/stdc++.h>

namespace fs = std::filesystem;
namespace views = std::views;

static void files() {
    fs::create_directories("tree/a/b");
    for (int i = 0; i < 10; i++) std::ofstream("tree/a/b/" + std::to_string(i) + ".txt") << std::string(i * 100, 'x');
    fs::copy("tree", "copy", fs::copy_options::recursive);
    fs::rename("copy/a/b/9.txt", "copy/nine");
    fs::create_symlink("nine", "copy/link");
    std::uintmax_t bytes = 0;
    for (const auto &entry : fs::recursive_directory_iterator("copy"))
        if (entry.is_regular_file() && !entry.is_symlink()) bytes += entry.file_size();
    std::cout << bytes << ' ' << fs::read_symlink("copy/link") << ' ' << fs::remove_all("tree") << '\n';
    std::cout << fs::temp_directory_path() << ' ' << fs::current_path() << ' ' << (fs::space("/tmp").capacity >> 20) << '\n';
    std::error_code error;
    fs::create_directory("/outside", error);
    std::cout << error.message() << '\n';
}

static void text() {
    const std::regex pattern(R"((\w+)@(\w+)\.org)");
    const std::string source = "ann@example.org, bob@caisson.org";
    for (auto match = std::sregex_iterator(source.begin(), source.end(), pattern); match != std::sregex_iterator(); ++match)
        std::cout << (*match)[1] << " at " << (*match)[2] << '\n';
    double number = 0;
    std::string_view digits = "2.5e3";
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    std::cout << std::format("{:>8.2f}|{:#x}|{:^7}|\n", number, 255, "mid");
    std::cout << std::quoted("a \"b\"") << ' ' << std::setprecision(3) << std::hexfloat << 1.0 << std::defaultfloat << '\n';
}

static void numbers() {
    std::random_device device;
    std::set<unsigned> different;
    for (int i = 0; i < 100; i++) different.insert(device());
    std::cout << (different.size() > 90) << '\n';
    std::mt19937_64 engine(42);
    std::uniform_int_distribution<int> die(1, 6);
    std::array<int, 7> seen{};
    for (int i = 0; i < 60000; i++) seen[die(engine)]++;
    std::cout << std::ranges::all_of(seen | views::drop(1), [](int count) { return count > 9500 && count < 10500; }) << '\n';
    auto squares = views::iota(1) | views::transform([](int n) { return n * n; }) | views::filter([](int n) { return n % 3 == 1; }) |
                   views::take(5);
    std::ranges::copy(squares, std::ostream_iterator<int>(std::cout, " "));
    std::vector<std::pair<std::string, int>> people{{"Zoë", 3}, {"Ann", 30}, {"Bob", 7}};
    std::ranges::sort(people, {}, &std::pair<std::string, int>::first);
    std::cout << people.front().first << ' ' << std::midpoint(1, 4) << ' ' << std::gcd(84, 36) << '\n';
    std::bitset<100> bits;
    bits.set(99);
    std::complex<double> root = std::sqrt(std::complex<double>(-9));
    std::cout << bits.count() << ' ' << root << ' ' << std::popcount(255u) << '\n';
}

static void time() {
    using namespace std::chrono;
    const year_month_day day = 2024y / February / last;
    std::cout << unsigned(day.day()) << ' ' << weekday(sys_days(day)).c_encoding() << '\n';
    auto start = steady_clock::now();
    std::this_thread::sleep_for(5ms);
    std::cout << (steady_clock::now() - start >= 5ms) << ' ' << (system_clock::now() > sys_days(2020y / 1 / 1)) << '\n';
}

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};
struct Square : Shape {
    double side = 2;
    double area() const override { return side * side; }
};

static void objects() {
    std::variant<int, std::string> either = "text";
    std::cout << std::visit([](auto &value) { return sizeof value; }, either) / sizeof(std::string) << ' ';
    std::any anything = 5;
    try {
        std::any_cast<double>(anything);
    } catch (const std::bad_any_cast &) {
        std::cout << "not a double ";
    }
    std::unique_ptr<Shape> shape = std::make_unique<Square>();
    std::cout << dynamic_cast<Square *>(shape.get())->area() << ' ' << std::optional<int>().value_or(7) << '\n';
    std::pmr::monotonic_buffer_resource arena;
    std::pmr::vector<std::pmr::string> names(&arena);
    for (int i = 0; i < 1000; i++) names.emplace_back("a name that is too long to be stored in place");
    std::cout << names.size() << '\n';
    try {
        throw std::system_error(ENOENT, std::generic_category());
    } catch (const std::system_error &error) {
        std::cout << error.code().message() << '\n';
    }
}

int main() {
    files();
    text();
    numbers();
    time();
    objects();
}
