/* Threads of a program whose signals are its main thread's. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

/* Starts one that takes no signal but those of its own faults. 0 or -errno. */
int thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg);

#endif
