/* Snapshots: one moment of all keyspaces, whatever writers do. */
#include "check.h"

#include <stdint.h>
#include <stdio.h>

static sledstore_snapshot *new_snapshot(const sledstore *store)
{
    sledstore_snapshot *snapshot = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &snapshot, &error));
    CHECK(snapshot != NULL);
    return snapshot;
}

static void free_snapshot(sledstore_snapshot *snapshot)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(snapshot));
}

/* What the snapshot says of a key, in each of the ways to ask; NULL: it was not there. */
static void expect(const sledstore_snapshot *snapshot, const sledstore *keyspace, const char *key,
                   const char *expected)
{
    int32_t status = expected == NULL ? SLEDSTORE_KEY_NOT_FOUND : SLEDSTORE_OK;
    sledstore_value *value, *many;
    sledstore_bytes wanted = check_text(key);
    char buffer[64];
    size_t needed;
    CHECK_STATUS(status, sledstore_snapshot_contains(snapshot, keyspace, TEXT(key), &error));
    CHECK_STATUS(status, sledstore_snapshot_get(snapshot, keyspace, TEXT(key), &value, &error));
    CHECK_STATUS(status, sledstore_snapshot_get_into(snapshot, keyspace, TEXT(key), buffer,
                                                     sizeof buffer, &needed, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_snapshot_get_many(snapshot, keyspace, &wanted, 1, &many, &error));
    if (expected == NULL) {
        CHECK(value == NULL && many == NULL && needed == 0);
        return;
    }
    CHECK_BYTES(TEXT(expected), sledstore_value_data(value), sledstore_value_len(value));
    CHECK_BYTES(TEXT(expected), sledstore_value_data(many), sledstore_value_len(many));
    CHECK_BYTES(TEXT(expected), buffer, needed);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(many));
}

static uint64_t count(const sledstore_snapshot *snapshot, const sledstore *keyspace)
{
    uint64_t number = 77;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_count(snapshot, keyspace, &number, &error));
    return number;
}

/* All rows of an iterator in one string, which frees it too. */
static const char *rows_of(sledstore_iter *iter)
{
    static char rows[256];
    sledstore_pair row;
    int32_t status;
    rows[0] = '\0';
    while ((status = sledstore_iter_next(iter, &row, NULL)) == SLEDSTORE_OK) {
        snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "%.*s=%.*s ", (int)row.key.len,
                 (const char *)row.key.data, (int)row.value.len, (const char *)row.value.data);
    }
    CHECK(status == SLEDSTORE_END);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
    return rows;
}

static sledstore_iter *iter_of(const sledstore_snapshot *snapshot, const sledstore *keyspace)
{
    sledstore_iter *iter = NULL;
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_snapshot_iter_new(snapshot, keyspace, NULL, &iter, &error));
    return iter;
}

TEST(snapshot_shows_all_keyspaces_as_they_were)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    check_put(store, "apple", "red");
    check_put(store, "pear", "green");
    check_put(words, "apple", "fruit");
    sledstore_snapshot *before = new_snapshot(store);
    check_put(store, "apple", "brown");
    check_put(store, "banana", "yellow");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("pear"), &error));
    check_put(words, "apple", "company");
    sledstore *late = check_open_tree(store, "late"); /* it was not there yet */
    check_put(late, "apple", "pie");
    sledstore_snapshot *after = new_snapshot(words);

    expect(before, NULL, "apple", "red");
    expect(before, store, "pear", "green");
    expect(before, NULL, "banana", NULL);
    expect(before, words, "apple", "fruit");
    expect(before, late, "apple", NULL);
    CHECK_NUMBER(0, count(before, late));
    CHECK_NUMBER(2, count(before, NULL));
    CHECK(strcmp(rows_of(iter_of(before, NULL)), "apple=red pear=green ") == 0);
    CHECK(strcmp(rows_of(iter_of(before, words)), "apple=fruit ") == 0);

    expect(after, NULL, "apple", "company"); /* NULL is the keyspace that it was made from */
    expect(after, store, "pear", NULL);
    CHECK(strcmp(rows_of(iter_of(after, store)), "apple=brown banana=yellow ") == 0);
    free_snapshot(before);
    expect(after, store, "apple", "brown");
    free_snapshot(after);
    check_close(store);
}

/* A snapshot of the key "short", which is still there afterwards. Where that takes longer than the key lives, as on a
 * slow machine, the key gets a longer life. */
static sledstore_snapshot *snapshot_before_short_expires(sledstore *store)
{
    for (uint64_t life = 30;; life *= 2) {
        CHECK_STATUS(SLEDSTORE_OK,
                     sledstore_put_with_ttl(store, TEXT("short"), TEXT("1"), life, &error));
        sledstore_snapshot *snapshot = new_snapshot(store);
        if (sledstore_contains(store, TEXT("short"), NULL) == SLEDSTORE_OK) {
            return snapshot;
        }
        free_snapshot(snapshot);
    }
}

