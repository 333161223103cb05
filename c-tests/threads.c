/* Threads: what may happen at once, and what is refused rather than raced. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { THREADS = 4 };

static sledstore *store;
static sledstore_iter *iter;
static sledstore_batch *batch;
static sledstore_value *value;

static void start(pthread_t *threads, void *(*body)(void *))
{
    for (uintptr_t number = 0; number < THREADS; number++) {
        CHECK(pthread_create(&threads[number], NULL, body, (void *)number) == 0);
    }
}

static void join(const pthread_t *threads)
{
    for (size_t number = 0; number < THREADS; number++) {
        CHECK(pthread_join(threads[number], NULL) == 0);
    }
}

/* ---- one store --------------------------------------------------------------------------- */

enum { ROUNDS = 500 };

static void *put_and_get(void *number)
{
    char key[32];
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(key, sizeof key, "%d-%d", (int)(uintptr_t)number, round);
        check_put(store, key, key);
        CHECK_VALUE(store, key, key);
    }
    return NULL;
}

TEST(store_serves_many_threads)
{
    pthread_t threads[THREADS];
    store = check_open("store");
    start(threads, put_and_get);
    join(threads);
    CHECK_COUNT(store, THREADS * ROUNDS);
    check_close(store);
}

static void *count_up(void *unused)
{
    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        int32_t status;
        do {
            uint32_t number = 0;
            size_t len;
            CHECK_STATUS(SLEDSTORE_OK,
                         sledstore_get_into(store, TEXT("counter"), &number, 4, &len, &error));
            uint32_t more = number + 1;
            sledstore_bytes expected = {&number, 4}, desired = {&more, 4};
            status = CHECK_ONE_OF(sledstore_compare_and_swap(store, TEXT("counter"), &expected,
                                                             &desired, &error),
                                  SLEDSTORE_OK, SLEDSTORE_CAS_MISMATCH);
        } while (status != SLEDSTORE_OK);
    }
    return NULL;
}

TEST(compare_and_swap_loses_no_update)
{
    pthread_t threads[THREADS];
    uint32_t number = 0;
    size_t len;
    store = check_open("store");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, TEXT("counter"), &number, 4, &error));
    start(threads, count_up);
    join(threads);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_get_into(store, TEXT("counter"), &number, 4, &len, &error));
    CHECK_NUMBER(THREADS * ROUNDS, number);
    check_close(store);
}

static void *apply_pairs(void *number)
{
    sledstore_batch *own;
    char text[32];
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&own, &error));
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(text, sizeof text, "%d-%d", (int)(uintptr_t)number, round);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_clear(own, &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(own, NULL, TEXT("one"), TEXT(text), &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(own, NULL, TEXT("two"), TEXT(text), &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, own, 0, &error));
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(own));
    return NULL;
}

TEST(batches_of_threads_do_not_mix)
{
    pthread_t threads[THREADS];
    char one[32] = "", two[32] = "";
    size_t len;
    store = check_open("store");
    start(threads, apply_pairs);
    join(threads);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_into(store, TEXT("one"), one, 32, &len, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_into(store, TEXT("two"), two, 32, &len, &error));
    CHECK(strcmp(one, two) == 0);
    check_close(store);
}

/* ---- handles for one thread at a time ---------------------------------------------------- */

static void *walk(void *unused)
{
    sledstore_pair row;
    (void)unused;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        int32_t status = CHECK_ONE_OF(round % 2 == 0 ? sledstore_iter_next(iter, &row, &error)
                                                     : sledstore_iter_prev(iter, &row, &error),
                                      SLEDSTORE_OK, SLEDSTORE_END, SLEDSTORE_BUSY);
        if (status != SLEDSTORE_OK) {
            CHECK_NO_ROW(row);
        }
    }
    return NULL;
}

TEST(iterator_used_by_many_threads_is_busy_and_unharmed)
{
    pthread_t threads[THREADS];
    sledstore_pair row;
    store = check_open("store");
    check_put(store, "a", "1");
    check_put(store, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    start(threads, walk);
    join(threads);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_first(iter, &row, &error));
    CHECK_ROW(row, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
    check_close(store);
}

static void *fill_batch(void *result)
{
    size_t *accepted = result;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        if (CHECK_ONE_OF(sledstore_batch_put(batch, NULL, TEXT("key"), TEXT("value"), &error),
                         SLEDSTORE_OK, SLEDSTORE_BUSY)
            == SLEDSTORE_OK) {
            ++*accepted;
        }
    }
    return NULL;
}

TEST(batch_used_by_two_threads_is_busy_and_unharmed)
{
    pthread_t other;
    size_t mine = 0, others = 0, len;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK(pthread_create(&other, NULL, fill_batch, &others) == 0);
    fill_batch(&mine);
    CHECK(pthread_join(other, NULL) == 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_len(batch, &len, &error));
    CHECK(len == mine + others && len > 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
}

static void *ask_for_length(void *unused)
{
    size_t last = 0;
    (void)unused;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        size_t len = 0;
        CHECK_ONE_OF(sledstore_batch_len(batch, &len, &error), SLEDSTORE_OK);
        CHECK(len >= last);
        last = len;
    }
    return NULL;
}

TEST(batch_len_is_told_to_many_threads_while_another_fills_the_batch)
{
    pthread_t threads[THREADS];
    size_t mine = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    start(threads, ask_for_length);
    fill_batch(&mine);
    join(threads);
    CHECK_NUMBER(4 * ROUNDS, mine);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
}

/* ---- freeing in the middle of use -------------------------------------------------------- */

