/* Expiries, and swaps of values, in transactions and batches. */
#include "check.h"

#include <stdint.h>

#define HOUR UINT64_C(3600000)

static sledstore_txn *begin(const sledstore *store)
{
    sledstore_txn *txn = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    return txn;
}

static void put_for(const sledstore *store, const char *key, uint64_t ttl_ms)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(store, TEXT(key), TEXT("1"), ttl_ms, &error));
}

static void expect_ttl(const sledstore *store, const char *key, uint64_t above, uint64_t most)
{
    uint64_t ttl_ms = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(store, TEXT(key), &ttl_ms, &error));
    CHECK(ttl_ms > above && ttl_ms <= most);
}

static void expect_no_ttl(const sledstore *store, const char *key)
{
    uint64_t ttl_ms = 7;
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT(key), &ttl_ms, &error));
    CHECK_NUMBER(0, ttl_ms);
}

TEST(transaction_changes_when_keys_expire)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms;
    check_put(store, "stays", "1");
    check_put(store, "ends", "1");
    put_for(store, "lives", HOUR);
    sledstore_txn *txn = begin(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_ttl(txn, NULL, TEXT("lives"), &ttl_ms, &error));
    CHECK(ttl_ms > 0 && ttl_ms <= HOUR);
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_txn_ttl(txn, NULL, TEXT("stays"), &ttl_ms, &error));
    CHECK_NUMBER(0, ttl_ms);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_expire(txn, NULL, TEXT("stays"), 9 * HOUR, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_ttl(txn, NULL, TEXT("stays"), &ttl_ms, &error));
    CHECK_NUMBER(9 * HOUR, ttl_ms);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_persist(txn, NULL, TEXT("lives"), &error));
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_txn_persist(txn, NULL, TEXT("lives"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_expire(txn, store, TEXT("ends"), 0, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                 sledstore_txn_ttl(txn, NULL, TEXT("ends"), &ttl_ms, &error));
    expect_no_ttl(store, "stays");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    expect_ttl(store, "stays", 8 * HOUR, 9 * HOUR);
    expect_no_ttl(store, "lives");
    CHECK_ABSENT(store, "ends");
    check_close(store);
}

TEST(transaction_finds_no_expiry_of_a_key_that_is_not_there)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms = 7;
    put_for(store, "expired", 0);
    sledstore_txn *txn = begin(store);
    for (int deleted = 0; deleted < 2; deleted++) {
        const int32_t absent = SLEDSTORE_KEY_NOT_FOUND;
        CHECK_STATUS(absent, sledstore_txn_ttl(txn, NULL, TEXT("expired"), &ttl_ms, &error));
        CHECK_NUMBER(0, ttl_ms);
        CHECK_STATUS(absent, sledstore_txn_expire(txn, NULL, TEXT("expired"), 1, &error));
        CHECK_STATUS(absent, sledstore_txn_persist(txn, NULL, TEXT("expired"), &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("expired"), "", 0, &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_delete(txn, NULL, TEXT("expired"), &error));
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    check_close(store);
}

TEST(transaction_that_has_read_an_expiry_conflicts_with_its_change)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms;
    for (int way = 0; way < 4; way++) {
        put_for(store, "a", HOUR);
        sledstore_txn *txn = begin(store);
        sledstore_bytes one = check_text("1");
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("b"), TEXT("2"), &error));
        switch (way) {
        case 0:
            CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_ttl(txn, NULL, TEXT("a"), &ttl_ms, &error));
            break;
        case 1:
            CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_expire(txn, NULL, TEXT("a"), 1, &error));
            break;
        case 2:
            CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_persist(txn, NULL, TEXT("a"), &error));
            break;
        default:
            CHECK_STATUS(SLEDSTORE_OK,
                         sledstore_txn_compare_and_swap(txn, NULL, TEXT("a"), &one, NULL, &error));
        }
        CHECK_STATUS(SLEDSTORE_OK, sledstore_expire(store, TEXT("a"), 2 * HOUR, &error));
        CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(txn, 0, &error));
        expect_ttl(store, "a", HOUR, 2 * HOUR);
        CHECK_ABSENT(store, "b");
    }
    check_close(store);
}

