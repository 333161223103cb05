/* The feed of commits that the log still has. */
#include "check.h"

#include <stdio.h>

static sledstore *open_keeping(const char *name, uint64_t bytes)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store;
    options.keep_log = bytes;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path(name), &options, &store, &error));
    return store;
}

static sledstore_changes *since(const sledstore *store, uint64_t sequence)
{
    sledstore_changes *changes = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_since(store, sequence, &changes, NULL, &error));
    CHECK(changes != NULL);
    return changes;
}

/* The next change has to be this one; value NULL: it has none. */
static sledstore_change expect(sledstore_changes *changes, uint32_t kind, const char *keyspace,
                               const char *key, const char *value)
{
    sledstore_change change;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_next(changes, &change, &error));
    CHECK_NUMBER(kind, change.kind);
    CHECK_BYTES(TEXT(keyspace), change.keyspace.data, change.keyspace.len);
    CHECK_BYTES(TEXT(key), change.key.data, change.key.len);
    if (value == NULL) {
        CHECK(change.value.data == NULL && change.value.len == 0);
    } else {
        CHECK_BYTES(TEXT(value), change.value.data, change.value.len);
    }
    return change;
}

static void expect_end(sledstore_changes *changes)
{
    sledstore_change change;
    static const sledstore_change zero;
    memset(&change, 0xa5, sizeof change);
    CHECK_STATUS(SLEDSTORE_END, sledstore_changes_next(changes, &change, &error));
    CHECK(memcmp(&change, &zero, sizeof change) == 0);
}

static uint64_t sequence(const sledstore *store)
{
    uint64_t number = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_sequence(store, &number, &error));
    return number;
}

TEST(feed_tells_what_was_written_after_a_snapshot_in_all_keyspaces)
{
    sledstore *store = open_keeping("store", UINT64_C(1) << 30);
    sledstore *words = check_open_tree(store, "words");
    sledstore_snapshot *snapshot;
    sledstore_batch *batch;
    uint64_t from;
    check_put(store, "before", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &snapshot, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_sequence(snapshot, &from, &error));
    CHECK_NUMBER(sequence(store), from);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("a"), TEXT(""), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_delete(batch, words, TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(words, TEXT("c"), TEXT("2"), 1000000, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(snapshot));

    sledstore_changes *changes = since(store, from);
    sledstore_change a = expect(changes, SLEDSTORE_CHANGE_PUT, "default", "a", "");
    CHECK(a.sequence == from + 1 && a.ends_commit == 0 && a.expires_at_ms == 0);
    sledstore_change b = expect(changes, SLEDSTORE_CHANGE_REMOVE, "words", "b", NULL);
    CHECK(b.sequence == from + 1 && b.ends_commit == 1);
    sledstore_change c = expect(changes, SLEDSTORE_CHANGE_PUT, "words", "c", "2");
    CHECK(c.sequence == from + 2 && c.ends_commit == 1 && c.expires_at_ms > 0);
    expect(changes, SLEDSTORE_CHANGE_DROP_KEYSPACE, "words", "", NULL);
    expect_end(changes);
    check_put(store, "later", "3");
    expect(changes, SLEDSTORE_CHANGE_PUT, "default", "later", "3");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    check_close(store);
}

TEST(removal_of_what_has_expired_is_told)
{
    sledstore *store = check_open("store");
    uint64_t purged;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(store, TEXT("a"), TEXT("1"), 1, &error));
    do {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(store, &purged, &error));
    } while (purged == 0);
    sledstore_changes *changes = since(store, 0);
    expect(changes, SLEDSTORE_CHANGE_PUT, "default", "a", "1");
    expect(changes, SLEDSTORE_CHANGE_EXPIRE, "default", "a", NULL);
    expect_end(changes);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    check_close(store);
}

TEST(log_that_is_kept_is_there_after_closing_and_opening)
{
    sledstore *store = open_keeping("store", UINT64_C(1) << 30);
    check_put(store, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compact(store, &error));
    check_put(store, "b", "2");
    check_close(store);
    store = open_keeping("store", UINT64_C(1) << 30);
    check_put(store, "c", "3");
    sledstore_changes *changes = since(store, 0);
    expect(changes, SLEDSTORE_CHANGE_PUT, "default", "a", "1");
    expect(changes, SLEDSTORE_CHANGE_PUT, "default", "b", "2");
    expect(changes, SLEDSTORE_CHANGE_PUT, "default", "c", "3");
    expect_end(changes);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    check_close(store);
}

