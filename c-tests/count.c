/* Counts that walk over the keys. */
#include "check.h"

#include <stdint.h>

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
    CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(txn, &error)); /* it was counted */
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
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_txn_count(txn, other, &count, &error));
    CHECK_NUMBER(0, count);
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_txn_count((sledstore_txn *)store, NULL, &count, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(txn, &error));
    count = 7;
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_txn_count(txn, NULL, &count, &error));
    CHECK_NUMBER(0, count);
    check_close(other);
    check_close(store);
}
