#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { ITEMS = 20000, ROOM = 16, WORKERS = 8 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int items[ROOM], first, count, closed;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0, 0};

static void *consume(void *sum) {
    for (;;) {
        pthread_mutex_lock(&queue.lock);
        while (queue.count == 0 && !queue.closed) pthread_cond_wait(&queue.changed, &queue.lock);
        if (queue.count == 0) {
            pthread_mutex_unlock(&queue.lock);
            return sum;
        }
        *(long *)sum += queue.items[queue.first];
        queue.first = (queue.first + 1) % ROOM;
        queue.count--;
        pthread_cond_broadcast(&queue.changed);
        pthread_mutex_unlock(&queue.lock);
    }
}

static void bounded_queue(void) {
    pthread_t workers[WORKERS];
    long sums[WORKERS] = {0}, total = 0;
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&workers[i], NULL, consume, &sums[i])) abort();
    for (int i = 1; i <= ITEMS; i++) {
        pthread_mutex_lock(&queue.lock);
        while (queue.count == ROOM) pthread_cond_wait(&queue.changed, &queue.lock);
        queue.items[(queue.first + queue.count++) % ROOM] = i;
        pthread_cond_broadcast(&queue.changed);
        pthread_mutex_unlock(&queue.lock);
    }
    pthread_mutex_lock(&queue.lock);
    queue.closed = 1;
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
        total += sums[i];
    }
    printf("%ld\n", total);
}

static pthread_barrier_t barrier;
static atomic_int arrived, leaders;

static void *meet(void *unused) {
    atomic_fetch_add(&arrived, 1);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) atomic_fetch_add(&leaders, 1);
    return (void *)(long)(atomic_load(&arrived) == WORKERS ? 0 : 1 + (unused != NULL));
}

static void meeting(void) {
    pthread_t threads[WORKERS];
    long early = 0;
    pthread_barrier_init(&barrier, NULL, WORKERS);
    for (int i = 0; i < WORKERS; i++) pthread_create(&threads[i], NULL, meet, NULL);
    for (int i = 0; i < WORKERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        early += (long)result;
    }
    printf("%d leader, %ld too early\n", leaders, early);
}

static void *deep(void *unused) {
    // Most of a stack of its own, far larger than the usual 8 MiB.
    volatile char block[48 << 20];
    for (size_t i = 0; i < sizeof block; i += 4096) block[i] = 1;
    return (void *)(long)(block[0] + (unused != NULL));
}

static void big_stack(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    void *result;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, 64 << 20)) abort();
    if (pthread_create(&thread, &attributes, deep, NULL)) abort();
    pthread_join(thread, &result);
    printf("%ld\n", (long)result);
}

static _Thread_local int mine;
static once_flag once = ONCE_FLAG_INIT;
static int inits;
static void init(void) { inits++; }

static int c11(void *number) {
    call_once(&once, init);
    mine += *(int *)number;
    return mine;
}

static void c11_threads(void) {
    thrd_t threads[4];
    int numbers[4] = {1, 2, 3, 4}, result, sum = 0;
    for (int i = 0; i < 4; i++) thrd_create(&threads[i], c11, &numbers[i]);
    for (int i = 0; i < 4; i++) {
        thrd_join(threads[i], &result);
        sum += result;
    }
    printf("%d %d %d\n", sum, mine, inits);
}

static sem_t *gate;
static void *pass(void *unused) {
    sem_wait(gate);
    return unused;
}

static void semaphores(void) {
    pthread_t thread;
    gate = sem_open("/gate", O_CREAT | O_EXCL, 0600, 0);
    if (gate == SEM_FAILED) abort();
    pthread_create(&thread, NULL, pass, NULL);
    sem_post(gate);
    pthread_join(thread, NULL);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
    printf("%d\n", sem_timedwait(gate, &soon));
    sem_close(gate);
    printf("%d\n", sem_unlink("/gate"));
}

static void *waits_for_ever(void *cleaned) {
    pthread_cleanup_push((void (*)(void *))(void *)puts, "cleaned up");
    for (;;) pause();
    pthread_cleanup_pop(0);
    return cleaned;
}

static void cancellation(void) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, waits_for_ever, NULL);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    puts(result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
}

static void priorities(void) {
    pthread_mutex_t lock;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    printf("%d", pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
    printf("%d", pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    printf("%d", pthread_mutex_init(&lock, &attributes));
    printf("%d", pthread_mutex_lock(&lock));
    printf("%d", pthread_mutex_unlock(&lock));
    cpu_set_t cpus;
    printf("%d", pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus));
    printf("%d", pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus));
    printf("%d\n", pthread_setname_np(pthread_self(), "main"));
}

int main(int count, char **words) {
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"queue", bounded_queue}, {"barrier", meeting},       {"stack", big_stack},        {"c11", c11_threads},
                 {"semaphores", semaphores}, {"cancel", cancellation}, {"priorities", priorities}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (count > 1 && !strcmp(words[1], parts[i].name)) parts[i].run();
    return 0;
}
