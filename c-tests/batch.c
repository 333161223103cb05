/* Batches: many writes, in one or more keyspaces, that happen together or not at all. */
#include "check.h"

#include <stdint.h>
#include <stdio.h>

static sledstore_batch *new_batch(void)
{
    sledstore_batch *batch = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK(batch != NULL);
    return batch;
}

static void free_batch(sledstore_batch *batch)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
}

static size_t length(const sledstore_batch *batch)
{
    size_t len = 77;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_len(batch, &len, &error));
    return len;
}

TEST(batch_and_transaction_choose_what_they_survive)
{
    sledstore *store = check_open("store");
    sledstore_batch *batch;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, "a", 1, "1", 1, &error));
    const uint32_t choices[] = {0, SLEDSTORE_DURABILITY_BUFFERED, SLEDSTORE_DURABILITY_SYNCED};
    for (size_t choice = 0; choice < 3; choice++) {
        sledstore_txn *txn;
        CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, choices[choice], &error));
        CHECK_VALUE(store, "a", "1");
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, "a", 1, "2", 1, &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, choices[choice], &error));
        CHECK_VALUE(store, "a", "2");
    }
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_batch_apply(store, batch, 3, &error));
    sledstore_txn *txn;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, "a", 1, "3", 1, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_txn_commit(txn, 3, &error));
    CHECK_VALUE(store, "a", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error)); /* it was left as it was */
    CHECK_VALUE(store, "a", "3");
    sledstore_batch_free(batch);
    check_close(store);
}

TEST(batch_writes_over_keyspaces_together)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore_batch *batch = new_batch();
    uint64_t ttl_ms;
    check_put(store, "old", "value");
    CHECK_STATUS(SLEDSTORE_OK, /* NULL: the keyspace that the batch is applied to */
                 sledstore_batch_put(batch, NULL, TEXT("U+2603"), TEXT("SNOWMAN"), &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_batch_put(batch, words, TEXT("snowman"), TEXT("U+2603"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_delete(batch, NULL, TEXT("old"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put_with_ttl(batch, words, TEXT("session"),
                                                            TEXT("token"), 3600000, &error));
    CHECK_NUMBER(4, length(batch));
    CHECK_COUNT(words, 0); /* nothing has happened yet */

    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_VALUE(store, "U+2603", "SNOWMAN");
    CHECK_VALUE(words, "snowman", "U+2603");
    CHECK_ABSENT(store, "old");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(words, TEXT("session"), &ttl_ms, &error));
    CHECK(ttl_ms <= 3600000);
    free_batch(batch);
    check_close(store);
}

TEST(applied_batch_can_be_applied_again_elsewhere)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore_batch *batch = new_batch();
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_NUMBER(1, length(batch)); /* apply does not use it up */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(words, batch, 0, &error));
    CHECK_VALUE(store, "a", "1");
    CHECK_VALUE(words, "a", "1");

    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_clear(batch, &error));
    CHECK_NUMBER(0, length(batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error)); /* nothing to do */
    CHECK_COUNT(store, 1);
    free_batch(batch);
    check_close(store);
}

TEST(last_write_of_a_key_in_a_batch_wins)
{
    sledstore *store = check_open("store");
    sledstore_batch *batch = new_batch();
    uint64_t ttl_ms;
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_batch_put_with_ttl(batch, NULL, TEXT("a"), TEXT("1"), 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("a"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("b"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_delete(batch, NULL, TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_VALUE(store, "a", "2");
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("a"), &ttl_ms, &error));
    CHECK_ABSENT(store, "b");
    free_batch(batch);
    check_close(store);
}

TEST(batch_keeps_copies_of_keys_and_values)
{
    sledstore *store = check_open("store");
    sledstore_batch *batch = new_batch();
    char key[] = "key", value[] = "value";
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT(key), TEXT(value), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, NULL, 0, NULL, 0, &error));
    memset(key, '#', 3);
    memset(value, '#', 5);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_VALUE(store, "key", "value");
    CHECK_VALUE(store, "", "");
    CHECK_COUNT(store, 2);
    free_batch(batch);
    check_close(store);
}

