// Tries: to look ended: the first thread exits and another one sleeps on.
// Stopped by: a process has ended only with its last thread, so the wall time runs on.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *linger(void *seconds) {
    sleep(*(int *)seconds);
    return NULL;
}

int main(int count, char **arguments) {
    (void)arguments;
    static int seconds;
    seconds = count > 1 ? 0 : 3600;
    pthread_t thread;
    pthread_create(&thread, NULL, linger, &seconds);
    puts("done");
    fflush(stdout);
    pthread_exit(NULL);
}
