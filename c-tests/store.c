/* Stores: opening, closing, releasing, keyspaces, flushing. See open.c for paths and options. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

TEST(reopened_store_has_everything)
{
    sledstore *store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), NULL, &store, &error));
    sledstore *words = check_open_tree(store, "words");
    check_put(store, "U+2603", "SNOWMAN");
    check_put(words, "snowman", "U+2603");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(store, TEXT("session"), TEXT("token"), 3600000, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_close(store, &error));

    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), NULL, &store, &error));
    words = check_open_tree(store, "words");
    CHECK_VALUE(store, "U+2603", "SNOWMAN");
    CHECK_VALUE(words, "snowman", "U+2603");
    uint64_t ttl_ms;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(store, TEXT("session"), &ttl_ms, &error));
    CHECK(ttl_ms <= 3600000);
    CHECK_COUNT(store, 2);
    CHECK_COUNT(words, 1);
    check_close(store);
}

TEST(store_can_be_closed_and_reopened_in_a_loop)
{
    for (int turn = 0; turn < 200; turn++) { /* never LOCKED: close waits for the lock */
        sledstore *store = check_open("store");
        char key[16];
        snprintf(key, sizeof key, "%d", turn);
        check_put(store, key, "turn");
        check_close(store);
    }
    sledstore *store = check_open("store");
    CHECK_COUNT(store, 200);
    check_close(store);
}

/* ---- close ------------------------------------------------------------------------------- */

TEST(close_ends_every_handle_of_the_store)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore *again = check_open_tree(store, "words");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_close(words, &error)); /* whichever handle is given */
    sledstore *handles[] = {store, words, again};
    for (size_t at = 0; at < 3; at++) {
        CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_put(handles[at], TEXT("a"), TEXT("b"), &error));
        CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_close(handles[at], &error));
        CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_release(handles[at], &error));
    }
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_STORE));
}

TEST(close_is_busy_while_iterators_are_open)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore_iter *first, *second;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &first, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(words, NULL, &second, &error));

    CHECK_STATUS(SLEDSTORE_BUSY, sledstore_close(store, &error));
    CHECK_CONTAINS(check_message(), "2");
    CHECK_CONTAINS(check_message(), "iterator");
    check_put(store, "key", "value"); /* the store is as usable as before */
    CHECK_VALUE(store, "key", "value");

    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(first));
    CHECK_STATUS(SLEDSTORE_BUSY, sledstore_close(words, &error));
    CHECK_CONTAINS(check_message(), "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(second));
    check_close(store);
}

TEST(close_leaves_values_batches_and_other_stores_alone)
{
    sledstore *store = check_open("store");
    sledstore *other = check_open("other");
    sledstore_batch *batch;
    sledstore_value *value;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("a"), TEXT("1"), &error));
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get(store, TEXT("key"), &value, &error));
    check_close(store);

    CHECK_BYTES(TEXT("value"), sledstore_value_data(value), sledstore_value_len(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(other, batch, 0, &error));
    CHECK_VALUE(other, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    check_close(other);
}

TEST(close_of_null_does_nothing)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_close(NULL, &error));
}

/* ---- release ----------------------------------------------------------------------------- */

TEST(release_of_the_last_handle_closes)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_contains(store, TEXT("key"), &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_release(store, &error));

    check_put(words, "snowman", "U+2603"); /* the other handle holds the store open */
    sledstore *second;
    CHECK_STATUS(SLEDSTORE_LOCKED, sledstore_open(check_path("store"), NULL, &second, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));

    store = check_open("store"); /* at once: the lock is free when release comes back */
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(released_store_stays_open_for_its_iterator)
{
    sledstore *store = check_open("store");
    sledstore_iter *iter;
    sledstore_pair row;
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));

    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "key", "value");
    sledstore *second;
    CHECK_STATUS(SLEDSTORE_LOCKED, sledstore_open(check_path("store"), NULL, &second, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));

    store = check_open("store");
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(release_of_null_does_nothing)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(NULL, &error));
}

/* ---- keyspaces --------------------------------------------------------------------------- */

TEST(keyspaces_keep_their_keys_apart)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    sledstore *defaults =
        check_open_tree(store, "default"); /* another handle of the same keyspace */
    check_put(store, "key", "in default");
    check_put(words, "key", "in words");
    CHECK_VALUE(defaults, "key", "in default");
    CHECK_VALUE(words, "key", "in words");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(words, TEXT("key"), &error));
    CHECK_VALUE(store, "key", "in default");
    CHECK_COUNT(words, 0);
    check_close(store);
}

TEST(keyspace_names_are_bytes)
{
    sledstore *store = check_open("store");
    sledstore *keyspace;
    static const char name[] = {'\0', '\xff', '/', '.', '.', '\n'};
    char longest[256];
    memset(longest, 'n', sizeof longest);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_open_keyspace(store, name, sizeof name, 0, &keyspace, &error));
    check_put(keyspace, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open_keyspace(store, longest, 255, 0, &keyspace, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_open_keyspace(store, longest, 256, 0, &keyspace, &error));
    CHECK(keyspace == NULL);
    check_close(store);
}

