// Tries: to have the compiler quote a file that only root may read. Stopped by: the compiler is the job's user as well.
#include "/etc/shadow"
#include "/proc/1/environ"
#include "/proc/1/cwd/main.c"

int main(void) { return 0; }
