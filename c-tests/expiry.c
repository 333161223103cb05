/* Keys that expire. Times are milliseconds; no test depends on how fast it runs. */
#include "check.h"

#include <stdint.h>

#define HOUR UINT64_C(3600000)

static uint64_t ttl_of(const sledstore *store, const char *key)
{
    uint64_t ttl_ms = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(store, TEXT(key), &ttl_ms, &error));
    return ttl_ms;
}

static void put_for(const sledstore *store, const char *key, const char *value, uint64_t ttl_ms)
{
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(store, TEXT(key), TEXT(value), ttl_ms, &error));
}

TEST(expired_keys_are_purged_in_the_background)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store;
    uint64_t purged = 1;
    options.purge_every_ms = 2;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    for (bool seen = false; !seen;) {
        /* Purging by hand finds nothing in the end, because the thread has been there. */
        CHECK_STATUS(SLEDSTORE_OK,
                     sledstore_put_with_ttl(store, TEXT("key"), TEXT("1"), 1, &error));
        for (int wait = 0; wait < 50; wait++) check_pause();
        CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(store, &purged, &error));
        seen = purged == 0;
    }
    check_close(store);
}

TEST(key_with_a_ttl_is_found_and_knows_its_ttl)
{
    sledstore *store = check_open("store");
    put_for(store, "session", "token", HOUR);
    CHECK_VALUE(store, "session", "token");
    CHECK(ttl_of(store, "session") <= HOUR);
    CHECK(ttl_of(store, "session") > 0);
    check_close(store);
}

TEST(key_vanishes_when_its_time_is_over)
{
    sledstore *store = check_open("store");
    put_for(store, "session", "token", 20);
    while (sledstore_contains(store, TEXT("session"), NULL) == SLEDSTORE_OK) {
        check_pause();
    }
    CHECK_ABSENT(store, "session");
    CHECK_COUNT(store, 0);
    check_close(store);
}

/* Every operation has to see an expired key as absent. */
static void check_expired(const sledstore *store, const char *key)
{
    sledstore_value *value;
    sledstore_bytes bytes = check_text(key);
    uint64_t ttl_ms = 77;
    size_t needed = 77;
    sledstore_iter *iter;
    sledstore_pair row;
    CHECK_ABSENT(store, key);
    CHECK_COUNT(store, 0);
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_get(store, TEXT(key), &value, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                 sledstore_get_into(store, TEXT(key), NULL, 0, &needed, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_many(store, &bytes, 1, &value, &error));
    CHECK(value == NULL);
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_ttl(store, TEXT(key), &ttl_ms, &error));
    CHECK_NUMBER(0, ttl_ms);
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                 sledstore_get_with_ttl(store, TEXT(key), &value, &ttl_ms, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_expire(store, TEXT(key), HOUR, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_persist(store, TEXT(key), &error));
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT(key), &bytes, NULL, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compare_and_swap(store, TEXT(key), NULL, NULL, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_first(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_last(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
}

TEST(ttl_of_zero_is_over_at_once)
{
    sledstore *store = check_open("store");
    put_for(store, "key", "key", 0);
    check_expired(store, "key");
    check_put(store, "key", "key");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_expire(store, TEXT("key"), 0, &error));
    check_expired(store, "key");
    check_close(store);
    store = check_open("store");
    check_expired(store, "key");
    check_close(store);
}

TEST(expired_key_can_be_written_again)
{
    sledstore *store = check_open("store");
    sledstore_bytes desired = check_text("swapped");
    uint64_t ttl_ms, removed;
    put_for(store, "put", "old", 0);
    put_for(store, "swapped", "old", 0);
    check_put(store, "put", "new");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_compare_and_swap(store, TEXT("swapped"), NULL, &desired, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(store, &removed, &error));
    CHECK_NUMBER(0, removed); /* nothing is left of the old ones */
    CHECK_VALUE(store, "put", "new");
    CHECK_VALUE(store, "swapped", "swapped");
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("put"), &ttl_ms, &error));
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("swapped"), &ttl_ms, &error));
    check_close(store);
}

TEST(longest_ttl_does_not_overflow)
{
    sledstore *store = check_open("store");
    put_for(store, "key", "value", UINT64_MAX);
    CHECK_VALUE(store, "key", "value");
    CHECK(ttl_of(store, "key") > HOUR);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_expire(store, TEXT("key"), UINT64_MAX - 1, &error));
    CHECK(ttl_of(store, "key") > HOUR);
    check_close(store);
    store = check_open("store");
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(key_without_a_ttl_says_so)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms = 77;
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("key"), &ttl_ms, &error));
    CHECK_NUMBER(0, ttl_ms);
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_persist(store, TEXT("key"), &error));
    check_close(store);
}