static void *walk_until_freed(void *unused)
{
    sledstore_pair row;
    (void)unused;
    while (CHECK_ONE_OF(sledstore_iter_first(iter, &row, &error), SLEDSTORE_OK, SLEDSTORE_BUSY,
                        SLEDSTORE_CLOSED)
           != SLEDSTORE_CLOSED) {
    }
    return NULL;
}

TEST(iterator_may_be_freed_while_others_use_it)
{
    store = check_open("store");
    check_put(store, "a", "1");
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
        start(threads, walk_until_freed);
        CHECK_ONE_OF(sledstore_iter_free(iter), SLEDSTORE_OK);
        join(threads);
    }
    check_close(store);
}

static void *look_until_freed(void *unused)
{
    (void)unused;
    while (sledstore_value_len(value) != 0) {
    }
    CHECK(sledstore_value_data(value) == NULL);
    return NULL;
}

TEST(value_may_be_freed_while_others_look_at_it)
{
    store = check_open("store");
    check_put(store, "key", "value");
    for (int round = 0; round < 100; round++) {
        pthread_t threads[THREADS];
        CHECK_STATUS(SLEDSTORE_OK, sledstore_get(store, TEXT("key"), &value, &error));
        start(threads, look_until_freed);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
        join(threads);
    }
    check_close(store);
}

static void *free_value(void *unused)
{
    (void)unused;
    return sledstore_value_free(value) == SLEDSTORE_OK ? &value : NULL;
}

TEST(value_is_freed_by_exactly_one_of_many_threads)
{
    store = check_open("store");
    check_put(store, "key", "value");
    for (int round = 0; round < 100; round++) {
        pthread_t threads[THREADS];
        int freed = 0;
        CHECK_STATUS(SLEDSTORE_OK, sledstore_get(store, TEXT("key"), &value, &error));
        start(threads, free_value);
        for (size_t number = 0; number < THREADS; number++) {
            void *result;
            CHECK(pthread_join(threads[number], &result) == 0);
            freed += result != NULL;
        }
        CHECK_NUMBER(1, freed);
    }
    check_close(store);
}

/* ---- closing in the middle of use -------------------------------------------------------- */

/* How many of the writes below have been acknowledged. */
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static unsigned acknowledged;

static unsigned count_acknowledged(unsigned more)
{
    CHECK(pthread_mutex_lock(&counting) == 0);
    acknowledged += more;
    unsigned sum = acknowledged;
    CHECK(pthread_mutex_unlock(&counting) == 0);
    return sum;
}

/* Uses the store in several ways until it is closed; everything else has to work. */
static void *use_until_closed(void *number)
{
    for (;;) {
        sledstore_value *found;
        sledstore_iter *own;
        sledstore_pair row;
        if (CHECK_ONE_OF(sledstore_put(store, TEXT("key"), TEXT("value"), &error), SLEDSTORE_OK,
                         SLEDSTORE_CLOSED)
            == SLEDSTORE_CLOSED) {
            return NULL;
        }
        count_acknowledged(1);
        if (CHECK_ONE_OF(sledstore_get(store, TEXT("key"), &found, &error), SLEDSTORE_OK,
                         SLEDSTORE_CLOSED)
            == SLEDSTORE_CLOSED) {
            return NULL;
        }
        CHECK_BYTES(TEXT("value"), sledstore_value_data(found), sledstore_value_len(found));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(found));
        if ((uintptr_t)number % 2 == 0) {
            continue; /* half of the threads open iterators, which keep a close BUSY */
        }
        if (CHECK_ONE_OF(sledstore_iter_new(store, NULL, &own, &error), SLEDSTORE_OK,
                         SLEDSTORE_CLOSED)
            == SLEDSTORE_CLOSED) {
            return NULL;
        }
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(own, &row, &error));
        CHECK_ROW(row, "key", "value");
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(own));
    }
}

TEST(close_races_with_everything_and_loses_nothing)
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        store = check_open("store");
        if (round > 0) {
            CHECK_VALUE(store, "key", "value");
            CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("key"), &error));
        }
        unsigned before = count_acknowledged(0);
        start(threads, use_until_closed);
        while (count_acknowledged(0) == before) {
            check_pause();
        }
        while (CHECK_ONE_OF(sledstore_close(store, &error), SLEDSTORE_OK, SLEDSTORE_BUSY)
               != SLEDSTORE_OK) {
        }
        join(threads);
    }
}

static void *close_store(void *unused)
{
    (void)unused;
    return CHECK_ONE_OF(sledstore_close(store, &error), SLEDSTORE_OK, SLEDSTORE_CLOSED,
                        SLEDSTORE_BUSY)
                   == SLEDSTORE_OK
               ? &store
               : NULL;
}

TEST(store_is_closed_by_exactly_one_of_many_threads)
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        int closed = 0;
        store = check_open("store");
        start(threads, close_store);
        for (size_t number = 0; number < THREADS; number++) {
            void *result;
            CHECK(pthread_join(threads[number], &result) == 0);
            closed += result != NULL;
        }
        CHECK_NUMBER(1, closed);
    }
}

static void *release_keyspace(void *number)
{
    sledstore *keyspace = NULL;
    char name[16];
    snprintf(name, sizeof name, "%d", (int)(uintptr_t)number);
    for (int round = 0; round < ROUNDS / 10; round++) {
        CHECK_STATUS(SLEDSTORE_OK,
                     sledstore_open_keyspace(store, TEXT(name), 0, &keyspace, &error));
        check_put(keyspace, name, name);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_release(keyspace, &error));
    }
    return NULL;
}

TEST(keyspaces_are_opened_and_released_by_many_threads)
{
    pthread_t threads[THREADS];
    store = check_open("store");
    start(threads, release_keyspace);
    join(threads);
    CHECK_NUMBER(1, check_live(SLEDSTORE_KIND_STORE));
    check_close(store);
}