TEST(batch_with_a_keyspace_of_another_store_changes_nothing)
{
    sledstore *store = check_open("store"), *other = check_open("other");
    sledstore_batch *batch = new_batch();
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, other, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_COUNT(store, 0);
    CHECK_COUNT(other, 0);
    CHECK_NUMBER(2, length(batch));
    free_batch(batch);
    check_close(store);
    check_close(other);
}

TEST(batch_with_a_dropped_keyspace_changes_nothing)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore_batch *batch = new_batch();
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, words, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_COUNT(store, 0);
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_batch_apply(words, batch, 0, &error));
    free_batch(batch);
    check_close(store);
}

TEST(batch_keeps_hold_of_a_keyspace_whose_handle_was_released)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore_batch *batch = new_batch();
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, words, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    words = check_open_tree(store, "words");
    CHECK_VALUE(words, "a", "1");
    free_batch(batch);
    check_close(store);
}

TEST(batch_does_not_hold_a_store_open)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore_batch *batch = new_batch();
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, words, TEXT("a"), TEXT("1"), &error));
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_put(batch, words, TEXT("b"), TEXT("1"), &error));
    CHECK_NUMBER(1, length(batch));
    store = check_open("store"); /* another store now, although in the same directory */
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_COUNT(store, 0);
    free_batch(batch);
    check_close(store);
}

TEST(batch_does_not_hold_a_released_store_open)
{
    sledstore *store = check_open("store");
    sledstore_batch *batch = new_batch();
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, store, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));
    store = check_open("store"); /* the directory is free */
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_COUNT(store, 0);
    free_batch(batch);
    check_close(store);
}