TEST(snapshot_shows_what_had_not_expired_then)
{
    sledstore *store = check_open("store");
    sledstore_snapshot *before = snapshot_before_short_expires(store);
    while (sledstore_contains(store, TEXT("short"), NULL) == SLEDSTORE_OK) {
        check_pause();
    }
    sledstore_snapshot *after = new_snapshot(store);
    expect(before, NULL, "short", "1");
    expect(after, NULL, "short", NULL);
    CHECK_NUMBER(0, count(after, NULL));
    free_snapshot(after);
    free_snapshot(before);
    check_close(store);
}

TEST(iterators_show_the_moment_they_were_made_in)
{
    sledstore *store = check_open("store");
    sledstore_iter *still, *later = NULL;
    check_put(store, "a", "1");
    check_put(store, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &still, &error));
    sledstore_snapshot *snapshot = new_snapshot(store);
    later = iter_of(snapshot, NULL);
    check_put(store, "b", "3");
    check_put(store, "c", "4");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("a"), &error));
    free_snapshot(snapshot); /* its iterator goes on */
    CHECK(strcmp(rows_of(still), "a=1 b=2 ") == 0);
    CHECK(strcmp(rows_of(later), "a=1 b=2 ") == 0);
    check_close(store);
}

TEST(what_is_kept_is_told_and_goes_with_the_last_snapshot)
{
    sledstore *store = check_open("store");
    uint64_t moments = 7, versions = 7, bytes = 7;
    check_put(store, "a", "1");
    check_put(store, "b", "1");
    sledstore_snapshot *snapshot = new_snapshot(store);
    check_put(store, "a", "2");
    check_put(store, "a", "3"); /* only the first overwrite keeps something */
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_snapshot_stats(store, &moments, &versions, &bytes, &error));
    CHECK_NUMBER(1, moments);
    CHECK_NUMBER(1, versions);
    CHECK(bytes > 0);
    free_snapshot(snapshot);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_snapshot_stats(store, &moments, &versions, &bytes, &error));
    CHECK(moments == 0 && versions == 0 && bytes == 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_stats(store, NULL, NULL, NULL, &error));
    moments = 7;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_snapshot_stats(NULL, &moments, &versions, &bytes, &error));
    CHECK_NUMBER(0, moments);
    check_close(store);
}

TEST(past_the_bound_the_oldest_snapshot_ends_and_says_so)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store;
    options.snapshot_memory = 4096;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    for (int row = 0; row < 100; row++) {
        char key[16];
        snprintf(key, sizeof key, "%03d", row);
        check_put(store, key, "before");
    }
    sledstore_snapshot *snapshot = new_snapshot(store);
    sledstore_txn *txn;
    sledstore_iter *iter;
    sledstore_pair row;
    sledstore_value *value;
    uint64_t number;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_contains(txn, NULL, TEXT("000"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("000"), TEXT("x"), &error));
    iter = iter_of(snapshot, NULL);
    for (int row = 0; row < 100; row++) {
        char key[16];
        snprintf(key, sizeof key, "%03d", row);
        check_put(store, key, "after"); /* never refused, never waits */
    }
    CHECK_STATUS(SLEDSTORE_CAPACITY_EXCEEDED,
                 sledstore_snapshot_get(snapshot, NULL, TEXT("000"), &value, &error));
    CHECK(value == NULL);
    CHECK_STATUS(SLEDSTORE_CAPACITY_EXCEEDED,
                 sledstore_snapshot_count(snapshot, NULL, &number, &error));
    CHECK_STATUS(SLEDSTORE_CAPACITY_EXCEEDED, sledstore_iter_next(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_CAPACITY_EXCEEDED,
                 sledstore_txn_get(txn, NULL, TEXT("001"), &value, &error));
    CHECK_STATUS(SLEDSTORE_CAPACITY_EXCEEDED, sledstore_txn_count(txn, NULL, &number, &error));
    CHECK_STATUS(SLEDSTORE_CAPACITY_EXCEEDED, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "000", "after");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
    free_snapshot(snapshot);
    check_close(store);
}

TEST(close_waits_for_nobody_and_says_how_many_snapshots_are_open)
{
    sledstore *store = check_open("store");
    sledstore_snapshot *one = new_snapshot(store), *two = new_snapshot(store);
    sledstore_txn *txn;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_BUSY, sledstore_close(store, &error));
    CHECK_CONTAINS(check_message(), "2 snapshots");
    CHECK_CONTAINS(check_message(), "1 transaction");
    free_snapshot(one);
    free_snapshot(two);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(txn, &error));
    check_close(store);
}

TEST(released_store_lives_until_its_snapshot_is_freed)
{
    sledstore *store = check_open("store");
    check_put(store, "a", "1");
    sledstore_snapshot *snapshot = new_snapshot(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));
    expect(snapshot, NULL, "a", "1");
    free_snapshot(snapshot);
    store = check_open("store"); /* the directory is free */
    check_close(store);
}

TEST(dropped_keyspace_is_gone_from_snapshots)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    check_put(words, "a", "1");
    sledstore_snapshot *snapshot = new_snapshot(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED,
                 sledstore_snapshot_contains(snapshot, words, TEXT("a"), &error));
    free_snapshot(snapshot);
    check_close(store);
}

