/* Signals of the program: the threads of the library take none of them. */
#define _XOPEN_SOURCE 700 /* sigwait, pthread_sigmask */

#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* Blocks SIGTERM only when the store is open already, as services do. */
OTHER_PROCESS(wait_for_the_end)
{
    sledstore *store;
    sigset_t signals;
    int came = 0;
    if (sledstore_open(path, NULL, &store, NULL) != SLEDSTORE_OK
        || sledstore_put(store, TEXT("key"), TEXT("value"), NULL) != SLEDSTORE_OK
        || sledstore_flush(store, NULL) != SLEDSTORE_OK) {
        return 11;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0 || kill(getpid(), SIGTERM) != 0
        || sigwait(&signals, &came) != 0 || came != SIGTERM) {
        return 12;
    }
    return sledstore_close(store, NULL) == SLEDSTORE_OK ? 10 : 13;
}

TEST(service_that_waits_for_a_signal_is_not_ended_by_it)
{
    CHECK_NUMBER(10, check_wait_for(check_start("signals::wait_for_the_end", check_path("store"))));
    sledstore *store = check_open("store");
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

static void *own_mask(void *is_blocked)
{
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    *(int *)is_blocked = sigismember(&mask, SIGTERM);
    return NULL;
}

TEST(threads_of_the_program_start_with_its_own_mask)
{
    sledstore *store = check_open("store");
    pthread_t thread;
    int is_blocked = -1;
    check_put(store, "key", "value");
    CHECK(pthread_create(&thread, NULL, own_mask, &is_blocked) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_NUMBER(0, is_blocked);
    check_close(store);
}
