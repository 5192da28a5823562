// Tries: to drown the judge in the compiler's complaints: each line of this file is wrong a hundred thousand times.
// Stopped by: the compile step's output is limited, and only its beginning comes back.
#define TEN(x) x x x x x x x x x x
#define THOUSAND(x) TEN(TEN(TEN(x)))

template <typename... T> struct A_rather_long_name_that_will_be_repeated_in_every_single_complaint_of_the_compiler {};
using Much = A_rather_long_name_that_will_be_repeated_in_every_single_complaint_of_the_compiler<TEN(int[1], ) int>;

int main() {
    Much much;
    THOUSAND(THOUSAND(much.missing(much);))
}