TEST(refused_write_leaves_the_batch_as_it_was)
{
    static char key[4097];
    sledstore_batch *batch = new_batch();
    memset(key, 'k', sizeof key);
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_batch_put(batch, NULL, key, sizeof key, "v", 1, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_batch_put_with_ttl(batch, NULL, key, sizeof key, "v", 1, 9, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put(batch, NULL, NULL, 1, "v", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put(batch, NULL, "k", 1, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put(batch, NULL, "k", SIZE_MAX, "v", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put(batch, NULL, "k", 1, "v", SIZE_MAX, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put_with_ttl(batch, NULL, NULL, 1, "v", 1, 9, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put_with_ttl(batch, NULL, "k", 1, NULL, 1, 9, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put_with_ttl(batch, NULL, "k", SIZE_MAX, "v", 1, 9, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_put_with_ttl(batch, NULL, "k", 1, "v", SIZE_MAX, 9, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_batch_delete(batch, NULL, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_delete(batch, NULL, "k", SIZE_MAX, &error));
    CHECK_NUMBER(0, length(batch));
    free_batch(batch);
}

TEST(keyspace_of_a_batch_write_is_checked)
{
    sledstore_batch *batch = new_batch(), *other = new_batch();
    sledstore *wrong = (sledstore *)other;
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_batch_put(batch, wrong, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_batch_put_with_ttl(batch, wrong, TEXT("a"), TEXT("1"), 9, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_batch_delete(batch, wrong, TEXT("a"), &error));
    CHECK_NUMBER(0, length(batch));
    free_batch(batch);
    free_batch(other);
}

TEST(batch_out_pointers_are_required)
{
    sledstore_batch *batch = new_batch();
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_batch_new(NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_batch_len(batch, NULL, &error));
    free_batch(batch);
}

TEST(null_and_freed_batches_are_refused)
{
    sledstore *store = check_open("store");
    sledstore_batch *batch = new_batch();
    size_t len = 77;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(NULL));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_batch_apply(store, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_batch_apply(store, (sledstore_batch *)store, 0, &error));
    free_batch(batch);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_len(batch, &len, &error));
    CHECK_NUMBER(0, len);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_free(batch));
    check_close(store);
}

TEST(large_batch_is_found_again_after_reopening)
{
    enum { MANY = 5000 };
    sledstore *store = check_open("store");
    sledstore_batch *batch = new_batch();
    char key[16];
    for (int number = 0; number < MANY; number++) {
        snprintf(key, sizeof key, "%05d", number);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT(key), TEXT(key), &error));
    }
    CHECK_NUMBER(MANY, length(batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    free_batch(batch);
    check_close(store);
    store = check_open("store");
    CHECK_COUNT(store, MANY);
    CHECK_VALUE(store, "04321", "04321");
    check_close(store);
}

/* ---- arrays ------------------------------------------------------------------------------ */

TEST(arrays_are_written_and_deleted_together)
{
    sledstore *store = check_open("store");
    sledstore_pair pairs[3] = {{{"a", 1}, {"1", 1}}, {{"b", 1}, {NULL, 0}}, {{NULL, 0}, {"3", 1}}};
    sledstore_bytes keys[3] = {{"a", 1}, {"absent", 6}, {NULL, 0}};
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_many(store, pairs, 3, &error));
    CHECK_VALUE(store, "a", "1");
    CHECK_VALUE(store, "b", "");
    CHECK_VALUE(store, "", "3");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_many(store, keys, 3, &error));
    CHECK_VALUE(store, "b", "");
    CHECK_COUNT(store, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_many(store, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_many(store, NULL, 0, &error));
    check_close(store);
}

TEST(array_with_one_bad_entry_changes_nothing)
{
    static char long_key[4097];
    memset(long_key, 'k', sizeof long_key);
    const struct {
        sledstore_bytes bad;
        int32_t status;
    } entries[] = {{{NULL, 1}, SLEDSTORE_INVALID_ARGUMENT},
                   {{"k", SIZE_MAX}, SLEDSTORE_INVALID_ARGUMENT},
                   {{long_key, sizeof long_key}, SLEDSTORE_UNSUPPORTED}};
    sledstore *store = check_open("store");
    check_put(store, "keep", "value");
    for (size_t at = 0; at < 3; at++) {
        sledstore_bytes bad = entries[at].bad;
        sledstore_pair pairs[2] = {{{"a", 1}, {"1", 1}}, {bad, {"v", 1}}};
        sledstore_bytes keys[2] = {{"keep", 4}, bad};
        CHECK_STATUS(entries[at].status, sledstore_put_many(store, pairs, 2, &error));
        if (entries[at].status == SLEDSTORE_INVALID_ARGUMENT) {
            CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_delete_many(store, keys, 2, &error));
        }
        CHECK_COUNT(store, 1);
    }
    CHECK_VALUE(store, "keep", "value");
    check_close(store);
}

TEST(key_that_is_too_long_to_be_there_may_be_deleted)
{
    static char key[4097];
    memset(key, 'k', sizeof key);
    sledstore *store = check_open("store");
    sledstore_batch *batch = new_batch();
    sledstore_bytes keys[2] = {{"a", 1}, {key, sizeof key}};
    check_put(store, "a", "1");
    check_put(store, "b", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_many(store, keys, 2, &error));
    CHECK_COUNT(store, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_delete(batch, NULL, key, sizeof key, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_delete(batch, NULL, TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_COUNT(store, 0);
    free_batch(batch);
    check_close(store);
}

TEST(arrays_need_a_pointer_and_a_possible_count)
{
    sledstore *store = check_open("store");
    sledstore_pair pair = {{"a", 1}, {"1", 1}};
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_put_many(store, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_put_many(store, &pair, SIZE_MAX, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_put_many(store, &pair, SIZE_MAX / sizeof pair, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_delete_many(store, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_delete_many(store, &pair.key, SIZE_MAX, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
}
