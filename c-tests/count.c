/* Counts that walk over the keys. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static sledstore_txn *begin(const sledstore *store)
{
    sledstore_txn *txn = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    return txn;
}

static void expect_txn_count(sledstore_txn *txn, const sledstore *keyspace, uint64_t expected)
{
    uint64_t count = 7;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_count(txn, keyspace, &count, &error));
    CHECK_NUMBER(expected, count);
}

TEST(transaction_counts_the_keys_that_it_sees)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    check_put(store, "a", "0");
    check_put(store, "b", "0");
    sledstore_txn *txn = begin(store);
    check_put(store, "later", "0");
    expect_txn_count(txn, NULL, 2);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("c"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("d"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_delete(txn, NULL, TEXT("b"), &error));
    expect_txn_count(txn, NULL, 3);
    expect_txn_count(txn, words, 0);
    CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(txn, 0, &error)); /* it was counted */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
}

TEST(transaction_count_refuses_bad_arguments)
{
    sledstore *store = check_open("store"), *other = check_open("other");
    sledstore_txn *txn = begin(store);
    uint64_t count = 7;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_count(txn, NULL, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_count(NULL, NULL, &count, &error));
    CHECK_NUMBER(0, count);
    count = 7;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_count(txn, other, &count, &error));
    CHECK_NUMBER(0, count);
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_txn_count((sledstore_txn *)store, NULL, &count, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(txn, &error));
    count = 7;
    CHECK_STATUS(SLEDSTORE_TXN_OVER, sledstore_txn_count(txn, NULL, &count, &error));
    CHECK_NUMBER(0, count);
    check_close(other);
    check_close(store);
}

static void expect_range(const sledstore *store, const char *lo, const char *hi, uint64_t expected)
{
    uint64_t count = 7;
    size_t lo_len = lo == NULL ? 0 : strlen(lo), hi_len = hi == NULL ? 0 : strlen(hi);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_count_range(store, lo, lo_len, hi, hi_len, &count, &error));
    CHECK_NUMBER(expected, count);
}

TEST(count_range_has_its_lower_end_and_not_its_upper_one)
{
    sledstore *store = check_open("store");
    expect_range(store, NULL, NULL, 0);
    check_put(store, "", "1");
    check_put(store, "a", "1");
    check_put(store, "b", "1");
    check_put(store, "bb", "1");
    check_put(store, "c", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(store, TEXT("ba"), TEXT("over"), 0, &error));
    expect_range(store, NULL, NULL, 5);
    expect_range(store, "", NULL, 5);
    expect_range(store, "b", NULL, 3);
    expect_range(store, NULL, "b", 2);
    expect_range(store, "b", "c", 2);
    expect_range(store, NULL, "", 0); /* the empty key is the first one */
    expect_range(store, "b", "b", 0);
    expect_range(store, "c", "a", 0);
    check_close(store);
}

TEST(count_range_refuses_bad_arguments)
{
    sledstore *store = check_open("store");
    uint64_t count = 7;
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT;
    CHECK_STATUS(invalid, sledstore_count_range(store, NULL, 0, NULL, 0, NULL, &error));
    CHECK_STATUS(invalid, sledstore_count_range(store, NULL, 1, NULL, 0, &count, &error));
    CHECK_NUMBER(0, count);
    CHECK_STATUS(invalid, sledstore_count_range(store, NULL, 0, NULL, 1, &count, &error));
    CHECK_STATUS(invalid, sledstore_count_range(NULL, NULL, 0, NULL, 0, &count, &error));
    check_close(store);
    count = 7;
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_count_range(store, NULL, 0, NULL, 0, &count, &error));
    CHECK_NUMBER(0, count);
}

/* ---- a moment that ends ----------------------------------------------------------------------- */

static void *overwrite_until_told(void *store)
{
    while (sledstore_contains(store, TEXT("stop"), NULL) == SLEDSTORE_KEY_NOT_FOUND) {
        check_put(store, "last", "2");
    }
    return NULL;
}

