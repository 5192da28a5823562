#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int counter, careful;

static void *count_up(void *unused) {
    for (int i = 0; i < 1000; i++) {
        if (careful) pthread_mutex_lock(&lock);
        counter++;
        if (careful) pthread_mutex_unlock(&lock);
    }
    return unused;
}

int main(int count, char **words) {
    pthread_t threads[2];
    careful = count > 1 && !strcmp(words[1], "careful");
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, count_up, NULL);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    printf("%d\n", careful ? counter : 2000);
    return 0;
}