TEST(snapshot_refuses_keyspaces_of_other_stores)
{
    sledstore *store = check_open("store"), *other = check_open("other");
    sledstore_snapshot *snapshot = new_snapshot(store);
    sledstore_value *value = (sledstore_value *)8;
    sledstore_bytes key = check_text("a");
    sledstore_iter *iter = (sledstore_iter *)8;
    size_t needed = 7;
    uint64_t number = 7;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_snapshot_get(snapshot, other, TEXT("a"), &value, &error));
    CHECK(value == NULL);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_snapshot_get_into(snapshot, other, TEXT("a"), NULL, 0, &needed, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_snapshot_get_many(snapshot, other, &key, 1, &value, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_snapshot_contains(snapshot, other, TEXT("a"), &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_snapshot_count(snapshot, other, &number, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_snapshot_iter_new(snapshot, other, NULL, &iter, &error));
    CHECK(iter == NULL);
    free_snapshot(snapshot);
    check_close(other);
    check_close(store);
}

TEST(snapshot_functions_refuse_bad_arguments)
{
    sledstore *store = check_open("store");
    check_put(store, "a", "long");
    sledstore_snapshot *snapshot = new_snapshot(store);
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_iter *iter;
    sledstore_value *value;
    sledstore_bytes bad = {NULL, 1};
    uint64_t number;
    size_t needed;
    char small[2];
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT;
    CHECK_STATUS(invalid, sledstore_snapshot_new(store, NULL, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_get(snapshot, NULL, TEXT("a"), NULL, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_get(snapshot, NULL, NULL, 1, &value, &error));
    CHECK_STATUS(invalid,
                 sledstore_snapshot_get_into(snapshot, NULL, TEXT("a"), small, 2, NULL, &error));
    CHECK_STATUS(invalid,
                 sledstore_snapshot_get_into(snapshot, NULL, TEXT("a"), NULL, 2, &needed, &error));
    CHECK_STATUS(invalid,
                 sledstore_snapshot_get_into(snapshot, NULL, NULL, 2, small, 2, &needed, &error));
    CHECK_STATUS(SLEDSTORE_BUFFER_TOO_SMALL,
                 sledstore_snapshot_get_into(snapshot, NULL, TEXT("a"), small, 2, &needed, &error));
    CHECK_NUMBER(4, needed);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_snapshot_get_into(snapshot, NULL, TEXT("a"), NULL, 0, &needed, &error));
    CHECK_NUMBER(4, needed);
    CHECK_STATUS(invalid, sledstore_snapshot_get_many(snapshot, NULL, &bad, 1, &value, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_get_many(snapshot, NULL, NULL, 1, &value, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_get_many(snapshot, NULL, &bad, 1, NULL, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_get_many(snapshot, NULL, NULL, 0, NULL, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_contains(snapshot, NULL, NULL, 1, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_count(snapshot, NULL, NULL, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_iter_new(snapshot, NULL, NULL, NULL, &error));
    options.flags = 8;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_snapshot_iter_new(snapshot, NULL, &options, &iter, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_snapshot_count((sledstore_snapshot *)store, NULL, &number, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_snapshot_count(snapshot, (sledstore *)snapshot, &number, &error));
    free_snapshot(snapshot);
    check_close(store);
}

TEST(freed_snapshot_says_closed)
{
    sledstore *store = check_open("store");
    sledstore_snapshot *snapshot = new_snapshot(store), *none = (sledstore_snapshot *)8;
    sledstore_iter *iter;
    sledstore_value *value;
    sledstore_bytes key = check_text("a");
    uint64_t number;
    size_t needed;
    const int32_t closed = SLEDSTORE_CLOSED;
    CHECK_NUMBER(1, check_live(SLEDSTORE_KIND_SNAPSHOT));
    free_snapshot(snapshot);
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_SNAPSHOT));
    CHECK(sledstore_snapshot_free(snapshot) == closed);
    CHECK(sledstore_snapshot_free(NULL) == SLEDSTORE_OK);
    CHECK(sledstore_snapshot_free((sledstore_snapshot *)store) == SLEDSTORE_WRONG_HANDLE);
    CHECK_STATUS(closed, sledstore_snapshot_get(snapshot, NULL, TEXT("a"), &value, &error));
    CHECK_STATUS(closed,
                 sledstore_snapshot_get_into(snapshot, NULL, TEXT("a"), NULL, 0, &needed, &error));
    CHECK_STATUS(closed, sledstore_snapshot_get_many(snapshot, NULL, &key, 1, &value, &error));
    CHECK_STATUS(closed, sledstore_snapshot_contains(snapshot, NULL, TEXT("a"), &error));
    CHECK_STATUS(closed, sledstore_snapshot_count(snapshot, NULL, &number, &error));
    CHECK_STATUS(closed, sledstore_snapshot_iter_new(snapshot, NULL, NULL, &iter, &error));
    check_close(store);
    CHECK_STATUS(closed, sledstore_snapshot_new(store, &none, &error));
    CHECK(none == NULL);
    CHECK_STATUS(closed, sledstore_snapshot_stats(store, NULL, NULL, NULL, &error));
}