TEST(what_is_not_kept_is_too_old_and_the_oldest_is_told)
{
    sledstore *store = check_open("store");
    sledstore_changes *changes = (sledstore_changes *)8, *late;
    sledstore_change change;
    uint64_t oldest = 77;
    check_put(store, "a", "1");
    late = since(store, sequence(store));
    check_put(store, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compact(store, &error));
    CHECK_STATUS(SLEDSTORE_TOO_OLD, sledstore_changes_since(store, 0, &changes, &oldest, &error));
    CHECK(changes == NULL);
    CHECK_CONTAINS(check_message(), "not in the log any more");
    CHECK_NUMBER(sequence(store), oldest);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_since(store, oldest, &changes, NULL, &error));
    expect_end(changes);
    CHECK_STATUS(SLEDSTORE_TOO_OLD, sledstore_changes_next(late, &change, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(late));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    check_close(store);
}

TEST(closed_store_ends_its_feeds_and_released_store_does_not)
{
    sledstore *store = check_open("store");
    sledstore_change change;
    check_put(store, "a", "1");
    sledstore_changes *changes = since(store, 0);
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_changes_next(changes, &change, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    store = check_open("store");
    check_put(store, "b", "2");
    changes = since(store, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));
    expect(changes, SLEDSTORE_CHANGE_PUT, "default", "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    store = check_open("store"); /* the directory is free */
    check_close(store);
}

TEST(feed_functions_refuse_bad_arguments)
{
    sledstore *store = check_open("store");
    sledstore_changes *changes = since(store, 0), *none = (sledstore_changes *)8;
    sledstore_snapshot *snapshot;
    sledstore_change change;
    uint64_t number = 7, oldest = 7;
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT, wrong = SLEDSTORE_WRONG_HANDLE;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &snapshot, &error));
    CHECK_STATUS(invalid, sledstore_changes_since(store, 1, &none, &oldest, &error));
    CHECK(none == NULL);
    CHECK_STATUS(invalid, sledstore_changes_since(store, 0, NULL, &oldest, &error));
    CHECK_STATUS(invalid, sledstore_changes_since(NULL, 0, &none, &oldest, &error));
    CHECK_NUMBER(0, oldest);
    CHECK_STATUS(wrong, sledstore_changes_since((sledstore *)changes, 0, &none, &oldest, &error));
    CHECK_STATUS(invalid, sledstore_changes_next(changes, NULL, &error));
    CHECK_STATUS(invalid, sledstore_changes_next(NULL, &change, &error));
    CHECK_STATUS(wrong, sledstore_changes_next((sledstore_changes *)store, &change, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_sequence(snapshot, NULL, &error));
    CHECK_STATUS(invalid, sledstore_snapshot_sequence(NULL, &number, &error));
    CHECK_NUMBER(0, number);
    CHECK_STATUS(wrong, sledstore_snapshot_sequence((sledstore_snapshot *)store, &number, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(snapshot));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_snapshot_sequence(snapshot, &number, &error));
    CHECK(sledstore_changes_free((sledstore_changes *)store) == wrong);
    CHECK(sledstore_changes_free(NULL) == SLEDSTORE_OK);
    CHECK_NUMBER(1, check_live(SLEDSTORE_KIND_CHANGES));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_CHANGES));
    CHECK(sledstore_changes_free(changes) == SLEDSTORE_CLOSED);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_changes_next(changes, &change, &error));
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_changes_since(store, 0, &none, NULL, &error));
    CHECK(none == NULL);
}

TEST(feed_tells_of_deleted_ranges_and_renamed_keyspaces)
{
    sledstore *store = open_keeping("store", UINT64_C(1) << 30);
    sledstore *words = check_open_tree(store, "words");
    check_put(words, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(words, TEXT("a"), TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_clear(words, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_rename_keyspace(store, TEXT("words"), TEXT("terms"), &error));
    sledstore_changes *changes = since(store, 1);
    expect(changes, SLEDSTORE_CHANGE_REMOVE_RANGE, "words", "a", "b");
    expect(changes, SLEDSTORE_CHANGE_REMOVE_RANGE, "words", "", NULL);
    expect(changes, SLEDSTORE_CHANGE_RENAME_KEYSPACE, "words", "", "terms");
    expect_end(changes);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(changes));
    check_close(store);
}
