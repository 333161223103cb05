/* Savepoints: a transaction takes back a part of what it has written. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>

static sledstore_txn *begin(const sledstore *store)
{
    sledstore_txn *txn = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    return txn;
}

static uint64_t mark(sledstore_txn *txn)
{
    uint64_t savepoint = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_savepoint(txn, &savepoint, &error));
    CHECK(savepoint != 0);
    return savepoint;
}

static void put(sledstore_txn *txn, const char *key, const char *value)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT(key), TEXT(value), &error));
}

static void expect(sledstore_txn *txn, const char *key, const char *expected)
{
    char value[2] = "";
    size_t len;
    CHECK_STATUS(expected == NULL ? SLEDSTORE_KEY_NOT_FOUND : SLEDSTORE_OK,
                 sledstore_txn_get_into(txn, NULL, TEXT(key), value, 1, &len, &error));
    if (expected != NULL) {
        CHECK_BYTES(value, len, TEXT(expected));
    }
}

TEST(rollback_to_a_savepoint_undoes_the_writes_since_in_all_keyspaces)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    check_put(store, "stored", "0");
    sledstore_txn *txn = begin(store);
    put(txn, "a", "1");
    uint64_t savepoint = mark(txn);
    put(txn, "a", "2");
    put(txn, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_delete(txn, NULL, TEXT("stored"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, words, TEXT("a"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback_to(txn, savepoint, &error));
    expect(txn, "a", "1");
    expect(txn, "b", NULL);
    expect(txn, "stored", "0");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "a", "1");
    CHECK_VALUE(store, "stored", "0");
    CHECK_COUNT(store, 2);
    CHECK_COUNT(words, 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
}

TEST(savepoints_nest_and_end_with_the_rollback_to_an_older_one)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store);
    uint64_t first = mark(txn);
    put(txn, "a", "1");
    uint64_t second = mark(txn);
    put(txn, "a", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback_to(txn, second, &error));
    expect(txn, "a", "1");
    put(txn, "a", "3");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback_to(txn, second, &error)); /* again */
    expect(txn, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback_to(txn, first, &error));
    expect(txn, "a", NULL);
    put(txn, "a", "4");
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_rollback_to(txn, second, &error));
    expect(txn, "a", "4");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "a", "4");
    check_close(store);
}

TEST(what_was_read_after_a_savepoint_conflicts_after_the_rollback)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store);
    uint64_t savepoint = mark(txn);
    expect(txn, "read", NULL);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback_to(txn, savepoint, &error));
    put(txn, "a", "1");
    check_put(store, "read", "1");
    CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(txn, 0, &error));
    CHECK_ABSENT(store, "a");
    check_close(store);
}

TEST(savepoint_functions_refuse_bad_arguments)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store), *other = begin(store);
    uint64_t savepoint = 7;
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT;
    CHECK_STATUS(invalid, sledstore_txn_savepoint(txn, NULL, &error));
    CHECK_STATUS(invalid, sledstore_txn_savepoint(NULL, &savepoint, &error));
    CHECK_NUMBER(0, savepoint);
    CHECK_STATUS(invalid, sledstore_txn_rollback_to(NULL, 1, &error));
    CHECK_STATUS(invalid, sledstore_txn_rollback_to(txn, 0, &error));
    CHECK_STATUS(invalid, sledstore_txn_rollback_to(txn, UINT64_MAX, &error));
    CHECK_STATUS(invalid, sledstore_txn_rollback_to(txn, mark(other), &error));
    savepoint = 7;
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_txn_savepoint((sledstore_txn *)store, &savepoint, &error));
    CHECK_NUMBER(0, savepoint);
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_txn_rollback_to((sledstore_txn *)store, 1, &error));
    savepoint = mark(txn);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_STATUS(SLEDSTORE_TXN_OVER, sledstore_txn_rollback_to(txn, savepoint, &error));
    CHECK_STATUS(SLEDSTORE_TXN_OVER, sledstore_txn_savepoint(txn, &savepoint, &error));
    CHECK_NUMBER(0, savepoint);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(other, &error));
    check_close(store);
}

/* ---- two threads at one transaction --------------------------------------------------------- */

enum { ROUNDS = 20000 };

static void *mark_again_and_again(void *txn)
{
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t savepoint;
        CHECK_ONE_OF(sledstore_txn_savepoint(txn, &savepoint, &error), SLEDSTORE_OK,
                     SLEDSTORE_BUSY);
    }
    return NULL;
}

TEST(savepoints_of_two_threads_are_busy_and_not_harmed)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store);
    uint64_t savepoint = mark(txn);
    pthread_t thread;
    put(txn, "a", "1");
    CHECK(pthread_create(&thread, NULL, mark_again_and_again, txn) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_ONE_OF(sledstore_txn_rollback_to(txn, savepoint, &error), SLEDSTORE_OK,
                     SLEDSTORE_BUSY);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback_to(txn, savepoint, &error));
    expect(txn, "a", NULL);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    check_close(store);
}