TEST(reserved_and_empty_keyspace_names_are_refused)
{
    sledstore *store = check_open("store");
    sledstore *keyspace = store;
    static const char *const names[] = {"__ttl__", "__", "__mine", ""};
    for (size_t at = 0; at < 4; at++) {
        CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                     sledstore_open_keyspace(store, TEXT(names[at]), 0, &keyspace, &error));
        CHECK(keyspace == NULL);
    }
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_open_keyspace(store, NULL, 0, 0, &keyspace, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_open_keyspace(store, NULL, 5, 0, &keyspace, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_open_keyspace(store, "words", SIZE_MAX, 0, &keyspace, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_open_keyspace(store, "words", 5, 0, NULL, &error));
    check_close(store);
}

TEST(keyspace_that_must_exist_is_not_created)
{
    const uint64_t must_exist = SLEDSTORE_KEYSPACE_MUST_EXIST;
    sledstore *store = check_open("store");
    sledstore *words = store;
    size_t count;
    CHECK_STATUS(SLEDSTORE_NOT_FOUND,
                 sledstore_open_keyspace(store, TEXT("words"), must_exist, &words, &error));
    CHECK(words == NULL);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_keyspace_names(store, NULL, 0, &count, &error));
    CHECK_NUMBER(1, count);
    check_put(check_open_tree(store, "words"), "key", "value");
    check_close(store);

    store = check_open("store"); /* there on the disk, and not opened yet */
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_open_keyspace(store, TEXT("words"), must_exist, &words, &error));
    CHECK_VALUE(words, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_open_keyspace(store, TEXT("default"), must_exist, &words, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_NOT_FOUND,
                 sledstore_open_keyspace(store, TEXT("words"), must_exist, &words, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_open_keyspace(store, TEXT("words"), 2, &words, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_open_keyspace(store, TEXT("__"), must_exist, &words, &error));
    CHECK(words == NULL);
    check_close(store);
}

TEST(dropped_keyspace_is_gone_and_its_handles_say_so)
{
    sledstore *store = check_open("store");
    sledstore *words = check_open_tree(store, "words");
    check_put(words, "snowman", "U+2603");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));

    sledstore_value *value;
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_get(words, TEXT("snowman"), &value, &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_put(words, TEXT("a"), TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_NOT_FOUND, sledstore_drop_keyspace(store, TEXT("words"), &error));

    sledstore *fresh = check_open_tree(store, "words"); /* a new and empty one of that name */
    CHECK_COUNT(fresh, 0);
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_put(words, TEXT("a"), TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error)); /* still a handle to give up */
    check_close(store);
}

TEST(keyspace_that_cannot_be_dropped_stays)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_NOT_FOUND, sledstore_drop_keyspace(store, TEXT("absent"), &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_drop_keyspace(store, TEXT("default"), &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_drop_keyspace(store, TEXT("__ttl__"), &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_drop_keyspace(store, NULL, 3, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_drop_keyspace(store, "words", SIZE_MAX, &error));
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(keyspace_names_are_all_there_in_order)
{
    sledstore *store = check_open("store");
    check_open_tree(store, "words");
    check_open_tree(store, "alpha");
    size_t count;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_keyspace_names(store, NULL, 0, &count, &error));
    CHECK_NUMBER(3, count);

    sledstore_value *names[4];
    CHECK_STATUS(SLEDSTORE_OK, sledstore_keyspace_names(store, names, 4, &count, &error));
    CHECK_NUMBER(3, count);
    static const char *const expected[] = {"alpha", "default", "words"};
    for (size_t at = 0; at < count; at++) {
        CHECK_BYTES(TEXT(expected[at]), sledstore_value_data(names[at]),
                    sledstore_value_len(names[at]));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(names[at]));
    }
    check_close(store);
}

TEST(keyspace_names_fill_all_or_nothing)
{
    sledstore *store = check_open("store");
    check_open_tree(store, "words");
    size_t count = 77;
    sledstore_value *guard = (sledstore_value *)(uintptr_t)0x1234;
    sledstore_value *names[2] = {guard, guard};
    CHECK_STATUS(SLEDSTORE_BUFFER_TOO_SMALL,
                 sledstore_keyspace_names(store, names, 1, &count, &error));
    CHECK_NUMBER(2, count);
    CHECK(names[1] == guard);
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_VALUE));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_keyspace_names(store, NULL, 1, &count, &error));
    CHECK_NUMBER(0, count);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_keyspace_names(store, names, 1, NULL, &error));
    check_close(store);
}

/* ---- the disk ---------------------------------------------------------------------------- */

TEST(flush_and_compact_keep_the_data)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_flush(store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_flush_sync(store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compact(store, &error));
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(size_on_disk_is_more_than_nothing)
{
    sledstore *store = check_open("store");
    uint64_t bytes = 0;
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_flush(store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_size_on_disk(store, &bytes, &error));
    CHECK(bytes > 0);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_size_on_disk(store, NULL, &error));
    check_close(store);
}

TEST(count_follows_puts_deletes_and_expiry)
{
    sledstore *store = check_open("store");
    CHECK_COUNT(store, 0);
    check_put(store, "a", "1");
    check_put(store, "a", "2");
    check_put(store, "b", "1");
    CHECK_COUNT(store, 2);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_expire(store, TEXT("b"), 0, &error));
    CHECK_COUNT(store, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("a"), &error));
    CHECK_COUNT(store, 0);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_count(store, NULL, &error));
    check_close(store);
}