TEST(count_range_whose_moment_ends_says_so)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store = NULL;
    pthread_t thread;
    uint64_t count;
    int32_t status = SLEDSTORE_OK;
    options.snapshot_memory = 1;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    for (int row = 0; row < 2000; row++) {
        char key[16];
        snprintf(key, sizeof key, "%04d", row);
        check_put(store, key, "1");
    }
    check_put(store, "last", "1");
    CHECK(pthread_create(&thread, NULL, overwrite_until_told, store) == 0);
    for (int round = 0; round < 1000; round++) {
        status = CHECK_ONE_OF(sledstore_count_range(store, NULL, 0, NULL, 0, &count, &error),
                              SLEDSTORE_OK, SLEDSTORE_CAPACITY_EXCEEDED);
        CHECK_NUMBER(status == SLEDSTORE_OK ? 2001 : 0, count);
        if (status != SLEDSTORE_OK) {
            break;
        }
    }
    check_put(store, "stop", "1");
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(status == SLEDSTORE_CAPACITY_EXCEEDED);
    check_close(store);
}

/* ---- sizes ------------------------------------------------------------------------------- */

TEST(approximate_size_of_few_rows_is_their_bytes)
{
    sledstore *store = check_open("store");
    uint64_t bytes = 7;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_approximate_size(store, NULL, 0, NULL, 0, &bytes, &error));
    CHECK_NUMBER(0, bytes);
    check_put(store, "", "empty");
    check_put(store, "a", "12345");
    check_put(store, "b", "123456789");
    check_put(store, "c", "");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_approximate_size(store, NULL, 0, NULL, 0, &bytes, &error));
    CHECK_NUMBER(5 + 6 + 10 + 1, bytes);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_approximate_size(store, TEXT("a"), TEXT("c"), &bytes, &error));
    CHECK_NUMBER(6 + 10, bytes);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_approximate_size(store, TEXT(""), TEXT("a"), &bytes, &error));
    CHECK_NUMBER(5, bytes);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_approximate_size(store, TEXT("c"), TEXT("a"), &bytes, &error));
    CHECK_NUMBER(0, bytes);
    check_close(store);
}

TEST(approximate_size_of_many_rows_is_near)
{
    sledstore *store = check_open("store");
    uint64_t bytes;
    for (int row = 0; row < 5000; row++) {
        char key[16];
        snprintf(key, sizeof key, "%08d", row);
        check_put(store, key, "value");
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_approximate_size(store, NULL, 0, NULL, 0, &bytes, &error));
    CHECK(bytes > 5000 * 13 * 9 / 10 && bytes < 5000 * 13 * 11 / 10);
    check_close(store);
}

TEST(approximate_size_refuses_bad_arguments)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    uint64_t bytes = 7;
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT;
    CHECK_STATUS(invalid, sledstore_approximate_size(store, NULL, 0, NULL, 0, NULL, &error));
    CHECK_STATUS(invalid, sledstore_approximate_size(store, NULL, 1, NULL, 0, &bytes, &error));
    CHECK_NUMBER(0, bytes);
    CHECK_STATUS(invalid,
                 sledstore_approximate_size(store, NULL, 0, "a", SIZE_MAX, &bytes, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED,
                 sledstore_approximate_size(words, NULL, 0, NULL, 0, &bytes, &error));
    check_close(store);
}

TEST(approximate_size_whose_moment_ends_says_so)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store = NULL;
    pthread_t thread;
    uint64_t bytes;
    int32_t status = SLEDSTORE_OK;
    options.snapshot_memory = 1;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    for (int row = 0; row < 2000; row++) {
        char key[16];
        snprintf(key, sizeof key, "%04d", row);
        check_put(store, key, "1");
    }
    check_put(store, "last", "1");
    CHECK(pthread_create(&thread, NULL, overwrite_until_told, store) == 0);
    for (int round = 0; round < 1000 && status == SLEDSTORE_OK; round++) {
        status = CHECK_ONE_OF(sledstore_approximate_size(store, NULL, 0, NULL, 0, &bytes, &error),
                              SLEDSTORE_OK, SLEDSTORE_CAPACITY_EXCEEDED);
    }
    check_put(store, "stop", "1");
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(status == SLEDSTORE_CAPACITY_EXCEEDED);
    CHECK_NUMBER(0, bytes);
    check_close(store);
}
