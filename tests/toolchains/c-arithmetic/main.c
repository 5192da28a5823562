#include <complex.h>
#include <fenv.h>
#include <inttypes.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <regex.h>
#include <stdckdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

static void print(unsigned __int128 number) {
    if (number >= 10) print(number / 10);
    putchar('0' + (int)(number % 10));
}

int main(void) {
    unsigned __int128 product = (unsigned __int128)UINT64_MAX * UINT64_MAX;
    print(product);
    puts("");
    printf("%.18Lf\n", sqrtl(2.0L));
    _Float128 third = 1.0f128 / 3;
    printf("%d\n", (int)((third * 3 == 1.0f128) + 10 * (sizeof third == 16)));
    double complex root = csqrt(-4 + 0 * I);
    printf("%g %g\n", creal(root), cimag(root));
    fesetround(FE_UPWARD);
    volatile double one = 1, three = 3;
    volatile double up = one / three;
    fesetround(FE_DOWNWARD);
    volatile double down = one / three;
    printf("%d\n", up > down);
    fesetround(FE_TONEAREST);
    int sum;
    printf("%d\n", ckd_add(&sum, INT32_MAX, 1));
    printf("%d\n", __builtin_popcountll(0xff00ff00ff00ff00) + __builtin_clz(1));

    printf("%s", setlocale(LC_ALL, ""));
    printf(" %s\n", nl_langinfo(CODESET));
    wchar_t wide[20];
    size_t length = mbstowcs(wide, "Привет", 20);
    for (size_t i = 0; i < length; i++) wide[i] = (wchar_t)towupper((wint_t)wide[i]);
    printf("%zu %ls\n", length, wide);
    printf("%s\n", setlocale(LC_ALL, "de_DE.UTF-8") ? "there are other locales" : "no other locale");
    char text[] = "é", *from = text, *to = (char *)wide;
    size_t left = 2, room = sizeof wide;
    iconv_t convert = iconv_open("UCS-4LE", "UTF-8");
    printf("%d", (int)iconv(convert, &from, &left, &to, &room));
    printf(" %x\n", (unsigned)wide[0]);
    // The images leave out the converters of other character sets.
    printf("%s\n", iconv_open("UTF-8", "ISO-8859-1") == (iconv_t)-1 ? "no other character set" : "other character sets");
    regex_t pattern;
    regmatch_t match[2];
    regcomp(&pattern, "([0-9]+)$", REG_EXTENDED);
    int outcome = regexec(&pattern, "ab12", 2, match, 0);
    printf("%d %d\n", outcome, (int)match[1].rm_so);
    struct tm day = {.tm_year = 124, .tm_mon = 1, .tm_mday = 30};
    time_t moment = mktime(&day);
    char date[40];
    strftime(date, sizeof date, "%Y-%m-%d %Z", localtime(&moment));
    puts(date);
    srand(1);
    printf("%d\n", rand() == rand());
    return 0;
}
