// Tries: to leave so much kernel memory behind in its own folders that PID 1 has none to empty them with.
// Stopped by: what the program had was over its limit; emptying needs next to nothing, and the second test runs.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)arguments;
    const char *places[] = {"/tmp", "/dev/shm", "/box"};
    for (int place = 0; count == 1 && place < 3; place++) {
        chdir(places[place]);
        char target[4000];
        memset(target, 'x', sizeof target - 1);
        target[sizeof target - 1] = 0;
        for (int number = 0; number < 16000; number++) {
            char name[20];
            snprintf(name, sizeof name, "%d", number);
            if (symlink(target, name) != 0) break;
        }
    }
    puts("calm");
    return 0;
}
