/* Deleting all keys of a range, or of a keyspace, at one moment. */
#include "check.h"

#include <stdint.h>

static void put_all(const sledstore *store, const char *keys)
{
    for (; *keys != '\0'; keys++) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, keys, 1, TEXT("1"), &error));
    }
}

static void expect_keys(const sledstore *store, const char *keys)
{
    sledstore_iter *iter;
    sledstore_pair row;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    for (; *keys != '\0'; keys++) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
        CHECK_BYTES(keys, 1, row.key.data, row.key.len);
    }
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
}

static void compact(const sledstore *store)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compact(store, &error));
}

static sledstore_txn *begin(const sledstore *store)
{
    sledstore_txn *txn = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    return txn;
}

TEST(range_that_is_deleted_has_its_lower_end_and_not_its_upper_one)
{
    sledstore *store = check_open("store");
    put_all(store, "abcdef");
    compact(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, TEXT("b"), TEXT("d"), &error));
    expect_keys(store, "adef");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, TEXT("d"), TEXT("d"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, TEXT("e"), TEXT("a"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, NULL, 0, "", 0, &error));
    expect_keys(store, "adef");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, TEXT("e"), NULL, 0, &error));
    expect_keys(store, "ad");
    compact(store);
    expect_keys(store, "ad");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, NULL, 0, TEXT("d"), &error));
    expect_keys(store, "d");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, "", 0, NULL, 0, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
    store = check_open("store");
    CHECK_COUNT(store, 0);
    check_close(store);
}

TEST(cleared_keyspace_is_empty_and_stays_and_others_are_not_touched)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    put_all(store, "abc");
    put_all(words, "xyz");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_clear(store, &error));
    expect_keys(store, "");
    expect_keys(words, "xyz");
    compact(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_clear(words, &error));
    put_all(words, "n");
    expect_keys(words, "n");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
    store = check_open("store");
    words = check_open_tree(store, "words");
    CHECK_COUNT(store, 0);
    expect_keys(words, "n");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
}

TEST(snapshot_from_before_a_clear_shows_all_rows_and_one_from_after_it_none)
{
    sledstore *store = check_open("store");
    sledstore_snapshot *before, *after;
    uint64_t count;
    put_all(store, "abc");
    compact(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &before, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_clear(store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &after, &error));
    put_all(store, "z");
    for (int settled = 0; settled < 2; settled++) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_count(before, store, &count, &error));
        CHECK_NUMBER(3, count);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_contains(before, store, TEXT("b"), &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_count(after, store, &count, &error));
        CHECK_NUMBER(0, count);
        CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                     sledstore_snapshot_contains(after, store, TEXT("b"), &error));
        expect_keys(store, "z");
        compact(store);
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(before));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(after));
    check_close(store);
}

TEST(batch_deletes_ranges_between_its_other_changes)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_batch *batch;
    size_t len;
    put_all(store, "abcd");
    put_all(words, "abcd");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("c"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_batch_delete_range(batch, NULL, TEXT("b"), NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("d"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_batch_delete_range(batch, words, NULL, 0, TEXT("c"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_len(batch, &len, &error));
    CHECK_NUMBER(4, len);
    expect_keys(store, "abcd");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    expect_keys(store, "ad");
    CHECK_VALUE(store, "d", "2");
    expect_keys(words, "cd");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
}

TEST(transaction_deletes_a_range_with_what_others_add_to_it_and_sees_that_itself)
{
    sledstore *store = check_open("store");
    uint64_t count, savepoint;
    put_all(store, "abcd");
    sledstore_txn *txn = begin(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("bb"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_savepoint(txn, &savepoint, &error));
    for (int round = 0; round < 2; round++) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback_to(txn, savepoint, &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_contains(txn, NULL, TEXT("bb"), &error));
        CHECK_STATUS(SLEDSTORE_OK,
                     sledstore_txn_delete_range(txn, NULL, TEXT("b"), TEXT("d"), &error));
        CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                     sledstore_txn_contains(txn, NULL, TEXT("bb"), &error));
        CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_txn_contains(txn, NULL, TEXT("c"), &error));
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("cc"), TEXT("2"), &error));
    check_put(store, "bc", "added by another");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "cc", "2");
    CHECK_ABSENT(store, "bc");
    CHECK_COUNT(store, 3);
    txn = begin(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_delete_range(txn, store, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_count(txn, NULL, &count, &error));
    CHECK_NUMBER(0, count);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(txn, &error));
    CHECK_COUNT(store, 3);
    check_close(store);
}

TEST(transaction_conflicts_with_the_deletion_of_a_range_that_it_has_read_in)
{
    sledstore *store = check_open("store");
    put_all(store, "ab");
    for (int cleared = 0; cleared < 2; cleared++) {
        sledstore_txn *txn = begin(store);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_contains(txn, NULL, TEXT("b"), &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("z"), TEXT("1"), &error));
        CHECK_STATUS(SLEDSTORE_OK, cleared
                                       ? sledstore_clear(store, &error)
                                       : sledstore_delete_range(store, TEXT("b"), NULL, 0, &error));
        CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(txn, 0, &error));
        put_all(store, "b");
    }
    sledstore_txn *txn = begin(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_contains(txn, NULL, TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("z"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, TEXT("c"), NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    check_close(store);
}

TEST(functions_that_delete_ranges_refuse_bad_arguments)
{
    sledstore *store = check_open("store"), *other = check_open("other");
    sledstore_batch *batch;
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT, wrong = SLEDSTORE_WRONG_HANDLE;
    put_all(store, "a");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    sledstore_txn *txn = begin(store);
    CHECK_STATUS(invalid, sledstore_delete_range(NULL, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(invalid, sledstore_delete_range(store, NULL, 1, NULL, 0, &error));
    CHECK_STATUS(invalid, sledstore_delete_range(store, NULL, 0, NULL, 1, &error));
    CHECK_STATUS(invalid, sledstore_delete_range(store, "a", SIZE_MAX, NULL, 0, &error));
    CHECK_STATUS(wrong, sledstore_delete_range((sledstore *)batch, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(invalid, sledstore_clear(NULL, &error));
    CHECK_STATUS(wrong, sledstore_clear((sledstore *)batch, &error));
    CHECK_STATUS(invalid, sledstore_batch_delete_range(NULL, NULL, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(invalid, sledstore_batch_delete_range(batch, NULL, NULL, 1, NULL, 0, &error));
    CHECK_STATUS(invalid, sledstore_batch_delete_range(batch, NULL, NULL, 0, NULL, 1, &error));
    CHECK_STATUS(wrong, sledstore_batch_delete_range((sledstore_batch *)store, NULL, NULL, 0, NULL,
                                                     0, &error));
    CHECK_STATUS(invalid, sledstore_txn_delete_range(NULL, NULL, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(invalid, sledstore_txn_delete_range(txn, NULL, NULL, 1, NULL, 0, &error));
    CHECK_STATUS(invalid, sledstore_txn_delete_range(txn, NULL, NULL, 0, NULL, 1, &error));
    CHECK_STATUS(invalid, sledstore_txn_delete_range(txn, other, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_STATUS(SLEDSTORE_TXN_OVER,
                 sledstore_txn_delete_range(txn, NULL, NULL, 0, NULL, 0, &error));
    CHECK_COUNT(store, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_CLOSED,
                 sledstore_batch_delete_range(batch, NULL, NULL, 0, NULL, 0, &error));
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_clear(store, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_delete_range(store, NULL, 0, NULL, 0, &error));
    check_close(other);
}

TEST(dropped_keyspace_cannot_be_cleared)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_clear(words, &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED,
                 sledstore_delete_range(words, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
}
