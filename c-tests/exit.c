/* The end of a program, and of a thread: what the library needs of a thread may be gone by then. */
#define _XOPEN_SOURCE 700 /* pthread_key_create */

#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* Every kind of work, and the close. */
static int finish(sledstore *store)
{
    sledstore_value *value;
    sledstore_batch *batch;
    int works = sledstore_get(store, TEXT("key"), &value, NULL) == SLEDSTORE_OK
                && sledstore_value_free(value) == SLEDSTORE_OK
                && sledstore_put(store, TEXT("late"), TEXT("put"), NULL) == SLEDSTORE_OK
                && sledstore_batch_new(&batch, NULL) == SLEDSTORE_OK
                && sledstore_batch_put(batch, NULL, TEXT("late"), TEXT("one"), NULL) == SLEDSTORE_OK
                && sledstore_batch_put(batch, NULL, TEXT("too"), TEXT("two"), NULL) == SLEDSTORE_OK
                && sledstore_batch_apply(store, batch, 0, NULL) == SLEDSTORE_OK
                && sledstore_batch_free(batch) == SLEDSTORE_OK;
    return sledstore_close(store, NULL) == SLEDSTORE_OK && works;
}

static void check_finished(void)
{
    sledstore *store = check_open("store");
    CHECK_VALUE(store, "late", "one");
    CHECK_COUNT(store, 3);
    check_close(store);
}

static sledstore *last;

static void finish_last(void)
{
    if (!finish(last)) {
        _exit(11);
    }
}

OTHER_PROCESS(close_at_exit)
{
    if (sledstore_open(path, NULL, &last, NULL) != SLEDSTORE_OK
        || sledstore_put(last, TEXT("key"), TEXT("value"), NULL) != SLEDSTORE_OK) {
        return 12;
    }
    return atexit(finish_last) == 0 ? 10 : 13;
}

TEST(store_can_be_used_and_closed_by_atexit)
{
    CHECK_NUMBER(10, check_wait_for(check_start("exit::close_at_exit", check_path("store"))));
    check_finished();
}

static int finished; /* by the thread, which has ended when it is read */

static void finish_in_destructor(void *store)
{
    finished = finish(store);
}

static void *leave_to_destructor(void *store)
{
    pthread_key_t key;
    CHECK(pthread_key_create(&key, finish_in_destructor) == 0);
    check_put(store, "key", "value");
    CHECK(pthread_setspecific(key, store) == 0);
    return NULL;
}

TEST(store_can_be_used_and_closed_by_the_destructor_of_a_thread)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, leave_to_destructor, check_open("store")) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(finished);
    check_finished();
}

OTHER_PROCESS(close_nothing)
{
    sledstore *store;
    sledstore_iter *iter;
    sledstore_txn *txn;
    sledstore_pair row;
    int works = sledstore_open(path, NULL, &store, NULL) == SLEDSTORE_OK
                && sledstore_put(store, TEXT("key"), TEXT("value"), NULL) == SLEDSTORE_OK
                && sledstore_flush(store, NULL) == SLEDSTORE_OK
                && sledstore_put(store, TEXT("late"), TEXT("value"), NULL) == SLEDSTORE_OK
                && sledstore_iter_new(store, NULL, &iter, NULL) == SLEDSTORE_OK
                && sledstore_iter_next(iter, &row, NULL) == SLEDSTORE_OK
                && sledstore_txn_begin(store, &txn, NULL) == SLEDSTORE_OK;
    return works ? 10 : 11;
}

TEST(program_that_closes_nothing_ends_and_keeps_what_it_flushed)
{
    CHECK_NUMBER(10, check_wait_for(check_start("exit::close_nothing", check_path("store"))));
    sledstore *store = check_open("store");
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}