TEST(transaction_swaps_what_is_as_expected)
{
    sledstore *store = check_open("store");
    sledstore_bytes one = check_text("1"), two = check_text("2");
    put_for(store, "a", HOUR);
    sledstore_txn *txn = begin(store);
    const int32_t mismatch = SLEDSTORE_CAS_MISMATCH;
    CHECK_STATUS(mismatch,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("a"), &two, &one, &error));
    CHECK_STATUS(mismatch,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("a"), NULL, &one, &error));
    CHECK_STATUS(mismatch,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("a"), NULL, NULL, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("a"), &one, &two, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_compare_and_swap(txn, store, TEXT("new"), NULL, &one, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("new"), &one, &two, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("gone"), NULL, &one, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("gone"), &one, NULL, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_compare_and_swap(txn, NULL, TEXT("gone"), NULL, NULL, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "a", "2");
    expect_no_ttl(store, "a");
    CHECK_VALUE(store, "new", "2");
    CHECK_COUNT(store, 2);
    check_close(store);
}

TEST(batch_changes_expiries_of_keys_that_are_there)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_batch *batch;
    check_put(store, "a", "1");
    put_for(store, "b", HOUR);
    put_for(store, "expired", 0);
    check_put(words, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_expire(batch, NULL, TEXT("a"), HOUR, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_persist(batch, NULL, TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_expire(batch, NULL, TEXT("expired"), HOUR, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_persist(batch, NULL, TEXT("absent"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_expire(batch, words, TEXT("a"), 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, words, TEXT("b"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_expire(batch, words, TEXT("b"), HOUR, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_delete(batch, words, TEXT("c"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_persist(batch, words, TEXT("c"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    expect_ttl(store, "a", 0, HOUR);
    expect_no_ttl(store, "b");
    CHECK_COUNT(store, 2);
    expect_ttl(words, "b", 0, HOUR);
    CHECK_COUNT(words, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
}

TEST(batch_of_expiries_of_absent_keys_changes_nothing)
{
    sledstore *store = check_open("store");
    sledstore_batch *batch;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_expire(batch, NULL, TEXT("a"), HOUR, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_persist(batch, NULL, TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_batch_apply(store, batch, SLEDSTORE_DURABILITY_SYNCED, &error));
    check_put(store, "c", "1");
    CHECK_COUNT(store, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    check_close(store);
}

TEST(functions_for_staged_expiries_refuse_bad_arguments)
{
    sledstore *store = check_open("store"), *other = check_open("other");
    sledstore_txn *txn = begin(store);
    sledstore_batch *batch;
    sledstore_bytes bad = {NULL, 1}, one = check_text("1");
    static char long_key[4097];
    uint64_t ttl_ms = 7;
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT, wrong = SLEDSTORE_WRONG_HANDLE;
    sledstore_txn *no_txn = (sledstore_txn *)store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    sledstore_batch *no_batch = (sledstore_batch *)store;
    CHECK_STATUS(invalid, sledstore_txn_ttl(NULL, NULL, TEXT("a"), &ttl_ms, &error));
    CHECK_NUMBER(0, ttl_ms);
    CHECK_STATUS(invalid, sledstore_txn_ttl(txn, NULL, TEXT("a"), NULL, &error));
    CHECK_STATUS(invalid, sledstore_txn_ttl(txn, NULL, NULL, 1, &ttl_ms, &error));
    CHECK_STATUS(wrong, sledstore_txn_ttl(no_txn, NULL, TEXT("a"), &ttl_ms, &error));
    CHECK_STATUS(invalid, sledstore_txn_expire(NULL, NULL, TEXT("a"), 1, &error));
    CHECK_STATUS(invalid, sledstore_txn_expire(txn, NULL, NULL, 1, 1, &error));
    CHECK_STATUS(wrong, sledstore_txn_expire(no_txn, NULL, TEXT("a"), 1, &error));
    CHECK_STATUS(invalid, sledstore_txn_persist(NULL, NULL, TEXT("a"), &error));
    CHECK_STATUS(invalid, sledstore_txn_persist(txn, NULL, NULL, 1, &error));
    CHECK_STATUS(wrong, sledstore_txn_persist(no_txn, NULL, TEXT("a"), &error));
    CHECK_STATUS(invalid,
                 sledstore_txn_compare_and_swap(NULL, NULL, TEXT("a"), NULL, &one, &error));
    CHECK_STATUS(invalid, sledstore_txn_compare_and_swap(txn, NULL, NULL, 1, NULL, &one, &error));
    CHECK_STATUS(invalid, sledstore_txn_compare_and_swap(txn, NULL, TEXT("a"), &bad, &one, &error));
    CHECK_STATUS(invalid, sledstore_txn_compare_and_swap(txn, NULL, TEXT("a"), NULL, &bad, &error));
    CHECK_STATUS(wrong,
                 sledstore_txn_compare_and_swap(no_txn, NULL, TEXT("a"), NULL, &one, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_txn_compare_and_swap(txn, NULL, long_key, sizeof long_key, NULL, &one,
                                                &error));
    CHECK_STATUS(invalid, sledstore_txn_ttl(txn, other, TEXT("a"), &ttl_ms, &error));
    CHECK_STATUS(invalid, sledstore_txn_expire(txn, other, TEXT("a"), 1, &error));
    CHECK_STATUS(invalid, sledstore_txn_persist(txn, other, TEXT("a"), &error));
    CHECK_STATUS(invalid,
                 sledstore_txn_compare_and_swap(txn, other, TEXT("a"), NULL, &one, &error));
    CHECK_STATUS(invalid, sledstore_batch_expire(NULL, NULL, TEXT("a"), 1, &error));
    CHECK_STATUS(invalid, sledstore_batch_expire(batch, NULL, NULL, 1, 1, &error));
    CHECK_STATUS(wrong, sledstore_batch_expire(no_batch, NULL, TEXT("a"), 1, &error));
    CHECK_STATUS(invalid, sledstore_batch_persist(NULL, NULL, TEXT("a"), &error));
    CHECK_STATUS(invalid, sledstore_batch_persist(batch, NULL, NULL, 1, &error));
    CHECK_STATUS(wrong, sledstore_batch_persist(no_batch, NULL, TEXT("a"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
    check_close(other);
}