TEST(expire_gives_a_key_a_ttl_and_persist_takes_it_away)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms;
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_expire(store, TEXT("key"), HOUR, &error));
    CHECK(ttl_of(store, "key") <= HOUR);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_expire(store, TEXT("key"), 2 * HOUR, &error));
    CHECK(ttl_of(store, "key") > HOUR);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_persist(store, TEXT("key"), &error));
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("key"), &ttl_ms, &error));
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(put_clears_the_ttl_of_the_old_value)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms;
    put_for(store, "key", "value", HOUR);
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("key"), &ttl_ms, &error));
    check_close(store);
}

TEST(value_and_ttl_are_read_in_one_call)
{
    sledstore *store = check_open("store");
    sledstore_value *value;
    uint64_t ttl_ms = 7;
    put_for(store, "session", "token", HOUR);
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_get_with_ttl(store, TEXT("session"), &value, &ttl_ms, &error));
    CHECK_BYTES("token", 5, sledstore_value_data(value), sledstore_value_len(value));
    CHECK(ttl_ms > 0 && ttl_ms <= HOUR);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    CHECK_STATUS(SLEDSTORE_NO_TTL,
                 sledstore_get_with_ttl(store, TEXT("key"), &value, &ttl_ms, &error));
    CHECK_BYTES("value", 5, sledstore_value_data(value), sledstore_value_len(value));
    CHECK_NUMBER(0, ttl_ms);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    ttl_ms = 7;
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                 sledstore_get_with_ttl(store, TEXT("none"), &value, &ttl_ms, &error));
    CHECK(value == NULL);
    CHECK_NUMBER(0, ttl_ms);
    check_close(store);
}

TEST(ttl_of_an_absent_key_is_an_outcome)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms = 77;
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_ttl(store, TEXT("key"), &ttl_ms, &error));
    CHECK_NUMBER(0, ttl_ms);
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_expire(store, TEXT("key"), HOUR, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_persist(store, TEXT("key"), &error));
    CHECK_ABSENT(store, "key");
    check_close(store);
}

static void wait_for_count(const sledstore *store, uint64_t expected)
{
    uint64_t count = expected + 1;
    while (count != expected) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_count(store, &count, &error));
        check_pause();
    }
}

TEST(purge_removes_what_has_expired_and_nothing_else)
{
    sledstore *store = check_open("store");
    sledstore *words;
    uint64_t removed = 77;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open_keyspace(store, TEXT("words"), 0, &words, &error));
    put_for(words, "other", "keyspace", 1);
    put_for(store, "over", "1", 1);
    put_for(store, "also over", "1", 1);
    put_for(store, "later", "1", HOUR);
    check_put(store, "never", "1");
    wait_for_count(store, 2); /* counting sees that they are over, and leaves them there */
    wait_for_count(words, 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(store, &removed, &error));
    CHECK_NUMBER(2, removed);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(store, &removed, &error));
    CHECK_NUMBER(0, removed);
    CHECK_COUNT(store, 2);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(words, &removed, &error));
    CHECK_NUMBER(1, removed);
    check_close(store);
}

TEST(purge_has_nothing_to_do_for_keys_that_never_lived)
{
    sledstore *store = check_open("store");
    uint64_t removed = 77;
    put_for(store, "over", "1", 0); /* is not even written */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(store, &removed, &error));
    CHECK_NUMBER(0, removed);
    check_close(store);
}

TEST(bad_arguments_of_expiry_are_refused)
{
    static char key[4097];
    sledstore *store = check_open("store");
    sledstore_value *value;
    uint64_t ttl_ms = 77;
    put_for(store, "key", "value", HOUR);
    memset(key, 'k', sizeof key);
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_put_with_ttl(store, key, sizeof key, "v", 1, HOUR, &error));
    /* Such a key cannot be there, and that is the answer. */
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_expire(store, key, sizeof key, HOUR, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_persist(store, key, sizeof key, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_ttl(store, key, sizeof key, &ttl_ms, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_put_with_ttl(store, NULL, 1, "v", 1, HOUR, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_put_with_ttl(store, "k", 1, NULL, 1, HOUR, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_put_with_ttl(store, "k", SIZE_MAX, "v", 1, HOUR, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_put_with_ttl(store, "k", 1, "v", SIZE_MAX, HOUR, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_expire(store, NULL, 1, HOUR, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_expire(store, "k", SIZE_MAX, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_ttl(store, NULL, 1, &ttl_ms, &error));
    CHECK_NUMBER(0, ttl_ms);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_ttl(store, "k", SIZE_MAX, &ttl_ms, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_ttl(store, TEXT("key"), NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_with_ttl(store, TEXT("key"), NULL, &ttl_ms, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_with_ttl(store, TEXT("key"), &value, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_with_ttl(store, NULL, 1, &value, &ttl_ms, &error));
    CHECK(value == NULL);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_persist(store, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_persist(store, "k", SIZE_MAX, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_purge_expired(store, NULL, &error));
    CHECK_COUNT(store, 1);
    check_close(store);
}
